"""The clip picker's still: the key clips on the time line, and what each shows when narrowest.

Source: not in the paper.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from csglib.data.clips import Clip
from csglib.doctor.labels import Label
from csglib.widgets.base import MAGNITUDE

MOST_SHOWN = 5  # pictures in a row
_BLUE, _INK, _GREY = "#1668b8", "#222222", "#777777"


def figure(
    clip: Clip, labels: Sequence[Label], changes: Float32[ndarray, " t"], grades: Sequence[str]
) -> Figure:
    """Draw the still.

    Args:
        clip: the whole video.
        labels: its key clips.
        changes: of each frame from the one before, grey levels.
        grades: their names, mildest first.
    """
    pictured = labels[:MOST_SHOWN]
    drawn = Figure(figsize=(9.6, 3.9 if pictured else 1.9), layout="constrained")
    grid = drawn.add_gridspec(
        2, max(1, len(pictured)), height_ratios=[2 if pictured else 0.01, 1.3]
    )
    for place, label in enumerate(pictured):
        _draw_picture(drawn.add_subplot(grid[0, place]), clip, label, place + 1)
    line = drawn.add_subplot(grid[1, :])
    _draw_line(line, labels, changes, grades)
    more = len(labels) - len(pictured)
    told = f"{len(labels)} key clips" + (f"; {more} more are on the line alone" if more else "")
    line.set_title(told, fontsize=10)
    return drawn


def _draw_picture(axes: Axes, clip: Clip, label: Label, number: int) -> None:
    """The narrowest frame, or the first where nobody has said."""
    narrowest = label.narrowest_frame
    frame = label.first_frame if narrowest is None else narrowest
    shown = _shown(clip, label, frame)
    if shown is None:
        words = "no box: whole frames\nmay show a name"
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=9, color=_GREY)
    else:
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    which = "first" if narrowest is None else "narrowest"
    axes.set_title(f"{number}: {label.grade or 'no grade yet'}\n{which} {frame}", fontsize=9)


def _shown(clip: Clip, label: Label, frame: int) -> UInt8[ndarray, "y x"] | None:
    """Only what no scanner writes a name into."""
    box = label.box or clip.region
    if box is not None:
        return box.crop(clip.frames[frame : frame + 1])[0]
    return None if clip.truth is None else clip.frames[frame]


def _draw_line(
    axes: Axes, labels: Sequence[Label], changes: Float32[ndarray, " t"], grades: Sequence[str]
) -> None:
    """Square roots, so that a cut does not flatten what moves."""
    frames, high = len(changes), float(np.sqrt(changes).max()) or 1.0
    axes.fill_between(np.arange(frames), np.sqrt(changes) / high, color=_BLUE, alpha=0.35)
    for place, label in enumerate(labels):
        end = frames if label.frames is None else label.first_frame + label.frames
        step = grades.index(label.grade) / (len(grades) - 1) if label.grade else None
        colour = "none" if step is None else MAGNITUDE(0.15 + 0.75 * step)
        axes.broken_barh(
            [(label.first_frame - 0.5, end - label.first_frame)],
            (-0.75, 0.6),
            facecolor=colour,
            edgecolor=_INK,
        )
        if label.narrowest_frame is not None:
            axes.plot(label.narrowest_frame, -0.45, "D", color="white", mec=_INK, markersize=4)
        middle = (label.first_frame + end - 1) / 2
        axes.text(middle, -0.85, str(place + 1), ha="center", va="top", fontsize=8)
    axes.set(xlim=(-0.5, frames - 0.5), ylim=(-1.25, 1.05), xlabel="frame of the video, from 0")
    axes.set_yticks([-0.45, 0.5], ["key clips", "change"])
