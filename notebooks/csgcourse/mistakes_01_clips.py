"""Wrong answers to exercises 1.3 to 1.5, each with what to say about it.

Not in the paper: part of the course.
"""

import torch

from csgcourse.exercise import Mistake

PADDING = (
    Mistake(
        lambda frames: frames - 1,
        "this is what is missing on both sides together; Conv3d's `padding` is counted on "
        "each side, so half of it.",
    ),
    Mistake(
        lambda frames: (frames - 1) / 2,
        "the value is right, but `/` makes a float; Conv3d wants a whole number: `//`.",
    ),
    Mistake(
        lambda frames: frames / 2,
        "this is half the kernel, its middle frame included: no whole number for an odd "
        "kernel. How many frames lie beyond the middle one?",
    ),
    Mistake(
        lambda frames: (frames + 1) // 2,
        "one too many on each side: the clip would grow by two frames. The middle frame "
        "of the kernel needs no padding.",
    ),
    Mistake(
        lambda frames: frames,
        "a whole kernel on each side is too much: the clip would grow.",
    ),
    Mistake(
        lambda frames: 1,
        "1 is right for a kernel of 3 frames only; how does it depend on `frames`?",
    ),
    Mistake(
        lambda frames: 0,
        "without padding the clip loses `frames` - 1 frames at each convolution.",
    ),
    Mistake(
        lambda frames: frames // 2 - 1,
        "this is one too few: a kernel of 3 frames reaches one frame to each side.",
    ),
)

STAGES = (
    Mistake(
        lambda stage: 3,
        "you inflate everything to 3 frames. The paper avoids that: it is costly and hard "
        "to train. Only the last three stages see time.",
    ),
    Mistake(
        lambda stage: 1,
        "no stage sees time now: this is the 2D network on every frame.",
    ),
    Mistake(
        lambda stage: 1 if stage == "stem" else 3,
        "all five stages see time now; the paper takes only the last three, because "
        "time in early layers may cost accuracy.",
    ),
    Mistake(
        lambda stage: 3 if stage in ("c1", "c2", "c3") else 1,
        "these are the first three stages; the paper takes the last three and leaves the "
        "early layers to space.",
    ),
    Mistake(
        lambda stage: 3 if stage in ("c4", "c5") else 1,
        "c3 is missing: three stages see time, c3 to c5.",
    ),
    Mistake(
        lambda stage: 3 if stage in ("c3", "c4") else 1,
        'c5 is missing: "c3-c5" includes both ends.',
    ),
    Mistake(
        lambda stage: 3 if stage in ("c2", "c3", "c4", "c5") else 1,
        "c2 is one stage too early: its kernels in Table SI begin with 1 x, not 3 x.",
    ),
    Mistake(
        lambda stage: 1 if stage in ("c3", "c4", "c5") else 3,
        "1 and 3 are exchanged: c3 to c5 are the ones that see three frames.",
    ),
    Mistake(
        lambda stage: stage in ("c3", "c4", "c5"),
        "this says whether a stage sees time; how many frames its kernel has is wanted, 3 or 1.",
    ),
)

STILL = (
    Mistake(
        lambda frame, frames: torch.stack([frame] * frames, dim=0),
        "time came first: (frames, c, y, x). Conv3d wants the channels before time, "
        "(c, frames, y, x).",
    ),
    Mistake(
        lambda frame, frames: torch.stack([frame] * frames, dim=-1),
        "time came last; it stands behind the channels: (c, frames, y, x).",
    ),
    Mistake(
        lambda frame, frames: torch.stack([frame] * frames, dim=2),
        "time stands between rows and columns; it belongs behind the channels: (c, frames, y, x).",
    ),
    Mistake(
        lambda frame, frames: torch.stack([frame / frames] * frames, dim=1),
        "you divided the picture by `frames`: a still clip shows it at full strength each "
        "time. Only the kernel's weights are shared out.",
    ),
    Mistake(
        lambda frame, frames: torch.cat([frame] * frames, dim=0).view(
            frame.shape[0], frames, *frame.shape[1:]
        ),
        "the shape is right, but the channels run through time: copies were joined along "
        "the channels and then cut anew. Make an axis behind the channels, and repeat there.",
    ),
    Mistake(
        lambda frame, frames: torch.cat([frame] * frames, dim=0),
        "you joined the copies along the channels: there is no axis of time yet. "
        "`torch.stack` makes one, `torch.cat` does not.",
    ),
    Mistake(
        lambda frame, frames: torch.cat([frame] * frames, dim=1),
        "you joined the copies along the rows, one picture below the other: there is no "
        "axis of time yet. `torch.stack` makes one.",
    ),
    Mistake(
        lambda frame, frames: frame.unsqueeze(1),
        "there is an axis of time now, but of one frame only; repeat along it.",
    ),
    Mistake(
        lambda frame, frames: torch.stack(
            [frame] + [torch.zeros_like(frame)] * (frames - 1), dim=1
        ),
        "only the first frame shows the picture, the others are black; all should show it.",
    ),
)
