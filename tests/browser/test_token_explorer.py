"""The token explorer in a bare page: every control by mouse, finger and key, against numpy."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.token_explorer import TokenExplorer, lineup
from csglib.data.clips import Clip

pytestmark = pytest.mark.browser

FRAMES, ROWS, COLUMNS = 8, 4, 4
PATCHES = ROWS * COLUMNS


def token(frame, row, column):
    """Its number; all counted from 1, as the page says them."""
    return 1 + (frame - 1) * PATCHES + (row - 1) * COLUMNS + column - 1


@pytest.fixture
def explorer():
    grey = np.random.default_rng(5).integers(0, 256, (FRAMES, 64, 64), dtype=np.uint8)
    return TokenExplorer(Clip(frames=grey, patient="nobody"))


@pytest.fixture
def shown(mount, explorer):
    return mount(explorer)


@pytest.fixture
def pictured(page):
    return page.get_by_role("slider", name="Patch, in the frames")


@pytest.fixture
def listed(page):
    return page.get_by_role("slider", name="Token, in its sequence")


@pytest.fixture
def sentence(page):
    return page.locator(".csg-sentence")


def on_patch(pictured, frame, row, column):
    """The middle of a patch; frames are 12 canvas pixels apart."""
    box = pictured.bounding_box()
    across = pictured.evaluate("(canvas) => canvas.width")
    side = (across + 12) / FRAMES - 12
    x = (frame - 1) * (side + 12) + (column - 0.5) * side / COLUMNS
    return {"x": x / across * box["width"], "y": (row - 0.5) / ROWS * box["height"]}


def patches(explorer):
    """Every token's pixels; the class token has none."""
    cut = np.frombuffer(explorer.frames, np.uint8).reshape(FRAMES, ROWS, 16, COLUMNS, 16)
    return np.concatenate([np.zeros((1, 16, 16)), cut.swapaxes(2, 3).reshape(-1, 16, 16)])


def enlarged(shown, page):
    return shown.pixels(page.get_by_label("The patch, enlarged"))[..., 0]


def test_a_press_on_a_patch_chooses_its_token(shown, pictured, page, explorer, sentence):
    pictured.click(position=on_patch(pictured, 3, 2, 4))
    assert shown.trait("token") == token(3, 2, 4)
    expect(sentence).to_contain_text(
        "frame 3, row 2, column 4. Along space it attends to the 15 other"
    )
    assert pictured.get_attribute("aria-valuetext") == "frame 3, row 2, column 4"
    np.testing.assert_array_equal(enlarged(shown, page), patches(explorer)[token(3, 2, 4)])


def test_hover_shows_and_leaving_forgets(shown, pictured, page, explorer, sentence):
    chosen = shown.trait("token")
    pictured.hover(position=on_patch(pictured, 1, 1, 2))
    expect(sentence).to_contain_text("Token 2 of 128")
    assert sentence.get_attribute("aria-live") == "off"
    np.testing.assert_array_equal(enlarged(shown, page), patches(explorer)[2])
    page.mouse.move(1, 1)
    expect(sentence).to_contain_text(f"Token {chosen} of 128")
    assert sentence.get_attribute("aria-live") == "polite"
    assert shown.trait("token") == chosen


def test_every_cell_of_the_table_is_its_token(shown, listed, page):
    """Walk a fine grid of points: all tokens are met, and each line is a sequence."""
    for axis in ("space", "time", "joint"):
        page.get_by_role("radio", name=axis).check()
        found = listed.evaluate(
            """(canvas) => {
              const { left, top, width, height } = canvas.getBoundingClientRect();
              const met = new Set();
              for (let y = 1; y < height; y += 6) for (let x = 1; x < width; x += 6) {
                const at = { pointerType: "mouse", clientX: left + x, clientY: top + y };
                canvas.dispatchEvent(new PointerEvent("pointermove", at));
                met.add(Number(canvas.getAttribute("aria-valuenow")));
              }
              canvas.dispatchEvent(new PointerEvent("pointerleave"));
              return [...met];
            }"""
        )
        assert set(found) == set(range(1 + FRAMES * PATCHES))


@pytest.mark.parametrize(
    ("axis", "keys", "expected"),
    [
        ("space", ["ArrowRight"], (5, 3, 4)),  # the next patch
        ("space", ["ArrowDown"], (6, 3, 3)),  # the next frame
        ("time", ["ArrowRight"], (6, 3, 3)),
        ("time", ["ArrowDown", "ArrowDown"], (5, 4, 1)),
        ("joint", ["ArrowUp", "ArrowLeft"], (4, 3, 2)),
        ("space", ["End", "ArrowRight", "ArrowDown"], (8, 4, 4)),  # no further
        ("space", ["Home", "ArrowLeft"], (1, 1, 1)),
    ],
)
def test_arrow_keys_walk_the_sequences(shown, listed, page, axis, keys, expected):
    page.get_by_role("radio", name=axis).check()
    listed.focus()
    for key in keys:
        page.keyboard.press(key)
    assert shown.trait("token") == token(*expected)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["ArrowRight", "ArrowRight"], (6, 3, 1)),  # over the edge into the next frame
        (["ArrowUp", "ArrowUp", "ArrowUp"], (5, 1, 3)),
        (["ArrowLeft"] * 3, (4, 3, 4)),
        (["ArrowDown"], (5, 4, 3)),
    ],
)
def test_arrow_keys_walk_the_frames(shown, pictured, page, keys, expected):
    pictured.focus()
    for key in keys:
        page.keyboard.press(key)
    assert shown.trait("token") == token(*expected)


