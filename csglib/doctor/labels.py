"""A folder of exports and its label file: `FOLDER/patient/clip.*` and `FOLDER/labels.csv`.

A clip is a file in any format of `csglib.data.readers`, or a folder with one image per frame;
folders between patient and clip are allowed. A label is one row of labels.csv: a key clip's grade.

Source: section 3, "Dataset": 459 key clips of 200 videos, graded by sonographers.
"""

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from csglib.data.atomic import write_csv
from csglib.data.clips import Region
from csglib.data.readers import is_dicom
from csglib.data.readers.limits import check_link
from csglib.data.split import SPLITS

LABELS = "labels.csv"
KEY = "csglib.key"  # see csglib.doctor.pseudonyms
PAGE = "doctor.html"  # see csglib.doctor.report
DIFFERENT = "different.csv"  # see `read_pairs`
OWN = (LABELS, KEY, PAGE, DIFFERENT)  # files of this package in a folder of exports
BOX = ("left", "top", "right", "bottom")
COLUMNS = (
    "clip", "grade", "patient", "split", "first_frame", "frames", "narrowest_frame", *BOX
)  # fmt: skip
SPLIT_FOLDERS = (*SPLITS, "training", "val", "valid", "testing")  # names that datasets give them
_FORMULA_SIGNS = ("=", "+", "-", "@")  # a spreadsheet evaluates cells that begin with these
_SAVE_AS = 'save it as "CSV UTF-8", with the columns ' + ", ".join(COLUMNS)
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")
_VOLUMES = (".dcm", ".dicom", ".ima", ".npz", ".nii", ".nii.gz")
_IMAGES = (".png", ".jpg", ".jpeg")
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx"}  # besides names that begin with a dot


class Exports(NamedTuple):
    """Contents of a folder: paths below it, with /, sorted."""

    clips: tuple[str, ...]  # files, and folders of images, that should be clips; not opened yet
    left_out: tuple[tuple[str, str], ...]  # kind of finding, and path, if need be made printable


@dataclass(frozen=True, kw_only=True)
class Label:
    """One key clip. Frames and pixels are counted in the file, from 0.

    An invalid value raises a ValueError: its column, what came and what is wanted.
    """

    clip: str  # path below the folder of exports, with /
    grade: str  # name; empty if not graded yet
    person: str = ""  # the column "patient"; empty: the first folder of the path is the patient's
    split: str = ""  # one of `SPLITS`; empty: assigned by patient later
    first_frame: int = 0
    frames: int | None = None  # count from first_frame; None: to the end
    narrowest_frame: int | None = None  # the graded one, within those frames; None if unknown
    box: Region | None = None  # part of each frame to keep; None: all of it

    def __post_init__(self) -> None:
        parts, first, frames = PurePosixPath(self.clip).parts, self.first_frame, self.frames
        inside = "/" in self.clip and not {"/", ".."} & {*parts} and "\\" not in self.clip
        end = math.inf if frames is None else first + frames
        span = f"{first} to {'the end' if frames is None else end - 1}, in the file"
        narrowest = self.narrowest_frame
        for column, came, met, wanted in (
            ("clip", self.clip, inside and self.clip.isprintable() and self.clip == "/".join(parts),
             "a path below the folder: patient/clip.mp4"),
            ("grade", self.grade, self.grade.isprintable(), "letters and digits in one line"),
            ("patient", self.person, self.person.isprintable(), "letters and digits in one line"),
            ("split", self.split, self.split in ("", *SPLITS), f"{', '.join(SPLITS)} or nothing"),
            ("first_frame", first, first >= 0, "0 or more"),
            ("frames", frames, frames is None or frames > 0, "1 or more, or nothing: to the end"),
            ("narrowest_frame", narrowest, narrowest is None or first <= narrowest < end, span),
        ):  # fmt: skip
            if not met:
                raise _wrong(column, came, wanted)

    @property
    def patient(self) -> str:
        """Whose clip it is: the column "patient", or `patient_of` its path."""
        return self.person or patient_of(self.clip)

    @property
    def cut(self) -> tuple[Any, ...]:
        """What of the file is kept."""
        return self.first_frame, self.frames, self.narrowest_frame, self.box

    def __str__(self) -> str:
        end = "the end" if self.frames is None else self.first_frame + self.frames - 1
        return f"{self.clip}, frames {self.first_frame} to {end}"

    def span(self, length: int) -> range:
        """The labelled frames of a file with so many."""
        first, frames = self.first_frame, self.frames
        return range(first, length if frames is None else first + frames)


