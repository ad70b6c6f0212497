"""Inflation: a k x k kernel becomes a t x k x k kernel with the same output on a still clip.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; bootstrapping after Carreira and
Zisserman 2017 (I3D).
"""

from typing import Literal

from einops import repeat
from jaxtyping import Float
from torch import Tensor

Inflation = Literal["mean", "center"]


def inflate_kernel(
    kernel2d: Float[Tensor, "out in y x"], frames: int, mode: Inflation = "mean"
) -> Float[Tensor, "out in {frames} y x"]:
    """Inflate a 2D kernel over `frames` frames; the temporal slices sum to `kernel2d`.

    Args:
        kernel2d: weights of a 2D convolution.
        frames: t, at least 1; odd for "center".
        mode: "mean" gives every frame kernel2d / t; "center" puts the kernel into the middle frame
            and zeros elsewhere. The paper says "bootstrapping" and no more.

    Raises:
        ValueError: `frames` is below 1, or even for "center"; or the mode is unknown.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1: got {frames}")
    if mode == "mean":
        return repeat(kernel2d, "o i y x -> o i t y x", t=frames) / frames
    if mode != "center":
        raise ValueError(f'mode must be "mean" or "center": got {mode!r}')
    if frames % 2 == 0:
        raise ValueError(f'"center" needs an odd number of frames: got frames={frames}')
    kernel3d = kernel2d.new_zeros(*kernel2d.shape[:2], frames, *kernel2d.shape[2:])
    kernel3d[:, :, frames // 2] = kernel2d
    return kernel3d
