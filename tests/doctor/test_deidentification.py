"""A de-identified cohort has tissue, grades and pseudonyms; of names, ids and dates no byte."""

import csv
import json
import re
import shutil
import zipfile
from dataclasses import replace
from functools import partial

import av
import nibabel
import numpy as np
import pydicom
import pytest
from clip_files import saved, simulated, ultrasound
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from csglib.data.clips import Clip, Region, hash_patient, resample, save_clip
from csglib.data.cohort import COLUMNS, read_cohort, read_frames
from csglib.data.readers import read_clip
from csglib.data.readers.npz import read_npz
from csglib.doctor import deidentification
from csglib.doctor.deidentification import DeidentifySettings as Settings
from csglib.doctor.deidentification import crop_clip, deidentify, write_review_sheet
from csglib.doctor.labels import KEY, SHEET, Label
from csglib.doctor.tissue import find_tissue
from csglib.train.config import TrainConfig
from csglib.train.experiment import Experiment

NAME, NUMBER, BORN, HOUSE = "Jörgensen", "PX-4711-98", "19610203", "Waldklinik"
TISSUE = Region(60, 50, 188, 178)  # where it is on the screen
SMALL = Settings(frames=4, size=32)


@pytest.fixture(scope="module")
def tissues(cohort):
    """Clips of 8 frames of 128 x 128, all different."""
    return [resample(Clip(frames=frames, patient=""), 8, 128).frames for frames in cohort[:10]]


def screen(tissue, lines=(f"{NAME} {NUMBER} {BORN}", f"{HOUSE}  *{BORN}")):
    """Text above the tissue, and a bar beside it."""
    drawn = Image.new("L", (240, 200))
    pen = ImageDraw.Draw(drawn)
    for place, line in enumerate(lines):
        pen.text((6, 4 + 22 * place), line, 255, ImageFont.load_default(16))
    pen.rectangle((210, 60, 220, 160), 200)
    frames = np.repeat(np.array(drawn)[None], len(tissue), axis=0)
    frames[:, TISSUE.top : TISSUE.bottom, TISSUE.left : TISSUE.right] = tissue
    return frames


def as_npz(frames, path):
    truth = replace(simulated(len(frames)).truth, parameters={"of": NAME})
    save_clip(Clip(frames=frames, patient=NAME, mm_per_px=0.1, truth=truth), path)


def as_video(frames, path, codec, pixels, **options):
    with av.open(path, "w") as output:
        output.metadata.update({"title": f"{NAME} {NUMBER}", "comment": HOUSE, "date": BORN})
        stream = output.add_stream(codec, rate=20, options=options)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt, stream.codec_context.color_range = pixels, 2
        for frame in frames:
            image = av.VideoFrame.from_ndarray(frame, "gray")
            if pixels != "gray":
                image = image.reformat(format=pixels, dst_color_range=2)
            image.color_range = 2
            output.mux(stream.encode(image))
        output.mux(stream.encode())


def as_images(frames, path):
    path.mkdir()
    for number, frame in enumerate(frames):
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Patient", f"{NAME} {BORN}")
        Image.fromarray(frame).save(path / f"{NAME}_{number}.png", pnginfo=notes)


def as_gif(frames, path):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, optimize=False, comment=NUMBER.encode())


def as_nifti(frames, path):
    image = nibabel.Nifti1Image(frames.T, np.eye(4))
    image.header["descrip"], image.header["db_name"] = f"{NUMBER} {BORN}", NUMBER
    nibabel.save(image, path)


def as_dicom(frames, path, region=None):
    names = {"PatientName": NAME, "PatientID": NUMBER, "InstitutionName": HOUSE}
    dates = {"PatientBirthDate": BORN, "StudyDate": BORN}
    dataset = ultrasound(frames, SpecificCharacterSet="ISO_IR 192", **names, **dates)
    if region:
        item = pydicom.Dataset()
        item.RegionSpatialFormat, item.RegionDataType = 1, 1
        item.RegionLocationMinX0, item.RegionLocationMinY0 = region.left, region.top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.right - 1, region.bottom - 1
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
        item.PhysicalDeltaX = item.PhysicalDeltaY = 0.02
        dataset.SequenceOfUltrasoundRegions = [item]
    saved(dataset, path)


