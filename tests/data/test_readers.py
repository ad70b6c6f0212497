"""One clip in every format reads alike; what is no clip, or a broken one, is refused."""

import errno
import gzip
import io
import json
import os
import re
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from scipy import ndimage

from csglib.data.clips import TRUTH_ARRAYS, Clip, Region, Truth, save_clip
from csglib.data.readers import ClipError, limits, read_clip
from csglib.data.readers.limits import as_clip_error

BREAKER = Path(__file__).with_name("broken_files.py")
CINE = "examples_ybr_color.dcm"
SIZE = "7 frames of 58 x 46 pixels"
UNTAGGED, LIMITED, FULL = 0, 1, 2  # FFmpeg's numbers for the range of grey levels


def moving(frames=7, height=46, width=58):
    """Smooth blobs that drift, from pure black to pure white."""
    noise = np.random.default_rng(5).normal(size=(frames, height, width))
    smooth = ndimage.gaussian_filter(noise, (1.5, 3, 4), mode="wrap")
    low, high = np.quantile(smooth, (0.05, 0.95))
    return np.rint(((smooth - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8)


def refused(path):
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert path.name in str(caught.value)
    assert str(caught.value).isprintable()
    return str(caught.value)


def same(clip, frames):
    np.testing.assert_array_equal(clip.frames, frames)


# --- writers: (frames, path)


def folder(frames, path, ending="png", **options):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"frame_{number}.{ending}", **options)


def gif(frames, path):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, optimize=False, disposal=1)


def nifti(voxels, path, kind=nibabel.Nifti1Image, unit="mm", step=(0.0679, 0.0679)):
    image = kind(voxels, np.diag([*step, 1, 1]))
    image.header.set_xyzt_units(unit, "sec")
    nibabel.save(image, path)


