"""Wrong answers to exercises 1.1 and 1.2, each with what to say about it.

Not in the paper: part of the course.
"""

import torch
from torch import Tensor

from csgcourse.exercise import Mistake


def _put(kernel: Tensor, frames: int, place: int) -> Tensor:
    slices = [torch.zeros_like(kernel) for _ in range(frames)]
    slices[place] = kernel
    return torch.stack(slices, dim=2)


MEAN = (
    Mistake(
        lambda kernel, frames: torch.stack([kernel] * frames, dim=2),
        "you repeated the kernel but did not divide: the slices add up to `frames` times "
        "the kernel, and a still clip answers that much too loudly. Divide by `frames`.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel / frames**2] * frames, dim=2),
        "you divided by `frames` twice; the slices add up to kernel / frames now.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel / frames] * frames, dim=0),
        "the slices are right but stand in the wrong axis: time came first. Conv3d wants "
        "(out, in, frames, k, k), so time is axis 2.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel / frames] * frames, dim=-1),
        "the slices are right but stand in the wrong axis: time came last. Conv3d wants "
        "(out, in, frames, k, k), so time is axis 2.",
    ),
    Mistake(
        lambda kernel, frames: torch.cat([kernel / frames] * frames, dim=2),
        "you joined the copies along the rows of the kernel: there is no new axis. "
        "`torch.stack` makes one, `torch.cat` does not.",
    ),
    Mistake(
        lambda kernel, frames: torch.repeat_interleave(kernel / frames, frames, 2).view(
            *kernel.shape[:2], frames, *kernel.shape[2:]
        ),
        "shape and sizes are right, but each slice holds one row of the kernel over and "
        "over: `repeat_interleave` repeats row by row. Every slice should be the whole kernel.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, 0),
        "the first slice holds the whole kernel and the others nothing. The sum is right, "
        "but an equal share for every slice is wanted.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, frames // 2),
        "this is centre inflation, which is exercise 1.2. Here every slice gets an equal "
        "share of the kernel.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel / kernel.shape[-1]] * frames, dim=2),
        "you divided by the width of the kernel; divide by the number of slices, `frames`.",
    ),
)

CENTER = (
    Mistake(
        lambda kernel, frames: _put(kernel, frames, 0),
        "the kernel stands in the first slice: the response would come one step or more "
        "too late. Put it in the middle one, `frames // 2`.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, -1),
        "the kernel stands in the last slice; put it in the middle one, `frames // 2`.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, frames // 2 - 1),
        "the kernel stands one slice before the middle; Python counts from 0, so the "
        "middle is `frames // 2`.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, min(frames - 1, frames // 2 + 1)),
        "the kernel stands one slice behind the middle; Python counts from 0, so the "
        "middle is `frames // 2`.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel / frames, frames, frames // 2),
        "the kernel is in its place, but you divided it by `frames`. The other slices are "
        "zero, so the middle one must hold all of it.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel / frames] * frames, dim=2),
        "this is mean inflation, which is exercise 1.1. Here the middle slice gets the "
        "whole kernel and the others zeros.",
    ),
    Mistake(
        lambda kernel, frames: torch.stack([kernel] * frames, dim=2),
        "every slice holds the whole kernel; only the middle one should, with zeros elsewhere.",
    ),
    Mistake(
        lambda kernel, frames: _put(kernel, frames, frames // 2).movedim(2, 0),
        "the slices are right but stand in the wrong axis: time came first. Conv3d wants "
        "(out, in, frames, k, k), so time is axis 2.",
    ),
    Mistake(
        lambda kernel, frames: torch.zeros_like(_put(kernel, frames, 0)),
        "everything is zero: the kernel never got into the middle slice.",
    ),
)
