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
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import av
import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from csglib import read_clip
from csglib.data.clips import save_clip
from csglib.data.readers import limits

from . import clip_files as files
from .clip_files import refused, same

BREAKER = Path(__file__).with_name("broken_files.py")
GREY = files.moving(4, 24, 32)
SIZE = "4 frames of 32 x 24 pixels"


# --- writers of what is refused: each gives make(path)


def of(content):
    return lambda path: path.write_bytes(content)


def changed(write, place):
    def make(path):
        write(GREY, path)
        whole = bytearray(path.read_bytes())
        whole[place] ^= 1
        path.write_bytes(whole)

    return make


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def truth(**arrays):
    """A simulated clip, in which arrays are replaced."""

    def make(path):
        save_clip(files.simulated(), path)
        with np.load(path) as good:
            np.savez(path, **dict(good) | arrays)

    return make


def spoilt(frame, value):
    frames = GREY / np.float32(255)
    frames[frame, 3, 2] = value
    return npz(frames=frames)


def npy(shape, content=b""):
    header = io.BytesIO()
    said = {"shape": shape, "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, said)
    return header.getvalue() + content


def archive(packing=zipfile.ZIP_DEFLATED, **members):
    def make(path):
        with zipfile.ZipFile(path, "w", packing, compresslevel=1) as file:
            for name, content in members.items():
                file.writestr(f"{name}.npy", content)

    return make


def declared_bomb(path):
    """A gibibyte and a header, honestly declared; of its contents only the beginning is there."""
    archive(frames=npy((1024, 1024, 1024), bytes(1 << 20)))(path)
    said, more = (struct.pack("<I", size + 128) for size in (1 << 20, 1 << 30))
    path.write_bytes(path.read_bytes().replace(said, more))


def pickled_program(path):
    class Program:
        def __reduce__(self):
            return Path.touch, (path.parent.with_name("the_program_has_run"),)

    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array(Program(), dtype=object), allow_pickle=True)
    assert b"the_program_has_run" in stream.getvalue()
    archive(frames=npy(GREY.shape, GREY.tobytes()), patient=stream.getvalue())(path)


def nifti(voxels):
    return lambda path: files.nifti(voxels, path)


def nifti_with(head, at, extra=b""):
    """A good one with other bytes in its header, and more behind its voxels."""

    def make(path):
        whole = bytearray(files.nifti_bytes(GREY.T)) + extra
        whole[at : at + len(head)] = head
        path.write_bytes(gzip.compress(whole, 1) if path.suffix == ".gz" else whole)

    return make


def axes(*lengths, extra=b""):
    return nifti_with(struct.pack("<3h", *lengths), 42, extra)


