"""A folder of exports and its label file: `FOLDER/patient/clip.*` and `FOLDER/labels.csv`.

A clip is a file in any format of `csglib.data.readers`, or a folder with one image per frame;
folders between patient and clip are allowed. A label is one row of labels.csv: a key clip's grade.

Source: section 3, "Dataset": 459 key clips of 200 videos, graded by sonographers.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from csglib.data.atomic import replacing
from csglib.data.clips import Region
from csglib.data.readers import is_dicom
from csglib.data.readers.limits import check_link
from csglib.data.split import SPLITS

LABELS = "labels.csv"
KEY = "csglib.key"  # see csglib.doctor.pseudonyms
PAGE = "doctor.html"  # see csglib.doctor.report
SHEET = "review_sheet.png"  # see csglib.doctor.deidentification
BOX = ("left", "top", "right", "bottom")
COLUMNS = (
    "clip", "grade", "patient", "split", "first_frame", "frames", "narrowest_frame", *BOX
)  # fmt: skip
_REQUIRED = COLUMNS[:2]
SPLIT_FOLDERS = (*SPLITS, "training", "val", "valid", "testing")  # names that datasets give them
_SEPARATORS = ",;\t"
_FORMULA_SIGNS = ("=", "+", "-", "@")  # a spreadsheet evaluates cells that begin with these
_SAVE_AS = 'save it as "CSV UTF-8", with the columns ' + ", ".join(COLUMNS)
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")
_VOLUMES = (".dcm", ".dicom", ".ima", ".npz", ".nii", ".nii.gz")
_IMAGES = (".png", ".jpg", ".jpeg")
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx"}  # besides names that begin with a dot


class Exports(NamedTuple):
    """Contents of a folder: paths below it, with /, sorted."""

    clips: tuple[str, ...]  # files, and folders of images, that should be clips; not opened yet
    without_patient: tuple[str, ...]  # clips that are not in a patient's folder
    other_files: tuple[str, ...]  # not clips, judging by their names
    links: tuple[str, ...]  # symbolic links; never followed, wherever they lead
    invalid_names: tuple[str, ...]  # unprintable characters (shown replaced), \ or outer spaces


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
        parts = PurePosixPath(self.clip).parts
        inside = "/" in self.clip and not {"/", ".."} & {*parts} and "\\" not in self.clip
        if not (inside and self.clip.isprintable() and self.clip == "/".join(parts)):
            raise _wrong("clip", self.clip, "a path below the folder: patient/clip.mp4")
        for column, text in (("grade", self.grade), ("patient", self.person)):
            if not text.isprintable():
                raise _wrong(column, text, "letters and digits in one line")
        if self.split not in ("", *SPLITS):
            raise _wrong("split", self.split, f"{', '.join(SPLITS)} or nothing")
        if self.first_frame < 0:
            raise _wrong("first_frame", self.first_frame, "0 or more")
        if self.frames is not None and self.frames < 1:
            raise _wrong("frames", self.frames, "1 or more, or nothing: to the end")
        end = None if self.frames is None else self.first_frame + self.frames
        frame = self.narrowest_frame
        if frame is not None and (frame < self.first_frame or (end is not None and frame >= end)):
            span = f"{self.first_frame} to {'the end' if end is None else end - 1}, in the file"
            raise _wrong("narrowest_frame", frame, span)

    @property
    def patient(self) -> str:
        """Whose clip it is: the column "patient", or `patient_of` its path."""
        return self.person or patient_of(self.clip)


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
    found: dict[str, list[str]] = {name: [] for name in Exports._fields}
    try:
        for path, kind in _walk(folder, folder):
            name = path.relative_to(folder).as_posix()
            if not name.isprintable() or "\\" in name or name != name.strip():
                shown = (c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
                found["invalid_names"].append("".join(shown))
            elif name not in (LABELS, KEY, PAGE, SHEET):
                found[kind].append(name)
    except OSError as error:
        raise ValueError(f"{folder} cannot be listed completely: {error}") from error
    return Exports(**{kind: tuple(names) for kind, names in found.items()})


def _walk(here: Path, top: Path) -> Iterator[tuple[Path, str]]:
    """Paths and their kinds; a folder of images, without clips or folders, is one clip."""
    ours = (it for it in here.iterdir() if it.name[0] != ".")
    inside = sorted(path for path in ours if path.name.lower() not in _SYSTEM_FILES)
    images = any(path.name.lower().endswith(_IMAGES) for path in inside)
    if images and not any(path.is_dir() or _is_clip(path) for path in inside):
        yield here, "without_patient" if top in (here, here.parent) else "clips"
        return
    for path in inside:
        if path.is_symlink():
            yield path, "links"
        elif path.is_dir():
            yield from _walk(path, top)
        elif not _is_clip(path):
            yield path, "other_files"
        else:
            yield path, "without_patient" if here == top else "clips"


def _is_clip(path: Path) -> bool:
    """By its suffix; DICOM often has none, and is known by its first bytes."""
    if path.name.lower().endswith((*_VIDEOS, *_VOLUMES)):
        return True
    if path.is_symlink() or not path.is_file() or path.name.lower().endswith(_IMAGES):
        return False
    with path.open("rb") as file:
        return is_dicom(file.read(132))


def template(
    folder: Path, grades: Sequence[str] = (), ids: Mapping[str, str] | None = None
) -> list[Label]:
    """A row for every clip of a folder: to be written, then filled in.

    Folders named like a grade give the grade; the patient is then the next folder, if there is
    one, or the id that the file states, from `ids`, by clip.
    """
    rows = []
    for clip in list_exports(folder).clips:
        folders = [name for name in clip.split("/")[:-1] if not named_like(name, SPLIT_FOLDERS)]
        grade = next(filter(None, (named_like(name, grades) for name in folders)), "")
        persons = [name for name in folders if not named_like(name, grades)]
        person = persons[0] if persons else (ids or {}).get(clip, "")
        own = "" if person == patient_of(clip) or person.startswith(_FORMULA_SIGNS) else person
        rows.append(Label(clip=clip, grade=grade, person=own))
    return rows


def find_labels(
    folder: Path, grades: Sequence[str] = (), ids: Mapping[str, str] | None = None
) -> tuple[list[Label], tuple[str, str] | None]:
    """Rows of labels.csv and None, or no rows and a finding's kind and words.

    Where there is none, the `template` is written.
    """
    path = folder / LABELS
    try:
        check_link(path, folder, LABELS)
        if path.exists():
            return read_labels(path), None
    except ValueError as error:
        return [], ("invalid label file", str(error))
    if not (rows := template(folder, grades, ids)):
        return [], ("no label file", "there is none, and no clip to list in it")
    try:
        write_labels(path, rows)
    except OSError as error:
        return [], ("no label file", f"there is none, and it cannot be written ({error})")
    empty = sum(not row.grade for row in rows)
    return [], ("no label file", f"there was none; now there is one, with {empty} empty grades")


def read_labels(path: Path) -> list[Label]:
    """Read labels.csv as spreadsheets save it: commas, semicolons or tabs, with or without a BOM.

    Columns may be in any order; only clip and grade are required; empty rows are skipped. Unknown
    columns are refused: a misspelled `first frame` would otherwise silently select the whole video.

    Raises:
        ValueError: not such a table; names line and column, what came and what is wanted.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {_SAVE_AS}")
    rows = _rows(path)
    try:
        names = _names(next(rows, (1, []))[1])
        return [_label(names, cells, line) for line, cells in rows if any(cells)]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write labels.csv atomically, with a BOM, so that spreadsheets read it as UTF-8."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(_cells(label) for label in labels)
    with replacing(path) as file:
        file.write(text.getvalue().encode("utf-8-sig"))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of each row."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        separator = max(_SEPARATORS, key=text.partition("\n")[0].count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for cells in table:
            yield table.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"not a table of text ({error}); {_SAVE_AS}") from error


