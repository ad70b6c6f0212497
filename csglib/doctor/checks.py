"""Kinds of findings, and the checks that find them: each a function of an `Examination`.

Source: section 3, "Dataset and Implementations", for one of them: a split "at the patient level
with no overlap". The others are ours.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import NamedTuple

from csglib.data.split import SPLITS
from csglib.doctor.examination import Examination, Span
from csglib.doctor.labels import LABELS, SPLIT_FOLDERS, named_like, patient_of
from csglib.doctor.shortcuts import find_shortcuts
from csglib.doctor.splitting import assign_splits

ALL = "the folder"  # where a finding is about all of it
MAX_SCALE_RATIO = 1.5  # of the largest to the smallest pixel
_MAX_IMBALANCE = 4  # times as many clips of one grade as of another
_MIN_COLOURED = 0.005  # of a frame: a lumen of 40 pixels in an image of 640 x 480
_MIN_SHARE = 0.9  # of the brightness of what moves
_MIN_CONTRAST = 20  # grey levels
_MIN_CHANGE = 0.001  # of the pixels: a clock beside a frozen image changes fewer
_MAX_ZOOM = 4  # times


class Kind(NamedTuple):
    """A kind of finding: why it matters, and what to do."""

    why: str
    advice: str


KINDS = {
    # files
    "no clips": Kind("there is nothing to train on", "put clips into a folder for each patient"),
    "unreadable": Kind("it cannot be trained on", "do what the message says, or remove it"),
    "not a clip": Kind("it is left out", "nothing, unless it should be one"),
    "no patient folder": Kind("it is left out", "move it to PATIENT/ or PATIENT/CLIP/"),
    "link": Kind("links are not followed, so it is left out", "copy the file itself here"),
    "invalid name": Kind("it is left out", "rename it: letters, digits, - and _; no outer spaces"),
    # labels
    "no label file": Kind("without grades there is no training", "fill in the grades, run again"),
    "invalid label file": Kind("no grade can be read", "do what the message says, run again"),
    "no label": Kind("it is left out", "give it a row in labels.csv, or leave it"),
    "no grade": Kind("it cannot be trained on", "fill it in, or delete the row"),
    "unknown grade": Kind("it would be a class of its own", "correct it, or add it to --grades"),
    "no such clip": Kind("its grade is lost", "correct the path, or delete the row"),
    "out of range": Kind("there is nothing there", "correct the numbers; both count from 0"),
    "duplicate row": Kind("it would count twice, or with two grades", "delete one of the rows"),
    "overlapping rows": Kind("the same frames count twice", "keep one, or move them apart"),
    "too few frames": Kind("the network sees more", "take a longer clip, or lower --frames"),
    # split and class balance
    "missing grade": Kind("one grade alone cannot be classified", "add clips of that grade"),
    "class imbalance": Kind(
        "always predicting the majority class would look good",
        "add clips of the rare grade; read sensitivity beside accuracy",
    ),
    "no patient": Kind(
        "one patient could be in several splits, and a split could lack a grade",
        "fill in the column patient; where each clip is of another one, copy the column clip",
    ),
    "too few patients": Kind(
        "training needs every grade, and a test on one patient has no interval",
        "add patients, or fill in the column split",
    ),
    "incomplete split": Kind("a split holds for all clips or none", "fill in all rows, or none"),
    "empty split": Kind("training, validation and test are all needed", "give it patients"),
    "split leak": Kind(
        "a network that memorises it passes the test",
        "put all clips of a patient, and all copies of a clip, into one split",
    ),
    "same patient id": Kind(
        "one patient could be in several splits",
        "move the clips into one folder, or name the patient in labels.csv",
    ),
    "shortcut": Kind("a network may learn it, not the vessel", "export all clips alike"),
    # duplicates
    "duplicate": Kind("one clip counts twice, perhaps in two splits", "delete one of the two"),
    "near-duplicate": Kind(
        "the same frames count twice, perhaps in two splits", "keep one, or both in one split"
    ),
    "similar view": Kind("perhaps one patient in two folders", "if so, give both one patient"),
    # images
    "colour": Kind(
        "the network sees grey, and colour Doppler hides the lumen",
        "export it without colour; --deidentify removes coloured text beside the tissue",
    ),
    "several images": Kind(
        "only the one that moves most is kept", "give it a box in labels.csv, or export one alone"
    ),
    "tissue lost": Kind(
        "what is cut off may be what was graded; see the pictures",
        "add --pad, give it a box in labels.csv, or export it without what surrounds it",
    ),
    "blank": Kind("there is next to nothing to see", "look at it, correct its box, or delete it"),
    "overlay": Kind(
        "a network learns calipers and letters, not the vessel; letters may be a name",
        "export it without overlays, or give it a box in labels.csv",
    ),
    "no motion": Kind("all frames are the same: nothing moves", "export the moving loop"),
    "read with changes": Kind(
        "the file contradicts itself, or leaves it open", "look at its frames"
    ),
    "no pixel size": Kind("lengths in mm are unknown; grades need none", "if needed, export DICOM"),
    "image sizes differ": Kind("frames are shrunk differently", "use the same export settings"),
    "pixel sizes differ": Kind("the same vessel differs in size", "use the same imaging depth"),
    "small tissue region": Kind("enlarged, it blurs", "export it larger, or lower --image-size"),
}


class Finding(NamedTuple):
    """Something to look at."""

    kind: str  # one of `KINDS`
    where: str  # path of a file, a clip or a patient below the folder; `ALL` for all of it
    what: str
    stops: bool = False  # training should not start; otherwise a warning


Findings = Iterator[Finding]


def find_all(exam: Examination) -> list[Finding]:
    """The findings of all checks, each once; those that stop training come first."""
    found = dict.fromkeys(finding for check in CHECKS for finding in check(exam))
    return sorted(found, key=lambda finding: not finding.stops)


def files(exam: Examination) -> Findings:
    """Clips that cannot be read, and files that are left out."""
    if not exam.records:
        yield Finding("no clips", ALL, f"none of {len(exam.unreadable)} clips can be read", True)
    for clip, why in exam.unreadable.items():
        yield Finding("unreadable", clip, why, exam.is_used(clip))
    for kind, paths, what in (
        ("not a clip", exam.exports.other_files, "not a file type that holds clips"),
        ("no patient folder", exam.exports.without_patient, "not in a patient's folder"),
        ("link", exam.exports.links, "a symbolic link"),
        ("invalid name", exam.exports.invalid_names, "characters that tables cannot hold"),
    ):
        for path in paths:
            yield Finding(kind, path, what)


def label_file(exam: Examination) -> Findings:
    """A label file that is missing or invalid; rows without clips, and clips without rows."""
    if exam.label_error:
        kind, what = exam.label_error
        yield Finding(kind, LABELS, what, True)
    clips = exam.exports.clips
    for clip in dict.fromkeys(row.clip for row in exam.labels):
        if clip not in clips:
            what = f"in {LABELS}, but not in the folder{_suggestion(clip, clips)}"
            yield Finding("no such clip", clip, what, True)
    for clip in exam.records:
        if not exam.is_used(clip):
            yield Finding("no label", clip, f"not in {LABELS}")


def grades(exam: Examination) -> Findings:
    """Rows without a grade, or with one that is not among the known."""
    for row in exam.labels:
        if not row.grade:
            yield Finding("no grade", row.clip, "its grade is empty", True)
        elif row.grade not in exam.grades:
            known = f"{', '.join(exam.grades)}{_suggestion(row.grade, exam.grades)}"
            yield Finding("unknown grade", row.clip, f"{row.grade!r}; known are {known}", True)


def out_of_range(exam: Examination) -> Findings:
    """Rows with frames or a box that the clip does not have."""
    for row in exam.labels:
        if row.clip not in exam.records:
            continue
        (frames, height, width), box = exam.records[row.clip].shape, row.box
        last = max(row.first_frame + (row.frames or 1) - 1, row.narrowest_frame or 0)
        if last >= frames:
            what = f"frame {last} is labelled, and the last is {frames - 1}"
            yield Finding("out of range", row.clip, what, True)
        if box and (box.right > width or box.bottom > height):
            what = f"a box to {box.right}, {box.bottom} in an image of {width} x {height}"
            yield Finding("out of range", row.clip, what, True)


def row_overlaps(exam: Examination) -> Findings:
    """Clips with several rows of the same frames, or with frames in common."""
    for clip in exam.records:
        spans = sorted(Span(*span[:2]) for span in exam.spans(clip))
        for span, count in Counter(spans).items():
            if count > 1:
                yield Finding("duplicate row", clip, f"{count} rows of {span}", True)
        for one, other in combinations(sorted({*spans}), 2):
            if other.first < one.end:
                yield Finding("overlapping rows", clip, f"{one}, and {other}")


def class_balance(exam: Examination) -> Findings:
    """Grades without clips, in all or in a split, and grades with few."""
    rows = [row for row in exam.labels if row.grade in exam.grades and row.clip in exam.records]
    for split in ("", *SPLITS):
        graded = [row.grade for row in rows if split in ("", row.split)]
        counts = {grade: graded.count(grade) for grade in exam.grades}
        words = ", ".join(f"{grade} {count}" for grade, count in counts.items())
        what = f"{f'in {split}: ' * bool(split)}clips of each grade: {words}"
        if graded and not min(counts.values()):
            yield Finding("missing grade", ALL, what, stops=not split)
        elif graded and not split and max(counts.values()) > _MAX_IMBALANCE * min(counts.values()):
            yield Finding("class imbalance", ALL, what)


def split_column(exam: Examination) -> Findings:
    """A split that is given for some rows only or leaves one empty; too few patients for one."""
    rows, given = exam.labels, [row.split for row in exam.labels if row.split]
    if 0 < len(given) < len(rows):
        what = f"{len(rows) - len(given)} of {len(rows)} rows have none"
        yield Finding("incomplete split", ALL, what, True)
    elif given:
        for split in sorted({*SPLITS} - {*given}):
            yield Finding("empty split", ALL, f"no clip is for {split}", True)
    if rows and (not given or {*given} == {*SPLITS}):
        usable = [row for row in rows if row.clip in exam.records] or rows
        wanted = {row.grade for row in usable} & {*exam.grades}
        try:
            assign_splits(usable, [row.patient for row in usable], wanted)
        except ValueError as error:
            yield Finding("too few patients", ALL, str(error), True)


def class_folders(exam: Examination) -> Findings:
    """Folders of a classifier, GRADE/clip or SPLIT/GRADE/clip, that stand for patients."""
    grades: dict[str, set[str]] = defaultdict(set)
    for row in exam.labels:
        if not row.person:
            grades[patient_of(row.clip)].add(row.grade)
    for folder, found in grades.items():
        if len(found) == 1 and named_like(folder, found):
            yield Finding("no patient", folder, "named like the one grade in it: no patient", True)
        elif named_like(folder, SPLIT_FOLDERS):
            yield Finding("no patient", folder, "named like a split: no patient", True)


def patients_in_splits(exam: Examination) -> Findings:
    """Patients who are in several splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in exam.labels:
        splits[row.patient] |= {row.split} - {""}
    for patient, found in splits.items():
        if len(found) > 1:
            what = f"this patient is in {' and in '.join(sorted(found))}"
            yield Finding("split leak", patient, what, True)


