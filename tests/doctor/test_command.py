"""`csglib doctor`: what it prints, what it writes, how it ends, whom it asks."""

import io
import re
import sys

import pytest

from csglib.__main__ import main
from csglib.data.cohort import read_cohort


def asked(monkeypatch, *words):
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["csglib", "doctor", *map(str, words)])
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return 0


@pytest.fixture
def ask(monkeypatch):
    return lambda *words: asked(monkeypatch, *words, "--image-size", 64, "--workers", 1)


def test_a_folder_in_order_ends_with_0(exports, ask, capsys):
    assert ask(exports.write()) == 0
    said = capsys.readouterr().out
    assert "read       12 clips of 6 patients\n" in said
    assert "grades     mild (6), severe (6)\n" in said
    assert "Nothing was found: training can start.\n" in said
    assert said.endswith(f"{exports.folder}/doctor.html has all findings, with pictures. It "
                         "contains file names: keep it private.\n")  # fmt: skip
    assert "<h1>The doctor on exports</h1>" in (exports.folder / "doctor.html").read_text("utf-8")


def test_the_second_time_is_as_the_first(exports, ask, capsys):
    ask(exports.write())
    first = capsys.readouterr().out
    assert ask(exports.folder) == 0
    assert capsys.readouterr().out == first


def test_what_is_worth_a_look_ends_with_0_too(exports, ask, capsys):
    (exports.write() / "p0/notes.txt").write_text("")
    assert ask(exports.folder) == 0
    said = capsys.readouterr().out
    assert "Nothing stops training. 1 finding is worth a look." in said
    row = r"^look   not a clip +p0/notes.txt  no kind of file that holds a clip\n       Why: it is"
    assert re.search(row, said, re.MULTILINE)


def test_what_stops_ends_with_1(exports, ask, capsys, tmp_path):
    exports.say("p0/lost.npz")
    exports.say("p1/lost.npz")
    assert ask(exports.write(), "--report", tmp_path / "there.html") == 1
    said = capsys.readouterr().out
    assert "STOPS  no such clip       p0/lost.npz  in labels.csv" in said
    assert "Training should not start: 2 findings stop.\n" in said
    assert (tmp_path / "there.html").is_file()
    assert not (exports.folder / "doctor.html").exists()


def test_without_labels_it_ends_with_1_and_says_what_to_fill_in(exports, ask, capsys):
    assert ask(exports.folder) == 1
    assert "now there is one, with 12" in capsys.readouterr().out
    assert (exports.folder / "labels.csv").is_file()


def test_other_grades_can_be_named(exports, ask, capsys):
    assert ask(exports.write(), "--grades", "open, mild,severe") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "clips of each grade: open 0, mild 6, severe 6" in said


def test_a_page_that_cannot_be_written_is_a_mistake_in_a_line(exports, ask, capsys, tmp_path):
    assert ask(exports.write(), "--report", tmp_path / "nowhere/page.html") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"csglib: {tmp_path}/nowhere/page.html cannot be written (")
    assert said.endswith("name another page")


def test_many_of_a_kind_are_counted_on_the_screen(exports, ask, capsys):
    for number in range(20):
        (exports.folder / f"p0/{number}.txt").write_text("")
    ask(exports.write())
    said = capsys.readouterr().out
    assert said.count(".txt") == 6
    assert "and 14 more\n" in said
    assert (exports.folder / "doctor.html").read_text("utf-8").count(".txt") == 20


def test_an_interrupt_ends_with_130(exports, ask, capsys, monkeypatch):
    def stop(*what):
        raise KeyboardInterrupt

    monkeypatch.setattr("csglib.doctor.report.look", stop)
    assert ask(exports.write()) == 130
    assert "csglib: stopped; run the same command again" in capsys.readouterr().err


class Terminal:
    """Somebody who answers each question with the next word."""

    def __init__(self, *words):
        self.words = [*words]

    def isatty(self):
        return True

    def readline(self):
        return f"{self.words.pop(0)}\n" if self.words else ""


@pytest.fixture
def clean(exports, ask, tmp_path):
    return lambda *words: ask(exports.folder, "--deidentify", tmp_path / "clean", *words)


def test_what_has_been_looked_at_is_cleaned(exports, clean, capsys, tmp_path):
    exports.write()
    assert clean("--reviewed") == 0
    said = capsys.readouterr().out
    assert f"{tmp_path / 'clean'} is ready, de-identified: csglib train" in said
    sides = read_cohort(tmp_path / "clean")
    assert [len(side) for side in sides.values()] == [4, 4, 4]
    assert sides["train"].frames.shape == (4, 8, 64, 64)
    assert "Nothing was found" in said
    assert clean("--reviewed") == 0  # the page, the sheet and the key are no exports
    assert "Nothing was found" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["", "n", "No"])
def test_who_has_seen_nobody_says_so(exports, clean, monkeypatch, tmp_path, word):
    exports.write()
    monkeypatch.setattr(sys, "stdin", Terminal(word))
    assert clean() == 0
    assert (tmp_path / "clean/manifest.csv").is_file()


@pytest.mark.parametrize("word", ["y", "YES", "perhaps"])
def test_who_has_seen_somebody_gets_nothing_written(
    exports, clean, capsys, monkeypatch, tmp_path, word
):
    exports.write()
    monkeypatch.setattr(sys, "stdin", Terminal(word))
    assert clean() == 1
    said = capsys.readouterr()
    assert "Does any frame show a name, a date or a number of a person? [y/N] " in said.out
    assert "no cohort was written: give these clips a box in labels.csv" in said.err
    assert not (tmp_path / "clean").exists()


def test_where_nobody_can_be_asked_the_page_is_named(exports, clean, capsys, monkeypatch, tmp_path):
    exports.write()
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert clean() == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"no terminal to ask whether {exports.folder}/cleaning.png shows" in said
    assert said.endswith("if it shows no person's data, add --reviewed")
    assert (exports.folder / "cleaning.png").is_file()
    assert not (tmp_path / "clean").exists()
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert clean() == 2
    assert "no answer, no cohort was written" in capsys.readouterr().err


def test_nothing_is_cleaned_while_a_finding_stops(exports, clean, capsys, tmp_path):
    exports.say("p0/lost.npz")
    exports.write()
    assert clean("--reviewed") == 1
    assert "no cohort was written: see to the findings that stop first" in capsys.readouterr().err
    assert not (tmp_path / "clean").exists()
    assert not (exports.folder / "cleaning.png").exists()


def test_looked_at_needs_something_to_clean(exports, ask, capsys):
    assert ask(exports.folder, "--reviewed") == 2
    assert "add --deidentify OUT" in capsys.readouterr().err
    assert not (exports.folder / "labels.csv").exists()
