import errno
import io
import json
import os
import re
import shutil
import warnings
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from scipy import ndimage

from csglib.data.clips import Clip, Region, Truth, save_clip
from csglib.data.readers import ClipError, dicom, limits, read_clip
from csglib.data.readers.limits import refusing

CINE = "examples_ybr_color.dcm"
FULL, LIMITED = 2, 1  # FFmpeg's names for the range of grey


def moving(frames: int = 7, height: int = 46, width: int = 58) -> np.ndarray:
    """Smooth blobs that drift, from pure black to pure white."""
    noise = np.random.default_rng(5).normal(size=(frames, height, width))
    smooth = ndimage.gaussian_filter(noise, (1.5, 3, 4), mode="wrap")
    low, high = np.quantile(smooth, (0.05, 0.95))
    return np.rint(((smooth - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8)


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - two) ** 2)))


def encode(
    frames: np.ndarray, path: Path | io.BytesIO, codec: str, pixels: str, tag: int = 0, **how: str
) -> None:
    container = how.pop("container", None)
    with av.open(path, "w", format=container) as output:
        stream = output.add_stream(codec, rate=20, options=how)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.color_range = tag
        for grey in frames:
            layout = "gray" if grey.ndim == 2 else "rgb24"
            picture = av.VideoFrame.from_ndarray(grey, format=layout)
            if pixels != "gray":  # untagged, FFmpeg squeezes grey into 16 to 235, as players expect
                picture = picture.reformat(format=pixels, dst_color_range=tag or LIMITED)
            picture.color_range = tag
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def ultrasound(frames: np.ndarray, kind: str = "MONOCHROME2") -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        uid.UltrasoundMultiFrameImageStorage
    )
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "US", "Doe^Jane", "HOSPITAL-4711"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel = 1 if frames.ndim == 3 else 3
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = kind
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset


def region(dataset: Dataset, **changes: float) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = dataset.Columns - 1, dataset.Rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.00679
    for name, value in changes.items():
        setattr(item, name, value)
    return item


def write(dataset: Dataset, path: Path) -> Path:
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset.save_as(path, enforce_file_format=True)
    return path


def as_video(frames: np.ndarray, stream: bytes, syntax: str = uid.MPEG4HP41) -> Dataset:
    dataset = ultrasound(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "YBR_PARTIAL_420"
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    return dataset


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is part of pydicom"
    return Path(path)


def refused(path: Path) -> str:
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- NPZ


def simulated(frames: int = 5) -> Clip:
    rng = np.random.default_rng(3)
    outer, inner, lumen = rng.uniform(0, 41, (3, frames, 7, 2))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=np.linspace(0.1, 0.7, frames),
        diameter_stenosis=np.linspace(0.05, 0.55, frames),
        parameters={"seed": 11, "depth_mm": 14.5, "plaque": "type III, échogène"},
    )
    grey = rng.integers(0, 256, (frames, 37, 41), dtype=np.uint8)
    return Clip(frames=grey, patient="patient-7", mm_per_px=0.0679, truth=truth)


def test_a_saved_clip_comes_back_exactly(tmp_path):
    clip = simulated()
    save_clip(clip, tmp_path / "clip.npz")
    back = read_clip(str(tmp_path / "clip.npz"))
    assert (back.patient, back.mm_per_px) == (clip.patient, clip.mm_per_px)
    np.testing.assert_array_equal(back.frames, clip.frames)
    for name in ("vessel_outer", "vessel_inner", "lumen", "area_stenosis", "diameter_stenosis"):
        np.testing.assert_array_equal(getattr(back.truth, name), getattr(clip.truth, name))
    assert back.truth.parameters == clip.truth.parameters
    assert [type(value) for value in back.truth.parameters.values()] == [float, str, int]


def test_a_saved_clip_without_truth_or_scale_has_none_afterwards(tmp_path):
    save_clip(Clip(frames=moving(), patient="a"), tmp_path / "clip.npz")
    back = read_clip(tmp_path / "clip.npz")
    assert (back.truth, back.mm_per_px) == (None, None)