def test_the_class_token_is_in_every_sequence(shown, listed, page, sentence):
    listed.focus()
    page.keyboard.press("Home")
    assert shown.trait("token") == 0
    expect(sentence).to_contain_text("Along space, each of 8 sequences has a copy of it")
    page.get_by_role("radio", name="time").check()
    expect(sentence).to_contain_text(
        "each of 16 sequences has a copy of it, and it attends to all 128"
    )
    page.get_by_role("radio", name="joint").check()
    expect(sentence).to_contain_text("it is in the one sequence")
    assert listed.get_attribute("aria-valuetext") == "class token"


def test_the_wrong_order_waits_for_a_guess_and_is_judged(shown, listed, page, sentence):
    page.get_by_role("radio", name="time").check()
    page.get_by_role("radio", name="reshape alone").check()
    expect(listed).to_be_hidden()
    expect(sentence).to_have_text("What reshape alone does is shown after your guess.")
    page.get_by_role("button", name="One place, all frames").click()
    expect(listed).to_be_visible()
    assert shown.trait("guess") == "time"
    expect(sentence).to_contain_text(
        "Your guess was wrong. This slot is meant for frame 5, row 3, column 3"
    )
    page.get_by_role("button", name="Hide and guess again").click()
    expect(listed).to_be_hidden()
    page.get_by_role("button", name="Places of one frame").press("Enter")
    expect(sentence).to_contain_text("Your guess was right.")
    expect(sentence).to_contain_text("8 patches all from frame 6, 8 places")


def test_in_the_wrong_order_a_slot_shows_what_stands_in_it(
    shown, page, pictured, explorer, sentence, screenshots
):
    page.get_by_role("radio", name="time").check()
    page.get_by_role("radio", name="reshape alone").check()
    page.get_by_role("button", name="A mix").click()
    slot = shown.trait("token")
    (held,) = lineup("time", "reshaped", 8, 16)[lineup("time", "transposed", 8, 16) == slot]
    assert held == token(6, 2, 1)
    np.testing.assert_array_equal(enlarged(shown, page), patches(explorer)[held])
    page.locator(".csg-token-explorer").screenshot(path=screenshots / "token_explorer.png")
    pictured.click(position=on_patch(pictured, 2, 1, 1))  # the orange outline follows the finger
    expect(sentence).to_contain_text("but holds frame 2, row 1, column 1")
    np.testing.assert_array_equal(enlarged(shown, page), patches(explorer)[token(2, 1, 1)])
    page.keyboard.press("ArrowRight")
    expect(sentence).to_contain_text("but holds frame 2, row 1, column 2")


@pytest.mark.parametrize("axis", ["space", "joint"])
def test_elsewhere_reshape_alone_is_said_to_be_right(shown, listed, page, sentence, axis):
    page.get_by_role("radio", name=axis).check()
    page.get_by_role("radio", name="reshape alone").check()
    expect(listed).to_be_visible()
    expect(sentence).to_contain_text("reshape alone is right")


def test_patches_it_does_not_meet_are_dimmed(shown, pictured, page, explorer):
    def brightness(frame):
        picture = shown.pixels(pictured).astype(float)
        step = (picture.shape[1] + 12) / FRAMES
        return picture[:, int((frame - 1) * step) : int(frame * step) - 12].mean()

    frames = np.frombuffer(explorer.frames, np.uint8).reshape(FRAMES, -1).mean(axis=1)
    dimmed = [brightness(frame) < 0.6 * frames[frame - 1] for frame in range(1, 1 + FRAMES)]
    assert dimmed == [frame != 5 for frame in range(1, 1 + FRAMES)]  # space: its own frame
    page.get_by_role("radio", name="joint").check()
    page.wait_for_timeout(50)
    assert all(brightness(frame) > 0.6 * frames[frame - 1] for frame in range(1, 1 + FRAMES))


def test_a_tap_chooses_without_hover(shown, pictured):
    before = shown.trait("token")
    while_moving = pictured.evaluate(
        """(canvas, { x, y }) => {
          const { left, top } = canvas.getBoundingClientRect();
          const at = { pointerType: "touch", clientX: left + x, clientY: top + y };
          canvas.dispatchEvent(new PointerEvent("pointermove", at));
          const shown = Number(canvas.getAttribute("aria-valuenow"));
          canvas.dispatchEvent(new MouseEvent("click", at));
          return shown;
        }""",
        on_patch(pictured, 7, 4, 1),
    )
    assert while_moving == before  # a finger that scrolls the page chooses nothing
    assert shown.trait("token") == token(7, 4, 1)
