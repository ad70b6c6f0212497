"""One clip in all formats: alike when whole, refused when broken; then what pictures may hide."""

import gzip
import io
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import av
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from scipy import ndimage

from csglib.data.clips import Clip, save_clip
from csglib.data.readers import ClipError, limits, read_clip


@pytest.fixture
def frames():
    """Eleven of them, so that a tenth comes: smooth blobs that drift, from black to white."""
    noise = np.random.default_rng(5).normal(size=(11, 46, 58))
    smooth = ndimage.gaussian_filter(noise, (1.5, 3, 4), mode="wrap")
    low, high = np.quantile(smooth, (0.05, 0.95))
    return np.rint(((smooth - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8)


def refused(path):
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- one clip, all formats


def as_folder(frames, path, ending="png", **how):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"frame_{number}.{ending}", **how)


def as_gif(frames, path):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, optimize=False, disposal=1)


def as_nifti(frames, path, kind=nibabel.Nifti1Image):
    nibabel.save(kind(frames.T, np.eye(4)), path)


def as_video(frames, path, codec, pixels, *, whole=True, **how):
    """Grey or colours, in the whole range of grey or the usual one; said so either way."""
    range_of_grey = 2 if whole else 1
    with av.open(path, "w") as output:
        stream = output.add_stream(codec, rate=20, options=how)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.color_range = pixels, range_of_grey
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            if pixels != "gray":
                picture = picture.reformat(format=pixels, dst_color_range=range_of_grey)
            picture.color_range = range_of_grey
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def pillow(frame, kind, **how):
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, kind, **how)
    return stream.getvalue()