def patient_ids(exam: Examination) -> Findings:
    """Files in several patients' folders that state the same patient id.

    An id that half of the folders share is only a warning: it is a placeholder, such as ANONYMOUS.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for clip, record in exam.records.items():
        if record.patient_id and exam.is_used(clip):
            found[record.patient_id].append(clip)
    total = len(set().union(*map(exam.patients, exam.records)))
    for clips in found.values():
        folders = {min(exam.patients(clip)): clip for clip in reversed(clips)}
        stops = 2 * len(folders) < total
        for clip in sorted(folders.values()):
            if not exam.same_split(clip, clips[0]):
                what = f"the file states the same patient id as {clips[0]}"
                yield Finding("same patient id", clip, what, stops)


def shortcuts(exam: Examination) -> Findings:
    """What tells the grade without a look at the tissue."""
    yield from (Finding("shortcut", ALL, what) for what in find_shortcuts(exam))


def duplicates(exam: Examination) -> Findings:
    """Clips with the same pixels, or with frames in common."""
    first: dict[str, str] = {}  # of the clips with the same digest
    for clip, record in exam.records.items():
        if (other := first.setdefault(record.digest, clip)) != clip:
            yield _pair(exam, "duplicate", clip, other, f"has the same pixels as {other}")
    clips = [*exam.records]  # what the indices of a pair refer to
    for pair in exam.near_duplicates:
        other, clip = clips[pair.first], clips[pair.second]
        if {other, clip} <= {*first.values()} and not pair.same_frames:
            if not exam.same_split(clip, other):
                yield Finding("similar view", clip, f"looks like {other}, but shares no frame")
        elif {other, clip} <= {*first.values()}:
            part = "all" if pair.fraction == 1 else f"about {pair.fraction:.0%}"
            what = f"shares {part} of its frames with {other}{', mirrored' * pair.mirrored}"
            yield _pair(exam, "near-duplicate", clip, other, what)


def _pair(exam: Examination, kind: str, clip: str, other: str, what: str) -> Finding:
    """It stops training if the two could end up in different splits, or have different grades."""
    grades, splits = (
        [exam.values(each, column) for each in (clip, other)] for column in ("grade", "split")
    )
    leak = "" not in splits[0] | splits[1] and all(splits) and splits[0] != splits[1]
    contradiction = kind == "duplicate" and all(grades) and grades[0] != grades[1]
    for differ, values in ((leak, splits), (contradiction, grades)):
        if differ:
            here, there = ("/".join(sorted(names)) for names in values)
            what += f", {here} here and {there} there"
    used = exam.is_used(clip) and exam.is_used(other)
    stops = used and (contradiction or not exam.same_split(clip, other))
    return Finding("split leak" if leak else kind, clip, what, stops)


def images(exam: Examination) -> Findings:
    """Colour, several images, burned-in overlays, unknown pixel sizes."""
    for clip, record in exam.records.items():
        spans = exam.spans(clip)
        if record.mm_per_px is None:
            yield Finding("no pixel size", clip, "the file states none")
        for note in record.notes:
            yield Finding("read with changes", clip, note)
        if max(record.changes, default=0) < _MIN_CHANGE:
            continue  # a still: see `key_clips`
        if record.coloured >= _MIN_COLOURED:
            yield Finding("colour", clip, f"{record.coloured:.1%} of a frame is coloured")
        if record.images > 1 and not all(span.box for span in spans):
            yield Finding("several images", clip, f"{record.images} on one screen")
        boxes = [span.box or record.tissue for span in spans]
        # A line around the tissue is not within it.
        within = [it for it in record.overlays if any(it.intersection(box) == it for box in boxes)]
        if within:
            at = f"{within[0].left}, {within[0].top}"
            yield Finding("overlay", clip, f"{len(within)} bright and still, the first at {at}")


def kept(exam: Examination) -> Findings:
    """Clips of which cleaning would cut off much, or keep what is all white, black or grey."""
    for clip, record in exam.records.items():
        several = record.images > 1 and not all(span.box for span in exam.spans(clip))
        least = min((it.share for it in record.previews), default=1)
        if least < _MIN_SHARE and not several:
            what = f"cleaning keeps {least:.0%} of the brightness of what moves"
            yield Finding("tissue lost", clip, what)
        contrast = min((it.contrast for it in record.previews), default=255)
        if contrast < _MIN_CONTRAST:
            what = f"what is kept has a contrast of {contrast} grey levels of 255"
            yield Finding("blank", clip, what, exam.is_used(clip))


def key_clips(exam: Examination) -> Findings:
    """Key clips with fewer frames than the network sees, or in which nothing moves."""
    for clip, record in exam.records.items():
        used = exam.is_used(clip)
        for span in exam.spans(clip):
            if (count := span.end - span.first) < exam.frames:
                what = f"{count} of {exam.frames} frames: {span}"
                yield Finding("too few frames", clip, what, used)
            changes = record.changes[span.first : span.end - 1]
            if changes and max(changes) < _MIN_CHANGE:
                yield Finding("no motion", clip, f"{span} are the same", used)


def sizes(exam: Examination) -> Findings:
    """Images or pixels of several sizes, and tissue or boxes that would be enlarged very much."""
    used = [record for clip, record in exam.records.items() if exam.is_used(clip)]
    counts = Counter(record.shape[1:] for record in used).most_common()
    if len(counts) > 1:
        words = [f"{x} x {y} ({count} clip{'s' * (count > 1)})" for (y, x), count in counts]
        yield Finding("image sizes differ", ALL, ", ".join(words))
    scales = sorted(record.mm_per_px for record in used if record.mm_per_px)
    if scales and scales[-1] > MAX_SCALE_RATIO * scales[0]:
        what = f"from {scales[0]:.3g} to {scales[-1]:.3g} mm per pixel"
        yield Finding("pixel sizes differ", ALL, what)
    for clip, record in exam.records.items():
        boxes = [span.box or record.tissue for span in exam.spans(clip)]
        shapes = [(box.right - box.left, box.bottom - box.top) for box in boxes]
        width, height = min(shapes, key=min)
        if min(width, height) * _MAX_ZOOM < exam.size:
            what = f"{width} x {height} pixels of tissue, enlarged to {exam.size}"
            yield Finding("small tissue region", clip, what)


def _suggestion(came: str, known: Sequence[str]) -> str:
    close = get_close_matches(came, known, 1)
    return f"; perhaps {close[0]}" if close else ""


CHECKS: tuple[Callable[[Examination], Findings], ...] = (
    files, label_file, grades, out_of_range, row_overlaps, key_clips,
    class_balance, split_column, class_folders, patients_in_splits, patient_ids,
    shortcuts, duplicates, images, kept, sizes,
)  # fmt: skip
