"""De-identification: from a folder of exports to a cohort of tissue pixels, grades and pseudonyms.

Not in the paper, whose clips are not public. Nothing is copied but what is listed: pixels and scale
in `Cropped`, columns of the manifest in `_rows`, the rest in `_metadata`. As for simulated cohorts,
each file is written atomically, an interrupted run continues, and the same exports, labels,
settings and key give the same bytes.
"""

import hmac
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from csglib.data.atomic import replacing
from csglib.data.clips import GRADES, Clip, even_indices, resample, save_clip
from csglib.data.cohort import COLUMNS, Row, digest
from csglib.data.readers import read_clip
from csglib.data.split import SPLITS, check_no_overlap
from csglib.doctor.labels import SHEET, Label, list_exports
from csglib.doctor.pseudonyms import Pseudonyms, read_or_create_key
from csglib.doctor.splitting import assign_splits
from csglib.doctor.tissue import keep_tissue
from csglib.phantom.parallel import (
    begin_cohort,
    check_same_cohort,
    explain_write_errors,
    lock_folder,
    run_tasks,
    write_manifest,
)

FORMAT = 1  # changes whenever older files can no longer be read
_SIDE, _GAP, _EDGE, _HEAD, _CAPTION = 200, 4, 28, 84, 22  # of the review sheet, pixels
_BETWEEN, _LETTERS = 28, 90  # pixels between two clips; characters of a caption
_PAPER, _INK, _SOFT = 250, 29, 100  # grey levels
_TITLE = "Is there a name, a date or a number in any of these? Then do not go on."
_LEGEND = (
    "Of each clip: the middle frame; the darkest over time, where what stands still stays bright; "
    "the brightest, which shows everything that appears even once."
)


@dataclass(frozen=True, kw_only=True)
class DeidentifySettings:
    """What decides a de-identified cohort, apart from clips, labels and key.

    An invalid value raises a ValueError that names it.
    """

    frames: int = 8  # of a clip, evenly spaced over the labelled ones
    size: int = 256  # height and width of a frame, pixels
    seed: int = 0  # of the split by patient, where labels.csv has none
    grades: tuple[str, ...] = GRADES  # names, from mild to severe
    pad: bool = False  # keep all of the tissue, beside black bars, not its central square

    def __post_init__(self) -> None:
        wanted = {
            "frames": (self.frames >= 1, "1 or more"),
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "seed": (self.seed >= 0, "0 or more"),
            "grades": (len({*self.grades} - {""}) == len(self.grades) > 1, "two or more names"),
        }
        for name, (met, what) in wanted.items():
            if not met:
                raise ValueError(f"{name} must be {what}: got {getattr(self, name)}")


class Cropped(NamedTuple):
    """All that is taken from a file."""

    frames: UInt8[ndarray, "t y x"]
    mm_per_px: float | None  # None if the file does not state it
    narrowest: int | None  # index of the kept frame next to the graded one; None if unknown


def crop_clip(label: Label, folder: Path, settings: DeidentifySettings) -> Cropped:
    """Read a file and keep of the labelled frames the tissue: see `keep_tissue`.

    By default the square is cropped, not padded: black bars would tell a network which scanner was
    used, or who drew the box. A square box keeps all of it. Nothing outside a box is ever kept.

    Raises:
        ValueError: the file is unreadable, lacks what the label says, or has no known tissue.
    """
    path = folder / label.clip
    try:
        with warnings.catch_warnings(action="ignore"):  # of notes: the findings have them
            clip = read_clip(path)
        length = len(clip.frames)
        end = length if label.frames is None else label.first_frame + label.frames
        if max(label.first_frame + 1, end, (label.narrowest_frame or 0) + 1) > length:
            raise ValueError(f"labels.csv has more than its {length} frames, from 0")
        part = clip.frames[label.first_frame : end]
        tissue = keep_tissue(part, clip.region, label.box, settings.pad).frames
        whole = Clip(frames=tissue, patient="", mm_per_px=clip.mm_per_px)
        small = resample(whole, settings.frames, settings.size)
    except ValueError as error:
        words = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        raise ValueError(f"{label.clip}: {words}") from error
    narrowest = None
    if label.narrowest_frame is not None:
        kept = even_indices(len(part), settings.frames)
        narrowest = int(np.abs(kept - (label.narrowest_frame - label.first_frame)).argmin())
    return Cropped(small.frames, small.mm_per_px, narrowest)


