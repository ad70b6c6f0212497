"""The explorer in a bare page: every mode against numpy, by keys alone, and with the net off."""

import base64
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from csglib import CSG3DCT, TINY, AttentionExplorer
from csglib.model.config import SingleBranch
from csglib.view.attention_record import attention_record
from csglib.view.scores import areas, score_map
from csglib.widgets.base import MAGNITUDE
from csglib.widgets.explorer.message import encoded
from csglib.widgets.explorer.widget import SETTINGS

from .conftest import opened

FRAMES, ROWS, COLUMNS = 3, 6, 8
PATCHES = ROWS * COLUMNS
PATCH = (1, 3, 2)  # frame, row, column
QUERY = 1 + PATCHES + 3 * COLUMNS + 2
MATRIX = ".csg-matrix >> nth={} >> canvas"
CURVE = "[role=img] .csg-{} polyline"
TELL = "({ model }, [asked, packed]) => model.tell(asked, packed.map(model.unpack))"


@pytest.fixture(scope="module")
def explorer(opinionated_network, simulated_clip):
    """Without the truth at first, which would cover what is painted."""
    settings = {"show_truth": False, "frame": 1}
    return AttentionExplorer(opinionated_network, simulated_clip, settings=settings)


@pytest.fixture(scope="module")
def seen(opinionated_network, simulated_clip):
    return attention_record(opinionated_network, simulated_clip)


@pytest.fixture(scope="module")
def names(opinionated_network, simulated_clip):
    """As a reader of the page's Python call has them."""
    with torch.random.fork_rng():
        torch.manual_seed(12)
        base = CSG3DCT(replace(TINY, encoder=SingleBranch(axis="joint", heads=4, hidden=64)))
    return {"model": opinionated_network, "clip": simulated_clip, "other": base}


@pytest.fixture
def shown(mount, explorer):
    return mount(explorer)


@pytest.fixture
def live(shown, explorer, seen):
    """The explorer in a page, in Python, and what its network asked."""
    return shown, explorer, seen


def answer(shown, widget):
    """Be the kernel: answer all that was asked, and say what it was."""
    asked = shown.evaluate("({ model }) => model.sent.splice(0)")
    for each in asked:
        packed = [base64.b64encode(part).decode() for part in widget.answer(each)]
        shown.evaluate(TELL, [each, packed])
    return asked


def strip(page, which=0):
    return page.locator(".csg-frames").nth(which)


def press(canvas, row, column, rows=ROWS, columns=COLUMNS):
    box = canvas.bounding_box()
    x, y = (column + 0.5) / columns * box["width"], (row + 0.5) / rows * box["height"]
    canvas.click(position={"x": x, "y": y})


@pytest.fixture
def painted(page, simulated_clip, pixels):
    """Whether each frame has a map's colours, and is bare where nobody is asked."""

    def check(maps, ends, which=0):
        low, high = ends
        sent, known = np.full(maps.shape, low, float), ~np.isnan(maps)
        sent[known] = as_sent(maps[known]) if known.any() else low
        codes = np.rint(255 * (sent - low) / (high - low)).astype(int)
        inner = np.pad(np.ones((10, 10), bool), 3)  # a patch without its rim: a query's is framed
        for frame, canvas in enumerate(strip(page, which).locator("canvas").all()):
            grey = simulated_clip.frames[frame][..., None].astype(float)
            expected = over(grey, np.kron(codes[frame], np.ones((16, 16), int)), 0.8)
            wrong = np.abs(pixels(canvas) - expected).max(-1) > 3
            assert not (wrong & np.tile(inner, (ROWS, COLUMNS))).any()

    return check


def as_sent(values):
    """In the 256 steps that the page gets; on a scale from 1 to 2 times uniform one may be wide."""
    (codes,), ((least, most),) = encoded(torch.tensor(values)[None])
    return float(least) + codes.numpy() / 255 * float(most - least)


