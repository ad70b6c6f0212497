"""The clip picker in a bare page: frames, keys, boxes and what is read back of them."""

import base64
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from csglib.data.clips import Clip, Region
from csglib.doctor.labels import Label, read_labels
from csglib.doctor.picker.clip_picker import ClipPicker

pytestmark = pytest.mark.browser

NAME = "p1/sweep.mp4"
FRAMES, HEIGHT, WIDTH = 60, 160, 200
STATE = ("rows", "frame", "box", "length", "playing", "looping", "saved")
TELL = """({ model }, [frame, packed]) => {
  const letters = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const within = new Uint8Array(letters.length + 3); // a buffer lies somewhere in a message
  within.set(letters, 3);
  model.tell(frame, [new DataView(within.buffer, 3, letters.length)]);
}"""

# How many listeners to keys the window has more than now.
COUNT = """() => {
  window.heard = 0;
  for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
    const real = window[name];
    window[name] = (...given) => {
      window.heard += given[0] === "keydown" ? by : 0;
      real.apply(window, given);
    };
  }
}"""


def label(**said):
    return Label(**{"clip": NAME, "grade": "", **said})


def video():
    """Smooth enough for a JPEG, and another picture in every frame."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 30 + t / 4) + np.cos(y / 25 - t / 7) for t in range(FRAMES)]
    return np.rint(110 + 50 * np.stack(waves)).astype(np.uint8)


@pytest.fixture(scope="module")
def frames():
    return video()


@pytest.fixture
def picker(frames):
    return ClipPicker(Clip(frames=frames, patient="p1"), NAME)


@pytest.fixture
def shown(mount, picker):
    return mount(picker)


@pytest.fixture
def labels(shown, picker):
    """What Python reads back of the page."""

    def read():
        picker.set_state({name: shown.trait(name) for name in STATE})
        return picker.labels

    return read


@pytest.fixture
def arrives(shown, picker, page):
    """Answers as a kernel would, until all of a frame is shown."""
    answered = []
    words = page.locator(".csg-left .csg-small")

    def answer(frame):
        wanted = f"Frame {frame}, every pixel of the file, 200 \N{MULTIPLICATION SIGN} 160"
        for _ in range(100):
            for asked in shown.evaluate("({ model }) => model.sent")[len(answered) :]:
                answered.append(asked)
                pixels = base64.b64encode(picker.pixels(asked)).decode()
                shown.evaluate(TELL, [asked, pixels])
            if words.text_content() == wanted:
                return
            page.wait_for_timeout(50)
        expect(words).to_have_text(wanted)

    return answer


@pytest.fixture
def line(page, shown):
    """The time line, focused."""
    slider = page.get_by_role("slider", name="Frame of the video")
    slider.focus()
    return slider


@pytest.fixture
def press(page):
    def keys(*names):
        for name in names:
            page.keyboard.press(name)

    return keys


@pytest.fixture
def drag(page):
    """A stroke over the frame, from and to pixels of the file."""

    def stroke(start, end):
        frame = page.locator(".csg-frame").bounding_box()
        zoom = frame["width"] / WIDTH
        assert frame["height"] / HEIGHT == pytest.approx(zoom, rel=0.01)
        (x, y), *others = [
            (frame["x"] + zoom * at[0], frame["y"] + zoom * at[1]) for at in (start, end)
        ]
        page.mouse.move(x, y)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=3)
        page.mouse.up()

    return stroke


def edges(page):
    names = ("left", "top", "right", "bottom")
    boxes = [page.get_by_role("spinbutton", name=f"{name}, pixels") for name in names]
    return tuple(int(box.input_value()) for box in boxes)


def drawn_at(page):
    """The box on the frame, in pixels of the file: its outer edges."""
    return page.evaluate(
        """([width, height]) => {
          const [frame, box] = [".csg-frame", ".csg-box"].map((name) =>
            document.querySelector(name).getBoundingClientRect());
          const [x, y] = [width / frame.width, height / frame.height];
          return [(box.left - frame.left) * x, (box.top - frame.top) * y,
                  (box.right - frame.left) * x, (box.bottom - frame.top) * y];
        }""",
        [WIDTH, HEIGHT],
    )


def settled(page, words):
    expect(page.locator(".csg-left .csg-small")).to_contain_text(words)


def test_a_preview_is_there_at_once_and_every_pixel_when_one_rests(
    shown, page, line, press, arrives, frames
):
    canvas = page.locator(".csg-frame canvas")
    settled(page, "Frame 0, preview of 200 \N{MULTIPLICATION SIGN} 160 pixels")
    first = shown.pixels(canvas)
    assert first.shape == (HEIGHT, WIDTH, 3)
    difference = np.abs(first.astype(int) - frames[0][..., None])
    assert 0 < difference.mean() < 2
    assert difference.max() < 20
    for keys, frame in ((["ArrowRight"] * 7, 7), (["End"], FRAMES - 1), (["Home"], 0)):
        press(*keys)
        arrives(frame)
        painted = shown.pixels(canvas)
        np.testing.assert_array_equal(painted, np.repeat(frames[frame][..., None], 3, axis=-1))


def test_questions_wait_for_a_busy_kernel_and_answers_are_kept(shown, page, line, press, arrives):
    asked = "({ model }) => model.sent"
    page.wait_for_timeout(400)
    for _ in range(3):
        press("PageUp")
        page.wait_for_timeout(250)
    assert shown.evaluate(asked) == [0]
    arrives(30)
    assert shown.evaluate(asked) == [0, 30]
    press("Home")
    settled(page, "Frame 0, every pixel")
    page.wait_for_timeout(250)
    assert shown.evaluate(asked) == [0, 30]


def test_only_a_frame_that_is_rested_on_is_asked_for(mount, picker, page):
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    shown = mount(picker)
    page.get_by_role("slider", name="Frame of the video").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.clock.run_for(120)
    asked = "({ model }) => model.sent"
    assert shown.evaluate(asked) == []
    page.clock.run_for(200)
    assert shown.evaluate(asked) == [5]


def test_keys_lead_through_the_video_in_a_page_that_takes_all_keys(shown, line, press, stolen):
    for key, frame in (
        ("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("ArrowDown", 0), ("ArrowLeft", 0),
        ("PageUp", 10), ("PageDown", 0), ("End", 59), ("PageUp", 59), ("Home", 0),
    ):  # fmt: skip
        press(key)
        assert shown.trait("frame") == frame
    press(" ")
    shown.becomes("playing", True)
    press(" ")
    shown.becomes("playing", False)
    press("n", "1", "a", "u", "0", "Control+z", "Delete")
    assert stolen() == ["Control"]
    press("Escape", "x", "Alt+n")
    assert stolen() == ["Control", "Escape", "x", "Alt", "n"]


def test_a_key_clip_lies_around_its_narrowest_frame(line, press, labels, page):
    press(*["PageUp"] * 2, "n")
    assert labels() == [label(first_frame=16, frames=8, narrowest_frame=20)]
    page.get_by_role("radio", name="16").check()
    assert labels() == [label(first_frame=12, frames=16, narrowest_frame=20)]
    line.focus()
    press(*["PageUp"] * 2, "n")
    assert labels()[1] == label(first_frame=32, frames=16, narrowest_frame=40)
    expect(page.get_by_role("radio", name="16")).to_be_checked()


@pytest.mark.parametrize(
    ("steps", "span"), [(["Home", "ArrowRight"], (0, 1)), (["End", "ArrowLeft"], (52, 58))]
)
def test_at_the_ends_a_key_clip_is_shifted(line, press, labels, steps, span):
    press(*steps, "n")
    first, narrowest = span
    assert labels() == [label(first_frame=first, frames=8, narrowest_frame=narrowest)]


def test_inside_of_a_key_clip_its_narrowest_frame_moves(line, press, labels):
    press(*["PageUp"] * 2, "n", "2", "ArrowRight", "ArrowRight", "n")
    assert labels() == [label(grade="severe", first_frame=18, frames=8, narrowest_frame=22)]
    press(*["ArrowRight"] * 4, "n")  # frame 26 is the first behind it
    assert [made.narrowest_frame for made in labels()] == [22, 26]
    assert [made.grade for made in labels()] == ["severe", ""]


def test_grades_are_keys_and_buttons_and_need_a_key_clip(line, press, labels, page):
    press("1")
    assert labels() == []
    mild, severe, none = (
        page.get_by_role("radio", name=name) for name in ("mild", "severe", "not yet")
    )
    expect(mild).to_be_disabled()
    press("PageUp", "n")
    expect(none).to_be_checked()
    press("2")
    expect(severe).to_be_checked()
    assert labels()[0].grade == "severe"
    mild.check()
    assert labels()[0].grade == "mild"
    press("0")
    assert labels()[0].grade == ""
    press("2", "PageUp", "1")  # no key clip there
    assert [made.grade for made in labels()] == ["severe"]


def test_other_grades_have_their_buttons_and_colours(mount, frames, page):
    four = ("mild", "moderate", "severe", "occlusion")
    given = [label(grade=grade, first_frame=15 * at, frames=8) for at, grade in enumerate(four)]
    shown = mount(ClipPicker(Clip(frames=frames, patient="p1"), NAME, given, four))
    names = page.get_by_role("group", name="Grade").locator("label").all_inner_texts()
    assert [re.match("[a-z ]+", name)[0] for name in names] == [*four, "not yet"]
    looks = page.locator(".csg-span").evaluate_all(
        "(all) => all.map((span) => getComputedStyle(span).backgroundColor)"
    )
    light = [np.dot([0.2, 0.7, 0.1], [int(n) for n in look[4:-1].split(",")]) for look in looks]
    assert light == sorted(light)  # read without colours too
    assert min(after - before for before, after in pairwise(light)) > 25
    page.get_by_role("slider", name="Frame of the video").focus()
    page.keyboard.press("4")
    assert shown.trait("rows")[0]["grade"] == "occlusion"


def test_a_box_is_drawn_moved_and_stretched(line, press, drag, labels, page):
    press("PageUp", "n")
    drag((150, 120), (40, 30))
    assert labels()[0].box == Region(40, 30, 150, 120)
    assert edges(page) == (40, 30, 150, 120)
    np.testing.assert_allclose(drawn_at(page), [40, 30, 150, 120], atol=0.5)
    drag((90, 80), (100, 70))
    assert labels()[0].box == Region(50, 20, 160, 110)
    drag((90, 80), (500, 500))  # as far as it goes
    assert labels()[0].box == Region(90, 70, 200, 160)
    for start, end, box in (
        ((90, 115), (60, 10), Region(60, 70, 200, 160)),
        ((130, 70), (10, 50), Region(60, 50, 200, 160)),
        ((198, 158), (180, 140), Region(60, 50, 180, 140)),
        ((60, 50), (179, 139), Region(172, 132, 180, 140)),  # eight pixels stay
    ):
        drag(start, end)
        assert labels()[0].box == box


@pytest.mark.parametrize("width", [1000, 720, 480])
def test_grips_are_large_enough_and_sit_on_the_box(mount, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    wide = np.zeros((8, 60, 120), np.uint8)
    given = [label(box=Region(30, 10, 90, 50), frames=8)]
    mount(ClipPicker(Clip(frames=wide, patient="p1"), NAME, given))
    centres = page.evaluate(
        """() => {
          const frame = document.querySelector(".csg-frame").getBoundingClientRect();
          return [...document.querySelectorAll(".csg-grip")].map((grip) => {
            const { left, right, top, bottom } = grip.getBoundingClientRect();
            const [x, y] = [(left + right) / 2 - frame.left, (top + bottom) / 2 - frame.top];
            return [(120 * x) / frame.width, (60 * y) / frame.height, right - left, bottom - top];
          });
        }"""
    )
    places = [(x, y) for y in (10, 30, 50) for x in (30, 60, 90) if (x, y) != (60, 30)]
    np.testing.assert_allclose([centre[:2] for centre in centres], places, atol=0.7)
    assert {tuple(centre[2:]) for centre in centres} == {(28, 28)}


def test_a_click_on_the_frame_is_no_box(shown, drag, labels, line, press):
    press("n")
    drag((50, 50), (53, 120))
    drag((50, 50), (50, 50))
    assert labels()[0].box is None
    drag((-5, -5), (500, 500))  # the whole frame is none either
    assert labels()[0].box is None
    assert shown.trait("box") in ([], ())


def test_escape_drops_a_stroke(page, shown, labels, line, press):
    press("n")
    frame = page.locator(".csg-frame").bounding_box()
    page.mouse.move(frame["x"] + 50, frame["y"] + 50)
    page.mouse.down()
    page.mouse.move(frame["x"] + 150, frame["y"] + 150, steps=2)
    expect(page.locator(".csg-box")).to_be_visible()
    press("Escape")
    expect(page.locator(".csg-box")).to_be_hidden()
    page.mouse.up()
    assert labels()[0].box is None


def test_a_finger_draws_a_box_too(shown, page, labels, line, press):
    press("n")
    layer = page.locator(".csg-layer")
    layer.evaluate(
        """(layer) => {
          const { left, top, width, height } = layer.getBoundingClientRect();
          const [x, y] = [(share) => left + share * width, (share) => top + share * height];
          layer.setPointerCapture = () => {};
          const touch = { pointerId: 7, pointerType: "touch", bubbles: true, button: 0 };
          const send = (kind, a, b) => layer.dispatchEvent(
            new PointerEvent(kind, { ...touch, clientX: x(a), clientY: y(b) }));
          send("pointerdown", 0.25, 0.25);
          send("pointermove", 0.5, 0.5);
          send("pointerup", 0.75, 0.5);
        }"""
    )
    assert labels()[0].box == Region(50, 40, 150, 80)
    assert (
        page.locator(".csg-layer").evaluate("(layer) => getComputedStyle(layer).touchAction")
        == "none"
    )


def test_fields_reach_every_box(line, press, labels, page):
    press("PageUp", "n")
    left, top, right, bottom = (
        page.get_by_role("spinbutton", name=f"{name}, pixels")
        for name in ("left", "top", "right", "bottom")
    )
    left.focus()
    press("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown")
    assert labels()[0].box == Region(2, 0, 200, 160)
    for box, typed in ((right, "150"), (top, "20"), (bottom, "90")):
        box.fill(typed)
        press("Tab")
    assert labels()[0].box == Region(2, 20, 150, 90)
    for box, typed, becomes in (
        (left, "149", "142"), (right, "999", "200"), (top, "-3", "0"), (bottom, "", "90"),
        (bottom, "1.5", "90"),
    ):  # fmt: skip
        box.fill(typed)
        press("Tab")
        expect(box).to_have_value(becomes)
    assert labels()[0].box == Region(142, 0, 200, 90)
    page.get_by_role("button", name="Whole frame").press("Enter")
    assert labels()[0].box is None
    assert edges(page) == (0, 0, WIDTH, HEIGHT)


def test_what_is_half_typed_is_not_drawn_over(shown, press, page):
    top = page.get_by_role("spinbutton", name="top, pixels")
    top.fill("3")
    shown.put(frame=5)
    shown.put(box=[10, 20, 90, 80])
    expect(top).to_have_value("3")
    top.press("End")
    press("1", "Tab")
    expect(top).to_have_value("31")
    assert shown.trait("box") == [10, 31, 90, 80]
    shown.put(box=[10, 20, 90, 80])
    expect(top).to_have_value("20")


def test_a_box_that_is_drawn_first_goes_into_the_next_key_clips(line, press, drag, labels, page):
    drag((20, 20), (120, 100))
    assert labels() == []
    press("PageUp", "n", "PageUp", "a")
    assert [made.box for made in labels()] == [Region(20, 20, 120, 100)] * 2
    page.get_by_role("button", name="Whole frame").click()
    assert [made.box for made in labels()] == [Region(20, 20, 120, 100), None]


def test_the_first_frame_is_a_number_and_the_narrowest_stays_inside(line, press, labels, page):
    press(*["PageUp"] * 2, "n")
    first = page.get_by_role("spinbutton", name="first frame")
    expect(first).to_have_value("16")
    first.focus()
    press("ArrowUp", "ArrowUp")
    assert labels() == [label(first_frame=18, frames=8, narrowest_frame=20)]
    for typed, becomes in (("40", 20), ("3", 13)):
        first.fill(typed)
        press("Tab")
        expect(first).to_have_value(str(becomes))
        assert labels() == [label(first_frame=becomes, frames=8, narrowest_frame=20)]


def test_key_clips_are_listed_in_order_visited_and_removed_by_keys(
    shown, line, press, labels, page
):
    press("End", "n", "2", "Home", "a", *["PageUp"] * 3, "n", "1")
    spans = [(made.first_frame, made.narrowest_frame) for made in labels()]
    assert spans == [(0, None), (26, 30), (52, 59)]
    entries = page.locator(".csg-list .csg-go")
    expect(entries).to_contain_text(["no grade yet", "mild", "severe"])
    expect(entries.nth(1)).to_contain_text("frames 26 to 33, narrowest 30")
    expect(page.locator("[aria-current=true]")).to_contain_text("mild")
    entries.nth(2).focus()
    press("Enter")
    assert shown.trait("frame") == 59
    expect(page.locator("[aria-current=true]")).to_contain_text("severe")
    press("Tab", "Enter")
    expect(page.get_by_role("button", name="Remove key clip 2")).to_be_focused()
    press("Enter", "Enter")
    assert labels() == []
    expect(line).to_be_focused()
    expect(page.locator(".csg-none")).to_be_visible()


def test_delete_takes_off_what_holds_the_frame(line, press, labels):
    press("n", *["PageUp"] * 2, "n", "Delete")
    assert [made.narrowest_frame for made in labels()] == [0]
    press("Delete")
    assert len(labels()) == 1


def test_of_two_that_overlap_the_one_last_dealt_with_is_meant(line, press, labels, page):
    press("PageUp", "n", *["ArrowRight"] * 3, "a", "a", "1")  # 6 to 13, and 9 to 16
    assert [made.grade for made in labels()] == ["", "mild"]
    page.locator(".csg-list .csg-go").first.press("Enter")
    press("2")
    assert [made.grade for made in labels()] == ["severe", "mild"]


def test_undo_goes_back_step_by_step(shown, line, press, drag, labels, page):
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_have_attribute("aria-disabled", "true")
    press("PageUp", "n", "n", "1")
    drag((20, 20), (120, 100))
    press("Delete", "Home")
    whole = [label(grade="mild", first_frame=6, frames=8, narrowest_frame=10)]
    assert labels() == []
    press("u")
    assert labels()[0].box == Region(20, 20, 120, 100)
    assert shown.trait("frame") == 10  # where it was done
    press("Control+z")
    assert labels() == whole
    undo.press("Enter")
    assert labels()[0].grade == ""
    press("u", "u", "u")
    assert labels() == []
    expect(undo).to_have_attribute("aria-disabled", "true")


def test_pressing_and_stroking_the_time_line_leads_to_frames(shown, page, line):
    box = line.bounding_box()

    def place(frame):
        return box["x"] + box["width"] * (frame + 0.5) / FRAMES

    page.mouse.move(place(12), box["y"] + 10)
    page.mouse.down()
    shown.becomes("frame", 12)
    page.mouse.move(place(45), box["y"] + 300, steps=4)
    shown.becomes("frame", 45)
    page.mouse.move(place(200), box["y"])
    shown.becomes("frame", FRAMES - 1)
    page.mouse.up()
    page.mouse.move(place(3), box["y"] + 10)
    assert shown.trait("frame") == FRAMES - 1


def test_key_clips_and_the_head_stand_at_their_frames(mount, frames, page):
    given = [label(first_frame=6, frames=8, narrowest_frame=9), label(first_frame=40)]
    mount(ClipPicker(Clip(frames=frames, patient="p1"), NAME, given))
    places = page.evaluate(
        """() => {
          const { left, width } = document.querySelector(".csg-spans").getBoundingClientRect();
          const share = ({ left: a, right: b }) => [(a - left) / width, (b - left) / width];
          const found = (name) => [...document.querySelectorAll(name)].map((one) =>
            share(one.getBoundingClientRect()));
          return [found(".csg-span"), found(".csg-span i"), found(".csg-head")];
        }"""
    )
    spans, diamonds, heads = (FRAMES * np.array(found) for found in places)
    np.testing.assert_allclose(spans, [[6, 14], [40, 60]], atol=0.05)
    np.testing.assert_allclose(diamonds.mean(axis=1), [9.5], atol=0.1)
    np.testing.assert_allclose(heads, [[9, 10]], atol=0.05)


def test_the_curve_is_that_of_python(shown, page, picker):
    points = page.locator(".csg-curve polygon").get_attribute("points").split()[1:-1]
    found = np.array([point.split(",") for point in points], float)
    changes = np.sqrt(np.frombuffer(picker.changes, "<f4"))[1:]
    np.testing.assert_array_equal(found[:, 0], np.arange(1, FRAMES))
    np.testing.assert_allclose(100 - found[:, 1], 96 * changes / changes.max(), atol=0.01)


def test_it_plays_to_the_end_and_round_in_a_key_clip(mount, picker, page, press):
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    shown = mount(picker)
    page.get_by_role("slider", name="Frame of the video").focus()

    def follow(ticks):
        """Frames on show, one a tick of the player."""
        found = []
        for _ in range(ticks):
            page.clock.run_for(50)
            found.append(shown.trait("frame"))
        return found

    def play():
        press(" ")
        page.clock.run_for(20)  # drawn, and the player runs

    press("End", *["ArrowLeft"] * 3)
    play()
    assert follow(5) == [57, 58, 59, 59, 59]
    assert shown.trait("playing") is False
    press("Home", *["PageUp"] * 2, "n")
    play()
    assert follow(10) == [21, 22, 23, *range(16, 23)]
    page.get_by_role("checkbox", name="loop a key clip").uncheck()
    assert follow(3) == [23, 24, 25]


def test_reduced_motion_gets_a_step_instead_of_play(picker, chromium, mount, page):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(picker)
    page.get_by_role("button", name="Next frame").press("Enter")
    assert (shown.trait("frame"), shown.trait("playing")) == (1, False)


def test_what_is_marked_is_said(shown, line, press, page, drag):
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_have_attribute("aria-live", "polite")
    expect(sentence).to_have_text(
        "No key clip holds this frame; N marks it as the narrowest of a new one."
    )
    press("PageUp", "n")
    drag((20, 20), (120, 100))
    expect(sentence).to_have_text(
        "Key clip 1, no grade yet: frames 6 to 13, narrowest 10, box 20, 20 to 120, 100. "
        "1 key clip, 1 without a grade; not saved."
    )
    expect(line).to_have_attribute("aria-valuetext", "10, narrowest in key clip 1, no grade yet")
    press("2", "ArrowRight")
    expect(line).to_have_attribute("aria-valuetext", "11, in key clip 1, severe")
    shown.put(saved="labels.csv")
    expect(sentence).to_contain_text("1 key clip, all graded; saved in labels.csv.")
    press("1")
    expect(sentence).to_contain_text("all graded; not saved.")


def test_labels_that_python_has_are_shown_and_saved_again(mount, frames, page, tmp_path):
    table = tmp_path / "labels.csv"
    given = label(grade="mild", split="test", first_frame=20, frames=12, box=Region(8, 8, 90, 80))
    picker = ClipPicker(Clip(frames=frames, patient="p1"), NAME, [given])
    shown = mount(picker)
    assert edges(page) == (8, 8, 90, 80)
    expect(page.get_by_role("group", name="Frames").locator("input:checked")).to_have_count(0)
    page.get_by_role("slider", name="Frame of the video").focus()
    for key in ("Home", "n", "2"):
        page.keyboard.press(key)
    picker.set_state({name: shown.trait(name) for name in STATE})
    picker.save(table)
    new = label(grade="severe", split="test", frames=8, narrowest_frame=0)
    assert read_labels(table) == [new, given]


def test_the_list_shows_what_is_in_the_box(mount, frames, page):
    given = [label(first_frame=20, frames=8, narrowest_frame=25, box=Region(20, 40, 132, 152))]
    shown = mount(ClipPicker(Clip(frames=frames, patient="p1"), NAME, given))
    small = page.locator(".csg-list canvas")
    page.wait_for_timeout(300)
    painted = shown.pixels(small).astype(int)
    assert np.abs(painted - frames[25, 40:152, 20:132, None]).mean() < 2


def test_it_is_named_large_enough_and_goes_as_it_came(mount, picker, press, page, clumsy):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(COUNT)
    shown = mount(picker)
    page.get_by_role("slider", name="Frame of the video").focus()
    press("PageUp", "n", "PageUp", "n")
    expect(page.locator(".csg-list li")).to_have_count(2)
    assert clumsy(page) == (0, 0)
    press(" ")
    shown.evaluate("({ close }) => close()")
    assert page.locator(".csg").count() == 0
    assert shown.evaluate("({ model }) => model.listeners()") == 0
    assert page.evaluate("window.heard") == 0
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []


def test_a_video_as_long_as_the_papers_stays_quick_to_send(frames):
    long = np.tile(np.asarray(Image.fromarray(frames[0]).resize((560, 560))), (316, 1, 1))
    sent = ClipPicker(Clip(frames=long, patient="p1"), NAME).get_state()
    assert sum(len(value) for value in sent.values() if isinstance(value, bytes)) < 8_100_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 720])
def test_it_fits_a_page(mount, frames, page, screenshots, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.add_style_tag(content=f"html {{ color-scheme: {scheme}; background: Canvas; }}")
    box = Region(40, 30, 150, 120)
    given = [
        label(grade=("", "mild", "severe")[at % 3], first_frame=13 * at, frames=8, box=box)
        for at in range(4)
    ]
    shown = mount(ClipPicker(Clip(frames=frames, patient="p1"), NAME, given))
    shown.put(frame=15)
    page.wait_for_timeout(300)
    page.screenshot(path=screenshots / f"clip_picker_{scheme}_{width}.png", full_page=True)
    inside = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(inside)
    spilled = """() => [...document.querySelectorAll(".csg button, .csg fieldset, .csg-options")]
      .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"""
    assert page.evaluate(spilled) == []
    assert page.locator(".csg-frame").bounding_box()["width"] > 0.5 * width
