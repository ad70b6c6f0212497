"""The clip picker in a bare page: frames, keys, boxes, and what Python reads back of them."""

import base64

import numpy as np
import pytest
from playwright.sync_api import expect

from csglib import Clip
from csglib.data.clips import Region
from csglib.doctor import ClipPicker, Label, read_labels

NAME = "p1/sweep.mp4"
FRAMES, HEIGHT, WIDTH = 60, 160, 200
STATE = ("rows", "frame", "box", "length", "playing", "looping", "saved")
REQUESTS = "({ model }) => model.sent"
SEND = """({ model }, [frame, packed]) => {
  const letters = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const within = new Uint8Array(letters.length + 3); // a buffer lies somewhere in a message
  within.set(letters, 3);
  model.tell(frame, [new DataView(within.buffer, 3, letters.length)]);
}"""
# Edges of elements in fractions of another one: left, top, right, bottom.
EDGES = """([name, within]) => {
  const frame = document.querySelector(within).getBoundingClientRect();
  return [...document.querySelectorAll(name)].map((one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect();
    return [(left - frame.left) / frame.width, (top - frame.top) / frame.height,
            (right - frame.left) / frame.width, (bottom - frame.top) / frame.height];
  });
}"""


def label(**row):
    return Label(**{"clip": NAME, "grade": "", **row})


@pytest.fixture(scope="module")
def frames():
    """Smooth enough for a JPEG, and another image in every frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 30 + t / 4) + np.cos(y / 25 - t / 7) for t in range(FRAMES)]
    return np.rint(110 + 50 * np.stack(waves)).astype(np.uint8)


class Picker:
    """A picker on a page: keys, drags in pixels of the file, and the labels that Python reads."""

    def __init__(self, page, mount, widget):
        self.page, self.widget, self.shown = page, widget, mount(widget)
        self.line = page.get_by_role("slider", name="Frame of the video")
        self.quality = page.locator(".csg-left .csg-small")
        self.line.focus()

    def press(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def drag(self, start, end):
        frame = self.page.locator(".csg-frame").bounding_box()
        zoom = frame["width"] / WIDTH
        assert frame["height"] / HEIGHT == pytest.approx(zoom, rel=0.01)
        (x, y), to = [(frame["x"] + zoom * at[0], frame["y"] + zoom * at[1]) for at in (start, end)]
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(*to, steps=3)
        self.page.mouse.up()

    @property
    def labels(self):
        self.widget.set_state({name: self.shown.trait(name) for name in STATE})
        return self.widget.labels

    def number(self, name):
        return self.page.get_by_role("spinbutton", name=name)

    def type(self, name, text):
        self.number(name).fill(text)
        self.press("Tab")

    def box_fields(self):
        names = ("left, pixels", "top, pixels", "right, pixels", "bottom, pixels")
        return tuple(int(self.number(name).input_value()) for name in names)

    def edges(self, name, within):
        return np.array(self.page.evaluate(EDGES, [name, within]))

    def serve(self, frame):
        """Answer requests as a kernel would, until all of a frame is shown."""
        wanted = f"Frame {frame}, every pixel of the file, 200 \N{MULTIPLICATION SIGN} 160"
        served = 0
        for _ in range(100):
            requests = self.shown.evaluate(REQUESTS)
            for requested in requests[served:]:
                pixels = base64.b64encode(self.widget.pixels(requested)).decode()
                self.shown.evaluate(SEND, [requested, pixels])
            served = len(requests)
            if self.quality.text_content() == wanted:
                return
            self.page.wait_for_timeout(50)
        expect(self.quality).to_have_text(wanted)


@pytest.fixture
def make_picker(page, mount, frames):
    def make(labels=(), grades=("mild", "severe")):
        clip = Clip(frames=frames, patient="p1")
        return Picker(page, mount, ClipPicker(clip, NAME, labels, grades))

    return make


@pytest.fixture
def paused(page):
    """A clock that runs when told to."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


@pytest.fixture
def picker(make_picker):
    return make_picker()


