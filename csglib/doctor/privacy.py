"""Does what was written say what the exports' names, ids, dates and tags say?

Not in the paper. No program proves that nothing does: letters drawn faintly over the tissue, or a
face, only a person sees. So look at the report's page as well.
"""

import re
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import av
import numpy as np
import pydicom
from PIL import Image

from csglib.data.cohort import COLUMNS
from csglib.data.readers import is_dicom
from csglib.data.readers.limits import as_clip_error
from csglib.data.readers.npz import read_npz
from csglib.data.readers.video import container_of
from csglib.data.split import SPLITS
from csglib.doctor.labels import OWN
from csglib.doctor.tissue import find_overlays

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)+|[^\W_]{4,}")  # with an id's hyphens, and without
_CHANCE = re.compile(r"[0-9a-f]{1,7}")  # a pseudonym or a checksum may contain it
_OURS = f"{COLUMNS} {SPLITS} cohort manifest clips frames patient left right"
_LONG = 6  # letters: packed pixels contain shorter words by chance
_CODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def refuse_leaks(written: Path, words: Collection[str]) -> None:
    """Raise a ValueError if `find_leaks` finds any; it names the places."""
    if leaks := find_leaks(written, words):
        what = "tells of its source; see to these places, and delete it:"
        raise ValueError("\n  ".join([f"{written} {what}", *leaks[:20]]))


def find_leaks(written: Path, words: Collection[str]) -> list[str]:
    """Places in a folder that contain one of the words: "clips/0001.npz, patient: doe".

    Looked through are names, texts in any of six encodings, arrays, tags, all bytes; and of the
    pixels, marks that are bright and still. A file that cannot be read raises a ValueError.
    """
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
        if marks := find_overlays(read_npz(path).frames):
            at = f"{marks[0].left}, {marks[0].top}"
            found[f"{path.relative_to(written)}, pixels: letters or marks at {at}"] = None
    return [*found]


def private_words(exports: Path) -> list[str]:
    """Lower-case words of a folder of exports, which nothing that is made of it may contain.

    They are those of file and folder names, DICOM headers, tags of videos and images and texts in
    NPZ files, dates in any order, and their unkeyed hashes. A file that cannot be opened raises a
    ValueError: what it says of a patient is not known.
    """
    inside = {path: path.relative_to(exports) for path in exports.rglob("*")}
    paths = [
        path
        for path, below in inside.items()
        if path.name not in OWN and not any(part[0] == "." for part in below.parts)
    ]
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
    words |= {sha256(text.encode(errors="surrogateescape")).hexdigest()[:8] for text in texts}
    return sorted(word for word in words if not _CHANCE.fullmatch(word))


def _texts(path: Path) -> list[str]:
    """Texts that a file states beside its pixels; none of a file of another kind."""
    wrong = f"{path}: cannot be searched for names; mend it, or move it somewhere else"
    with as_clip_error(wrong), path.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if is_dicom(head):
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            return [str(it.value) for it in header.iterall() if it.VR not in ("SQ", "UI", "CS")]
        if head.startswith(_IMAGES):
            with Image.open(file) as image:
                return [str(it) for it in image.info.values() if isinstance(it, str | bytes)]
        if head[:2] == b"PK":
            with np.load(file) as arrays:
                return [str(it) for it in map(np.asarray, arrays.values()) if it.dtype.kind in "US"]
        if container := container_of(head):
            with av.open(file, "r", container, metadata_errors="ignore") as video:
                tags = [video.metadata, *(stream.metadata for stream in video.streams)]
                return [text for each in tags for text in each.values()]
    return []


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
                    packed = name.encode() + archive.read(name) * (name != "frames.npy")
                    yield f"{place}, {name}", packed