def over(grey, codes, opacity):
    """A colour over a grey, as strong as the attention: at level 0 the grey alone."""
    codes = np.clip(codes, 0, 255)
    colours = MAGNITUDE(128 + codes // 2, bytes=True)[..., :3].astype(float)
    alpha = (opacity * codes / 255)[..., None]
    return (1 - alpha) * grey + alpha * colours


def scale(maps, uniform, stretched_with=None):
    """From 1 to 2 times uniform; or from the least to the most of these and of a matrix."""
    if stretched_with is None:
        return uniform, 2 * uniform
    times = np.concatenate([maps[~np.isnan(maps)] / uniform, np.ravel(stretched_with)])
    return times.min() * uniform, times.max() * uniform


@pytest.mark.parametrize(
    ("view", "head", "stretch"),
    [("space", 0, False), ("space", 2, True), ("time", 0, True), ("time", 2, False)],
)
def test_a_patch_s_row_is_painted_and_said(view, head, stretch, live, painted, sentence):
    shown, explorer, seen = live
    shown.put(view=view, query=QUERY, block=2, head=head, stretch=stretch)
    answer(shown, explorer)
    rows = seen.patch_row(view, 1, QUERY - 1)
    row = rows[head - 1] if head else rows.mean(0)
    maps = seen.on_grid(view, QUERY - 1, row).numpy()
    heads = seen.frame_matrix(1, 3 * COLUMNS + 2)
    matrix = (heads[head - 1] if head else heads.mean(0)) / seen.branches["time"].uniform_frame
    painted(maps, scale(maps, seen.branches[view].uniform_patch, matrix if stretch else None))
    frame, place, column = np.unravel_index(np.nanargmax(maps), maps.shape)
    spot = {"space": f"row {place + 1}, column {column + 1}", "time": f"frame {frame + 1}"}[view]
    most = "itself" if (frame, place, column) == PATCH else spot
    keys = {"space": "the 48 patches of its frame", "time": "its own place in 3 frames"}[view]
    expect(sentence).to_contain_text(
        f"the patch in frame 2, row 4, column 3 attends to {keys}; most to {most}, "
    )
    said = re.search(r"most to .*?, ([\d.]+)\u00a0%", sentence.inner_text())[1]
    assert float(said) == pytest.approx(100 * float(row.max()), rel=5e-3)
    expect(sentence).to_have_attribute("aria-live", "polite")


@pytest.mark.parametrize("view", ["time", "into_space"])
def test_heads_of_the_class_token_are_painted_when_the_kernel_has_sent_them(
    view, live, page, painted, sentence
):
    shown, explorer, seen = live
    shown.put(view=view, block=3, head=4)
    expect(sentence).to_contain_text("Waiting for the kernel")
    painted(np.full((FRAMES, ROWS, COLUMNS), np.nan), (0, 1))
    assert [0, "row", view, 3, 0] in answer(shown, explorer)
    branch = seen.class_token_heads(view, 2)
    maps = branch.maps[3].numpy()
    painted(maps, scale(maps, branch.uniform_patch))
    label = explorer.facts["branches"][list(seen.axes).index(view)]["label"]
    expect(sentence).to_contain_text(f"Block 3 of 5, {label}, head 4")
    bars = strip(page).locator(".csg-number").all_inner_texts()
    shares = [float(bar.partition("\u00a0")[0]) / 100 for bar in bars]
    np.testing.assert_allclose(shares, branch.totals[3], rtol=1e-2)


@pytest.mark.parametrize(("against", "tallest"), [("", 560), ("other", 720)])
def test_it_fits_a_notebook_on_a_laptop(against, tallest, names, clip_of_the_course, mount, page):
    page.set_viewport_size({"width": 1000, "height": 768})
    shown = mount(AttentionExplorer(names["model"], clip_of_the_course, names.get(against)))
    for view, query in (("into_time", 0), ("space", 0), ("time", QUERY)):
        shown.put(view=view, query=query)
        assert page.locator(".csg").bounding_box()["height"] <= tallest


def test_a_patch_of_the_base_network_asks_the_whole_clip(mount, names, painted, sentence):
    base, clip = names["other"], names["clip"]
    widget = AttentionExplorer(base, clip, None, {"query": QUERY, "block": 1, "show_truth": False})
    assert [0, "row", "joint", 1, QUERY] in answer(mount(widget), widget)
    found = attention_record(base, clip)
    maps = found.on_grid("joint", QUERY - 1, found.patch_row("joint", 0, QUERY - 1).mean(0)).numpy()
    painted(maps, scale(maps, found.branches["joint"].uniform_patch))
    frame, row, column = np.unravel_index(np.argmax(maps), maps.shape)
    most = f"most to frame {frame + 1}, row {row + 1}, column {column + 1}"
    expect(sentence).to_contain_text(most)


def test_rows_are_requested_once_each(shown, explorer, page):
    canvas = page.locator(".csg-matrix canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile("Waiting for the kernel"))
    assert answer(shown, explorer) == [[0, "matrix", "time", 5, 0]]  # all else is here at first
    expect(canvas).to_have_attribute("aria-label", re.compile("frame 1 attends most to"))
    shown.put(view="space", query=QUERY)
    place = 1 + 3 * COLUMNS + 2
    asked = [[0, "row", "space", 5, QUERY], [0, "matrix", "time", 5, place]]
    assert answer(shown, explorer) == asked
    shown.put(head=2)  # came with them
    assert answer(shown, explorer) == []
    shown.put(query=QUERY + PATCHES)  # same place
    assert answer(shown, explorer) == [[0, "row", "space", 5, QUERY + PATCHES]]
    shown.put(query=QUERY, head=1)
    assert answer(shown, explorer) == []


def test_a_silent_kernel_gets_a_word_and_may_still_answer(mount, explorer, page, sentence):
    page.clock.install()
    shown = mount(explorer)
    shown.put(view="space", query=QUERY)
    page.clock.run_for(3000)
    expect(sentence).to_contain_text("Waiting for the kernel")
    page.clock.run_for(3000)
    expect(sentence).to_contain_text("The kernel has not answered")
    answer(shown, explorer)
    expect(sentence).to_contain_text("most to")


@pytest.mark.parametrize(("query", "head"), [(0, 0), (QUERY, 3)])
def test_the_matrix_is_that_of_the_place(query, head, live, page, pixels):
    shown, explorer, seen = live
    shown.put(view="time", query=query, head=head, block=4, frame=2, stretch=True)
    answer(shown, explorer)
    places = [3 * COLUMNS + 2] if query else range(PATCHES)
    heads = sum(seen.frame_matrix(3, place) for place in places) / len(places)
    expected = (heads[head - 1] if head else heads.mean(0)).numpy()
    canvas = page.locator(".csg-matrix canvas").first
    row = seen.patch_row("time", 3, max(query, 1) - 1)[head - 1]
    rows = row if query else seen.branches["time"].maps[3]
    uniform = seen.branches["time"].uniform_frame
    low, high = scale(rows.numpy(), uniform, expected / uniform)
    levels = np.rint(255 * (expected - low) / (high - low)).astype(int)
    drawn, cell = pixels(canvas), 256 / FRAMES
    for asking, asked in np.ndindex(FRAMES, FRAMES):
        found = drawn[int((asking + 0.5) * cell), int((asked + 0.5) * cell)]
        near = over(110, levels[asking, asked] + np.arange(-2, 3), 1)
        assert np.abs(near - found).max(1).min() <= 2
    most = int(expected[1].argmax())
    share = f"{100 * expected[1, most]:#.3g}"[:3]
    whom = "itself" if most == 1 else f"frame {most + 1}"
    where = "At this place" if query else "In mean over places"
    name = re.compile(rf"^{where}: frame 2 attends most to {whom}, {re.escape(share)}")
    expect(canvas).to_have_attribute("aria-label", name)
    expect(page.get_by_text("temporal branch, frame by frame")).to_be_visible()


def test_two_networks_have_one_scale_in_times_uniform(mount, names, page, painted, seen):
    shown = mount(AttentionExplorer(names["model"], names["clip"], against=names["other"]))
    shown.put(block=2, other_block=4, show_truth=False)
    expect(strip(page, 1)).to_be_visible()
    one = seen.branches["into_time"]
    other = attention_record(names["other"], names["clip"]).branches["joint"]
    first, second = one.maps[1].numpy(), other.maps[3].numpy()
    painted(first, scale(first, one.uniform_patch))
    painted(second, scale(second, other.uniform_patch), which=1)
    assert page.locator(".csg-strip .csg-title").all_inner_texts() == [
        "First network: Block 2 of 5, time queries space",
        "Second network: Block 4 of 5, the whole clip",
    ]
    page.get_by_role("checkbox", name="compare").uncheck()
    expect(strip(page, 1)).to_be_hidden()
    painted(first, scale(first, one.uniform_patch))


def test_another_block_of_the_same_network(shown, seen, page, painted, sentence):
    page.get_by_role("checkbox", name="compare with another block").check()
    page.get_by_role("slider", name="Other block").focus()
    page.keyboard.press("ArrowRight")
    assert shown.traits("compare", "other_block") == [True, 2]
    branch = seen.branches["into_time"]
    expect(sentence).to_contain_text("Block 2 of 5")
    both = branch.maps[[4, 1]].numpy()
    painted(both[1], scale(both, branch.uniform_patch), which=1)


def test_scores_are_those_of_python_and_shown_with_the_truth(
    shown, explorer, page, seen, simulated_clip
):
    for totals, rank in (([1, 1, 1], 2), ([1, 1, 1 + 1e-9], 2), ([2, 1, 1], 2.5), ([0, 1, 0], 1)):
        found = shown.evaluate("({ es }, totals) => es.scoresOf([1], [1], totals, 1)", totals)
        assert found["rank"] == rank  # ties share theirs
    board = page.locator(".csg-score-board")
    expect(board).to_be_hidden()
    page.get_by_role("checkbox", name="show the truth").check()
    for view, block in product(("into_time", "into_space"), range(1, 6)):
        shown.put(view=view, block=block)
        saliency = seen.branches[view].maps[block - 1]
        scores = score_map(saliency, simulated_clip)
        uniform = areas(simulated_clip, *saliency.shape[1:]).plaque.mean()
        words = board.inner_text()
        shares = [float(text) for text in re.findall(r"([\d.]+)\u00a0%", words)]
        expected = [100 * uniform * scores["plaque ratio"], 100 * uniform]
        assert shares == pytest.approx(expected, rel=1e-2)
        assert f"the narrowest frame ranks {3 - 2 * scores['rank percentile']:g} of 3" in words
    shown.put(view="space", query=QUERY)
    answer(shown, explorer)
    assert "ranks" not in board.inner_text()  # it attends to one frame


def test_curves_stand_where_their_numbers_are(shown, explorer, page, seen):
    shown.put(show_truth=True, view="into_space", block=2)
    totals = seen.branches["into_space"].totals[1].numpy()
    points = {
        kind: [
            [float(number) for number in point.split(",")]
            for point in page.locator(CURVE.format(kind)).get_attribute("points").split()
        ]
        for kind in ("own", "closed")
    }
    heights = {kind: (122 - np.array(places)[:, 1]) / 98 for kind, places in points.items()}
    full = max(2 / FRAMES, totals.max())
    np.testing.assert_allclose(heights["own"] * full, totals, atol=1e-5)
    np.testing.assert_allclose(heights["closed"], explorer.facts["truth"]["closed"], atol=1e-5)
    marked = page.locator(".csg-narrowest-line").get_attribute("d")
    assert marked.startswith(f"M{points['closed'][1][0]:g} ")  # frame 2
    name = re.compile("Attention, space queries time: frame 1 .* Closed:")
    expect(page.get_by_role("img", name=name)).to_be_visible()
    names = ["Attention, space queries time", "Diameter closed, right scale"]
    assert page.locator(".csg-key > span").all_inner_texts() == names


def test_keys_alone_reach_every_patch_and_come_back(shown, page, stolen):
    grid = page.locator(".csg-query-grid")
    grid.focus()
    assert grid.evaluate("(grid) => getComputedStyle(grid).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")  # the first key only shows where one stands
    assert shown.traits("query", "view", "frame") == [1 + 3 * COLUMNS + 4, "time", 1]
    steps = {"ArrowRight": 1, "ArrowDown": COLUMNS, "ArrowLeft": -1, "ArrowUp": -COLUMNS}
    for key, by in (*steps.items(), ("PageDown", PATCHES), ("PageUp", -PATCHES)):
        before = shown.trait("query")
        page.keyboard.press(key)
        assert shown.trait("query") == before + by
    for _ in range(4):
        page.keyboard.press("ArrowRight")  # over the edge into the next frame
    assert shown.traits("query", "frame") == [1 + PATCHES + 3 * COLUMNS, 2]
    for key, query in (("ArrowUp", 1 + PATCHES), ("PageUp", 1), ("ArrowLeft", 1)):
        for _ in range(4):
            page.keyboard.press(key)
        assert shown.trait("query") == query
    page.keyboard.press("Escape")
    assert shown.trait("query") == 0
    expect(grid).to_be_focused()
    assert stolen() == []
    page.keyboard.press("Escape")  # nothing to leave: it is the notebook's
    assert stolen() == ["Escape"]


def test_presses_choose_a_patch_and_fusion_is_greyed_meanwhile(shown, page, pixels):
    why = page.get_by_text("in the fusion the class token alone is a query")
    expect(why).to_be_hidden()
    press(strip(page).locator("canvas").nth(1), *PATCH[1:])
    assert shown.traits("query", "view") == [QUERY, "time"]
    shown.put(opacity=0)
    for place, wanted in enumerate([(255,) * 3, (255, 157, 46), (255,) * 3]):
        drawn = pixels(strip(page).locator("canvas").nth(place)).astype(int)
        assert np.abs(drawn[16 * 3, 16 * 2 + 8] - wanted).max() < 90  # orange, else white
    for name in ("space queries time", "time queries space"):
        expect(page.get_by_role("radio", name=name)).to_be_disabled()
    expect(why).to_be_visible()
    press(page.locator(".csg-matrix canvas").first, 2, 0, FRAMES, FRAMES)
    assert shown.traits("query", "frame") == [QUERY + PATCHES, 1]
    page.get_by_role("radio", name="spatial branch").check()
    press(page.locator(".csg-pair canvas").first, 5, 7)  # the enlarged frame
    assert shown.traits("query", "view", "frame") == [PATCHES, "space", 1]
    page.get_by_role("button", name="Class token").click()
    assert shown.trait("query") == 0
    expect(page.get_by_role("radio", name="space queries time")).to_be_enabled()
    expect(page.get_by_role("button", name="Class token")).to_be_hidden()


@pytest.mark.parametrize(
    ("settings", "against"),
    [
        ({}, True),
        ({"view": "space", "query": QUERY, "head": 2, "block": 3, "stretch": True}, False),
        ({"compare": True, "other_block": 2, "opacity": 0.25, "show_truth": False}, False),
        ({"compare": False, "frame": 2}, True),
    ],
)
def test_the_python_call_shows_the_same_view_again(settings, against, mount, page, names):
    other, grades = names["other"] if against else None, ("open", "closed") if against else ()
    shown = mount(AttentionExplorer(names["model"], names["clip"], other, grades=grades))
    shown.put(**settings)
    line = page.get_by_role("textbox", name="Python call")
    again = eval(line.input_value(), globals() | names | {"grades": grades})
    assert again.facts["prediction"] == shown.trait("facts")["prediction"]
    traits = [name for name in SETTINGS if name not in ("playing", "other_block")]
    assert [getattr(again, name) for name in traits] == shown.traits(*traits)
    assert not shown.trait("compare") or again.other_block == shown.trait("other_block")
    page.get_by_role("button", name="Copy").click()  # a blank page has no clipboard
    expect(page.get_by_role("status")).to_have_text("The browser refused: press Ctrl+C.")
    chosen = line.evaluate("(line) => line.value.slice(line.selectionStart, line.selectionEnd)")
    assert chosen == line.input_value()


@pytest.fixture
def offline(chromium, tmp_path):
    """Opens a widget's own file in a browser without a net; the file asks the net for nothing."""
    asked = []
    with opened(chromium) as page:
        page.context.set_offline(True)
        page.on("request", lambda request: asked.append(request.url))

        def show(widget):
            widget.to_html(tmp_path / "explorer.html")
            page.goto((tmp_path / "explorer.html").as_uri())
            return page

        yield show
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []


def test_a_file_without_a_kernel_lacks_heads_and_long_rows_alone(offline, explorer, monkeypatch):
    monkeypatch.setattr("csglib.widgets.explorer.widget.MOST_EMBEDDED", 10_000)
    alone = offline(explorer)
    press(strip(alone).locator("canvas").nth(1), *PATCH[1:])
    expect(alone.locator(".csg-sentence")).to_contain_text("most to")
    alone.get_by_role("radio", name="spatial branch").check()
    expect(alone.locator(".csg-sentence")).to_contain_text("this page has none")
    for name in ("1", "4"):
        expect(alone.get_by_role("radio", name=name, exact=True)).to_be_disabled()
    expect(alone.get_by_text("Single heads need a kernel")).to_be_visible()
    alone.get_by_role("slider", name="Frame").focus()
    alone.keyboard.press("ArrowRight")
    expect(alone.get_by_role("slider", name="Frame")).to_have_value("3")
    alone.get_by_role("checkbox", name="compare").check()
    expect(strip(alone, 1)).to_be_visible()
    alone.get_by_role("checkbox", name="show the truth").check()
    expect(alone.locator(".csg-score-board")).to_be_visible()
    alone.get_by_role("slider", name="Frame").press("Space")
    expect(alone.get_by_role("slider", name="Frame")).to_have_value("1")
    expect(alone.locator(".csg-sentence")).to_have_attribute("aria-live", "off")
    alone.get_by_role("button", name="Pause").click()
    expect(alone.get_by_role("button", name="Play")).to_be_visible()


def test_rows_in_the_file_are_those_of_the_kernel(offline, mount, page, names, sentence, pixels):
    """Of two networks, in later blocks; matrices too."""
    settings = {"view": "space", "query": QUERY, "block": 2, "other_block": 4}
    widget = AttentionExplorer(names["model"], names["clip"], names["other"], settings)
    alone = offline(widget)
    answer(mount(widget), widget)
    assert sentence.inner_text().count("most to") == 2
    expect(alone.locator(".csg-sentence")).to_have_text(sentence.inner_text())
    for kind, which in product((".csg-strip >> nth={} >> canvas >> nth=1", MATRIX), (0, 1)):
        pair = [each.locator(kind.format(which)) for each in (alone, page)]
        assert np.array_equal(*map(pixels, pair))


def test_the_enlarged_frame_follows_the_slider(shown, page, simulated_clip, pixels):
    shown.put(opacity=0)
    for frame in (1, 3):
        shown.put(frame=frame)
        painted = pixels(page.locator(".csg-pair canvas").first)
        assert painted.shape == (336, 448, 3)
        grey = Image.fromarray(simulated_clip.frames[frame - 1]).resize((448, 336), Image.BILINEAR)
        assert np.corrcoef(painted[..., 0].ravel(), np.asarray(grey).ravel())[0, 1] > 0.98


def test_a_key_that_comes_before_the_screen_is_drawn_is_not_lost(shown, page):
    """On a busy machine the press's picture is late, and so must not be what keys go on from."""
    canvas = page.locator(".csg-query-grid canvas").nth(1)
    page.evaluate("window.requestAnimationFrame = () => 0")
    canvas.evaluate("(canvas) => canvas.click()")  # at its corner
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert shown.traits("frame", "query") == [2, 1 + 48 + 8 + 1]


def test_scale_and_sentence_say_what_is_shown(shown, seen, page, sentence):
    branch = seen.branches["into_time"]
    times = branch.maps[4] / branch.uniform_patch
    most, uniform = (f"{number:.3g}" for number in (times.max(), 100 * branch.uniform_patch))
    words = page.locator(".csg-legend")
    fixed = f"Colour from 1 to 2 times uniform or more; the largest is {most}. Uniform: {uniform}"
    expect(words).to_contain_text(fixed)
    shown.put(stretch=True)
    expect(words).to_contain_text(f"Stretched: colour from {times.min():.3g} to {most} times")
    shown.put(view="into_space", block=3, frame=2)
    share = 100 * float(seen.branches["into_space"].totals[2, 1])
    said = f"Block 3 of 5, space queries time: frame 2 holds {share:#.3g}\u00a0% of the attention"
    assert said in sentence.inner_text()
    assert "uniform: 33.3\u00a0%" in sentence.inner_text()
    assert "truth" not in sentence.inner_text()
    assert "softmax" not in sentence.inner_text()
    shown.put(view="space")
    assert "each frame has its own softmax: compare places" in sentence.inner_text()


def test_truth_is_drawn_on_demand(shown, page, sentence, pixels):
    canvas = page.locator(".csg-query-grid canvas").nth(1)
    before = pixels(canvas).astype(int)
    page.get_by_role("checkbox", name="show the truth").check()
    page.locator(".csg-query-grid .csg-narrowest").wait_for()
    changed = (np.abs(pixels(canvas) - before) > 30).any(axis=-1)
    # lumen of radius 15 and vessel of radius 30 pixels around the middle
    row, column = np.nonzero(changed)
    distance = np.hypot(row - 48, column - 64)
    assert ((abs(distance - 15) < 3) | (abs(distance - 30) < 3)).all()
    angle = np.round(np.arctan2(row - 48, column - 64) * 36 / np.pi)
    assert len(set(angle[abs(distance - 15) < 2])) >= 71  # of 72 directions: a closed line
    assert (abs(distance - 30) < 2).sum() > 30
    frame = page.locator(".csg-query-grid .csg-narrowest [role=img]")
    assert frame.get_attribute("aria-label").endswith("50 % closed, the narrowest")
    assert "severe, narrowest in frame 2" in sentence.inner_text()


def test_a_real_clip_has_no_truth_to_show(mount, page, opinionated_network, simulated_clip):
    mount(AttentionExplorer(opinionated_network, replace(simulated_clip, truth=None)))
    boxes = page.get_by_role("checkbox").locator("..").all_inner_texts()
    assert boxes == ["stretch the colours", "compare with another block"]
