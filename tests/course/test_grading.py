"""Reports hold what learners wrote; a class is graded, and a hostile answer harms nothing."""

import csv
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from csgcourse import check, hint
from csgcourse.__main__ import app
from csgcourse.exercise import chapters, exercises_of
from csgcourse.report import report

NUMBERS = [exercise.number for chapter in chapters() for exercise in exercises_of(chapter)]
SHARE = "def share(numbers):\n    return numbers / numbers.sum()"
CELLS = (
    "import torch\nfrom math import pi, tau as turn\nwide = torch.ones(3)",
    "%matplotlib inline",
    "HALF = 0.5\n\n\ndef double(x):  # a comment stays\n    return x / HALF",
    "def share(numbers):\n    return double(numbers) / double(torch.sum(numbers))\n\n\n"
    'check("0.1", share)',
    'def inflate_mean(kernel, frames):\n    # yours\n    ...\n\n\ncheck("1.1", inflate_mean)',
    'def inflate_center(kernel, frames)\n    return 3\n\n\ncheck("1.2", inflate_center)',
)
HOSTILE = {  # what an answer does, and what is said of it
    "while True: pass": "did not finish within",
    "import os; os._exit(0)": "its process ended before the check did",
    "import os; os.kill(os.getppid(), 9)": "may not use os.kill",
    "import shutil; shutil.rmtree({here!r})": "may not use shutil.rmtree",
    "import os; os.remove({here!r} + '/solved.json')": "may not use os.remove",
    "open({here!r} + '/solved.json', 'w')": "may not open",
    "print(open({here!r} + '/solved.json').read())": "may not open",
    "import os; os.system('touch ' + {here!r} + '/escaped')": "may not use os.system",
    "import os; os.fork()": "may not use os.fork",
    "import urllib.request as u; u.urlopen('http://127.0.0.1:9')": "may not use socket",
    "x = bytearray(20 << 30)": "MemoryError",
    "raise SystemExit": "SystemExit",
    "def (": "SyntaxError",
    "share = 3\ndef other(): pass\n#": "passed",  # redefined below
}


def test_a_report_holds_answers_with_what_they_need_and_nothing_else(tmp_path, capsys):
    cells = [new_markdown_cell("# Why?"), *map(new_code_cell, CELLS)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "00_start_here.ipynb")
    check("0.1", lambda numbers: numbers / len(numbers))
    written = json.loads(report("ada", tmp_path).read_bytes())
    assert "ada.json: 2 answers. Nothing was sent" in capsys.readouterr().out
    assert written["learner"] == "ada"
    answer, broken = written["exercises"]["0.1"], written["exercises"]["1.2"]
    assert answer["code"] == "\n\n\n".join(
        [
            "import torch",
            "HALF = 0.5",
            CELLS[2][len("HALF = 0.5\n\n\n") :],
            CELLS[3].split("\n\n\n")[0],
        ]
    )
    assert answer["checked"] == 1
    assert "how many numbers" in answer["mistakes"][0]
    assert broken == {"code": CELLS[-1]}  # no valid Python: the check says so
    assert [*written["exercises"]] == ["0.1", "1.2"]
    with pytest.raises(ValueError, match="a name of letters, digits"):
        report("../ada", tmp_path)
    with pytest.raises(ValueError, match="no answers in the 0 notebooks of"):
        report("ada", tmp_path / "nowhere")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class, its rows by learner and exercise, and the folder."""
    folder = tmp_path_factory.mktemp("class")
    solved = {number: {"code": hint(number, 3).text} for number in NUMBERS}
    wrong = {"code": SHARE.replace("numbers.sum()", "len(numbers)"), "mistakes": ["=1+1"]}
    learners = {"solved": solved, "half": {"0.1": solved["0.1"], "1.1": wrong, "99.9": {}}}
    learners |= {"wrong": {"0.1": wrong}}
    for place, line in enumerate(HOSTILE):
        code = f"{line.format(here=str(folder))}\n{SHARE}"
        learners[f"hostile{place}"] = {"0.1": {"code": code}}
    for name, exercises in learners.items():
        (folder / f"{name}.json").write_text(json.dumps({"exercises": exercises}))
    (folder / "broken.json").write_text("{")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = CliRunner().invoke(app, ["grade", str(folder), "--seconds", "20"])
    assert done.exit_code == 0, done.output
    assert {path: path.read_bytes() for path in before} == before
    made = {"grades.csv", "answers.csv", "mistakes.md"}
    assert {path.name for path in folder.iterdir()} == {path.name for path in before} | made
    with (folder / "answers.csv").open() as file:
        return {(row["learner"], row["exercise"]): row for row in csv.DictReader(file)}, folder


def test_solutions_get_all_points_and_mistakes_none(graded):
    rows, folder = graded
    with (folder / "grades.csv").open() as file:
        points = {row["learner"]: row for row in csv.DictReader(file)}
    missing = [n for n in NUMBERS if points["solved"][n] == "0"]
    assert not missing, [rows["solved", n]["message"] for n in missing]
    assert int(points["solved"]["points"]) == len(NUMBERS)
    assert [points[name]["points"] for name in ("half", "wrong", "broken")] == ["1", "0", "0"]
    assert "divided by how many numbers" in rows["wrong", "0.1"]["message"]
    assert (
        "| 0.1 | you divided by how many numbers there are; divide by their sum | 1 |"
        in (folder / "mistakes.md").read_text()
    )


@pytest.mark.parametrize(("place", "said"), [*enumerate(HOSTILE.values())])
def test_a_hostile_answer_gets_a_line_and_harms_nothing(graded, place, said):
    row = graded[0][f"hostile{place}", "0.1"]
    assert said in row["message"]
    assert row["passed"] == str(said == "passed")


def test_a_folder_without_reports_says_so(tmp_path):
    done = CliRunner().invoke(app, ["grade", str(tmp_path)])
    assert "no reports (NAME.json" in str(done.exception)