def video(frames, path, codec, pixels, tag=FULL, container=None, **options):
    with av.open(path, "w", format=container, options=options.pop("mux", {})) as output:
        stream = output.add_stream(codec, rate=20, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.color_range = pixels, tag
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            if pixels != "gray":  # untagged, FFmpeg squeezes grey into 16 to 235, as players expect
                picture = picture.reformat(format=pixels, dst_color_range=tag or LIMITED)
            picture.color_range = tag
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def ultrasound(frames, kind="MONOCHROME2", **changes):
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
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def saved(dataset, path):
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset.save_as(path, enforce_file_format=True)
    return path


def encapsulated(dataset, fragments, syntax):
    dataset.PixelData = encapsulate(fragments)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def dicom(frames, path, syntax=uid.ExplicitVRLittleEndian, kind=None, **options):
    """Compressed by pydicom or, frame by frame, as a kind that Pillow writes."""
    dataset = ultrasound(frames, "RGB" if frames.ndim == 4 else "MONOCHROME2")
    if kind:
        streams = [io.BytesIO() for _ in frames]
        for frame, stream in zip(frames, streams, strict=True):
            Image.fromarray(frame).save(stream, kind, **options)
        encapsulated(dataset, [stream.getvalue() for stream in streams], syntax)
    elif syntax != uid.ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    saved(dataset, path)


def palette_dicom(frames, path, colours=None, times=257):
    dataset = ultrasound(frames, "PALETTE COLOR")
    for place, name in enumerate(("Red", "Green", "Blue")):
        column = np.arange(256) if colours is None else colours[:, place]
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (column * times).astype("<u2").tobytes()
        setattr(dataset, f"{name}PaletteColorLookupTableData", table)
    return saved(dataset, path)


def video_dicom(frames, path, codec="libx264", syntax=uid.MPEG4HP41, container="mp4", **options):
    stream, options = io.BytesIO(), options or {"crf": "12"}
    video(frames, stream, codec, "yuv420p", UNTAGGED, container, **options)
    dataset = ultrasound(frames, "YBR_PARTIAL_420")
    saved(encapsulated(dataset, [stream.getvalue()], syntax), path)


def writes(writer, *args, **options):
    return lambda frames, path: writer(frames, path, *args, **options)


EXACT = {
    "clip.npz": lambda frames, path: save_clip(Clip(frames=frames, patient="p"), path),
    "floats.npz": lambda frames, path: path.write_bytes(npz(frames=frames / 255)),
    "folder": folder,
    "clip.gif": gif,
    "clip.nii": lambda frames, path: nifti(frames.T, path),
    "clip.nii.gz": lambda frames, path: nifti(frames.T, path),
    "two.nii": lambda frames, path: nifti(frames.T, path, nibabel.Nifti2Image),
    "clip.mkv": writes(video, "ffv1", "gray", UNTAGGED),
    "sixteen.mkv": writes(video, "ffv1", "gray16le", UNTAGGED),
    "full.avi": writes(video, "ffv1", "gray"),
    "raw.avi": writes(video, "rawvideo", "gray"),
    "rgb.avi": writes(video, "rawvideo", "bgr24", UNTAGGED),
    "jpeg_range.mp4": writes(video, "libx264", "yuvj420p", qp="0"),
    "gray.mp4": writes(video, "libx264", "gray", qp="0"),
    "clip.dcm": dicom,
    "rle.dcm": writes(dicom, uid.RLELossless),
    "2000.dcm": writes(dicom, uid.JPEG2000Lossless, "JPEG2000", no_jp2=True),
    "palette.dcm": palette_dicom,
    "palette_256.dcm": writes(palette_dicom, times=256),
    "colours.dcm": lambda frames, path: dicom(np.stack([frames] * 3, axis=-1), path),
}
NEARLY = {  # and the lowest peak signal-to-noise ratio, dB
    "limited.mp4": (writes(video, "libx264", "yuv420p", LIMITED, qp="0"), 52),  # off by one
    "untagged.mp4": (writes(video, "libx264", "yuv420p", UNTAGGED, qp="0"), 52),
    "packed.avi": (writes(video, "rawvideo", "yuyv422", UNTAGGED), 50),
    "clip.mp4": (writes(video, "libx264", "yuv420p", crf="18"), 38),
    "ten.mkv": (writes(video, "libx264", "yuv420p10le", UNTAGGED, crf="18"), 37),
    "clip.avi": (writes(video, "mjpeg", "yuvj420p"), 30),
    "jpeg": (writes(folder, "jpg", quality=95), 38),
    "jpeg.dcm": (writes(dicom, uid.JPEGBaseline8Bit, "JPEG", quality=95), 38),
    "vp9.mkv": (writes(video, "libvpx-vp9", "yuv420p", crf="20", b="0"), 33),
    "mpeg4.avi": (writes(video, "mpeg4", "yuv420p", LIMITED, b="8M"), 37),
    "264.dcm": (video_dicom, 38),
    "h264.dcm": (writes(video_dicom, container="h264"), 38),
    "ts.dcm": (writes(video_dicom, container="mpegts"), 38),
    "hevc.dcm": (
        writes(
            video_dicom,
            "libx265",
            uid.HEVCMP51,
            "hevc",
            **{"crf": "10", "x265-params": "log-level=none"},
        ),
        38,
    ),
    "mpeg2.dcm": (
        writes(video_dicom, "mpeg2video", uid.MPEG2MPML, "mpeg2video", **{"q:v": "2", "b": "8M"}),
        38,
    ),
    "vob.dcm": (
        writes(video_dicom, "mpeg2video", uid.MPEG2MPML, "vob", **{"q:v": "2", "b": "8M"}),
        38,
    ),
}


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("name", EXACT)
def test_lossless_formats_read_exactly(name, tmp_path):
    frames = moving(11)  # so that frame 10 comes after frame 9
    EXACT[name](frames, tmp_path / name)
    clip = read_clip(tmp_path / name)
    same(clip, frames)
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


@pytest.mark.parametrize("name", ["clip.mkv", "clip.npz", "clip.gif", "clip.nii", "folder"])
def test_a_file_name_becomes_a_patient_that_does_not_show_it(name, tmp_path):
    path = (tmp_path / "jane_doe").with_suffix(Path(name).suffix)
    if name == "clip.npz":
        path.write_bytes(npz(frames=moving()))
    else:
        EXACT[name](moving(), path)
    clip = read_clip(path)
    assert re.fullmatch("patient-[0-9a-f]{8}", clip.patient)
    assert clip.mm_per_px == (pytest.approx(0.0679) if name == "clip.nii" else None)


def test_reading_writes_nothing_and_ignores_the_ending_of_a_name(tmp_path):
    for name in ("clip.npz", "clip.mkv", "clip.dcm"):
        EXACT[name](moving(), tmp_path / f"{name}.mp4")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    for path in before:
        same(read_clip(str(path)), moving())
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}


@pytest.mark.parametrize("kind", ["npz", "mkv", "dcm"])
@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FRAMES", 6), ("MAX_SIDE", 57), ("MAX_BYTES", 7 * 46 * 58 - 1)]
)
def test_a_clip_beyond_a_limit_is_refused(tmp_path, monkeypatch, limit, value, kind):
    path = tmp_path / f"clip.{kind}"
    EXACT[path.name](moving(), path)
    monkeypatch.setattr(limits, limit, value)
    assert "too large: " in refused(path)


# --- colours


