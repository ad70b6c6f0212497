"""What people say of their clips: labels.csv, one row a key clip, written in any spreadsheet.

Not in the paper, which has 459 key clips of 200 videos, graded by sonographers (section 3).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from csglib.data.atomic import replacing
from csglib.data.clips import Region
from csglib.data.split import SPLITS
from csglib.doctor.exports import list_exports, patient_of

BOX = ("left", "top", "right", "bottom")
COLUMNS = (
    "clip", "grade", "split", "first_frame", "frames", "narrowest_frame", *BOX
)  # fmt: skip
_NEEDED = COLUMNS[:2]
_SEPARATORS = ",;\t"
_FORMULAS = ("=", "+", "-", "@")  # what a spreadsheet would compute, even out of a file's name
_SAVE = 'save it as "CSV UTF-8", with the columns ' + ", ".join(COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Label:
    """One key clip. Frames and pixels are counted in the file, from 0.

    Attributes:
        clip: path below the folder of exports, with /; its first folder is the patient's.
        grade: its name; empty while nobody has said.
        split: one of `SPLITS`, or empty: dealt out by patient later.
        first_frame: where in a long video it begins.
        frames: how many from there; None to the end.
        narrowest_frame: the one that was graded, within those frames; None if nobody has said.
        box: what to keep of each frame; None keeps all.

    Raises:
        ValueError: a value that cannot be; names its column, what came and what is wanted.
    """

    clip: str
    grade: str
    split: str = ""
    first_frame: int = 0
    frames: int | None = None
    narrowest_frame: int | None = None
    box: Region | None = None

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.clip).parts
        inside = "/" in self.clip and not {"/", ".."} & {*parts} and "\\" not in self.clip
        if not (inside and self.clip.isprintable() and self.clip == "/".join(parts)):
            raise ValueError(
                _wanted("clip", self.clip, "a path below the folder: patient/clip.mp4")
            )
        if not self.grade.isprintable():
            raise ValueError(_wanted("grade", self.grade, "a name such as mild"))
        if self.split not in ("", *SPLITS):
            raise ValueError(_wanted("split", self.split, f"{', '.join(SPLITS)} or nothing"))
        if self.first_frame < 0:
            raise ValueError(_wanted("first_frame", self.first_frame, "0 or more"))
        if self.frames is not None and self.frames < 1:
            raise ValueError(_wanted("frames", self.frames, "1 or more, or nothing: to the end"))
        end = None if self.frames is None else self.first_frame + self.frames
        place = self.narrowest_frame
        if place is not None and (place < self.first_frame or (end is not None and place >= end)):
            span = f"{self.first_frame} to {'the end' if end is None else end - 1}, of the file"
            raise ValueError(_wanted("narrowest_frame", place, span))

    @property
    def patient(self) -> str:
        """Whose clip it is, as the folder is called."""
        return patient_of(self.clip)


def read_labels(path: Path) -> list[Label]:
    """Read labels.csv as spreadsheets save it: commas, semicolons or tabs, with a BOM or without.

    Columns may stand in any order, and all but clip and grade may be missing; rows without
    anything are passed over. A column that is not known is refused: `first frame` for
    `first_frame` would else be read as no column at all, and the whole video taken for the clip.

    Args:
        path: the file.

    Raises:
        ValueError: not such a table; names line and column, what came and what is wanted.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {_SAVE}")
    rows = _rows(path)
    try:
        names = _names(next(rows, (1, []))[1])
        labels: list[Label] = []
        for line, cells in rows:
            if any(cells):
                labels.append(_label(names, cells, line))
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return labels


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write labels.csv, with a BOM, so that every spreadsheet takes it for UTF-8.

    Args:
        path: the file; its folder exists. It is there whole or as it was.
        labels: in the order of the rows.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(_cells(label) for label in labels)
    with replacing(path) as file:
        file.write(text.getvalue().encode("utf-8-sig"))


def template(folder: Path) -> list[Label]:
    """A row for every clip of a folder, without a grade: for `write_labels`, and then for people.

    Args:
        folder: of exports, see `csglib.doctor.exports`.

    Raises:
        ValueError: there is no such folder.
    """
    return [Label(clip=clip, grade="") for clip in list_exports(folder).clips]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line, and its cells without the spaces around them."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0]
        separator = max(_SEPARATORS, key=header.count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for cells in table:
            yield table.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"not a table of text ({error}); {_SAVE}") from error


def _names(header: list[str]) -> list[str]:
    names = [name.lower() for name in header]
    while names and not names[-1]:  # columns that were deleted leave their separators
        names.pop()
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        found = ", ".join(filter(None, names)) or "nothing"
        raise ValueError(f"line 1 lacks the column {missing[0]}: it has {found}; {_SAVE}")
    if unknown := [name for name in names if name not in COLUMNS]:
        known = ", ".join(COLUMNS)
        raise ValueError(f"line 1: no column is called {unknown[0]!r}; delete it; known: {known}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"line 1 has the column {twice[0]} twice; delete one of them")
    return names


def _label(names: list[str], cells: list[str], line: int) -> Label:
    if any(cells[len(names) :]):
        counts = f"{len(cells)} cells under {len(names)} columns"
        raise ValueError(f"line {line}: {counts}; put text that holds a separator into quotes")
    texts = dict.fromkeys(COLUMNS, "") | dict(zip(names, cells, strict=False))
    try:
        return Label(
            clip=texts["clip"].removeprefix("./"),
            grade=texts["grade"],
            split=texts["split"].lower(),
            first_frame=_number(texts, "first_frame") or 0,
            frames=_number(texts, "frames"),
            narrowest_frame=_number(texts, "narrowest_frame"),
            box=_box(texts),
        )
    except ValueError as error:
        raise ValueError(f"line {line}, {error}") from error


def _number(texts: Mapping[str, str], name: str) -> int | None:
    text = texts[name]
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(_wanted(name, text, "a whole number from 0"))
    return int(text) if text else None


def _box(texts: Mapping[str, str]) -> Region | None:
    edges = {name: _number(texts, name) for name in BOX}
    given = {name: edge for name, edge in edges.items() if edge is not None}
    if not given:
        return None
    for name in BOX:
        if name not in given:
            raise ValueError(_wanted(name, "", "all four edges of the box, or none"))
    for low, high in (("left", "right"), ("top", "bottom")):
        if given[high] <= given[low]:
            raise ValueError(_wanted(high, given[high], f"more than {low}, {given[low]}"))
    return Region(**given)


def _wanted(column: str, came: str | int, wanted: str) -> str:
    return f"column {column}: got {came!r}, wanted {wanted}"


def _cells(label: Label) -> list[str | int | None]:
    box: list[int | None] = [
        None if label.box is None else getattr(label.box, name) for name in BOX
    ]
    clip = f"./{label.clip}" if label.clip.startswith(_FORMULAS) else label.clip
    numbers = [label.first_frame or None, label.frames, label.narrowest_frame]
    return [clip, label.grade, label.split, *numbers, *box]
