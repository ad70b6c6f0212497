"""The switchboard: its wirings and the effect of its outputs; in a page, every wire."""

from itertools import product

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from csgcourse.widgets.switchboard import WIRINGS, Switchboard, two_branches, wired
from csglib.data.clips import Clip
from csglib.data.normalise import network_input
from csglib.model.attention import Attention
from csglib.model.config import TINY_2D
from csglib.model.csg3dct import CSG3DCT
from csglib.widgets.base import MAGNITUDE, SIGNED

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
    assert {" ".join(wires) for wires in product(("own", "other"), repeat=3)} == set(WIRINGS)
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


# --- in a bare page ---


WIRES = ("query", "key", "value")


@pytest.fixture
def shown(mount, simulated_clip, opinionated_network):
    return mount(Switchboard(simulated_clip, opinionated_network, head=1, narrowest=1))


@pytest.fixture
def branches(simulated_clip, opinionated_network):
    pairs = (
        (t, two_branches(opinionated_network, simulated_clip, t, 1)) for t in ("space", "time")
    )
    return dict(pairs)


def wire(shown, wiring, **traits):
    shown.put(**dict(zip(WIRES, wiring.split(), strict=True)), **traits)


def minus(number, digits=3):
    return f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def test_the_sentence_names_every_wiring_and_its_output(shown, page, branches, sentence):
    page.set_viewport_size({"width": 560, "height": 900})
    for target, other in (("space", "time"), ("time", "space")):
        for wiring, words in WIRINGS.items():
            wire(shown, wiring, target=target, guess="own own own")
            ends = [target if side == "own" else other for side in wiring.split()]
            weights, output = wired(branches[target], *ends)
            by_frame = weights.reshape(3, 48).sum(dim=1)
            most = int(by_frame.argmax())
            expect(sentence).to_contain_text(words.format(own=target, other=other))
            expect(sentence).to_contain_text(f"Frame {1 + most} has most of the weight")
            assert ("it is the narrowest" in sentence.inner_text()) is (most == 1)
            expect(sentence).to_contain_text(f"moves the logits by {minus(output)} towards")
            formula = "output{} = softmax( Q{} · K{}T / √16 ) V{}".format(target, *ends)
            expect(page.locator(".csg-formula")).to_have_text(formula)
    room = page.locator(".csg-formula").evaluate("(p) => [p.scrollWidth, p.clientWidth]")
    assert room[0] <= room[1]


def test_the_map_lies_over_the_frames_and_the_effects_below(shown, page, branches, simulated_clip):
    wire(shown, "other other own", guess="own own own")
    weights, _ = wired(branches["space"], "time", "time", "space")
    levels = np.rint(255 * (weights / weights.max()).numpy().reshape(3, 6, 8)).astype(int)
    veil = np.kron(MAGNITUDE(levels[2], bytes=True)[..., :3], np.ones((16, 16, 1)))
    expected = 0.45 * simulated_clip.frames[2][..., None] + 0.55 * veil
    found = shown.pixels(page.get_by_label("the map, frame 3", exact=True))
    assert np.abs(found - expected).max() < 4
    effects = np.stack([[part.effect for part in pair.values()] for pair in branches.values()])
    part = branches["space"]["space"].effect.numpy().reshape(3, 6, 8)[2] / np.abs(effects).max()
    colours = SIGNED(np.rint(127.5 * (1 + part)).astype(int), bytes=True)
    canvas = shown.pixels(page.get_by_label("effect, frame 3", exact=True)).astype(int)
    assert np.abs(canvas[8::16, 8::16] - colours[..., :3]).max() < 6  # half way: either level
    expect(page.locator(".csg-narrowest")).to_contain_text("2: ")


