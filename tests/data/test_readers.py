"""One clip in every format reads alike; colours, scales, regions, patients; what messages show."""

import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid

from csglib import ClipError, read_clip
from csglib.data.clips import TRUTH_ARRAYS, Region, hash_patient, save_clip
from csglib.data.readers import limits
from csglib.data.readers.limits import as_clip_error

from . import clip_files as files
from .clip_files import EXACT, NEARLY, moving, refused, same

CINE = "examples_ybr_color.dcm"
FAST_START = {"movflags": "faststart"}  # the index before the frames


@pytest.mark.parametrize("name", EXACT)
def test_lossless_formats_read_exactly(name, tmp_path):
    frames = moving(11)  # so that frame 10 comes after frame 9
    EXACT[name](frames, tmp_path / name)
    clip = read_clip(tmp_path / name)
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.coloured == 0
    assert clip.frames.flags.writeable  # torch warns of arrays that are not


@pytest.mark.parametrize("name", NEARLY)
def test_lossy_formats_read_nearly(name, tmp_path):
    write, floor = NEARLY[name]
    frames = moving(11)
    write(frames, tmp_path / name)
    clip = read_clip(tmp_path / name)
    error = np.mean((clip.frames.astype(float) - frames) ** 2)
    assert 10 * np.log10(255**2 / error) > floor
    assert abs(clip.frames.mean() - frames.mean()) < 1  # a wrong range makes it five and more
    assert clip.coloured == 0


@pytest.mark.parametrize("name", ["clip.mkv", "floats.npz", "clip.nii", "folder"])
def test_a_file_name_becomes_a_patient_that_does_not_show_it(name, tmp_path):
    path = (tmp_path / "jane_doe").with_suffix(Path(name).suffix)
    EXACT[name](moving(), path)
    clip = read_clip(path)
    assert re.fullmatch("patient-[0-9a-f]{12}", clip.patient)
    assert clip.mm_per_px == (pytest.approx(0.0679) if name == "clip.nii" else None)


def test_the_ending_of_a_name_is_ignored(tmp_path):
    for name in ("clip.npz", "clip.mkv", "clip.dcm"):
        EXACT[name](moving(), tmp_path / f"{name}.mp4")
        same(str(tmp_path / f"{name}.mp4"), moving())


@pytest.mark.parametrize("kind", ["npz", "mkv", "dcm", "nii"])
@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FRAMES", 6), ("MAX_SIDE", 57), ("MAX_BYTES", 7 * 46 * 58 - 1)]
)
def test_a_clip_beyond_a_limit_is_refused(tmp_path, monkeypatch, limit, value, kind):
    path = tmp_path / f"clip.{kind}"
    EXACT[path.name](moving(), path)
    monkeypatch.setattr(limits, limit, value)
    before = "over 0 MiB; cut out" if (limit, kind) == ("MAX_BYTES", "dcm") else ""  # it is parsed
    assert f"too large: {before}" in refused(path)


# --- colours


def drawn_on(frames, share):
    """The clip with a part of its second frame in red and blue, as colour Doppler has it."""
    colours = np.stack([frames] * 3, axis=-1)
    rows, columns = frames.shape[1] // 4, round(frames.shape[2] * share * 2)
    colours[1, :rows, :columns] = (200, 49, 100)  # in this only one of the chroma channels tells
    colours[1, rows : 2 * rows, :columns] = (100, 81, 200)  # and in this only the other
    return colours


COLOURED = {  # and how far the fraction may be off: chroma is coarse, and lossy coding blurs it
    "clip.mkv": (files.writes(files.video, "ffv1", "bgr0"), 1e-9),
    "444.mkv": (files.writes(files.video, "ffv1", "yuv444p"), 1e-9),
    "limited.mkv": (files.writes(files.video, "ffv1", "yuv444p", files.LIMITED), 1e-9),
    "ten.mkv": (files.writes(files.video, "ffv1", "yuv422p10le", files.LIMITED), 0.04),
    "nv12.avi": (files.writes(files.video, "rawvideo", "nv12", files.LIMITED), 0.04),
    "clip.mp4": (files.writes(files.video, "libx264", "yuv420p", crf="18"), 0.04),
    "clip.avi": (files.writes(files.video, "mjpeg", "yuvj420p", b="8M"), 0.04),
    "clip.dcm": (files.dicom, 1e-9),
    "jpeg.dcm": (files.writes(files.dicom, uid.JPEGBaseline8Bit, "JPEG", quality=95), 0.04),
    "264.dcm": (files.video_dicom, 0.04),
    "folder": (files.folder, 1e-9),
    "clip.gif": (files.gif, 1e-9),
}