def png(width, height, rows=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        whole += struct.pack(">I", len(data)) + name + data
        whole += struct.pack(">I", zlib.crc32(name + data))
    return whole


def folder(spoil):
    """A good folder of four frames, to which something is done."""

    def make(path):
        files.folder(GREY, path)
        spoil(path)

    return make


def frame_2(content):
    return folder(lambda path: (path / "frame_2.png").write_bytes(content))


def out_of_folder(path):
    (path.parent.parent / "outside.png").write_bytes(png(8, 1, b"\0" + bytes(8)))
    (path / "frame_4.png").symlink_to(path.parent.parent / "outside.png")


def animated(path):
    first, second = Image.new("L", (32, 24)), Image.new("L", (32, 24), 9)
    first.save(path / "frame_2.png", save_all=True, append_images=[second])


def gif(width, height, box=(0, 0, 32, 24), images=2):
    """Pictures of one colour on a screen of any size."""
    stream = io.BytesIO()
    Image.new("L", box[2:], 7).save(stream, "GIF")
    with Image.open(io.BytesIO(stream.getvalue())) as small:
        packed = stream.getvalue()[small.tile[0].offset - 1 : -1]
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + (b"," + struct.pack("<4HB", *box, 0) + packed) * images + b";"


def huge_in_video(path):
    """Pictures that say 16,000 x 16,000, in a container that says so too."""
    files.video(GREY, path, "png", "rgb48be", files.UNTAGGED)
    whole, huge = bytearray(path.read_bytes()), (16_000, 16_000)
    for place in range(len(whole)):
        if whole[place : place + 4] == b"IHDR":
            whole[place + 4 : place + 12] = struct.pack(">II", *huge)
            checksum = zlib.crc32(whole[place : place + 17])
            whole[place + 17 : place + 21] = checksum.to_bytes(4)
    header = whole.index(b"strf") + 8
    whole[header + 4 : header + 12] = struct.pack("<II", *huge)
    path.write_bytes(whole)


def damaged_frame(path):
    files.video(files.moving(9), path, "libx264", "yuv420p", crf="10", bf="0", g="1")
    with av.open(path) as opened:
        packets = [(packet.pos, packet.size) for packet in opened.demux(video=0) if packet.size]
    place, size = packets[6]
    whole = bytearray(path.read_bytes())
    whole[place + size // 2 : place + size] = bytes(size - size // 2)
    path.write_bytes(whole)


def sound_alone(path):
    with av.open(path, "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
        output.mux(stream.encode(sound))
        output.mux(stream.encode())


def dicom(**changes):
    return lambda path: files.saved(files.ultrasound(GREY, **changes), path)


def packed_dicom(fragment, syntax, **changes):
    dataset = files.ultrasound(GREY, **changes)
    return lambda path: files.saved(files.encapsulated(dataset, [fragment], syntax), path)


def packed_as(syntax):
    """Compressed in a way that pydicom has no name for, and so would not write."""
    same_length = uid.MPEG4HP41

    def make(path):
        packed_dicom(b"never opened", same_length)(path)
        path.write_bytes(path.read_bytes().replace(same_length.encode(), syntax.encode()))

    return make


def bare_jpeg(path):
    ONE_JPEG(path)
    whole = path.read_bytes()
    path.write_bytes(whole[144 + int.from_bytes(whole[140:144], "little") :])


def without_pixels(path):
    """And the kind of file that it states cannot be shown."""
    dataset, kind = files.ultrasound(GREY), b"1.2.840.10008.5.1.4.1.1.3.1"
    del dataset.PixelData
    whole = files.saved(dataset, path).read_bytes()
    path.write_bytes(whole.replace(kind, b"\r\x1b[2J".ljust(len(kind), b"9"), 1))


def deep(path):
    """A sequence in a sequence, five thousand times."""
    dicom()(path)
    whole = path.read_bytes()
    place = whole.index(b"\x28\x00\x02\x00US")  # the samples per pixel, where sorted
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    path.write_bytes(whole[:place] + begin * 5000 + end * 5000 + whole[place:])


def real(name):
    return of(files.bundled(name).read_bytes())


def link(target):
    return lambda path: path.symlink_to(target)


JPEG, MPEG4 = uid.JPEGBaseline8Bit, uid.MPEG4HP41
H264 = files.stream_of(GREY, "h264")
SIZES = H264 + files.stream_of(files.moving(4), "h264")
ONE_JPEG = packed_dicom(files.image_bytes(GREY[0], "JPEG"), JPEG, NumberOfFrames=10_000)
# A JPEG of 3 x 3 pixels, changed to declare 10,000 x 10,000
SMALL, LARGE = b"\x08\x00\x03\x00\x03\x03", b"\x08\x27\x10\x27\x10\x03"
BOMB = files.bundled("SC_rgb_small_odd_jpeg.dcm").read_bytes().replace(SMALL, LARGE)
CUT_GIF = gif(32, 24)[:-20]
TWO_SIZES = gif(20, 24, (0, 0, 20, 24), 1)[:-1] + gif(20, 24, (0, 0, 32, 24), 1)[19:]
HOSTILE = {  # how to make it, and the words of the message that matter
    # not a clip, whatever its name
    "none.mp4": (of(b""), "an empty file; wanted NPZ, DICOM, mp4, avi, mkv"),
    "letter.mp4": (of(b"Dear colleague,\nplease find"), "starts with b'Dear colleague,"),
    "image.mp4": (of(png(8, 8)), "a single image; put all frames into one folder"),
    "gzip.mp4": (of(gzip.compress(b"hello" * 200)), "a gzip file without a NIfTI inside"),
    # NPZ
    "nan.npz": (spoilt(3, np.nan), "frame 3 holds NaN or infinity"),
    "below.npz": (spoilt(2, -0.5), "values from -0.5 to 1; wanted"),
    "bool.npz": (npz(frames=GREY > 9), "pixels are bool; wanted uint8"),
    "one.npz": (npz(frames=GREY[0]), "shape (24, 32); wanted (t, y, x)"),
    "no_frames.npz": (npz(frames=GREY[:0]), "empty: 0 frames of 32 x 24 pixels"),
    "images.npz": (npz(images=GREY), "no array named frames, only images"),
    "program.npz": (pickled_program, "allow_pickle=False"),
    "scale.npz": (npz(frames=GREY, mm_per_px=-1.0), "mm_per_px is -1.0; wanted above 0"),
    "number.npz": (npz(frames=GREY, patient=7), "patient is int64 (); wanted one text"),
    "long.npz": (npz(frames=GREY, patient="x" * 300_000), "too large: patient has 1200128 bytes"),
    "escape.npz": (npz(frames=GREY, patient="Jane\r\x1b[2J"), "characters that cannot be shown"),
    "lacks.npz": (npz(frames=GREY, lumen=np.ones((4, 5, 2))), "truth lacks parameters, vessel_o"),
    "lumen.npz": (truth(lumen=np.ones((4, 7, 2))), "lumen of the truth is float64 (4, 7, 2); want"),
    "json.npz": (truth(parameters=np.array("{")), "parameters of the truth are not JSON"),
    "list.npz": (truth(parameters=np.array('{"a": [1]}')), "not a table of numbers and texts"),
    "changed.npz": (changed(files.EXACT["clip.npz"], 2000), "not a whole NPZ"),
    # two GiB of black, as its header says; the rest is left out, as reading stops before
    "whole_bomb.npz": (archive(frames=npy((2048, 1024, 1024), bytes(1 << 25))), "not a whole NPZ"),
    "secret_bomb.npz": (archive(frames=npy(GREY.shape, bytes(1 << 27))), "longer than its shape"),
    "declared_bomb.npz": (declared_bomb, "too large: frames has 1073741952 bytes"),
    "lzma.npz": (archive(zipfile.ZIP_LZMA, frames=npy((1, 1, 1), b"7")), "in a way that numpy nev"),
    # NIfTI
    "between.nii": (nifti(np.full((4, 5, 3), 2.5, np.float32)), "values from 2.5 to 2.5; wanted"),
    "axes.nii": (nifti(np.zeros((4, 5, 2, 3), np.uint8)), "has the axes (4, 5, 2, 3); save it wit"),
    "cut.nii": (of(files.nifti_bytes(GREY.T)[:-100]), "cut short: 3324 bytes of 3424; copy or exp"),
    "changed.nii.gz": (
        changed(files.EXACT["clip.nii.gz"], -8),
        "not a whole NIfTI; export it agai",
    ),
    "pair.hdr": (nifti_with(b"ni1\0", 344), "its voxels are in another file (.img); save it"),
    "late.nii.gz": (nifti_with(struct.pack("<f", 2e9), 108), "voxels begin at byte 2000000000; ex"),
    # as many voxels as may be, promised by a few bytes
    "promise.nii.gz": (axes(1024, 1024, 1024), "cut short: 3424 bytes of 1073742176; copy or exp"),
    "world.nii.gz": (axes(4000, 4000, 4000, extra=bytes(1 << 24)), "too large: 4000 frames of 400"),
    "endless.nii.gz": (axes(32, 24, 4, extra=bytes(1 << 27)), "longer than its axes (32, 24, 4) d"),
    # folders and GIF
    "huge_png": (frame_2(png(65_535, 65_535)), "decompression bomb"),
    "long_png": (frame_2(png(5000, 1)), "frame_2.png: too large: 4 frames of 5000 x 1 pixels"),
    "short_png": (frame_2(png(4096, 4096)), "frame_2.png: not a whole PNG or JPEG"),
    "wide_png": (frame_2(png(33, 1, bytes(34))), "frame_2.png: frame 2 is 33 x 1 after 32 x 24"),
    "animated": (folder(animated), "frame_2.png: an animation"),
    "more": (folder(lambda path: (path / "more").mkdir()), "more/more: a folder; wanted one PNG"),
    "out": (folder(out_of_folder), "frame_4.png: a link that leads out of its folder"),
    "pipe": (folder(lambda path: os.mkfifo(path / "p.png")), "p.png: a device or a pipe"),
    "empty": (Path.mkdir, "an empty folder; wanted"),
    "huge.gif": (of(gif(65_535, 65_535)), "decompression bomb"),
    "cut.gif": (of(CUT_GIF), "not a whole GIF; export it again"),
    "sizes.gif": (of(TWO_SIZES), "frame 1 is 32 x 24 after 20 x 24; wanted one size"),
    # video
    "long.avi": (huge_in_video, "frame 0 cannot be decoded: damaged, or over 4096 pixels a side"),
    "damaged.mp4": (damaged_frame, "frame 6 is damaged; export it again"),
    "sound.mkv": (sound_alone, "no video stream in this matroska file, only sound or text"),
    # DICOM
    "fewer.dcm": (dicom(NumberOfFrames=9), "9 frames of 32 x 24 pixels cannot be decoded; the fil"),
    "billion.dcm": (dicom(NumberOfFrames=10**9), "too large: 1000000000 frames of 32 x 24 pixels"),
    "signed.dcm": (dicom(PixelRepresentation=1), "samples have 8 bits in 8, signed; wanted"),
    "hsv.dcm": (dicom(PhotometricInterpretation="HSV"), "colours of the kind 'HSV'; wanted grey"),
    "no_pixels.dcm": (without_pixels, "no pixel data: it is cut short, or a file without ima"),
    "deep.dcm": (deep, "the DICOM header is damaged; export it again (RecursionError: "),
    "packed.dcm": (ONE_JPEG, "frame 1 of 10000 frames of 32 x 24 pixels cannot be decoded"),
    "short.dcm": (packed_dicom(H264, MPEG4, NumberOfFrames=7), f"but its video has {SIZE}"),
    "sizes.dcm": (packed_dicom(SIZES, MPEG4), "frame 4 is 58 x 46 after 32 x 24"),
    "bomb.dcm": (of(BOMB), "could be decompression bomb"),
    "deflated.dcm": (real("image_dfl.dcm"), "deflated as a whole, which is not read; expor"),
    "syntax.dcm": (real("meta_missing_tsyntax.dcm"), "states no Rows, Columns, BitsAlloc"),
    "xl.dcm": (packed_as("1.2.840.10008.1.2.4.111"), "compressed as JPEG XL, unknown here; export"),
    "new.dcm": (packed_as("1.2.840.10008.1.2.4.999"), "as transfer syntax 1.2.840.10008.1.2.4.999"),
    "bare": (bare_jpeg, "compressed, and no header says how; export it uncompressed, or as JPEG"),
    "rows.dcm": (dicom(Rows=None, BitsAllocated=None), "states no Rows, BitsAllocated; export"),
    "palette.dcm": (dicom(PhotometricInterpretation="PALETTE COLOR"), "states no palette for its"),
    "bad_vr.dcm": (real("badVR.dcm"), "the DICOM header is damaged; export it again (Value"),
    "report.dcm": (real("test-SR.dcm"), "images (its kind: Comprehensive SR Storage)"),
    # links
    "loop.mp4": (link("loop.mp4"), "a link that leads nowhere; copy the file"),
}
# 25 formats, so 1,000 files, or 10,000; small ones, so that damage hits their headers
LOSSY = "clip.mp4 clip.avi jpeg jpeg.dcm 264.dcm vp9.mkv mpeg4.avi clip.mpg clip.wmv clip.ts"
LOSSLESS = (
    "clip.npz folder clip.gif clip.nii clip.nii.gz two.nii clip.mkv raw.avi clip.dcm rle.dcm"
    " 2000.dcm palette.dcm palette_big_8.dcm colours.dcm bare"
)
GOOD = {name: files.EXACT[name] for name in LOSSLESS.split()}
GOOD |= {name: files.NEARLY[name][0] for name in LOSSY.split()}


def run_breaker(root, count, hostile):
    """In a program of its own, which a decoder may take along when it crashes."""
    (root / "good").mkdir(), (root / "hostile").mkdir()
    for name, write in GOOD.items():
        write(GREY, root / "good" / name)
    for name, (make, _) in hostile.items():
        make(root / "hostile" / name)
    command = [sys.executable, BREAKER, root, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{[*root.iterdir()]}: {done.stderr[-2000:]}"  # a decoder crashed
    assert not (root / "the_program_has_run").exists()
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return run_breaker(tmp_path_factory.mktemp("broken"), 40, HOSTILE)


def test_a_hostile_file_is_refused_at_once_with_the_reason_and_in_little_memory(report):
    for name, (end, message, seconds) in report["hostile"].items():
        assert end == "refused", name  # and its file is named
        assert HOSTILE[name][1] in message
        assert seconds < 2, name  # of the CPU
    before, after, _ = report["peaks"]  # MiB
    assert after - before < 120  # less than the smallest bomb


def check(report, count):
    assert len(report["good"]) == len(GOOD) == 25
    for name, kind in report["good"].items():
        assert sum(kind["ends"].values()) == count
        assert kind["ends"].keys() <= {"read", "refused"}, name
        assert kind["ends"]["refused"] > count / 6, name
        assert kind["slowest"] < 2, name  # CPU seconds
    assert report["peaks"][-1] < 2048


def test_broken_files_are_clips_or_clip_errors(report):
    check(report, 40)


@pytest.mark.long
def test_ten_thousand_broken_files_are_clips_or_clip_errors(tmp_path):
    check(run_breaker(tmp_path, 400, {}), 400)


# --- what reads, though it is odd


def test_arrays_are_read_once_and_only_as_many_as_are_small_together(tmp_path, monkeypatch):
    """One array is listed a thousand times; each may unpack to a gibibyte."""
    path = tmp_path / "clip.npz"
    archive(frames=npy(GREY.shape, GREY.tobytes()))(path)
    whole = path.read_bytes()
    begin, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entry, last = whole[begin:end], bytearray(whole[end:])
    last[8:12], last[12:16] = struct.pack("<HH", 1000, 1000), struct.pack("<I", 1000 * len(entry))
    path.write_bytes(whole[:begin] + entry * 1000 + last)
    counted = Mock(wraps=np.lib.format.read_array)
    monkeypatch.setattr(np.lib.format, "read_array", counted)
    same(path, GREY)
    assert counted.call_count == 1
    save_clip(files.simulated(), path)
    with zipfile.ZipFile(path) as archived:
        largest = max(entry.file_size for entry in archived.infolist())
    monkeypatch.setattr(limits, "MAX_BYTES", largest + 100)
    assert "too large: " in refused(path)


def test_names_that_are_odd_or_impossible(tmp_path):
    """What an old Windows or a camera leaves: René in Latin-1."""
    good, bad = (os.fsdecode(bytes(tmp_path) + b"/Ren\xe9" + end) for end in (b".mkv", b".gif"))
    files.EXACT["clip.mkv"](GREY, tmp_path / "clip.mkv")
    (tmp_path / "clip.mkv").rename(good)
    same(good, GREY)
    Path(bad).write_bytes(b"GIF89a")
    assert "Ren\N{REPLACEMENT CHARACTER}.gif: not a whole GIF" in refused(Path(bad))
    long = tmp_path / ("x" * 5000)
    assert refused(long).startswith(f"{long}: cannot be opened (OSError: ")
    assert "no such file; wanted NPZ, DICOM" in refused("clip\0.mp4")
    assert "a device or a pipe; wanted NPZ" in refused(Path(os.devnull))


def test_links_within_a_folder_are_followed_and_others_are_not(tmp_path):
    outside, patient = tmp_path / "outside", tmp_path / "patient"
    files.folder(GREY, outside)
    patient.mkdir()
    for home in (patient, tmp_path):
        files.EXACT["clip.nii"](GREY, home / "one.nii")
    targets = {"again.nii": "one.nii", "two.nii": "../one.nii", "folder": outside}
    targets["three.nii"] = "two.nii"  # out by a detour
    for name, target in targets.items():
        (patient / name).symlink_to(target)
    same(patient / "again.nii", GREY)
    same(outside, GREY)
    for name in ("two.nii", "three.nii", "folder"):
        assert f"{name}: a link that leads out of its folder" in refused(patient / name)


def test_what_nibabel_repairs_is_not_logged(tmp_path, caplog):
    nifti_with(b"\xff\x7f", 252)(tmp_path / "clip.nii")  # an unknown kind of orientation
    same(tmp_path / "clip.nii", GREY)
    assert caplog.records == []


def test_rows_of_a_video_that_begin_at_the_bottom_are_turned_over(tmp_path):
    path = tmp_path / "clip.avi"
    files.EXACT["raw.avi"](GREY, path)
    whole = bytearray(path.read_bytes())
    place = whole.index(b"strf") + 4
    chunks = (4, whole.index(b"hdrl") - 4, whole.index(b"strl") - 4)
    for where, more in ((place, 9), *((chunk, 10) for chunk in chunks)):
        size = int.from_bytes(whole[where : where + 4], "little") + more
        whole[where : where + 4] = size.to_bytes(4, "little")
    whole[place + 44 : place + 44] = b"BottomUp\0\0"
    path.write_bytes(whole)
    same(path, GREY[:, ::-1])


@pytest.mark.parametrize(
    ("name", "write", "copies"),
    [
        ("clip.npz", lambda frames, path: np.savez(path, frames=frames), 1),
        ("floats.npz", lambda frames, path: np.savez(path, frames=frames / np.float32(255)), 5),
        ("clip.nii", files.EXACT["clip.nii"], 1),
        ("clip.nii.gz", files.EXACT["clip.nii.gz"], 1),
        ("clip.dcm", files.dicom, 2),
        ("folder", files.folder, 1),
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