def test_pointing_at_a_patch_gives_its_numbers_and_marks_it_in_both_rows(shown, page, branches):
    wire(shown, "own other other", guess="own own own")
    weights, _ = wired(branches["space"], "space", "time", "time")
    canvas, twin = (page.get_by_label(f"{row}, frame 3") for row in ("the map", "effect"))
    size, before = canvas.bounding_box(), shown.pixels(twin)
    canvas.hover(position={"x": size["width"] * 3.5 / 8, "y": size["height"] * 4.5 / 6})
    cell = 2 * 48 + 4 * 8 + 3
    note = page.locator(".csg-note")
    expect(note).to_contain_text("Frame 3, row 5, column 4: weight")
    effect = float(branches["space"]["time"].effect[cell])
    expect(note).to_contain_text(
        f" effect {minus(effect)} = {minus(float(weights[cell]) * effect, 5)}"
    )
    assert np.argwhere((shown.pixels(twin) != before).any(-1)).mean(0) == pytest.approx(
        (71.5, 55.5), abs=2
    )
    page.mouse.move(0, 0)
    expect(note).to_contain_text("Map: yellow")


@pytest.mark.parametrize("guess", ["", "own own own"])
def test_it_fits_a_notebook_on_a_laptop(page, mount, simulated_clip, opinionated_network, guess):
    frames = np.resize(simulated_clip.frames[:, :, :96], (8, 96, 96))
    eight = Clip(frames=frames, patient="nobody")
    page.set_viewport_size({"width": 1366, "height": 768})
    mount(Switchboard(eight, opinionated_network, narrowest=1)).put(guess=guess)
    assert page.locator(".csg").bounding_box()["height"] <= 560


def test_wires_are_moved_by_clicks_drags_and_keys(shown, page):
    def socket(name):
        return page.get_by_role("radio", name=name)

    for name in ("Q of time", "K of time", "K of space"):
        socket(name).click()
    page.locator(".csg-plug", has_text="value").click()  # a click in the middle changes sides
    assert shown.traits(*WIRES) == ["other", "own", "other"]
    expect(socket("V of time")).to_be_checked()

    wire(shown, "own own own")
    box = page.locator(".csg-plug", has_text="query").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for by, side in ((60, "other"), (-60, "own"), (-60, "own")):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y)
        page.mouse.up()
        assert shown.trait("query") == side

    socket("Q of space").focus()
    for keys, wiring, focused in (
        ("Right Down Right Down Down Space", "other other other", "V of time"),
        ("Left Up Up Up Enter", "own other own", "Q of space"),
    ):
        for key in keys.split():
            page.keyboard.press(key if key in ("Space", "Enter") else f"Arrow{key}")
        assert shown.traits(*WIRES) == wiring.split()
        expect(socket(focused)).to_be_focused()

    page.get_by_role("radio", name="time", exact=True).check()  # as target: wires keep their roles
    assert shown.traits("target", *WIRES) == ["time", "own", "other", "own"]
    expect(socket("Q of time")).to_be_checked()
    expect(socket("K of space")).to_be_checked()


def test_map_and_values_wait_for_a_guess_which_is_judged(shown, page, sentence):
    guess = page.get_by_role("button", name="This is SWA")
    plain = shown.pixels(page.get_by_label("the clip, frame 1"))
    assert (plain == plain[..., :1]).all()  # grey: no map lies over it
    values = page.get_by_label("effect, frame 1")
    expect(values).to_be_hidden()
    expect(sentence).to_be_hidden()
    wire(shown, "own other other")
    guess.click()
    expect(values).to_be_visible()
    assert shown.trait("guess") == "own other other"
    expect(sentence).to_contain_text("This is: CA, cross attention")
    page.get_by_role("button", name="Hide and guess again").click()
    expect(values).to_be_hidden()
    wire(shown, "other other own")
    guess.click()
    expect(sentence).to_contain_text("Right. SWA, switched attention")
    page.get_by_role("radio", name="Q of space").click()
    expect(sentence).to_contain_text("Neither: space's query")  # no guess was made for this wiring