@pytest.mark.parametrize("share", [0.05, 0.25])
@pytest.mark.parametrize("name", COLOURED)
def test_the_coloured_fraction_of_a_frame_is_measured(name, share, tmp_path):
    write, off = COLOURED[name]
    grey = moving(3)[:, :44, :40].copy()
    write(drawn_on(grey, share), tmp_path / name)
    clip = read_clip(tmp_path / name)
    assert clip.coloured == pytest.approx(share, abs=off)
    assert np.abs(clip.frames[0].astype(int) - grey[0]).mean() < 3  # the first frame is grey


def test_colours_become_luma_and_a_weak_tint_does_not_count(tmp_path):
    red, green, blue = moving(), moving()[::-1], moving()[:, ::-1]
    files.video(np.stack([red, green, blue], -1), tmp_path / "clip.mkv", "ffv1", "bgr0")
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(read_clip(tmp_path / "clip.mkv").frames - expected).max() < 0.501
    grey = np.full((2, 8, 8), 90, np.uint8)
    for tint, coloured in ((20, 0), (21, 0.5)):
        half = np.stack([grey, grey + tint, grey + 10], axis=-1)
        half[:, :4] = 90
        files.folder(half, tmp_path / f"{tint}")
        assert read_clip(tmp_path / f"{tint}").coloured == coloured


def test_a_tint_of_one_hue_is_no_doppler_but_colours_on_it_and_two_hues_are(tmp_path):
    level = np.linspace(30, 160, 40, dtype=np.uint8) * np.ones((2, 40, 1), np.uint8)
    for name, scales in {"blue": (0.72, 0.76, 1.2), "amber": (1, 0.7, 0.2)}.items():
        tint = (level[..., None] * scales).astype(np.uint8)
        files.folder(tint, tmp_path / name)
        assert read_clip(tmp_path / name).coloured == 0
    doppler = np.stack([level] * 3, axis=-1)
    for name, frames in {
        "on a tint": (level[..., None] * (0.7, 0.8, 1.2)),
        "on grey": doppler,
    }.items():
        marked = frames.astype(np.uint8)
        marked[:, 10:12, :20] = 200, 30, 20
        marked[:, 20:22, :20] = 200, 170, 20
        files.folder(marked, tmp_path / name)
        assert read_clip(tmp_path / name).coloured == 0.05


# --- NPZ


def test_a_saved_clip_comes_back_exactly(tmp_path):
    clip = files.simulated()
    save_clip(clip, tmp_path / "clip.npz")
    back = read_clip(tmp_path / "clip.npz")
    assert (back.patient, back.mm_per_px) == (clip.patient, clip.mm_per_px)
    np.testing.assert_array_equal(back.frames, clip.frames)
    for name in TRUTH_ARRAYS:
        np.testing.assert_array_equal(getattr(back.truth, name), getattr(clip.truth, name))
    assert back.truth.parameters == clip.truth.parameters
    assert [type(value) for value in back.truth.parameters.values()] == [float, str, int]
    EXACT["clip.npz"](moving(), tmp_path / "bare.npz")
    bare = read_clip(tmp_path / "bare.npz")
    assert (bare.truth, bare.mm_per_px, bare.patient) == (None, None, "p")


