"""The self-test and the time-stretch without a page, and that widgets load one by one."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import csgcourse.widgets
from csgcourse.widgets.self_test import SelfTest
from csgcourse.widgets.time_stretch import KERNEL, TimeStretch, moving_bar, responses

ONE_BY_ONE = """
import sys
import csgcourse.widgets as widgets
for name in sys.argv[1:]:
    before = set(sys.modules)
    getattr(widgets, name)
    print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("order", [1, -1])
def test_each_widget_loads_no_other_and_no_annex_that_it_does_not_need(order):
    """In two orders: what one widget loads early, another one has to bring itself in the other."""
    needy = ["PhantomStudio", "TableReader"]  # a table comes with its cohorts
    names = [name for name in csgcourse.widgets.__all__[::order] if name not in needy] + needy
    loaded = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, *names], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    seen = []
    for name, modules in zip(names, map(str.split, loaded), strict=True):
        own = [module for module in modules if module.startswith("csgcourse.widgets.")]
        assert own == [getattr(csgcourse.widgets, name).__module__]
        seen += modules
        if name not in ("TableReader", "PhantomStudio"):
            assert not {"csglib.table1", "csglib.phantom", "csglib.doctor"} & set(seen)


def test_a_widget_that_is_not_there_is_refused_by_name():
    with pytest.raises(AttributeError, match=r"no 'CostDail'.*CostDial"):
        _ = csgcourse.widgets.CostDail


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
@pytest.mark.parametrize("inflation", ["mean", "center"])
def test_responses_are_those_of_a_loop(inflation, padding):
    """The same two convolutions with explicit indices, in double precision."""
    clip = moving_bar(1.25)
    found = responses(clip, 3, inflation, padding)
    frames, kernel = clip.double().numpy(), np.array(KERNEL)
    slices = [1 / 3] * 3 if inflation == "mean" else [0, 1, 0]
    for t, y, x in ((0, 9, 4), (0, 16, 14), (3, 31, 15), (7, 16, 20), (7, 0, 0)):
        flat = deep = 0.0
        for place, weight in enumerate(slices):
            inside = 0 <= t + place - 1 < 8
            frame = frames[min(max(t + place - 1, 0), 7)] * (inside or padding == "replicate")
            for row, column in np.ndindex(3, 3):
                if 0 <= y + row - 1 < 32 and 0 <= x + column - 1 < 32:
                    deep += weight * kernel[row, column] * frame[y + row - 1, x + column - 1]
                    flat += kernel[row, column] * frames[t, y + row - 1, x + column - 1] / 3
        assert float(found.flat[t, y, x]) == pytest.approx(flat, abs=1e-5)
        assert float(found.deep[t, y, x]) == pytest.approx(deep, abs=1e-5)


def test_a_still_clip_keeps_the_2d_response_except_next_to_zero_padding():
    clip = moving_bar(0.0)
    assert responses(clip, 5, "mean", "replicate").apart.max() < 1e-6
    apart = responses(clip, 5, "mean", "zeros").apart
    torch.testing.assert_close(apart, torch.tensor([2, 1, 0, 0, 0, 0, 1, 2]) / 5, atol=1e-6, rtol=0)


def test_a_moving_bar_separates_the_responses_unless_the_kernel_sees_one_frame():
    clip = moving_bar(2.0)
    assert responses(clip, 3, "mean", "replicate").apart.min() > 0.1
    assert responses(clip, 5, "center", "zeros").apart.max() < 1e-6
    assert responses(clip, 1, "mean", "zeros").apart.max() < 1e-6
    middles = (clip * torch.arange(32)).sum((1, 2)) / clip.sum((1, 2))
    torch.testing.assert_close(middles.diff(), torch.full((7,), 2.0), atol=1e-2, rtol=0)


def test_the_still_shows_clip_and_responses():
    widget = TimeStretch()
    widget.speed, widget.padding = 1.0, "zeros"
    found = responses(moving_bar(1.0), 3, "mean", "zeros")
    shown = np.array([axes.images[0].get_array() for axes in widget.still().axes])
    expected = np.concatenate([moving_bar(1.0), found.flat, found.deep])
    np.testing.assert_allclose(shown, expected, atol=1e-6)
