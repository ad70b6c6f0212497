"""De-identification: from a folder of exports to a cohort of tissue pixels, grades and pseudonyms.

Not in the paper, whose clips are not public. Nothing is copied but what is listed: pixels and scale
in `Cropped`, columns of the manifest in `_rows`, the rest in `_metadata`. As for simulated cohorts,
each file is written atomically, and the same exports, labels, settings and key give the same bytes.
"""

import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from csglib.data.clips import Clip, hash_patient, save_clip
from csglib.data.cohort import COLUMNS, Row, digest
from csglib.doctor.cropping import CohortSettings, crop_clip
from csglib.doctor.labels import Label
from csglib.doctor.pseudonyms import read_or_create_key
from csglib.doctor.report import Report
from csglib.doctor.splitting import assign_splits
from csglib.phantom.parallel import (
    begin_cohort,
    check_same_cohort,
    explain_write_errors,
    lock_folder,
    run_tasks,
    write_manifest,
)

FORMAT = 1  # changes whenever older files can no longer be read


def deidentify(report: Report, out: Path, workers: int = 1) -> None:
    """Write the de-identified cohort; `read_cohort` reads it.

    Review the report's page first, which shows what will be written: text burned into the tissue is
    not removed.

    A key for pseudonyms is created in the folder of exports if there is none. `out` is new, empty,
    or begun with the same exports, labels, settings and key, and not in that folder.

    Raises:
        ValueError: a finding that stops, a clip that has changed since and is unreadable, a damaged
            key, or a wrong `out`. What has been written stays.
    """
    if report.stops:
        first = report.stops[0]
        raise ValueError(f"{report.verdict} The first, {first.kind}: {first.where}, {first.what}")
    private, public = report.folder.resolve(), out.resolve()
    if public.is_relative_to(private) or private.is_relative_to(public):
        wanted = "lie in one another: name a folder somewhere else"
        raise ValueError(f"{out} and {report.folder} {wanted}")
    key = read_or_create_key(report.folder)
    metadata = _metadata(report, key)
    rows = [*_rows(report, key)]
    with explain_write_errors(out):
        check_same_cohort(out, metadata)
        out.mkdir(parents=True, exist_ok=True)
        with lock_folder(out):
            begin_cohort(out, metadata, ("numpy", "pillow"))
            settings = report.settings
            write = partial(_write_clip, folder=report.folder, out=out, settings=settings)
            # The manifest is written last: where there is one, the cohort is complete.
            write_manifest(out, run_tasks(write, rows, workers, "cohort"))


def _metadata(report: Report, key: bytes) -> dict[str, Any]:
    """What two cohorts must have in common to be the same; keyed, so that it reveals nothing."""
    paths = [report.folder / label.clip for label in report.labels]
    sizes = [sum(it.stat().st_size for it in [*path.glob("*")] or [path]) for path in paths]
    sources = [[asdict(label), size] for label, size in zip(report.labels, sizes, strict=True)]
    source = hmac.digest(key, json.dumps(sources, sort_keys=True).encode(), "sha256").hex()[:16]
    what = "De-identified clips of patients, written by csglib.doctor; not for diagnosis."
    facts = {"what": what, "format": FORMAT, **asdict(report.settings)}
    return facts | {"graded_by": "people", "made_from": source}


def _rows(report: Report, key: bytes) -> Iterator[tuple[Label, Row]]:
    """Each label with its row of the manifest, as far as it is known before the file is read.

    Clips are numbered in the order of the pseudonyms, which hides that of the names. Columns that
    only a simulation has stay empty.
    """
    settings = report.settings
    grades = settings.grades
    labels = sorted(report.labels, key=lambda label: hash_patient(label.patient, key))
    patients = [hash_patient(label.patient, key) for label in labels]
    splits = assign_splits(labels, patients, grades, settings.seed)
    videos: dict[str, str] = {}
    rows = zip(labels, patients, splits, strict=True)
    for number, (label, patient, split) in enumerate(rows, start=1):
        row = {
            "clip": f"clips/{number:04d}.npz",
            "patient": patient,
            "video": videos.setdefault(label.clip, f"v{len(videos) + 1:04d}"),
            "first_frame": str(label.first_frame),
            "split": split,
            "grade": label.grade,
            "grade_index": str(grades.index(label.grade)),
        }
        yield label, dict.fromkeys(COLUMNS, "") | row


def _write_clip(task: tuple[Label, Row], folder: Path, out: Path, settings: CohortSettings) -> Row:
    """Write a clip; returns its complete row."""
    label, row = task
    kept = crop_clip(label, folder, settings)
    scale, path = kept.mm_per_px, out / row["clip"]
    save_clip(Clip(frames=kept.frames, patient=row["patient"], mm_per_px=scale), path)
    return row | {
        "narrowest_frame": "" if kept.narrowest is None else str(kept.narrowest),
        "mm_per_px": "" if scale is None else f"{scale:.5f}",
        "sha256": digest(path),
    }
