import pytest
import torch
from torch import nn

from csglib.model.conv import TemporalConv
from csglib.model.inflation import inflate_kernel


@pytest.mark.parametrize("mode", ["mean", "center"])
@pytest.mark.parametrize("frames", [1, 3, 5])
def test_slices_add_up_to_the_2d_kernel(mode, frames):
    kernel = torch.randn(2, 3, 5, 7)
    inflated = inflate_kernel(kernel, frames, mode)
    assert inflated.shape == (2, 3, frames, 5, 7)
    torch.testing.assert_close(inflated.sum(2), kernel)


def test_mean_shares_equally_and_center_does_not():
    kernel = torch.randn(2, 3, 1, 1)
    mean, center = inflate_kernel(kernel, 3), inflate_kernel(kernel, 3, "center")
    torch.testing.assert_close(mean[:, :, 0], kernel / 3)
    assert center[:, :, [0, 2]].count_nonzero() == 0
    torch.testing.assert_close(center[:, :, 1], kernel)


def test_inflating_keeps_the_kernel_it_was_given():
    kernel = torch.ones(1, 1, 1, 1)
    inflate_kernel(kernel, 3, "center")[:] = 5
    inflate_kernel(kernel, 1)[:] = 5
    assert kernel.item() == 1


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
def test_a_still_clip_gets_the_2d_answer_unless_zeros_dilute_it(mode, padding, error_at_the_ends):
    flat = nn.Conv2d(5, 7, 1, bias=False, dtype=torch.float64)
    stretched = TemporalConv(5, 7, 3, padding).double()
    stretched.weight.data = inflate_kernel(flat.weight.data, 3, mode)
    frame = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    answer = stretched(frame.unsqueeze(2).expand(-1, -1, 6, -1, -1))
    error = (answer - flat(frame).unsqueeze(2)) / flat(frame).unsqueeze(2)
    expected = torch.zeros(6, dtype=torch.float64)
    expected[[0, -1]] = -error_at_the_ends
    torch.testing.assert_close(error, expected.view(6, 1, 1).expand_as(error))
