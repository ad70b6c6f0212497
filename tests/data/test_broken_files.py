"""Hostile and broken files: each is a clip or one ClipError, at once and in little memory."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
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

from csglib.data.clips import Clip, Truth, save_clip
from csglib.data.readers import ClipError, limits, read_clip

BREAKER = Path(__file__).with_name("broken_files.py")
GREY = np.arange(4 * 24 * 32, dtype=np.uint16).reshape(4, 24, 32).astype(np.uint8)


def refused(path):
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


# --- NPZ


def npy(shape, kind="|u1", content=b""):
    header = io.BytesIO()
    said = {"shape": shape, "fortran_order": False, "descr": kind}
    np.lib.format.write_array_header_1_0(header, said)
    return header.getvalue() + content


def archive(path, members, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


def whole_bomb(path):
    """Two GiB of black, and the header says so; the rest is left out, as nobody comes so far."""
    archive(path, {"frames": npy((2048, 1024, 1024), content=bytes(1 << 25))})


def real_bomb(path):
    """A gibibyte and a header, honestly declared; of its contents only the beginning is there."""
    archive(path, {"frames": npy((1024, 1024, 1024), content=bytes(1 << 20))})
    whole = path.read_bytes()
    declared = struct.pack("<I", (1 << 20) + 128)
    path.write_bytes(whole.replace(declared, struct.pack("<I", (1 << 30) + 128)))


def secret_bomb(path):
    """The header is modest; what follows it is not."""
    archive(path, {"frames": npy((4, 24, 32), content=bytes(1 << 27))})


def pickled_program(path):
    class Program:
        def __reduce__(self):
            return Path.touch, (path.with_name("the_program_has_run"),)

    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array(Program(), dtype=object), allow_pickle=True)
    assert b"the_program_has_run" in stream.getvalue()
    archive(path, {"frames": npy(GREY.shape, content=GREY.tobytes()), "patient": stream.getvalue()})


def packed_otherwise(path):
    archive(path, {"frames": npy(GREY.shape, content=GREY.tobytes())}, zipfile.ZIP_LZMA)


def long_name(path):
    np.savez(path, frames=GREY, patient=np.array("x" * 300_000))


def unprintable(path):
    np.savez(path, frames=GREY, patient=np.array("Jane\r\x1b[2J"))


def half_a_character(path):
    np.savez(path, frames=GREY, patient=np.array("\ud800"))


def less_than_nothing(path):
    archive(path, {"frames": npy((-4, 24, 32), content=GREY.tobytes())})


# --- NIfTI


def nifti(path, start=352, shape=(32, 24, 4), extra=b""):
    image = nibabel.Nifti1Image(GREY.T, np.eye(4))
    whole = bytearray(image.to_bytes())
    whole[40:56] = struct.pack("<8h", 3, *shape, 1, 1, 1, 1)
    whole[108:112] = struct.pack("<f", start)
    path.write_bytes(gzip.compress(bytes(whole) + extra) if path.suffix == ".gz" else whole + extra)


def late_voxels(path):
    nifti(path, start=2e9, extra=bytes(1 << 24))


def nowhere_voxels(path):
    nifti(path, start=float("nan"))


def negative_axes(path):
    nifti(path, shape=(-32, -24, 4))


def full_of_nothing(path):
    """As many voxels as may be, promised by a few bytes."""
    nifti(path, shape=(1024, 1024, 1024))


def the_world(path):
    header = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.uint8), np.eye(4)).header
    header.set_data_shape((4000, 4000, 4000))
    stream = io.BytesIO()
    header.write_to(stream)
    path.write_bytes(gzip.compress(stream.getvalue() + bytes(1 << 24)))


def endless(path):
    nifti(path, extra=bytes(1 << 27))


def changed_byte(path):
    nifti(path)
    whole = bytearray(path.read_bytes())
    whole[-8] ^= 1  # the checksum's first byte
    path.write_bytes(whole)


# --- pictures


def png(width, height, rows=b"", bits=8):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_of(width, height, rows=b""):
    def make(path):
        path.mkdir()
        (path / "frame_0.png").write_bytes(png(width, height, rows))

    return make


def huge_jpeg(path):
    path.mkdir()
    stream = io.BytesIO()
    Image.fromarray(GREY[0]).save(stream, "JPEG")
    said = struct.pack(">BHH", 8, *GREY.shape[1:])
    content = stream.getvalue().replace(said, struct.pack(">BHH", 8, 65_500, 65_500))
    (path / "0.jpg").write_bytes(content)


def gif(width, height, box=(0, 0, 32, 24), images=2):
    """Pictures of one colour on a screen of any size."""
    stream = io.BytesIO()
    Image.new("L", box[2:], 7).save(stream, "GIF")
    with Image.open(io.BytesIO(stream.getvalue())) as small:
        packed = stream.getvalue()[small.tile[0].offset - 1 : -1]
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + (b"," + struct.pack("<4HB", *box, 0) + packed) * images + b";"


def gif_of(*sizes, **more):
    return lambda path: path.write_bytes(gif(*sizes, **more))


# --- video and DICOM


def video(path, codec="png", pixels="gray"):
    with av.open(path, "w") as output:
        stream = output.add_stream(codec, rate=20)
        stream.height, stream.width = GREY.shape[1:]
        stream.pix_fmt = pixels
        for frame in GREY:
            picture = av.VideoFrame.from_ndarray(frame, format="gray").reformat(format=pixels)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return bytearray(path.read_bytes())


def huge_in_video(path):
    """Pictures that say 16,000 x 16,000, in a container that says so too."""
    whole = video(path, pixels="rgb48be")
    for place in range(len(whole)):
        if whole[place : place + 4] == b"IHDR":
            whole[place + 4 : place + 12] = struct.pack(">II", 16_000, 16_000)
            checksum = zlib.crc32(whole[place : place + 17])
            whole[place + 17 : place + 21] = checksum.to_bytes(4)
    header = whole.index(b"strf") + 8
    whole[header + 4 : header + 12] = struct.pack("<II", 16_000, 16_000)
    path.write_bytes(whole)


def dicom(**changes):
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        uid.UltrasoundMultiFrameImageStorage
    )
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = GREY.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = GREY.tobytes()
    dataset["PixelData"].VR = "OB"
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def dicom_of(**changes):
    return lambda path: dicom(**changes).save_as(path, enforce_file_format=True)


def many_frames_packed(path):
    dataset = dicom(NumberOfFrames=10_000)
    stream = io.BytesIO()
    Image.fromarray(GREY[0]).save(stream, "JPEG")
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    dataset.save_as(path, enforce_file_format=True)


def deep(path):
    """A sequence in a sequence, five thousand times."""
    dicom().save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    place = whole.index(b"\x28\x00\x02\x00US")  # the samples per pixel, where sorted
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    path.write_bytes(whole[:place] + begin * 5000 + end * 5000 + whole[place:])


# --- what is no plain file


def linked_to(target):
    return lambda path: path.symlink_to(target)


BAD = {  # how to make it, and the words of the message that matter
    "whole_bomb.npz": (whole_bomb, "not a whole NPZ"),
    "secret_bomb.npz": (secret_bomb, "frames is longer than its shape"),
    "real_bomb.npz": (real_bomb, "too large: frames has 1073741952 bytes"),
    "program.npz": (pickled_program, "allow_pickle=False"),
    "lzma.npz": (packed_otherwise, "frames is packed in a way that numpy never uses"),
    "long.npz": (long_name, "too large: patient has 1200128 bytes"),
    "unprintable.npz": (unprintable, "patient holds characters that cannot be shown"),
    "half.npz": (half_a_character, "patient holds characters that cannot be shown"),
    "minus.npz": (less_than_nothing, "not a whole NPZ; write it with"),
    "late.nii.gz": (late_voxels, "voxels begin at byte 2000000000; export it again"),
    "nowhere.nii": (nowhere_voxels, "not a whole NIfTI; export it again"),
    "minus.nii": (negative_axes, "empty: 4 frames of -32 x -24 pixels"),
    "promise.nii": (full_of_nothing, "cut short: 3424 bytes of 1073742176; copy or export"),
    "promise.nii.gz": (full_of_nothing, "cut short: 3424 bytes of 1073742176; copy or export"),
    "world.nii.gz": (the_world, "too large: 4000 frames of 4000 x 4000"),
    "endless.nii.gz": (endless, "longer than its axes (32, 24, 4) declare; export it again"),
    "changed.nii.gz": (changed_byte, "not a whole NIfTI; export it again (BadGzipFile: CRC"),
    "huge_png": (png_of(65_535, 65_535), "decompression bomb"),
    "long_png": (png_of(5000, 1), "frame_0.png: too large: 1 frames of 5000 x 1 pixels"),
    "no_png": (png_of(0, 7), "frame_0.png: not a whole PNG or JPEG"),
    "short_png": (png_of(4096, 4096), "frame_0.png: not a whole PNG or JPEG"),
    "huge_jpeg": (huge_jpeg, "decompression bomb"),
    "huge.gif": (gif_of(65_535, 65_535), "decompression bomb"),
    "long.gif": (gif_of(5000, 1), "too large: 1 frames of 5000 x"),
    "no.gif": (gif_of(32, 24, images=0), "not a whole GIF; export it again, or as mp4"),
    "long.avi": (huge_in_video, "frame 0 cannot be decoded: damaged, or over 4096 pixels a side"),
    "many.dcm": (dicom_of(NumberOfFrames=10**9), "too large: 1000000000 frames of 32 x 24 pixels"),
    "minus.dcm": (dicom_of(NumberOfFrames=-3), "empty: -3 frames of 32 x 24 pixels"),
    "packed.dcm": (many_frames_packed, "frame 1 of 10000 frames of 32 x 24 pixels cannot be"),
    "deep.dcm": (deep, "the DICOM header is damaged; export it again (RecursionError: "),
    "out.mp4": (linked_to("/etc/hostname"), "a link that leads out of its folder; copy"),
    "up.mp4": (linked_to(".."), "a link that leads out of its folder; copy the file"),
    "loop.mp4": (linked_to("loop.mp4"), "a link that leads nowhere; copy the file"),
    "nowhere.mp4": (linked_to("absent"), "a link that leads nowhere; copy the file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_file_is_refused_with_the_reason(name, tmp_path):
    make, words = BAD[name]
    make(tmp_path / name)
    assert words in refused(tmp_path / name)
    assert not (tmp_path / "the_program_has_run").exists()


def run_breaker(*words):
    """In a program of its own, which a decoder may take along when it crashes."""
    command = [sys.executable, BREAKER, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_hostile_files_take_neither_long_nor_much_memory(tmp_path):
    for name, (make, _) in BAD.items():
        make(tmp_path / name)
    found = run_breaker(tmp_path)
    assert found["kinds"].keys() >= BAD.keys()
    for name in BAD:
        assert found["kinds"][name]["ends"] == {"refused": 1}, name
        assert found["kinds"][name]["slowest"] < 2, name  # CPU seconds
    assert found["peak_mib"] < 1024


# --- what reads, though it is odd


def test_an_array_that_is_listed_a_thousand_times_is_read_once(tmp_path, monkeypatch):
    """Each entry of the list may unpack to a gibibyte."""
    path = tmp_path / "clip.npz"
    archive(path, {"frames": npy(GREY.shape, content=GREY.tobytes())})
    whole = path.read_bytes()
    begin, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entry, last = whole[begin:end], bytearray(whole[end:])
    last[8:12], last[12:16] = struct.pack("<HH", 1000, 1000), struct.pack("<I", 1000 * len(entry))
    path.write_bytes(whole[:begin] + entry * 1000 + last)
    opened, read = [], np.lib.format.read_array
    monkeypatch.setattr(
        np.lib.format, "read_array", lambda *a, **more: opened.append(a) or read(*a, **more)
    )
    np.testing.assert_array_equal(read_clip(path).frames, GREY)
    assert len(opened) == 1


def test_arrays_that_are_each_small_enough_are_refused_together(tmp_path, monkeypatch):
    polygons, shares = np.zeros((4, 6, 2)), np.zeros(4)
    truth = Truth(
        vessel_outer=polygons,
        vessel_inner=polygons,
        lumen=polygons,
        area_stenosis=shares,
        diameter_stenosis=shares,
    )
    save_clip(Clip(frames=GREY, patient="p", truth=truth), tmp_path / "clip.npz")
    monkeypatch.setattr(limits, "MAX_BYTES", 4000)
    assert "too large: " in refused(tmp_path / "clip.npz")


def test_a_name_that_is_no_unicode_is_read_and_can_be_shown(tmp_path):
    """What an old Windows or a camera leaves: René in Latin-1."""
    good, bad = (os.fsdecode(bytes(tmp_path) + b"/Ren\xe9" + end) for end in (b".nii", b".gif"))
    nifti(Path(good))
    np.testing.assert_array_equal(read_clip(good).frames, GREY)
    Path(bad).write_bytes(b"GIF89a")
    assert "Ren\N{REPLACEMENT CHARACTER}.gif: not a whole GIF" in refused(Path(bad))


def test_a_name_that_no_disk_can_hold_is_refused(tmp_path):
    assert "cannot be opened (OSError: " in refused(tmp_path / ("x" * 5000))
    assert "no such file; wanted NPZ" in refused("clip\0.mp4")


def test_a_link_to_a_neighbour_reads_and_one_to_elsewhere_does_not(tmp_path):
    (tmp_path / "patient").mkdir()
    nifti(tmp_path / "patient" / "one.nii")
    nifti(tmp_path / "two.nii")
    (tmp_path / "patient" / "again.nii").symlink_to("one.nii")
    (tmp_path / "patient" / "two.nii").symlink_to("../two.nii")
    (tmp_path / "patient" / "three.nii").symlink_to("two.nii")  # out by a detour
    np.testing.assert_array_equal(read_clip(tmp_path / "patient" / "again.nii").frames, GREY)
    for name in ("two.nii", "three.nii"):
        words = f"{name}: a link that leads out of its folder; copy the file itself"
        assert words in refused(tmp_path / "patient" / name)


def test_a_folder_that_is_a_link_out_is_refused_as_well(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "0.png").write_bytes(png(8, 1, b"\0" + bytes(8)))
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "clip").symlink_to(tmp_path / "outside")
    assert read_clip(tmp_path / "outside").frames.shape == (1, 1, 8)
    assert "clip: a link that leads out of its folder" in refused(tmp_path / "given" / "clip")


def test_what_nibabel_mends_is_not_told(tmp_path, caplog):
    nifti(tmp_path / "clip.nii")
    whole = bytearray((tmp_path / "clip.nii").read_bytes())
    whole[252:254] = b"\xff\x7f"  # an unknown kind of orientation
    (tmp_path / "clip.nii").write_bytes(whole)
    np.testing.assert_array_equal(read_clip(tmp_path / "clip.nii").frames, GREY)
    assert caplog.records == []


def test_a_picture_of_a_gif_that_leaves_the_screen_is_refused(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_bytes(gif(32, 24))
    assert read_clip(path).frames.shape == (2, 24, 32)
    inside, across = gif(20, 24, (0, 0, 20, 24), 1), gif(20, 24, (0, 0, 32, 24), 1)
    path.write_bytes(inside[:-1] + across[19:])
    assert "frame 1 is 32 x 24 after 20 x 24; wanted one size" in refused(path)


def test_rows_of_a_video_that_begin_at_the_bottom_are_turned_over(tmp_path):
    path = tmp_path / "clip.avi"
    whole = video(path, "rawvideo")
    np.testing.assert_array_equal(read_clip(path).frames, GREY)
    place = whole.index(b"strf") + 4
    chunks = (4, whole.index(b"hdrl") - 4, whole.index(b"strl") - 4)
    for where, more in ((place, 9), *((chunk, 10) for chunk in chunks)):
        size = int.from_bytes(whole[where : where + 4], "little") + more
        whole[where : where + 4] = size.to_bytes(4, "little")
    whole[place + 44 : place + 44] = b"BottomUp\0\0"
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_clip(path).frames, GREY[:, ::-1])


# --- memory


def nifti_of(frames, path):
    nibabel.save(nibabel.Nifti1Image(frames.T, np.eye(4)), path)


def folder_of(frames, path):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{number}.png")


def dicom_file(frames, path):
    count, rows, columns = frames.shape
    dicom_of(NumberOfFrames=count, Rows=rows, Columns=columns, PixelData=frames.tobytes())(path)


@pytest.mark.parametrize(
    ("name", "write", "copies"),
    [
        ("clip.npz", lambda frames, path: np.savez(path, frames=frames), 1),
        ("floats.npz", lambda frames, path: np.savez(path, frames=frames / np.float32(255)), 5),
        ("clip.nii", nifti_of, 1),
        ("clip.nii.gz", nifti_of, 1),
        ("floats.nii", lambda f, p: nifti_of((f / 255).astype(np.float32), p), 5),
        ("clip.dcm", dicom_file, 2),
        ("folder", folder_of, 1),
    ],
)
def test_frames_are_in_memory_once(tmp_path, name, write, copies):
    """`copies`: of the frames, and of what the file holds where that has to be there too."""
    frames = np.random.default_rng(1).integers(0, 256, (40, 256, 256), dtype=np.uint8)
    write(frames, tmp_path / name)
    read_clip(tmp_path / name)
    tracemalloc.start()
    clip = read_clip(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.frames.shape == frames.shape
    assert peak < (copies + 0.75) * frames.nbytes
