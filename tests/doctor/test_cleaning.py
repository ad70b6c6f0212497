"""What leaves the house: pixels of tissue, grades, pseudonyms; of names and dates not a byte."""

import csv
import json
import re
import shutil
import zipfile
from dataclasses import replace

import av
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from pydicom import uid
from pydicom.dataset import FileMetaDataset

from csglib.data.clips import Clip, Region, Truth, hash_patient, resample, save_clip
from csglib.data.cohort import COLUMNS, read_cohort, read_frames
from csglib.data.readers import read_clip
from csglib.data.readers.npz import read_npz
from csglib.doctor import pseudonymise as nameless
from csglib.doctor.cutting import Order, cut
from csglib.doctor.deidentification import DeidentifySettings, deidentify, write_review_sheet
from csglib.doctor.exports import KEY, SHEET
from csglib.doctor.labels import Label
from csglib.doctor.moving_region import moving_part
from csglib.train.config import TrainConfig
from csglib.train.experiment import Experiment

NAME, NUMBER, BORN, HOUSE = "Jörgensen", "PX-4711-98", "19610203", "Waldklinik"
TISSUE = Region(60, 50, 188, 178)  # where it lies on the screen
SMALL = DeidentifySettings(frames=4, size=32)


@pytest.fixture(scope="session")
def tissues(cohort):
    """Clips of 8 frames of 128 x 128, all different."""
    return [resample(Clip(frames=frames, patient=""), 8, 128).frames for frames in cohort[:16]]


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
    polygon = np.zeros((len(frames), 5, 2))
    shares = np.zeros(len(frames))
    truth = Truth(
        vessel_outer=polygon, vessel_inner=polygon, lumen=polygon, area_stenosis=shares,
        diameter_stenosis=shares, parameters={"of": NAME},
    )  # fmt: skip
    save_clip(Clip(frames=frames, patient=NAME, mm_per_px=0.1, truth=truth), path)


def as_video(frames, path, codec, pixels, **how):
    with av.open(path, "w") as output:
        output.metadata.update({"title": f"{NAME} {NUMBER}", "comment": HOUSE, "date": BORN})
        stream = output.add_stream(codec, rate=20, options=how)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt, stream.codec_context.color_range = pixels, 2
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray")
            if pixels != "gray":
                picture = picture.reformat(format=pixels, dst_color_range=2)
            picture.color_range = 2
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def as_pictures(frames, path):
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
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        uid.UltrasoundMultiFrameImageStorage
    )
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, NUMBER, BORN
    dataset.InstitutionName, dataset.StudyDate = HOUSE, BORN
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"
    if region:
        item = pydicom.Dataset()
        item.RegionSpatialFormat, item.RegionDataType = 1, 1
        item.RegionLocationMinX0, item.RegionLocationMinY0 = region.left, region.top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.right - 1, region.bottom - 1
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
        item.PhysicalDeltaX = item.PhysicalDeltaY = 0.02
        dataset.SequenceOfUltrasoundRegions = [item]
    dataset.save_as(path, enforce_file_format=True)


EXACT = {
    "clip.npz": as_npz,
    "clip.dcm": as_dicom,
    "stated.dcm": lambda frames, path: as_dicom(frames, path, Region(0, 0, 240, 200)),
    "clip.gif": as_gif,
    "clip.nii": as_nifti,
    "clip.nii.gz": as_nifti,
    "pictures": as_pictures,
    "clip.mkv": lambda frames, path: as_video(frames, path, "ffv1", "gray"),
}
NEARLY = {
    "clip.mp4": lambda frames, path: as_video(frames, path, "libx264", "yuv420p", crf="20"),
    "clip.avi": lambda frames, path: as_video(frames, path, "mjpeg", "yuvj420p", qmax="3"),
}


def telling(number, name):
    """A folder and a file that say who it is."""
    return f"{NAME}^Inga {number}/{HOUSE}/{NUMBER} {BORN} {name}"


@pytest.fixture(scope="module")
def exports(tmp_path_factory, tissues):
    """A clip in each format, each of another patient. Copy it; do not change it."""
    folder = tmp_path_factory.mktemp("in") / f"exports {HOUSE}"
    for number, (name, write) in enumerate((EXACT | NEARLY).items()):
        path = folder / telling(number, name)
        path.parent.mkdir(parents=True)
        write(screen(tissues[number]), path)
    return folder