def test_a_preview_is_shown_at_once_and_every_pixel_after_a_rest(picker, page, frames):
    canvas = page.locator(".csg-frame canvas")
    expect(picker.quality).to_contain_text("Frame 0, preview of 200 \N{MULTIPLICATION SIGN} 160")
    difference = np.abs(picker.shown.pixels(canvas).astype(int) - frames[0][..., None])
    assert 0 < difference.mean() < 2
    assert difference.max() < 20
    for key, frame in (("PageUp", 10), ("End", FRAMES - 1)):
        picker.press(key)
        picker.serve(frame)
        painted = picker.shown.pixels(canvas)
        np.testing.assert_array_equal(painted, np.repeat(frames[frame][..., None], 3, axis=-1))


def test_requests_wait_for_a_busy_kernel_and_frames_are_cached(picker, page):
    page.wait_for_timeout(400)
    for _ in range(3):
        picker.press("PageUp")
        page.wait_for_timeout(250)
    assert picker.shown.evaluate(REQUESTS) == [0]
    picker.serve(30)
    assert picker.shown.evaluate(REQUESTS) == [0, 30]
    picker.press("Home")
    expect(picker.quality).to_contain_text("Frame 0, every pixel")
    page.wait_for_timeout(250)
    assert picker.shown.evaluate(REQUESTS) == [0, 30]


def test_only_a_frame_on_which_one_rests_is_requested(make_picker, page, paused):
    picker = make_picker()
    for _ in range(5):
        picker.press("ArrowRight")
        page.clock.run_for(120)
    assert picker.shown.evaluate(REQUESTS) == []
    page.clock.run_for(200)
    assert picker.shown.evaluate(REQUESTS) == [5]


