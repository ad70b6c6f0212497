"""The switchboard without a page: its wirings, the effect of its outputs, its bytes, its still."""

from itertools import product

import numpy as np
import pytest
import torch

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired
from csglib.data.normalise import network_input
from csglib.model.attention import Attention
from csglib.model.config import TINY_2D
from csglib.model.csg3dct import CSG3DCT

WIRES = list(product(("own", "other"), repeat=3))
NAMES = ["space", "time"]


@pytest.mark.parametrize("wiring", ["space time time", "time space space"])
def test_the_network_s_own_wiring_gives_its_map_and_its_gradient(
    opinionated_network, simulated_clip, wiring
):
    target = wiring.split()[0]
    fusion, seen = getattr(opinionated_network.eval().blocks[-1], f"into_{target}"), {}

    def towards_patch_7(_, inputs, mixed):
        seen["map"], value = Attention.weights(*inputs)[0, 2, 0], inputs[2][0, 2]
        moved = mixed.clone()
        moved[0, 2] += seen["step"] * (value[7] - value.mean(0))
        return moved

    handle, moved = fusion.attention.register_forward_hook(towards_patch_7), []
    for seen["step"] in (-1e-2, 1e-2):
        with torch.no_grad():
            mild, severe = opinionated_network(network_input(simulated_clip.frames)[None])[0]
        moved.append(float(severe - mild))
    handle.remove()
    branches = two_branches(opinionated_network, simulated_clip, target, 2)
    weights, output = wired(branches, *wiring.split())
    np.testing.assert_allclose(weights, seen["map"], rtol=1e-4, atol=1e-7)
    effect = branches[wiring.split()[2]].effect
    assert float(effect[7]) == pytest.approx((moved[1] - moved[0]) / 2e-2, rel=0.02)
    assert output == pytest.approx(float((weights * effect).sum()), abs=1e-6)


def test_maps_outputs_and_still_of_every_wiring_are_those_of_its_branches(
    opinionated_network, simulated_clip
):
    board = Switchboard(simulated_clip, opinionated_network, target="time", head=1, narrowest=1)
    assert board.frames == simulated_clip.frames.tobytes()
    maps = np.frombuffer(board.maps, "<f4").reshape(2, 2, 2, -1)
    effects = np.frombuffer(board.effects, "<f4").reshape(2, 2, -1)
    for target, wires in product(NAMES, product(NAMES, repeat=3)):
        branches = two_branches(opinionated_network, simulated_clip, target, 1)
        weights, output = wired(branches, *wires)
        t, q, k, v = (NAMES.index(name) for name in (target, *wires))
        np.testing.assert_allclose(maps[t, q, k], weights, rtol=1e-6)
        np.testing.assert_allclose(effects[t, v], branches[wires[2]].effect, rtol=1e-6)
        assert board.facts["outputs"][" ".join((target, *wires))] == pytest.approx(output)
    for key, other in (("own", "time"), ("other", "space")):
        board.key = key
        assert repr(board).endswith(f"(target='time', query='own', key={key!r}, value='own')")
        weights, output = wired(branches, "time", other, "time")
        shown = board.still()
        assert f"{output:+.3f}" in shown.get_suptitle()
        assert "narrowest" in shown.axes[1].get_title()
        for axes, expected in zip(shown.axes, weights.reshape(3, 6, 8), strict=True):
            np.testing.assert_array_equal(axes.images[1].get_array(), expected)
    assert {" ".join(wires) for wires in WIRES} == set(WIRINGS)
    names = [WIRINGS[wires][:3] for wires in ("other other own", "own other other")]
    assert names == ["SWA", "CA,"]


def test_a_head_or_a_fusion_that_is_not_there_is_refused(opinionated_network, simulated_clip):
    one_branch = CSG3DCT(TINY_2D)
    for network, head, heads in (
        (opinionated_network, 4, 4),
        (opinionated_network, -1, 4),
        (one_branch, 0, 0),
    ):
        with pytest.raises(ValueError, match=f"no head {head} that fuses into time, of {heads}"):
            two_branches(network, simulated_clip, "time", head)
