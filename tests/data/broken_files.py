"""Read hostile clips, then break good ones at random and read those.

A program of its own, because a decoder written in C that crashes takes its process along; the file
that was being read stays in FOLDER then. test_broken_files.py reads what is printed.

    python broken_files.py FOLDER COUNT SEED    COUNT broken copies of each clip in FOLDER/good

Prints one line of JSON: what became of each file in FOLDER/hostile ("read", or its error) and the
CPU time; of each in FOLDER/good how often its copies were read, refused or worse, and the longest
CPU time; the peak memory after either.
"""

import gzip
import json
import resource
import shutil
import struct
import sys
import time
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import av
import nibabel  # noqa: F401  # now, or the first NIfTI takes a second
import numpy as np

from csglib.data.readers import ClipError, read_clip

ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def _cut(data, rng):
    return data[: rng.integers(len(data))]


def _flip_bits(data, rng):
    for place in rng.integers(len(data), size=rng.integers(1, 9)):
        data[place] ^= 1 << rng.integers(8)
    return data


def _overwrite(data, rng):
    start, length = rng.integers(len(data)), int(rng.integers(1, 257))
    length = min(length, len(data) - start)
    data[start : start + length] = rng.bytes(length) if rng.random() < 0.5 else bytes(length)
    return data


def _swap(data, rng):
    size = int(rng.integers(1, max(2, len(data) // 4)))
    a, b = sorted(rng.integers(0, max(1, len(data) - size), size=2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return data


def _odd_number(data, rng):
    """Replace a number by an extreme one, mostly near the front, where headers state sizes."""
    width = int(rng.choice([1, 2, 4, 8]))
    near = min(len(data), 600) if rng.random() < 0.7 else len(data)
    place, order = int(rng.integers(near)), "little" if rng.random() < 0.5 else "big"
    number = ODD[rng.integers(len(ODD))] % (1 << (8 * width))
    data[place : place + width] = number.to_bytes(width, order)
    return data


def _insert(data, rng):
    place = rng.integers(len(data))
    return data[:place] + bytearray(rng.bytes(int(rng.integers(1, 500)))) + data[place:]


def _repeat(data, rng):
    start = int(rng.integers(len(data)))
    return data + data[start : start + 5000] * int(rng.integers(1, 5))


BREAKS = (_cut, _flip_bits, *[_overwrite] * 2, _swap, *[_odd_number] * 2, _insert, _repeat)


def _broken(data, rng):
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        data = BREAKS[rng.integers(len(BREAKS))](data, rng) or bytearray(b"\0")
    return bytes(data)


def _npz_broken_inside(path, rng):
    with zipfile.ZipFile(path) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    victim = sorted(arrays)[rng.integers(len(arrays))]
    arrays[victim] = _broken(arrays[victim], rng)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(name, data)


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_broken_inside(path, rng):
    whole, chunks, place = path.read_bytes(), [], 8
    while place < len(whole):
        length = int.from_bytes(whole[place : place + 4])
        chunks.append((whole[place + 4 : place + 8], whole[place + 8 : place + 8 + length]))
        place += length + 12
    victim = int(rng.integers(len(chunks) - 1))  # not the last, which is empty
    name, data = chunks[victim]
    packed = name == b"IDAT"
    data = _broken(zlib.decompress(data) if packed else data, rng)
    chunks[victim] = name, zlib.compress(data) if packed else data
    path.write_bytes(whole[:8] + b"".join(png_chunk(*chunk) for chunk in chunks))


def _gzip_broken_inside(path, rng):
    path.write_bytes(gzip.compress(_broken(gzip.decompress(path.read_bytes()), rng), 1))


# Break what is inside and pack it again: checksums hold, contents do not
INSIDE = {".npz": _npz_broken_inside, ".gz": _gzip_broken_inside, ".png": _png_broken_inside}


def make_broken(good, path, rng):
    """Write a broken copy; of a folder, one image in it is broken."""
    victim = path
    if good.is_dir():
        shutil.copytree(good, path, dirs_exist_ok=True)
        images = sorted(path.iterdir())
        victim = images[rng.integers(len(images))]
    else:
        shutil.copyfile(good, path)
    if victim.suffix in INSIDE and rng.random() < 0.6:
        INSIDE[victim.suffix](victim, rng)
    else:
        victim.write_bytes(_broken(victim.read_bytes(), rng))


def try_one(path):
    """Read a file: "read", "refused" or what went wrong instead, the message, and CPU seconds."""
    start, message = time.process_time(), ""
    try:
        clip = read_clip(path)
        sound = clip.frames.dtype == np.uint8 and clip.frames.ndim == 3 and 0 <= clip.coloured <= 1
        end = "read" if sound else "no frames"
    except ClipError as error:
        message = str(error)
        named = path.name in message and message.isprintable()
        end = "refused" if named else f"an error that does not name its file: {error}"
    except BaseException as error:  # whatever it is, it is what is looked for
        end = f"{type(error).__name__}: {error}"
    return end, message, time.process_time() - start


def break_and_read(good, folder, count, seed):
    rng = np.random.default_rng([seed, *good.name.encode()])
    ends, slowest, path = Counter(), 0.0, folder / good.name
    read_clip(good)  # whole, it reads; and whatever is imported late is there
    for _ in range(count):
        make_broken(good, path, rng)
        end, _, seconds = try_one(path)
        ends[end] += 1
        slowest = max(slowest, seconds)
        if end not in {"read", "refused"} or seconds > 2:
            path.rename(folder / f"kept_{ends.total()}_{good.name}")
    return {"ends": ends, "slowest": slowest}


def peak_mib():
    """Peak memory of this program; /proc excludes what its parent had."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # macOS: bytes
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("error")
    root, peaks = Path(sys.argv[1]), [peak_mib()]
    hostile = {path.name: try_one(path) for path in sorted((root / "hostile").iterdir())}
    peaks.append(peak_mib())
    numbers = [int(word) for word in sys.argv[2:]]
    good = {
        path.name: break_and_read(path, root, *numbers)
        for path in sorted((root / "good").iterdir())
    }
    peaks.append(peak_mib())
    print(json.dumps({"hostile": hostile, "good": good, "peaks": peaks}))
