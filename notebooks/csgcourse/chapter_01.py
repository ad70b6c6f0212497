"""Exercises 1.1 to 1.5: inflation.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; Table SI.
"""

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_01_clips, mistakes_01_kernels
from csgcourse.exercise import Arguments, Exercise
from csgcourse.inputs import normal, sizes


def inflate_mean(kernel: Tensor, frames: int) -> Tensor:
    """Give every slice an equal share of the kernel."""
    return torch.stack([kernel / frames] * frames, dim=2)


def inflate_center(kernel: Tensor, frames: int) -> Tensor:
    """Give the middle slice the whole kernel and the others nothing."""
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[frames // 2] = kernel
    return torch.stack(slices, dim=2)


def same_length_padding(frames: int) -> int:
    """How far the kernel reaches beyond its middle, on either side."""
    return (frames - 1) // 2


def kernel_frames(stage: str) -> int:
    """How many frames the first convolution of a sub-block sees."""
    return 3 if stage in ("c3", "c4", "c5") else 1


def still_clip(frame: Tensor, frames: int) -> Tensor:
    """Show the same picture again and again."""
    return torch.stack([frame] * frames, dim=1)


def _kernels(generator: Generator) -> list[Arguments]:
    out, into, side, frames = sizes(generator, 4)
    wide, thin, large, long = sizes(generator, 4)
    return [
        (normal(generator, out, into, side, side), frames),
        (normal(generator, wide, thin, large, large, dtype=torch.float64), long),
        (normal(generator, 2, 5, 1, 1), 3),  # the case of Table SI: 3 x 1 x 1
        (normal(generator, 3, 2, 5, 5), 1),
    ]


def _kernels_with_a_middle(generator: Generator) -> list[Arguments]:
    cases: list[Arguments] = []
    for frames, dtype in ((3, torch.float32), (7, torch.float64), (5, torch.float32)):
        out, into, side = sizes(generator, 3, without=(frames,))
        cases.append((normal(generator, out, into, side, side, dtype=dtype), frames))
    return [*cases, (normal(generator, 3, 2, 5, 5), 1)]


def _odd_lengths(generator: Generator) -> list[Arguments]:
    longer = 2 * int(torch.randint(3, 20, (1,), generator=generator)) + 1
    return [(3,), (5,), (longer,), (1,)]


def _stages(_: Generator) -> list[Arguments]:
    return [(stage,) for stage in ("stem", "c1", "c2", "c3", "c4", "c5")]


def _frames(generator: Generator) -> list[Arguments]:
    channels, rows, columns, frames = sizes(generator, 4)
    picture = normal(generator, 2, 5, 3, dtype=torch.float64)
    return [
        (normal(generator, channels, rows, columns), frames),
        (picture, 7),
        (normal(generator, 1, 3, 5), 2),
        (picture.float(), 1),
    ]


MEAN = Exercise(
    number="1.1",
    reference=inflate_mean,
    cases=_kernels,
    mistakes=mistakes_01_kernels.MEAN,
    nudge="On a still clip every slice of the kernel meets the same picture, so only the sum of "
    "the slices counts. What share of the kernel makes `frames` equal slices add up to it?",
    plan="1. Divide the kernel by frames.\n2. Put frames copies side by side along a new axis, "
    "behind (out, in):\n   torch.stack(list of copies, dim=2), or unsqueeze(2) and expand.",
    insight="The slices add up to the 2D kernel, so a clip that stands still gets the 2D answer.",
)

CENTER = Exercise(
    number="1.2",
    reference=inflate_center,
    cases=_kernels_with_a_middle,
    mistakes=mistakes_01_kernels.CENTER,
    nudge="Begin with a kernel of the right shape, all zeros. Which slice is the middle one?",
    plan="1. Make zeros of shape (out, in, frames, k, k), of the kernel's dtype:\n"
    "   kernel.new_zeros(...)\n2. Write the kernel into slice frames // 2 of axis 2.",
    insight="Such a kernel sees one frame only: at first it is the 2D network, frame by frame.",
)

PADDING = Exercise(
    number="1.3",
    reference=same_length_padding,
    cases=_odd_lengths,
    mistakes=mistakes_01_clips.PADDING,
    nudge="Lay a kernel of 3 frames on the first frame of a clip so that its middle is on that "
    "frame. How many of its slices hang over the edge? And of 5?",
    plan="1. An odd kernel has one middle frame; frames - 1 are left.\n2. Half of these lie before "
    "it, half behind it.\n3. Whole numbers: use //.",
    insight="With stride 1 the clip keeps every frame, at any depth and any length.",
)

STAGES = Exercise(
    number="1.4",
    reference=kernel_frames,
    cases=_stages,
    mistakes=mistakes_01_clips.STAGES,
    nudge="The paper says that time in early layers may cost accuracy. Look in its Table SI for "
    "the stages whose first kernel is 3 x 1 x 1.",
    plan="1. Is the stage one of the last three, c3, c4, c5?\n2. Then 3, else 1.",
    insight="16 kernels see time, two in each of the eight blocks of c3 to c5.",
)

STILL = Exercise(
    number="1.5",
    reference=still_clip,
    cases=_frames,
    mistakes=mistakes_01_clips.STILL,
    nudge="A frame is (c, y, x). Between which two of its axes does time belong?",
    plan="1. Make a new axis behind the channels: frame.unsqueeze(1), or frame[:, None].\n"
    "2. Repeat along it: .expand(-1, frames, -1, -1), or .repeat(1, frames, 1, 1).\n"
    "(Or stack frames copies with dim=1.)",
    insight="This is the boring video: whatever a network makes of it, it cannot have used motion.",
)

EXERCISES = (MEAN, CENTER, PADDING, STAGES, STILL)