def drawn_on(frames, share):
    """The clip with a part of its second frame in red and blue, as colour Doppler has it."""
    colours = np.stack([frames] * 3, axis=-1)
    rows, columns = frames.shape[1] // 4, round(frames.shape[2] * share * 2)
    colours[1, :rows, :columns] = (200, 49, 100)  # in this only one of the chroma channels tells
    colours[1, rows : 2 * rows, :columns] = (100, 81, 200)  # and in this only the other
    return colours


COLOURED = {  # and how far the fraction may be off: chroma is coarse, and lossy coding blurs it
    "clip.mkv": (writes(video, "ffv1", "bgr0"), 1e-9),
    "444.mkv": (writes(video, "ffv1", "yuv444p"), 1e-9),
    "limited.mkv": (writes(video, "ffv1", "yuv444p", LIMITED), 1e-9),
    "ten.mkv": (writes(video, "ffv1", "yuv422p10le", LIMITED), 0.04),
    "nv12.avi": (writes(video, "rawvideo", "nv12", LIMITED), 0.04),
    "clip.mp4": (writes(video, "libx264", "yuv420p", crf="18"), 0.04),
    "clip.avi": (writes(video, "mjpeg", "yuvj420p", b="8M"), 0.04),
    "clip.dcm": (dicom, 1e-9),
    "jpeg.dcm": (writes(dicom, uid.JPEGBaseline8Bit, "JPEG", quality=95), 0.04),
    "264.dcm": (video_dicom, 0.04),
    "folder": (folder, 1e-9),
    "clip.gif": (gif, 1e-9),
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
    video(np.stack([red, green, blue], -1), tmp_path / "clip.mkv", "ffv1", "bgr0")
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(read_clip(tmp_path / "clip.mkv").frames - expected).max() < 0.501
    for tint, coloured in ((20, 0), (21, 1)):
        half = moving() // 2
        folder(np.stack([half, half + tint, half + 10], axis=-1), tmp_path / f"{tint}")
        assert read_clip(tmp_path / f"{tint}").coloured == coloured


# --- NPZ


def simulated():
    rng = np.random.default_rng(3)
    outer, inner, lumen = rng.uniform(0, 41, (3, 7, 9, 2))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=np.linspace(0.1, 0.7, 7),
        diameter_stenosis=np.linspace(0.05, 0.55, 7),
        parameters={"seed": 11, "depth_mm": 14.5, "plaque": "type III, échogène"},
    )
    return Clip(frames=moving(), patient="patient-7", mm_per_px=0.0679, truth=truth)


def test_a_saved_clip_comes_back_exactly(tmp_path):
    clip = simulated()
    save_clip(clip, tmp_path / "clip.npz")
    back = read_clip(tmp_path / "clip.npz")
    assert (back.patient, back.mm_per_px) == (clip.patient, clip.mm_per_px)
    same(back, clip.frames)
    for name in TRUTH_ARRAYS:
        np.testing.assert_array_equal(getattr(back.truth, name), getattr(clip.truth, name))
    assert back.truth.parameters == clip.truth.parameters
    assert [type(value) for value in back.truth.parameters.values()] == [float, str, int]
    save_clip(Clip(frames=moving(), patient="a"), tmp_path / "bare.npz")
    bare = read_clip(tmp_path / "bare.npz")
    assert (bare.truth, bare.mm_per_px, bare.patient) == (None, None, "a")


def spoilt(frame, value):
    frames = moving() / np.float32(255)
    frames[frame, 3, 2] = value
    return frames


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": spoilt(4, np.nan)}, "frame 4 holds NaN or infinity"),
        ({"frames": spoilt(2, -0.5)}, "values from -0.5 to 1; wanted"),
        ({"frames": spoilt(0, 255)}, "values from 0 to 255; wanted"),
        ({"frames": moving() > 9}, "pixels are bool; wanted uint8"),
        ({"frames": moving()[0]}, "shape (46, 58); wanted (t, y, x)"),
        ({"frames": moving()[:0]}, "empty: 0 frames of 58 x 46 pixels"),
        ({"images": moving()}, "no array named frames, only images"),
        ({}, "no array named frames, only nothing"),
        ({"frames": np.array([{}, 1])}, "allow_pickle=False"),
        ({"frames": moving(), "mm_per_px": np.array(-1.0)}, "mm_per_px is -1.0; wanted above 0"),
        ({"frames": moving(), "mm_per_px": np.array("1")}, "mm_per_px is <U1 (); wanted one float"),
        ({"frames": moving(), "patient": np.array(7)}, "patient is int64 (); wanted one text"),
        ({"frames": moving(), "lumen": np.ones((7, 5, 2))}, "truth lacks parameters, vessel_outer"),
        ({"lumen": np.ones((4, 9, 2))}, "lumen of the truth is float64 (4, 9, 2); wanted float (7"),
        ({"area_stenosis": np.ones(7, int)}, "area_stenosis of the truth is int64 (7,); wanted"),
        ({"parameters": np.array("{")}, "parameters of the truth are not JSON"),
        ({"parameters": np.array(json.dumps({"a": [1]}))}, "not a table of numbers and texts"),
    ],
)
def test_an_npz_that_is_no_clip_is_refused(tmp_path, arrays, message):
    if arrays and not {"frames", "images"} & {*arrays}:  # else one array of a good clip is replaced
        save_clip(simulated(), tmp_path / "good.npz")
        with np.load(tmp_path / "good.npz") as good:
            arrays = dict(good) | arrays
    (tmp_path / "clip.npz").write_bytes(npz(**arrays))
    assert message in refused(tmp_path / "clip.npz")