def test_bare_frames_in_npz_read_and_do_not_show_the_file_name(tmp_path):
    path = tmp_path / "jane_doe.npz"
    np.savez(path, frames=moving())
    clip = read_clip(path)
    np.testing.assert_array_equal(clip.frames, moving())
    assert clip.patient.startswith("patient-") and "jane" not in clip.patient
    assert clip.mm_per_px is None


def test_floats_from_zero_to_one_become_grey_levels(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez(path, frames=moving() / 255)
    np.testing.assert_array_equal(read_clip(path).frames, moving())


def spoilt(frame: int, value: float) -> np.ndarray:
    frames = moving() / np.float32(255)
    frames[frame, 3, 2] = value
    return frames


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": spoilt(4, np.nan)}, r"frame 4 holds NaN or infinity; wanted 0 to 1"),
        ({"frames": spoilt(2, -0.5)}, r"frame 2 runs from -0\.5 to .*; wanted 0 to 1, or uint8"),
        ({"frames": spoilt(0, 255)}, r"frame 0 runs from 0 to 255; wanted 0 to 1, or uint8"),
        ({"frames": moving().astype(np.int64)}, r"frames are int64; wanted uint8, or float"),
        ({"frames": moving()[0]}, r"shape \(46, 58\); wanted \(frame, row, column\)"),
        ({"frames": moving()[:0]}, r"nothing to see: 0 frames of 58 x 46 pixels"),
        ({"images": moving()}, r"no array named frames, only images; write it with"),
        ({}, r"no array named frames, only nothing"),
        ({"frames": np.array([{}, 1])}, r"frames holds pickled objects and is left closed"),
        ({"frames": moving(), "mm_per_px": np.array(-1.0)}, r"mm_per_px is .*-1.*; wanted one"),
        ({"frames": moving(), "patient": np.array(7)}, r"patient is int64 \(\); wanted one text"),
        (
            {"frames": moving(), "lumen": np.ones((7, 5, 2))},
            r"truth lacks parameters, vessel_outer",
        ),
    ],
)
def test_an_npz_that_is_no_clip_is_refused(tmp_path, arrays, message):
    path = tmp_path / "clip.npz"
    np.savez(path, **arrays)
    with pytest.raises(ClipError, match=message):
        read_clip(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "lumen",
            np.ones((4, 7, 2)),
            r"lumen of the truth is float64 \(4, 7, 2\); wanted float \(5,",
        ),
        ("area_stenosis", np.ones(5, int), r"area_stenosis of the truth is int64 \(5,\); wanted"),
        ("parameters", np.array("{"), r"parameters of the truth are not JSON"),
        ("parameters", np.array(json.dumps({"a": [1]})), r"not a table of numbers and words"),
    ],
)
def test_a_truth_that_does_not_fit_its_frames_is_refused(tmp_path, name, value, message):
    save_clip(simulated(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **dict(arrays) | {name: value})
    with pytest.raises(ClipError, match=message):
        read_clip(tmp_path / "bad.npz")


def test_a_small_npz_cannot_promise_more_than_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    shape = {"shape": (3, 100_000, 100_000), "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.npy", header.getvalue() + bytes(1000))
    assert "(3, 100000, 100000) is too large: over 1024 MiB" in refused(path)


def test_an_array_longer_than_its_shape_is_refused(tmp_path):
    whole = io.BytesIO()
    np.save(whole, moving())
    with zipfile.ZipFile(tmp_path / "clip.npz", "w") as archive:
        archive.writestr("frames.npy", whole.getvalue() + bytes(58 * 46))
    assert "frames is longer than its shape (7, 46, 58) says" in refused(tmp_path / "clip.npz")


def test_a_changed_byte_in_an_npz_is_noticed(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez(path, frames=moving())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert "not a whole NPZ" in refused(path)


# --- what is no clip at all


def test_what_is_no_file_says_what_it_is(tmp_path):
    assert "no such file; wanted NPZ, DICOM, mp4, avi, mkv" in refused(tmp_path / "absent.mp4")
    assert "a device or a pipe; wanted NPZ" in refused(Path(os.devnull))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; copy or export it again"),
        (
            b"Dear colleague,\nplease find",
            r"starts with the text 'Dear colleague,\nplea', which is",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "a single picture; put all frames into a folder"),
        (b"\x1f\x8b" + bytes(200), "starts with the bytes 1f 8b 00 00 00 00 00 00, which is"),
    ],
)
def test_a_file_is_judged_by_its_content(tmp_path, content, message):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert message in refused(path)


