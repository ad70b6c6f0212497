"""The cost dial in a bare page: guesses, costs, the query patch by mouse and by keyboard."""

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from csgcourse.widgets.cost_dial import KINDS, CostDial, macs, temporal_maps
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.widgets.base import MAGNITUDE

pytestmark = pytest.mark.browser


@pytest.fixture
def network():
    """Random temporal attention, far from uniform."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = CSG3DCT(TINY)
        network.blocks[0].time.qkv.weight.data *= 2
    return network


@pytest.fixture
def shown(mount, network, simulated_clip):
    return mount(CostDial(network, simulated_clip))


@pytest.fixture
def maps(network, simulated_clip):
    return 100 * temporal_maps(network, simulated_clip).numpy()


def guess(page, eight, sixty_four):
    for frames, times in ((8, eight), (64, sixty_four)):
        group = page.get_by_role("group", name=f"In a clip of {frames} frames")
        group.get_by_role("radio", name=f"{times} times", exact=True).check()


def test_the_page_counts_as_python_does(shown):
    for frames, side in ((1, 2), (8, 16), (7, 5), (64, 32)):
        found = shown.evaluate(
            "({ es }, [t, side, kinds]) => kinds.map((k) => es.macs(t, side, k, 384))",
            [frames, side, list(KINDS)],
        )
        assert found == [macs(frames, side, kind) for kind in KINDS]


def test_costs_wait_for_both_guesses(shown, page, screenshots):
    button = page.get_by_role("button", name="Show the costs")
    answers, sentence = page.locator(".csg-answers"), page.locator(".csg-sentence").first
    expect(answers).to_be_hidden()
    expect(sentence).to_contain_text("1 sequence of 2,049 tokens. The cost is shown")
    expect(button).to_be_disabled()
    for one, other in (("guess_8", "guess_64"), ("guess_64", "guess_8")):
        shown.put(**{one: 50})
        shown.put(**{other: 0})
        expect(button).to_be_disabled()
    guess(page, 8, 500)
    expect(button).to_be_enabled()
    page.screenshot(path=screenshots / "cost_dial_guess.png", full_page=True)
    button.click()
    expect(answers).to_be_visible()
    expect(page.locator(".csg-judged")).to_contain_text(
        "8 frames: 7.6 times cheaper; you guessed 8, right. "
        "64 frames: 51 times cheaper; you guessed 500, wrong."
    )
    expect(sentence).to_contain_text("3.22 billion MACs a block.")
    page.screenshot(path=screenshots / "cost_dial_open.png", full_page=True)
    page.get_by_role("button", name="Hide and guess again").click()
    expect(answers).to_be_hidden()
    expect(button).to_be_disabled()
    assert (shown.trait("guess_8"), shown.trait("guess_64")) == (0, 0)


def test_guesses_can_be_made_by_keyboard_alone(shown, page, stolen):
    for frames, presses in ((8, 1), (64, 2)):
        group = page.get_by_role("group", name=f"In a clip of {frames} frames")
        group.get_by_role("radio").first.focus()
        page.keyboard.press("Space")
        for _ in range(presses):
            page.keyboard.press("ArrowRight")
    assert (shown.trait("guess_8"), shown.trait("guess_64")) == (8, 50)
    page.get_by_role("button", name="Show the costs").focus()
    page.keyboard.press("Enter")
    assert shown.trait("revealed") is True
    assert stolen() == []


def test_bars_are_on_one_scale_from_zero(shown, page):
    shown.put(revealed=True)
    for frames, side in ((8, 16), (1, 4), (64, 3)):
        shown.put(frames=frames)
        shown.put(side=side)
        tracks, fills = page.locator(".csg-track").all(), page.locator(".csg-length").all()
        wide = [fill.bounding_box()["width"] for fill in fills]
        costs = [macs(frames, side, kind) for kind in KINDS]
        full = tracks[0].bounding_box()["width"]
        np.testing.assert_allclose(wide, np.array(costs) / max(costs) * full, atol=1.1)
    words = page.locator(".csg-number").all_inner_texts()
    assert words[3].endswith(f"{costs[0] / costs[3]:.1f} times fewer")
    shown.put(frames=1)
    assert page.locator(".csg-number").nth(3).inner_text().endswith("more than joint")


def test_the_curves_are_the_costs_of_1_to_64_frames(shown, page):
    shown.put(revealed=True)
    shown.put(side=5)
    for kind in ("joint", "both"):
        points = page.locator(f"polyline.csg-{kind}").get_attribute("points").split()
        heights = np.array([float(point.split(",")[1]) for point in points])
        costs = np.array([macs(frames, 5, kind) for frames in range(1, 65)])
        full = macs(64, 5, "joint")
        np.testing.assert_allclose(heights, 8 + 132 * (1 - costs / full), atol=0.051)


def test_arrow_keys_move_the_query_and_stop_at_the_border(shown, page, stolen):
    assert (shown.trait("patch"), shown.trait("frame")) == (28, 2)  # row 3, column 4 from 0
    page.locator(".csg-frames").focus()
    moves = {"ArrowUp": 20, "ArrowRight": 21, "ArrowDown": 29, "ArrowLeft": 28}
    for key, patch in moves.items():
        page.keyboard.press(key)
        assert shown.trait("patch") == patch
    for key, frame in {"PageDown": 3, "PageUp": 2}.items():
        page.keyboard.press(key)
        assert shown.trait("frame") == frame
    for _ in range(9):
        page.keyboard.press("PageDown")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowRight")
    assert (shown.trait("patch"), shown.trait("frame")) == (7, 3)
    assert stolen() == []
    assert shown.trait("frames") == 8  # the slider above has not heard them


def test_a_click_on_a_patch_makes_it_the_query(shown, page):
    canvas = page.locator(".csg-frames canvas").nth(2)
    box = canvas.bounding_box()
    canvas.click(position={"x": 2.5 / 8 * box["width"], "y": 4.5 / 6 * box["height"]})
    assert (shown.trait("patch"), shown.trait("frame")) == (4 * 8 + 2, 3)
    page.keyboard.press("ArrowLeft")  # keys go on from there
    assert shown.trait("patch") == 4 * 8 + 1


@pytest.mark.parametrize(("kind", "keys"), [("space", 48), ("time", 3), ("both", 50)])
def test_keys_stay_bright(shown, page, kind, keys):
    shown.put(kind="joint")
    canvases = page.locator(".csg-frames canvas").all()
    every = np.stack([shown.pixels(canvas) for canvas in canvases]).astype(int)
    shown.put(kind=kind)
    now = np.stack([shown.pixels(canvas) for canvas in canvases]).astype(int)
    darker = (np.abs(now - every).max(axis=-1) > 3).reshape(3, 6, 20, 8, 20)
    bright = darker[:, :, 4:16, :, 4:16].mean(axis=(2, 4)) < 0.5
    frame, row, column = np.nonzero(bright)
    assert len(frame) == keys
    same_frame, same_place = frame == 1, (row == 3) & (column == 4)
    rule = {"space": same_frame, "time": same_place, "both": same_frame | same_place}[kind]
    assert rule.all()
    expect(page.locator(".csg-sentence").nth(1)).to_contain_text(f"{keys} of 144 patches")


@pytest.mark.parametrize(("head", "stretch"), [(0, False), (3, False), (2, True)])
def test_the_table_shows_the_networks_own_shares(shown, page, maps, head, stretch):
    # the calmest place for the mean: there colours end at twice an even share, not at its largest
    place = int(maps.mean(axis=1).max(axis=(1, 2)).argmin()) if head == 0 else 11
    shown.put(patch=place)
    page.get_by_role("group", name="Head").get_by_role("radio").nth(head).check()
    assert shown.trait("head") == head
    if stretch:
        page.get_by_role("checkbox", name="stretch the colours").check()
    shown.put(frame=3)
    expected = maps[place].mean(axis=0) if head == 0 else maps[place, head - 1]
    cells = page.locator(".csg-map td")
    found = np.array([float(text) for text in cells.all_inner_texts()]).reshape(3, 4)
    np.testing.assert_allclose(found, expected, atol=0.0501)
    assert head or expected.max() < 50
    low, high = (expected.min(), expected.max()) if stretch else (0, max(expected.max(), 50))
    levels = np.rint(255 * (expected - low) / (high - low)).astype(int).ravel()
    for cell, level in zip(cells.all(), levels, strict=True):
        painted = cell.evaluate("(cell) => cell.style.background.match(/\\d+/g).map(Number)")
        near = MAGNITUDE(np.clip([level - 1, level, level + 1], 0, 255), bytes=True)[:, :3]
        assert (np.abs(near.astype(int) - painted).max(axis=1) <= 1).any()
    assert page.locator(".csg-query th").inner_text() == "frame 3"
    own = expected[2, 1:]
    said = f"Along time, frame {1 + own.argmax()} has the largest weight, {own.max():#.3g}\u00a0%"
    expect(page.locator(".csg-sentence").nth(1)).to_contain_text(said)


def test_many_keys_before_a_refresh_draw_once(shown):
    draws = shown.evaluate(
        """({ model }) => new Promise((done) => {
          let cells = 0;
          const watch = new MutationObserver((changes) => (cells += changes.length));
          watch.observe(document.querySelector(".csg-map caption"), { childList: true });
          for (let patch = 0; patch < 20; patch++) model.set("patch", patch);
          requestAnimationFrame(() => requestAnimationFrame(() => {
            watch.takeRecords().forEach(() => cells++);
            done(cells);
          }));
        })"""
    )
    assert draws == 1