def test_a_changed_byte_in_an_npz_is_noticed(tmp_path):
    damaged = bytearray(npz(frames=moving()))
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "clip.npz").write_bytes(damaged)
    assert "not a whole NPZ" in refused(tmp_path / "clip.npz")


# --- not a clip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; wanted NPZ, DICOM, mp4, avi, mkv"),
        (b"Dear colleague,\nplease find", "starts with b'Dear colleague,"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "a single image; put all frames into one folder"),
        (b"\x1f\x8b" + bytes(200), "not a whole NIfTI"),
        (gzip.compress(b"hello" * 200), "a gzip file without a NIfTI inside"),
    ],
)
def test_a_file_is_judged_by_its_content(tmp_path, content, message):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert message in refused(path)


def test_what_is_no_file_is_said(tmp_path):
    assert "no such file; wanted NPZ, DICOM" in refused(tmp_path / "absent.mp4")
    assert "a device or a pipe; wanted NPZ" in refused(Path(os.devnull))


# --- video


CUT = {
    "clip.mp4": writes(video, "libx264", "yuv420p"),
    "fast.mp4": writes(video, "libx264", "yuv420p", mux={"movflags": "faststart"}),
    "clip.mkv": writes(video, "ffv1", "gray"),
    "b_frames.mkv": writes(video, "libx264", "yuv420p"),
    "clip.avi": writes(video, "mjpeg", "yuvj420p"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_truncated_video_is_refused_wherever_it_ends(tmp_path, name):
    CUT[name](moving(), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in np.linspace(64, len(whole) - 1, 12).astype(int):
        (tmp_path / name).write_bytes(whole[:length])
        refused(tmp_path / name)


def test_a_live_recording_that_states_no_length_reads(tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    stream = Pipe()
    video(moving(), stream, "ffv1", "gray", container="matroska")
    (tmp_path / "clip.mkv").write_bytes(stream.getvalue())
    same(read_clip(tmp_path / "clip.mkv"), moving())


def test_a_damaged_frame_is_named(tmp_path):
    path = tmp_path / "clip.mp4"
    video(moving(9), path, "libx264", "yuv420p", crf="10", bf="0", g="1")
    with av.open(path) as opened:
        packets = [(packet.pos, packet.size) for packet in opened.demux(video=0) if packet.size]
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


def test_a_video_that_changes_its_size_is_refused(tmp_path):
    small, large = io.BytesIO(), io.BytesIO()
    video(moving(5), small, "libx264", "yuv420p", container="h264")
    video(moving(5, 62, 82), large, "libx264", "yuv420p", container="h264")
    dataset = ultrasound(moving(10))
    encapsulated(dataset, [small.getvalue() + large.getvalue()], uid.MPEG4HP41)
    assert "frame 5 is 82 x 62 after 58 x 46" in refused(saved(dataset, tmp_path / "clip.dcm"))


# --- DICOM


def bundled(name):
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is part of pydicom"
    return Path(path)


def region(dataset, **changes):
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = dataset.Columns - 1, dataset.Rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.00679
    for name, value in changes.items():
        setattr(item, name, value) if value is not None else delattr(item, name)
    return item


def with_regions(path, *items, **changes):
    dataset = ultrasound(moving(), **changes)
    dataset.SequenceOfUltrasoundRegions = [region(dataset, **item) for item in items]
    return read_clip(saved(dataset, path))


WHOLE, TWO = (0, 0, 58, 46), ((0, 27), (29, 57))


@pytest.mark.parametrize(
    ("changes", "scale", "edges"),
    [
        ({}, 0.0679, WHOLE),
        ({"PhysicalDeltaX": -0.00679}, 0.0679, WHOLE),
        ({"RegionLocationMaxX1": 58, "RegionLocationMaxY1": 46}, 0.0679, WHOLE),
        (
            {"RegionLocationMinX0": 4, "RegionLocationMinY0": 3, "RegionLocationMaxX1": 40},
            0.0679,
            (4, 3, 41, 46),
        ),
        ({"RegionLocationMaxX1": 59}, None, None),
        ({"RegionLocationMinX0": 57}, None, None),
        ({"RegionLocationMinY0": 45}, None, None),
        ({"RegionLocationMaxY1": 300}, None, None),
        ({"RegionLocationMaxY1": None}, None, None),
        ({"PhysicalDeltaY": 0.0071}, None, WHOLE),
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
    left, right = (
        {"RegionLocationMinX0": a, "RegionLocationMaxX1": b} for a, b in ((0, 27), (29, 57))
    )
    split = with_regions(path, left, right)
    assert (split.region, split.mm_per_px) == (None, pytest.approx(0.0679))


def test_a_patient_keeps_one_name_that_tells_nothing(tmp_path):
    def patient(name, number):
        return read_clip(saved(ultrasound(moving(), PatientID=number), tmp_path / name)).patient

    one, two = patient("one.dcm", "HOSPITAL-4711"), patient("two.dcm", "HOSPITAL-4711")
    other, nobody = patient("other.dcm", "HOSPITAL-4712"), patient("nobody.dcm", "")
    assert one == two
    assert len({one, other, nobody}) == 3
    assert all(re.fullmatch("patient-[0-9a-f]{8}", name) for name in (one, other, nobody))


def test_kinds_of_grey_and_of_ybr(tmp_path):
    path, other = tmp_path / "clip.dcm", np.full_like(moving(), 90)
    same(read_clip(saved(ultrasound(moving(), "MONOCHROME1"), path)), 255 - moving())
    one = ultrasound(moving(1))
    del one.NumberOfFrames
    same(read_clip(saved(one, path)), moving(1))
    ybr = np.stack([moving(), other, 290 - other.astype(int)], -1).astype(np.uint8)
    same(read_clip(saved(ultrasound(ybr, "YBR_FULL"), path)), moving())
    squeezed = np.rint(moving() * (219 / 255) + 16).astype(np.uint8)
    ybr = np.stack([squeezed, other + 38, other + 38], axis=-1)
    clip = read_clip(saved(ultrasound(ybr, "YBR_PARTIAL_422"), path))
    assert np.abs(clip.frames.astype(int) - moving()).max() == 1
    assert clip.coloured == 0
    table = np.repeat(np.arange(256)[:, None], 3, axis=1)
    table[255] = (230, 20, 20)
    levels = np.zeros((2, 10, 8), np.uint8)
    levels[1, :5] = 255
    assert read_clip(palette_dicom(levels, path, table)).coloured == 0.5


def test_breaches_of_the_standard_that_do_no_harm_are_ignored(tmp_path):
    """pydicom would warn of each, and here every warning is an error."""
    dataset = ultrasound(moving())
    dataset.PixelData += bytes(58 * 46 // 2)  # half a frame too much
    with warnings.catch_warnings(action="ignore"):
        dataset.PatientID, dataset.StudyDate = "X" * 70, "yesterday"
        path = saved(dataset, tmp_path / "clip.dcm")
    same(read_clip(path), moving())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"NumberOfFrames": 9},
            "cut short: declares 9 frames of 58 x 46 pixels, but its",
        ),
        ({"NumberOfFrames": 0}, "empty: 0 frames of 58 x 46"),
        ({"NumberOfFrames": 20_000}, "too large: 20000 frames of 58 x 46 pixels; at most 10000"),
        ({"Rows": 0}, "empty: 7 frames of 58 x 0"),
        ({"BitsStored": 7, "HighBit": 6}, "samples have 7 bits in 8; wanted ultrasound's 8 in 8"),
        ({"PixelRepresentation": 1}, "samples have 8 bits in 8, signed; wanted"),
        ({"PhotometricInterpretation": "HSV"}, "colours of the kind 'HSV'; wanted grey, RGB, YBR"),
        (
            {"PixelData": b""},
            "no pixel data: it is cut short, or a file without images",
        ),
    ],
)
def test_a_dicom_file_that_contradicts_itself_is_refused(tmp_path, changes, message):
    assert message in refused(saved(ultrasound(moving(), **changes), tmp_path / "clip.dcm"))


def test_a_video_inside_dicom_that_is_too_short_is_refused(tmp_path):
    video_dicom(moving(5), tmp_path / "clip.dcm", container="h264")
    dataset = pydicom.dcmread(tmp_path / "clip.dcm")
    dataset.NumberOfFrames = 7
    message = refused(saved(dataset, tmp_path / "clip.dcm"))
    assert f"declares {SIZE}, but its video has 5 frames of 58 x 46 pixels" in message


@pytest.mark.parametrize(
    ("syntax", "message"),
    [
        (
            uid.JPEGLosslessSV1,
            "compressed as JPEG Lossless, .*; to read it: pip install python",
        ),
        (uid.JPEGLSLossless, "compressed as JPEG-LS .*; to read it: pip install python-gdcm"),
        (uid.HTJ2K, "compressed as High-Throughput .*: pip install pylibjpeg-openjpeg"),
        (uid.UID("1.2.840.10008.1.2.4.94"), "compressed as JPIP .*, unknown here; export it"),
    ],
)
def test_a_missing_decoder_is_named(tmp_path, monkeypatch, syntax, message):
    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.is_available", False)
    dataset = encapsulated(ultrasound(moving(1)), [b"never opened"], syntax)
    assert re.search(message, refused(saved(dataset, tmp_path / "clip.dcm")))


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("SC_jpeg_no_color_transform.dcm", 0.51),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 0.51),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", 8.5),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", 2),
        ("SC_rgb_gdcm_KY.dcm", 0.51),
        ("SC_rgb_jpeg_app14_dcmd.dcm", 0.51),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", 8.5),
        ("SC_rgb_rle_2frame.dcm", 0.51),
        ("SC_rgb_small_odd_big_endian.dcm", 0.51),
        ("SC_rgb_small_odd_jpeg.dcm", 0.51),
        ("SC_ybr_full_422_uncompressed.dcm", 2),
        ("ExplVR_BigEnd.dcm", 0.51),
        ("examples_palette.dcm", 0.51),
        ("examples_jpeg2k.dcm", 0.51),
        ("examples_rgb_color.dcm", 0.51),
        (CINE, 20),  # pydicom goes by way of RGB, which clips some colours
    ],
)
def test_real_files_read_as_the_luma_of_what_pydicom_decodes(name, off):
    """And the fraction that is coloured. Pure red, green and blue are beyond what YBR can say."""
    clip, dataset = read_clip(bundled(name)), pydicom.dcmread(bundled(name))
    colours = dataset.pixel_array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = pydicom.pixels.apply_color_lut(colours, dataset) >> 8
    if dataset.SamplesPerPixel == 1 and dataset.PhotometricInterpretation != "PALETTE COLOR":
        colours = np.stack([colours] * 3, axis=-1)
    luma = (colours @ np.array([0.299, 0.587, 0.114])).reshape(clip.frames.shape)
    error = np.abs(clip.frames - luma)
    assert error.max() < off
    assert np.quantile(error, 0.999) < (2 if name == CINE else off)
    seen = np.ptp(colours.astype(int), axis=-1) > 20
    assert clip.coloured == pytest.approx(seen.reshape(len(luma), -1).mean(axis=1).max(), abs=0.02)
    assert clip.mm_per_px is None  # none states one, or its regions exceed the image


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("image_dfl.dcm", "deflated as a whole, which is not read; export it otherwise"),
        ("meta_missing_tsyntax.dcm", "cut short: the DICOM header ends before its transfer syntax"),
        ("badVR.dcm", "the DICOM header is damaged; export it again (ValueError: "),
        ("CT_small.dcm", "its samples have 16 bits in 16, signed; wanted ultrasound's 8 in 8"),
        ("JPGExtended.dcm", "its samples have 12 bits in 16; wanted ultrasound's 8 in 8, unsigned"),
        ("rtdose_rle.dcm", "its samples have 32 bits in 32; wanted ultrasound's 8 in 8"),
        ("liver_1frame.dcm", "its samples have 1 bits in 1; wanted ultrasound's 8 in 8"),
        ("GDCMJ2K_TextGBR.dcm", "frame 0 of 1 frames of 400 x 400 pixels cannot be decoded"),
        ("no_meta.dcm", "which is not a clip"),
        ("test-SR.dcm", "a file without images (its kind: Comprehensive SR Storage)"),
    ],
)
def test_real_files_of_other_kinds_are_refused(name, message):
    assert message in refused(bundled(name))


