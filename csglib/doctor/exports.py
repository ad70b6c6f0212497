"""A folder as machines and people leave it: which of what lies there are clips.

Not in the paper. `FOLDER/patient/clip.mp4`, or any other format of `csglib.data.readers`, or
`FOLDER/patient/clip/` with one picture a frame; folders between patient and clip do no harm.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LABELS = "labels.csv"  # see csglib.doctor.labels
KEY = "csglib.key"  # see csglib.doctor.pseudonyms
PAGE = "doctor.html"  # see csglib.doctor
SHEET = "cleaning.png"  # see csglib.doctor.deidentification
_OURS = (LABELS, KEY, PAGE, SHEET)
_MOVING = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".gif")
_STORED = (".dcm", ".dicom", ".ima", ".npz", ".nii", ".nii.gz")
_PICTURES = (".png", ".jpg", ".jpeg")
_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx"}  # and whatever begins with a dot


class Exports(NamedTuple):
    """What lies in a folder; paths below it, with /, in order.

    Attributes:
        clips: files and folders of pictures that should be clips; nobody has opened them.
        astray: clips without a folder of their patient, so that nobody knows whose they are.
        others: files that are no clips, by their names.
        links: not followed, wherever they lead: what lies there was not given to be read.
        unnamed: paths that a table cannot hold (odd signs, shown replaced; a
            backslash; a space at an end).
    """

    clips: tuple[str, ...]
    astray: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[str, ...]
    unnamed: tuple[str, ...]


def list_exports(folder: Path) -> Exports:
    """List a folder and all folders in it; hidden files and our own do not count.

    Args:
        folder: of exports.

    Raises:
        ValueError: there is no such folder, or one in it may not be listed; says which.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; wanted one with a folder for each patient")
    found: dict[str, list[str]] = {name: [] for name in Exports._fields}
    try:
        for path, kind in _walk(folder, folder):
            name = path.relative_to(folder).as_posix()
            if not name.isprintable() or "\\" in name or name != name.strip():
                odd = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
                found["unnamed"].append(odd)
            elif name not in _OURS:
                found[kind].append(name)
    except OSError as error:
        raise ValueError(f"{folder} cannot be listed whole: {error}") from error
    return Exports(**{kind: tuple(names) for kind, names in found.items()})


def patient_of(clip: str) -> str:
    """Whose clip it is: the first folder of its path.

    Args:
        clip: path below the folder of exports, with /.
    """
    return clip.partition("/")[0]


def _walk(here: Path, top: Path) -> Iterator[tuple[Path, str]]:
    inside = sorted(path for path in here.iterdir() if not _is_left_by_systems(path))
    in_a_patient = top not in (here, here.parent)
    if _is_reel(inside):
        yield here, "clips" if in_a_patient else "astray"
        return
    for path in inside:
        if path.is_symlink():
            yield path, "links"
        elif path.is_dir():
            yield from _walk(path, top)
        elif not _is_clip(path):
            yield path, "others"
        else:
            yield path, "astray" if here == top else "clips"


def _is_reel(inside: list[Path]) -> bool:
    """Whether a folder is a clip: some pictures, and nothing that is a clip by itself."""
    pictures = any(path.name.lower().endswith(_PICTURES) for path in inside)
    return pictures and not any(path.is_dir() or _is_clip(path) for path in inside)


def _is_clip(path: Path) -> bool:
    """By its name; DICOM often has no suffix, and then says what it is behind 128 bytes."""
    if path.name.lower().endswith((*_MOVING, *_STORED)):
        return True
    if path.is_symlink() or not path.is_file() or path.name.lower().endswith(_PICTURES):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_left_by_systems(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFT_BY_SYSTEMS
