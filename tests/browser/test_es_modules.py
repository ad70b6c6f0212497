"""The widgets' ES modules in a bare page: what they paint and say, and do with keys; no kernel."""

import numpy as np
import pytest
from PIL import Image

from csglib.view.class_token import class_token
from csglib.widgets.base import MAGNITUDE
from csglib.widgets.explorer.explorer import AttentionExplorer

pytestmark = pytest.mark.browser


@pytest.fixture
def explorer(opinionated_network, simulated_clip):
    return AttentionExplorer(opinionated_network, simulated_clip)


def overlaid(frame, levels, opacity):
    colours = MAGNITUDE(np.clip(levels, 0, 255), bytes=True)[..., :3].astype(float)
    return (1 - opacity) * frame[..., None] + opacity * colours


@pytest.mark.parametrize("stretch", [False, True])
def test_frames_are_painted_with_the_maps_of_the_network(
    stretch, mount, explorer, page, opinionated_network, simulated_clip
):
    shown = mount(explorer)
    for name, value in {"view": "time", "block": 2, "opacity": 0.6, "stretch": stretch}.items():
        shown.put(**{name: value})
    branch = class_token(opinionated_network, simulated_clip).branches["time"]
    maps = branch.maps[1].numpy()
    low, high = (maps.min(), maps.max()) if stretch else (0, max(maps.max(), 2 * branch.even_patch))
    for place, canvas in enumerate(page.locator(".csg-asking-grid canvas").all()):
        levels = 255 * (np.kron(maps[place], np.ones((16, 16))) - low) / (high - low)
        levels = np.rint(levels).astype(int)
        frame, painted = simulated_clip.frames[place], shown.pixels(canvas)
        # a weight was rounded to a byte, so it may be painted as its neighbour in the palette
        near = [np.abs(painted - overlaid(frame, levels + by, 0.6)) for by in (-1, 0, 1)]
        assert np.max(near, axis=-1).min(axis=0).max() < 2
        assert near[1].mean() < 0.9


def test_the_enlarged_frame_follows_the_slider(mount, explorer, page, simulated_clip):
    shown = mount(explorer)
    shown.put(opacity=0)
    large = page.locator(".csg-pair canvas").first
    for frame in (1, 3):
        shown.put(frame=frame)
        painted = shown.pixels(large)
        assert painted.shape == (336, 448, 3)
        grey = Image.fromarray(simulated_clip.frames[frame - 1]).resize((448, 336), Image.BILINEAR)
        assert np.corrcoef(painted[..., 0].ravel(), np.asarray(grey).ravel())[0, 1] > 0.98


def test_arrow_keys_move_a_slider_even_in_a_page_that_takes_all_keys(mount, explorer, page, stolen):
    shown = mount(explorer)
    page.get_by_role("slider", name="Frame").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert shown.trait("frame") == 2
    assert shown.evaluate("({ model }) => model.saved") == 3
    assert stolen() == []


def test_only_our_keys_are_kept_and_only_while_the_widget_is_there(mount, explorer, page, stolen):
    shown = mount(explorer)
    slider = page.get_by_role("slider", name="Block")
    for key in ("Escape", "x", "Shift+ArrowRight", "Control+ArrowDown"):
        slider.focus()
        page.keyboard.press(key)
    taken = ["Escape", "x", "Shift", "ArrowRight", "Control", "ArrowDown"]
    assert stolen() == taken
    page.evaluate("document.body.append(document.createElement('input'))")
    page.locator("body > input").focus()
    page.keyboard.press("ArrowRight")
    assert len(stolen()) == 7  # it started outside
    shown.evaluate("({ close }) => close()")
    assert page.locator(".csg").count() == 0
    assert shown.evaluate("({ model }) => model.listeners()") == 0


def test_a_press_on_a_patch_lets_it_ask_and_keys_go_on_from_there(mount, explorer, page):
    shown = mount(explorer)
    canvas = page.locator(".csg-asking-grid canvas").nth(1)
    canvas.click(position=at(canvas, row=2, column=3))
    assert shown.traits("frame", "query", "view") == [2, 1 + 48 + 2 * 8 + 3, "time"]
    page.keyboard.press("ArrowRight")
    assert shown.traits("frame", "query") == [2, 1 + 48 + 2 * 8 + 4]


def at(canvas, row, column, rows=6, columns=8):
    """The middle of a patch on a canvas in the page."""
    box = canvas.bounding_box()
    return {
        "x": (column + 0.5) / columns * box["width"],
        "y": (row + 0.5) / rows * box["height"],
    }


