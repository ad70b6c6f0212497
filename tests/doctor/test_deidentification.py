"""A de-identified cohort has tissue, grades and pseudonyms; of names, ids and dates no byte."""

import io
import json
import shutil
import zipfile
from base64 import b64decode
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from csglib import Clip, read_clip, resample
from csglib.data.clips import Region, hash_patient, save_clip
from csglib.data.cohort import COLUMNS, read_cohort, read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.doctor import examine
from csglib.doctor.cropping import CohortSettings as Settings
from csglib.doctor.cropping import crop_clip
from csglib.doctor.deidentification import deidentify
from csglib.doctor.labels import KEY, LABELS, Label, write_labels
from csglib.doctor.tissue import find_tissue
from csglib.table1.pretrain import read_frames

from ..conftest import contents
from ..data.clip_files import folder, region, saved, simulated, ultrasound, video
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
    names = {"PatientName": NAME, "PatientID": f"{NUMBER}-{path.stem}", "InstitutionName": HOUSE}
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
CLIPS = [  # folders and files whose names identify a patient
    Label(clip=f"{NAME}^Inga {at}/{HOUSE}/{NUMBER} {BORN} {name}", grade=("mild", "severe")[at % 2])
    for at, name in enumerate(FORMATS)
]
ROWS = [
    replace(CLIPS[0], first_frame=1, frames=6, narrowest_frame=4),
    *CLIPS[1:],
    replace(CLIPS[3], first_frame=2),
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory, tissues):
    """A clip in each format, each of another patient. Copy it; do not change it."""
    folder = tmp_path_factory.mktemp("in") / f"exports {HOUSE}"
    for label, write, tissue in zip(CLIPS, FORMATS.values(), tissues, strict=True):
        (folder / label.clip).parent.mkdir(parents=True)
        write(screen(tissue), folder / label.clip)
    write_labels(folder / LABELS, ROWS)
    return folder


@pytest.fixture(scope="module")
def report(exports):
    found = examine(exports, SMALL, workers=1)
    assert found.stops == ()
    return found


def changed(report, labels=ROWS, settings=SMALL):
    """The report on other rows of the same clips."""
    return replace(report, labels=tuple(labels), settings=settings)


@pytest.fixture(scope="module")
def written(exports, report, tmp_path_factory):
    """What becomes of `ROWS`. Copy it; do not change it."""
    out = tmp_path_factory.mktemp("out") / "cohort"
    before = contents(exports)
    deidentify(report, out)
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


# --- what is written


def test_no_byte_identifies_a_patient(exports, written):
    found = {name.rpartition(".")[2] for name in leaks(exports, exports) if "/" not in name}
    assert found >= {"dcm", "png", "mkv", "mp4", "npy"}
    assert leaks(written.parent, exports) == set()


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=[*FORMATS])
def test_the_pixels_are_those_of_a_screen_without_text(exports, tissues, number):
    found = find_tissue(read_clip(exports / CLIPS[number].clip).frames)
    assert found.intersection(TISSUE) == found
    wanted = small(found.crop(screen(tissues[number], lines=())))
    cropped = crop_clip(CLIPS[number], exports, SMALL).frames
    if number < len(LOSSLESS):
        np.testing.assert_array_equal(cropped, wanted)
    assert np.abs(cropped.astype(int) - wanted).max() < 40
    assert np.abs(cropped.astype(int) - wanted).mean() < 3


def test_only_what_is_listed_is_written(written):
    clips = [f"clips/{number:04d}.npz" for number in range(1, len(ROWS) + 1)]
    assert sorted(contents(written)) == [*clips, "cohort.json", "manifest.csv"]
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
    rows = read_manifest(written)
    assert [row["clip"] for row in rows] == clips
    filled = {"clip", "patient", "video", "first_frame", "split", "grade", "grade_index", "sha256"}
    for row in rows:
        assert {*row} == {*COLUMNS}
        assert {name for name in row if row[name]} - {"narrowest_frame", "mm_per_px"} == filled
    assert sum(bool(row["narrowest_frame"]) for row in rows) == 1
    with pytest.raises(ValueError, match=f"{written} has .* single frames: .* graded by people"):
        read_frames(written)


def test_clips_are_in_the_order_of_the_pseudonyms(report, written, tmp_path):
    deidentify(changed(report, ROWS[::-1]), tmp_path / "other")
    one, other = read_manifest(written), read_manifest(tmp_path / "other")
    patients = [row["patient"] for row in one]
    assert patients == sorted(patients) == [row["patient"] for row in other]
    assert len({*patients}) == len({row["video"] for row in one}) == len(CLIPS)
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