def test_the_ending_of_a_name_does_not_matter(tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copy(bundled(CINE), path)
    assert read_clip(path).frames.shape == (30, 240, 320)


def test_reading_writes_nothing(tmp_path):
    save_clip(simulated(), tmp_path / "clip.npz")
    encode(moving(), tmp_path / "clip.mkv", "ffv1", "gray")
    write(ultrasound(moving()), tmp_path / "clip.dcm")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    for path in before:
        read_clip(path)
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}


# --- video


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "tag"),
    [
        ("clip.mkv", "ffv1", "gray", 0),
        ("clip.avi", "ffv1", "gray", FULL),
        ("clip.avi", "rawvideo", "bgr24", 0),
        ("clip.mkv", "ffv1", "gray16le", 0),
    ],
)
def test_lossless_video_is_exact(tmp_path, name, codec, pixels, tag):
    encode(moving(), tmp_path / name, codec, pixels, tag)
    clip = read_clip(tmp_path / name)
    np.testing.assert_array_equal(clip.frames, moving())
    assert clip.mm_per_px is None


@pytest.mark.parametrize(("pixels", "tag"), [("yuvj420p", FULL), ("gray", FULL)])
def test_full_range_is_left_alone(tmp_path, pixels, tag):
    encode(moving(), tmp_path / "clip.mp4", "libx264", pixels, tag, qp="0")
    np.testing.assert_array_equal(read_clip(tmp_path / "clip.mp4").frames, moving())


@pytest.mark.parametrize("tag", [LIMITED, 0])
def test_limited_range_is_spread_over_all_grey_levels(tmp_path, tag):
    """220 levels hold 256, so lossless coding is off by one at most; unspread it would be by 20."""
    encode(moving(), tmp_path / "clip.mp4", "libx264", "yuv420p", tag, qp="0")
    error = np.abs(read_clip(tmp_path / "clip.mp4").frames.astype(int) - moving())
    assert error.max() == 1


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "tag", "how"),
    [
        ("clip.mp4", "libx264", "yuv420p", 0, {"crf": "18"}),
        ("clip.mp4", "libx264", "yuvj420p", FULL, {"crf": "18"}),
        ("clip.mkv", "libx264", "yuv420p10le", 0, {"crf": "18"}),
        ("clip.avi", "mpeg4", "yuv420p", 0, {"q:v": "2", "b": "8M"}),
        ("clip.avi", "mjpeg", "yuvj420p", FULL, {"q:v": "2", "b": "8M"}),
    ],
)
def test_lossy_video_is_close(tmp_path, name, codec, pixels, tag, how):
    encode(moving(), tmp_path / name, codec, pixels, tag, **how)
    assert psnr(read_clip(tmp_path / name).frames, moving()) > 37


def test_a_video_has_a_patient_that_does_not_show_its_name(tmp_path):
    encode(moving(), tmp_path / "jane_doe.mkv", "ffv1", "gray")
    patient = read_clip(tmp_path / "jane_doe.mkv").patient
    assert patient.startswith("patient-") and "jane" not in patient


def test_colours_in_a_video_become_luma(tmp_path):
    red, green, blue = moving(), moving()[::-1], moving()[:, ::-1]
    encode(np.stack([red, green, blue], -1), tmp_path / "clip.mkv", "ffv1", "bgr0")
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(read_clip(tmp_path / "clip.mkv").frames - expected).max() < 0.501


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("clip.mp4", "libx264", "cut short: "),
        ("clip.mkv", "ffv1", "cut short: "),
        ("clip.avi", "mjpeg", "cut short: "),
    ],
)
@pytest.mark.parametrize("share", [0.4, 0.8, 0.99])
def test_a_video_that_is_cut_short_is_refused(tmp_path, name, codec, message, share):
    pixels = {"libx264": "yuv420p", "ffv1": "gray", "mjpeg": "yuvj420p"}[codec]
    encode(moving(), tmp_path / name, codec, pixels)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    assert message in refused(tmp_path / name)


