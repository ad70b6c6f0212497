"""Exercises 1.1 to 1.5: inflation.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Table SI.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from csgcourse.exercise import Exercise, Wrong, inputs

_STAGES = ("stem", "c1", "c2", "c3", "c4", "c5")


def inflate_mean(kernel: Tensor, frames: int) -> Tensor:
    """Every slice gets an equal share of the kernel."""
    return torch.stack([kernel / frames] * frames, dim=2)


def inflate_center(kernel: Tensor, frames: int) -> Tensor:
    """The middle slice gets the kernel, the others zeros."""
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[frames // 2] = kernel
    return torch.stack(slices, dim=2)


def same_length_padding(frames: int) -> int:
    """How far an odd kernel reaches beyond its middle, on either side."""
    return (frames - 1) // 2


def kernel_frames(stage: str) -> int:
    """Length in time of the first convolution of a stage's bottlenecks."""
    return 3 if stage in ("c3", "c4", "c5") else 1


def still_clip(frame: Tensor, frames: int) -> Tensor:
    """The same frame again and again."""
    return torch.stack([frame] * frames, dim=1)


def _mean_mistakes(kernel: Tensor, frames: int) -> Wrong:
    mean, first = inflate_mean(kernel, frames), pad(kernel[:, :, None], (0, 0, 0, 0, 0, frames - 1))
    return {
        "only the first slice holds it; all slices get an equal share": first,
        "this is centre inflation (1.2)": inflate_center(kernel, frames),
        "you divided by its width; divide by `frames`": mean * frames / kernel.shape[-1],
    }


def _center_mistakes(kernel: Tensor, frames: int) -> Wrong:
    one, rest = kernel[:, :, None], frames - 1
    wanted = "put it in the middle, `frames // 2`"
    return {
        f"the kernel is in the first slice; {wanted}": pad(one, (0, 0, 0, 0, 0, rest)),
        f"the kernel is in the last slice; {wanted}": pad(one, (0, 0, 0, 0, rest, 0)),
        "this is mean inflation (1.1); the middle slice gets it all": inflate_mean(kernel, frames),
    }


def _stage_mistakes(stage: str) -> Wrong:
    three = {
        "this inflates all five stages; the paper inflates the last three": _STAGES[1:],
        "these are the first three stages; the paper inflates the last three": _STAGES[1:4],
        "c3 is missing: the last three stages are c3, c4 and c5": _STAGES[4:],
        "c2 is one stage too early: its kernels in Table SI begin with 1 x, not 3 x": _STAGES[2:],
    }
    inflated = "this says whether a stage is inflated; the length of its kernel is wanted, 3 or 1"
    wrong: Wrong = {inflated: stage in _STAGES[3:]}
    return wrong | {words: 3 if stage in stages else 1 for words, stages in three.items()}


def _padding_mistakes(frames: int) -> Wrong:
    return {
        "this is what both sides need together; `padding` is for each side": frames - 1,
        "a whole kernel on each side is too much: the clip would grow": frames,
    }


_KERNELS = inputs(lambda o, i, k, t: ((o, i, k, k), t), {}, {}, {"k": 1, "t": 3}, {"t": 1})
_ODD = inputs(lambda o, i, k, t: ((o, i, k, k), t), *({"t": t} for t in (3, 7, 5, 1)))
_FRAMES = inputs(lambda c, y, x, t: ((c, y, x), t), {}, {}, {"c": 1}, {"t": 1})
_LENGTHS, _NAMES = [(3,), (5,), (17,), (1,)], [(stage,) for stage in _STAGES]
EXERCISES = (
    Exercise("1.1", inflate_mean, _KERNELS, "out in t y x", _mean_mistakes),
    Exercise("1.2", inflate_center, _ODD, "out in t y x", _center_mistakes),
    Exercise("1.3", same_length_padding, lambda _: _LENGTHS, mistakes=_padding_mistakes),
    Exercise("1.4", kernel_frames, lambda _: _NAMES, mistakes=_stage_mistakes),
    Exercise("1.5", still_clip, _FRAMES, "c t y x"),
)
