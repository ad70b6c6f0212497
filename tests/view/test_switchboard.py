"""The switchboard without a page: its two branches, its wirings, its bytes and its still."""

import base64
import io
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import traitlets
from PIL import Image

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired

WIRES = list(itertools.product(("own", "other"), repeat=3))


def clip_of(simulated_clip, frames):
    return replace(simulated_clip, frames=frames, truth=None)


def standard(seen):
    return (seen - seen.mean()) / seen.std(ddof=1)


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
    for name, offer in two_branches(simulated_clip).items():
        for place, seen in enumerate(expected[name]):
            found = offer.key[:, place].numpy()
            np.testing.assert_allclose(found, standard(seen).ravel(), atol=1e-4)


@pytest.mark.parametrize("target", ["space", "time"])
@pytest.mark.parametrize("wires", WIRES, ids=" ".join)
def test_a_wiring_is_attention_by_hand(simulated_clip, target, wires):
    offers = two_branches(simulated_clip)
    other = {"space": "time", "time": "space"}[target]
    names = [target if side == "own" else other for side in wires]
    query, key, value = (
        getattr(offers[name], part).double().numpy()
        for name, part in zip(names, ("query", "key", "value"), strict=True)
    )
    loud = np.exp(key @ query[0] / np.sqrt(2))
    look, answer = wired(offers, target, wires)
    np.testing.assert_allclose(look.numpy(), loud / loud.sum(), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(answer.numpy(), loud @ value / loud.sum(), atol=1e-4)


def test_a_wiring_and_its_mirror_from_the_other_side_are_the_same(simulated_clip):
    offers = two_branches(simulated_clip)
    for wires in WIRES:
        mirror = tuple({"own": "other", "other": "own"}[side] for side in wires)
        for ours, theirs in zip(
            wired(offers, "space", wires), wired(offers, "time", mirror), strict=True
        ):
            assert ours.equal(theirs)


def test_every_wiring_has_a_name_of_its_own():
    assert set(WIRINGS) == {" ".join(wires) for wires in WIRES}
    assert len(set(WIRINGS.values())) == 8
    said = {name: key for key, name in WIRINGS.items()}
    assert said[next(name for name in said if name.startswith("SWA,"))] == "other other own"
    assert said[next(name for name in said if name.startswith("CA,"))] == "own other other"


def test_a_still_clip_and_a_blank_one_say_nothing_about_time(simulated_clip):
    still = clip_of(simulated_clip, np.repeat(simulated_clip.frames[:1], 3, axis=0))
    look, answer = wired(two_branches(still), "time", ("own", "own", "own"))
    np.testing.assert_allclose(look.numpy(), 1 / 144, rtol=1e-3)
    np.testing.assert_allclose(answer.numpy(), 0, atol=1e-3)
    blank = clip_of(simulated_clip, np.zeros_like(simulated_clip.frames))
    assert wired(two_branches(blank), "space", ("own", "own", "own"))[0].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 32, 48), (3, 33, 48), (3, 32, 40)])
def test_a_clip_that_does_not_fit_is_refused(simulated_clip, shape):
    said = f"multiples of 16 pixels: got {shape[0]} x {shape[1]} x {shape[2]}"
    with pytest.raises(ValueError, match=said):
        Switchboard(clip_of(simulated_clip, np.zeros(shape, np.uint8)))


def test_it_refuses_what_is_not_there(simulated_clip):
    board = Switchboard(simulated_clip)
    for name, value in (("target", "depth"), ("query", "space"), ("guess", "own own")):
        with pytest.raises(traitlets.TraitError):
            setattr(board, name, value)
    assert (board.target, board.query, board.guess) == ("space", "own", "")


def test_it_sends_frames_offers_and_plain_facts(simulated_clip):
    board = Switchboard(simulated_clip)
    assert board.frames == simulated_clip.frames.tobytes()
    numbers = np.frombuffer(board.offers, "<f4")
    long = 3 * 6 * 8 * 2
    assert numbers.size == 2 * (2 + 2 * long)
    offers = two_branches(simulated_clip)
    np.testing.assert_array_equal(numbers[2 : 2 + long], offers["space"].key.flatten())
    np.testing.assert_array_equal(numbers[-long:], offers["time"].value.flatten())
    assert json.loads(json.dumps(board.facts)) == board.facts


def test_it_prints_its_wiring_and_a_still_of_it(simulated_clip):
    board = Switchboard(simulated_clip)
    assert repr(board) == "Switchboard(target='space', query='own', key='own', value='own')"
    stills = []
    for target, key in (("space", "own"), ("space", "other"), ("time", "other")):
        board.target, board.key = target, key
        bundle, _ = board._repr_mimebundle_()
        assert bundle["text/plain"] == repr(board)
        stills.append(bundle["image/png"])
    assert len(set(stills)) == 3
    assert len(stills[0]) < 150_000  # git keeps every one
    assert Image.open(io.BytesIO(base64.b64decode(stills[0]))).width > 400


def test_the_module_is_one_text_that_fetches_nothing():
    assert Switchboard._esm.count("export default") == 1
    text = Switchboard._esm + Switchboard._css
    assert not re.search(r"https?:|\bimport\b|fetch\(|@import|url\(", text)