def test_a_damaged_frame_is_named(tmp_path):
    path = tmp_path / "clip.mp4"
    encode(moving(frames=9), path, "libx264", "yuv420p", crf="10", bf="0", g="1")
    with av.open(path) as video:
        packets = [(packet.pos, packet.size) for packet in video.demux(video=0) if packet.size]
    place, size = packets[6]
    damaged = bytearray(path.read_bytes())
    damaged[place + size // 2 : place + size] = bytes(size - size // 2)
    path.write_bytes(damaged)
    assert "frame 6 is damaged; export it again" in refused(path)


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(stream.encode(sound))
        output.mux(stream.encode())
    assert "no video stream in this matroska file, only sound or text" in refused(path)


def test_unknown_pixels_name_a_way_out(tmp_path):
    encode(moving(), tmp_path / "clip.avi", "rawvideo", "yuyv422")
    assert "stored as yuyv422, unknown here; convert it with: ffmpeg" in refused(
        tmp_path / "clip.avi"
    )


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FRAMES", 6), ("MAX_SIDE", 57), ("MAX_BYTES", 7 * 46 * 58 - 1)]
)
@pytest.mark.parametrize("kind", ["npz", "mkv", "dcm"])
def test_a_clip_beyond_a_limit_is_refused(tmp_path, monkeypatch, limit, value, kind):
    path = tmp_path / f"clip.{kind}"
    match kind:
        case "npz":
            np.savez(path, frames=moving())
        case "mkv":
            encode(moving(), path, "ffv1", "gray")
        case "dcm":
            write(ultrasound(moving()), path)
    monkeypatch.setattr(limits, limit, value)
    frames = 1 if kind == "mkv" and limit == "MAX_SIDE" else 7
    assert f"too large: {frames} frames of 58 x 46 pixels; at most" in refused(path)


# --- DICOM


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_lossless_dicom_is_exact(tmp_path, syntax):
    dataset = ultrasound(moving())
    if syntax.is_compressed:
        dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_clip(write(dataset, tmp_path / "clip.dcm")).frames, moving())


def test_a_picture_without_a_number_of_frames_is_one_frame(tmp_path):
    dataset = ultrasound(moving(frames=1))
    del dataset.NumberOfFrames
    np.testing.assert_array_equal(
        read_clip(write(dataset, tmp_path / "clip.dcm")).frames, moving(frames=1)
    )


def test_monochrome1_is_turned_over(tmp_path):
    path = write(ultrasound(moving(), "MONOCHROME1"), tmp_path / "clip.dcm")
    np.testing.assert_array_equal(read_clip(path).frames, 255 - moving())


def test_the_first_channel_of_ybr_is_the_clip(tmp_path):
    ybr = np.stack([moving(), np.full_like(moving(), 90), np.full_like(moving(), 200)], -1)
    path = write(ultrasound(ybr, "YBR_FULL"), tmp_path / "clip.dcm")
    np.testing.assert_array_equal(read_clip(path).frames, moving())


def test_old_ybr_of_limited_range_is_spread(tmp_path):
    limited = np.rint(moving() * (219 / 255) + 16).astype(np.uint8)
    ybr = np.stack([limited, np.full_like(limited, 128), np.full_like(limited, 128)], axis=-1)
    dataset = ultrasound(ybr, "YBR_PARTIAL_422")
    frames = read_clip(write(dataset, tmp_path / "clip.dcm")).frames
    assert np.abs(frames.astype(int) - moving()).max() == 1


@pytest.mark.parametrize("shift", [256, 257])
def test_a_palette_of_sixteen_bits_gives_eight(tmp_path, shift):
    dataset = ultrasound(moving(), "PALETTE COLOR")
    inverse = ((255 - np.arange(256)) * shift).astype("<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", inverse)
    path = write(dataset, tmp_path / "clip.dcm")
    np.testing.assert_array_equal(read_clip(path).frames, 255 - moving())


