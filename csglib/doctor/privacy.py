"""Does what was written say what the exports' names, ids, dates and tags say?

Not in the paper. No program proves that nothing does: letters drawn faintly over the tissue, or a
face, only a person sees. So look at the report's page as well.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import av
import numpy as np
import pydicom
from PIL import Image

from csglib.data.clips import hash_patient
from csglib.data.cohort import COLUMNS
from csglib.data.split import SPLITS
from csglib.doctor.labels import KEY, LABELS, PAGE
from csglib.doctor.tissue import find_overlays

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)+|[^\W_]{4,}")  # with an id's hyphens, and without
_CHANCE = re.compile(r"[0-9a-f]{1,7}")  # a pseudonym or a checksum may contain it
_OURS = f"{COLUMNS} {SPLITS} cohort manifest clips frames patient left right"
_LONG = 6  # letters: packed pixels contain shorter words by chance
_CODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def find_leaks(written: Path, exports: Path) -> list[str]:
    """Places in a folder that contain a word of the exports: "clips/0001.npz, patient: doe".

    Words are those of file and folder names, DICOM headers, tags of videos and images and texts in
    NPZ files, dates in any order, and their unkeyed hashes. Looked through are names, texts in any
    of six encodings, arrays, tags, all bytes; and of the pixels, marks that are bright and still.
    """
    words = _words(exports)
    found: dict[str, None] = {}
    for place, content in _contents(written):
        lower = content.lower()
        for word in words:
            cases = (word, word.upper())
            forms = [case.encode(it, "ignore").lower() for case in cases for it in _CODINGS]
            enough = ", bytes" not in place or len(word) >= _LONG
            if enough and any(form and form in lower for form in forms):
                found[f"{place}: {word}"] = None
    for path in sorted(written.rglob("*.npz")):
        with np.load(path) as arrays:  # of a file that cannot be read nothing is known: it raises
            frames = arrays.get("frames", np.empty(0))
            if frames.ndim == 3 and (marks := find_overlays(frames)):
                at = f"{marks[0].left}, {marks[0].top}"
                found[f"{path.relative_to(written)}, pixels: letters or marks at {at}"] = None
    return [*found]


def _words(exports: Path) -> list[str]:
    """Lower-case words."""
    own = (LABELS, KEY, PAGE)
    paths = [path for path in exports.rglob("*") if path.name[0] != "." and path.name not in own]
    texts = {str(path.relative_to(exports).with_suffix("")) for path in paths}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            texts |= {*_texts(path)}
    ours = {word.lower() for word in _WORD.findall(_OURS)}
    parts = [part for text in texts for part in (*_WORD.findall(text), *re.split(r"[\W_]", text))]
    words = {part.lower() for part in parts if len(part) > 3} - ours
    for date in [word for word in words if re.fullmatch(r"(19|20)\d{6}", word)]:
        year, month, day = date[:4], date[4:6], date[6:]
        for mark in "-./":
            words |= {mark.join((year, month, day)), mark.join((day, month, year))}
    words |= {hash_patient(text).removeprefix("patient-") for text in texts}
    return sorted(word for word in words if not _CHANCE.fullmatch(word))


def _texts(path: Path) -> Iterator[str]:
    """Texts that a file states beside its pixels; nothing where a library cannot open it."""
    with suppress(Exception), warnings.catch_warnings(action="ignore"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        yield from (str(it.value) for it in header.iterall() if it.VR not in ("SQ", "UI", "CS"))
    with suppress(Exception), Image.open(path) as image:
        yield from (str(value) for value in image.info.values() if isinstance(value, str))
    with suppress(Exception), av.open(str(path)) as video:
        yield from [
            *video.metadata.values(),
            *(v for it in video.streams for v in it.metadata.values()),
        ]
    with suppress(Exception), np.load(path) as arrays:
        yield from (str(arrays[name]) for name in arrays.files if arrays[name].dtype.kind in "US")


def _contents(written: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's name, bytes and texts, unpacked."""
    for path in sorted(written.rglob("*")):
        place = path.relative_to(written).as_posix()
        yield place, place.encode()
        if not path.is_file():
            continue
        text = path.suffix in (".csv", ".json", ".txt", ".md", ".html")
        yield (place if text else f"{place}, bytes"), path.read_bytes()
        yield from ((f"{place}, tag", it.encode()) for it in _texts(path))
        if is_zipfile(path):
            with ZipFile(path) as archive:
                yield f"{place}, comment", archive.comment
                for name in archive.namelist():
                    yield f"{place}, {name}", name.encode()
                    if name != "frames.npy":
                        yield f"{place}, {name}", archive.read(name)
