import pytest
import torch
from torch import nn

from csglib.model.conv import TemporalConv, TimePadded


@pytest.mark.parametrize(("padding", "level"), [("replicate", 1), ("zeros", 0)])
def test_beyond_its_ends_a_clip_stands_still_or_is_black(padding, level):
    conv, volume = TemporalConv(3, 5, 5, padding), torch.randn(2, 3, 4, 2, 2)
    first, last = level * volume[:, :, [0, 0]], level * volume[:, :, [-1, -1]]
    longer = torch.cat([first, volume, last], dim=2)
    expected = torch.stack(
        [torch.einsum("bctyx,oct->boyx", longer[:, :, t : t + 5], conv.weight[..., 0, 0])
         for t in range(4)], dim=2,
    )  # fmt: skip
    torch.testing.assert_close(conv(volume), expected)


def test_even_kernels_in_time_are_refused():
    with pytest.raises(ValueError, match="must be odd: got frames=2"):
        TemporalConv(3, 3, 2, "zeros")


def passed(conv, volume, slopes, dtype):
    """What comes out, and the gradients of the kernel and of what went in."""
    volume = volume.clone(memory_format=torch.channels_last_3d).requires_grad_()
    conv.zero_grad()
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        out = conv(volume)
    out.backward(slopes.to(out.dtype))
    return out.detach().float(), conv.weight.grad.clone(), volume.grad


@pytest.mark.parametrize(
    ("frames", "reach", "groups"), [(1, 1, 1), (2, 1, 1), (3, 1, 1), (2, 2, 16), (4, 2, 16)]
)
def test_few_frames_have_the_same_gradients_in_bfloat16(frames, reach, groups):
    """Of kernels that networks for video have; on some CPUs those of torch are wrong."""
    torch.manual_seed(frames)
    side = 2 * reach + 1
    conv = TimePadded(16, 16, side, padding=reach, groups=groups, bias=False)
    volume, slopes = torch.randn(2, 4, 16, frames, 8, 8)
    exact = passed(conv, volume, slopes, torch.float32)
    plain = nn.Conv3d(16, 16, side, padding=reach, groups=groups, bias=False)
    plain.load_state_dict(conv.state_dict())
    for found, expected in zip(passed(plain, volume, slopes, torch.float32), exact, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for found, expected in zip(passed(conv, volume, slopes, torch.bfloat16), exact, strict=True):
        assert (found - expected).norm() < 0.02 * expected.norm()
