"""The explorer in a bare page: every mode against numpy, by keys alone, and with the net off."""

import base64
import io
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from csglib.model.config import TINY, SingleBranch
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.scores import score_map
from csglib.widgets.base import MAGNITUDE
from csglib.widgets.explorer import AttentionExplorer
from csglib.widgets.explorer.widget import SETTINGS

pytestmark = pytest.mark.browser

FRAMES, ROWS, COLUMNS = 3, 6, 8
PATCHES = ROWS * COLUMNS
PATCH = (1, 3, 2)  # frame, row, column
QUERY = 1 + PATCHES + 3 * COLUMNS + 2
TELL = """
({ model }, [asked, packed]) => {
  const buffers = packed.map((text) =>
    new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer));
  model.tell(asked, buffers);
}
"""


@pytest.fixture
def explorer(opinionated_network, simulated_clip):
    return AttentionExplorer(opinionated_network, simulated_clip)


@pytest.fixture
def seen(opinionated_network, simulated_clip):
    return attention_record(opinionated_network, simulated_clip)


@pytest.fixture
def base():
    with torch.random.fork_rng():
        torch.manual_seed(12)
        return CSG3DCT(replace(TINY, encoder=SingleBranch(axis="joint", heads=4, hidden=64)))


@pytest.fixture
def names(opinionated_network, simulated_clip, base):
    """As a reader calls them."""
    return {"model": opinionated_network, "clip": simulated_clip, "other": base}


@pytest.fixture
def live(mount, explorer, seen):
    """The explorer in a page, in Python, and what its network asked."""
    return mount(explorer), explorer, seen


def answer(shown, widget):
    """Be the kernel: answer all that was asked, and say what it was."""
    asked = shown.evaluate("({ model }) => model.sent.splice(0)")
    for each in asked:
        packed = [base64.b64encode(part).decode() for part in widget.answer(each)]
        shown.evaluate(TELL, [each, packed])
    return asked


def strip(page, which=0):
    return page.locator(".csg-frames").nth(which)


def press(page, frame, row, column):
    canvas = strip(page).locator("canvas").nth(frame)
    box = canvas.bounding_box()
    x, y = (column + 0.5) / COLUMNS * box["width"], (row + 0.5) / ROWS * box["height"]
    canvas.click(position={"x": x, "y": y})


def pixels(canvas):
    """What is painted: red, green and blue, (y, x, 3)."""
    letters = canvas.evaluate("(canvas) => canvas.toDataURL()").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(letters))))[..., :3]


@pytest.fixture
def painted(page, simulated_clip):
    """Whether each frame has a map's colours, and is bare where nobody is asked."""

    def check(maps, ends, which=0):
        low, high = ends
        for frame, canvas in enumerate(strip(page, which).locator("canvas").all()):
            levels = 255 * (np.kron(maps[frame], np.ones((16, 16))) - low) / (high - low)
            grey = simulated_clip.frames[frame][..., None].astype(float)
            assert not wrong(pixels(canvas), grey, levels).any()

    return check


def wrong(found, grey, levels):
    """Pixels that are not a half of the frame and a half of the colour."""
    asked, codes = ~np.isnan(levels), np.rint(np.nan_to_num(levels)).astype(int)
    near = []
    for by in (-1, 0, 1):  # a share was rounded to a byte: it may have its neighbour's colour
        colours = MAGNITUDE(np.clip(codes + by, 0, 255), bytes=True)[..., :3]
        expected = np.where(asked[..., None], 0.5 * grey + 0.5 * colours, grey)
        near.append(np.abs(found - expected).max(-1))
    return (np.min(near, axis=0) > 2) & ~near_an_edge(16)


def near_an_edge(size):
    """The rims of patches, where who asks is framed."""
    along = [
        np.minimum(np.arange(side) % size, size - 1 - np.arange(side) % size) for side in (96, 128)
    ]
    return np.minimum(along[0][:, None], along[1][None, :]) < 3


def scale(maps, even, stretch=False):
    most = np.nanmax(maps)
    return (np.nanmin(maps), most) if stretch else (0, max(most, 2 * even))


