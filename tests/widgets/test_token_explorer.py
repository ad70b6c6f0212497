"""The token explorer: which token is where; in a page, every control by mouse, finger and key."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.token_explorer import TokenExplorer, lineup
from csglib import Clip


def by_loops(axis, frames, patches):
    number = {(t, n): 1 + t * patches + n for t in range(frames) for n in range(patches)}
    if axis == "space":
        return [[0] + [number[t, n] for n in range(patches)] for t in range(frames)]
    if axis == "time":
        return [[0] + [number[t, n] for t in range(frames)] for n in range(patches)]
    return [[0] + [number[t, n] for t in range(frames) for n in range(patches)]]


@pytest.mark.parametrize("axis", ["space", "time", "joint"])
def test_sequences_equal_those_of_loops(axis):
    expected = by_loops(axis, 3, 5)
    np.testing.assert_array_equal(lineup(axis, "transposed", 3, 5), expected)
    if axis == "time":  # without the transpose, tokens follow their order in memory
        expected = [[0, *range(1 + start, 4 + start)] for start in range(0, 15, 3)]
    np.testing.assert_array_equal(lineup(axis, "reshaped", 3, 5), expected)


def test_it_sends_the_clip_and_the_sequences_and_its_still_outlines_them(simulated_clip):
    explorer = TokenExplorer(simulated_clip)  # 3 frames of 6 x 8 patches
    assert explorer.frames == simulated_clip.frames.tobytes()
    assert [explorer.facts[name] for name in ("frames", "rows", "columns")] == [3, 6, 8]
    lineups = explorer.facts["lineups"]
    for axis in ("space", "time", "joint"):
        assert lineups[axis] == by_loops(axis, 3, 48)
    assert lineups["reshaped"] == lineup("time", "reshaped", 3, 48).tolist()
    assert explorer.token == 1 + 1 * 48 + 3 * 8 + 4  # near the middle

    explorer.axis, explorer.order, explorer.token = "time", "reshaped", 2
    assert repr(explorer) == ("TokenExplorer(axis='time', order='reshaped', token=2)")
    (held,) = lineup("time", "reshaped", 3, 48)[lineup("time", "transposed", 3, 48) == 2]
    assert held == 4  # place 2, first frame: the fourth patch in memory
    outlines = {3: [], 1: [], 0: []}
    for frame, axes in enumerate(explorer.still().axes):
        for patch in axes.patches:
            outlines[patch.get_linewidth()].append((frame, *patch.get_xy()))
    assert outlines[3] == [(0, 3 * 16 - 0.5, -0.5)]
    assert outlines[1] == [(0, 4 * 16 - 0.5, -0.5), (0, 5 * 16 - 0.5, -0.5)]
    assert len(outlines[0]) == 3 * 48 - 3


@pytest.mark.parametrize("size", [(2, 40, 32), (2, 32, 40), (5, 128, 128), (2, 0, 32)])
def test_a_clip_that_cannot_be_shown_is_refused(size):
    count, height, width = size
    message = f"multiples of 16, .* at most 256 patches: got {count} frames of {height} x {width}"
    with pytest.raises(ValueError, match=message):
        TokenExplorer(Clip(frames=np.zeros(size, np.uint8), patient="nobody"))


# --- in a bare page ---


FRAMES, ROWS, COLUMNS = 8, 4, 4
PATCHES = ROWS * COLUMNS
TOUCH = """
(canvas, { x, y }) => {
  const { left, top } = canvas.getBoundingClientRect();
  const at = { pointerType: "touch", clientX: left + x, clientY: top + y };
  canvas.dispatchEvent(new PointerEvent("pointermove", at));
  const shown = Number(canvas.getAttribute("aria-valuenow"));
  canvas.dispatchEvent(new MouseEvent("click", at));
  return shown;
}
"""
# The token shown at each point of a fine grid, as the mouse moves over it.
TOKENS_UNDER_A_GRID = """
(canvas) => {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const met = new Set();
  for (let y = 1; y < height; y += 8) for (let x = 1; x < width; x += 6) {
    const at = { pointerType: "mouse", clientX: left + x, clientY: top + y };
    canvas.dispatchEvent(new PointerEvent("pointermove", at));
    met.add(Number(canvas.getAttribute("aria-valuenow")));
  }
  canvas.dispatchEvent(new PointerEvent("pointerleave"));
  return [...met];
}
"""


def token(frame, row, column):
    """Its number; all counted from 1, as the page says them."""
    return 1 + (frame - 1) * PATCHES + (row - 1) * COLUMNS + column - 1


@pytest.fixture
def grey():
    return np.random.default_rng(5).integers(0, 256, (FRAMES, 64, 64), dtype=np.uint8)


@pytest.fixture
def shown(mount, grey):
    return mount(TokenExplorer(Clip(frames=grey, patient="nobody")))


@pytest.fixture
def pictured(page):
    return page.get_by_role("slider", name="Patch, in the frames")


@pytest.fixture
def listed(page):
    return page.get_by_role("slider", name="Token, in its sequence")


@pytest.fixture
def enlarges(shown, page, grey):
    """Whether the enlarged patch is that of a token."""
    cut = grey.reshape(FRAMES, ROWS, 16, COLUMNS, 16).swapaxes(2, 3).reshape(-1, 16, 16)
    patch = page.get_by_label("The patch, enlarged")
    return lambda number: np.array_equal(shown.pixels(patch)[..., 0], cut[number - 1])


def on_patch(pictured, frame, row, column):
    """The middle of a patch; frames are 12 canvas pixels apart."""
    box = pictured.bounding_box()
    across = pictured.evaluate("(canvas) => canvas.width")
    side = (across + 12) / FRAMES - 12
    x = (frame - 1) * (side + 12) + (column - 0.5) * side / COLUMNS
    return {"x": x / across * box["width"], "y": (row - 0.5) / ROWS * box["height"]}


def test_a_press_chooses_a_token_and_hover_shows_one(shown, pictured, page, enlarges, sentence):
    pictured.click(position=on_patch(pictured, 3, 2, 4))
    chosen = token(3, 2, 4)
    assert shown.trait("token") == chosen
    expect(sentence).to_contain_text("Along space it attends to the 15 other")
    assert pictured.get_attribute("aria-valuetext") == "frame 3, row 2, column 4"
    assert enlarges(chosen)
    pictured.hover(position=on_patch(pictured, 1, 1, 2))
    expect(sentence).to_contain_text("Token 2 of 128")
    assert sentence.get_attribute("aria-live") == "off"
    assert enlarges(2)
    page.mouse.move(1, 1)
    expect(sentence).to_contain_text(f"Token {chosen} of 128")
    # a finger that scrolls the page chooses nothing; a tap does
    assert pictured.evaluate(TOUCH, on_patch(pictured, 7, 4, 1)) == chosen
    assert shown.trait("token") == token(7, 4, 1)


def test_the_table_shows_every_token_and_patches_not_attended_to_are_dimmed(
    shown, pictured, listed, page, grey
):
    for axis in ("time", "joint", "space"):
        page.get_by_role("radio", name=axis).check()
        shown.put()
        assert set(listed.evaluate(TOKENS_UNDER_A_GRID)) == set(range(1 + FRAMES * PATCHES))
    shown.put()
    picture = np.pad(shown.pixels(pictured)[..., 0].astype(float), [(0, 0), (0, 12)])
    frames = np.stack(np.split(picture, FRAMES, axis=1))[..., :-12].mean(axis=(1, 2))
    bright = frames > 0.6 * grey.mean(axis=(1, 2))
    np.testing.assert_array_equal(bright, np.arange(FRAMES) == 4)


def test_arrow_keys_move_along_sequences_and_frames(shown, pictured, listed, page, sentence):
    for canvas, axis, keys, expected in (
        (listed, "space", "Right", (5, 3, 4)),  # the next patch
        (listed, "space", "Down", (6, 3, 3)),  # the next frame
        (listed, "time", "Right", (6, 3, 3)),
        (listed, "time", "Down Down", (5, 4, 1)),
        (listed, "joint", "Up Left", (4, 3, 2)),
        (listed, "space", "End Right Down", (8, 4, 4)),  # no further
        (listed, "space", "Home Left", (1, 1, 1)),  # back from the class token
        (pictured, "space", "Right Right", (6, 3, 1)),  # over the edge into the next frame
        (pictured, "space", "Up Up Up", (5, 1, 3)),
        (pictured, "space", "Left Left Left", (4, 3, 4)),
    ):
        shown.put(token=token(5, 3, 3), axis=axis)
        canvas.focus()
        for key in keys.split():
            page.keyboard.press(key if key in ("Home", "End") else f"Arrow{key}")
        assert shown.trait("token") == token(*expected), (axis, keys)
    listed.press("Home")
    for axis, words in (
        ("space", "Along space, each of 8 sequences has a copy of it"),
        ("time", "each of 16 sequences has a copy of it, and it attends to all 128"),
        ("joint", "it is in the one sequence"),
    ):
        shown.put(token=0, axis=axis)
        expect(sentence).to_contain_text(words)


def test_the_wrong_order_waits_for_a_guess_and_shows_what_each_slot_holds(
    shown, pictured, listed, page, enlarges, sentence
):
    page.get_by_role("radio", name="time").check()
    page.get_by_role("radio", name="reshape alone").check()
    expect(listed).to_be_hidden()
    expect(sentence).to_have_text("What reshape alone does is shown after your guess.")
    page.get_by_role("button", name="One place, all frames").click()
    assert shown.trait("guess") == "time"
    judged = page.locator(".csg-judged")
    expect(judged).to_contain_text("guess was wrong: a sequence holds places of one frame. In mem")
    expect(sentence).to_contain_text("This slot is meant for frame 5, row 3, column 3")
    page.set_viewport_size({"width": 936, "height": 768})  # of a laptop's screen, Lab's output
    assert page.locator(".csg").bounding_box()["height"] <= 560
    page.get_by_role("button", name="Hide and guess again").click()
    expect(listed).to_be_hidden()
    page.get_by_role("button", name="Places of one frame").press("Enter")
    expect(listed).to_be_visible()
    expect(judged).to_contain_text("Your guess was right: ")
    expect(sentence).to_contain_text("8 patches all from frame 6, 8 places")
    slot = shown.trait("token")
    (held,) = lineup("time", "reshaped", 8, 16)[lineup("time", "transposed", 8, 16) == slot]
    assert enlarges(held)
    pictured.click(position=on_patch(pictured, 2, 1, 1))  # the orange outline follows the pointer
    expect(sentence).to_contain_text("but holds frame 2, row 1, column 1")
    assert enlarges(token(2, 1, 1))
    page.keyboard.press("ArrowRight")
    expect(sentence).to_contain_text("but holds frame 2, row 1, column 2")
    page.get_by_role("radio", name="space").check()
    expect(listed).to_be_visible()
    expect(sentence).to_contain_text("reshape alone is right")
