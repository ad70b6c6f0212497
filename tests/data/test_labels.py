"""labels.csv as people and their spreadsheets write it."""

import re

import pytest

from csglib.data.clips import Region
from csglib.doctor.labels import COLUMNS, Label, read_labels, template, write_labels

ROWS = [
    Label(clip="p1/a.mp4", grade="mild"),
    Label(clip="p1/a.mp4", grade="severe", first_frame=40, frames=8, narrowest_frame=43),
    Label(clip="Müller, Jörg/b c/a;b.dcm", grade="severe", split="test", box=Region(1, 2, 30, 40)),
    Label(clip="=cmd/a.npz", grade=""),
]
HEADER = b"clip,grade,first_frame,frames,narrowest_frame,left,top,right,bottom\n"


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "labels.csv"
        path.write_bytes(content)
        return path

    return write


def refused(path):
    with pytest.raises(ValueError, match=r"^labels\.csv: ") as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_reads_back(tmp_path):
    path = tmp_path / "labels.csv"
    write_labels(path, ROWS)
    assert read_labels(path) == ROWS
    assert path.read_bytes().startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n")


def test_a_spreadsheet_finds_no_formula_in_a_file_s_name(tmp_path):
    write_labels(tmp_path / "labels.csv", ROWS)
    cells = (tmp_path / "labels.csv").read_text("utf-8-sig").replace("\n", ",").split(",")
    assert not [cell for cell in cells if cell.strip('"').startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig"])
def test_spreadsheets_differ_and_the_labels_do_not(written, separator, end, coding):
    table = [
        ["Grade", " clip ", "frames", "SPLIT", "", ""],
        ["mild", "p1/ä.mp4", "8", "Train", "", ""],
        [""] * 6,
        [" severe", "./p2/b.mp4", "", "", "", ""],
        ["mild", "p3/c.mp4"],
    ]
    text = end.join(separator.join(row) for row in table) + end
    assert read_labels(written(text.encode(coding))) == [
        Label(clip="p1/ä.mp4", grade="mild", frames=8, split="train"),
        Label(clip="p2/b.mp4", grade="severe"),
        Label(clip="p3/c.mp4", grade="mild"),
    ]


def test_a_cell_may_hold_a_line_break_and_lines_still_count(written):
    text = b'clip,grade\n"p1/a.mp4","mild"\n\n"p1/b.mp4","se\nvere"\n'
    assert "line 5, column grade: got 'se\\nvere'" in refused(written(text))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1 lacks the column clip: it has nothing"),
        (b"clip;garde\np/a.mp4;mild\n", "line 1 lacks the column grade: it has clip, garde"),
        (b"clip,grade,note\np/a.mp4,mild,x\n", "no column is called 'note'; delete it; known"),
        (b"clip,grade,first frame\np/a,mild,3\n", "no column is called 'first frame'"),
        (b"clip,grade,clip\np/a,mild,3\n", "line 1 has the column clip twice"),
        (b"clip,grade\np/a, b.mp4,mild\n", "line 2: 3 cells under 2 columns"),
        (b'clip,grade\n"p/a.mp4,mild\n', "not a table of text"),
        ("clip,grade\np/\xe4.mp4,mild\n".encode("latin-1"), 'save it as "CSV UTF-8"'),
        ("clip,grade\np/a.mp4,mild\n".encode("utf-16"), "not a table of text"),
        (b"clip,grade\na.mp4,mild\n", "line 2, column clip: got 'a.mp4', wanted a path below"),
        (b"clip,grade\n/p/a.mp4,mild\n", "got '/p/a.mp4'"),
        (b"clip,grade\np/../../a.mp4,mild\n", "got 'p/../../a.mp4'"),
        (b"clip,grade\np\\a.mp4,mild\n", "got 'p\\\\a.mp4'"),
        (b"clip,grade\np//a.mp4,mild\n", "got 'p//a.mp4'"),
        (b"clip,grade,split\np/a.mp4,mild,training\n", "line 2, column split: got 'training'"),
        (HEADER + b"p/a.mp4,mild,-1\n", "column first_frame: got '-1', wanted a whole number"),
        (HEADER + b"p/a.mp4,mild,1.5\n", "column first_frame: got '1.5'"),
        (HEADER + "p/a.mp4,mild,\u0663\n".encode(), "column first_frame: got '\u0663'"),
        (HEADER + b"p/a.mp4,mild,,0\n", "column frames: got 0, wanted 1 or more"),
        (HEADER + b"p/a.mp4,mild,,9999999999\n", "column frames: got '9999999999'"),
        (HEADER + b"p/a.mp4,mild,8,8,16\n", "column narrowest_frame: got 16, wanted 8 to 15"),
        (HEADER + b"p/a.mp4,mild,8,,7\n", "got 7, wanted 8 to the end, of the file"),
        (HEADER + b"p/a.mp4,mild,,,,1,2,3\n", "column bottom: got '', wanted all four edges"),
        (HEADER + b"p/a.mp4,mild,,,,5,2,5,9\n", "column right: got 5, wanted more than left, 5"),
        (HEADER + b"p/a.mp4,mild,,,,5,9,7,8\n", "column bottom: got 8, wanted more than top, 9"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(written, content, words):
    assert words in refused(written(content))


def test_there_must_be_a_file(tmp_path):
    with pytest.raises(ValueError, match="there is no such file; save it as"):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"clip": "p/a\nb.mp4"}, "column clip"),
        ({"clip": "p/a.mp4/"}, "column clip"),
        ({"clip": ""}, "column clip"),
        ({"first_frame": -1}, "column first_frame: got -1, wanted 0 or more"),
        ({"frames": 0}, "column frames"),
        ({"split": "Train"}, "column split"),
    ],
)
def test_a_label_is_checked_wherever_it_comes_from(what, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Label(**{"clip": "p/a.mp4", "grade": "mild"} | what)


def test_the_patient_is_the_first_folder():
    assert Label(clip="p7/visit 2/a.mp4", grade="").patient == "p7"


def test_a_failure_leaves_the_old_table(tmp_path):
    path = tmp_path / "labels.csv"
    write_labels(path, ROWS)

    def broken():
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_labels(path, broken())
    assert read_labels(path) == ROWS
    assert [*tmp_path.iterdir()] == [path]


def test_a_template_lists_every_clip_without_a_grade(tmp_path):
    for name in ("p2/b.mp4", "p1/a.dcm", "p1/film/1.png", "p1/film/2.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    rows = template(tmp_path)
    clips = ["p1/a.dcm", "p1/film", "p2/b.mp4"]
    assert rows == [Label(clip=clip, grade="") for clip in clips]
    write_labels(tmp_path / "labels.csv", rows)
    assert template(tmp_path) == read_labels(tmp_path / "labels.csv") == rows