@pytest.mark.parametrize(
    ("view", "head", "stretch"), [*product(("space", "time"), (0, 2), (False, True))]
)
def test_a_patch_s_row_is_painted_over_its_frame_or_its_place(view, head, stretch, live, painted):
    shown, explorer, seen = live
    shown.put(view=view, query=QUERY, block=2, head=head, stretch=stretch)
    answer(shown, explorer)
    rows = seen.patch_row(view, 1, QUERY - 1)
    row = rows[head - 1] if head else rows.mean(0)
    maps = seen.on_grid(view, QUERY - 1, row).numpy()
    painted(maps, scale(maps, seen.branches[view].uniform_patch, stretch))


@pytest.mark.parametrize("view", ["space", "time", "into_space", "into_time"])
def test_heads_of_the_class_token_are_painted_when_the_kernel_has_sent_them(
    view, live, page, painted
):
    shown, explorer, seen = live
    shown.put(view=view, block=3, head=4)
    expect(page.locator(".csg-sentence")).to_contain_text("Waiting for the kernel")
    painted(np.full((FRAMES, ROWS, COLUMNS), np.nan), (0, 1))
    assert [0, "row", view, 3, 0] in answer(shown, explorer)
    branch = seen.class_token_heads(view, 2)
    maps = branch.maps[3].numpy()
    painted(maps, scale(maps, branch.uniform_patch))
    label = explorer.facts["branches"][list(seen.axes).index(view)]["label"]
    expect(page.locator(".csg-sentence")).to_contain_text(f"Block 3 of 5, {label}, head 4")
    bars = strip(page).locator(".csg-number").all_inner_texts()
    shares = [float(bar.partition("\u00a0")[0]) / 100 for bar in bars]
    np.testing.assert_allclose(shares, branch.totals[3], rtol=1e-2)


def test_a_patch_of_the_base_network_asks_the_whole_clip(mount, names, page, painted):
    base, clip = names["other"], names["clip"]
    widget = AttentionExplorer(base, clip, settings={"query": QUERY, "block": 1})
    shown = mount(widget)
    assert [0, "row", "joint", 1, QUERY] in answer(shown, widget)
    found = attention_record(base, clip)
    maps = found.on_grid("joint", QUERY - 1, found.patch_row("joint", 0, QUERY - 1).mean(0)).numpy()
    painted(maps, scale(maps, found.branches["joint"].uniform_patch))
    frame, row, column = np.unravel_index(np.argmax(maps), maps.shape)
    most = f"most to frame {frame + 1}, row {row + 1}, column {column + 1}"
    expect(page.locator(".csg-sentence")).to_contain_text(most)


