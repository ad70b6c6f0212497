"""A de-identified cohort has tissue, grades and pseudonyms; of names, ids and dates no byte."""

import csv
import json
import shutil
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from clip_files import folder, region, saved, simulated, ultrasound, video
from filelock import FileLock
from PIL import Image, PngImagePlugin

from csglib import Clip, read_clip, resample
from csglib.data.clips import Region, hash_patient, save_clip
from csglib.data.cohort import COLUMNS, read_cohort, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.doctor import deidentification
from csglib.doctor.deidentification import DeidentifySettings as Settings
from csglib.doctor.deidentification import crop_clip, deidentify, write_review_sheet
from csglib.doctor.labels import KEY, SHEET, Label
from csglib.doctor.tissue import find_tissue
from csglib.table1.pretrain import read_frames

from .conftest import on_screen

NAME, NUMBER, BORN, HOUSE = "Jörgensen", "PX-4711-98", "19610203", "Waldklinik"
TISSUE = Region(60, 50, 188, 178)  # where it is on the screen
SMALL = Settings(frames=4, size=32)


@pytest.fixture(scope="module")
def tissues(cohort):
    """Clips of 8 frames of 128 x 128, all different."""
    return [resample(Clip(frames=frames, patient=""), 8, 128).frames for frames in cohort[:6]]


def screen(tissue, lines=(f"{NAME} {NUMBER} {BORN}", f"{HOUSE}  *{BORN}")):
    return on_screen(tissue, lines, (240, 200), TISSUE)


def as_npz(frames, path):
    truth = replace(simulated(len(frames)).truth, parameters={"of": NAME})
    save_clip(Clip(frames=frames, patient=NAME, mm_per_px=0.1, truth=truth), path)


def as_video(frames, path, *args, **options):
    named = {"title": f"{NAME} {NUMBER}", "comment": HOUSE, "date": BORN}
    video(frames, path, *args, metadata=named, **options)


