"""labels.csv as spreadsheets write it, and what in a folder is a clip."""

import os
import re

import pytest

from csglib.data.clips import Region
from csglib.doctor.labels import COLUMNS, Exports, Label, list_exports, read_labels

from csglib.doctor.labels import named_like, template, write_labels  # isort: skip

ROWS = [
    Label(clip="p1/a.mp4", grade="mild"),
    Label(clip="p1/a.mp4", grade="severe", first_frame=40, frames=8, narrowest_frame=43),
    Label(clip="Müller, Jörg/b c/a;b.dcm", grade="severe", split="test", box=Region(1, 2, 30, 40)),
    Label(clip="=cmd/a.npz", grade=""),
    Label(clip="mild/a.mp4", grade="mild", person="Müller, Jörg"),
]
HEADER = b"clip,grade,first_frame,frames,narrowest_frame,left,top,right,bottom\n"


@pytest.fixture
def table(tmp_path):
    return tmp_path / "labels.csv"


def test_written_labels_read_back_and_hold_no_formula(table):
    write_labels(table, ROWS)
    assert read_labels(table) == ROWS
    assert table.read_bytes().startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n")
    cells = table.read_text("utf-8-sig").replace("\n", ",").split(",")
    assert not [cell for cell in cells if cell.strip('"').startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("separator", "end", "coding"),
    [(",", "\n", "utf-8"), (";", "\r\n", "utf-8-sig"), ("\t", "\r\n", "utf-8")],
)
def test_all_dialects_of_spreadsheets_give_the_same_labels(table, separator, end, coding):
    rows = [
        ["Grade", " clip ", "frames", "SPLIT", "", ""],
        ["mild", "p1/ä.mp4", "8.0", "Train", "", ""],
        [""] * 6,
        [" severe", "./p2/b.mp4", "", "", "", ""],
        ["mild", "p3/c.mp4"],
    ]
    text = end.join(separator.join(row) for row in rows) + end
    table.write_bytes(text.encode(coding))
    assert read_labels(table) == [
        Label(clip="p1/ä.mp4", grade="mild", frames=8, split="train"),
        Label(clip="p2/b.mp4", grade="severe"),
        Label(clip="p3/c.mp4", grade="mild"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1 has nothing; wanted clip and grade, others once"),
        (b"clip;garde\np/a.mp4;mild\n", "line 1 has 'clip', 'garde'; wanted clip and grade"),
        (b"clip,grade,first frame\np/a,mild,3\n", "line 1 has 'clip', 'grade', 'first frame'"),
        (b"clip,grade,clip\np/a,mild,3\n", "others once"),
        (b"clip,grade\np/a, b.mp4,mild\n", "line 2, 3 cells under 2 columns"),
        (b'clip,grade\n"p/a.mp4,mild\n', "not a table of text"),
        (b'clip,grade\n"p/a.mp4","mild"\n\n"p/b.mp4","se\nvere"\n', "line 5, column grade: got"),
        ("clip,grade\np/\xe4.mp4,mild\n".encode("latin-1"), 'save it as "CSV UTF-8"'),
        (b"clip,grade\na.mp4,mild\n", "line 2, column clip: got 'a.mp4', wanted a path below"),
        (b"clip,grade\n/p/a.mp4,mild\n", "got '/p/a.mp4'"),
        (b"clip,grade\np/../../a.mp4,mild\n", "got 'p/../../a.mp4'"),
        (b"clip,grade\np\\a.mp4,mild\n", "got 'p\\\\a.mp4'"),
        (b"clip,grade,split\np/a.mp4,mild,training\n", "line 2, column split: got 'training'"),
        (HEADER + b"p/a.mp4,mild,-1\n", "column first_frame: got '-1', wanted a whole number"),
        (HEADER + b"p/a.mp4,mild,0.5\n", "column first_frame: got '0.5', wanted a whole number"),
        (HEADER + "p/a.mp4,mild,\u0663\n".encode(), "column first_frame: got '\u0663'"),
        (HEADER + b"p/a.mp4,mild,,0\n", "column frames: got 0, wanted 1 or more"),
        (HEADER + b"p/a.mp4,mild,8,8,16\n", "column narrowest_frame: got 16, wanted 8 to 15"),
        (HEADER + b"p/a.mp4,mild,8,,7\n", "got 7, wanted 8 to the end"),
        (HEADER + b"p/a.mp4,mild,,,,1,2,3\n", "column bottom: got '', wanted all four edges"),
        (HEADER + b"p/a.mp4,mild,,,,5,2,5,9\n", "line 2, a region needs 0 <= left < right"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_column(table, content, words):
    table.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^labels\.csv: [^\n]*{re.escape(words)}"):
        read_labels(table)


@pytest.mark.parametrize(
    ("column", "value"),
    [("clip", "p/a\nb.mp4"), ("clip", "p/a.mp4/"), ("first_frame", -1), ("split", "Train")],
)
def test_a_label_made_in_code_is_checked_too(column, value):
    with pytest.raises(ValueError, match=f"column {column}: got"):
        Label(**{"clip": "p/a.mp4", "grade": "mild"} | {column: value})


# --- the folder

DICOM = bytes(128) + b"DICM"


def make(folder, *names, content=b""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def listed(folder):
    found = {"clip": list_exports(folder).clips}
    for kind, name in list_exports(folder).left_out:
        found[kind] = (*found.get(kind, ()), name)
    return {kind: names for kind, names in found.items() if names}


def test_every_format_is_a_clip_at_any_depth(tmp_path):
    assert list_exports(tmp_path) == Exports((), ())
    names = ["a.mp4", "b.AVI", "c.mkv", "d.dcm", "e.npz", "f.nii", "g.nii.gz", "h.gif"]
    make(tmp_path, *(f"p1/{name}" for name in names), "p1/visit 2/left/a.mp4")
    make(tmp_path, "p2/IM0001", content=DICOM)
    make(tmp_path, "p2/film/1.png", "p2/film/2.png", "p2/film/.hidden", "p2/v/jpegs/1.JPG")
    clips = (*(f"p1/{name}" for name in names), "p1/visit 2/left/a.mp4")
    clips = (*clips, "p2/IM0001", "p2/film", "p2/v/jpegs")
    assert listed(tmp_path) == {"clip": clips}
    rows = template(clips, (), {})
    assert rows == [Label(clip=clip, grade="") for clip in clips]
    assert rows[8].patient == "p1"


def test_folders_named_like_grades_give_the_grade_and_are_no_patients():
    clips = ("mildred/d.mp4", "severe cases/anna/visit/b.mp4", "severe cases/c.mp4")
    clips = (*clips, "train/1_Mild/a.mp4")
    assert template(clips, ("mild", "severe"), {"severe cases/c.mp4": "id 7"}) == [
        Label(clip="mildred/d.mp4", grade=""),
        Label(clip="severe cases/anna/visit/b.mp4", grade="severe", person="anna"),
        Label(clip="severe cases/c.mp4", grade="severe", person="id 7"),
        Label(clip="train/1_Mild/a.mp4", grade="mild"),
    ]
    assert [named_like("patient_1", ["1"]), named_like("1", ["1"])] == ["", "1"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.mp4", "p1/1.png", "p1/2.png", "p2/a.mp4"],
         {"no patient folder": ("a.mp4", "p1"), "clip": ("p2/a.mp4",)}),
        (["p1/a.mp4", "p1/screen.png", "p1/notes.txt", "p1/x/a.mp4", "p1/x/1.png"],
         {"clip": ("p1/a.mp4", "p1/x/a.mp4"),
          "not a clip": ("p1/notes.txt", "p1/screen.png", "p1/x/1.png")}),
        (["p1/film/1.png", "p1/film/notes.txt"], {"clip": ("p1/film",)}),  # the reader refuses it
        (["labels.csv", "doctor.html", "csglib.key", ".DS_Store", "p1/._a.mp4"], {}),
        (["p1/Thumbs.db", "__MACOSX/p1/a.mp4"], {}),
        (["p1/labels.csv"], {"not a clip": ("p1/labels.csv",)}),
        ([os.fsdecode(b"p1/\xff.mp4")], {"invalid name": ("p1/\N{REPLACEMENT CHARACTER}.mp4",)}),
    ],
)  # fmt: skip
def test_what_is_a_clip_and_what_is_not(tmp_path, names, expected):
    make(tmp_path, *names)
    assert listed(tmp_path) == expected


def test_links_are_listed_and_not_followed_and_pipes_are_not_opened(tmp_path):
    make(tmp_path, "out/secret/a.mp4", "in/p1/a.mp4")
    (tmp_path / "in/p2").symlink_to(tmp_path / "out")
    (tmp_path / "in/p1/b.mp4").symlink_to(tmp_path / "out/secret/a.mp4")
    (tmp_path / "in/p1/c.mp4").symlink_to(tmp_path / "in/p1/a.mp4")
    (tmp_path / "in/p1/round").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in/p1/pipe")
    assert listed(tmp_path / "in") == {
        "clip": ("p1/a.mp4",),
        "link": ("p1/b.mp4", "p1/c.mp4", "p1/round", "p2"),
        "not a clip": ("p1/pipe",),
    }


@pytest.mark.parametrize("name", ["a\u202eb.mp4", "a\\b.mp4", "a.mp4 ", "\x1b[2J.mp4"])
def test_names_that_tables_cannot_hold_are_listed_apart(tmp_path, name):
    make(tmp_path, f"p1/{name}")
    ((kind, (shown,)),) = listed(tmp_path).items()
    assert (kind, shown.isprintable()) == ("invalid name", True)