def as_dicom(frames, path, syntax=uid.ExplicitVRLittleEndian, kind=None, **how):
    """Packed by pydicom, or, picture by picture, as a kind that Pillow writes."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        uid.UltrasoundMultiFrameImageStorage
    )
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if frames.ndim == 4:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"
    if kind:
        dataset.PixelData = encapsulate([pillow(frame, kind, **how) for frame in frames])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax != uid.ExplicitVRLittleEndian:
        dataset.compress(syntax)
    dataset.save_as(path, enforce_file_format=True)


def as_palette_dicom(frames, path, colours=None):
    as_dicom(frames, path)
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for place, name in enumerate(("Red", "Green", "Blue")):
        column = np.arange(256) if colours is None else colours[:, place]
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        dataset[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        table = (column * 257).astype("<u2").tobytes()
        setattr(dataset, f"{name}PaletteColorLookupTableData", table)
    dataset.save_as(path)


def as_video_in_dicom(frames, path, pixels="yuv420p"):
    as_dicom(frames, path)
    film = path.with_suffix(".mp4")
    as_video(frames, film, "libx264", pixels, crf="12")
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([film.read_bytes()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid.MPEG4HP41
    dataset.save_as(path)
    film.unlink()


EXACT = {
    "clip.npz": lambda frames, path: save_clip(Clip(frames=frames, patient="p"), path),
    "folder": as_folder,
    "clip.gif": as_gif,
    "clip.nii": as_nifti,
    "clip.nii.gz": as_nifti,
    "two.nii": lambda frames, path: as_nifti(frames, path, nibabel.Nifti2Image),
    "clip.mkv": lambda frames, path: as_video(frames, path, "ffv1", "gray"),
    "clip.dcm": as_dicom,
    "rle.dcm": lambda frames, path: as_dicom(frames, path, uid.RLELossless),
    "2000.dcm": lambda frames, path: as_dicom(
        frames, path, uid.JPEG2000Lossless, "JPEG2000", no_jp2=True
    ),
    "palette.dcm": as_palette_dicom,
    "colours.dcm": lambda frames, path: as_dicom(np.stack([frames] * 3, axis=-1), path),
    "raw.avi": lambda frames, path: as_video(frames, path, "rawvideo", "gray"),
}
NEARLY = {  # and the least peak signal-to-noise ratio, dB
    "clip.mp4": (lambda f, p: as_video(f, p, "libx264", "yuv420p", crf="18"), 38),
    "clip.avi": (lambda f, p: as_video(f, p, "mjpeg", "yuvj420p"), 30),
    "jpeg": (lambda f, p: as_folder(f, p, "jpg", quality=95), 38),
    "jpeg.dcm": (lambda f, p: as_dicom(f, p, uid.JPEGBaseline8Bit, "JPEG", quality=95), 38),
    "264.dcm": (as_video_in_dicom, 40),
    "vp9.mkv": (lambda f, p: as_video(f, p, "libvpx-vp9", "yuv420p", crf="20", b="0"), 33),
    "mpeg4.avi": (lambda f, p: as_video(f, p, "mpeg4", "yuv420p", whole=False, b="8M"), 37),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_loses_nothing_reads_exactly(frames, name, tmp_path):
    EXACT[name](frames, tmp_path / name)
    clip = read_clip(tmp_path / name)
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.coloured == 0


@pytest.mark.parametrize("name", NEARLY)
def test_what_loses_little_reads_nearly_so(frames, name, tmp_path):
    write, least = NEARLY[name]
    write(frames, tmp_path / name)
    clip = read_clip(tmp_path / name)
    error = np.mean((clip.frames.astype(float) - frames) ** 2)
    assert 10 * np.log10(255**2 / error) > least
    assert abs(clip.frames.mean() - frames.mean()) < 1  # a wrong range makes it five and more
    assert clip.coloured == 0


# --- colours


def drawn_on(frames, share):
    """The clip with a part of its second frame in red and blue, as colour Doppler has it."""
    colours = np.stack([frames] * 3, axis=-1)
    rows, columns = frames.shape[1] // 4, round(frames.shape[2] * share * 2)
    colours[1, :rows, :columns] = (200, 49, 100)  # of the two channels of chroma just one tells
    colours[1, rows : 2 * rows, :columns] = (100, 81, 200)  # and here just the other
    return colours


def palette_with_red(frames, path):
    """Level 255 is red, all others are grey."""
    table = np.repeat(np.arange(256)[:, None], 3, axis=1)
    table[255] = (230, 20, 20)
    as_palette_dicom(frames, path, table)


COLOURED = {  # and how far the share may be off: chroma is coarse, and lossy coding blurs it
    "clip.mkv": (lambda f, p: as_video(f, p, "ffv1", "bgr0"), 1e-9),
    "444.mkv": (lambda f, p: as_video(f, p, "ffv1", "yuv444p"), 1e-9),
    "limited.mkv": (lambda f, p: as_video(f, p, "ffv1", "yuv444p", whole=False), 1e-9),
    "ten.mkv": (lambda f, p: as_video(f, p, "ffv1", "yuv422p10le", whole=False), 0.04),
    "opaque.mkv": (lambda f, p: as_video(f, p, "ffv1", "yuva420p", whole=False), 0.04),
    "nv12.avi": (lambda f, p: as_video(f, p, "rawvideo", "nv12", whole=False), 0.04),
    "nv21.avi": (lambda f, p: as_video(f, p, "rawvideo", "nv21", whole=False), 0.04),
    "clip.mp4": (lambda f, p: as_video(f, p, "libx264", "yuv420p", crf="18"), 0.04),
    "clip.avi": (lambda f, p: as_video(f, p, "mjpeg", "yuvj420p", b="8M"), 0.04),
    "clip.dcm": (as_dicom, 1e-9),
    "jpeg.dcm": (lambda f, p: as_dicom(f, p, uid.JPEGBaseline8Bit, "JPEG", quality=95), 0.04),
    "264.dcm": (as_video_in_dicom, 0.04),
    "folder": (as_folder, 1e-9),
    "jpeg": (lambda f, p: as_folder(f, p, "jpg", quality=95), 0.04),
    "clip.gif": (as_gif, 1e-9),
}


@pytest.mark.parametrize("share", [0.05, 0.25])
@pytest.mark.parametrize("name", COLOURED)
def test_a_reader_says_how_much_of_a_frame_is_coloured(frames, name, share, tmp_path):
    write, off = COLOURED[name]
    grey = frames[:3, :44, :40].copy()
    write(drawn_on(grey, share), tmp_path / name)
    clip = read_clip(tmp_path / name)
    assert clip.coloured == pytest.approx(share, abs=off)
    error = np.abs(clip.frames[0].astype(int) - grey[0])
    assert error.mean() < 3  # the first frame has none of it


@pytest.mark.parametrize("whole", [True, False])
def test_two_channels_of_chroma_tell_what_three_of_colour_do(tmp_path, whole):
    """Around the limit of 20 levels, where a wrong range would count other pixels."""
    chance = np.random.default_rng(4)
    colours = 100 + chance.integers(0, 40, (2, 64, 80, 3)).astype(np.uint8)
    as_folder(colours, tmp_path / "rgb")
    as_video(colours, tmp_path / "ybr.mp4", "libx264", "yuv444p", whole=whole, qp="0")
    expected = read_clip(tmp_path / "rgb").coloured
    assert 0.3 < expected < 0.7
    assert read_clip(tmp_path / "ybr.mp4").coloured == pytest.approx(expected, abs=0.03)


def test_a_palette_says_how_much_of_a_frame_is_coloured(tmp_path):
    levels = np.zeros((2, 10, 8), np.uint8)
    levels[1, :5] = 255
    palette_with_red(levels, tmp_path / "clip.dcm")
    assert read_clip(tmp_path / "clip.dcm").coloured == 0.5


def test_a_tint_that_coding_leaves_is_no_colour(frames, tmp_path):
    tinted = np.stack([frames // 2, frames // 2 + 20, frames // 2 + 10], axis=-1)
    as_folder(tinted, tmp_path / "tint")
    assert read_clip(tmp_path / "tint").coloured == 0
    as_folder(np.stack([frames // 2, frames // 2 + 21, frames // 2], axis=-1), tmp_path / "colour")
    assert read_clip(tmp_path / "colour").coloured == 1


# --- broken

BREAKER = Path(__file__).with_name("broken_files.py")
GIB = 1024  # MiB


def said_of(count, folder, frames, seed=0):
    """What became of `count` broken files of each format; a fallen program fails here."""
    good, bad = folder / "good", folder / "bad"
    good.mkdir(), bad.mkdir()
    for name, write in (EXACT | {name: write for name, (write, _) in NEARLY.items()}).items():
        write(frames, good / name)
    words = [sys.executable, BREAKER, good, bad, str(count), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{done.returncode}, {list(bad.iterdir())}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_ten_thousand_broken_files_are_clips_or_clip_errors(frames, tmp_path, capsys):
    found = said_of(505, tmp_path, frames[:4, :24, :32].copy())
    with capsys.disabled():  # whoever reads the log of the tests wants the figures
        print(f"\nbroken files; the most memory {found['peak_mib']:.0f} MiB")
        for name, kind in found["kinds"].items():
            print(f"  {name:12} {kind['ends']}, the slowest {1000 * kind['slowest']:.1f} ms")
    files = 0
    for name, kind in found["kinds"].items():
        assert kind["ends"].keys() <= {"read", "refused"}, name
        assert kind["ends"]["refused"] > 100, name  # two of nine breaks leave a file cut or longer
        assert kind["slowest"] < 2, name  # seconds of work, however busy the machine
        files += sum(kind["ends"].values())
    assert files >= 10_000
    assert found["peak_mib"] < 2 * GIB


def test_what_a_file_puts_into_a_message_can_be_shown(frames, tmp_path):
    as_dicom(frames, tmp_path / "clip.dcm")
    dataset = pydicom.dcmread(tmp_path / "clip.dcm")
    del dataset.PixelData
    dataset.save_as(tmp_path / "clip.dcm")
    whole, kind = (tmp_path / "clip.dcm").read_bytes(), b"1.2.840.10008.5.1.4.1.1.3.1"
    (tmp_path / "clip.dcm").write_bytes(whole.replace(kind, b"\r\x1b[2J".ljust(len(kind), b"9"), 1))
    assert "no pixel data: " in (said := refused(tmp_path / "clip.dcm"))
    assert said.isprintable()


# --- folders


def test_frames_come_in_the_order_of_their_numbers_and_hidden_files_do_not_count(frames, tmp_path):
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"Sweep2_{number}.PNG")
    (tmp_path / ".DS_Store").write_bytes(b"what a Mac leaves")
    (tmp_path / "Thumbs.db").write_bytes(b"what Windows leaves")
    clip = read_clip(tmp_path)
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.patient.startswith("patient-")
    assert tmp_path.name not in clip.patient
    assert clip.mm_per_px is None


def test_colours_sixteen_bits_palettes_and_turned_pictures_become_grey(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    pictures = {
        "colours": Image.fromarray(np.stack([grey] * 3, axis=-1)),
        "sixteen": Image.fromarray(grey.astype(np.uint16) * 257),
        "palette": Image.fromarray(grey).convert("P"),
        "alpha": Image.fromarray(grey).convert("RGBA"),
    }
    for name, picture in pictures.items():
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "0.png")
        np.testing.assert_array_equal(read_clip(tmp_path / name).frames, grey[None])
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    (tmp_path / "turned").mkdir()
    Image.fromarray(grey).save(tmp_path / "turned" / "0.jpg", exif=exif, quality=100)
    assert (
        np.abs(read_clip(tmp_path / "turned").frames[0] - np.rot90(grey, -1).astype(int)).max() < 4
    )


def linked_out(folder):
    outside = folder.parent / "outside.png"
    Image.new("L", (9, 8)).save(outside)
    (folder / "frame_3.png").symlink_to(outside)


def cut(folder):
    whole = (folder / "frame_1.png").read_bytes()
    (folder / "frame_1.png").write_bytes(whole[: len(whole) // 2])


def moving(folder):
    first, second = Image.new("L", (9, 8)), Image.new("L", (9, 8), 9)
    first.save(folder / "frame_2.png", save_all=True, append_images=[second])


def huge(folder):
    png = bytearray((folder / "frame_0.png").read_bytes())
    png[16:24] = (60_000).to_bytes(4) * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4)
    (folder / "frame_0.png").write_bytes(png)


SPOILED = {  # one thing is wrong in a good folder; and what is said of it
    "text": (
        lambda folder: (folder / "notes.txt").write_text("who it is"),
        "notes.txt: not a whole PNG or JPEG; wanted one PNG or JPEG a frame",
    ),
    "size": (
        lambda folder: Image.new("L", (9, 9)).save(folder / "frame_2.png"),
        "frame_2.png: is 9 x 9, and frame_0.png is 9 x 8; wanted one PNG or JPEG",
    ),
    "cut": (cut, "frame_1.png: not a whole PNG or JPEG"),
    "folder": (lambda folder: (folder / "more").mkdir(), "more: a folder; wanted one PNG"),
    "out": (linked_out, "frame_3.png: a link that leads out of its folder"),
    "nowhere": (
        lambda folder: (folder / "frame_3.png").symlink_to(folder / "frame_3.png"),
        "frame_3.png: a link that leads nowhere",
    ),
    "pipe": (
        lambda folder: os.mkfifo(folder / "frame_3.png"),
        "frame_3.png: a device or a pipe; wanted",
    ),
    "moving": (moving, "frame_2.png: moves by itself"),
    "huge": (huge, "frame_0.png: too large: at most 4096 pixels a side"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILED.values(), ids=SPOILED)
def test_a_folder_says_which_file_is_wrong(spoil, words, tmp_path):
    as_folder(np.zeros((3, 8, 9), np.uint8), tmp_path / "clip")
    spoil(tmp_path / "clip")
    assert words in refused(tmp_path / "clip")


def test_a_link_within_the_folder_is_a_picture_like_any_other(tmp_path):
    as_folder(np.arange(2 * 8 * 9, dtype=np.uint8).reshape(2, 8, 9), tmp_path / "clip")
    (tmp_path / "clip" / "frame_2.png").symlink_to("frame_0.png")
    found = read_clip(tmp_path / "clip").frames
    np.testing.assert_array_equal(found[2], found[0])


def test_an_empty_folder_and_one_that_is_too_large_are_refused(tmp_path, monkeypatch):
    assert "an empty folder; wanted one PNG or JPEG a frame" in refused(tmp_path)
    as_folder(np.zeros((3, 8, 9), np.uint8), tmp_path / "clip")
    monkeypatch.setattr(limits, "MAX_BYTES", 200)
    assert "frame_0.png: too large: 3 frames of 9 x 8 pixels" in refused(tmp_path / "clip")


# --- GIF


def test_a_gif_is_refused_when_it_is_cut_or_too_long(frames, tmp_path, monkeypatch):
    as_gif(frames, tmp_path / "clip.gif")
    whole = (tmp_path / "clip.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(whole[:200])
    assert "cut.gif: not a whole GIF; export it again" in refused(tmp_path / "cut.gif")
    monkeypatch.setattr(limits, "MAX_FRAMES", 10)
    assert "clip.gif: too large: 11 frames" in refused(tmp_path / "clip.gif")


def test_a_gif_whose_pictures_are_patches_is_composed(tmp_path):
    """Writers store what has changed alone; the rest shines through from before."""
    base = np.zeros((3, 20, 20), np.uint8)
    base[0, :, :5], base[1:, :, :5], base[2, 12:, 12:] = 90, 95, 200
    as_gif(base, tmp_path / "clip.gif")
    np.testing.assert_array_equal(read_clip(tmp_path / "clip.gif").frames, base)


# --- NIfTI


def nifti(voxels, path, unit="mm", step=0.0679, scale=None):
    image = nibabel.Nifti1Image(voxels, np.diag([step, step, 1, 1]))
    image.header.set_xyzt_units(unit, "sec")
    if scale:
        image.header.set_slope_inter(*scale)
    nibabel.save(image, path)
    return path


def test_nifti_keeps_whole_greys_and_stretches_shares(frames, tmp_path):
    volume = frames.T
    for number, (voxels, scale) in enumerate(
        [
            (volume.astype(np.int16), None),
            (volume.astype(np.float64), None),
            ((volume / 255).astype(np.float32), None),
            (volume[:, :, None], None),
        ]
    ):
        clip = read_clip(nifti(voxels, tmp_path / f"{number}.nii", scale=scale))
        np.testing.assert_array_equal(clip.frames, frames)


def test_nifti_says_its_scale_in_millimetres_or_not_at_all(frames, tmp_path):
    said = read_clip(nifti(frames.T, tmp_path / "mm.nii"))
    assert said.mm_per_px == pytest.approx(0.0679)
    assert read_clip(nifti(frames.T, tmp_path / "none.nii", unit=0)).mm_per_px is None
    oblong = nibabel.Nifti1Image(frames.T, np.diag([0.1, 0.2, 1, 1]))
    oblong.header.set_xyzt_units("mm", "sec")
    nibabel.save(oblong, tmp_path / "oblong.nii")
    assert read_clip(tmp_path / "oblong.nii").mm_per_px is None


def test_a_single_picture_in_nifti_is_a_clip_of_one_frame(frames, tmp_path):
    np.testing.assert_array_equal(
        read_clip(nifti(frames[0].T, tmp_path / "one.nii")).frames, frames[:1]
    )


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.full((4, 5, 3), 300, np.int16), "values from 300 to 300; wanted 0 to 255, or 0 to 1"),
        (np.full((4, 5, 3), 0.5, np.float32) * [-1, 1, 1], "values from -0.5 to 0.5"),
        (np.full((4, 5, 3), np.nan, np.float32), "holds NaN or infinity"),
        (np.full((4, 5, 3), 2.5, np.float32), "values from 2.5 to 2.5; wanted 0 to 255, or 0 to 1"),
        (np.zeros((4, 5, 2, 3), np.uint8), "has the axes (4, 5, 2, 3): more than x, y and time"),
        (np.zeros((4, 5, 3), np.complex64), "its voxels are complex64, which is no grey"),
    ],
)
def test_nifti_of_another_kind_is_refused(voxels, words, tmp_path):
    assert words in refused(nifti(voxels, tmp_path / "clip.nii"))


def test_nifti_that_lacks_something_is_refused(frames, tmp_path, monkeypatch):
    whole = nifti(frames.T, tmp_path / "clip.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-100])
    assert f"cut short: {len(whole) - 100} bytes of {len(whole)}" in refused(tmp_path / "cut.nii")
    packed = gzip.compress(whole)
    (tmp_path / "cut.nii.gz").write_bytes(packed[:-500])
    assert "cut.nii.gz: not a whole NIfTI" in refused(tmp_path / "cut.nii.gz")
    pair = bytearray(whole)
    pair[344:348] = b"ni1\0"
    (tmp_path / "pair.hdr").write_bytes(pair)
    assert "its voxels are in another file (.img); save it as one" in refused(tmp_path / "pair.hdr")
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    assert "too large: 11 frames of 58 x 46" in refused(tmp_path / "clip.nii")


def test_a_packed_nifti_that_promises_the_world_is_refused_before_it_is_unpacked(tmp_path):
    header = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.uint8), np.eye(4)).header
    header.set_data_shape((4000, 4000, 4000))
    stream = io.BytesIO()
    header.write_to(stream)
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(stream.getvalue() + bytes(1 << 24)))
    assert "too large: 4000 frames of 4000 x 4000" in refused(tmp_path / "bomb.nii.gz")
