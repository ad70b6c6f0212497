"""The clip picker without a page: what it sends, refuses, and writes into labels.csv."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import traitlets
from PIL import Image

from csglib import Clip
from csglib.data.clips import Region
from csglib.doctor.labels import Label, read_labels, write_labels
from csglib.doctor.picker.clip_picker import MAX_PREVIEW, PREVIEW_SIDES, ClipPicker, make_preview

NAME = "doe_jane/sweep.mp4"
HEIGHT, WIDTH, FRAMES = 60, 90, 40
GREY = np.random.default_rng(3).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
BOX = Region(10, 5, 70, 55)
ROW = {
    "grade": "severe", "split": "", "first_frame": 8, "frames": 8, "narrowest_frame": 12,
    "box": [10, 5, 70, 55],
}  # fmt: skip


def label(**row):
    return Label(**{"clip": NAME, "grade": "severe", **row})


SEVERE = label(first_frame=8, frames=8, narrowest_frame=12, box=BOX)
OTHERS = [
    Label(clip="a/one.mp4", grade="mild", split="train"),
    Label(clip="b/two.dcm", grade="", first_frame=3, frames=8, box=Region(0, 0, 9, 9)),
]


@pytest.fixture
def clip():
    return Clip(frames=GREY, patient="doe_jane")


@pytest.fixture
def picker(clip):
    return ClipPicker(clip, NAME)


@pytest.fixture
def table(tmp_path):
    return tmp_path / "labels.csv"


# --- what it sends


def test_a_preview_is_averaged_keeps_to_its_bytes_and_measures_changes():
    large = np.zeros((8, 4 * PREVIEW_SIDES[0], 2 * PREVIEW_SIDES[0]), np.uint8)
    large[:, ::4] = 240  # one line in four: 60 on average
    shown = np.asarray(Image.open(io.BytesIO(make_preview(large)[0][0])))
    assert shown.shape == (PREVIEW_SIDES[0], PREVIEW_SIDES[0] // 2)
    assert np.abs(shown.astype(int) - 60).max() <= 1
    noise = np.random.default_rng(0).integers(0, 256, (8, 256, 256), dtype=np.uint8)
    video = noise[np.arange(240) % 8]
    sent, _ = make_preview(video)
    assert MAX_PREVIEW / 3 < sum(map(len, sent)) <= 1.05 * MAX_PREVIEW
    assert Image.open(io.BytesIO(sent[0])).size[0] in PREVIEW_SIDES[1:]  # the largest did not fit
    few = Image.open(io.BytesIO(make_preview(video[:16])[0][0]))
    assert few.size == (256, 256)  # never enlarged
    grey = np.array([20, 20, 80, 80, 80, 81, 81, 81], np.uint8)
    _, changes = make_preview(grey.repeat(64 * 64).reshape(8, 64, 64))
    np.testing.assert_allclose(changes, [0, 0, 60, 0, 0, 1, 0, 0])


def test_a_requested_frame_has_the_pixels_of_the_file(picker, monkeypatch):
    sent = []
    monkeypatch.setattr(picker, "send", lambda *message: sent.append(message))
    for frame in (0, FRAMES - 1):
        picker._handle_custom_msg(frame, [])
    assert sent == [(frame, [GREY[frame].tobytes()]) for frame in (0, FRAMES - 1)]
    for frame in (-1, FRAMES):
        with pytest.raises(ValueError, match=f"frame must be 0 to 39: got {frame}"):
            picker.pixels(frame)


def test_it_sends_and_prints_no_name(clip):
    made = ClipPicker(clip, NAME, [SEVERE, label(grade="", first_frame=20, frames=8)])
    said = "ClipPicker(40 frames of 90 x 60 pixels; 2 key clips, 1 no grade yet, 1 severe)"
    assert repr(made) == said
    state = str({name: value for name, value in made.get_state().items() if name[0] != "_"})
    assert not re.search("doe|sweep", state)


# --- labels in and out


def test_labels_go_in_and_come_out_again(clip):
    given = [SEVERE, label(grade="", first_frame=30), label(grade="mild", split="test")]
    made = ClipPicker(clip, NAME, [OTHERS[0], *given, OTHERS[1]])
    assert made.labels == given
    assert (made.frame, made.box) == (12, ())
    made.set_state({"rows": [ROW | {"box": [], "narrowest_frame": None, "grade": ""}]})
    made.set_state({"frame": 13, "box": [10, 5, 70, 55]})
    assert made.labels == [label(grade="", first_frame=8, frames=8)]
    assert (made.frame, made.box) == (13, (10, 5, 70, 55))
    assert ClipPicker(replace(clip, region=BOX), NAME).box == (10, 5, 70, 55)


def test_the_split_is_that_of_the_patient(clip, table):
    other = Label(clip="doe_jane/other.mp4", grade="mild", split="test")
    assert ClipPicker(clip, NAME, [*OTHERS, other]).facts["split"] == "test"
    blank = label(grade="", split="validation")  # a row of the template is no key clip
    made = ClipPicker(clip, NAME, [blank])
    assert (made.labels, made.facts["split"]) == ([], "validation")
    made.save(table)
    assert read_labels(table) == [blank]
    made.rows = [ROW]
    made.save(table)
    assert read_labels(table) == [replace(SEVERE, split="validation")]


def test_saving_replaces_the_rows_of_this_clip_in_their_place(clip, table):
    write_labels(table, [OTHERS[0], label(grade="mild", first_frame=20, frames=8), OTHERS[1]])
    made = ClipPicker(clip, NAME, read_labels(table))
    later = ROW | {"first_frame": 24, "narrowest_frame": None, "box": []}
    second = label(first_frame=24, frames=8)
    cases = (([ROW, later], [SEVERE, second]), ([later], [second]), ([], [label(grade="")]))
    for rows, written in cases:
        made.rows = rows
        assert made.saved == ""
        made.save(str(table))
        assert read_labels(table) == [OTHERS[0], *written, OTHERS[1]]
        assert made.saved == "labels.csv"


def test_rows_that_others_wrote_are_never_lost(picker, table):
    theirs = [label(grade="mild", first_frame=2, frames=8, split="train"), OTHERS[0]]
    write_labels(table, theirs)
    before = table.read_bytes()
    picker.rows = [ROW]
    said = r"labels\.csv has key clips .* from frame 2 \(mild\).*labels=read_labels"
    with pytest.raises(ValueError, match=said):
        picker.save(table)
    assert (table.read_bytes(), picker.saved) == (before, "")
    again = ClipPicker(picker._clip, NAME, [*read_labels(table), *picker.labels])
    for _ in range(2):
        again.save(table)
        assert read_labels(table) == [theirs[0], replace(SEVERE, split="train"), OTHERS[0]]


# --- refusals


def test_only_lengths_that_fit_are_offered(clip):
    assert ClipPicker(replace(clip, frames=GREY[:16]), NAME).facts["lengths"] == [8, 16]
    made = ClipPicker(replace(clip, frames=GREY[:15]), NAME)
    assert made.facts["lengths"] == [8]
    with pytest.raises(traitlets.TraitError, match="the video has frames 0 to"):
        made.length = 16
    with pytest.raises(ValueError, match="8 or 16 frames: got a clip of 7"):
        ClipPicker(replace(clip, frames=GREY[:7]), NAME)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"first_frame": 33, "frames": 8}, "the video has frames 0 to 39: got a key clip"),
        ({"first_frame": 40}, "the video has frames 0 to 39"),
        ({"narrowest_frame": 40}, "the video has frames 0 to 39"),
        ({"grade": "awful"}, "grades are mild, severe: got 'awful'; name all in grades="),
        ({"box": Region(0, 0, 91, 10)}, "does not lie within frames of 90 x 60 pixels"),
    ],
)
def test_labels_that_do_not_fit_the_file_are_refused(clip, wrong, words):
    with pytest.raises(ValueError, match=words):
        ClipPicker(clip, NAME, [label(**wrong)])
    assert ClipPicker(clip, NAME, [replace(label(**wrong), clip="a/b.mp4")]).labels == []


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("frame", 40, "frame must be 0 to 39: got 40"),
        ("box", (0, 0, 90, 61), "box: columns .* within frames of 90 x 60 pixels"),
        ("box", (1, 2, 3), "box: "),
        ("rows", [ROW | {"grade": "awful"}], "grades are mild, severe"),
        ("rows", [ROW | {"narrowest_frame": 20}], "narrowest_frame"),
        ("rows", [ROW | {"colour": 1}], "rows: "),
        ("rows", [{"grade": "mild"}], "rows: 'box'"),
    ],
)
def test_traits_are_checked(picker, trait, value, words):
    before = getattr(picker, trait)
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(picker, trait, value)
    assert getattr(picker, trait) == before


def test_names_of_the_clip_and_of_grades_are_checked(clip):
    with pytest.raises(ValueError, match=r"column clip: got 'sweep\.mp4', wanted a path"):
        ClipPicker(clip, "sweep.mp4")
    for grades in (["mild"], ["mild", "mild"], ["mild", ""], []):
        with pytest.raises(ValueError, match="grades must be two or more names: got"):
            ClipPicker(clip, NAME, grades=grades)


# --- the still


def shown(widget):
    return [axes.images[0].get_array() for axes in widget.still().axes if axes.images]


def test_the_still_shows_only_pixels_in_a_box_or_of_simulated_clips(clip, simulated_clip):
    whole = label(grade="mild", first_frame=20, frames=8)
    made = ClipPicker(clip, NAME, [SEVERE, whole])
    (image,) = shown(made)
    np.testing.assert_array_equal(image, GREY[12, 5:55, 10:70])
    assert "no box" in made.still().axes[1].texts[0].get_text()
    (image,) = shown(ClipPicker(replace(clip, region=Region(1, 2, 30, 40)), NAME, [whole]))
    np.testing.assert_array_equal(image, GREY[20, 2:40, 1:30])
    long = replace(simulated_clip, frames=np.repeat(simulated_clip.frames, 4, axis=0))
    (image,) = shown(ClipPicker(long, NAME, [label(first_frame=1, frames=8)]))
    np.testing.assert_array_equal(image, long.frames[1])


def test_the_still_has_every_key_clip_on_the_line(clip):
    many = [
        label(grade="closed", first_frame=4 * at, frames=8, narrowest_frame=4 * at + 1)
        for at in range(8)
    ]
    drawn = ClipPicker(clip, NAME, many, ("open", "narrow", "closed")).still()
    line = drawn.axes[-1]
    assert [text.get_text() for text in line.texts] == list("12345678")
    assert [mark.get_xdata()[0] for mark in line.lines] == [4 * at + 1 for at in range(8)]
    assert line.get_title() == "8 key clips; 3 more are on the line alone"
    assert len(drawn.axes) == 6