def test_large_dicom_files_and_images_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    """A JPEG of 3 x 3 pixels, changed to declare 10,000 x 10,000."""
    content, path = bundled("SC_rgb_small_odd_jpeg.dcm").read_bytes(), tmp_path / "clip.dcm"
    path.write_bytes(content.replace(b"\x08\x00\x03\x00\x03\x03", b"\x08\x27\x10\x27\x10\x03"))
    assert "could be decompression bomb" in refused(path)
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    assert "too large: over 0 MiB; cut out what you need" in refused(path)


@pytest.mark.parametrize("missing", [1, 8, 9, 3001, 112_451, 200_000, 224_500, 224_770])
def test_a_real_cine_that_is_cut_short_is_refused(tmp_path, missing):
    path = tmp_path / "cine.dcm"
    path.write_bytes(bundled(CINE).read_bytes()[:-missing])
    refused(path)


# --- folders of images, GIF


def test_frames_come_in_the_order_of_their_numbers_and_hidden_files_are_ignored(tmp_path):
    for number, frame in enumerate(moving(11)):
        Image.fromarray(frame).save(tmp_path / f"Sweep2_{number}.PNG")
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"what systems leave")
    (tmp_path / "Sweep2_11.PNG").symlink_to("Sweep2_0.PNG")
    same(read_clip(tmp_path), np.concatenate([moving(11), moving(11)[:1]]))


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
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "0.png", **options)
        np.testing.assert_allclose(
            read_clip(tmp_path / name).frames[0], wanted, atol=name == "veiled"
        )