def test_rows_are_requested_once_each(mount, explorer, page):
    shown = mount(explorer)
    canvas = page.locator(".csg-matrix canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile("Waiting for the kernel"))
    assert answer(shown, explorer) == [
        [0, "matrix", "time", 5, 0]
    ]  # the rest of the first view is here
    expect(canvas).to_have_attribute("aria-label", re.compile("Frame 1 attends most to"))
    shown.put(view="space", query=QUERY)
    place = 1 + 3 * COLUMNS + 2
    assert answer(shown, explorer) == [
        [0, "row", "space", 5, QUERY],
        [0, "matrix", "time", 5, place],
    ]
    shown.put(head=2)  # came with them
    assert answer(shown, explorer) == []
    shown.put(query=QUERY + PATCHES)  # same place
    assert answer(shown, explorer) == [[0, "row", "space", 5, QUERY + PATCHES]]
    shown.put(query=QUERY)
    shown.put(head=1)
    assert answer(shown, explorer) == []


def test_a_silent_kernel_gets_a_word_and_may_still_answer(mount, explorer, page):
    page.clock.install()
    shown = mount(explorer)
    shown.put(view="space", query=QUERY)
    sentence = page.locator(".csg-sentence")
    page.clock.run_for(3000)
    expect(sentence).to_contain_text("Waiting for the kernel")
    page.clock.run_for(3000)
    expect(sentence).to_contain_text("The kernel has not answered")
    answer(shown, explorer)
    expect(sentence).to_contain_text("most to")


@pytest.mark.parametrize("query", [0, QUERY])
@pytest.mark.parametrize("head", [0, 3])
def test_the_matrix_is_that_of_the_place(query, head, mount, explorer, page, seen):
    shown = mount(explorer)
    shown.put(view="time", query=query, head=head, block=4, frame=2, stretch=True)
    answer(shown, explorer)
    places = [3 * COLUMNS + 2] if query else range(PATCHES)
    heads = sum(seen.frame_matrix(3, place) for place in places) / len(places)
    expected = (heads[head - 1] if head else heads.mean(0)).numpy()
    canvas = page.locator(".csg-matrix canvas").first
    levels = np.rint(255 * (expected - expected.min()) / np.ptp(expected)).astype(int)
    cell = 256 / FRAMES
    for asking, asked in np.ndindex(FRAMES, FRAMES):
        found = pixels(canvas)[int((asking + 0.5) * cell), int((asked + 0.5) * cell)]
        near = np.clip(levels[asking, asked] + np.arange(-2, 3), 0, 255)
        assert np.abs(MAGNITUDE(near, bytes=True)[:, :3].astype(int) - found).max(1).min() <= 1
    most = int(expected[1].argmax())
    share = f"{100 * expected[1, most]:#.3g}"[:3]
    whom = "itself" if most == 1 else f"frame {most + 1}"
    name = re.compile(rf"^Frame 2 attends most to {whom}: {re.escape(share)}")
    expect(canvas).to_have_attribute("aria-label", name)


def test_a_press_on_the_matrix_picks_both_frames(mount, explorer, page):
    shown = mount(explorer)
    shown.put(view="time", query=QUERY)
    canvas = page.locator(".csg-matrix canvas").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 6, "y": 5 * box["height"] / 6})
    assert shown.traits("query", "frame") == [QUERY + PATCHES, 1]


def test_two_networks_have_one_scale(mount, names, page, painted, seen):
    shown = mount(AttentionExplorer(names["model"], names["clip"], against=names["other"]))
    shown.put(block=2, other_block=4)
    expect(strip(page, 1)).to_be_visible()
    one = seen.branches["into_time"]
    other = attention_record(names["other"], names["clip"]).branches["joint"]
    both = np.stack([one.maps[1], other.maps[3]])
    ends = scale(both, max(one.uniform_patch, other.uniform_patch))
    painted(both[0], ends)
    painted(both[1], ends, which=1)
    assert page.locator(".csg-strip .csg-title").all_inner_texts() == [
        "First network: Block 2 of 5, time queries space",
        "Second network: Block 4 of 5, the whole clip",
    ]
    page.get_by_role("checkbox", name="compare").uncheck()
    expect(strip(page, 1)).to_be_hidden()
    painted(both[0], scale(both[0], one.uniform_patch))


def test_another_block_of_the_same_network(live, page, painted):
    shown, _, seen = live
    page.get_by_role("checkbox", name="compare with another block").check()
    page.get_by_role("slider", name="Other block").focus()
    page.keyboard.press("ArrowRight")
    assert shown.traits("compare", "other_block") == [True, 2]
    branch = seen.branches["into_time"]
    expect(page.locator(".csg-sentence")).to_contain_text("Block 2 of 5")
    both = branch.maps[[4, 1]].numpy()
    painted(both[1], scale(both, branch.uniform_patch), which=1)


def scored(shown, widget, maps, totals):
    masks = (np.frombuffer(widget.masks, np.uint8) / 255).tolist()
    narrowest = widget.facts["truth"]["narrowest"] - 1
    values = [maps.ravel().tolist(), masks, list(totals), narrowest]
    return shown.evaluate(
        """({ es }, [map, masks, totals, narrowest]) =>
          es.scoresOf(Float32Array.from(map), Float32Array.from(masks), totals, narrowest)""",
        values,
    )