def test_keys_work_in_a_page_that_takes_all_keys(picker, stolen):
    for key, frame in (
        ("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("ArrowDown", 0), ("ArrowLeft", 0),
        ("PageUp", 10), ("PageDown", 0), ("End", 59), ("PageUp", 59), ("Home", 0),
    ):  # fmt: skip
        picker.press(key)
        assert picker.shown.trait("frame") == frame
    for playing in (True, False):
        picker.press(" ")
        picker.shown.becomes("playing", playing)
    picker.press("n", "1", "a", "u", "0", "Control+z", "Delete")
    assert stolen() == ["Control"]
    picker.press("Escape", "x", "Alt+n")
    assert stolen() == ["Control", "Escape", "x", "Alt", "n"]
    removed = """({ close }) => {
      const names = [], real = window.removeEventListener;
      window.removeEventListener = (...given) => (names.push(given[0]), real.apply(window, given));
      close();
      return names;
    }"""
    assert "keydown" in picker.shown.evaluate(removed)


def test_a_key_clip_is_centred_on_its_narrowest_frame(picker, page):
    picker.press("PageUp", "PageUp", "n")
    assert picker.labels == [label(first_frame=16, frames=8, narrowest_frame=20)]
    picker.press("2", "ArrowRight", "ArrowRight", "n")  # within it, the mark moves
    assert picker.labels == [label(grade="severe", first_frame=18, frames=8, narrowest_frame=22)]
    picker.press(*["ArrowRight"] * 4, "n")  # frame 26 is the first after it
    made = [(it.grade, it.first_frame, it.narrowest_frame) for it in picker.labels]
    assert made == [("severe", 18, 22), ("", 22, 26)]
    page.get_by_role("radio", name="16").check()
    picker.line.focus()
    picker.press("End", "ArrowLeft", "n", "Home", "ArrowRight", "n")
    made = [(it.first_frame, it.frames, it.narrowest_frame) for it in picker.labels]
    assert made == [(0, 16, 1), (18, 8, 22), (18, 16, 26), (44, 16, 58)]  # shifted at the ends
    expect(page.get_by_role("radio", name="16")).to_be_checked()


def test_grades_are_keys_and_buttons_and_need_a_key_clip(make_picker, page):
    four = ("mild", "moderate", "severe", "occlusion")
    picker = make_picker(grades=four)
    picker.press("1")
    assert picker.labels == []
    moderate, none = (page.get_by_role("radio", name=name) for name in ("moderate", "not yet"))
    expect(moderate).to_be_disabled()
    picker.press("PageUp", "n")
    expect(none).to_be_checked()
    for key, grade in (("4", "occlusion"), ("0", ""), ("2", "moderate")):
        picker.press(key)
        assert picker.labels[0].grade == grade
    expect(moderate).to_be_checked()
    page.get_by_role("radio", name="mild").check()
    assert picker.labels[0].grade == "mild"
    picker.press("PageUp", "1")  # no key clip there
    assert [made.grade for made in picker.labels] == ["mild"]


def test_a_box_is_drawn_moved_and_stretched(picker, page):
    picker.press("PageUp", "n")
    for start, end in (((50, 50), (53, 120)), ((50, 50), (50, 50)), ((-5, -5), (500, 500))):
        picker.drag(start, end)  # a strip, a click, and the whole frame are no box
        assert picker.labels[0].box is None
        assert picker.shown.trait("box") in ([], ())
    picker.drag((150, 120), (40, 30))
    assert picker.box_fields() == (40, 30, 150, 120)
    drawn = picker.edges(".csg-box", ".csg-frame")[0] * (WIDTH, HEIGHT, WIDTH, HEIGHT)
    np.testing.assert_allclose(drawn, [40, 30, 150, 120], atol=0.5)
    for start, end, box in (
        ((90, 80), (100, 70), Region(50, 20, 160, 110)),
        ((90, 80), (500, 500), Region(90, 70, 200, 160)),  # as far as it goes
        ((90, 115), (60, 10), Region(60, 70, 200, 160)),
        ((130, 70), (10, 50), Region(60, 50, 200, 160)),
        ((198, 158), (180, 140), Region(60, 50, 180, 140)),
        ((60, 50), (179, 139), Region(172, 132, 180, 140)),  # eight pixels stay
    ):
        picker.drag(start, end)
        assert picker.labels[0].box == box


def test_escape_ends_a_drag_and_a_box_that_is_drawn_first_is_that_of_the_next_key_clips(
    picker, page
):
    frame = page.locator(".csg-frame").bounding_box()
    page.mouse.move(frame["x"] + 50, frame["y"] + 50)
    page.mouse.down()
    page.mouse.move(frame["x"] + 150, frame["y"] + 150, steps=2)
    expect(page.locator(".csg-box")).to_be_visible()
    picker.press("Escape")
    page.mouse.up()
    expect(page.locator(".csg-box")).to_be_hidden()
    picker.drag((20, 20), (120, 100))
    assert picker.labels == []
    picker.press("PageUp", "n", "PageUp", "a")
    assert [made.box for made in picker.labels] == [Region(20, 20, 120, 100)] * 2
    page.get_by_role("button", name="Whole frame").click()
    assert [made.box for made in picker.labels] == [Region(20, 20, 120, 100), None]


def test_a_finger_draws_a_box_too_and_grips_are_large_enough_for_it(picker, page):
    page.set_viewport_size({"width": 480, "height": 900})
    picker.press("n")
    touch_action = page.locator(".csg-layer").evaluate(
        """(layer) => {
          const { left, top, width, height } = layer.getBoundingClientRect();
          layer.setPointerCapture = () => {};
          const touch = { pointerId: 7, pointerType: "touch", bubbles: true, button: 0 };
          for (const [kind, x, y] of [["down", 0.25, 0.25], ["move", 0.5, 1], ["up", 0.75, 0.5]]) {
            const at = { clientX: left + x * width, clientY: top + y * height };
            layer.dispatchEvent(new PointerEvent(`pointer${kind}`, { ...touch, ...at }));
          }
          return getComputedStyle(layer).touchAction;
        }"""
    )
    assert picker.labels[0].box == Region(50, 40, 150, 80)
    assert touch_action == "none"
    frame = page.locator(".csg-frame").bounding_box()
    edges = picker.edges(".csg-grip", ".csg-frame")
    first, last = (edge * (frame["width"], frame["height"]) for edge in np.split(edges, 2, 1))
    places = [(x, y) for y in (40, 60, 80) for x in (50, 100, 150) if (x, y) != (100, 60)]
    centres = frame["width"] / WIDTH * np.array(places)
    np.testing.assert_allclose((first + last) / 2, centres, atol=2.1)
    np.testing.assert_allclose(last - first, 28, atol=0.1)


def test_fields_reach_every_box_and_what_is_half_typed_is_not_drawn_over(picker, page):
    picker.press("PageUp", "n")
    picker.number("left, pixels").focus()
    picker.press("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown")
    assert picker.labels[0].box == Region(2, 0, 200, 160)
    for name, typed, becomes in (
        ("right", "150", 150), ("bottom", "90", 90), ("left", "149", 142), ("right", "999", 200),
        ("top", "-3", 0), ("bottom", "", 90), ("bottom", "1.5", 90),
    ):  # fmt: skip
        picker.type(f"{name}, pixels", typed)
        expect(picker.number(f"{name}, pixels")).to_have_value(str(becomes))
    assert picker.labels[0].box == Region(142, 0, 200, 90)
    page.get_by_role("button", name="Whole frame").press("Enter")
    assert picker.labels[0].box is None
    assert picker.box_fields() == (0, 0, WIDTH, HEIGHT)
    picker.type("first frame", "40")
    assert picker.labels == [label(first_frame=10, frames=8, narrowest_frame=10)]  # stays inside
    top = picker.number("top, pixels")
    top.fill("3")
    picker.shown.put(frame=10, playing=False)
    expect(top).to_have_value("3")
    top.press("End")
    picker.press("1", "Tab")
    assert picker.labels[0].box == Region(0, 31, 200, 160)


def test_key_clips_are_listed_in_order_visited_and_removed_by_keys(picker, page):
    picker.press("End", "n", "2", "Home", "a", *["PageUp"] * 3, "n", "1")
    spans = [(made.first_frame, made.narrowest_frame) for made in picker.labels]
    assert spans == [(0, None), (26, 30), (52, 59)]
    entries, current = page.locator(".csg-list .csg-go"), page.locator("[aria-current=true]")
    expect(entries).to_contain_text(["no grade yet", "mild", "severe"])
    expect(entries.nth(1)).to_contain_text("frames 26 to 33, narrowest 30")
    expect(current).to_contain_text("mild")
    entries.nth(2).press("Enter")
    assert picker.shown.trait("frame") == 59
    expect(current).to_contain_text("severe")
    picker.press("Tab", "Enter")
    expect(page.get_by_role("button", name="Remove key clip 2")).to_be_focused()
    picker.press("Enter", "Enter")
    assert picker.labels == []
    expect(picker.line).to_be_focused()


def test_of_overlapping_key_clips_the_last_edited_or_visited_one_is_current(picker, page):
    picker.press("PageUp", "n", *["ArrowRight"] * 3, "a", "a", "1")  # 6 to 13, and 9 to 16
    assert [made.grade for made in picker.labels] == ["", "mild"]
    page.locator(".csg-list .csg-go").first.press("Enter")
    picker.press("2")
    assert [made.grade for made in picker.labels] == ["severe", "mild"]
    picker.press("End", "Delete")  # no key clip there
    assert len(picker.labels) == 2
    picker.press("Home", "PageUp", "Delete")
    assert [made.grade for made in picker.labels] == ["mild"]


def test_undo_goes_back_step_by_step(picker, page):
    undo = page.get_by_role("button", name="Undo")
    picker.press("PageUp", "n", "n", "1")
    picker.drag((20, 20), (120, 100))
    picker.press("Delete", "Home")
    assert picker.labels == []
    picker.press("u")
    assert picker.labels[0].box == Region(20, 20, 120, 100)
    assert picker.shown.trait("frame") == 10  # where it was done
    picker.press("Control+z")
    assert picker.labels == [label(grade="mild", first_frame=6, frames=8, narrowest_frame=10)]
    undo.press("Enter")
    assert picker.labels[0].grade == ""
    picker.press("u", "u", "u")
    assert picker.labels == []
    expect(undo).to_have_attribute("aria-disabled", "true")


def test_the_time_line_shows_key_clips_and_changes_and_is_dragged(make_picker, page):
    given = [label(first_frame=6, frames=8, narrowest_frame=9), label(first_frame=40)]
    picker = make_picker(given)
    spans, diamonds, heads = (
        FRAMES * picker.edges(name, ".csg-spans")[:, ::2]
        for name in (".csg-span", ".csg-span i", ".csg-head")
    )
    np.testing.assert_allclose(spans, [[6, 14], [40, 60]], atol=0.05)
    np.testing.assert_allclose(diamonds.mean(axis=1), [9.5], atol=0.1)
    np.testing.assert_allclose(heads, [[9, 10]], atol=0.05)
    points = page.locator(".csg-curve polygon").get_attribute("points").split()[1:-1]
    found = np.array([point.split(",") for point in points], float)
    changes = np.sqrt(np.frombuffer(picker.widget.changes, "<f4"))[1:]
    np.testing.assert_array_equal(found[:, 0], np.arange(1, FRAMES))
    np.testing.assert_allclose(100 - found[:, 1], 96 * changes / changes.max(), atol=0.01)
    box = picker.line.bounding_box()
    for frame, down, shown in ((12, 10, 12), (45, 300, 45), (200, 300, FRAMES - 1)):
        x = box["x"] + box["width"] * (frame + 0.5) / FRAMES
        page.mouse.move(x, box["y"] + down, steps=3)
        page.mouse.down()
        picker.shown.becomes("frame", shown)
    page.mouse.up()
    page.mouse.move(box["x"] + 9, box["y"] + 10)
    assert picker.shown.trait("frame") == FRAMES - 1


def test_it_plays_to_the_end_and_round_in_a_key_clip(make_picker, page, paused):
    picker = make_picker()

    def play(ticks, *keys):
        """Frames on show, one a tick of the player."""
        picker.press(*keys)
        page.clock.run_for(20)  # drawn, and the player runs
        found = []
        for _ in range(ticks):
            page.clock.run_for(50)
            found.append(picker.shown.trait("frame"))
        return found

    assert play(5, "End", *["ArrowLeft"] * 3, " ") == [57, 58, 59, 59, 59]
    assert picker.shown.trait("playing") is False
    assert play(10, "Home", *["PageUp"] * 2, "n", " ") == [21, 22, 23, *range(16, 23)]
    page.get_by_role("checkbox", name="loop a key clip").uncheck()
    assert play(3) == [23, 24, 25]


def test_given_labels_are_shown_said_and_saved_again(make_picker, page, frames, tmp_path):
    given = label(
        grade="mild", split="test", first_frame=20, frames=12, narrowest_frame=25,
        box=Region(20, 40, 132, 152),
    )  # fmt: skip
    picker, sentence = make_picker([given]), page.locator(".csg-sentence")
    assert picker.box_fields() == (20, 40, 132, 152)
    marked = "Key clip 1, mild: frames 20 to 31, narrowest 25, box 20, 40 to 132, 152."
    expect(sentence).to_contain_text(marked)
    words = "25, narrowest in key clip 1, mild"
    expect(picker.line).to_have_attribute("aria-valuetext", words)
    page.wait_for_timeout(300)
    painted = picker.shown.pixels(page.locator(".csg-list canvas")).astype(int)
    assert np.abs(painted - frames[25, 40:152, 20:132, None]).mean() < 2
    picker.press("Home", "n", "2")
    assert picker.labels[1] == given
    picker.widget.save(tmp_path / "labels.csv")
    new = label(grade="severe", split="test", frames=8, narrowest_frame=0)
    assert read_labels(tmp_path / "labels.csv") == [new, given]
    picker.shown.put(saved="labels.csv")
    expect(sentence).to_contain_text("all graded; saved in labels.csv.")
    picker.press("1")
    expect(sentence).to_contain_text("all graded; not saved.")
