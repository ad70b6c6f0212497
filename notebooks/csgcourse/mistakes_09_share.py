"""Wrong answers to exercise 9.3, each with what to say about it.

Not in the paper: part of the course.
"""

from torch import Tensor

from csgcourse.exercise import Mistake


def _right(heat: Tensor, mask: Tensor) -> float:
    return float(heat[mask].mean() / heat.mean())


def _frame_by_frame(heat: Tensor, mask: Tensor) -> float:
    shares = [_right(*pair) for pair in zip(heat, mask, strict=True)]
    return sum(shares) / len(shares)


SHARE = (
    Mistake(
        lambda heat, mask: float(heat[mask].sum() / heat.sum()),
        "this is the share of the heat alone: the larger the mask, the larger it gets. Divide by "
        "the mask's share of the volume.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].mean()),
        "this is the mean heat inside, in the heat's own unit; sums are wanted: inside over all, "
        "then over the mask's share.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].sum()),
        "this is the heat inside, in the heat's own unit; divide by all heat, and by the mask's "
        "share of the volume.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].mean() / heat[~mask].mean().nan_to_num(1.0)),
        "you compare inside with outside; compare inside with all: it may then be said of a mask "
        "that covers everything, too.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].sum() / heat.sum() * mask.double().mean()),
        "you multiplied by the mask's share of the volume; divide by it.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].sum() / heat.sum() / mask.sum()),
        "you divided by the number of voxels in the mask: the mean inside over the sum of all. "
        "Divide by their share of the volume.",
    ),
    Mistake(
        lambda heat, mask: float(heat[mask].sum() / heat.sum() - mask.double().mean()),
        "you subtracted the mask's share of the volume; divide by it.",
    ),
    Mistake(
        _frame_by_frame,
        "you scored each frame and took the mean; here the heat of the whole clip counts, so "
        "that a frame without heat has no say.",
    ),
    Mistake(
        lambda heat, mask: float(
            heat[~mask].sum() / heat.sum() / (~mask).double().mean().clamp(min=1e-9)
        ),
        "this is the share outside the mask; inside is wanted.",
    ),
    Mistake(
        lambda heat, mask: float((heat * mask).amax() / heat.amax()),
        "you took the hottest voxels; all heat counts: sums.",
    ),
)