def test_the_page_scores_as_python_does(mount, explorer, page, seen, simulated_clip):
    shown = mount(explorer)
    for name, branch in seen.branches.items():
        for maps, totals in zip(branch.maps.numpy(), branch.totals.tolist(), strict=True):
            found, expected = scored(shown, explorer, maps, totals), score_map(maps, simulated_clip)
            assert found["inside"] == pytest.approx(expected.plaque.share, rel=1e-2), name
            assert found["area"] == pytest.approx(expected.plaque.uniform, rel=1e-2)
            assert found["rank"] == expected.rank


def test_frames_that_tie_share_their_rank(mount, explorer):
    shown = mount(explorer)
    even = np.ones((FRAMES, ROWS, COLUMNS), np.float32)
    for totals, rank in (([1, 1, 1], 2), ([1, 1, 1 + 1e-9], 2), ([2, 1, 1], 2.5), ([0, 1, 0], 1)):
        assert scored(shown, explorer, even, totals)["rank"] == rank


def test_scores_are_shown_with_the_truth_and_follow_the_view(
    mount, explorer, page, seen, simulated_clip
):
    shown = mount(explorer)
    board = page.locator(".csg-score-board")
    expect(board).to_be_hidden()
    page.get_by_role("checkbox", name="show the truth").check()
    for view, block in (("into_time", 5), ("into_space", 2)):
        shown.put(view=view, block=block)
        scores = score_map(seen.branches[view].maps[block - 1], simulated_clip)
        words = board.inner_text()
        shares = [float(text) for text in re.findall(r"([\d.]+)\u00a0%", words)]
        expected = [100 * scores.plaque.share, 100 * scores.plaque.uniform]
        assert shares == pytest.approx(expected, rel=2e-2)
        assert f"the narrowest frame ranks {scores.rank:g} of 3" in words
    shown.put(view="space", query=QUERY)
    answer(shown, explorer)
    assert "ranks" not in board.inner_text().partition("In this branch")[0]  # one frame is asked


def test_curves_stand_where_their_numbers_are(mount, explorer, page, seen):
    shown = mount(explorer)
    shown.put(show_truth=True, view="into_space", block=2)
    totals = seen.branches["into_space"].totals[1].numpy()
    heights = {}
    for kind in ("own", "closed"):
        points = page.locator(f".csg-{kind} polyline").get_attribute("points").split()
        heights[kind] = (160 - np.array([float(point.split(",")[1]) for point in points])) / 134
    full = max(2 / FRAMES, totals.max())
    np.testing.assert_allclose(heights["own"] * full, totals, atol=1e-5)
    np.testing.assert_allclose(heights["closed"], explorer.facts["truth"]["closed"], atol=1e-5)
    marked = page.locator(".csg-narrowest-line").get_attribute("d")
    points = page.locator(".csg-closed polyline").get_attribute("points").split()
    assert marked.startswith(f"M{points[1].split(',')[0]} ")  # frame 2
    expect(
        page.get_by_role("img", name=re.compile("Attention: frame 1 .* Closed:"))
    ).to_be_visible()


def test_keys_alone_reach_every_patch_and_come_back(mount, explorer, page, stolen):
    shown = mount(explorer)
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


def test_fusion_is_greyed_while_a_patch_asks_and_says_why(mount, explorer, page):
    shown = mount(explorer)
    why = page.get_by_text("in the fusion the class token alone is a query")
    expect(why).to_be_hidden()
    press(page, *PATCH)
    assert shown.traits("query", "view") == [QUERY, "time"]
    for name in ("space queries time", "time queries space"):
        expect(page.get_by_role("radio", name=name)).to_be_disabled()
    expect(why).to_be_visible()
    page.get_by_role("radio", name="spatial branch").check()
    press(page, 2, 0, 7)
    assert shown.traits("query", "view", "frame") == [1 + 2 * PATCHES + 7, "space", 3]
    page.get_by_role("button", name="Class token").click()
    assert shown.trait("query") == 0
    expect(page.get_by_role("radio", name="space queries time")).to_be_enabled()
    expect(page.get_by_role("button", name="Class token")).to_be_hidden()


