"""The token explorer without a page: which token stands where, what it sends, what it shows."""

import base64
import io

import numpy as np
import pytest
import traitlets
from PIL import Image

from csgcourse.widgets.token_explorer import TokenExplorer, lineup
from csglib.data.clips import Clip


@pytest.fixture
def explorer(simulated_clip):
    return TokenExplorer(simulated_clip)  # 3 frames of 6 x 8 patches


def by_loops(axis, frames, patches):
    number = {(t, n): 1 + t * patches + n for t in range(frames) for n in range(patches)}
    if axis == "space":
        return [[0] + [number[t, n] for n in range(patches)] for t in range(frames)]
    if axis == "time":
        return [[0] + [number[t, n] for t in range(frames)] for n in range(patches)]
    return [[0] + [number[t, n] for t in range(frames) for n in range(patches)]]


@pytest.mark.parametrize("axis", ["space", "time", "joint"])
def test_sequences_are_those_of_loops(axis):
    np.testing.assert_array_equal(lineup(axis, "transposed", 3, 5), by_loops(axis, 3, 5))


@pytest.mark.parametrize("axis", ["space", "joint"])
def test_where_patches_lie_side_by_side_reshape_alone_is_right(axis):
    np.testing.assert_array_equal(lineup(axis, "reshaped", 3, 5), lineup(axis, "transposed", 3, 5))


def test_reshape_alone_reads_on_in_memory():
    expected = [[0, *range(1 + start, 4 + start)] for start in range(0, 15, 3)]
    np.testing.assert_array_equal(lineup("time", "reshaped", 3, 5), expected)


def test_it_sends_the_clip_as_it_is(explorer, simulated_clip):
    assert explorer.frames == simulated_clip.frames.tobytes()
    assert explorer.facts == {"frames": 3, "rows": 6, "columns": 8}


def test_it_begins_near_the_middle_of_the_clip(explorer):
    assert explorer.token == 1 + 1 * 48 + 3 * 8 + 4


def test_a_patch_is_its_square_of_the_clip(explorer, simulated_clip):
    token = 1 + 2 * 48 + 4 * 8 + 7  # frame 3, row 5, column 8
    np.testing.assert_array_equal(
        explorer._patches[token], simulated_clip.frames[2, 64:80, 112:128]
    )


def test_its_text_says_what_it_is_set_to(explorer):
    explorer.axis, explorer.order, explorer.token = "time", "reshaped", 7
    assert repr(explorer) == (
        "TokenExplorer(3 x 6 x 8 patches, axis='time', order='reshaped', token=7)"
    )


def still(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert len(bundle["image/png"]) < 200_000  # git keeps every one
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).tobytes()


def test_the_still_follows_every_setting(explorer):
    seen = {still(explorer)}
    for name, value in (
        ("token", 0),
        ("axis", "time"),
        ("token", 30),
        ("order", "reshaped"),
        ("axis", "joint"),
    ):
        setattr(explorer, name, value)
        seen.add(still(explorer))
    assert len(seen) == 6


def test_the_still_outlines_the_patch_that_stands_in_the_slot(explorer):
    explorer.axis, explorer.order, explorer.token = "time", "reshaped", 2
    (held,) = lineup("time", "reshaped", 3, 48)[lineup("time", "transposed", 3, 48) == 2]
    assert held == 4  # place 2, first moment: the fourth patch in memory
    outlines = {3: [], 1: []}
    for frame, axes in enumerate(explorer.still().subfigs[0].axes):
        for patch in axes.patches:
            if not patch.get_fill():
                outlines[patch.get_linewidth()].append((frame, *patch.get_xy()))
    assert outlines[3] == [(0, 3 * 16 - 0.5, -0.5)]
    assert outlines[1] == [(0, 4 * 16 - 0.5, -0.5), (0, 5 * 16 - 0.5, -0.5)]  # whom it meets


@pytest.mark.parametrize("size", [(2, 40, 32), (2, 32, 40), (5, 128, 128), (2, 0, 32)])
def test_a_clip_that_cannot_be_shown_is_refused(size):
    count, height, width = size
    clip = Clip(frames=np.zeros(size, np.uint8), patient="nobody")
    said = f"multiples of 16, and at most 256 .*: got {count} frames of {height} x {width}"
    with pytest.raises(ValueError, match=said):
        TokenExplorer(clip)


def test_what_is_not_there_is_refused(explorer):
    for name, value, said in (
        ("token", 145, "token must be 0 to 144: got 145"),
        ("token", -1, "token must be 0 to 144: got -1"),
        ("axis", "depth", "axis"),
        ("guess", "perhaps", "guess"),
    ):
        with pytest.raises(traitlets.TraitError, match=said):
            setattr(explorer, name, value)
