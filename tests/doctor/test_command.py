"""`csglib doctor`: what it prints and writes, its exit codes, and what it asks before it writes."""

import io
import sys

import pytest
import torch

from csglib.__main__ import main
from csglib.data.cohort import read_cohort, read_manifest
from csglib.doctor import CohortSettings, examine


@pytest.fixture
def doctor(exports, monkeypatch):
    """Runs the command on the folder; returns the exit code."""

    def run(*words, stdin=None):
        words = ("csglib", "doctor", exports.folder, *words, "--image-size", 64, "--workers", 1)
        monkeypatch.setattr(sys, "argv", [*map(str, words)])
        monkeypatch.setattr(sys, "stdin", stdin or sys.stdin)
        try:
            main()
        except SystemExit as ended:
            return ended.code
        return 0

    return run


def test_warnings_end_with_0_and_findings_that_stop_with_1(exports, doctor, capsys, tmp_path):
    assert doctor("--reviewed") == 2
    assert "add --deidentify OUT" in capsys.readouterr().err
    assert doctor("--frames", 32) == 2
    assert (
        "no network takes 32 frames of 64 pixels: wanted --frames 8 or 16"
        in capsys.readouterr().err
    )
    assert not (exports.folder / "labels.csv").exists()
    (exports.write() / "p0/notes.txt").write_text("")
    assert doctor() == 0
    said = capsys.readouterr().out
    assert "Nothing stops training. 1 warning." in said
    assert f"{exports.folder}/doctor.html has all findings" in said
    assert "<h1>Data report: exports</h1>" in (exports.folder / "doctor.html").read_text("utf-8")
    exports.label("p0/lost.npz")
    exports.write()
    assert doctor() == 1
    report, out = tmp_path / "there.html", tmp_path / "out"
    words = ("--report", report, "--grades", "open, mild,severe", "--deidentify", out, "--reviewed")
    assert doctor(*words) == 1
    said, error = capsys.readouterr()
    assert "STOPS: no such clip\n  p0/lost.npz: in labels.csv" in said
    assert "clips of each grade: open 0, mild 6, severe 6" in said
    assert report.is_file()
    assert "no cohort was written: see to the findings" in error
    assert not out.exists()


class Terminal:
    """A user who answers each question with the next word."""

    def __init__(self, *words):
        self.words = [*words]

    def isatty(self):
        return True

    def readline(self):
        return f"{self.words.pop(0)}\n" if self.words else ""


def test_a_reviewed_folder_is_deidentified(exports, doctor, capsys, tmp_path):
    exports.write()
    for _ in range(2):  # report and key are not exports
        assert doctor("--deidentify", tmp_path / "out", "--reviewed") == 0
        said = capsys.readouterr().out
        assert "Nothing stops training.\n" in said
        fit = "" if torch.cuda.is_available() else " --network tiny --preset laptop"
        hint = f"csglib train {tmp_path / 'out'} runs/mine{fit} --image-size 64"
        assert f"{tmp_path / 'out'} is ready, de-identified. To train: {hint}\n" in said
    assert len({row["video"] for row in read_manifest(tmp_path / "out")}) == 12
    splits = read_cohort(tmp_path / "out")
    assert [len(clips) for clips in splits.values()] == [4, 4, 4]
    assert splits["train"].frames.shape == (4, 8, 64, 64)


def test_only_no_is_an_answer_that_writes_the_cohort(
    exports, doctor, capsys, tmp_path, monkeypatch
):
    report, out = examine(exports.write(), CohortSettings(size=64), workers=1), tmp_path / "out"
    monkeypatch.setattr("csglib.doctor.examine", lambda *what: report)
    for stdin, code, words in (
        (Terminal("y"), 1, "no cohort was written: give these clips a box in labels.csv"),
        (Terminal("perhaps"), 1, "no cohort was written"),
        (Terminal(), 2, "no answer, no cohort was written"),
        (io.StringIO("n\n"), 2, "doctor.html shows a person's data: check it"),
    ):
        assert doctor("--deidentify", out, stdin=stdin) == code
        assert words in capsys.readouterr().err
        assert (exports.folder / "doctor.html").is_file()
        assert not out.exists()
    for number, word in enumerate(("", "No")):
        assert doctor("--deidentify", tmp_path / str(number), stdin=Terminal(word)) == 0
        assert (tmp_path / str(number) / "manifest.csv").is_file()
