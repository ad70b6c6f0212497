"""The table reader: it sends what the runs scored; in a page, marks, rows, conclusion."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.table_reader import TableReader
from csglib.phantom.patients import CLIPS as CLIPS_OF
from csglib.table1 import lines, pairs_in, runs_in
from csglib.table1.rows import ROWS

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


# --- in a bare page ---


WRONG = {  # clips, of 40, that single seeds get wrong; clips 2n and 2n + 1 are of one patient
    "csg3dct": (0, 1, 2),
    "i3d": (0, 1, 4, 6),
    "tpn": tuple(range(3, 40, 2)),
}
UNKNOWN = "It includes 0: on these 40 clips it is not known which is better. If"
# Dot, both ends of the whisker, and the majority class in each row, as fractions of its width.
MARKS = """
() => [...document.querySelectorAll(".csg-plot")].map((plot) => {
  const { left, width } = plot.getBoundingClientRect();
  const [dot, whisker, majority] = [".csg-dot", ".csg-whisker", ".csg-majority"].map((kind) =>
    plot.querySelector(kind).getBoundingClientRect());
  return [dot.left + dot.width / 2, whisker.left, whisker.right,
          majority.left + majority.width / 2].map((x) => (x - left) / width);
})
"""


@pytest.fixture(scope="module")
def read(write_runs, tmp_path_factory):
    """A reader of such rows, from the answers of their seeds."""

    def reader(rows):
        folder = tmp_path_factory.mktemp("table")
        for name, rights in rows.items():
            write_runs(folder, name, *rights)
        return TableReader(folder)

    return reader


@pytest.fixture(scope="module")
def three(read):
    return read({name: [~np.isin(np.arange(40), wrong)] for name, wrong in WRONG.items()})


@pytest.fixture(scope="module")
def six(read):
    """Six rows, three seeds each."""
    hard = np.random.default_rng(0).uniform(size=118)
    rows = {}
    for place, name in enumerate(("i3d", "tpn", "timesformer", "base_16", "ca", "csg3dct")):
        luck = np.random.default_rng(place).uniform(size=(3, 118))
        right = 0.6 * hard + 0.4 * luck < 0.4 + 0.003 * ROWS[name].printed.accuracy
        rows[name] = right[:, : CLIPS_OF[ROWS[name].frames]["test"]]
    return read(rows)


def test_marks_and_numbers_are_those_of_the_rows(mount, six, page):
    mount(six)
    rows = six.facts["rows"]
    low, high = six.facts["axis"]
    expected = [[row["accuracy"], *row["interval"], row["majority"]] for row in rows]
    places = np.array(page.evaluate(MARKS))
    np.testing.assert_allclose(low + places * (high - low), expected, atol=1e-3)
    field = page.locator(".csg-scale").bounding_box()
    ticks = page.locator(".csg-scale .csg-tick").all()
    assert len(ticks) > 2
    for tick in ticks:
        box = tick.bounding_box()
        place = (box["x"] + box["width"] / 2 - field["x"]) / field["width"]
        assert 100 * (low + place * (high - low)) == pytest.approx(int(tick.inner_text()), abs=0.2)
    for row, line in zip(rows, page.locator(".csg-rows tbody tr").all(), strict=True):
        ends = [f"{100 * end:.1f}" for end in row["interval"]]
        printed = ROWS[row["name"]].printed
        assert line.locator("td:not(.csg-field)").all_text_contents()[2:] == [
            f"{100 * row['accuracy']:.1f} [{ends[0]}, {ends[1]}]",
            *(f"{100 * row['f1']:.1f}", f"{row['parameters'] / 1e6:.1f}"),
            *(str(printed.accuracy), str(printed.f1)),
        ]
    apart = page.locator(".csg-printed")
    expect(apart).to_have_count(1 + 2 + 2 * 6)
    expect(apart.first).to_have_text("the paper's, other patients")
    looks = "(cells) => cells.map((cell) => getComputedStyle(cell).color)"
    ours = page.locator(".csg-rows tbody td:not(.csg-printed)").evaluate_all(looks)
    assert not {*apart.evaluate_all(looks)} & {*ours}
    expect(page.locator(".csg-square caption")).to_contain_text("354 clips of 3 seeds. A: ")
    pvalues = page.locator(".csg-less .csg-small").inner_text()
    assert re.fullmatch(r"McNemar's p, seed by seed: (under 0\.001|[01]\.\d+)(, \S+){2}", pvalues)
    expect(page.locator(".csg-over")).to_contain_text("simulated patients, 3 seeds a row")
    expect(page.locator(".csg-small").last).to_contain_text(
        "354 clips of 177 patients with 8 frames (one clip is 0.28 points); 327 clips of 165 "
        "patients with 16 frames (one clip is 0.31 points), simulated."
    )


def test_two_rows_are_compared_clip_by_clip(mount, three, page, sentence):
    shown = mount(three)
    fields, less = page.locator(".csg-square td[class]"), page.locator(".csg-less")
    expect(fields).to_contain_text(["both 35", "only A 2", "only B 1", "neither 2"])
    assert [text.count("●") for text in fields.all_text_contents()] == [35, 2, 1, 2]
    pair = three.facts["pairs"]["csg3dct>i3d"]
    value, low, high = pair["difference"]
    assert low < 0 < high
    wanted = float(f"{40 * ((high - low) / 2 / value) ** 2:.2g}")
    expect(sentence).to_have_text(
        f"CSG-3DCT minus I3D: +2.5 points, 95\u00a0% interval from \u2212{-100 * low:.1f} to "
        f"+{100 * high:.1f}. It includes 0: on these 40 clips it is not known which "
        f"is better. If the difference is really 2.5 points, about {wanted:,.0f} test clips "
        "have an even chance of detecting it."
    )
    expect(less).to_contain_text("McNemar's p: 1.00, the probability that")
    expect(less).to_contain_text("on the 3 clips that only one of them gets right.")
    shown.put(first="i3d", second="csg3dct")
    expect(fields).to_contain_text(["both 35", "only A 1", "only B 2", "neither 2"])
    for first, second in (("csg3dct", "tpn"), ("tpn", "csg3dct")):
        shown.put(first=first, second=second)
        expect(sentence).to_contain_text(
            "for patients like these, CSG-3DCT gets more clips right than TPN. Each was trained "
        )
        expect(sentence).to_contain_text("Of the 3 pairs here 2 exclude 0;")
    expect(less).to_contain_text("McNemar's p: under 0.001,")


def test_interval_and_p_values_together_give_the_conclusion(mount, three, sentence, monkeypatch):
    facts = three.facts
    for pvalues, interval, said in (
        ([0.07], [0.01, 0.2], "McNemar's test is less sure, p = 0.070: too close to call."),
        ([0.01, 0.3], [0.01, 0.2], "Not every seed shows it: McNemar's p goes up to 0.30."),
        ([0.01, 0.03], [0.01, 0.2], "McNemar's p is under 0.05 in each of 2 seeds."),
        ([0.03], [-0.01, 0.2], "McNemar's p, 0.030, suggests a difference, but takes clips"),
        ([0.03, 0.6], [-0.01, 0.2], "One seed alone might have suggested a difference: McNemar"),
        ([0.3], [0.0, 0.2], UNKNOWN.removesuffix(" If")),
        ([0.3, 0.6], [-0.2, 0.3], UNKNOWN),
    ):
        changed = {"pvalues": pvalues, "seeds": len(pvalues), "difference": [0.1, *interval]}
        pairs = {name: pair | changed for name, pair in facts["pairs"].items()}
        monkeypatch.setattr(three, "facts", facts | {"pairs": pairs})
        shown = mount(three)
        expect(sentence).to_contain_text(said)
        shown.evaluate("({ close }) => close()")


def test_rows_without_a_pair_are_explained(mount, read, six, page, sentence):
    shown = mount(six)
    shown.put(second="base_16")
    expect(sentence).to_contain_text("clips of 8 frames, CSG-3DCT-Base-16 on clips of 16: they")
    expect(page.locator(".csg-square")).to_be_hidden()
    expect(page.locator(".csg-less")).to_be_hidden()
    shown.put(second="csg3dct")
    expect(sentence).to_have_text("A and B are both CSG-3DCT: choose another row for one of them.")
    right = ~np.isin(np.arange(40), (1, 2))
    for rows, said in (
        ({"tpn": [right]}, "TPN is the only row: there is nothing to compare it with yet."),
        ({"i3d": [right], "mvit": [right[::-1]]}, "it is not known which is better."),
        ({"i3d": [right], "mvit": [right]}, "right on the very same clips."),
    ):
        shown.evaluate("({ close }) => close()")
        shown = mount(read(rows))
        expect(sentence).to_contain_text(said)
    expect(page.locator("tbody .csg-printed")).to_have_text(["78.8", "78.8", "", ""])


def test_rows_are_picked_by_mouse_and_by_keys(mount, six, page, sentence):
    shown = mount(six)
    page.locator("label", has=page.get_by_role("radio", name="A: TPN")).click()
    assert shown.trait("first") == "tpn"
    page.keyboard.press("ArrowDown")
    shown.becomes("first", "timesformer")
    page.get_by_role("radio", name="B: I3D", exact=True).focus()
    for second in ("csg3dct", "ca"):
        page.keyboard.press("ArrowUp")
        shown.becomes("second", second)
    expect(sentence).to_contain_text("TimeSformer minus CSG-3DCT-CA*:")
    picked = page.locator(".csg-is-first, .csg-is-second")
    expect(picked.locator("th")).to_have_text(["TimeSformer", "CSG-3DCT-CA*"])


def test_columns_sort_by_keyboard_and_arrow_keys_follow_the_order_shown(mount, six, page):
    shown = mount(six)
    keys = ("order", "accuracy", "f1", "parameters", "printed_accuracy", "printed_f1")
    for column, key in enumerate(keys):
        numbers = {row["title"]: row[key] for row in six.facts["rows"]}
        button = page.locator(".csg-head button").nth(column)
        button.focus()
        for reversed in [True, False] if key == "order" else [False, True]:
            page.keyboard.press("Enter")
            shown.becomes("reversed", reversed)
            rising = (key == "order") != reversed
            way = "ascending" if rising else "descending"
            expect(page.locator("[aria-sort]").nth(column)).to_have_attribute("aria-sort", way)
            expect(page.locator("[aria-sort]:not([aria-sort=none])")).to_have_count(1)
            values = [
                numbers[title] for title in page.locator(".csg-rows tbody th").all_text_contents()
            ]
            assert values == sorted(numbers.values(), reverse=not rising)
            expect(button).to_be_focused()
        assert shown.trait("sort") == key
    shown.put(sort="parameters", reversed=False)  # the last of the paper's rows comes first
    page.get_by_role("radio", name="A: CSG-3DCT", exact=True).focus()
    page.keyboard.press("ArrowDown")
    shown.becomes("first", "ca")
