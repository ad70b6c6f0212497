"""The table: what stands in it was said by somebody, and the paper's numbers are never mixed in."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from csglib.table1 import ROWS, report
from csglib.table1.pairs import over_seeds
from csglib.table1.report import COSTS, SplitSummary, lines, pairs_in, runs_in, write_table
from csglib.table1.run import RESULT
from csglib.train.experiment import TEST

PAIRED = 30


@pytest.fixture
def runs(write_runs, tmp_path):
    """Of 40 clips each; rows in another order than the paper's."""
    for name, rights in (("i3d", [30]), ("base_16", [20]), ("csg3dct", [34, 36])):
        write_runs(tmp_path, name, *(np.arange(40) < right for right in rights))
        for seed in range(len(rights)):
            peak = 7 * 2**20 if name == "i3d" else None  # on a GPU
            costs = dict.fromkeys(COSTS, 1e6 * (seed + 1)) | {"peak_bytes": peak, "macs": 5e9}
            (tmp_path / name / f"seed-{seed}" / RESULT).write_text(json.dumps(costs))
    return dict(reversed(runs_in(tmp_path).items()))


def test_rows_come_in_the_papers_order_with_their_scores_and_paired_differences(runs):
    i3d, longer, best = lines(runs)
    assert [line.name for line in (i3d, longer, best)] == ["i3d", "base_16", "csg3dct"]
    assert i3d.scores.accuracy.value == pytest.approx(30 / 40)
    assert best.seeds == 2
    assert best.scores.accuracy.value == pytest.approx(35 / 40), "the mean over seeds"
    assert (i3d.costs["seconds"], best.costs["seconds"]) == pytest.approx((1e6, 1.5e6))
    assert i3d.difference.value == pytest.approx(-4 / 40), "against the seed that both have"
    assert i3d.difference.low < i3d.difference.value < i3d.difference.high <= 0
    assert longer.difference is None, "clips of 16 frames are other clips"
    assert best.difference is None
    assert pairs_in(runs)["i3d", "csg3dct"].difference == i3d.difference
    assert set(pairs_in(runs)) == {("i3d", "csg3dct"), ("csg3dct", "i3d")}


def test_the_papers_numbers_stand_apart(runs, tmp_path):
    text = write_table(tmp_path, runs)
    assert text == (tmp_path / "table.md").read_text()
    head, _, i3d, *_ = text.splitlines()
    assert head.split(" | ")[-1] == "the paper's accuracy % |"
    assert i3d.startswith("| I3D | 1 | 75.0 [")
    assert i3d.endswith(f"| {ROWS['i3d'].printed.accuracy} |")
    assert i3d.split(" | ")[-5:-1] == ["1.0", "5.0", "1000000.00", "7"], "millions, 10^9, MiB"
    assert "Simulated clips, 80 of 40 patients" in text
    assert "one clip is 1.25 points" in text
    recall = lines(runs)[0].scores.recall
    numbers = [f"{100 * number:.1f}" for number in (recall.value, recall.low, recall.high)]
    assert i3d.split(" | ")[5] == "{} [{}, {}]".format(*numbers)


def test_the_paper_has_no_numbers_of_a_network_that_it_only_cites(write_runs, tmp_path):
    for name in ("csg3dct", "mvit"):
        write_runs(tmp_path, name, answers(1))
    _, _, cited, ours, *_ = write_table(tmp_path, runs_in(tmp_path)).splitlines()
    assert cited.startswith("| MViTv2-S | 1 |")
    assert cited.endswith(" |  |")
    assert ours.endswith("| 83.1 |")
    assert "| +0.0 [+0.0, +0.0] |" in cited


@pytest.fixture
def table(write_runs, tmp_path):
    """Writes runs of a row, and says where its table is."""

    def written(name, *rights):
        write_runs(tmp_path / "table", name, *rights)
        return tmp_path / "table"

    return written


def answers(seed, share=0.7):
    return np.random.default_rng(seed).uniform(size=PAIRED) < share


def test_runs_come_in_the_papers_order_and_seeds_by_number(table):
    table("csg3dct", *(answers(seed) for seed in range(11)))
    folder = table("i3d", answers(0))
    (folder / "tpn" / "seed-0").mkdir(parents=True)  # begun, not done
    (folder / "parent" / "seed-0").mkdir(parents=True)
    (folder / "parent" / "seed-0" / RESULT).write_text("{}")
    found = runs_in(folder)
    assert list(found) == ["i3d", "csg3dct"]
    assert [run.name for run in found["csg3dct"]] == [f"seed-{seed}" for seed in range(11)]
    assert [line.seeds for line in lines(found)] == [1, 11]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no finished run .* wanted <row>/seed-<number>"):
        runs_in(tmp_path)


def test_it_knows_what_a_row_was_tested_on(table):
    runs = runs_in(table("tpn", answers(1), answers(2)))["tpn"]
    for path in (run / TEST for run in runs):
        path.write_text(path.read_text().replace("severe", "pneumonia"))
    assert report.test_set(runs) == SplitSummary(
        clips=2 * PAIRED, patients=30, majority=20 / 30, grade="pneumonia"
    )


def test_a_pair_counts_every_clip_once_a_seed(table):
    one, other = [answers(1), answers(2)], [answers(3), answers(4)]
    table("i3d", *one)
    pair = pairs_in(runs_in(table("tpn", *other)))["i3d", "tpn"]
    first, second = np.concatenate(one), np.concatenate(other)
    alone, other_alone = (first & ~second).sum(), (second & ~first).sum()
    assert (pair.seeds, pair.first_alone, pair.second_alone) == (2, alone, other_alone)
    assert (pair.both, pair.neither) == ((first & second).sum(), (~first & ~second).sum())
    each = np.mean(one, axis=1) - np.mean(other, axis=1)
    assert pair.difference == over_seeds(each)[0], "a seed is one observation"
    assert each.mean() == pytest.approx((alone - other_alone) / (2 * PAIRED))
    expected = [
        binomtest(int((x & ~y).sum()), int((x != y).sum())).pvalue
        for x, y in zip(one, other, strict=True)
    ]
    assert pair.chances == pytest.approx(expected)


def test_only_seeds_that_both_have_are_compared(table):
    table("i3d", answers(1))
    runs = runs_in(table("tpn", answers(3), answers(4), answers(5)))
    pair = pairs_in(runs)["i3d", "tpn"]
    assert (pair.seeds, len(pair.chances)) == (1, 1)
    assert pair.difference.value == pytest.approx(answers(1).mean() - answers(3).mean())
    runs["i3d"][0].rename(other := runs["i3d"][0].with_name("seed-2"))
    pair = pairs_in(runs | {"i3d": [other]})["i3d", "tpn"]
    assert pair.difference.value == pytest.approx(answers(1).mean() - answers(5).mean())
    runs["tpn"] = runs["tpn"][:2]
    assert pairs_in(runs | {"i3d": [other]}) == {}


def test_rows_of_unlike_tests_are_refused(table):
    table("i3d", answers(1))
    with pytest.raises(ValueError, match="two rows need the same test clips in the same order"):
        pairs_in(runs_in(table("tpn", answers(1)[1:])))