LOSSLESS = {
    "clip.npz": as_npz,
    "clip.dcm": as_dicom,
    "stated.dcm": partial(as_dicom, region=Region(0, 0, 240, 200)),
    "clip.gif": as_gif,
    "clip.nii": as_nifti,
    "clip.nii.gz": as_nifti,
    "images": as_images,
    "clip.mkv": partial(as_video, codec="ffv1", pixels="gray"),
}
LOSSY = {
    "clip.mp4": partial(as_video, codec="libx264", pixels="yuv420p", crf="20"),
    "clip.avi": partial(as_video, codec="mjpeg", pixels="yuvj420p", qmax="3"),
}
FORMATS = LOSSLESS | LOSSY
CLIPS = [  # folders and files whose names identify a patient
    f"{NAME}^Inga {number}/{HOUSE}/{NUMBER} {BORN} {name}" for number, name in enumerate(FORMATS)
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory, tissues):
    """A clip in each format, each of another patient. Copy it; do not change it."""
    folder = tmp_path_factory.mktemp("in") / f"exports {HOUSE}"
    for clip, write, tissue in zip(CLIPS, FORMATS.values(), tissues, strict=True):
        (folder / clip).parent.mkdir(parents=True)
        write(screen(tissue), folder / clip)
    return folder


@pytest.fixture
def labels():
    return [Label(clip=clip, grade=("mild", "severe")[at % 2]) for at, clip in enumerate(CLIPS)]


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


def leaks(folder, secrets):
    """Places with one of these texts, in any of five encodings."""
    kinds = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le")
    forms = {
        form.encode(kind)
        for text in secrets
        for form in (text, text.lower(), text.upper())
        for kind in kinds
    }
    return [
        (name, form) for name, content in everything(folder) for form in forms if form in content
    ]


def secrets_of(exports):
    hashes = {hash_patient(text) for text in (NAME, NUMBER)}
    hashes |= {read_clip(path).patient for path in exports.glob("*/*/*")}
    return {NAME, NUMBER, BORN, HOUSE, "1961-02-03", "Inga", str(exports.parent), *hashes}