def test_who_asks_is_framed_in_orange_and_its_place_in_white(mount, explorer, page):
    shown = mount(explorer)
    shown.put(opacity=0, view="time", query=QUERY)
    frame, row, column = PATCH
    for place in range(FRAMES):
        found = pixels(strip(page).locator("canvas").nth(place)).astype(int)
        rim = found[16 * row, 16 * column + 8]
        wanted = (255, 157, 46) if place == frame else (255, 255, 255)
        assert np.abs(rim - wanted).max() < 90


def test_a_finger_chooses_on_the_enlarged_frame(mount, explorer, page):
    shown = mount(explorer)
    shown.put(frame=2)
    large = page.locator(".csg-pair canvas").first
    box = large.bounding_box()
    x, y = 2.5 / COLUMNS * box["width"], 3.5 / ROWS * box["height"]
    large.click(position={"x": x, "y": y})
    assert shown.trait("query") == QUERY


def test_the_sentence_says_who_asks_whom_and_what_is_most(mount, explorer, page, seen):
    shown = mount(explorer)
    shown.put(view="time", query=QUERY, block=2)
    answer(shown, explorer)
    row = seen.patch_row("time", 1, QUERY - 1).mean(0)
    most = int(row.argmax())
    whom = "itself" if most == PATCH[0] else f"frame {most + 1}"
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_contain_text(
        "Block 2 of 5, temporal branch: the patch in frame 2, row 4, column 3 attends to its own "
        f"place in 3 frames; most to {whom}, "
    )
    said = re.search(r"most to .*?, ([\d.]+)", sentence.inner_text())[1]
    assert float(said) == pytest.approx(100 * float(row[most]), rel=5e-3)
    expect(sentence).to_have_attribute("aria-live", "polite")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"view": "space", "query": QUERY, "head": 2, "block": 3, "frame": 2, "stretch": True},
        {"compare": True, "other_block": 2, "opacity": 0.25, "show_truth": True},
    ],
)
@pytest.mark.parametrize("against", [False, True])
def test_the_python_call_shows_the_same_view_again(settings, against, mount, page, names):
    other = names["other"] if against else None
    shown = mount(AttentionExplorer(names["model"], names["clip"], other))
    shown.put(**settings)
    call = page.get_by_role("textbox", name="Python call").input_value()
    again = eval(call, {"AttentionExplorer": AttentionExplorer, **names})
    traits = [name for name in SETTINGS if name not in ("playing", "other_block")]
    assert [getattr(again, name) for name in traits] == shown.traits(*traits)
    if shown.trait("compare"):
        assert again.other_block == shown.trait("other_block")


def test_a_refused_clipboard_leaves_the_call_selected(mount, explorer, page):
    mount(explorer)
    line = page.get_by_role("textbox", name="Python call")
    page.get_by_role("button", name="Copy").click()  # a blank page has no clipboard
    expect(page.get_by_role("status")).to_have_text("The browser refused: press Ctrl+C.")
    chosen = line.evaluate("(line) => line.value.slice(line.selectionStart, line.selectionEnd)")
    assert chosen == line.input_value()


@pytest.fixture
def offline(chromium, explorer, tmp_path):
    """The explorer's own file in a browser without a net, and what it asked the net for."""
    explorer.to_html(tmp_path / "explorer.html")
    context = chromium.new_context(viewport={"width": 1000, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "explorer.html").as_uri())
    yield page
    context.close()
    assert not errors, errors
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []


def test_a_file_without_kernel_and_net_answers_to_every_other_control(
    offline, mount, explorer, page, screenshots
):
    """It paints what the live page paints; only heads apart are greyed."""
    shown = mount(explorer)
    pair = [strip(each).locator("canvas").nth(1) for each in (offline, page)]
    assert np.array_equal(*map(pixels, pair))
    press(offline, *PATCH)
    offline.get_by_role("radio", name="spatial branch").check()
    shown.put(view="space", query=QUERY, frame=2)
    answer(shown, explorer)
    sentence = page.locator(".csg-sentence").inner_text()
    expect(offline.locator(".csg-sentence")).to_have_text(sentence)
    for name in ("1", "4"):
        expect(offline.get_by_role("radio", name=name, exact=True)).to_be_disabled()
    expect(offline.get_by_text("this page has none")).to_be_visible()
    offline.get_by_role("slider", name="Frame").focus()
    offline.keyboard.press("ArrowRight")
    expect(offline.get_by_role("slider", name="Frame")).to_have_value("3")
    offline.get_by_role("checkbox", name="compare").check()
    expect(strip(offline, 1)).to_be_visible()
    offline.get_by_role("checkbox", name="show the truth").check()
    expect(offline.locator(".csg-score-board")).to_be_visible()
    offline.get_by_role("button", name="Play").click()
    expect(offline.get_by_role("slider", name="Frame")).to_have_value("1")
    offline.get_by_role("button", name="Pause").click()
    offline.screenshot(path=screenshots / "explorer_offline.png", full_page=True)


