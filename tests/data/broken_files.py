"""Read hostile clips, then break good ones at random and read those.

A program of its own, because a decoder written in C that crashes takes its process along; the file
that was being read stays in FOLDER then. test_broken_files.py reads the JSON that is printed.

    python broken_files.py FOLDER COUNT    COUNT broken copies of each clip in FOLDER/good
"""

import gzip
import json
import resource
import shutil
import sys
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import av
import nibabel  # noqa: F401  # now, or the first NIfTI takes a second
import numpy as np

from csglib import ClipError, read_clip

ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def cut(data, rng):
    return data[: rng.integers(len(data))]


def flip_bits(data, rng):
    for place in rng.integers(len(data), size=rng.integers(1, 9)):
        data[place] ^= 1 << rng.integers(8)
    return data


def overwrite(data, rng):
    start, length = rng.integers(len(data)), int(rng.integers(1, 257))
    length = min(length, len(data) - start)
    data[start : start + length] = rng.bytes(length) if rng.random() < 0.5 else bytes(length)
    return data


def odd_number(data, rng):
    """Replace a number by an extreme one, mostly near the front, where headers state sizes."""
    width = int(rng.choice([1, 2, 4, 8]))
    near = min(len(data), 600) if rng.random() < 0.7 else len(data)
    place, order = int(rng.integers(near)), "little" if rng.random() < 0.5 else "big"
    number = ODD[rng.integers(len(ODD))] % (1 << (8 * width))
    data[place : place + width] = number.to_bytes(width, order)
    return data


def move(data, rng):
    """Insert a copy of a piece somewhere else."""
    start, place = rng.integers(len(data), size=2)
    return data[:place] + data[start : start + 1 + rng.integers(5000)] + data[place:]


BREAKS = (cut, flip_bits, *[overwrite] * 2, *[odd_number] * 2, *[move] * 2)


def broken(data, rng):
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        data = BREAKS[rng.integers(len(BREAKS))](data, rng) or bytearray(b"\0")
    return bytes(data)


def make_broken(good, path, rng):
    """Write a broken copy; of a folder, one image in it is broken."""
    if good.is_dir():
        shutil.copytree(good, path, dirs_exist_ok=True)
        images = sorted(path.iterdir())
        path = images[rng.integers(len(images))]
        good = good / path.name
    inside = rng.random() < 0.6  # break and pack again: checksums hold, contents do not
    if inside and path.suffix == ".npz":
        with zipfile.ZipFile(good) as archive:
            arrays = {name: archive.read(name) for name in archive.namelist()}
        victim = sorted(arrays)[rng.integers(len(arrays))]
        arrays[victim] = broken(arrays[victim], rng)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in arrays.items():
                archive.writestr(name, data)
    elif inside and path.suffix == ".gz":
        path.write_bytes(gzip.compress(broken(gzip.decompress(good.read_bytes()), rng), 1))
    else:
        path.write_bytes(broken(good.read_bytes(), rng))


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


def break_and_read(good, folder, count):
    rng = np.random.default_rng([*good.name.encode()])
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
    warnings.filterwarnings("ignore", r"\S+: (states|its pixels)")  # of `Clip.notes`
    root, count, peaks = Path(sys.argv[1]), int(sys.argv[2]), [peak_mib()]
    hostile = {path.name: try_one(path) for path in sorted((root / "hostile").iterdir())}
    peaks.append(peak_mib())
    files = sorted((root / "good").iterdir())
    good = {path.name: break_and_read(path, root, count) for path in files}
    peaks.append(peak_mib())
    print(json.dumps({"hostile": hostile, "good": good, "peaks": peaks}))