def rows_of(out):
    with (out / "manifest.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what is written


def test_no_byte_identifies_a_patient_even_after_training(exports, labels, tmp_path):
    out, run = tmp_path / "out", tmp_path / "runs" / "tiny"
    secrets = secrets_of(exports)
    assert {name for name, _ in leaks(exports, secrets)} >= {
        str(path.relative_to(exports)) for path in exports.rglob("*")
    }
    deidentify(exports, labels, out, Settings(frames=8, size=64))
    splits = read_cohort(out)
    config = TrainConfig(folder=run, epochs=1, batch_size=4, lr=1e-3)
    (record,) = Experiment(network="tiny", size=64).run(splits, config)
    assert np.isfinite(record.train_loss)
    assert {"best.safetensors", "test.csv"} <= {path.name for path in run.iterdir()}
    assert leaks(tmp_path, secrets) == []


def test_a_leak_would_be_found(tmp_path, exports):
    secrets = secrets_of(exports)
    frames = np.zeros((1, 8, 8), np.uint8)
    for number, kind in enumerate(("utf-8", "latin-1", "utf-16")):
        (tmp_path / f"{number}").write_bytes(NAME.upper().encode(kind))
    (tmp_path / BORN).touch()
    save_clip(Clip(frames=frames, patient=NUMBER), tmp_path / "clip.npz")
    found = {name for name, _ in leaks(tmp_path, secrets)}
    assert found == {"0", "1", "2", BORN, "clip.npz: patient.npy"}
    assert NUMBER.encode() not in (tmp_path / "clip.npz").read_bytes()


@pytest.mark.parametrize("number", range(len(CLIPS)), ids=[*FORMATS])
def test_the_pixels_are_those_of_a_screen_without_text(exports, labels, tissues, number):
    found = find_tissue(read_clip(exports / CLIPS[number]).frames)
    assert found.intersection(TISSUE) == found
    clean = found.crop(screen(tissues[number], lines=()))
    wanted = resample(Clip(frames=clean, patient=""), 4, 32).frames
    written = crop_clip(labels[number], exports, SMALL).frames
    if number < len(LOSSLESS):
        np.testing.assert_array_equal(written, wanted)
    assert np.abs(written.astype(int) - wanted).max() < 40
    assert np.abs(written.astype(int) - wanted).mean() < 3


def test_only_what_is_listed_is_written(exports, labels, tmp_path):
    labels[0] = replace(labels[0], first_frame=1, frames=6, narrowest_frame=4)
    deidentify(exports, labels, tmp_path, SMALL)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("[!.]*"))
    clips = [f"clips/{number:04d}.npz" for number in range(1, len(labels) + 1)]
    assert names == ["clips", *clips, "cohort.json", "manifest.csv"]
    assert [path.name for path in tmp_path.rglob(".*")] == [".lock"]
    assert (tmp_path / ".lock").read_bytes() == b""
    for name in clips:
        with zipfile.ZipFile(tmp_path / name) as packed:
            assert {*packed.namelist()} <= {"frames.npy", "patient.npy", "mm_per_px.npy"}
            assert {member.date_time for member in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    metadata = json.loads((tmp_path / "cohort.json").read_text())
    assert {*metadata} == {
        "what", "format", "frames", "size", "seed", "grades", "graded_by", "made_from",
        "made_with", "columns_of_the_manifest",
    }  # fmt: skip
    assert metadata["grades"] == ["mild", "severe"]
    rows = rows_of(tmp_path)
    assert [row["clip"] for row in rows] == clips
    filled = {"clip", "patient", "video", "first_frame", "split", "grade", "grade_index", "sha256"}
    for row in rows:
        assert {*row} == {*COLUMNS}
        assert {name for name in row if row[name]} - {"narrowest_frame", "mm_per_px"} == filled
    assert sum(bool(row["narrowest_frame"]) for row in rows) == 1
    with pytest.raises(ValueError, match=f"{tmp_path} has .* single frames: .* graded by people"):
        read_frames(tmp_path)


def test_clips_are_in_the_order_of_the_pseudonyms(exports, labels, tmp_path):
    more = [*labels, replace(labels[3], first_frame=2)]
    deidentify(exports, more, tmp_path / "one", SMALL)
    deidentify(exports, more[::-1], tmp_path / "other", SMALL)
    one, other = rows_of(tmp_path / "one"), rows_of(tmp_path / "other")
    patients = [row["patient"] for row in one]
    assert patients == sorted(patients) == [row["patient"] for row in other]
    assert len({*patients}) == len(labels)
    (both,) = [name for name in {*patients} if patients.count(name) > 1]
    pair = [row for row in one if row["patient"] == both]
    assert len({row["video"] for row in pair}) == len({row["split"] for row in pair}) == 1
    assert len({row["video"] for row in one}) == len(labels)
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
    assert cropped.mm_per_px == pytest.approx(0.2 * 80 / 32)
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


def test_a_clip_that_cannot_be_read_is_named_once(own):
    (own / "p/cut.npz").write_bytes(b"PK")
    (own / "p/film").mkdir()
    for name in ("p/cut.npz", "p/film", "p/gone.npz"):
        with pytest.raises(ValueError, match=f"^{re.escape(name)}: ") as caught:
            crop(own, name)
        assert str(caught.value).count(name.partition("/")[2]) == 1


# --- interrupted, repeated, in parallel


def test_an_interrupted_run_continues_and_gives_the_same_bytes(
    exports, labels, tmp_path, monkeypatch
):
    cropped = []

    def save(clip, path):
        if len(cropped) == 4:
            raise KeyboardInterrupt
        save_clip(clip, path)

    def counted(label, *rest):
        cropped.append(label.clip)
        return crop_clip(label, *rest)

    deidentify(exports, labels, tmp_path / "straight", SMALL)
    straight = contents(tmp_path / "straight")
    monkeypatch.setattr(deidentification, "crop_clip", counted)
    for spoil in (False, True):
        out = tmp_path / f"out {spoil}"
        cropped.clear()
        with monkeypatch.context() as patched:
            patched.setattr(deidentification, "save_clip", save)
            with pytest.raises(KeyboardInterrupt):
                deidentify(exports, labels, out, SMALL)
        assert len(cropped) == 4
        assert not (out / "manifest.csv").exists()
        (out / "clips/.0009.npz.77.part").write_bytes(b"half")
        if spoil:
            (out / "clips/0002.npz").write_bytes(b"spoiled")
        deidentify(exports, labels, out, SMALL)
        # The interrupted clip is cropped twice, and so is one that was changed meanwhile.
        assert len(cropped) == len(labels) + 1 + spoil
        assert contents(out) == straight


def test_workers_and_damage_change_nothing_and_another_key_all_names(exports, labels, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(exports, copy)
    deidentify(exports, labels, tmp_path / "one", SMALL)
    deidentify(exports, labels, tmp_path / "two", SMALL, workers=2)
    before = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == before
    (tmp_path / "one/clips/0002.npz").write_bytes(b"spoiled")
    (tmp_path / "one/clips/0005.npz").unlink()
    (tmp_path / "one/manifest.csv").write_text(NAME)
    deidentify(exports, labels, tmp_path / "one", SMALL)  # writes them again
    assert contents(tmp_path / "one") == before
    assert (exports / KEY).read_bytes() not in b"".join(contents(tmp_path / "one").values())
    (copy / KEY).write_bytes(bytes(32))
    deidentify(copy, labels, tmp_path / "other", SMALL)
    one, other = ({row["patient"] for row in rows_of(tmp_path / out)} for out in ("one", "other"))
    assert not one & other
    one, other = (
        {read_npz(path).frames.tobytes() for path in (tmp_path / out / "clips").glob("*.npz")}
        for out in ("one", "other")
    )
    assert one == other


# --- refusals


def test_splits_are_those_of_the_labels_or_drawn_by_seed(exports, labels, tmp_path):
    names = ["train", "validation", "test"]
    given = [replace(label, split=names[at % 3]) for at, label in enumerate(labels)]
    deidentify(exports, given, tmp_path / "given", SMALL)
    counts = [len(read_cohort(tmp_path / "given")[name]) for name in names]
    assert counts == [4, 3, 3]
    splits = set()
    for seed in range(3):
        deidentify(exports, labels, tmp_path / f"{seed}", replace(SMALL, seed=seed))
        splits.add(tuple(row["split"] for row in rows_of(tmp_path / f"{seed}")))
    assert len(splits) > 1
    twice = replace(given[0], first_frame=2, split="test")
    for rows, words in (
        ([*given[:-1], labels[-1]], "names the splits test, train, validation and none: wanted"),
        (given[::3], "names the splits train: wanted all of train, validation"),
        ([*given, twice], rf"patient {NAME}\^Inga 0 is in train and in test"),
        (labels[:2], "train, validation, test need a patient each: got 2"),
    ):
        with pytest.raises(ValueError, match=words):
            deidentify(exports, rows, tmp_path / "no", SMALL)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("write", [deidentify, write_review_sheet])
def test_wrong_labels_are_refused_before_anything_is_written(exports, labels, tmp_path, write):
    out = tmp_path / "out"
    (exports / "p").mkdir(exist_ok=True)
    link = exports / "p/link.npz"
    link.symlink_to(exports / CLIPS[0])
    for change, words in (
        ({"grade": ""}, "has the grade '': wanted one of mild, severe"),
        ({"grade": "open"}, "has the grade 'open': wanted one of mild, severe"),
        ({"clip": "p/none.mp4"}, "p/none.mp4 is in labels.csv, but is not a clip in"),
        ({"clip": "p/link.npz"}, "p/link.npz is in labels.csv, but is not a clip in"),
    ):
        wrong = [*labels[1:], replace(labels[0], **change)]
        with pytest.raises(ValueError, match=words):
            write(exports, wrong, out, SMALL)
    link.unlink()
    with pytest.raises(ValueError, match=r"labels\.csv has no rows"):
        write(exports, [], out, SMALL)
    with pytest.raises(ValueError, match="workers must be 1 or more: got 0"):
        write(exports, labels, out, SMALL, workers=0)
    assert not out.exists()
    assert not (exports / SHEET).exists()


def test_settings_are_checked():
    one, twice = ("mild",), ("a", "a")
    for name, wrong in zip(
        Settings.__annotations__, ([0], [8, 2048], [-1], [one, twice]), strict=True
    ):
        for value in wrong:
            with pytest.raises(ValueError, match=f"{name} must be .*: got"):
                Settings(**{name: value})


def test_the_output_is_apart_and_holds_nothing_else(exports, labels, tmp_path):
    (tmp_path / "file").touch()
    for out, words in (
        (exports, "lie in one another: name a folder somewhere else"),
        (exports / "clean", "lie in one another"),
        (exports.parent, "lie in one another"),
        (tmp_path / "file", "is a file; name a folder"),
        (tmp_path, r"holds other files \(file\); name a new folder"),
    ):
        with pytest.raises(ValueError, match=words):
            deidentify(exports, labels, out, SMALL)
    out = tmp_path / "out"
    deidentify(exports, labels, out, SMALL)
    before = contents(out)
    other = [replace(labels[0], grade="severe"), *labels[1:]]
    for wanted, settings, differ in (
        (labels, replace(SMALL, size=16), "size"),
        (labels, replace(SMALL, grades=("mild", "severe", "closed")), "grades"),
        (other, SMALL, "made_from"),
    ):
        with pytest.raises(ValueError, match=f"holds another cohort, of other .*{differ}"):
            deidentify(exports, wanted, out, settings)
    assert contents(out) == before


# --- the review sheet


def test_the_review_sheet_shows_what_will_be_written_and_stays_with_the_names(
    exports, labels, tmp_path
):
    settings = Settings(frames=4, size=200)  # as large as on the sheet
    path = write_review_sheet(exports, labels, tmp_path / "out", settings)
    assert path == exports / SHEET
    assert not (tmp_path / "out").exists()
    sheet = np.asarray(Image.open(path))
    path.unlink()
    for number, label in enumerate(labels):
        frames = crop_clip(label, exports, settings).frames
        x, y = 28 + number % 2 * 636, 84 + 22 + number // 2 * 250
        for image in (frames[2], frames.min(axis=0), frames.max(axis=0)):
            np.testing.assert_array_equal(sheet[y : y + 200, x : x + 200], image)
            x += 204


def test_a_name_on_the_tissue_stays_bright_on_the_review_sheet(own, tissues, tmp_path):
    for number in range(3):
        (own / f"p{number}").mkdir()
        frames = screen(tissues[0])
        if number == 1:
            frames[:, 110:120, 80:160] = frames[:, 8:18, 6:86]  # a piece of the header
        as_npz(frames, own / f"p{number}/a.npz")
    rows = [Label(clip=f"p{number}/a.npz", grade="mild") for number in range(3)]
    settings = Settings(frames=8, size=200)
    sheet = np.asarray(Image.open(write_review_sheet(own, rows, tmp_path / "out", settings)))
    brightest = [sheet[106:306, x + 204 : x + 404].max() for x in (28, 664)]
    assert brightest[0] < 180 and brightest[1] > 240
