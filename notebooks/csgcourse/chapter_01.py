"""Exercises 1.1 to 1.5: inflation.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Table SI.
"""

import torch
from torch import Generator, Tensor

from csgcourse.exercise import Arguments, Exercise, Wrong, normal, sizes

_STAGES = ("stem", "c1", "c2", "c3", "c4", "c5")


def inflate_mean(kernel: Tensor, frames: int) -> Tensor:
    """Every slice gets an equal share of the kernel.

    On a still clip every slice of the kernel sees the same frame, so only the sum of the slices
    counts. What share makes `frames` equal slices add up to the kernel?

    1. Divide the kernel by frames.
    2. Repeat it along a new axis behind (out, in):
       torch.stack(list of copies, dim=2), or unsqueeze(2) and expand.

    The slices add up to the 2D kernel, so on a still clip the 3D convolution gives the 2D result.
    """
    return torch.stack([kernel / frames] * frames, dim=2)


def inflate_center(kernel: Tensor, frames: int) -> Tensor:
    """The middle slice gets the kernel, the others zeros.

    Begin with zeros of the right shape. Which slice is the middle one?

    1. Make zeros of shape (out, in, frames, k, k), of the kernel's dtype:
       kernel.new_zeros(...)
    2. Write the kernel into slice frames // 2 of axis 2.

    Such a kernel sees one frame only: at first it is the 2D network, frame by frame.
    """
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[frames // 2] = kernel
    return torch.stack(slices, dim=2)


def same_length_padding(frames: int) -> int:
    """How far an odd kernel reaches beyond its middle, on either side.

    Put the middle of a kernel of 3 frames on the first frame of a clip. How many of its slices
    hang over the edge? And of a kernel of 5?

    1. An odd kernel has one middle frame; frames - 1 are left.
    2. Half of these lie before it, half after it.
    3. Whole numbers: use //.

    With stride 1 the clip keeps every frame, at any depth and any length.
    """
    return (frames - 1) // 2


def kernel_frames(stage: str) -> int:
    """Length in time of the first convolution of a stage's bottlenecks.

    The paper says that inflating early layers may cost accuracy. Look in Table SI for the stages
    whose first kernel is 3 x 1 x 1.

    1. Is the stage one of the last three, c3, c4, c5?
    2. Then 3, else 1.

    16 kernels are inflated, two in each of the eight blocks of c3 to c5.
    """
    return 3 if stage in ("c3", "c4", "c5") else 1


def still_clip(frame: Tensor, frames: int) -> Tensor:
    """The same frame again and again.

    A frame is (c, y, x). Between which two of its axes does time belong?

    1. Make a new axis behind the channels: frame.unsqueeze(1), or frame[:, None].
    2. Repeat along it: .expand(-1, frames, -1, -1), or .repeat(1, frames, 1, 1).
    (Or stack frames copies with dim=1.)

    Whatever a network makes of a still clip, it cannot have used motion.
    """
    return torch.stack([frame] * frames, dim=1)


def _kernels(generator: Generator) -> list[Arguments]:
    out, into, side, frames = sizes(generator, 4)
    wide, thin, large, long = sizes(generator, 4)
    return [
        (normal(generator, out, into, side, side), frames),
        (normal(generator, wide, thin, large, large, double=True), long),
        (normal(generator, 2, 5, 1, 1), 3),  # Table SI: 3 x 1 x 1
        (normal(generator, 3, 2, 5, 5), 1),
    ]


def _odd_kernels(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for frames in (3, 7, 5):
        out, into, side = sizes(generator, 3, without=frames)
        cases.append((normal(generator, out, into, side, side, double=frames == 7), frames))
    return [*cases, (normal(generator, 3, 2, 5, 5), 1)]


def _lengths(generator: Generator) -> list[Arguments]:
    longer = 2 * int(torch.randint(3, 20, (1,), generator=generator)) + 1
    return [(3,), (5,), (longer,), (1,)]


def _frames(generator: Generator) -> list[Arguments]:
    channels, rows, columns, frames = sizes(generator, 4)
    double = normal(generator, 2, 5, 3, double=True)
    return [
        (normal(generator, channels, rows, columns), frames),
        (double, 7),
        (normal(generator, 1, 3, 5), 2),
        (double.float(), 1),
    ]


def _slice(kernel: Tensor, frames: int, place: int) -> Tensor:
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[place] = kernel
    return torch.stack(slices, dim=2)


def _mean_mistakes(kernel: Tensor, frames: int) -> Wrong:
    return {
        "only the first slice holds it; all slices get an equal share": _slice(kernel, frames, 0),
        "this is centre inflation (1.2); all slices get an equal share": inflate_center(
            kernel, frames
        ),
        "you divided by its width; divide by `frames`": torch.stack(
            [kernel / kernel.shape[-1]] * frames, dim=2
        ),
    }


def _center_mistakes(kernel: Tensor, frames: int) -> Wrong:
    middle, last = frames // 2, frames - 1
    places = {"in the first slice": 0, "in the last slice": last}
    places |= {"one slice before the middle": middle - 1}
    places |= {"one slice after the middle": min(middle + 1, last)}
    wanted = "put it in the middle, `frames // 2`"
    return {
        **{f"the kernel is {at}; {wanted}": _slice(kernel, frames, k) for at, k in places.items()},
        "this is mean inflation (1.1); the middle slice gets it all": inflate_mean(kernel, frames),
        "every slice holds the whole kernel; only the middle one should": torch.stack(
            [kernel] * frames, dim=2
        ),
    }


def _padding_mistakes(frames: int) -> Wrong:
    return {
        "this is what both sides need together; Conv3d's `padding` is for each side": frames - 1,
        "a whole kernel on each side is too much: the clip would grow": frames,
    }


def _stage_mistakes(stage: str) -> Wrong:
    three = {
        "this inflates all five stages; the paper inflates the last three": _STAGES[1:],
        "these are the first three stages; the paper inflates the last three": _STAGES[1:4],
        "c3 is missing: the last three stages are c3, c4 and c5": _STAGES[4:],
        "c5 is missing: c3-c5 includes both ends": _STAGES[3:5],
        "c2 is one stage too early: its kernels in Table SI begin with 1 x, not 3 x": _STAGES[2:],
        "1 and 3 are exchanged: c3 to c5 have kernels of three frames": _STAGES[:3],
    }
    inflated = "this says whether a stage is inflated; the length of its kernel is wanted, 3 or 1"
    wrong: Wrong = {inflated: stage in _STAGES[3:]}
    return wrong | {words: 3 if stage in stages else 1 for words, stages in three.items()}


def _still_mistakes(frame: Tensor, frames: int) -> Wrong:
    black = [torch.zeros_like(frame)] * (frames - 1)
    return {"only the first frame shows the picture": torch.stack([frame, *black], dim=1)}


EXERCISES = (
    Exercise("1.1", inflate_mean, _kernels, axes="out in t y x", mistakes=_mean_mistakes),
    Exercise("1.2", inflate_center, _odd_kernels, axes="out in t y x", mistakes=_center_mistakes),
    Exercise("1.3", same_length_padding, _lengths, mistakes=_padding_mistakes),
    Exercise(
        "1.4", kernel_frames, lambda _: [(stage,) for stage in _STAGES], mistakes=_stage_mistakes
    ),
    Exercise("1.5", still_clip, _frames, axes="c t y x", mistakes=_still_mistakes),
)