@pytest.mark.parametrize(
    ("container", "codec", "syntax"),
    [
        ("mp4", "libx264", uid.MPEG4HP41),
        ("h264", "libx264", uid.MPEG4HP41),
        ("mpegts", "libx264", uid.MPEG4HP41),
        ("hevc", "libx265", uid.HEVCMP51),
        ("mpeg2video", "mpeg2video", uid.MPEG2MPML),
        ("vob", "mpeg2video", uid.MPEG2MPML),
    ],
)
def test_video_inside_dicom(tmp_path, container, codec, syntax):
    stream = io.BytesIO()
    how = {"libx264": {"crf": "12"}, "libx265": {"crf": "10", "x265-params": "log-level=none"}}
    quality = how.get(codec, {"q:v": "2", "b": "8M"})
    encode(moving(), stream, codec, "yuv420p", container=container, **quality)
    dataset = as_video(moving(), stream.getvalue(), syntax)
    dataset.SequenceOfUltrasoundRegions = [region(dataset)]
    clip = read_clip(write(dataset, tmp_path / "clip.dcm"))
    assert psnr(clip.frames, moving()) > 38
    assert clip.mm_per_px == pytest.approx(0.0679)


def test_a_video_that_changes_its_size_is_refused(tmp_path):
    small, large = io.BytesIO(), io.BytesIO()
    encode(moving(frames=5), small, "libx264", "yuv420p", container="h264")
    encode(moving(5, 62, 82), large, "libx264", "yuv420p", container="h264")
    both = as_video(moving(frames=10), small.getvalue() + large.getvalue())
    message = "frame 5 is 82 x 62 after 58 x 46; wanted one size in a clip"
    assert message in refused(write(both, tmp_path / "clip.dcm"))


def test_a_video_inside_dicom_that_is_too_short_is_refused(tmp_path):
    stream = io.BytesIO()
    encode(moving(frames=5), stream, "libx264", "yuv420p", container="h264")
    path = write(as_video(moving(frames=7), stream.getvalue()), tmp_path / "clip.dcm")
    assert (
        "promises 7 frames of 58 x 46 pixels, but its video holds 5 frames of 58 x 46 pixels"
        in refused(path)
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.0679),
        ({"PhysicalDeltaX": -0.00679}, 0.0679),
        ({"RegionLocationMaxX1": 58, "RegionLocationMaxY1": 46}, 0.0679),
        ({"RegionLocationMaxX1": 59}, None),
        ({"RegionLocationMinX0": 57}, None),
        ({"RegionLocationMinY0": 45}, None),
        ({"RegionLocationMaxY1": 300}, None),
        ({"PhysicalDeltaY": 0.0071}, None),
        ({"PhysicalUnitsXDirection": 4}, None),
        ({"RegionDataType": 3}, None),
        ({"RegionSpatialFormat": 2}, None),
        ({"PhysicalDeltaX": 0.0, "PhysicalDeltaY": 0.0}, None),
    ],
)
def test_the_scale_is_what_a_tissue_region_says_or_none(tmp_path, changes, expected):
    dataset = ultrasound(moving())
    dataset.SequenceOfUltrasoundRegions = [region(dataset, **changes)]
    scale = read_clip(write(dataset, tmp_path / "clip.dcm")).mm_per_px
    assert scale == (None if expected is None else pytest.approx(expected))


def test_a_spectrum_beside_the_tissue_does_not_disturb_the_scale(tmp_path):
    dataset = ultrasound(moving())
    doppler = region(dataset, RegionDataType=3, PhysicalUnitsXDirection=4)
    dataset.SequenceOfUltrasoundRegions = [doppler, region(dataset)]
    assert read_clip(write(dataset, tmp_path / "clip.dcm")).mm_per_px == pytest.approx(0.0679)


def test_two_scales_of_tissue_are_no_scale(tmp_path):
    dataset = ultrasound(moving())
    coarse = region(dataset, PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)
    dataset.SequenceOfUltrasoundRegions = [coarse, region(dataset)]
    assert read_clip(write(dataset, tmp_path / "clip.dcm")).mm_per_px is None


