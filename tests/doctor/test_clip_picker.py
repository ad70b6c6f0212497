"""The clip picker without a page: what it sends, keeps, refuses, and writes into labels.csv."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import traitlets
from PIL import Image

from csglib.data.clips import Clip, Region
from csglib.doctor.labels import Label, read_labels, write_labels
from csglib.doctor.picker.clip_picker import MAX_PREVIEW, PREVIEW_SIDES, ClipPicker, make_preview

NAME = "doe_jane/sweep.mp4"
HEIGHT, WIDTH, FRAMES = 60, 90, 40
GREY = np.random.default_rng(3).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
BOX = Region(10, 5, 70, 55)
ROW = {
    "grade": "severe",
    "split": "",
    "first_frame": 8,
    "frames": 8,
    "narrowest_frame": 12,
    "box": [10, 5, 70, 55],
}


def label(**said):
    return Label(**{"clip": NAME, "grade": "severe", **said})


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
def sent(picker, monkeypatch):
    """What the picker has answered, in the order of the questions."""
    answers = []
    monkeypatch.setattr(picker, "send", lambda *answer: answers.append(answer))
    return answers


@pytest.fixture
def table(tmp_path):
    return tmp_path / "labels.csv"


def pictures(picker):
    ends = [0, *picker.facts["ends"]]
    parts = [picker.preview[ends[at] : ends[at + 1]] for at in range(len(ends) - 1)]
    return np.stack([np.asarray(Image.open(io.BytesIO(part))) for part in parts])


def test_the_preview_is_every_frame_and_small_ones_keep_their_size():
    still = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    frames = np.stack([still, still[::-1], still[:, ::-1], *[still] * 5]).astype(np.uint8)
    shown = pictures(ClipPicker(Clip(frames=frames, patient="x"), NAME))
    assert shown.shape == frames.shape
    assert np.abs(shown.astype(int) - frames).mean() < 1


def test_large_frames_are_sent_as_means_of_their_pixels():
    frames = np.zeros((8, 4 * PREVIEW_SIDES[0], 2 * PREVIEW_SIDES[0]), np.uint8)
    frames[:, ::4] = 240  # a line in four: 60 on average
    shown = pictures(ClipPicker(Clip(frames=frames, patient="x"), NAME))
    assert shown.shape == (8, PREVIEW_SIDES[0], PREVIEW_SIDES[0] // 2)
    assert np.abs(shown.astype(int) - 60).max() <= 1


def test_a_preview_keeps_to_its_bytes_even_of_noise():
    noise = np.random.default_rng(0).integers(0, 256, (8, 256, 256), dtype=np.uint8)
    video = noise[np.arange(240) % 8]
    parts, _ = make_preview(video)
    total = sum(map(len, parts))
    assert MAX_PREVIEW / 3 < total <= 1.05 * MAX_PREVIEW
    first = Image.open(io.BytesIO(parts[0])).size
    assert first[0] in PREVIEW_SIDES[1:]  # the largest did not fit
    assert len(make_preview(video[:16])[0][0]) > len(parts[0])  # few frames are sent larger


def test_changes_are_large_at_a_cut_and_none_where_nothing_moves():
    frames = np.repeat(np.array([20, 20, 80, 80, 80, 81, 81, 81], np.uint8), 64 * 64)
    made = ClipPicker(Clip(frames=frames.reshape(8, 64, 64), patient="x"), NAME)
    changes = np.frombuffer(made.changes, "<f4")
    np.testing.assert_allclose(changes, [0, 0, 60, 0, 0, 1, 0, 0])


def test_a_frame_is_answered_with_the_pixels_of_the_file(picker, sent):
    for frame in (0, 7, FRAMES - 1):
        picker._handle_custom_msg(frame, [])
    assert [asked for asked, _ in sent] == [0, 7, FRAMES - 1]
    for asked, (buffer,) in sent:
        assert buffer == GREY[asked].tobytes()
    for frame in (-1, FRAMES):
        with pytest.raises(ValueError, match=f"frame must be 0 to 39: got {frame}"):
            picker.pixels(frame)


def test_labels_come_from_what_the_page_says(picker):
    picker.set_state({"rows": [ROW], "frame": 12, "box": [10, 5, 70, 55]})
    assert picker.labels == [SEVERE]
    assert (picker.frame, picker.box) == (12, (10, 5, 70, 55))
    picker.set_state({"rows": [ROW | {"box": [], "narrowest_frame": None, "grade": ""}]})
    assert picker.labels == [label(grade="", first_frame=8, frames=8)]


def test_labels_go_in_and_come_out_again(clip):
    given = [SEVERE, label(grade="", first_frame=30), label(grade="mild", split="test")]
    made = ClipPicker(clip, NAME, [OTHERS[0], *given, OTHERS[1]])
    assert made.labels == given
    assert made.frame == 12


def test_a_row_of_the_template_is_no_key_clip_but_says_the_split(clip, table):
    blank = label(grade="", split="validation")
    made = ClipPicker(clip, NAME, [blank])
    assert made.labels == []
    assert made.facts["split"] == "validation"
    made.save(table)
    assert read_labels(table) == [blank]  # as it was, as nobody has said more
    made.rows = [ROW | {"split": made.facts["split"]}]
    made.save(table)
    assert read_labels(table) == [replace(SEVERE, split="validation")]


def test_a_patient_stays_on_one_side_of_the_split(clip):
    kin = Label(clip="doe_jane/other.mp4", grade="mild", split="test")
    assert ClipPicker(clip, NAME, [*OTHERS, kin]).facts["split"] == "test"
    assert ClipPicker(clip, NAME, OTHERS).facts["split"] == ""


def test_saving_replaces_the_rows_of_this_clip_alone_and_where_they_were(clip, table):
    old = label(grade="mild", first_frame=20, frames=8)
    write_labels(table, [OTHERS[0], old, OTHERS[1]])
    made = ClipPicker(clip, NAME, read_labels(table))
    later = ROW | {"first_frame": 24, "narrowest_frame": None, "box": []}
    made.rows = [ROW, later]
    made.save(str(table))
    second = label(first_frame=24, frames=8)
    assert read_labels(table) == [OTHERS[0], SEVERE, second, OTHERS[1]]
    made.rows = [later]
    made.save(table)
    assert read_labels(table) == [OTHERS[0], second, OTHERS[1]]
    made.rows = []
    made.save(table)
    assert read_labels(table) == [OTHERS[0], label(grade=""), OTHERS[1]]


def test_saving_makes_a_table_where_there_is_none_and_says_so_until_something_changes(
    picker, table
):
    picker.rows = [ROW]
    assert picker.saved == ""
    picker.save(table)
    assert read_labels(table) == [SEVERE]
    assert picker.saved == "labels.csv"
    picker.rows = [ROW | {"grade": "mild"}]
    assert picker.saved == ""


def test_the_split_of_the_table_is_kept_where_the_picker_was_not_told(picker, table):
    write_labels(table, [label(grade="", split="train"), OTHERS[0]])
    picker.rows = [ROW]
    picker.save(table)
    assert read_labels(table) == [replace(SEVERE, split="train"), OTHERS[0]]
    picker.save(table)  # and it knows its own rows again


def test_what_others_have_said_of_this_clip_is_never_lost(picker, table):
    theirs = [label(grade="mild", first_frame=2, frames=8), OTHERS[0]]
    write_labels(table, theirs)
    before = table.read_bytes()
    picker.rows = [ROW]
    said = r"labels\.csv has key clips .* has not seen, from frame 2 \(mild\).*labels=read_labels"
    with pytest.raises(ValueError, match=said):
        picker.save(table)
    assert table.read_bytes() == before
    assert picker.saved == ""
    again = ClipPicker(picker._clip, NAME, [*read_labels(table), *picker.labels])
    again.save(table)
    assert read_labels(table) == [theirs[0], SEVERE, OTHERS[0]]


def test_a_table_that_is_none_is_left_alone(picker, table):
    table.write_text("name,verdict\nx,y\n")
    picker.rows = [ROW]
    with pytest.raises(ValueError, match=r"labels\.csv: line 1 lacks the column clip"):
        picker.save(table)
    assert table.read_text() == "name,verdict\nx,y\n"


def test_a_write_that_fails_leaves_the_old_table(picker, table, monkeypatch):
    write_labels(table, OTHERS)
    before = table.read_bytes()
    picker.rows = [ROW]
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        picker.save(table)
    assert table.read_bytes() == before
    assert list(table.parent.iterdir()) == [table]
    assert picker.saved == ""


def test_the_tissue_region_of_the_file_is_the_first_box(clip):
    made = ClipPicker(replace(clip, region=BOX), NAME)
    assert made.box == (10, 5, 70, 55)
    assert ClipPicker(clip, NAME).box == ()


@pytest.mark.parametrize("frames", [1, 7])
def test_a_clip_that_is_too_short_is_refused(frames):
    said = f"a key clip has 8 or 16 frames: got a clip of {frames}"
    with pytest.raises(ValueError, match=said):
        ClipPicker(Clip(frames=GREY[:frames], patient="x"), NAME)


@pytest.mark.parametrize(("frames", "lengths"), [(8, [8]), (15, [8]), (16, [8, 16])])
def test_only_lengths_that_fit_are_offered(frames, lengths):
    made = ClipPicker(Clip(frames=GREY[:frames], patient="x"), NAME)
    assert made.facts["lengths"] == lengths
    if 16 not in lengths:
        with pytest.raises(traitlets.TraitError, match="the video has frames 0 to"):
            made.length = 16


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"first_frame": 33, "frames": 8}, "the video has frames 0 to 39: got a key clip"),
        ({"first_frame": 40}, "the video has frames 0 to 39"),
        ({"narrowest_frame": 40}, "the video has frames 0 to 39"),
        ({"grade": "awful"}, "grades are mild, severe: got 'awful'; name all in grades="),
        (
            {"box": Region(0, 0, 91, 10)},
            "rows 0 to .* does not lie within frames of 90 x 60 pixels",
        ),
        (
            {"box": Region(0, 0, 10, 61)},
            "rows 0 to .* does not lie within frames of 90 x 60 pixels",
        ),
    ],
)
def test_labels_that_do_not_fit_the_file_are_refused(clip, wrong, said):
    with pytest.raises(ValueError, match=said):
        ClipPicker(clip, NAME, [label(**wrong)])
    assert ClipPicker(clip, NAME, [replace(label(**wrong), clip="a/b.mp4")]).labels == []


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("frame", 40, "frame must be 0 to 39: got 40"),
        ("frame", -1, "frame must be 0 to 39: got -1"),
        ("box", (0, 0, 90, 61), "box: columns .* within frames of 90 x 60 pixels"),
        ("box", (1, 2, 3), "box: "),
        ("rows", [ROW | {"grade": "awful"}], "grades are mild, severe"),
        ("rows", [ROW | {"narrowest_frame": 20}], "narrowest_frame"),
        ("rows", [ROW | {"colour": 1}], "rows: "),
        ("rows", [{"grade": "mild"}], "rows: 'box'"),
        ("rows", [ROW | {"box": [5, 5, 5, 9]}], "rows: a region needs"),
        ("length", 12, "12"),
    ],
)
def test_traits_refuse_what_the_file_does_not_have(picker, trait, value, said):
    before = getattr(picker, trait)
    with pytest.raises(traitlets.TraitError, match=said):
        setattr(picker, trait, value)
    assert getattr(picker, trait) == before


def test_names_are_checked(clip):
    with pytest.raises(ValueError, match=r"column clip: got 'sweep\.mp4', wanted a path"):
        ClipPicker(clip, "sweep.mp4")
    for grades in (["mild"], ["mild", "mild"], ["mild", ""], []):
        said = f"wanted the names of two grades or more: got {re.escape(str(grades))}"
        with pytest.raises(ValueError, match=said):
            ClipPicker(clip, NAME, grades=grades)


def test_other_grades_can_be_named(clip):
    four = ("mild", "moderate", "severe", "occlusion")
    made = ClipPicker(clip, NAME, [label(grade="occlusion")], four)
    assert made.facts["grades"] == list(four)
    assert made.labels[0].grade == "occlusion"
    made.still()


def test_it_counts_and_tells_no_name(clip):
    made = ClipPicker(clip, NAME, [SEVERE, label(grade="", first_frame=20, frames=8)])
    assert repr(made) == (
        "ClipPicker(40 frames of 90 x 60 pixels; 2 key clips, 1 no grade yet, 1 severe)"
    )
    state = str({name: value for name, value in made.get_state().items() if name[0] != "_"})
    assert "doe" not in state
    assert "sweep" not in state


def shown(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_the_still_shows_narrowest_frames_inside_their_box_and_nothing_else(clip):
    whole = label(grade="mild", first_frame=20, frames=8)
    made = ClipPicker(clip, NAME, [SEVERE, whole])
    (picture,) = shown(made.still())
    np.testing.assert_array_equal(picture, GREY[12, 5:55, 10:70])
    assert "no box" in made.still().axes[1].texts[0].get_text()
    known = ClipPicker(replace(clip, region=Region(1, 2, 30, 40)), NAME, [whole])
    np.testing.assert_array_equal(shown(known.still())[0], GREY[20, 2:40, 1:30])


def test_a_simulated_clip_is_nobodys_and_shown_whole(simulated_clip):
    long = replace(simulated_clip, frames=np.repeat(simulated_clip.frames, 4, axis=0))
    made = ClipPicker(long, NAME, [label(first_frame=1, frames=8)])
    np.testing.assert_array_equal(shown(made.still())[0], long.frames[1])


def test_the_still_has_every_key_clip_on_the_line(clip):
    many = [label(first_frame=4 * at, frames=8, narrowest_frame=4 * at + 1) for at in range(8)]
    drawn = ClipPicker(clip, NAME, many).still()
    line = drawn.axes[-1]
    assert [text.get_text() for text in line.texts] == list("12345678")
    assert [mark.get_xdata()[0] for mark in line.lines] == [4 * at + 1 for at in range(8)]
    assert line.get_title() == "8 key clips; 3 more are on the line alone"
    assert len(drawn.axes) == 6


def test_the_still_of_nothing_yet_is_the_line_alone(picker):
    drawn = picker.still()
    assert [axes.get_title() for axes in drawn.axes] == ["0 key clips"]
