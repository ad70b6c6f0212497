"""The self-test and the time-stretch without a page."""

import numpy as np
import pytest
import torch

from csgcourse.chapter_01 import SOBEL
from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.time_stretch import TimeStretch, moving_bar, responses

THIRDS = (1 / 3, 1 / 3, 1 / 3)


def test_the_kernel_echoes_the_slider():
    widget = SelfTest()
    assert widget.lamps == (False, False, False)
    widget.set_state({"value": 4, "moved": True})
    assert widget.echo == 4
    assert widget.lamps == (True, False, True)
    widget.set_state({"key_arrived": True})
    assert repr(widget).count("yes") == 3
    assert [axes.texts[0].get_text()[-5:] for axes in widget.still().axes] == ["works"] * 3


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@pytest.mark.parametrize("shares", [THIRDS, (-0.5, 0.25, 1.0)])
def test_responses_equal_those_of_a_loop(shares, padding):
    """The same two convolutions with explicit indices, in double precision."""
    clip = moving_bar(1.25)
    found = responses(clip, shares, padding)
    frames, kernel = clip.double().numpy(), SOBEL.numpy()
    for t, y, x in ((0, 9, 4), (0, 16, 14), (3, 31, 15), (7, 16, 20), (7, 0, 0)):
        flat = deep = 0.0
        for place, share in enumerate(shares):
            inside = 0 <= t + place - 1 < 8
            frame = frames[min(max(t + place - 1, 0), 7)] * (inside or padding == "replicate")
            for row, column in np.ndindex(3, 3):
                if 0 <= y + row - 1 < 32 and 0 <= x + column - 1 < 32:
                    deep += share * kernel[row, column] * frame[y + row - 1, x + column - 1]
                    flat += kernel[row, column] * frames[t, y + row - 1, x + column - 1] / 3
        assert float(found.flat[t, y, x]) == pytest.approx(flat, abs=1e-5)
        assert float(found.deep[t, y, x]) == pytest.approx(deep, abs=1e-5)


def test_responses_differ_where_the_clip_moves_or_zero_padding_is_near():
    still, moving = moving_bar(0.0), moving_bar(2.0)
    assert responses(still, THIRDS, "replicate").apart.max() < 1e-6
    apart = responses(still, THIRDS, "zeros").apart
    torch.testing.assert_close(apart, torch.tensor([1, 0, 0, 0, 0, 0, 0, 1]) / 3, atol=1e-6, rtol=0)
    assert responses(moving, THIRDS, "replicate").apart.min() > 0.1
    assert responses(moving, (0.0, 1.0, 0.0), "zeros").apart.max() == 0
    middles = (moving * torch.arange(32)).sum((1, 2)) / moving.sum((1, 2))
    torch.testing.assert_close(middles.diff(), torch.full((7,), 2.0), atol=1e-2, rtol=0)


def test_the_still_shows_clip_and_responses():
    widget = TimeStretch()
    assert widget.shares == THIRDS
    widget.slices, widget.now, widget.padding = "own", 0.5, "zeros"
    found = responses(moving_bar(1.0), (-1.0, 0.5, 1.0), "zeros")
    shown = np.array([axes.images[0].get_array() for axes in widget.still().axes])
    expected = np.concatenate([moving_bar(1.0), found.flat, found.deep])
    np.testing.assert_allclose(shown, expected, atol=1e-6)