@pytest.mark.parametrize(
    ("changes", "edges"),
    [
        ({}, (0, 0, 58, 46)),
        ({"RegionLocationMaxX1": 58, "RegionLocationMaxY1": 46}, (0, 0, 58, 46)),
        (
            {"RegionLocationMinX0": 4, "RegionLocationMinY0": 3, "RegionLocationMaxX1": 40},
            (4, 3, 41, 46),
        ),
        ({"RegionLocationMaxX1": 300}, None),
        ({"RegionDataType": 3}, None),
        ({"RegionLocationMaxY1": None}, None),
    ],
)
def test_the_tissue_is_where_a_region_that_fits_says(tmp_path, changes, edges):
    dataset = ultrasound(moving())
    item = region(dataset, **changes)
    for name in [name for name, value in changes.items() if value is None]:
        delattr(item, name)
    dataset.SequenceOfUltrasoundRegions = [item]
    found = read_clip(write(dataset, tmp_path / "clip.dcm")).region
    assert found == (edges and Region(*edges))


def test_of_two_tissue_regions_nobody_knows_which_is_meant(tmp_path):
    dataset = ultrasound(moving())
    left, right = (
        region(dataset, RegionLocationMinX0=low, RegionLocationMaxX1=high)
        for low, high in ((0, 27), (29, 57))
    )
    dataset.SequenceOfUltrasoundRegions = [left, right]
    clip = read_clip(write(dataset, tmp_path / "clip.dcm"))
    assert (clip.region, clip.mm_per_px) == (None, pytest.approx(0.0679))


def test_a_patient_keeps_one_name_that_tells_nothing(tmp_path):
    dataset = ultrasound(moving())
    one = read_clip(write(dataset, tmp_path / "one.dcm")).patient
    two = read_clip(write(dataset, tmp_path / "two.dcm")).patient
    dataset.PatientID = "HOSPITAL-4712"
    other = read_clip(write(dataset, tmp_path / "other.dcm")).patient
    del dataset.PatientID
    nobody = read_clip(write(dataset, tmp_path / "nobody.dcm")).patient
    assert one == two != other != nobody != one
    assert all(len(name) == 16 and name.startswith("patient-") for name in (one, other, nobody))


def test_breaches_of_the_standard_that_do_no_harm_are_passed_over(tmp_path):
    """pydicom would warn of each, and here every warning is an error."""
    dataset = ultrasound(moving())
    dataset.PixelData += bytes(58 * 46 // 2)  # half a frame too much
    with warnings.catch_warnings(action="ignore"):
        dataset.PatientID = "X" * 70
        dataset.StudyDate = "yesterday"
        path = write(dataset, tmp_path / "clip.dcm")
    np.testing.assert_array_equal(read_clip(path).frames, moving())


def odd(**changes: object) -> Dataset:
    dataset = ultrasound(moving())
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            odd(NumberOfFrames=9),
            "cut short: promises 9 frames of 58 x 46 pixels, but its pixels end in frame 7",
        ),
        (odd(NumberOfFrames=0), "nothing to see: 0 frames of 58 x 46"),
        (odd(NumberOfFrames=20_000), "too large: 20000 frames of 58 x 46 pixels; at most 10000"),
        (odd(Rows=0), "nothing to see: 7 frames of 58 x 0"),
        (odd(BitsStored=7, HighBit=6), "samples have 7 bits in 8; wanted ultrasound's 8 in 8"),
        (odd(PixelRepresentation=1), "samples have 8 bits in 8, signed; wanted"),
        (odd(PhotometricInterpretation="HSV"), "colours of the kind 'HSV'; wanted grey, RGB, YBR"),
        (
            odd(PixelData=b""),
            "no pixel data: it is cut short, or a file without pictures (its kind: ",
        ),
    ],
)
def test_a_dicom_file_that_contradicts_itself_is_refused(tmp_path, dataset, message):
    assert message in refused(write(dataset, tmp_path / "clip.dcm"))


