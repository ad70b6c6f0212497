import pytest
import torch

from csglib.model import inflate_kernel


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_mean_shares_the_2d_kernel_equally_and_center_does_not(frames):
    kernel = torch.randn(2, 3, 5, 7)
    mean, center = inflate_kernel(kernel, frames), inflate_kernel(kernel, frames, "center")
    expected = torch.zeros(2, 3, frames, 5, 7)
    expected[:, :, frames // 2] = kernel
    torch.testing.assert_close(mean, (kernel / frames)[:, :, None].expand_as(expected))
    torch.testing.assert_close(center, expected)


@pytest.mark.parametrize(
    ("frames", "mode", "message"),
    [
        (0, "mean", "at least 1: got 0"),
        (4, "center", "odd number of frames: got frames=4"),
        (3, "median", '"mean" or "center": got \'median\''),
    ],
)
def test_impossible_kernels_are_refused(frames, mode, message):
    with pytest.raises(ValueError, match=message):
        inflate_kernel.__wrapped__(torch.ones(1, 1, 1, 1), frames, mode)