def linked_out(path):
    Image.new("L", (9, 8)).save(path.parent / "outside.png")
    (path / "frame_3.png").symlink_to(path.parent / "outside.png")


def cut(path):
    whole = (path / "frame_1.png").read_bytes()
    (path / "frame_1.png").write_bytes(whole[: len(whole) // 2])


def animated(path):
    first, second = Image.new("L", (9, 8)), Image.new("L", (9, 8), 9)
    first.save(path / "frame_2.png", save_all=True, append_images=[second])


SPOILED = {  # what is done to a good folder, and the message
    "text": (
        lambda path: (path / "notes.txt").write_text("x"),
        "notes.txt: not a whole PNG or JPEG",
    ),
    "size": (
        lambda path: Image.new("L", (9, 9)).save(path / "frame_2.png"),
        "frame_2.png: frame 2 is 9 x 9 after 9 x 8",
    ),
    "cut": (cut, "frame_1.png: not a whole PNG or JPEG"),
    "folder": (lambda path: (path / "more").mkdir(), "more: a folder; wanted one PNG"),
    "out": (linked_out, "frame_3.png: a link that leads out of its folder"),
    "nowhere": (
        lambda path: (path / "frame_3.png").symlink_to(path / "frame_3.png"),
        "frame_3.png: a link that leads nowhere",
    ),
    "pipe": (lambda path: os.mkfifo(path / "frame_3.png"), "frame_3.png: a device or a pipe"),
    "animated": (animated, "frame_2.png: an animation"),
    "empty": (lambda path: [file.unlink() for file in path.iterdir()], "an empty folder; wanted"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILED.values(), ids=SPOILED)
def test_a_folder_says_which_file_is_wrong(spoil, message, tmp_path):
    folder(np.zeros((3, 8, 9), np.uint8), tmp_path / "clip")
    spoil(tmp_path / "clip")
    assert message in refused(tmp_path / "clip")


def test_a_gif_is_composed_and_refused_when_it_is_cut(tmp_path):
    """Writers store only what has changed; the rest shows through from the frames before."""
    base = np.zeros((3, 20, 20), np.uint8)
    base[0, :, :5], base[1:, :, :5], base[2, 12:, 12:] = 90, 95, 200
    gif(base, tmp_path / "clip.gif")
    same(read_clip(tmp_path / "clip.gif"), base)
    whole = (tmp_path / "clip.gif").read_bytes()
    (tmp_path / "clip.gif").write_bytes(whole[:200])
    assert "not a whole GIF; export it again" in refused(tmp_path / "clip.gif")


# --- NIfTI


def test_nifti_keeps_whole_numbers_and_stretches_fractions(tmp_path):
    volume = moving().T
    for number, voxels in enumerate(
        [
            volume.astype(np.int16),
            volume.astype(np.float64),
            (volume / 255).astype(np.float32),
            volume[:, :, None],
        ]
    ):
        nifti(voxels, tmp_path / f"{number}.nii")
        same(read_clip(tmp_path / f"{number}.nii"), moving())
    nifti(moving(1)[0].T, tmp_path / "one.nii")
    same(read_clip(tmp_path / "one.nii"), moving(1))
    image = nibabel.Nifti1Image(volume.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "scaled.nii")
    stored = np.asanyarray(nibabel.load(tmp_path / "scaled.nii").dataobj.get_unscaled())
    if (stored % 2 == 0).all():
        same(read_clip(tmp_path / "scaled.nii"), (stored * 0.5 + 10).T)


def test_nifti_states_its_scale_in_millimetres_or_not_at_all(tmp_path):
    nifti(moving().T, tmp_path / "none.nii", unit=0)
    assert read_clip(tmp_path / "none.nii").mm_per_px is None
    nifti(moving().T, tmp_path / "oblong.nii", step=(0.1, 0.2))
    assert read_clip(tmp_path / "oblong.nii").mm_per_px is None


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.full((4, 5, 3), 300, np.int16), "values from 300 to 300; wanted 0 to 255, or 0 to 1"),
        (np.full((4, 5, 3), 0.5, np.float32) * [-1, 1, 1], "values from -0.5 to 0.5"),
        (np.full((4, 5, 3), np.nan, np.float32), "frame 0 holds NaN or infinity"),
        (np.full((4, 5, 3), 2.5, np.float32), "values from 2.5 to 2.5; wanted 0 to 255, or 0 to 1"),
        (np.zeros((4, 5, 2, 3), np.uint8), "has the axes (4, 5, 2, 3); save it with the axes x, y"),
        (np.zeros((4, 5, 3), np.complex64), "pixels are complex64; wanted"),
    ],
)
def test_nifti_of_another_kind_is_refused(voxels, message, tmp_path):
    nifti(voxels, tmp_path / "clip.nii")
    assert message in refused(tmp_path / "clip.nii")