def write_review_sheet(
    folder: Path, labels: Sequence[Label], out: Path, settings: DeidentifySettings, workers: int = 1
) -> Path:
    """Draw all clips as `deidentify` would write them, to be reviewed first; write nothing else.

    A person has to look: no program finds a name on the tissue reliably. The sheet, a PNG, stays
    in the folder of exports, for it names files. Arguments and errors are those of `deidentify`.
    """
    _check(folder, labels, out, settings, workers)
    with explain_write_errors(folder):
        views = partial(_review_images, folder=folder, settings=settings)
        clips = run_tasks(views, labels, workers, "review sheet")
        with replacing(folder / SHEET) as file:
            _draw_sheet(labels, clips).save(file, "PNG")
    return folder / SHEET


def _review_images(
    label: Label, folder: Path, settings: DeidentifySettings
) -> UInt8[ndarray, "three y x"]:
    frames = crop_clip(label, folder, settings).frames
    return np.stack([frames[len(frames) // 2], frames.min(axis=0), frames.max(axis=0)])


def _draw_sheet(
    labels: Sequence[Label], clips: Sequence[UInt8[ndarray, "three y x"]]
) -> Image.Image:
    """Two clips a line, in the order of the labels."""
    column = 3 * _SIDE + 2 * _GAP + _BETWEEN
    line = _CAPTION + _SIDE + _BETWEEN
    width, height = 2 * _EDGE + 2 * column - _BETWEEN, _HEAD + line * -(-len(clips) // 2) + _EDGE
    sheet = Image.new("L", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_EDGE, 20), f"{len(clips)} clips. {_TITLE}", _INK, ImageFont.load_default(22))
    draw.text((_EDGE, 52), _LEGEND, _SOFT, ImageFont.load_default(14))
    for number, (label, images) in enumerate(zip(labels, clips, strict=True)):
        last = "the end" if label.frames is None else label.first_frame + label.frames - 1
        name = f"{label.clip}, frames {label.first_frame} to {last}"
        x, y = _EDGE + number % 2 * column, _HEAD + number // 2 * line
        short = name if len(name) <= _LETTERS else f"...{name[3 - _LETTERS :]}"
        draw.text((x, y), short, _INK, ImageFont.load_default(13))
        for place, image in enumerate(images):
            small = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (x + place * (_SIDE + _GAP), y + _CAPTION))
    return sheet


def deidentify(
    folder: Path, labels: Sequence[Label], out: Path, settings: DeidentifySettings, workers: int = 1
) -> None:
    """Write the de-identified cohort, or what is missing of it; `read_cohort` reads it.

    Review the sheet of `write_review_sheet` first: text burned into the tissue is not removed.

    A key for pseudonyms is created in `folder` if there is none. `out` is new, empty, or begun with
    the same exports, labels, settings and key, and not in `folder`. Every label needs a grade.

    Raises:
        ValueError: labels that contradict each other, the settings or the clips, an unreadable
            clip, a damaged key, or a wrong `out`. What has been written stays.
    """
    _check(folder, labels, out, settings, workers)
    key = read_or_create_key(folder)
    metadata = _metadata(folder, labels, settings, key)
    rows = [*_rows(labels, settings, Pseudonyms(key))]
    with explain_write_errors(out):
        check_same_cohort(out, metadata)
        out.mkdir(parents=True, exist_ok=True)
        with lock_folder(out):
            begin_cohort(out, metadata, ("numpy", "pillow"))
            write = partial(_write_clip, folder=folder, out=out, settings=settings)
            # The manifest is written last: where there is one, the cohort is complete.
            write_manifest(out, run_tasks(write, rows, workers, "cohort"))
            for _, row in rows:
                _note(out, row).unlink(missing_ok=True)


def _check(
    folder: Path, labels: Sequence[Label], out: Path, settings: DeidentifySettings, workers: int
) -> None:
    if workers < 1:
        raise ValueError(f"workers must be 1 or more: got {workers}")
    if not labels:
        raise ValueError("labels.csv has no rows: there is nothing to de-identify")
    clips = {*list_exports(folder).clips}
    for label in labels:
        if label.clip not in clips:
            raise ValueError(f"{label.clip} is in labels.csv, but is not a clip in {folder}")
        if (grade := label.grade) not in settings.grades:
            known = ", ".join(settings.grades)
            raise ValueError(f"{label.clip} has the grade {grade!r}: wanted one of {known}")
    _check_split(labels, settings)
    private, public = folder.resolve(), out.resolve()
    if public.is_relative_to(private) or private.is_relative_to(public):
        raise ValueError(f"{out} and {folder} lie in one another: name a folder somewhere else")
    if out.exists() and not out.is_dir():  # said before somebody reviews the sheet
        raise ValueError(f"{out} is a file; name a folder")


def _check_split(labels: Sequence[Label], settings: DeidentifySettings) -> None:
    given = {label.split for label in labels}
    if given not in ({""}, {*SPLITS}):
        named = ", ".join(sorted(given - {""}))
        raise ValueError(
            f"labels.csv names the splits {named}{' and none' * ('' in given)}: wanted all of "
            f"{', '.join(SPLITS)} and no empty cell, or the whole column empty"
        )
    if "" not in given:
        check_no_overlap([label.patient for label in labels], [label.split for label in labels])
    assign_splits(labels, [label.patient for label in labels], settings.grades)


def _metadata(
    folder: Path, labels: Sequence[Label], settings: DeidentifySettings, key: bytes
) -> dict[str, Any]:
    """What two cohorts must have in common to be the same; keyed, so that it reveals nothing."""
    paths = [folder / label.clip for label in labels]
    sizes = [sum(it.stat().st_size for it in [*path.glob("*")] or [path]) for path in paths]
    sources = [[asdict(label), size] for label, size in zip(labels, sizes, strict=True)]
    source = hmac.digest(key, json.dumps(sources, sort_keys=True).encode(), "sha256").hex()[:16]
    what = "De-identified clips of patients, written by csglib.doctor; not for diagnosis."
    facts = {"what": what, "format": FORMAT, **asdict(settings)}
    return facts | {"graded_by": "people", "made_from": source}


def _rows(
    labels: Sequence[Label], settings: DeidentifySettings, pseudonyms: Pseudonyms
) -> Iterator[tuple[Label, Row]]:
    """Each label with its row of the manifest, as far as it is known before the file is read.

    Clips are numbered in the order of the pseudonyms, which hides that of the names. Columns that
    only a simulation has stay empty.
    """
    named = sorted(
        ((pseudonyms.name(label.patient), label) for label in labels), key=lambda pair: pair[0]
    )
    ordered, patients = [label for _, label in named], [patient for patient, _ in named]
    splits = assign_splits(ordered, patients, settings.grades, settings.seed)
    videos: dict[str, str] = {}
    for number, ((patient, label), split) in enumerate(zip(named, splits, strict=True), start=1):
        row = {
            "clip": f"clips/{number:04d}.npz",
            "patient": patient,
            "video": videos.setdefault(label.clip, f"v{len(videos) + 1:04d}"),
            "first_frame": str(label.first_frame),
            "split": split,
            "grade": label.grade,
            "grade_index": str(settings.grades.index(label.grade)),
        }
        yield label, dict.fromkeys(COLUMNS, "") | row


def _write_clip(
    task: tuple[Label, Row], folder: Path, out: Path, settings: DeidentifySettings
) -> Row:
    """Write a clip, unless an interrupted run has done so; returns its complete row."""
    label, row = task
    path, note = out / row["clip"], _note(out, row)
    if note.is_file() and path.is_file():
        written: Row = json.loads(note.read_bytes())
        if written["sha256"] == digest(path):
            return written
    frames, scale, narrowest = crop_clip(label, folder, settings)
    save_clip(Clip(frames=frames, patient=row["patient"], mm_per_px=scale), path)
    row |= {
        "narrowest_frame": "" if narrowest is None else str(narrowest),
        "mm_per_px": "" if scale is None else f"{scale:.5f}",
        "sha256": digest(path),
    }
    with replacing(note) as file:
        file.write(json.dumps(row).encode())
    return row


def _note(out: Path, row: Row) -> Path:
    """Where a clip's row is kept until the cohort is complete."""
    return (out / row["clip"]).with_name(f".{Path(row['clip']).stem}.json")
