"""A page of a cohort to look at: some clips of each grade, frame by frame.

Not in the paper. What no number tells, a look does: clips that are all alike, a vessel that leaves
the picture, a grade that nobody would give.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from csglib.data.cohort import Row
from csglib.data.readers.npz import read_npz

_OF_A_GRADE = 6
_CAPTION, _FRAME, _GAP, _EDGE, _HEAD, _SECTION = 216, 112, 4, 32, 92, 52  # pixels
_LINE = _FRAME + 14
_PAPER, _INK, _SOFT, _MARK = "#fbfaf7", "#1d1d1f", "#6b6b70", "#d9480f"
_LEGEND = "How much is closed in the narrowest frame, which is graded and has an orange border."


def contact_sheet(folder: Path, rows: Sequence[Row]) -> Image.Image:
    """Draw the page. Within a grade the clips stand from open to closed, whatever their order."""
    grades = sorted({(int(row["grade_index"]), row["grade"]) for row in rows})
    parts = [(name, [row for row in rows if row["grade"] == name]) for _, name in grades]
    chosen = [(name, len(part), sample(part)) for name, part in parts]
    frames = len(read_npz(folder / rows[0]["clip"]).frames)
    height = _HEAD + sum(_SECTION + len(few) * _LINE for _, _, few in chosen) + _EDGE
    page = Image.new("RGB", (2 * _EDGE + _CAPTION + frames * (_FRAME + _GAP), height), _PAPER)
    draw = ImageDraw.Draw(page)
    patients = len({row["patient"] for row in rows})
    title = f"{len(rows)} simulated clips of {patients} virtual patients. Not for diagnosis."
    draw.text((_EDGE, 26), title, _INK, ImageFont.load_default(24))
    draw.text((_EDGE, 60), _LEGEND, _SOFT, ImageFont.load_default(14))
    y = _HEAD
    for name, count, few in chosen:
        heading = f"{name}: {count} clips, {len(few)} of them here"
        draw.text((_EDGE, y + 16), heading, _INK, ImageFont.load_default(20))
        y += _SECTION
        for row in few:
            _strip(page, draw, folder, row, y)
            y += _LINE
    return page


def sample(rows: Sequence[Row]) -> list[Row]:
    """A few clips of one grade, evenly from open to closed."""
    rows = sorted(rows, key=lambda row: (float(row["diameter_stenosis"]), row["clip"]))
    places = (np.arange(_OF_A_GRADE) + 0.5) / _OF_A_GRADE * len(rows)
    return [rows[place] for place in sorted(set(places.astype(int).tolist()))]


def _strip(page: Image.Image, draw: ImageDraw.ImageDraw, folder: Path, row: Row, y: int) -> None:
    """A caption, and the frames from left to right."""
    draw.text((_EDGE, y), Path(row["clip"]).stem, _INK, ImageFont.load_default(16))
    seen = row["observed_stenosis"]
    caption = (
        f"{float(row['diameter_stenosis']):.0%} of the diameter\n"
        f"{float(row['area_stenosis']):.0%} of the area\n"
        f"plaque {row['plaque']}, {row['side']}, {float(row['calcified']):.0%} calcified\n"
        f"{row['scanner']} scanner, {row['split']}"
    )
    caption += f"\nread as {float(seen):.0%} by the observer" if seen else ""
    draw.text((_EDGE, y + 24), caption, _SOFT, ImageFont.load_default(14))
    for number, frame in enumerate(read_npz(folder / row["clip"]).frames):
        x = _EDGE + _CAPTION + number * (_FRAME + _GAP)
        small = Image.fromarray(frame).resize((_FRAME, _FRAME), Image.Resampling.LANCZOS)
        page.paste(small, (x, y))
        if number == int(row["narrowest_frame"]):
            draw.rectangle((x - 2, y - 2, x + _FRAME + 1, y + _FRAME + 1), outline=_MARK, width=2)
