"""What of a folder is taken for a clip, by its name and place alone."""

import os

import pytest

from csglib.doctor.exports import Exports, list_exports, patient_of

DICOM = bytes(128) + b"DICM"


def make(folder, *names, content=b""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def listed(folder):
    return {kind: names for kind, names in list_exports(folder)._asdict().items() if names}


def test_an_empty_folder_has_nothing(tmp_path):
    assert list_exports(tmp_path) == Exports((), (), (), (), ())


def test_every_format_is_a_clip_at_any_depth(tmp_path):
    names = ["a.mp4", "b.AVI", "c.mkv", "d.dcm", "e.npz", "f.nii", "g.nii.gz", "h.gif"]
    make(tmp_path, *(f"p1/{name}" for name in names), "p1/visit 2/left/a.mp4")
    make(tmp_path, "p2/IM0001", content=DICOM)
    make(tmp_path, "p2/film/1.png", "p2/film/2.png", "p2/film/.hidden", "p2/v/jpegs/1.JPG")
    clips = (*(f"p1/{name}" for name in names), "p1/visit 2/left/a.mp4")
    assert listed(tmp_path) == {"clips": (*clips, "p2/IM0001", "p2/film", "p2/v/jpegs")}


def test_what_stands_in_no_patient_s_folder_is_astray(tmp_path):
    make(tmp_path, "a.mp4", "p1/1.png", "p1/2.png", "p2/a.mp4")
    assert listed(tmp_path) == {"astray": ("a.mp4", "p1"), "clips": ("p2/a.mp4",)}


def test_a_picture_beside_clips_is_none(tmp_path):
    make(tmp_path, "p1/a.mp4", "p1/screen.png", "p1/notes.txt", "p1/x/a.mp4", "p1/x/1.png")
    others = ("p1/notes.txt", "p1/screen.png", "p1/x/1.png")
    assert listed(tmp_path) == {"clips": ("p1/a.mp4", "p1/x/a.mp4"), "others": others}


def test_a_strange_file_among_pictures_is_for_the_reader_to_refuse(tmp_path):
    make(tmp_path, "p1/film/1.png", "p1/film/notes.txt")
    assert listed(tmp_path) == {"clips": ("p1/film",)}


def test_hidden_files_and_our_own_do_not_count(tmp_path):
    make(
        tmp_path,
        "labels.csv",
        "doctor.html",
        "csglib.key",
        ".DS_Store",
        "p1/._a.mp4",
        "p1/Thumbs.db",
    )
    make(tmp_path, "__MACOSX/p1/a.mp4")
    assert listed(tmp_path) == {}
    make(tmp_path, "p1/labels.csv")
    assert listed(tmp_path) == {"others": ("p1/labels.csv",)}


def test_links_are_listed_and_never_followed(tmp_path):
    make(tmp_path, "out/secret/a.mp4", "in/p1/a.mp4")
    (tmp_path / "in/p2").symlink_to(tmp_path / "out")
    (tmp_path / "in/p1/b.mp4").symlink_to(tmp_path / "out/secret/a.mp4")
    (tmp_path / "in/p1/c.mp4").symlink_to(tmp_path / "in/p1/a.mp4")
    (tmp_path / "in/p1/round").symlink_to(tmp_path / "in")
    links = ("p1/b.mp4", "p1/c.mp4", "p1/round", "p2")
    assert listed(tmp_path / "in") == {"clips": ("p1/a.mp4",), "links": links}


@pytest.mark.parametrize("name", ["a\nb.mp4", "a\u202eb.mp4", "a\\b.mp4", "a.mp4 ", "\x1b[2J.mp4"])
def test_a_name_that_no_table_holds_is_listed_apart(tmp_path, name):
    make(tmp_path, f"p1/{name}")
    (shown,) = listed(tmp_path)["unnamed"]
    assert shown.isprintable()
    assert [*listed(tmp_path)] == ["unnamed"]


def test_bytes_that_are_no_text_are_no_name(tmp_path):
    make(tmp_path, os.fsdecode(b"p1/\xff.mp4"))
    assert listed(tmp_path) == {"unnamed": ("p1/\N{REPLACEMENT CHARACTER}.mp4",)}


def test_pipes_are_not_opened(tmp_path):
    (tmp_path / "p1").mkdir()
    os.mkfifo(tmp_path / "p1/pipe")
    assert listed(tmp_path) == {"others": ("p1/pipe",)}


def test_a_file_is_no_folder(tmp_path):
    make(tmp_path, "a.mp4")
    with pytest.raises(ValueError, match="is no folder; wanted one with a folder for each patient"):
        list_exports(tmp_path / "a.mp4")


def test_whose_clip_it_is():
    assert patient_of("p 1/visit/a.mp4") == "p 1"