def patient_of(clip: str) -> str:
    """The patient's folder: the first part of a clip's path below the folder of exports."""
    return clip.partition("/")[0]


def named_like(folder: str, names: Iterable[str]) -> str:
    """The name among `names` that a folder bears, as "2_Mild cases" does mild; "" for none.

    Names of one or two letters or digits must be all of it: patient_1 is not grade 1.
    """
    words = re.findall(r"[^\W_]+", folder.casefold())
    for name in names:
        wanted = re.findall(r"[^\W_]+", name.casefold())
        if wanted and (words == wanted or (len("".join(wanted)) > 2 and {*wanted} <= {*words})):
            return name
    return ""


def list_exports(folder: Path) -> Exports:
    """List a folder and its subfolders, without hidden files and the files of this package.

    Raises:
        ValueError: it is not a folder, or a folder in it may not be listed; says which.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; wanted one with a folder for each patient")
    clips, left_out = [], []
    try:
        for path, kind in _walk(folder, folder):
            name = path.relative_to(folder).as_posix()
            if not name.isprintable() or "\\" in name or name != name.strip():
                shown = (c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
                left_out.append(("invalid name", "".join(shown)))
            elif kind:
                left_out.append((kind, name))
            else:
                clips.append(name)
    except OSError as error:
        raise ValueError(f"{folder} cannot be listed completely: {error}") from error
    return Exports(tuple(clips), tuple(left_out))


def _walk(here: Path, top: Path) -> Iterator[tuple[Path, str]]:
    """Paths of clips, and of what is none, with the kind of finding.

    A folder of images, without clips or folders in it, is one clip.
    """
    own = OWN if here == top else ()
    ours = (it for it in here.iterdir() if it.name[0] != "." and it.name not in own)
    inside = sorted(path for path in ours if path.name.lower() not in _SYSTEM_FILES)
    images = any(path.name.lower().endswith(_IMAGES) for path in inside)
    if images and not any(path.is_dir() or _is_clip(path) for path in inside):
        yield here, "no patient folder" if top in (here, here.parent) else ""
        return
    for path in inside:
        if path.is_symlink():
            yield path, "link"
        elif path.is_dir():
            yield from _walk(path, top)
        elif not _is_clip(path):
            yield path, "not a clip"
        else:
            yield path, "no patient folder" if here == top else ""


def _is_clip(path: Path) -> bool:
    """By its suffix; DICOM often has none, and is known by its first bytes."""
    if path.name.lower().endswith((*_VIDEOS, *_VOLUMES)):
        return True
    if path.is_symlink() or not path.is_file() or path.name.lower().endswith(_IMAGES):
        return False
    with path.open("rb") as file:
        return is_dicom(file.read(132))


def template(clips: Iterable[str], grades: Sequence[str], ids: Mapping[str, str]) -> list[Label]:
    """A row for every clip of a folder: to be written, then filled in.

    Folders named like a grade give the grade; the patient is then the next folder, if there is
    one, or the id that the file states, from `ids`, by clip.
    """
    rows = []
    for clip in clips:
        folders = [name for name in clip.split("/")[:-1] if not named_like(name, SPLIT_FOLDERS)]
        grade = next(filter(None, (named_like(name, grades) for name in folders)), "")
        persons = [name for name in folders if not named_like(name, grades)]
        person = persons[0] if persons else ids.get(clip, "")
        own = "" if person == patient_of(clip) or person.startswith(_FORMULA_SIGNS) else person
        rows.append(Label(clip=clip, grade=grade, person=own))
    return rows


def find_labels(path: Path) -> tuple[list[Label], tuple[str, str] | None]:
    """Rows of a label file and None, or none and a finding's kind and words."""
    if not os.path.lexists(path):
        return [], ("no label file", "there is none")
    try:
        rows = read_labels(path)
    except ValueError as error:
        return [], ("invalid label file", str(error))
    return rows, None if rows else ("invalid label file", "it has no rows")