@pytest.fixture
def labels():
    names = [*EXACT, *NEARLY]
    return [
        Label(clip=telling(number, name), grade=("mild", "severe")[number % 2])
        for number, name in enumerate(names)
    ]


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
    """Whichever of these texts is in there, however it is written."""
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
    plain = {hash_patient(text) for text in (NAME, NUMBER)}
    plain |= {read_clip(path).patient for path in exports.glob("*/*/*")}
    return {NAME, NUMBER, BORN, HOUSE, "1961-02-03", "Inga", str(exports.parent), *plain}


def rows_of(out):
    with (out / "manifest.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


# --- the one that matters


def test_no_byte_says_who_it_is_even_after_training(exports, labels, tmp_path):
    out, run = tmp_path / "out", tmp_path / "runs" / "tiny"
    secrets = secrets_of(exports)
    assert {name for name, _ in leaks(exports, secrets)} >= {
        str(path.relative_to(exports)) for path in exports.rglob("*")
    }
    deidentify(exports, labels, out, DeidentifySettings(frames=8, size=64))
    sides = read_cohort(out)
    config = TrainConfig(folder=run, epochs=1, batch_size=4, lr=1e-3)
    (record,) = Experiment(network="tiny", size=64).run(sides, config)
    assert -(-len(sides["train"]) // config.batch_size) == 2
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


def test_the_pixels_are_those_of_a_screen_on_which_nothing_is_written(exports, labels, tissues):
    """Tissue pasted on black, cut by hand where the tissue was found."""
    for number, (label, name) in enumerate(zip(labels, [*EXACT, *NEARLY], strict=True)):
        found = moving_part(read_clip(exports / label.clip).frames)
        assert found.intersection(TISSUE) == found
        clean = found.crop(screen(tissues[number], lines=()))
        wanted = resample(Clip(frames=clean, patient=""), 4, 32).frames
        written = cut(Order(exports, label, 4, 32)).frames
        if name in EXACT:
            np.testing.assert_array_equal(written, wanted)
        assert np.abs(written.astype(int) - wanted).max() < 40
        assert np.abs(written.astype(int) - wanted).mean() < 3


def test_of_single_frames_it_says_nothing(exports, labels, tmp_path):
    deidentify(exports, labels, tmp_path, SMALL)
    with pytest.raises(ValueError, match=f"{tmp_path} says .* single frames: .* graded by people"):
        read_frames(tmp_path)


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
    facts = json.loads((tmp_path / "cohort.json").read_text())
    assert {*facts} == {
        "what", "format", "frames", "size", "seed", "grades", "graded_by", "made_from",
        "made_with", "columns_of_the_manifest",
    }  # fmt: skip
    assert facts["grades"] == ["mild", "severe"]
    rows = rows_of(tmp_path)
    assert [row["clip"] for row in rows] == clips
    told = {"clip", "patient", "video", "first_frame", "split", "grade", "grade_index", "sha256"}
    for row in rows:
        assert {*row} == {*COLUMNS}
        assert {name for name in row if row[name]} - {"narrowest_frame", "mm_per_px"} == told
    assert sum(bool(row["narrowest_frame"]) for row in rows) == 1


def test_clips_come_in_the_order_of_the_pseudonyms_and_names_in_no_order(exports, labels, tmp_path):
    more = [*labels, replace(labels[3], first_frame=2)]
    deidentify(exports, more, tmp_path / "one", SMALL)
    deidentify(exports, more[::-1], tmp_path / "other", SMALL)
    one, other = rows_of(tmp_path / "one"), rows_of(tmp_path / "other")
    patients = [row["patient"] for row in one]
    assert patients == sorted(patients) == [row["patient"] for row in other]
    assert len(set(patients)) == len(labels)
    (both,) = [name for name in set(patients) if patients.count(name) > 1]
    pair = [row for row in one if row["patient"] == both]
    assert len({row["video"] for row in pair}) == len({row["split"] for row in pair}) == 1
    assert len({row["video"] for row in one}) == len(labels)
    assert {row["split"] for row in one} == {"train", "validation", "test"}


# --- regions, boxes, scales, frames


def cut_of(folder, name, **said):
    size = said.pop("size", 32)
    return cut(Order(folder, Label(clip=name, grade="mild", **said), said.get("asked", 4), size))


@pytest.fixture
def own(tmp_path):
    """A folder with a patient, to write clips into."""
    (tmp_path / "own" / "p").mkdir(parents=True)
    return tmp_path / "own"


def test_a_file_s_region_is_kept_to_where_it_is_the_smaller(own, tissues):
    inner = Region(80, 60, 160, 150)
    frames = screen(tissues[0])
    as_dicom(frames, own / "p/a.dcm", inner)
    piece = cut_of(own, "p/a.dcm")
    assert piece.mm_per_px == pytest.approx(0.2 * 80 / 32)
    wanted = resample(Clip(frames=inner.crop(frames), patient=""), 4, 32).frames
    np.testing.assert_array_equal(piece.frames, wanted)


def test_a_box_is_kept_to_and_never_goes_beyond_the_tissue(own, tissues):
    frames = screen(tissues[0])
    as_npz(frames, own / "p/a.npz")
    box = Region(110, 80, 150, 120)
    piece = cut_of(own, "p/a.npz", box=box)
    wanted = resample(Clip(frames=box.crop(frames), patient=""), 4, 32).frames
    np.testing.assert_array_equal(piece.frames, wanted)
    assert piece.mm_per_px == pytest.approx(0.1 * 40 / 32)
    broad = cut_of(own, "p/a.npz", box=Region(95, 80, 165, 120))  # its middle is cut out of it
    np.testing.assert_array_equal(broad.frames[..., 2:-2], wanted[..., 2:-2])
    wide = cut_of(own, "p/a.npz", box=Region(0, 0, 240, 200))
    np.testing.assert_array_equal(wide.frames, cut_of(own, "p/a.npz").frames)
    with pytest.raises(
        ValueError, match=r"p/a\.npz: its box, columns 0 to 49, rows 0 to 39, has no"
    ):
        cut_of(own, "p/a.npz", box=Region(0, 0, 50, 40))
    with pytest.raises(
        ValueError, match=r"p/a\.npz: columns 0 to 240, .* does not lie within frames"
    ):
        cut_of(own, "p/a.npz", box=Region(0, 0, 241, 200))


@pytest.mark.parametrize("write", [as_npz, EXACT["stated.dcm"]])
def test_a_still_needs_somebody_who_says_where_its_tissue_is(own, tissues, write):
    frames = np.repeat(screen(tissues[0])[:1], 6, axis=0)
    write(frames, own / "p/a")
    with pytest.raises(
        ValueError, match=r"p/a: nothing in it moves, .* give it a box in labels\.csv"
    ):
        cut_of(own, "p/a")
    box = Region(100, 80, 150, 130)
    np.testing.assert_array_equal(cut_of(own, "p/a", box=box, size=50).frames, box.crop(frames)[:4])


def test_what_moves_is_asked_of_the_labelled_frames_alone(own, tissues):
    """A recorder that went on through a list of other patients moves everywhere."""
    rng = np.random.default_rng(0)
    after = rng.integers(0, 255, (8, 200, 240), dtype=np.uint8)
    as_npz(np.concatenate([screen(tissues[0]), after]), own / "p/long.npz")
    as_npz(screen(tissues[0]), own / "p/short.npz")
    long = cut_of(own, "p/long.npz", frames=8)
    np.testing.assert_array_equal(long.frames, cut_of(own, "p/short.npz").frames)


def test_a_clip_that_cannot_be_read_is_named_once(own):
    (own / "p/cut.npz").write_bytes(b"PK")
    (own / "p/film").mkdir()
    for name, words in (
        ("p/cut.npz", "p/cut.npz: not a whole NPZ; "),
        ("p/film", "p/film: an empty folder; "),
        ("p/gone.npz", "p/gone.npz: no such file; "),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(words)}") as caught:
            cut_of(own, name)
        assert str(caught.value).count(name.partition("/")[2]) == 1


def test_frames_are_those_of_the_label_and_the_narrowest_stays_known(own, tissues):
    film = np.concatenate(tissues[:3])
    save_clip(Clip(frames=film, patient=""), own / "p/a.npz")
    piece = cut_of(own, "p/a.npz", first_frame=3, frames=13, narrowest_frame=11, size=128)
    np.testing.assert_array_equal(piece.frames, film[[3, 7, 11, 15]])
    assert (piece.narrowest, piece.mm_per_px) == (2, None)
    piece = cut_of(own, "p/a.npz", first_frame=20, narrowest_frame=22, size=128)
    np.testing.assert_array_equal(piece.frames, film[20:24])
    assert piece.narrowest == 2
    with pytest.raises(ValueError, match=r"p/a\.npz: asked for 4 frames of a clip that has 3"):
        cut_of(own, "p/a.npz", frames=3)
    for said in ({"frames": 25}, {"first_frame": 24}, {"narrowest_frame": 24}):
        with pytest.raises(
            ValueError, match=r"p/a\.npz: labels\.csv asks for more than its 24 frames"
        ):
            cut_of(own, "p/a.npz", **said)


# --- again, and the same


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def cuts(monkeypatch):
    """Which clips have been cut."""
    done = []

    def counted(order):
        done.append(order.label.clip)
        return cut(order)

    monkeypatch.setattr(nameless, "cut", counted)
    return done


def test_killed_in_the_middle_it_goes_on_and_comes_to_the_same(
    exports, labels, tmp_path, cuts, monkeypatch
):
    deidentify(exports, labels, tmp_path / "straight", SMALL)
    cuts.clear()
    with monkeypatch.context() as patched:
        patched.setattr(nameless, "save_clip", killer_after(3))
        with pytest.raises(KeyboardInterrupt):
            deidentify(exports, labels, tmp_path / "out", SMALL)
    assert not (tmp_path / "out/manifest.csv").exists()
    (tmp_path / "out/clips/.0009.npz.77.part").write_bytes(b"half")
    assert len(cuts) == 4
    deidentify(exports, labels, tmp_path / "out", SMALL)
    assert len(cuts) == len(labels) + 1  # the one that was interrupted is cut twice
    assert cuts[3] == cuts[4]
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def killer_after(clips):
    saved = []

    def save(clip, path):
        if len(saved) == clips:
            raise KeyboardInterrupt
        saved.append(path)
        save_clip(clip, path)

    return save


def test_what_was_changed_is_made_anew(exports, labels, tmp_path, monkeypatch):
    out = tmp_path / "out"
    deidentify(exports, labels, out, SMALL)
    before = contents(out)
    (out / "clips/0002.npz").write_bytes(b"spoiled")
    (out / "clips/0005.npz").unlink()
    (out / "manifest.csv").write_text(NAME)
    deidentify(exports, labels, out, SMALL)
    assert contents(out) == before
    with monkeypatch.context() as patched:
        patched.setattr(nameless, "save_clip", killer_after(3))
        with pytest.raises(KeyboardInterrupt):
            deidentify(exports, labels, tmp_path / "other", SMALL)
    (tmp_path / "other/clips/0002.npz").write_bytes(b"spoiled")
    deidentify(exports, labels, tmp_path / "other", SMALL)
    assert contents(tmp_path / "other") == before


def test_key_and_processes(exports, labels, tmp_path):
    """Processes change nothing; another key changes every name, and nothing else of a clip."""
    copy = tmp_path / "copy"
    shutil.copytree(exports, copy)
    deidentify(exports, labels, tmp_path / "one", SMALL)
    deidentify(exports, labels, tmp_path / "two", SMALL, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    (copy / KEY).write_bytes(bytes(32))
    deidentify(copy, labels, tmp_path / "other", SMALL)
    one, other = ({row["patient"] for row in rows_of(tmp_path / out)} for out in ("one", "other"))
    assert not one & other
    pixels = [
        {read_npz(path).frames.tobytes() for path in (tmp_path / out / "clips").glob("*.npz")}
        for out in ("one", "other")
    ]
    assert pixels[0] == pixels[1]
    assert (exports / KEY).read_bytes() not in b"".join(contents(tmp_path / "one").values())


# --- refusals


def test_sides_are_the_labels_or_dealt_by_seed(exports, labels, tmp_path):
    sides = ["train", "validation", "test"]
    given = [replace(label, split=sides[n % 3]) for n, label in enumerate(labels)]
    deidentify(exports, given, tmp_path / "given", SMALL)
    counts = [len(read_cohort(tmp_path / "given")[side]) for side in sides]
    assert counts == [4, 3, 3]
    splits = []
    for seed in range(4):
        deidentify(exports, labels, tmp_path / f"{seed}", replace(SMALL, seed=seed))
        splits.append(tuple(row["split"] for row in rows_of(tmp_path / f"{seed}")))
    assert len(set(splits)) > 1
    with pytest.raises(
        ValueError, match="names the sides test, train, validation and none: wanted"
    ):
        deidentify(exports, [*given[:-1], labels[-1]], tmp_path / "no", SMALL)
    with pytest.raises(ValueError, match="names the sides train: wanted all of train, validation"):
        deidentify(exports, given[::3], tmp_path / "no", SMALL)
    twice = replace(given[0], first_frame=2, split="test")
    with pytest.raises(ValueError, match=rf"patient {NAME}\^Inga 0 is in train and in test"):
        deidentify(exports, [*given, twice], tmp_path / "no", SMALL)
    with pytest.raises(ValueError, match="train, validation, test need a patient each: got 2"):
        deidentify(exports, labels[:2], tmp_path / "no", SMALL)
    assert not (tmp_path / "no").exists()


def test_labels_that_do_not_fit_are_refused_before_anything_is_written(exports, labels, tmp_path):
    out = tmp_path / "out"
    for change, message in (
        ({"grade": ""}, "has the grade '': wanted one of mild, severe"),
        ({"grade": "open"}, "has the grade 'open': wanted one of mild, severe"),
        ({"clip": "p/none.mp4"}, "p/none.mp4 is in labels.csv, but is no clip in"),
    ):
        wrong = [*labels[1:], replace(labels[0], **change)]
        for ask in (deidentify, write_review_sheet):
            with pytest.raises(ValueError, match=message):
                ask(exports, wrong, out, SMALL)
    with pytest.raises(ValueError, match=r"labels\.csv has no rows"):
        deidentify(exports, [], out, SMALL)
    with pytest.raises(ValueError, match="workers must be 1 or more: got 0"):
        deidentify(exports, labels, out, SMALL, workers=0)
    assert not out.exists()


def test_links_are_no_clips(own, tissues, tmp_path):
    as_npz(screen(tissues[0]), tmp_path / "elsewhere.npz")
    (own / "p/link.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(ValueError, match=r"p/link\.npz is in labels\.csv, but is no clip in"):
        deidentify(own, [Label(clip="p/link.npz", grade="mild")], tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    "wrong",
    [{"frames": 0}, {"size": 8}, {"seed": -1}, {"grades": ("mild",)}, {"grades": ("a", "a")}],
)
def test_settings_say_what_they_want(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be .*: got"):
        DeidentifySettings(**wrong)


def test_the_output_lies_apart_and_holds_nothing_else(exports, labels, tmp_path):
    for out in (exports, exports / "clean", exports.parent):
        with pytest.raises(ValueError, match="lie in one another: name a folder somewhere else"):
            deidentify(exports, labels, out, SMALL)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; name a folder"):
        deidentify(exports, labels, tmp_path / "file", SMALL)
    with pytest.raises(ValueError, match=r"holds other files \(file\); name a new folder"):
        deidentify(exports, labels, tmp_path, SMALL)
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


# --- the page to look at first


def test_the_page_shows_what_will_be_written_and_stays_with_the_names(exports, labels, tmp_path):
    settings = DeidentifySettings(frames=4, size=200)  # as large as on the page
    path = write_review_sheet(exports, labels, tmp_path / "out", settings)
    assert path == exports / SHEET
    assert not (tmp_path / "out").exists()
    page = np.asarray(Image.open(path))
    for number, label in enumerate(labels):
        frames = cut(Order(exports, label, 4, 200)).frames
        three = np.hstack(
            [
                np.pad(picture, ((0, 0), (0, 4)))
                for picture in (frames[2], frames.min(axis=0), frames.max(axis=0))
            ]
        )
        places = np.lib.stride_tricks.sliding_window_view(page, (200, 200))
        x, y = 28 + number % 2 * 636, 84 + 22 + number // 2 * 250
        for place in range(3):
            at = x + 204 * place
            np.testing.assert_array_equal(places[y, at], three[:, 204 * place :][:, :200])
    path.unlink()


def test_a_name_on_the_tissue_stays_bright_on_the_page(own, tissues, tmp_path):
    for number in range(3):
        (own / f"p{number}").mkdir()
        frames = screen(tissues[0])
        if number == 1:
            frames[:, 110:120, 80:160] = frames[:, 8:18, 6:86]  # a piece of the header
        as_npz(frames, own / f"p{number}/a.npz")
    wanted = [Label(clip=f"p{number}/a.npz", grade="mild") for number in range(3)]
    settings = DeidentifySettings(frames=8, size=200)
    page = np.asarray(Image.open(write_review_sheet(own, wanted, tmp_path / "out", settings)))
    brightest = [page[106:306, x + 204 : x + 404].max() for x in (28, 664)]
    assert brightest[0] < 180 and brightest[1] > 240