def test_a_key_that_comes_before_the_screen_is_drawn_is_not_lost(mount, explorer, page):
    """On a busy machine the press's picture is late, and so must not be what keys go on from."""
    shown = mount(explorer)
    canvas = page.locator(".csg-asking-grid canvas").nth(1)
    page.evaluate("window.requestAnimationFrame = () => 0")
    canvas.evaluate("(canvas) => canvas.click()")  # at its corner
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert shown.traits("frame", "query") == [2, 1 + 48 + 8 + 1]


def test_space_plays_and_pauses(mount, explorer, page):
    shown = mount(explorer)
    page.get_by_role("slider", name="Frame").focus()
    page.keyboard.press("Space")
    assert shown.trait("playing") is True
    page.get_by_role("button", name="Pause").wait_for()
    assert page.locator(".csg-sentence").get_attribute("aria-live") == "off"
    frames = {shown.trait("frame")}
    while len(frames) < 3:  # 1, 2, 3, and then 1 again
        page.wait_for_timeout(100)
        frames.add(shown.trait("frame"))
    page.keyboard.press("Space")
    assert shown.trait("playing") is False


def test_where_motion_is_unwelcome_a_press_is_a_frame(mount, explorer, page):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(explorer)
    shown.put(playing=True)  # asked for by a kernel: still no motion
    button = page.get_by_role("button", name="Next frame")
    for frame in (2, 3, 1):
        button.click()
        assert shown.trait("frame") == frame


def test_the_sentence_says_what_is_shown(
    mount, explorer, page, opinionated_network, simulated_clip
):
    shown = mount(explorer)
    shown.put(view="into_space")
    shown.put(block=3)
    shown.put(frame=2)
    branch = class_token(opinionated_network, simulated_clip).branches["into_space"]
    share = 100 * float(branch.totals[2, 1])
    sentence = page.locator(".csg-sentence")
    said = f"Block 3 of 5, space asks time: frame 2 holds {share:#.3g}\u00a0% of the attention"
    assert said in sentence.inner_text()
    assert "an even share is 33.3\u00a0%" in sentence.inner_text()
    assert sentence.get_attribute("aria-live") == "polite"
    assert "truth" not in sentence.inner_text()


def test_truth_is_drawn_on_demand(mount, explorer, page):
    shown = mount(explorer)
    canvas = page.locator(".csg-asking-grid canvas").nth(1)
    before = shown.pixels(canvas).astype(int)
    page.get_by_role("checkbox", name="show the truth").check()
    page.locator(".csg-asking-grid .csg-narrowest").wait_for()
    assert shown.trait("show_truth") is True
    changed = (np.abs(shown.pixels(canvas) - before) > 30).any(axis=-1)
    # lumen of radius 15 and vessel of radius 30 pixels around the middle
    row, column = np.nonzero(changed)
    distance = np.hypot(row - 48, column - 64)
    assert ((abs(distance - 15) < 3) | (abs(distance - 30) < 3)).all()
    angle = np.round(np.arctan2(row - 48, column - 64) * 36 / np.pi)
    round_it = {radius: len(set(angle[abs(distance - radius) < 2])) for radius in (15, 30)}
    assert round_it[15] >= 71  # of 72 directions: a closed line
    assert 30 < round_it[30] < 65  # dashes
    frame = page.locator(".csg-asking-grid .csg-narrowest [role=img]")
    assert frame.get_attribute("aria-label").endswith("50 % closed, the narrowest")
    assert "severe, narrowest in frame 2" in page.locator(".csg-sentence").inner_text()


def test_a_real_clip_has_no_truth_to_show(mount, page, opinionated_network, simulated_clip):
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    mount(AttentionExplorer(opinionated_network, real))
    names = page.get_by_role("checkbox").evaluate_all(
        "(all) => all.map((box) => box.parentNode.innerText)"
    )
    assert names == ["stretch the colours", "compare with another block"]


def test_every_control_has_a_name_and_a_size_for_fingers(mount, explorer, page):
    for widget in (explorer,):
        mount(widget)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, button, canvas[role]")].filter((element) =>
          !element.ariaLabel && !element.closest("label") && !element.textContent.trim()).length"""
    )
    assert unnamed == 0
    small = page.evaluate(
        """() => [...document.querySelectorAll("input, button")]
          .map((element) => (element.closest("label") ?? element).getBoundingClientRect())
          .filter(({ width, height }) => width && Math.min(width, height) < 24).length"""
    )
    assert small == 0


def test_a_page_asks_the_network_for_nothing(mount, explorer, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for widget in (explorer,):
        mount(widget)
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