@pytest.mark.parametrize(
    ("syntax", "message"),
    [
        (uid.JPEGLosslessSV1, "packed as JPEG Lossless, .*; to read it: pip install python-gdcm"),
        (uid.JPEGLSLossless, "packed as JPEG-LS Lossless .*; to read it: pip install pyjpegls"),
        (uid.HTJ2K, "packed as High-Throughput .*; to read it: pip install pylibjpeg-openjpeg"),
        (
            uid.UID("1.2.840.10008.1.2.4.94"),
            "packed as JPIP Referenced, unknown here; export it uncompressed",
        ),
    ],
)
def test_a_missing_decoder_is_named(tmp_path, monkeypatch, syntax, message):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    dataset = ultrasound(moving(frames=1))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([b"never opened"])
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(ClipError, match=message):
        read_clip(write(dataset, tmp_path / "clip.dcm"))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (CINE, (30, 240, 320)),
        ("examples_palette.dcm", (1, 350, 800)),
        ("examples_rgb_color.dcm", (1, 240, 320)),
        ("examples_jpeg2k.dcm", (1, 480, 640)),
        ("ExplVR_BigEnd.dcm", (1, 60, 80)),
    ],
)
def test_real_ultrasound_reads_as_the_luma_of_its_colours(name, shape):
    """pydicom goes by way of RGB, which clips some colours, so a few pixels may differ."""
    clip = read_clip(bundled(name))
    dataset = pydicom.dcmread(bundled(name))
    colours = dataset.pixel_array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = pydicom.pixels.apply_color_lut(colours, dataset) >> 8
    luma = (colours @ np.array([0.299, 0.587, 0.114])).reshape(shape)
    assert clip.frames.shape == shape
    assert np.quantile(np.abs(clip.frames - luma), 0.999) < 2
    assert clip.mm_per_px is None  # the regions of two reach beyond their pictures, three have none


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("SC_jpeg_no_color_transform.dcm", 0.51),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 0.51),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", 8.5),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", 8.5),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", 2),
        ("SC_rgb_gdcm_KY.dcm", 0.51),
        ("SC_rgb_jpeg_app14_dcmd.dcm", 0.51),
        ("SC_rgb_jpeg_dcmd.dcm", 0.51),
        ("SC_rgb_jpeg_dcmtk.dcm", 2),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", 8.5),
        ("SC_rgb_rle.dcm", 0.51),
        ("SC_rgb_rle_2frame.dcm", 0.51),
        ("SC_rgb_small_odd_big_endian.dcm", 0.51),
        ("SC_rgb_small_odd_jpeg.dcm", 0.51),
        ("SC_ybr_full_422_uncompressed.dcm", 2),
        ("examples_jpeg2k.dcm", 0.51),
        ("examples_rgb_color.dcm", 0.51),
    ],
)
def test_real_colours_of_all_kinds_read_as_pydicom_has_them(name, off):
    """Grey, and how much of it was colour. Pure red, green and blue are beyond what YBR can say."""
    clip = read_clip(bundled(name))
    colours = pydicom.dcmread(bundled(name)).pixel_array
    luma = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(clip.frames - luma.reshape(clip.frames.shape)).max() < off
    seen = np.ptp(colours.astype(int), axis=-1) > 20
    shares = seen.reshape(len(clip.frames), -1).mean(axis=1)
    assert clip.coloured == pytest.approx(shares.max(), abs=0.02)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", "python-gdcm"),
        ("SC_rgb_jls_lossy_line.dcm", "pyjpegls"),
        ("JPEGLSNearLossless_08.dcm", "pyjpegls"),
    ],
)
def test_a_real_file_without_a_permissive_decoder_is_refused_with_its_name(
    monkeypatch, name, package
):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    assert f"pip install {package}" in refused(bundled(name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("image_dfl.dcm", "deflated as a whole, which is not read; export it otherwise"),
        ("meta_missing_tsyntax.dcm", "cut short: the DICOM header ends before its transfer syntax"),
        ("badVR.dcm", "the DICOM header is damaged; export it again (ValueError: "),
        ("CT_small.dcm", "its samples have 16 bits in 16, signed; wanted ultrasound's 8 in 8"),
        ("JPGExtended.dcm", "its samples have 12 bits in 16; wanted ultrasound's 8 in 8, unsigned"),
        ("SC_rgb_rle_16bit_2frame.dcm", "its samples have 16 bits in 16; wanted ultrasound's 8"),
        ("rtdose_rle.dcm", "its samples have 32 bits in 32; wanted ultrasound's 8 in 8"),
        ("liver_1frame.dcm", "its samples have 1 bits in 1; wanted ultrasound's 8 in 8"),
        ("GDCMJ2K_TextGBR.dcm", "frame 0 of 1 frames of 400 x 400 pixels cannot be decoded"),
        ("no_meta.dcm", "starts with the bytes 20 08 00 05 00 43 53 0a, which is not a clip"),
    ],
)
def test_real_files_of_other_kinds_are_refused_with_the_reason(name, message):
    assert message in refused(bundled(name))