def by_clip(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """The rows of each clip."""
    rows: dict[str, list[Label]] = {}
    for label in labels:
        rows.setdefault(label.clip, []).append(label)
    return rows


def read_labels(path: Path) -> list[Label]:
    """Read labels.csv as spreadsheets save it: commas, semicolons or tabs, with or without a BOM.

    Columns may be in any order; only clip and grade are required; empty rows are skipped. Unknown
    columns are refused: a misspelled `first frame` would otherwise silently select the whole video.

    Raises:
        ValueError: not such a table; names line and column, what came and what is wanted.
    """
    check_link(path, path.parent, path.name)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {_SAVE_AS}")
    text, separator = _text(path)
    table = csv.DictReader(text, delimiter=separator, strict=True, restval="")
    try:
        table.fieldnames = names = _columns(table.fieldnames or [])
        filled = (row for row in table if any(map(str.strip, filter(None, map(row.get, names)))))
        return [_label(row, table.line_num) for row in filled]
    except csv.Error as error:
        raise ValueError(f"{path.name}: not a table of text ({error}); {_SAVE_AS}") from error
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def read_pairs(path: Path) -> set[frozenset[str]]:
    """Pairs of clips that a person looked at and found different: two paths a row, no header.

    None where there is no file; a ValueError if it is no such table.
    """
    if not path.exists():
        return set()
    check_link(path, path.parent, path.name)
    text, separator = _text(path)
    pairs = {frozenset(map(str.strip, row)) for row in csv.reader(text, delimiter=separator) if row}
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"{path.name}: wanted two clips in each row: got {sorted(pair)}")
    return pairs


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write labels.csv atomically, with a BOM, so that spreadsheets read it as UTF-8."""
    rows = []
    for label in labels:
        clip, *values, box = astuple(label)
        clip = f"./{clip}" if clip.startswith(_FORMULA_SIGNS) else clip
        rows.append([clip, *values, *(box or [None] * 4)])
    write_csv(path, COLUMNS, rows, "utf-8-sig")


def _text(path: Path) -> tuple[io.StringIO, str]:
    """A table as spreadsheets save it, and its separator."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not a table of text ({error}); {_SAVE_AS}") from error
    return io.StringIO(text, newline=""), max(",;\t", key=text.partition("\n")[0].count)


def _columns(header: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:  # deleted columns leave their separators
        names.pop()
    if not {*COLUMNS[:2]} <= {*names} <= {*COLUMNS} or len({*names}) < len(names):
        found = ", ".join(map(repr, names)) or "nothing"
        raise ValueError(f"line 1 has {found}; wanted clip and grade, others once; {_SAVE_AS}")
    return names


def _label(row: dict[str | None, Any], line: int) -> Label:
    try:
        if any(extra := row.pop(None, [])):
            came = f"{len(row) + len(extra)} cells under {len(row)} columns"
            raise ValueError(f"{came}; put text that holds a separator into quotes")
        texts = dict.fromkeys(COLUMNS, "") | {name: text.strip() for name, text in row.items()}
        first, frames, narrowest, *edges = (_number(name, texts[name]) for name in COLUMNS[4:])
        box = [edge for edge in edges if edge is not None]
        if box and None in edges:
            raise _wrong(BOX[edges.index(None)], "", "all four edges of the box, or none")
        return Label(
            clip=texts["clip"].removeprefix("./"),
            grade=texts["grade"],
            person=texts["patient"],
            split=texts["split"].lower(),
            first_frame=first or 0,
            frames=frames,
            narrowest_frame=narrowest,
            box=Region(*box) if box else None,
        )
    except ValueError as error:
        raise ValueError(f"line {line}, {error}") from error


def _number(name: str, text: str) -> int | None:
    if text and not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):  # pandas writes 3 as 3.0
        raise _wrong(name, text, "a whole number from 0")
    return int(float(text)) if text else None


def _wrong(column: str, came: str | int | None, wanted: str) -> ValueError:
    return ValueError(f"column {column}: got {came!r}, wanted {wanted}")