def as_images(frames, path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Patient", f"{NAME} {BORN}")
    folder(frames, path, stem=NAME, pnginfo=notes)


def as_dicom(frames, path, box=None):
    names = {"PatientName": NAME, "PatientID": NUMBER, "InstitutionName": HOUSE}
    dates = {"PatientBirthDate": BORN, "StudyDate": BORN}
    dataset = ultrasound(frames, SpecificCharacterSet="ISO_IR 192", **names, **dates)
    if box:
        edges = {"MinX0": box.left, "MinY0": box.top, "MaxX1": box.right - 1}
        edges |= {"MaxY1": box.bottom - 1}
        stated = region(dataset, **{f"RegionLocation{edge}": at for edge, at in edges.items()})
        dataset.SequenceOfUltrasoundRegions = [stated]
    saved(dataset, path)


LOSSLESS = {
    "clip.npz": as_npz,
    "clip.dcm": as_dicom,
    "stated.dcm": partial(as_dicom, box=Region(0, 0, 240, 200)),
    "images": as_images,
    "clip.mkv": partial(as_video, codec="ffv1", pixels="gray"),
}
FORMATS = LOSSLESS | {"clip.mp4": partial(as_video, codec="libx264", pixels="yuv420p", crf="20")}
LABELS = [  # folders and files whose names identify a patient
    Label(clip=f"{NAME}^Inga {at}/{HOUSE}/{NUMBER} {BORN} {name}", grade=("mild", "severe")[at % 2])
    for at, name in enumerate(FORMATS)
]
ROWS = [
    replace(LABELS[0], first_frame=1, frames=6, narrowest_frame=4),
    *LABELS[1:],
    replace(LABELS[3], first_frame=2),
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory, tissues):
    """A clip in each format, each of another patient. Copy it; do not change it."""
    folder = tmp_path_factory.mktemp("in") / f"exports {HOUSE}"
    for label, write, tissue in zip(LABELS, FORMATS.values(), tissues, strict=True):
        (folder / label.clip).parent.mkdir(parents=True)
        write(screen(tissue), folder / label.clip)
    return folder


@pytest.fixture(scope="module")
def written(exports, tmp_path_factory):
    """What becomes of `ROWS`. Copy it; do not change it."""
    out = tmp_path_factory.mktemp("out") / "cohort"
    before = contents(exports)
    deidentify(exports, ROWS, out, SMALL)
    key = (exports / KEY).read_bytes()
    assert contents(exports) == before | {KEY: key}
    assert key not in b"".join(contents(out).values())
    return out


def everything(folder):
    """Name and bytes of each file, and of all that is packed in one."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.name, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as packed:
                    for name in packed.namelist():
                        yield f"{path.name}: {name}", name.encode() + packed.read(name)


def leaks(folder, exports):
    """Places with a name, number, date, path or hash of the exports, in any of five encodings."""
    texts = {NAME, NUMBER, BORN, HOUSE, "1961-02-03", "Inga", str(exports.parent)}
    texts |= {hash_patient(text) for text in (NAME, NUMBER)}
    texts |= {read_clip(path).patient for path in exports.glob("*/*/*")}
    kinds = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le")
    cases = {case for text in texts for case in (text, text.lower(), text.upper())}
    forms = {case.encode(kind) for case in cases for kind in kinds}
    return {name for name, content in everything(folder) if any(form in content for form in forms)}


def rows_of(out):
    with (out / "manifest.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# --- what is written


def test_no_byte_identifies_a_patient(exports, written):
    found = {name.rpartition(".")[2] for name in leaks(exports, exports) if "/" not in name}
    assert found >= {"dcm", "png", "mkv", "mp4", "npy"}
    assert leaks(written.parent, exports) == set()


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=[*FORMATS])
def test_the_pixels_are_those_of_a_screen_without_text(exports, tissues, number):
    found = find_tissue(read_clip(exports / LABELS[number].clip).frames)
    assert found.intersection(TISSUE) == found
    wanted = small(found.crop(screen(tissues[number], lines=())))
    cropped = crop_clip(LABELS[number], exports, SMALL).frames
    if number < len(LOSSLESS):
        np.testing.assert_array_equal(cropped, wanted)
    assert np.abs(cropped.astype(int) - wanted).max() < 40
    assert np.abs(cropped.astype(int) - wanted).mean() < 3


def test_only_what_is_listed_is_written(written):
    clips = [f"clips/{number:04d}.npz" for number in range(1, len(ROWS) + 1)]
    assert sorted(contents(written)) == [".lock", *clips, "cohort.json", "manifest.csv"]
    assert (written / ".lock").read_bytes() == b""
    for name in clips:
        with zipfile.ZipFile(written / name) as packed:
            assert {*packed.namelist()} <= {"frames.npy", "patient.npy", "mm_per_px.npy"}
            assert {member.date_time for member in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    metadata = json.loads((written / "cohort.json").read_text())
    assert {*metadata} == {
        "what", "format", "frames", "size", "seed", "grades", "graded_by", "made_from",
        "made_with", "columns_of_the_manifest", "pad",
    }  # fmt: skip
    assert metadata["grades"] == ["mild", "severe"]
    rows = rows_of(written)
    assert [row["clip"] for row in rows] == clips
    filled = {"clip", "patient", "video", "first_frame", "split", "grade", "grade_index", "sha256"}
    for row in rows:
        assert {*row} == {*COLUMNS}
        assert {name for name in row if row[name]} - {"narrowest_frame", "mm_per_px"} == filled
    assert sum(bool(row["narrowest_frame"]) for row in rows) == 1
    with pytest.raises(ValueError, match=f"{written} has .* single frames: .* graded by people"):
        read_frames(written)


def test_clips_are_in_the_order_of_the_pseudonyms(exports, written, tmp_path):
    deidentify(exports, ROWS[::-1], tmp_path / "other", SMALL)
    one, other = rows_of(written), rows_of(tmp_path / "other")
    patients = [row["patient"] for row in one]
    assert patients == sorted(patients) == [row["patient"] for row in other]
    assert len({*patients}) == len({row["video"] for row in one}) == len(LABELS)
    (both,) = [name for name in {*patients} if patients.count(name) > 1]
    pair = [row for row in one if row["patient"] == both]
    assert len({row["video"] for row in pair}) == len({row["split"] for row in pair}) == 1
    assert {row["split"] for row in one} == {"train", "validation", "test"}


# --- regions, boxes, scales, frames


@pytest.fixture
def own(tmp_path):
    """A folder with a patient, to write clips into."""
    (tmp_path / "own" / "p").mkdir(parents=True)
    return tmp_path / "own"


def crop(folder, name, size=32, **row):
    settings = Settings(frames=4, size=size)
    return crop_clip(Label(clip=name, grade="mild", **row), folder, settings)


def small(frames):
    return resample(Clip(frames=frames, patient=""), 4, 32).frames


def test_a_stated_region_is_kept_if_it_is_the_smaller(own, tissues):
    inner = Region(80, 60, 160, 150)
    frames = screen(tissues[0])
    as_dicom(frames, own / "p/a.dcm", inner)
    cropped = crop(own, "p/a.dcm")
    assert cropped.mm_per_px == pytest.approx(0.0679 * 80 / 32)
    np.testing.assert_array_equal(cropped.frames, small(inner.crop(frames)))


def test_nothing_outside_a_box_or_the_tissue_is_kept(own, tissues):
    frames = screen(tissues[0])
    as_npz(frames, own / "p/a.npz")
    box = Region(110, 80, 150, 120)
    cropped = crop(own, "p/a.npz", box=box)
    wanted = small(box.crop(frames))
    np.testing.assert_array_equal(cropped.frames, wanted)
    assert cropped.mm_per_px == pytest.approx(0.1 * 40 / 32)
    broad = crop(own, "p/a.npz", box=Region(95, 80, 165, 120))  # of which the middle is kept
    np.testing.assert_array_equal(broad.frames[..., 2:-2], wanted[..., 2:-2])
    wide = crop(own, "p/a.npz", box=Region(0, 0, 240, 200))
    np.testing.assert_array_equal(wide.frames, crop(own, "p/a.npz").frames)
    for box, words in (
        (Region(0, 0, 50, 40), "its box, columns 0 to 49, rows 0 to 39, has no tissue"),
        (Region(0, 0, 241, 200), "columns 0 to 240, .* does not lie within frames"),
    ):
        with pytest.raises(ValueError, match=rf"p/a\.npz: {words}"):
            crop(own, "p/a.npz", box=box)


@pytest.mark.parametrize("write", [as_npz, LOSSLESS["stated.dcm"]])
def test_a_still_needs_a_box(own, tissues, write):
    frames = np.repeat(screen(tissues[0])[:1], 6, axis=0)
    write(frames, own / "p/a")
    with pytest.raises(ValueError, match=r"p/a: nothing in it moves, .* give it a box"):
        crop(own, "p/a")
    box = Region(100, 80, 150, 130)
    np.testing.assert_array_equal(crop(own, "p/a", 50, box=box).frames, box.crop(frames)[:4])


def test_the_tissue_is_that_of_the_labelled_frames(own, tissues):
    """A recorder that also recorded a list of other patients moves everywhere."""
    rng = np.random.default_rng(0)
    after = rng.integers(0, 255, (8, 200, 240), dtype=np.uint8)
    as_npz(np.concatenate([screen(tissues[0]), after]), own / "p/long.npz")
    as_npz(screen(tissues[0]), own / "p/short.npz")
    long = crop(own, "p/long.npz", frames=8)
    np.testing.assert_array_equal(long.frames, crop(own, "p/short.npz").frames)


def test_frames_are_those_of_the_label_and_the_narrowest_stays_known(own, tissues):
    video = np.concatenate(tissues[:3])
    save_clip(Clip(frames=video, patient=""), own / "p/a.npz")
    cropped = crop(own, "p/a.npz", 128, first_frame=3, frames=13, narrowest_frame=11)
    np.testing.assert_array_equal(cropped.frames, video[[3, 7, 11, 15]])
    assert (cropped.narrowest, cropped.mm_per_px) == (2, None)
    cropped = crop(own, "p/a.npz", 128, first_frame=20, narrowest_frame=22)
    np.testing.assert_array_equal(cropped.frames, video[20:24])
    assert cropped.narrowest == 2
    with pytest.raises(ValueError, match=r"p/a\.npz: asked for 4 frames of a clip that has 3"):
        crop(own, "p/a.npz", frames=3)
    for row in ({"frames": 25}, {"first_frame": 24}, {"narrowest_frame": 24}):
        with pytest.raises(ValueError, match=r"p/a\.npz: labels\.csv has more than its 24 frames"):
            crop(own, "p/a.npz", **row)


def test_a_clip_that_cannot_be_read_is_named(own):
    (own / "p/cut.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"^p/cut\.npz: (?!.*cut)"):
        crop(own, "p/cut.npz")


# --- interrupted, repeated, in parallel


def test_an_interrupted_run_continues_and_gives_the_same_bytes(
    exports, written, tmp_path, monkeypatch
):
    cropped = []

    def save(clip, path):
        if len(cropped) == 4:
            raise KeyboardInterrupt
        save_clip(clip, path)

    def counted(label, *rest):
        cropped.append(label.clip)
        return crop_clip(label, *rest)

    monkeypatch.setattr(deidentification, "crop_clip", counted)
    with monkeypatch.context() as patched:
        patched.setattr(deidentification, "save_clip", save)
        with pytest.raises(KeyboardInterrupt):
            deidentify(exports, ROWS, tmp_path, SMALL)
    assert len(cropped) == 4
    assert not (tmp_path / "manifest.csv").exists()
    (tmp_path / "clips/.0009.npz.77.part").write_bytes(b"half")
    (tmp_path / "clips/0002.npz").write_bytes(b"spoiled")
    deidentify(exports, ROWS, tmp_path, SMALL)
    assert len(cropped) == len(ROWS) + 2  # twice: the interrupted and the spoiled one
    assert contents(tmp_path) == contents(written)


def test_workers_and_damage_change_nothing_and_another_key_all_names(
    exports, written, tmp_path, no_processes
):
    before = contents(written)
    deidentify(exports, ROWS, tmp_path / "two", SMALL, workers=2)
    assert contents(tmp_path / "two") == before
    (tmp_path / "two/clips/0002.npz").write_bytes(b"spoiled")
    (tmp_path / "two/clips/0005.npz").unlink()
    (tmp_path / "two/manifest.csv").write_text(NAME)
    deidentify(exports, ROWS, tmp_path / "two", SMALL)  # writes them again
    assert contents(tmp_path / "two") == before
    copy = shutil.copytree(exports, tmp_path / "copy")
    (copy / KEY).write_bytes(bytes(32))
    deidentify(copy, ROWS, tmp_path / "other", SMALL)
    one, other = ([*(out / "clips").iterdir()] for out in (written, tmp_path / "other"))
    patients = [{read_npz(path).patient for path in paths} for paths in (one, other)]
    assert not patients[0] & patients[1]
    assert not {*patients[0], *patients[1]} & {label.patient for label in ROWS}
    frames = [{read_npz(path).frames.tobytes() for path in paths} for paths in (one, other)]
    assert frames[0] == frames[1]
    made_from = [read_metadata(out)["made_from"] for out in (written, tmp_path / "other")]
    assert made_from[0] != made_from[1]  # keyed, too


# --- refusals


def test_splits_are_those_of_the_labels_or_drawn_by_seed(exports, tmp_path):
    names = ["train", "validation", "test"]
    given = [replace(label, split=names[at % 3]) for at, label in enumerate(LABELS)]
    deidentify(exports, given, tmp_path / "given", SMALL)
    assert [len(clips) for clips in read_cohort(tmp_path / "given").values()] == [2, 2, 2]
    drawn = []
    for seed in range(2):
        deidentify(exports, LABELS, tmp_path / f"{seed}", replace(SMALL, seed=seed))
        drawn.append({row["patient"]: row["split"] for row in rows_of(tmp_path / f"{seed}")})
    assert drawn[0] != drawn[1]
    assert [*drawn[0].values()].count("test") == 2  # one patient's test would have no interval
    twice = replace(given[0], first_frame=2, split="test")
    alone = [replace(given[5], split="train"), *given[:5]]
    each = [replace(label, split=("train", "test")[at % 2]) for at, label in enumerate(LABELS)]
    for rows, words in (
        ([*given[:-1], LABELS[-1]], "names the splits test, train, validation and none: wanted"),
        (given[::3], "names the splits train: wanted all of train, validation"),
        ([*given, twice], rf"patient {NAME}\^Inga 0 is in train and in test"),
        (LABELS[:2], "training and validation need a patient each and the test two: got 2"),
        (alone, "the test would be of one patient"),
        (
            [*each[:4], replace(each[4], split="validation"), each[5]],
            "training would have no clip of severe",
        ),
        (
            [replace(label, grade="mild") for label in LABELS],
            "training would have no clip of severe",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            deidentify(exports, rows, tmp_path / "no", SMALL)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("write", [deidentify, write_review_sheet])
def test_wrong_labels_are_refused_before_anything_is_written(exports, tmp_path, write):
    out, link = tmp_path / "out", exports / f"{NAME}^Inga 0/link.npz"
    link.symlink_to(exports / LABELS[0].clip)
    for change, words in (
        ({"grade": ""}, "has the grade '': wanted one of mild, severe"),
        ({"grade": "open"}, "has the grade 'open': wanted one of mild, severe"),
        ({"clip": "p/none.mp4"}, "p/none.mp4 is in labels.csv, but is not a clip in"),
        ({"clip": f"{link.parent.name}/link.npz"}, "link.npz is in labels.csv, but is not a clip"),
    ):
        with pytest.raises(ValueError, match=words):
            write(exports, [*LABELS[1:], replace(LABELS[0], **change)], out, SMALL)
    link.unlink()
    with pytest.raises(ValueError, match=r"labels\.csv has no rows"):
        write(exports, [], out, SMALL)
    with pytest.raises(ValueError, match="workers must be 1 or more: got 0"):
        write(exports, LABELS, out, SMALL, workers=0)
    assert not out.exists()
    assert not (exports / SHEET).exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("frames", 0), ("size", 8), ("size", 2048), ("seed", -1), ("grades", ("a",)),
     ("grades", ("a", "a"))],
)  # fmt: skip
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*: got"):
        Settings(**{name: value})


def test_the_output_is_apart_and_holds_nothing_else(exports, written, tmp_path):
    (tmp_path / "file").touch()
    for out, words in (
        (exports, "lie in one another: name a folder somewhere else"),
        (exports / "clean", "lie in one another"),
        (exports.parent, "lie in one another"),
        (tmp_path / "file", "is a file; name a folder"),
        (tmp_path, r"holds other files \(file\); name a new folder"),
    ):
        with pytest.raises(ValueError, match=words):
            deidentify(exports, LABELS, out, SMALL)
    before = contents(written)
    other = [replace(ROWS[0], grade="severe"), *ROWS[1:]]
    for wanted, settings, differ in (
        (ROWS, replace(SMALL, size=16), "size"),
        (ROWS, replace(SMALL, grades=("severe", "mild")), "grades"),
        (other, SMALL, "made_from"),
    ):
        with pytest.raises(ValueError, match=f"holds another cohort, of .*{differ}"):
            deidentify(exports, wanted, written, settings)
    copy = shutil.copytree(exports, tmp_path / "copy")
    with (copy / LABELS[0].clip).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"holds another cohort, of .*made_from"):
        deidentify(copy, ROWS, written, SMALL)
    with FileLock(written / ".lock"), pytest.raises(ValueError, match="by another process"):
        deidentify(exports, ROWS, written, SMALL)
    assert contents(written) == before


# --- the review sheet


def test_the_review_sheet_shows_what_will_be_written_and_stays_with_the_names(exports, tmp_path):
    settings = Settings(frames=4, size=200)  # as large as on the sheet
    path = write_review_sheet(exports, LABELS, tmp_path / "out", settings)
    assert path == exports / SHEET
    assert not (tmp_path / "out").exists()
    sheet = np.asarray(Image.open(path))
    path.unlink()
    for number, label in enumerate(LABELS):
        frames = crop_clip(label, exports, settings).frames
        x, y = 28 + number % 2 * 636, 84 + 22 + number // 2 * 250
        for image in (frames[2], frames.min(axis=0), frames.max(axis=0)):
            np.testing.assert_array_equal(sheet[y : y + 200, x : x + 200], image)
            x += 204