@pytest.mark.parametrize("view", ["space", "joint"])
def test_rows_in_the_file_are_those_of_the_kernel(view, chromium, mount, page, names, tmp_path):
    """Also behind a first network's, and in a later block."""
    networks = [names["model"], names["other"]]
    model, other = networks if view == "space" else networks[::-1]
    settings = {"view": view, "query": QUERY, "block": 2, "other_block": 4}
    widget = AttentionExplorer(model, names["clip"], other, settings)
    widget.to_html(tmp_path / "two.html")
    shown = mount(widget)
    answer(shown, widget)
    alone = chromium.new_page(viewport={"width": 1000, "height": 900})
    alone.goto((tmp_path / "two.html").as_uri())
    sentence = page.locator(".csg-sentence").inner_text()
    assert sentence.count("most to") == 2
    expect(alone.locator(".csg-sentence")).to_have_text(sentence)
    for which in (0, 1):
        pair = [strip(each, which).locator("canvas").nth(1) for each in (alone, page)]
        assert np.array_equal(*map(pixels, pair))
    alone.close()


def test_a_file_without_rows_says_so(chromium, explorer, tmp_path, monkeypatch):
    monkeypatch.setattr("csglib.widgets.explorer.widget.MOST_EMBEDDED", 10_000)
    explorer.view = "space"
    explorer.query = QUERY
    explorer.to_html(tmp_path / "explorer.html")
    alone = chromium.new_page()
    alone.goto((tmp_path / "explorer.html").as_uri())
    expect(alone.locator(".csg-sentence")).to_contain_text("this page has none")
    alone.get_by_role("radio", name="temporal branch").check()
    expect(alone.locator(".csg-sentence")).to_contain_text("most to")
    alone.close()


def test_the_enlarged_frame_follows_the_slider(mount, explorer, page, simulated_clip):
    shown = mount(explorer)
    shown.put(opacity=0)
    large = page.locator(".csg-pair canvas").first
    for frame in (1, 3):
        shown.put(frame=frame)
        painted = shown.pixels(large)
        assert painted.shape == (336, 448, 3)
        grey = Image.fromarray(simulated_clip.frames[frame - 1]).resize((448, 336), Image.BILINEAR)
        assert np.corrcoef(painted[..., 0].ravel(), np.asarray(grey).ravel())[0, 1] > 0.98


def test_arrow_keys_move_a_slider_even_in_a_page_that_takes_all_keys(mount, explorer, page, stolen):
    shown = mount(explorer)
    page.get_by_role("slider", name="Frame").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert shown.trait("frame") == 2
    assert shown.evaluate("({ model }) => model.saved") == 3
    assert stolen() == []


def test_only_our_keys_are_kept_and_only_while_the_widget_is_there(mount, explorer, page, stolen):
    shown = mount(explorer)
    slider = page.get_by_role("slider", name="Block")
    for key in ("Escape", "x", "Shift+ArrowRight", "Control+ArrowDown"):
        slider.focus()
        page.keyboard.press(key)
    taken = ["Escape", "x", "Shift", "ArrowRight", "Control", "ArrowDown"]
    assert stolen() == taken
    page.evaluate("document.body.append(document.createElement('input'))")
    page.locator("body > input").focus()
    page.keyboard.press("ArrowRight")
    assert len(stolen()) == 7  # it started outside
    shown.evaluate("({ close }) => close()")
    assert page.locator(".csg").count() == 0
    assert shown.evaluate("({ model }) => model.listeners()") == 0


