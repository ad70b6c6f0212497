"""Inflation: a 2D kernel of k x k becomes a 3D kernel of t x k x k that has not forgotten.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; bootstrapping after Carreira and
Zisserman 2017.
"""

from typing import Literal

from einops import repeat
from jaxtyping import Float
from torch import Tensor

Inflation = Literal["mean", "center"]


def inflate_kernel(
    kernel2d: Float[Tensor, "out in y x"], frames: int, mode: Inflation = "mean"
) -> Float[Tensor, "out in {frames} y x"]:
    """Stretch a 2D kernel over `frames` frames so that a still clip gets the 2D answer.

    Either way the slices add up to `kernel2d`. The paper says "bootstrapping" and no more, so both
    readings are here.

    Args:
        kernel2d: weights of a 2D convolution.
        frames: t, frames the new kernel sees, at least 1; odd for "center".
        mode: "mean" gives every frame an equal share, kernel2d / t: a mean over time.
            "center" puts the whole kernel in the middle frame: at first it sees no other.

    Raises:
        ValueError: `frames` is below 1, "center" is asked of an even number, or the mode is
        unknown.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1: got {frames}")
    if mode == "mean":
        return repeat(kernel2d, "o i y x -> o i t y x", t=frames) / frames
    if mode != "center":
        raise ValueError(f'mode must be "mean" or "center": got {mode!r}')
    if frames % 2 == 0:
        raise ValueError(f'"center" needs a middle frame, so an odd number: got frames={frames}')
    kernel3d = kernel2d.new_zeros(*kernel2d.shape[:2], frames, *kernel2d.shape[2:])
    kernel3d[:, :, frames // 2] = kernel2d
    return kernel3d
