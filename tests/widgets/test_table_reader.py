"""The table reader without a page: it sends what the runs scored, and draws the same."""

import numpy as np
import pytest

from csgcourse.widgets.table_reader import TableReader
from csglib.table1 import ROWS, lines, pairs_in, runs_in

CLIPS = 30


def answers(seed, share=0.7):
    return np.random.default_rng(seed).uniform(size=CLIPS) < share


@pytest.fixture(scope="module")
def folder(write_runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    for place, name in enumerate(("i3d", "tpn", "base_16", "csg3dct")):
        write_runs(folder, name, answers(place), answers(place + 10))
    return folder


@pytest.fixture(scope="module")
def counted(folder):
    return TableReader(folder)


@pytest.fixture
def reader(counted):
    """As it is at first, for each test."""
    yield counted
    counted.set_state({"second": "i3d", "sort": "order", "reversed": False})


def test_rows_are_those_of_the_table_in_the_papers_order(folder, reader):
    rows = reader.facts["rows"]
    assert (
        reader.facts["grades"] == "severe"
        and "always severe" in reader.still().axes[0].get_xlabel()
    )
    assert [row["name"] for row in rows] == ["i3d", "tpn", "base_16", "csg3dct"]
    for row, line in zip(rows, lines(runs_in(folder)), strict=True):
        accuracy = line.scores.accuracy
        assert [row["accuracy"], *row["interval"]] == list(vars(accuracy).values())
        assert (row["f1"], row["seeds"]) == (line.scores.f1.value, 2)
        assert row["parameters"] == line.costs["parameters"]
        assert (row["clips"], row["patients"], row["majority"]) == (2 * CLIPS, 30, 20 / 30)
        printed = ROWS[row["name"]].printed
        assert (row["printed_accuracy"], row["printed_f1"]) == (printed.accuracy, printed.f1)


def test_every_two_rows_on_the_same_clips_are_paired_both_ways(folder, reader):
    facts, found = reader.facts, pairs_in(runs_in(folder))
    assert set(facts["pairs"]) == {f"{first}>{second}" for first, second in found}
    assert len(found) == 6, "base_16 has other clips"
    for (first, second), pair in found.items():
        assert facts["pairs"][f"{first}>{second}"] == {
            "seeds": 2,
            "difference": list(vars(pair.difference).values()),
            "pvalues": list(pair.chances),
            "answers": [pair.both, pair.first_alone, pair.second_alone, pair.neither],
            "wanted": pair.clips_wanted(2 * CLIPS),
        }
    assert facts["apart"] == sum(pair["difference"][1] > 0 for pair in facts["pairs"].values())
    points = 100 * found["csg3dct", "i3d"].difference.value
    assert repr(reader) == (
        f"TableReader(4 rows, first='csg3dct', second='i3d', {points:+.1f} points)"
    )
    reader.second = "base_16"
    assert repr(reader) == "TableReader(4 rows, first='csg3dct', second='base_16')"


def test_a_table_of_few_rows_or_none(write_runs, tmp_path):
    with pytest.raises(ValueError, match="holds no finished run"):
        TableReader(tmp_path)
    write_runs(tmp_path, "tpn", np.ones(CLIPS))
    reader = TableReader(tmp_path)
    assert (reader.first, reader.second, reader.facts["pairs"]) == ("tpn", "tpn", {})
    assert repr(reader) == "TableReader(1 rows, first='tpn', second='tpn')"
    write_runs(tmp_path, "mvit", np.ones(CLIPS))
    reader = TableReader(tmp_path)
    reader.sort = "printed_accuracy"
    labels = [text.get_text() for text in reader.still().axes[0].get_yticklabels()]
    assert labels == ["TPN", "MViTv2-S"], "the paper has no number of the latter"


@pytest.mark.parametrize(("sort", "reversed"), [("order", True), ("f1", False), ("f1", True)])
def test_the_still_has_the_present_order(reader, sort, reversed):
    reader.sort, reader.reversed = sort, reversed
    numbers = {row["title"]: row[sort] for row in reader.facts["rows"]}
    labels = [text.get_text() for text in reader.still().axes[0].get_yticklabels()]
    rising = (sort == "order") != reversed
    assert [numbers[label] for label in labels] == sorted(numbers.values(), reverse=not rising)


def test_the_still_draws_the_same_numbers_within_its_axes_and_the_papers_beside(reader):
    table, below = reader.still().axes
    facts = reader.facts
    (low, high), reach = facts["axis"], facts["reach"]
    assert table.get_xlim() == pytest.approx((100 * low, 100 * high))
    assert below.get_xlim() == pytest.approx((-100 * reach, 100 * reach))
    assert max(np.abs(pair["difference"]).max() for pair in facts["pairs"].values()) <= reach
    drawn = [line.get_xdata() for line in table.get_lines()]
    for place, row in enumerate(reader.facts["rows"]):
        whisker, dot, majority = drawn[3 * place : 3 * place + 3]
        np.testing.assert_allclose(whisker, 100 * np.array(row["interval"]))
        assert dot == pytest.approx([100 * row["accuracy"]])
        assert majority == pytest.approx([100 * row["majority"]] * 2)
        assert low <= min(row["majority"], row["interval"][0]) <= row["interval"][1] <= high
    value, *ends = reader.facts["pairs"]["csg3dct>i3d"]["difference"]
    whisker, dot, *_ = (line.get_xdata() for line in below.get_lines())
    np.testing.assert_allclose(whisker, 100 * np.array(ends))
    assert dot == pytest.approx([100 * value])
    beside = {text.get_text(): text for text in table.texts}
    assert set(beside) == {"the paper's,\nother patients", "78.8", "78.0", "79.8", "83.1"}
    ours = {line.get_color() for line in table.get_lines()}
    for text in beside.values():
        assert text.get_position()[0] > 1, "right of the frame"
        assert text.get_color() not in ours
