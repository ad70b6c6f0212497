"""What a table's folder holds, and every two rows of it, clip by clip."""

import numpy as np
import pytest
from scipy.stats import binomtest

from csglib.metrics import Score
from csglib.table1 import results
from csglib.table1.report import lines
from csglib.table1.results import Pair, SplitSummary, pairs_in, runs_in
from csglib.table1.running import RESULT

CLIPS = 30


@pytest.fixture
def table(write_runs, tmp_path):
    """Writes runs of a row, and says where its table is."""

    def written(name, *rights):
        write_runs(tmp_path / "table", name, *rights)
        return tmp_path / "table"

    return written


def answers(seed, share=0.7):
    return np.random.default_rng(seed).uniform(size=CLIPS) < share


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
    assert results.test_set(runs) == SplitSummary(clips=CLIPS, patients=15, majority=20 / 30)


def test_a_pair_counts_every_clip_once_a_seed(table):
    one, other = [answers(1), answers(2)], [answers(3), answers(4)]
    table("i3d", *one)
    pair = pairs_in(runs_in(table("tpn", *other)))["i3d", "tpn"]
    alone, other_alone = (
        sum(int((x & ~y).sum()) for x, y in zip(*splits, strict=True))
        for splits in ((one, other), (other, one))
    )
    assert (pair.seeds, pair.first_alone, pair.second_alone) == (2, alone, other_alone)
    assert pair.both == sum(int((x & y).sum()) for x, y in zip(one, other, strict=True))
    assert pair.both + alone + other_alone + pair.neither == 2 * CLIPS
    assert pair.difference.value == pytest.approx((alone - other_alone) / (2 * CLIPS))
    expected = [
        binomtest(int((x & ~y).sum()), int((x != y).sum())).pvalue
        for x, y in zip(one, other, strict=True)
    ]
    assert pair.chances == pytest.approx(expected)


def test_the_other_way_round_everything_is_turned(table):
    table("i3d", answers(1))
    pairs = pairs_in(runs_in(table("tpn", answers(3))))
    here, there = pairs["i3d", "tpn"], pairs["tpn", "i3d"]
    turned = there.difference
    ends = [-turned.value, -turned.high, -turned.low]
    assert list(vars(here.difference).values()) == pytest.approx(ends)
    assert (here.first_alone, here.second_alone) == (there.second_alone, there.first_alone)
    assert here.clips_wanted(CLIPS) == there.clips_wanted(CLIPS)


def test_differences_are_those_of_the_table(table):
    for place, name in enumerate(("i3d", "base", "csg3dct")):
        folder = table(name, answers(place), answers(place + 9))
    runs = runs_in(folder)
    pairs = pairs_in(runs)
    for line in lines(runs)[:2]:
        assert pairs[line.name, "csg3dct"].difference == line.less


def test_only_seeds_that_both_have_are_compared(table):
    table("i3d", answers(1))
    pair = pairs_in(runs_in(table("tpn", answers(3), answers(4))))["i3d", "tpn"]
    assert (pair.seeds, len(pair.chances)) == (1, 1)
    assert pair.difference.value == pytest.approx(answers(1).mean() - answers(3).mean())


def test_clips_of_another_length_are_no_pair(table):
    for place, name in enumerate(("i3d", "base_16", "csg3dct")):
        folder = table(name, answers(place))
    assert set(pairs_in(runs_in(folder))) == {("i3d", "csg3dct"), ("csg3dct", "i3d")}


def test_rows_of_unlike_tests_are_refused(table):
    table("i3d", answers(1))
    with pytest.raises(ValueError, match="two runs need the same clips: got 30 and 29"):
        pairs_in(runs_in(table("tpn", answers(1)[1:])))


def test_so_many_clips_would_make_the_interval_as_narrow_as_the_difference():
    def wanted(value, low, high):
        return Pair(1, Score(value, low, high), (1.0,), 1, 1, 1, 1).clips_wanted(100)

    assert wanted(0.05, -0.05, 0.15) == 400, "half as wide"
    assert wanted(-0.05, -0.15, 0.05) == 400
    assert wanted(0.1, 0.0, 0.2) == 100
    assert wanted(0.0, -0.1, 0.1) is None
