"""The switchboard without a page: its two branches, its wirings, its bytes and its still."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import traitlets

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired

WIRES = list(itertools.product(("own", "other"), repeat=3))


def clip_of(simulated_clip, frames):
    return replace(simulated_clip, frames=frames, truth=None)


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


def test_branches_are_those_of_a_loop(simulated_clip):
    expected = features_in_loops(simulated_clip.frames)
    for name, branch in two_branches(simulated_clip).items():
        for place, feature in enumerate(expected[name]):
            found = branch.key[:, place].numpy()
            np.testing.assert_allclose(found, standard(feature).ravel(), atol=1e-4)


@pytest.mark.parametrize("target", ["space", "time"])
@pytest.mark.parametrize("wires", WIRES, ids=" ".join)
def test_a_wiring_is_attention_by_hand(simulated_clip, target, wires):
    branches = two_branches(simulated_clip)
    other = {"space": "time", "time": "space"}[target]
    names = [target if side == "own" else other for side in wires]
    query, key, value = (
        getattr(branches[name], part).double().numpy()
        for name, part in zip(names, ("query", "key", "value"), strict=True)
    )
    exponentials = np.exp(key @ query[0] / np.sqrt(2))
    expected = exponentials / exponentials.sum()
    weights, output = wired(branches, target, wires)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(output.numpy(), expected @ value, atol=1e-4)


def test_it_sends_the_clip_and_every_map_and_output(simulated_clip):
    board = Switchboard(simulated_clip)
    assert board.frames == simulated_clip.frames.tobytes()
    branches = two_branches(simulated_clip)
    maps = np.frombuffer(board.maps, "<f4").reshape(2, 2, -1)
    for (q, query), (k, key) in itertools.product(enumerate(branches.values()), repeat=2):
        weights = (key.key @ query.query[0] / 2**0.5).softmax(0)
        np.testing.assert_allclose(maps[q, k], weights, atol=1e-6)
        for v, value in branches.items():
            found = board.facts["outputs"][f"{[*branches][q]} {[*branches][k]} {v}"]
            np.testing.assert_allclose(found, weights @ value.value, atol=1e-5)
    values = np.frombuffer(board.values, "<f4").reshape(2, -1, 2)
    for sent, branch in zip(values, branches.values(), strict=True):
        np.testing.assert_array_equal(sent, branch.value)


def test_every_wiring_has_a_name_of_its_own():
    assert set(WIRINGS) == {" ".join(wires) for wires in WIRES}
    assert len(set(WIRINGS.values())) == 8
    assert WIRINGS["other other own"].startswith("SWA,")
    assert WIRINGS["own other other"].startswith("CA,")


def test_a_still_clip_and_a_blank_one_say_nothing_about_time(simulated_clip):
    still = clip_of(simulated_clip, np.repeat(simulated_clip.frames[:1], 3, axis=0))
    weights, output = wired(two_branches(still), "time", ("own", "own", "own"))
    np.testing.assert_allclose(weights.numpy(), 1 / 144, rtol=1e-3)
    np.testing.assert_allclose(output.numpy(), 0, atol=1e-3)
    blank = clip_of(simulated_clip, np.zeros_like(simulated_clip.frames))
    assert wired(two_branches(blank), "space", ("own", "own", "own"))[0].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 32, 48), (3, 33, 48), (3, 32, 40)])
def test_a_clip_that_does_not_fit_is_refused(simulated_clip, shape):
    message = f"multiples of 16 pixels: got {shape[0]} x {shape[1]} x {shape[2]}"
    with pytest.raises(ValueError, match=message):
        Switchboard(clip_of(simulated_clip, np.zeros(shape, np.uint8)))


@pytest.mark.parametrize(
    ("name", "value"), [("target", "depth"), ("query", "space"), ("guess", "own own")]
)
def test_it_refuses_what_is_not_there(simulated_clip, name, value):
    with pytest.raises(traitlets.TraitError, match=value):
        setattr(Switchboard(simulated_clip), name, value)


@pytest.mark.parametrize(("target", "key"), [("space", "own"), ("space", "other"), ("time", "own")])
def test_the_still_shows_the_map_of_the_present_wiring(simulated_clip, target, key):
    board = Switchboard(simulated_clip)
    board.target, board.key = target, key
    assert repr(board) == f"Switchboard(target={target!r}, query='own', key={key!r}, value='own')"
    weights, _ = wired(two_branches(simulated_clip), target, ("own", key, "own"))
    for axes, expected in zip(board.still().axes, weights.reshape(3, 6, 8), strict=True):
        np.testing.assert_array_equal(axes.images[1].get_array(), expected)