def test_a_huge_dicom_file_is_not_even_opened(tmp_path, monkeypatch):
    path = write(ultrasound(moving()), tmp_path / "clip.dcm")
    monkeypatch.setattr(dicom, "MAX_BYTES", 1000)
    assert "too large: over 0 MiB; cut out what you need" in refused(path)


def test_a_small_picture_cannot_promise_more_than_memory(tmp_path):
    """A JPEG of 3 x 3 pixels, made to say that it has 10,000 x 10,000."""
    content = bundled("SC_rgb_small_odd_jpeg.dcm").read_bytes()
    path = tmp_path / "clip.dcm"
    path.write_bytes(content.replace(b"\x08\x00\x03\x00\x03\x03", b"\x08\x27\x10\x27\x10\x03"))
    with warnings.catch_warnings(record=True, action="always") as told:
        assert "could be decompression bomb" in refused(path)
    assert told == []


def test_dicom_without_pictures_says_what_it_is():
    message = refused(bundled("test-SR.dcm"))
    assert "no pixel data: it is cut short, or a file without pictures" in message
    assert "Comprehensive SR Storage" in message


@pytest.mark.parametrize("missing", [1, 4, 8, 9, 3001, 112_451, 189_850, 200_000, 224_500, 224_770])
def test_a_real_cine_that_is_cut_short_is_refused(tmp_path, missing):
    whole = bundled(CINE).read_bytes()
    path = tmp_path / "cine.dcm"
    path.write_bytes(whole[:-missing])
    refused(path)


@pytest.mark.parametrize("whole", [True, False], ids=["whole path", "path from here"])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.gif", b"GIF89a", "UnidentifiedImageError: cannot identify image file)"),
        ("cut/1.png", b"\x89PNG\r\n\x1a\n", "UnidentifiedImageError: cannot identify image file)"),
        ("cut.mkv", b"\x1a\x45\xdf\xa3\xff", "EOFError: [Errno 541478725] End of file)"),
    ],
)
def test_what_a_parser_says_names_the_file_no_second_time(
    tmp_path, monkeypatch, name, content, words, whole
):
    monkeypatch.chdir(tmp_path)
    folder = (tmp_path if whole else Path()) / "clips" / "O'Hara Jane"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(content)
    with pytest.raises(ClipError, match=re.escape(words)) as caught:
        read_clip(folder / name.partition("/")[0])
    said = str(caught.value)
    assert said.startswith(f"{name}: not a whole ")
    assert said.count(name) == 1
    for unasked in ("Hara", "clips", tmp_path.name):
        assert unasked not in said


def test_what_cannot_be_opened_is_named_as_it_was_asked_for(tmp_path, monkeypatch):
    def refuse(path, *how):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "a.npz"
    path.touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    words = f"[Errno {errno.EACCES}] Permission denied"
    assert str(caught.value) == f"{path}: cannot be opened (PermissionError: {words})"


def test_of_a_path_in_a_parser_s_words_the_name_is_left():
    for words, left in {
        r"no 'C:\Users\Jane Doe\a.nii' here": "no 'a.nii' here",
        "file </home/jane/b.gif>": "file <b.gif>",
        "3/4 of 8 bytes, 1/2 is read": "3/4 of 8 bytes, 1/2 is read",
    }.items():
        with pytest.raises(ClipError) as caught, refusing("x: bad"):
            raise OSError(words)
        assert str(caught.value) == f"x: bad (OSError: {left})"
