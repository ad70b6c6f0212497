"""The table reader in a bare page: where marks stand, what is picked, and what is said of it."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.table_reader import TableReader
from csglib.phantom.patients import CLIPS as CLIPS_OF
from csglib.table1.rows import ROWS

pytestmark = pytest.mark.browser

CLIPS = 40
TITLES = [row.title for row in ROWS.values()]


def answers(wrong):
    """All right but for these clips."""
    return ~np.isin(np.arange(CLIPS), wrong)


WRONG = {  # of csg3dct, i3d and tpn in single seeds; clips 2n and 2n + 1 are of one patient
    "csg3dct": (0, 1, 2),
    "i3d": (0, 1, 4, 6),
    "tpn": tuple(range(3, 40, 2)),
}


@pytest.fixture(scope="module")
def read(write_runs, tmp_path_factory):
    """A reader of such rows, from the answers of their seeds."""

    def reader(rows):
        folder = tmp_path_factory.mktemp("table")
        for name, rights in rows.items():
            write_runs(folder, name, *rights)
        return TableReader(folder)

    return reader


@pytest.fixture
def three(read):
    return read({name: [answers(wrong)] for name, wrong in WRONG.items()})


@pytest.fixture(scope="module")
def whole(read):
    """All rows, three seeds each: half a second of counting."""
    hard = np.random.default_rng(0).uniform(size=118)
    rows = {}
    for place, (name, row) in enumerate(ROWS.items()):
        luck = np.random.default_rng(place).uniform(size=(3, 118))
        right = 0.6 * hard + 0.4 * luck < 0.4 + 0.003 * row.printed.accuracy
        rows[name] = right[:, : CLIPS_OF[row.frames]["test"]]
    return read(rows)


@pytest.fixture
def fourteen(whole):
    """As it comes, for each test."""
    yield whole
    whole.sort, whole.reversed = "order", False


def titles(page):
    return page.locator(".csg-rows tbody th").all_text_contents()


def test_dots_and_whiskers_stand_at_their_numbers(mount, fourteen, page):
    mount(fourteen)
    low, high = fourteen.facts["axis"]
    places = page.evaluate(
        """() => [...document.querySelectorAll(".csg-plot")].map((plot) => {
          const { left, width } = plot.getBoundingClientRect();
          const share = (x) => (x - left) / width;
          const [dot, whisker] = [".csg-dot", ".csg-whisker"].map((kind) =>
            plot.querySelector(kind).getBoundingClientRect());
          const majority = plot.querySelector(".csg-majority").getBoundingClientRect();
          return [dot.left + dot.width / 2, whisker.left, whisker.right,
                  majority.left + majority.width / 2].map(share);
        })"""
    )
    expected = [
        [row["accuracy"], *row["interval"], row["majority"]] for row in fourteen.facts["rows"]
    ]
    np.testing.assert_allclose(low + np.array(places) * (high - low), expected, atol=1e-3)


def test_the_scale_says_where_numbers_are(mount, fourteen, page):
    mount(fourteen)
    low, high = fourteen.facts["axis"]
    field = page.locator(".csg-scale").bounding_box()
    ticks = page.locator(".csg-scale .csg-tick").all()
    assert len(ticks) > 2
    for tick in ticks:
        box = tick.bounding_box()
        share = (box["x"] + box["width"] / 2 - field["x"]) / field["width"]
        assert 100 * (low + share * (high - low)) == pytest.approx(int(tick.inner_text()), abs=0.2)


def test_numbers_are_written_out_and_the_papers_stand_apart(mount, fourteen, page):
    mount(fourteen)
    for row, line in zip(
        fourteen.facts["rows"], page.locator(".csg-rows tbody tr").all(), strict=True
    ):
        low, high = (f"{100 * end:.1f}" for end in row["interval"])
        cells = line.locator("td:not(.csg-field)").all_text_contents()[2:]
        printed = ROWS[row["name"]].printed
        assert cells == [
            f"{100 * row['accuracy']:.1f} [{low}, {high}]",
            f"{100 * row['f1']:.1f}",
            f"{row['parameters'] / 1e6:.1f}",
            str(printed.accuracy),
            str(printed.f1),
        ]
    apart = page.locator(".csg-printed")
    expect(apart).to_have_count(1 + 2 + 28)
    expect(apart.first).to_have_text("the paper's, other patients")
    looks = "(cell) => [getComputedStyle(cell).color, getComputedStyle(cell).fontStyle]"
    theirs = {tuple(cell.evaluate(looks)) for cell in apart.all()}
    ours = {
        tuple(cell.evaluate(looks))
        for cell in page.locator(".csg-rows tbody td:not(.csg-printed)").all()
    }
    assert len(theirs) == 1
    assert {colour for colour, _ in theirs}.isdisjoint({colour for colour, _ in ours})
    assert {style for _, style in theirs} == {"italic"}


def test_the_clips_of_two_rows_are_counted_and_drawn(mount, three, page):
    shown = mount(three)
    fields = page.locator(".csg-square td[class]")
    expect(fields).to_contain_text(["both 35", "only A 2", "only B 1", "neither 2"])
    dots = [text.count("●") for text in fields.all_text_contents()]
    assert dots == [35, 2, 1, 2]
    expect(page.locator(".csg-square caption")).to_have_text("40 clips. A: CSG-3DCT, B: I3D")
    shown.put(first="i3d", second="csg3dct")
    expect(fields).to_contain_text(["both 35", "only A 1", "only B 2", "neither 2"])


def test_where_the_interval_holds_0_nobody_knows(mount, three, page):
    mount(three)
    _, low, high = three.facts["pairs"]["csg3dct>i3d"]["difference"]
    assert low < 0 < high
    wanted = three.facts["pairs"]["csg3dct>i3d"]["wanted"]
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_have_attribute("aria-live", "polite")
    expect(sentence).to_have_text(
        f"CSG-3DCT minus I3D: +2.5 points, 95\u00a0% interval from \u2212{-100 * low:.1f} to "
        f"+{100 * high:.1f}. It includes 0: on these 40 clips it is not known which "
        "is better. If the difference is really 2.5 points, it takes about "
        f"{float(f'{wanted:.2g}'):,.0f} test clips to detect it."
    )
    expect(page.locator(".csg-less")).to_contain_text(
        "McNemar's p: 1.00, the probability that two equally good networks differ this much or "
        "more on the 3 clips that only one of them gets right."
    )


def test_where_it_leaves_out_0_it_says_who_is_better_and_how_often_chance_would(mount, three, page):
    shown = mount(three)
    said = "for patients like these, CSG-3DCT gets more clips right than TPN. Each was trained once"
    sentence = page.locator(".csg-sentence")
    for first, second in (("csg3dct", "tpn"), ("tpn", "csg3dct")):
        shown.put(first=first, second=second)
        expect(sentence).to_contain_text(said)
        expect(sentence).to_contain_text("Of the 3 pairs here 2 exclude 0;")
        expect(sentence).not_to_contain_text("not known")
    expect(page.locator(".csg-less")).to_contain_text("McNemar's p: under 0.001,")


@pytest.mark.parametrize(
    ("pvalues", "interval", "said"),
    [
        ([0.07], [0.01, 0.2], "McNemar's test is less sure, p = 0.070: too close to call."),
        ([0.01, 0.3], [0.01, 0.2], "Not every seed shows it: McNemar's p goes up to 0.30."),
        ([0.01, 0.03], [0.01, 0.2], "McNemar's p is under 0.05 in each of 2 seeds."),
        ([0.03], [-0.01, 0.2], "McNemar's p, 0.030, suggests a difference, but takes clips"),
        (
            [0.03, 0.6],
            [-0.01, 0.2],
            "One seed alone might have suggested a difference: McNemar's p",
        ),
        ([0.3], [0.0, 0.2], "It includes 0: on these 40 clips it is not known which is better. If"),
        (
            [0.3, 0.6],
            [-0.2, 0.3],
            "It includes 0: on these 40 clips it is not known which is better. If",
        ),
    ],
)
def test_two_ways_to_judge_are_weighed(mount, three, page, pvalues, interval, said):
    pair = {
        **three.facts["pairs"]["csg3dct>i3d"],
        "pvalues": pvalues,
        "seeds": len(pvalues),
        "difference": [0.1, *interval],
    }
    three.facts = three.facts | {"pairs": {"csg3dct>i3d": pair, "i3d>csg3dct": pair}}
    mount(three)
    expect(page.locator(".csg-sentence")).to_contain_text(said)


def test_clips_of_another_length_and_one_row_twice_are_no_pair(mount, fourteen, page):
    shown = mount(fourteen)
    sentence = page.locator(".csg-sentence")
    shown.put(second="base_16")
    expect(sentence).to_contain_text(
        "CSG-3DCT was tested on clips of 8 frames, CSG-3DCT-Base-16 on clips of 16: they"
    )
    expect(page.locator(".csg-square")).to_be_hidden()
    expect(page.locator(".csg-less")).to_be_hidden()
    shown.put(second="csg3dct")
    expect(sentence).to_have_text("A and B are both CSG-3DCT: choose another row for one of them.")
    shown.put(second="i3d")
    expect(page.locator(".csg-square")).to_be_visible()


def test_one_row_alone_waits_for_another(mount, read, page):
    mount(read({"tpn": [answers((1, 2))]}))
    expect(page.locator(".csg-sentence")).to_have_text(
        "TPN is the only row: there is nothing to compare it with yet."
    )


def test_equal_answers_are_called_so(mount, read, page):
    mount(read({name: [answers((1, 2))] for name in ("i3d", "tpn")}))
    expect(page.locator(".csg-sentence")).to_contain_text("right on the very same clips.")


def test_seeds_are_counted_and_each_has_its_p(mount, fourteen, page):
    mount(fourteen)
    expect(page.locator(".csg-square caption")).to_contain_text(
        "354 predictions: 118 clips, 3 seeds"
    )
    pvalues = page.locator(".csg-less .csg-small").inner_text()
    assert re.fullmatch(r"McNemar's p, seed by seed: (under 0\.001|[01]\.\d+)(, \S+){2}", pvalues)
    expect(page.locator(".csg-over")).to_contain_text("simulated patients, 3 seeds a row")


def test_rows_are_picked_by_mouse_and_by_keys(mount, fourteen, page, stolen):
    shown = mount(fourteen)
    page.locator("label", has=page.get_by_role("radio", name="A: TPN")).click()
    assert shown.trait("first") == "tpn"
    page.keyboard.press("ArrowDown")
    shown.becomes("first", "timesformer")
    page.get_by_role("radio", name="B: I3D", exact=True).focus()
    page.keyboard.press("ArrowUp")
    shown.becomes("second", "csg3dct")
    page.keyboard.press("ArrowUp")
    shown.becomes("second", "ca")
    expect(page.locator(".csg-sentence")).to_contain_text("TimeSformer minus CSG-3DCT-CA*:")
    assert stolen() == []
    picked = page.locator(".csg-is-first, .csg-is-second")
    expect(picked.locator("th")).to_have_text(["TimeSformer", "CSG-3DCT-CA*"])


COLUMNS = ["network", "accuracy %", "F1 %", "10\u2076 weights", "acc.\u00a0%", "F1 %"]
KEYS = ["order", "accuracy", "f1", "parameters", "printed_accuracy", "printed_f1"]


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_a_column_sorts_by_keyboard_and_turns(mount, fourteen, page, column):
    shown = mount(fourteen)
    key = KEYS[column]
    numbers = {row["title"]: row[key] for row in fourteen.facts["rows"]}
    button = page.locator(".csg-head button").nth(column)
    expect(button).to_have_text(COLUMNS[column])
    button.focus()
    first = [False, True] if key != "order" else [True, False]
    for reversed in first:
        page.keyboard.press("Enter")
        shown.becomes("reversed", reversed)
        assert shown.trait("sort") == key
        rising = (key == "order") != reversed
        way = "ascending" if rising else "descending"
        expect(page.locator(f"[aria-sort={way}] button")).to_have_text(COLUMNS[column])
        expect(page.locator("[aria-sort]:not([aria-sort=none])")).to_have_count(1)
        values = [numbers[title] for title in titles(page)]
        assert values == sorted(values, reverse=not rising)
        expect(button).to_be_focused()
    assert sorted(titles(page)) == sorted(TITLES)


def test_arrow_keys_follow_the_order_on_show(mount, fourteen, page):
    shown = mount(fourteen)
    shown.put(sort="parameters", reversed=False)  # the last of the paper's rows comes first
    assert titles(page) == TITLES[::-1]
    page.get_by_role("radio", name="A: CSG-3DCT", exact=True).focus()
    page.keyboard.press("ArrowDown")
    shown.becomes("first", "ca")


def test_the_footnote_says_what_a_clip_is_worth(mount, fourteen, page):
    mount(fourteen)
    expect(page.locator(".csg-small").last).to_contain_text(
        "118 clips of 59 patients with 8 frames (one clip is 0.85 points); 109 clips of 55 "
        "patients with 16 frames (one clip is 0.92 points), simulated."
    )


@pytest.mark.parametrize("width", [1000, 720])
def test_it_fits_a_page(mount, fourteen, page, screenshots, width):
    page.set_viewport_size({"width": width, "height": 900})
    shown = mount(fourteen)
    page.screenshot(path=screenshots / f"table_reader_{width}.png")
    inside = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(inside)
    spilled = """() => [...document.querySelectorAll(".csg-rows :is(th, td, button)")]
      .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"""
    for sort in KEYS:
        shown.put(sort=sort)
        assert page.evaluate(spilled) == []
    assert page.locator(".csg-plot").first.bounding_box()["width"] > 120