def test_workers_and_damage_change_nothing_and_another_key_all_names(
    exports, report, written, tmp_path, no_processes
):
    before = contents(written)
    deidentify(report, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == before
    (tmp_path / "two/clips/0002.npz").write_bytes(b"spoiled")
    (tmp_path / "two/clips/.0009.npz.77.part").write_bytes(b"half")
    (tmp_path / "two/clips/0005.npz").unlink()
    (tmp_path / "two/manifest.csv").write_text(NAME)
    deidentify(report, tmp_path / "two")  # writes them again
    assert contents(tmp_path / "two") == before
    copy = shutil.copytree(exports, tmp_path / "copy")
    (copy / KEY).write_bytes(bytes(32))
    deidentify(replace(report, folder=copy), tmp_path / "other")
    one, other = ([*(out / "clips").iterdir()] for out in (written, tmp_path / "other"))
    patients = [{read_npz(path).patient for path in paths} for paths in (one, other)]
    assert not patients[0] & patients[1]
    assert not {*patients[0], *patients[1]} & {label.patient for label in ROWS}
    frames = [{read_npz(path).frames.tobytes() for path in paths} for paths in (one, other)]
    assert frames[0] == frames[1]
    made_from = [read_metadata(out)["made_from"] for out in (written, tmp_path / "other")]
    assert made_from[0] != made_from[1]  # keyed, too


# --- refusals


def test_splits_are_those_of_the_labels_or_drawn_by_seed(report, tmp_path):
    names = ["train", "validation", "test"]
    given = [replace(label, split=names[at % 3]) for at, label in enumerate(CLIPS)]
    deidentify(changed(report, given), tmp_path / "given")
    assert [len(clips) for clips in read_cohort(tmp_path / "given").values()] == [2, 2, 2]
    drawn = []
    for seed in range(2):
        deidentify(changed(report, CLIPS, replace(SMALL, seed=seed)), tmp_path / f"{seed}")
        drawn.append({row["patient"]: row["split"] for row in read_manifest(tmp_path / f"{seed}")})
    assert drawn[0] != drawn[1]
    assert [*drawn[0].values()].count("test") == 2  # one patient's test would have no interval


def test_a_finding_that_stops_is_refused_before_anything_is_written(exports, tmp_path):
    copy = shutil.copytree(exports, tmp_path / "copy", ignore=shutil.ignore_patterns(KEY))
    write_labels(copy / LABELS, [replace(ROWS[0], grade="open"), *ROWS[1:]])
    words = r"1 finding .* unknown grade: .*, 'open'; known are mild, severe"
    with pytest.raises(ValueError, match=f"^Training should not start: {words}"):
        deidentify(examine(copy, SMALL, workers=1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("frames", 0), ("size", 8), ("size", 2048), ("seed", -1), ("grades", ("a",)),
     ("grades", ("a", "a"))],
)  # fmt: skip
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*: got"):
        Settings(**{name: value})


def test_the_output_is_apart_and_holds_nothing_else(exports, report, written, tmp_path):
    (tmp_path / "file").touch()
    for out, words in (
        (exports, "lie in one another: name a folder somewhere else"),
        (exports / "clean", "lie in one another"),
        (exports.parent, "lie in one another"),
        (tmp_path, r"holds other files \(file\); name a new folder"),
    ):
        with pytest.raises(ValueError, match=words):
            deidentify(report, out)
    before = contents(written)
    other = [replace(ROWS[0], grade="severe"), *ROWS[1:]]
    for wanted, settings, differ in (
        (ROWS, replace(SMALL, size=16), "size"),
        (ROWS, replace(SMALL, grades=("severe", "mild")), "grades"),
        (other, SMALL, "made_from"),
    ):
        with pytest.raises(ValueError, match=f"holds another cohort, of .*{differ}"):
            deidentify(changed(report, wanted, settings), written)
    copy = shutil.copytree(exports, tmp_path / "copy")
    with (copy / CLIPS[0].clip).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"holds another cohort, of .*made_from"):
        deidentify(replace(report, folder=copy), written)
    assert contents(written) == before


def test_the_page_shows_what_will_be_written(exports, report):
    frames = crop_clip(CLIPS[1], exports, SMALL).frames
    (preview,) = report.records[CLIPS[1].clip].previews
    images = (Image.open(io.BytesIO(b64decode(it[23:]))) for it in preview.pictures)
    whole, *shown = (np.asarray(image, int) for image in images)
    assert whole.shape == (167, 200, 3)
    wanted = np.stack([frames[2], frames.min(axis=0), frames.max(axis=0)])
    assert np.abs(np.stack(shown) - wanted).mean() < 4  # JPEG loses a few grey levels