def test_nifti_that_lacks_something_is_refused(tmp_path, monkeypatch):
    nifti(moving().T, tmp_path / "clip.nii")
    whole = (tmp_path / "clip.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-100])
    assert f"cut short: {len(whole) - 100} bytes of {len(whole)}" in refused(tmp_path / "cut.nii")
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(whole)[:-500])
    assert "cut.nii.gz: not a whole NIfTI" in refused(tmp_path / "cut.nii.gz")
    pair = bytearray(whole)
    pair[344:348] = b"ni1\0"
    (tmp_path / "pair.hdr").write_bytes(pair)
    assert "its voxels are in another file (.img); save it as one" in refused(tmp_path / "pair.hdr")
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    assert f"too large: {SIZE}" in refused(tmp_path / "clip.nii")


# --- what messages may show


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.gif", b"GIF89a"),
        ("cut/1.png", b"\x89PNG\r\n\x1a\n"),
        ("cut.mkv", b"\x1a\x45\xdf\xa3\xff"),
    ],
)
def test_messages_name_the_file_once_and_no_folder(tmp_path, monkeypatch, name, content, absolute):
    monkeypatch.chdir(tmp_path)
    home = (tmp_path if absolute else Path()) / "clips" / "O'Hara Jane"
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


def test_a_file_that_cannot_be_opened_is_named_as_given(tmp_path, monkeypatch):
    def refuse(path, *how):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "a.npz"
    path.touch()
    monkeypatch.setattr(Path, "open", refuse)
    assert refused(path).startswith(f"{path}: cannot be opened (PermissionError: ")


