"""The cost dial without a page: MACs and still."""

import pytest
import torch

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs


@pytest.mark.parametrize(
    ("kind", "sequences", "length"), [("joint", 1, 13), ("space", 3, 5), ("time", 4, 4)]
)
def test_macs_are_those_of_two_real_products(kind, sequences, length):
    """Each entry of a product is a sum of as many multiplications as its inner dimension."""
    tokens = torch.zeros(sequences, length, 384)
    scores = tokens @ tokens.mT
    assert macs(3, 2, kind) == scores.numel() * 384 + (scores @ tokens).numel() * length
    assert macs(5, 7, "both") == macs(5, 7, "space") + macs(5, 7, "time")
    times = [macs(frames, 16, "joint") / macs(frames, 16, "both") for frames in (8, 64)]
    assert times == pytest.approx([7.646, 50.57], rel=1e-3)  # at the paper's size


def test_the_still_shows_costs_once_they_are_revealed():
    dial = CostDial(frames=12)
    assert repr(dial) == "CostDial(frames=12, side=16)"
    assert not dial.still().axes[0].patches
    dial.revealed = True
    (bars,) = dial.still().axes
    assert [1e6 * bar.get_width() for bar in bars.patches] == pytest.approx(
        [macs(12, 16, kind) for kind in KINDS]
    )