# --- video


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("clip.mp4", files.writes(files.video, "libx264", "yuv420p")),
        ("clip.wmv", NEARLY["clip.wmv"][0]),
        ("clip.ts", NEARLY["clip.ts"][0]),
        ("fast.mp4", files.writes(files.video, "libx264", "yuv420p", mux=FAST_START)),
        *((name, EXACT[name]) for name in ("clip.mkv", "clip.npz", "clip.nii.gz")),
        ("clip.avi", NEARLY["clip.avi"][0]),
        ("cine.dcm", lambda frames, path: path.write_bytes(files.bundled(CINE).read_bytes())),
    ],
)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, name, write):
    write(moving(), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in [*np.linspace(64, len(whole) - 1, 12).astype(int), len(whole) - 9]:
        (tmp_path / name).write_bytes(whole[:length])
        refused(tmp_path / name)


def test_a_live_recording_that_states_no_length_reads(tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    stream = Pipe()
    files.video(moving(), stream, "ffv1", "gray", container="matroska")
    (tmp_path / "clip.mkv").write_bytes(stream.getvalue())
    same(tmp_path / "clip.mkv", moving())


# --- DICOM


def with_regions(path, *items, **changes):
    dataset = files.ultrasound(moving(), **changes)
    dataset.SequenceOfUltrasoundRegions = [files.region(dataset, **item) for item in items]
    return read_clip(files.saved(dataset, path))


WHOLE = (0, 0, 58, 46)


@pytest.mark.parametrize(
    ("changes", "scale", "edges"),
    [
        ({}, 0.0679, WHOLE),
        ({"PhysicalDeltaX": -0.00679}, 0.0679, WHOLE),
        ({"RegionLocationMaxX1": 58, "RegionLocationMaxY1": 46}, 0.0679, WHOLE),
        ({"RegionLocationMinX0": 4, "RegionLocationMaxX1": 40}, 0.0679, (4, 0, 41, 46)),
        ({"RegionLocationMinY0": 3}, 0.0679, (0, 3, 58, 46)),
        ({"RegionLocationMaxX1": 59}, None, None),
        ({"RegionLocationMinY0": 45}, None, None),
        ({"RegionLocationMaxY1": None}, None, None),
        ({"PhysicalUnitsXDirection": 4}, None, WHOLE),
        ({"PhysicalDeltaX": 0.0, "PhysicalDeltaY": 0.0}, None, WHOLE),
        ({"RegionDataType": 3}, None, None),
        ({"RegionSpatialFormat": 2}, None, None),
    ],
)
def test_scale_and_tissue_are_what_one_region_states(tmp_path, changes, scale, edges):
    clip = with_regions(tmp_path / "clip.dcm", changes)
    assert clip.mm_per_px == (scale and pytest.approx(scale))
    assert clip.region == (edges and Region(*edges))


def test_of_several_regions_only_what_they_share_is_taken(tmp_path):
    path = tmp_path / "clip.dcm"
    spectrum = {"RegionDataType": 3, "PhysicalUnitsXDirection": 4}
    assert with_regions(path, spectrum, {}).mm_per_px == pytest.approx(0.0679)
    coarse = {"PhysicalDeltaX": 0.01, "PhysicalDeltaY": 0.01}
    assert with_regions(path, coarse, {}).mm_per_px is None
    left = {"RegionLocationMinX0": 0, "RegionLocationMaxX1": 27}
    right = {"RegionLocationMinX0": 29, "RegionLocationMaxX1": 57}
    split = with_regions(path, left, right)
    assert (split.region, split.mm_per_px) == (None, pytest.approx(0.0679))


def test_a_patient_keeps_one_name_that_tells_nothing_without_the_key(tmp_path):
    def patient(name, number, key=None):
        dataset = files.ultrasound(moving(), PatientID=number)
        return read_clip(files.saved(dataset, tmp_path / name), key).patient

    one, two = patient("one.dcm", "HOSPITAL-4711"), patient("two.dcm", "HOSPITAL-4711")
    other, nobody = patient("one.dcm", "HOSPITAL-4712"), patient("one.dcm", "")
    assert one == two
    assert len({one, other, nobody}) == 3
    assert patient("one.dcm", "HOSPITAL-4711", b"1" * 32) == hash_patient(
        "HOSPITAL-4711", b"1" * 32
    )
    code = "from csglib.data.clips import hash_patient as h; print(h('HOSPITAL-4711'))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.startswith("patient-") and elsewhere.stdout.strip() != one
    assert all(re.fullmatch("patient-[0-9a-f]{12}", name) for name in (one, other, nobody))


def test_kinds_of_grey_and_of_ybr(tmp_path):
    path, other = tmp_path / "clip.dcm", np.full_like(moving(), 90)
    same(files.saved(files.ultrasound(moving(), "MONOCHROME1"), path), 255 - moving())
    one = files.ultrasound(moving(1))
    del one.NumberOfFrames
    same(files.saved(one, path), moving(1))
    ybr = np.stack([moving(), other, 290 - other.astype(int)], -1).astype(np.uint8)
    same(files.saved(files.ultrasound(ybr, "YBR_FULL"), path), moving())
    squeezed = np.rint(moving() * (219 / 255) + 16).astype(np.uint8)
    ybr = np.stack([squeezed, other + 38, other + 38], axis=-1)
    clip = read_clip(files.saved(files.ultrasound(ybr, "YBR_PARTIAL_422"), path))
    assert np.abs(clip.frames.astype(int) - moving()).max() == 1
    assert clip.coloured == 0
    table = np.repeat(np.arange(256)[:, None], 3, axis=1)
    table[255] = (230, 20, 20)
    levels = np.zeros((2, 10, 8), np.uint8)
    levels[1, :5] = 255
    assert read_clip(files.palette_dicom(levels, path, table)).coloured == 0.5


def test_breaches_of_the_standard_that_do_no_harm_are_ignored(tmp_path):
    """pydicom would warn of each, and here every warning is an error."""
    dataset = files.ultrasound(moving())
    dataset.PixelData += bytes(58 * 46 // 2)  # half a frame too much
    with warnings.catch_warnings(action="ignore"):
        dataset.PatientID, dataset.StudyDate = "X" * 70, "yesterday"
        path = files.saved(dataset, tmp_path / "clip.dcm")
    same(path, moving())


@pytest.mark.parametrize(
    ("syntax", "message"),
    [
        (uid.JPEGLSLossless, "compressed as JPEG-LS .*; to read it: pip install python-gdcm"),
        (uid.HTJ2K, "compressed as High-Throughput .*: pip install pylibjpeg-openjpeg"),
        (uid.UID("1.2.840.10008.1.2.4.94"), "compressed as JPIP .*, unknown here; export it"),
    ],
)
def test_a_missing_decoder_is_named(tmp_path, monkeypatch, syntax, message):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    dataset = files.encapsulated(files.ultrasound(moving(1)), [b"never opened"], syntax)
    assert re.search(message, refused(files.saved(dataset, tmp_path / "clip.dcm")))


REAL = """
SC_jpeg_no_color_transform SC_rgb_dcmtk_+eb+cr SC_rgb_dcmtk_+eb+cy+n1 SC_rgb_dcmtk_+eb+cy+s4
SC_rgb_gdcm_KY SC_rgb_jpeg_app14_dcmd SC_rgb_jpeg_lossy_gdcm SC_rgb_rle_2frame
SC_rgb_small_odd_big_endian SC_rgb_small_odd_jpeg SC_ybr_full_422_uncompressed ExplVR_BigEnd
examples_palette examples_jpeg2k examples_rgb_color examples_ybr_color
"""
OFF = {  # beyond rounding; pydicom goes by way of RGB, which clips some colours
    "SC_rgb_dcmtk_+eb+cy+n1": 8.5,
    "SC_rgb_dcmtk_+eb+cy+s4": 2,
    "SC_rgb_jpeg_lossy_gdcm": 8.5,
    "SC_ybr_full_422_uncompressed": 2,
    "examples_ybr_color": 20,
}


@pytest.mark.parametrize("stem", REAL.split())
def test_real_files_read_as_the_luma_of_what_pydicom_decodes(stem):
    """And the fraction that is coloured. Pure red, green and blue are beyond what YBR can say."""
    name, off = f"{stem}.dcm", OFF.get(stem, 0.51)
    clip, dataset = read_clip(files.bundled(name)), pydicom.dcmread(files.bundled(name))
    colours = dataset.pixel_array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = pydicom.pixels.apply_color_lut(colours, dataset) >> 8
    if dataset.SamplesPerPixel == 1 and dataset.PhotometricInterpretation != "PALETTE COLOR":
        colours = np.stack([colours] * 3, axis=-1)
    luma = (colours @ np.array([0.299, 0.587, 0.114])).reshape(clip.frames.shape)
    error = np.abs(clip.frames - luma)
    assert error.max() < off
    assert np.quantile(error, 0.999) < (2 if name == CINE else off)
    seen = (np.ptp(colours.astype(int), axis=-1) > 20).reshape(len(luma), -1).mean(axis=1).max()
    seen = 0 if name == "examples_palette.dcm" else seen  # of one hue: a tint
    assert clip.coloured == pytest.approx(seen, abs=0.02)
    assert clip.mm_per_px is None  # none states one, or its regions exceed the image


# --- folders of images, GIF


def test_frames_come_in_the_order_of_their_numbers_and_hidden_files_are_ignored(tmp_path):
    for number, frame in enumerate(moving(11)):
        Image.fromarray(frame).save(tmp_path / f"Sweep2_{number}.PNG")
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"what systems leave")
    (tmp_path / "Sweep2_11.PNG").symlink_to("Sweep2_0.PNG")
    same(tmp_path, np.concatenate([moving(11), moving(11)[:1]]))


def test_colours_sixteen_bits_palettes_transparency_and_orientation(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    veiled = np.full((6, 8, 4), 200, np.uint8)
    veiled[..., 3] = np.arange(8) * 36
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    cases = {
        "colours": (Image.fromarray(np.stack([grey] * 3, axis=-1)), {}, grey),
        "sixteen": (Image.fromarray(grey.astype(np.uint16) * 257), {}, grey),
        "palette": (Image.fromarray(grey).convert("P"), {}, grey),
        "opaque": (Image.fromarray(grey).convert("RGBA"), {}, grey),
        "veiled": (Image.fromarray(veiled), {}, np.rint(200 / 255 * veiled[..., 3])),
        "turned": (Image.fromarray(grey), {"exif": exif}, np.rot90(grey, -1)),
    }
    for name, (image, options, wanted) in cases.items():
        image.save(tmp_path / "0.png", **options)
        found = read_clip(tmp_path).frames[0]
        np.testing.assert_allclose(found, wanted, atol=name == "veiled", err_msg=name)


def test_a_gif_is_composed(tmp_path):
    """Writers store only what has changed; the rest shows through from the frames before."""
    base = np.zeros((3, 20, 20), np.uint8)
    base[0, :, :5], base[1:, :, :5], base[2, 12:, 12:] = 90, 95, 200
    files.gif(base, tmp_path / "clip.gif")
    same(tmp_path / "clip.gif", base)


# --- NIfTI


def test_nifti_keeps_whole_numbers_stretches_fractions_and_is_scaled_as_it_states(tmp_path):
    path, voxels = tmp_path / "clip.nii", moving().T
    for stored in (voxels.astype(np.int16), (voxels / 255).astype(np.float32), voxels[:, :, None]):
        files.nifti(stored, path)
        same(path, moving())
    files.nifti(moving(1)[0].T, path)
    same(path, moving(1))
    for dtype, slope, offset in ((np.int16, 1.5, 10), (np.uint8, 1, 7)):
        stored = voxels.astype(dtype) // 4 * 2
        content = bytearray(files.nifti_bytes(stored))
        content[112:120] = np.array([slope, offset], "<f4").tobytes()
        path.write_bytes(content)
        same(path, (stored * slope + offset).T)
    files.nifti(voxels, path, unit=0)  # not millimetres
    assert read_clip(path).mm_per_px is None


# --- what messages may show


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.gif", b"GIF89a"),
        ("cut/1.png", b"\x89PNG\r\n\x1a\n"),
        ("cut.mkv", b"\x1a\x45\xdf\xa3\xff"),
    ],
)
def test_messages_name_the_file_once_and_no_folder(tmp_path, name, content):
    home = tmp_path / "clips" / "O'Hara Jane"
    (home / name).parent.mkdir(parents=True)
    (home / name).write_bytes(content)
    with pytest.raises(ClipError, match=r"\(\w+: .*\)$") as caught:
        read_clip(home / name.partition("/")[0])
    message = str(caught.value)
    assert message.startswith(f"{name}: not a whole ")
    assert message.count(name) == 1
    for private in ("Hara", "clips", tmp_path.name):
        assert private not in message


def test_of_a_path_in_a_parser_s_words_the_name_is_left():
    for words, left in {
        r"no 'C:\Users\Jane Doe\a.nii' here": "no 'a.nii' here",
        "file </home/jane/b.gif>": "file <b.gif>",
        "3/4 of 8 bytes, 1/2 is read": "3/4 of 8 bytes, 1/2 is read",
    }.items():
        with pytest.raises(ClipError) as caught, as_clip_error("x: bad"):
            raise OSError(words)
        assert str(caught.value) == f"x: bad (OSError: {left})"