def test_what_a_file_puts_into_a_message_can_be_shown(tmp_path):
    dataset = ultrasound(moving())
    del dataset.PixelData
    dataset.save_as(tmp_path / "clip.dcm", enforce_file_format=True)
    whole, kind = (tmp_path / "clip.dcm").read_bytes(), b"1.2.840.10008.5.1.4.1.1.3.1"
    (tmp_path / "clip.dcm").write_bytes(whole.replace(kind, b"\r\x1b[2J".ljust(len(kind), b"9"), 1))
    assert "no pixel data: " in refused(tmp_path / "clip.dcm")


# --- random damage


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.long)])
def test_broken_files_are_clips_or_clip_errors(tmp_path, count):
    """Twenty formats, so 1,000 files, or 10,000; small ones, so that damage hits their headers."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir(), bad.mkdir()
    lossy = ("clip.mp4", "clip.avi", "jpeg", "jpeg.dcm", "264.dcm", "vp9.mkv", "mpeg4.avi")
    left_out = {"floats.npz", "sixteen.mkv", "full.avi", "rgb.avi", "jpeg_range.mp4", "gray.mp4"}
    left_out |= {"palette_256.dcm"}
    chosen = {name: write for name, write in EXACT.items() if name not in left_out}
    for name, write in (chosen | {name: NEARLY[name][0] for name in lossy}).items():
        write(moving(4, 24, 32), good / name)
    command = [sys.executable, BREAKER, good, bad, str(count), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{[*bad.iterdir()]}: {done.stderr[-2000:]}"  # a decoder crashed
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["kinds"]) >= 20
    for name, kind in found["kinds"].items():
        assert sum(kind["ends"].values()) == count
        assert kind["ends"].keys() <= {"read", "refused"}, name
        assert kind["ends"]["refused"] > count / 5, name  # two of nine breaks change its length
        assert kind["slowest"] < 2, name  # CPU seconds
    assert found["peak_mib"] < 2048
