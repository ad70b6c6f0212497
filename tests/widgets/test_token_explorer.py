"""The token explorer without a page: which token is where, what it sends, what its still shows."""

import numpy as np
import pytest

from csgcourse.widgets.token_explorer import TokenExplorer, lineup
from csglib import Clip


def by_loops(axis, frames, patches):
    number = {(t, n): 1 + t * patches + n for t in range(frames) for n in range(patches)}
    if axis == "space":
        return [[0] + [number[t, n] for n in range(patches)] for t in range(frames)]
    if axis == "time":
        return [[0] + [number[t, n] for t in range(frames)] for n in range(patches)]
    return [[0] + [number[t, n] for t in range(frames) for n in range(patches)]]


@pytest.mark.parametrize("axis", ["space", "time", "joint"])
def test_sequences_equal_those_of_loops(axis):
    expected = by_loops(axis, 3, 5)
    np.testing.assert_array_equal(lineup(axis, "transposed", 3, 5), expected)
    if axis == "time":  # without the transpose, tokens follow their order in memory
        expected = [[0, *range(1 + start, 4 + start)] for start in range(0, 15, 3)]
    np.testing.assert_array_equal(lineup(axis, "reshaped", 3, 5), expected)


def test_it_sends_the_clip_and_the_sequences_and_its_still_outlines_them(simulated_clip):
    explorer = TokenExplorer(simulated_clip)  # 3 frames of 6 x 8 patches
    assert explorer.frames == simulated_clip.frames.tobytes()
    assert [explorer.facts[name] for name in ("frames", "rows", "columns")] == [3, 6, 8]
    lineups = explorer.facts["lineups"]
    for axis in ("space", "time", "joint"):
        assert lineups[axis] == by_loops(axis, 3, 48)
    assert lineups["reshaped"] == lineup("time", "reshaped", 3, 48).tolist()
    assert explorer.token == 1 + 1 * 48 + 3 * 8 + 4  # near the middle

    explorer.axis, explorer.order, explorer.token = "time", "reshaped", 2
    assert repr(explorer) == ("TokenExplorer(axis='time', order='reshaped', token=2)")
    (held,) = lineup("time", "reshaped", 3, 48)[lineup("time", "transposed", 3, 48) == 2]
    assert held == 4  # place 2, first frame: the fourth patch in memory
    outlines = {3: [], 1: [], 0: []}
    for frame, axes in enumerate(explorer.still().axes):
        for patch in axes.patches:
            outlines[patch.get_linewidth()].append((frame, *patch.get_xy()))
    assert outlines[3] == [(0, 3 * 16 - 0.5, -0.5)]
    assert outlines[1] == [(0, 4 * 16 - 0.5, -0.5), (0, 5 * 16 - 0.5, -0.5)]
    assert len(outlines[0]) == 3 * 48 - 3


@pytest.mark.parametrize("size", [(2, 40, 32), (2, 32, 40), (5, 128, 128), (2, 0, 32)])
def test_a_clip_that_cannot_be_shown_is_refused(size):
    count, height, width = size
    message = f"multiples of 16, .* at most 256 patches: got {count} frames of {height} x {width}"
    with pytest.raises(ValueError, match=message):
        TokenExplorer(Clip(frames=np.zeros(size, np.uint8), patient="nobody"))
