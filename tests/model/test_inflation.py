import pytest
import torch
from torch import nn

from csglib.model import TemporalConv, inflate_kernel


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


@pytest.mark.parametrize(
    ("mode", "padding", "error_at_the_ends"),
    [("mean", "replicate", 0), ("center", "zeros", 0), ("mean", "zeros", 1 / 3)],
)
def test_a_still_clip_gets_the_2d_output_unless_zeros_dilute_it(mode, padding, error_at_the_ends):
    flat = nn.Conv2d(5, 7, 1, bias=False, dtype=torch.float64)
    inflated = TemporalConv(5, 7, 3, padding).double()
    inflated.weight.data = inflate_kernel(flat.weight.data, 3, mode)
    frame = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    output = inflated(frame.unsqueeze(2).expand(-1, -1, 6, -1, -1))
    expected = flat(frame).unsqueeze(2).repeat(1, 1, 6, 1, 1)
    expected[:, :, [0, -1]] *= 1 - error_at_the_ends
    torch.testing.assert_close(output, expected)