def _names(header: list[str]) -> list[str]:
    names = [name.lower() for name in header]
    while names and not names[-1]:  # deleted columns leave their separators
        names.pop()
    if missing := [name for name in _REQUIRED if name not in names]:
        found = ", ".join(filter(None, names)) or "nothing"
        raise ValueError(f"line 1 lacks the column {missing[0]}: it has {found}; {_SAVE_AS}")
    if unknown := [name for name in names if name not in COLUMNS]:
        known = ", ".join(COLUMNS)
        raise ValueError(f"line 1: no column is called {unknown[0]!r}; delete it; known: {known}")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"line 1 has the column {repeated[0]} twice; delete one of them")
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
            person=texts["patient"],
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
    if text and not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):  # pandas writes 3 as 3.0
        raise _wrong(name, text, "a whole number from 0")
    return int(float(text)) if text else None


def _box(texts: Mapping[str, str]) -> Region | None:
    edges = {name: _number(texts, name) for name in BOX}
    given = {name: edge for name, edge in edges.items() if edge is not None}
    if not given:
        return None
    for name in BOX:
        if name not in given:
            raise _wrong(name, "", "all four edges of the box, or none")
    for low, high in (("left", "right"), ("top", "bottom")):
        if given[high] <= given[low]:
            raise _wrong(high, given[high], f"more than {low}, {given[low]}")
    return Region(**given)


def _wrong(column: str, came: str | int, wanted: str) -> ValueError:
    return ValueError(f"column {column}: got {came!r}, wanted {wanted}")


def _cells(label: Label) -> list[str | int | None]:
    box = [None if label.box is None else getattr(label.box, name) for name in BOX]
    clip = f"./{label.clip}" if label.clip.startswith(_FORMULA_SIGNS) else label.clip
    numbers = [label.first_frame or None, label.frames, label.narrowest_frame]
    return [clip, label.grade, label.person, label.split, *numbers, *box]
