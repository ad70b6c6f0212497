"""The switchboard without a page: its two branches, its wirings, its bytes and its still."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired

WIRES = list(product(("own", "other"), repeat=3))


def standard(values):
    return (values - values.mean()) / values.std(ddof=1)


def features_in_loops(frames):
    """The four pictures from which keys and values are made, patch by patch."""
    t, rows, columns = (frames.shape[0], frames.shape[1] // 16, frames.shape[2] // 16)
    light = np.zeros((t, rows, columns))
    for f, y, x in np.ndindex(t, rows, columns):
        light[f, y, x] = frames[f, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16].mean() / 255
    around, moved = np.zeros_like(light), np.zeros_like(light)
    for f, y, x in np.ndindex(t, rows, columns):
        near = light[f, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean()
        around[f, y, x] = abs(light[f, y, x] - near)
        beside = [g for g in (f - 1, f + 1) if 0 <= g < t]
        moved[f, y, x] = sum(abs(light[f, y, x] - light[g, y, x]) for g in beside)
    in_frame = light - light.mean((1, 2), keepdims=True)
    return {"space": (in_frame, around), "time": (light - light.mean(0), moved)}


def test_features_equal_those_of_a_loop(simulated_clip):
    expected = features_in_loops(simulated_clip.frames)
    for name, branch in two_branches(simulated_clip).items():
        for place, feature in enumerate(expected[name]):
            found = branch.key[:, place].numpy()
            np.testing.assert_allclose(found, standard(feature).ravel(), atol=1e-4)


def test_maps_outputs_and_still_of_every_wiring_equal_attention_by_hand(simulated_clip):
    board, branches = Switchboard(simulated_clip), two_branches(simulated_clip)
    assert board.frames == simulated_clip.frames.tobytes()
    maps = np.frombuffer(board.maps, "<f4").reshape(2, 2, -1)
    values = np.frombuffer(board.values, "<f4").reshape(2, -1, 2)
    names = ["space", "time"]
    for target, wires in product(names, WIRES):
        other = names[1 - names.index(target)]
        q, k, v = (target if side == "own" else other for side in wires)
        scores = branches[k].key.double() @ branches[q].query[0].double() / 2**0.5
        expected = np.exp(scores.numpy()) / np.exp(scores.numpy()).sum()
        mixed = expected @ branches[v].value.double().numpy()
        weights, output = wired(branches, target, wires)
        np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(output.numpy(), mixed, atol=1e-4)
        np.testing.assert_allclose(maps[names.index(q), names.index(k)], expected, atol=1e-6)
        np.testing.assert_allclose(board.facts["outputs"][f"{q} {k} {v}"], mixed, atol=1e-4)
        np.testing.assert_array_equal(values[names.index(v)], branches[v].value)
    for target, key in (("space", "other"), ("time", "own")):
        board.target, board.key = target, key
        assert repr(board).endswith(f"(target={target!r}, query='own', key={key!r}, value='own')")
        weights, _ = wired(branches, target, ("own", key, "own"))
        for axes, expected in zip(board.still().axes, weights.reshape(3, 6, 8), strict=True):
            np.testing.assert_array_equal(axes.images[1].get_array(), expected)
    assert {" ".join(wires) for wires in WIRES} == set(WIRINGS)
    names = [WIRINGS[wires][:3] for wires in ("other other own", "own other other")]
    assert names == ["SWA", "CA,"]


@pytest.mark.parametrize("shape", [(1, 32, 48), (3, 32, 40)])
def test_a_clip_that_does_not_fit_is_refused(simulated_clip, shape):
    message = f"multiples of 16 pixels: got {shape[0]} x {shape[1]} x {shape[2]}"
    with pytest.raises(ValueError, match=message):
        Switchboard(replace(simulated_clip, frames=np.zeros(shape, np.uint8), truth=None))
