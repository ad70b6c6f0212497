"""The table: what stands in it was said by somebody, and the paper's numbers are never mixed in."""

import csv
import json

import numpy as np
import pytest

from csglib.table1.report import COSTS, lines, write_table
from csglib.table1.rows import ROWS
from csglib.table1.running import RESULT
from csglib.train.experiment import TEST
from csglib.train.predictions import Predictions

CLIPS = 40


def ran(folder, rights, seed=0, frames=8):
    """A finished run that got so many clips right."""
    folder = folder / f"seed-{seed}"
    folder.mkdir(parents=True)
    grades = np.arange(CLIPS) % 2
    sure = np.where(np.arange(CLIPS) < rights, 0.9, 0.2)
    severe = np.where(grades == 1, sure, 1 - sure)
    Predictions(
        probabilities=np.stack([1 - severe, severe], axis=1),
        grades=grades,
        patients=tuple(f"p{place // 2}" for place in range(CLIPS)),
        names=("mild", "severe"),
    ).write(folder / TEST)
    costs = dict.fromkeys(COSTS, 1e6 * (seed + 1)) | {"peak_bytes": None}
    (folder / RESULT).write_text(json.dumps(costs))
    return folder


@pytest.fixture
def runs(tmp_path):
    return {
        "csg3dct": [ran(tmp_path / "csg3dct", 34), ran(tmp_path / "csg3dct", 36, seed=1)],
        "i3d": [ran(tmp_path / "i3d", 30)],
        "base_16": [ran(tmp_path / "base_16", 20)],
    }


def test_rows_come_in_the_papers_order_with_their_scores(runs):
    first, second, third = lines(runs)
    assert [line.name for line in (first, second, third)] == ["i3d", "base_16", "csg3dct"]
    assert first.scores.accuracy.value == pytest.approx(30 / 40)
    assert third.seeds == 2
    assert third.scores.accuracy.value == pytest.approx(35 / 40), "the mean over seeds"
    assert third.costs["seconds"] == pytest.approx(1.5e6)


def test_differences_are_paired_and_of_the_same_clips(runs):
    i3d, longer, best = lines(runs)
    assert i3d.less.value == pytest.approx(-4 / 40), "against the seed that both have"
    assert i3d.less.low < i3d.less.value < i3d.less.high <= 0
    assert longer.less is None, "clips of 16 frames are other clips"
    assert best.less is None


def test_the_papers_numbers_stand_apart(runs, tmp_path):
    text = write_table(tmp_path, runs)
    assert text == (tmp_path / "table.md").read_text()
    head, _, i3d, *_ = text.splitlines()
    assert head.split(" | ")[-1] == "the paper's accuracy % |"
    assert i3d.startswith("| I3D | 1 | 75.0 [")
    assert i3d.endswith(f"| {ROWS['i3d'].printed.accuracy} |")
    assert "Simulated clips, 40 of 20 patients" in text
    assert "one clip is 2.50 points" in text
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["row"] for row in rows] == ["i3d", "base_16", "csg3dct"]
    assert float(rows[0]["accuracy"]) == pytest.approx(0.75)
    assert float(rows[0]["paper_accuracy"]) == 78.8
    ours = {name for name in rows[0] if not name.startswith("paper_")}
    assert {"f1_low", "auc_high", "less_csg3dct", "macs"} <= ours


def test_there_are_fourteen_rows_and_the_best_is_the_papers():
    assert len(ROWS) == 14
    assert max(ROWS, key=lambda name: ROWS[name].printed.accuracy) == "csg3dct"