def test_a_key_that_comes_before_the_screen_is_drawn_is_not_lost(mount, explorer, page):
    """On a busy machine the press's picture is late, and so must not be what keys go on from."""
    shown = mount(explorer)
    canvas = page.locator(".csg-query-grid canvas").nth(1)
    page.evaluate("window.requestAnimationFrame = () => 0")
    canvas.evaluate("(canvas) => canvas.click()")  # at its corner
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert shown.traits("frame", "query") == [2, 1 + 48 + 8 + 1]


def test_space_plays_and_pauses(mount, explorer, page):
    shown = mount(explorer)
    page.get_by_role("slider", name="Frame").focus()
    page.keyboard.press("Space")
    assert shown.trait("playing") is True
    page.get_by_role("button", name="Pause").wait_for()
    assert page.locator(".csg-sentence").get_attribute("aria-live") == "off"
    frames = {shown.trait("frame")}
    while len(frames) < 3:  # 1, 2, 3, and then 1 again
        page.wait_for_timeout(100)
        frames.add(shown.trait("frame"))
    page.keyboard.press("Space")
    assert shown.trait("playing") is False


def test_where_motion_is_unwelcome_a_press_is_a_frame(mount, explorer, page):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(explorer)
    shown.put(playing=True)  # asked for by a kernel: still no motion
    button = page.get_by_role("button", name="Next frame")
    for frame in (2, 3, 1):
        button.click()
        assert shown.trait("frame") == frame


def test_the_sentence_says_what_is_shown(
    mount, explorer, page, opinionated_network, simulated_clip
):
    shown = mount(explorer)
    shown.put(view="into_space")
    shown.put(block=3)
    shown.put(frame=2)
    branch = attention_record(opinionated_network, simulated_clip).branches["into_space"]
    share = 100 * float(branch.totals[2, 1])
    sentence = page.locator(".csg-sentence")
    said = f"Block 3 of 5, space queries time: frame 2 holds {share:#.3g}\u00a0% of the attention"
    assert said in sentence.inner_text()
    assert "uniform: 33.3\u00a0%" in sentence.inner_text()
    assert sentence.get_attribute("aria-live") == "polite"
    assert "truth" not in sentence.inner_text()


def test_truth_is_drawn_on_demand(mount, explorer, page):
    shown = mount(explorer)
    canvas = page.locator(".csg-query-grid canvas").nth(1)
    before = shown.pixels(canvas).astype(int)
    page.get_by_role("checkbox", name="show the truth").check()
    page.locator(".csg-query-grid .csg-narrowest").wait_for()
    assert shown.trait("show_truth") is True
    changed = (np.abs(shown.pixels(canvas) - before) > 30).any(axis=-1)
    # lumen of radius 15 and vessel of radius 30 pixels around the middle
    row, column = np.nonzero(changed)
    distance = np.hypot(row - 48, column - 64)
    assert ((abs(distance - 15) < 3) | (abs(distance - 30) < 3)).all()
    angle = np.round(np.arctan2(row - 48, column - 64) * 36 / np.pi)
    round_it = {radius: len(set(angle[abs(distance - radius) < 2])) for radius in (15, 30)}
    assert round_it[15] >= 71  # of 72 directions: a closed line
    assert 30 < round_it[30] < 65  # dashes
    frame = page.locator(".csg-query-grid .csg-narrowest [role=img]")
    assert frame.get_attribute("aria-label").endswith("50 % closed, the narrowest")
    assert "severe, narrowest in frame 2" in page.locator(".csg-sentence").inner_text()


def test_a_real_clip_has_no_truth_to_show(mount, page, opinionated_network, simulated_clip):
    real = type(simulated_clip)(frames=simulated_clip.frames, patient="nobody")
    mount(AttentionExplorer(opinionated_network, real))
    names = page.get_by_role("checkbox").evaluate_all(
        "(all) => all.map((box) => box.parentNode.innerText)"
    )
    assert names == ["stretch the colours", "compare with another block"]
