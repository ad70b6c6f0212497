"""What a cohort's folder says of itself: cohort.json, and manifest.csv with one row a clip.

Not in the paper. Both can be read without csglib: one is text, the other opens in a spreadsheet.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from csglib.data.atomic import replacing

COLUMNS = {
    "clip": "file of the clip, in this folder",
    "patient": "whose vessel it is",
    "video": "the sweep that the clip is cut from",
    "first_frame": "of the clip in the video, from 0",
    "split": "train, validation or test; all clips of a patient have the same",
    "grade": "by the rule that cohort.json names",
    "grade_index": "the same as a number, from 0",
    "observed_stenosis": "what the observer took for the stenosis; empty without an observer",
    "area_stenosis": "share of the vessel's area that is closed in the narrowest frame, 0 to 1",
    "diameter_stenosis": "largest share of a diameter that is closed in that frame, 0 to 1",
    "narrowest_frame": "of the clip, from 0: the one with the largest area stenosis",
    "plaque": "Gray-Weale type, I to IV",
    "side": "of the vessel on which the plaque lies",
    "calcified": "share of the plaque's arc that is calcified, 0 to 1",
    "diameter_mm": "of the vessel without plaque",
    "depth_mm": "of the vessel's middle under the skin",
    "scanner": "preset of the simulated scanner",
    "mm_per_px": "width of a pixel, mm",
    "seed": "of the video",
    "sha256": "of the file",
}
Row = dict[str, str]
_AGAIN = "the command that made the cohort, given again, writes it"


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write cohort.json; what the columns of the manifest mean is added."""
    text = json.dumps({**facts, "columns_of_the_manifest": COLUMNS}, indent=2)
    with replacing(folder / "cohort.json") as file:
        file.write(f"{text}\n".encode())


def read_facts(folder: Path) -> dict[str, Any]:
    """Read cohort.json; its `grades` are a tuple.

    Raises:
        ValueError: there is none, or it is no such file.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a cohort: it has no cohort.json")
    try:
        facts = dict(json.loads(path.read_bytes()))
        facts["grades"] = tuple(facts["grades"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}): take another folder") from None
    return facts


def write_manifest(folder: Path, rows: Sequence[Row]) -> None:
    """Write manifest.csv; rows have the names of `COLUMNS`."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [*COLUMNS])
    table.writeheader()
    table.writerows(rows)
    with replacing(folder / "manifest.csv") as file:
        file.write(text.getvalue().encode())


def read_manifest(folder: Path) -> list[Row]:
    """Read manifest.csv.

    Raises:
        ValueError: it is not there yet, or a program that changed it has spoiled its columns.
    """
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ValueError(f"{folder} is half a cohort, without manifest.csv: {_AGAIN}")
    rows = [*csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))]
    missing = [name for name in COLUMNS if not rows or any(row.get(name) is None for row in rows)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing[:3])}: {_AGAIN} anew")
    return rows
