"""Break small clips of every format, over and over, and read them: `python broken_files.py ...`.

Runs as a program of its own: decoders are written in C, and one that falls takes its process along.
The tests beside it read what is printed. The file under way stays in FOLDER when this program dies.

    python broken_files.py GOOD FOLDER COUNT SEED
    python broken_files.py BAD

GOOD is a folder of whole clips; COUNT files are made of each. What is in BAD is read as it is.
Prints one line of JSON: for each file in GOOD or BAD how often it was read, refused or worse, and
the most seconds of work; then the most memory.
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
from collections.abc import Callable
from pathlib import Path

import av
import nibabel  # noqa: F401  # now, or the first NIfTI takes a second
import numpy as np

from csglib.data.readers import ClipError, read_clip

Break = Callable[[bytearray, np.random.Generator], bytearray]
ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def _cut(data: bytearray, chance: np.random.Generator) -> bytearray:
    return data[: chance.integers(len(data))]


def _flip(data: bytearray, chance: np.random.Generator) -> bytearray:
    for place in chance.integers(len(data), size=chance.integers(1, 9)):
        data[place] ^= 1 << chance.integers(8)
    return data


def _overwrite(data: bytearray, chance: np.random.Generator) -> bytearray:
    start, length = chance.integers(len(data)), chance.integers(1, 65)
    data[start : start + length] = chance.bytes(min(length, len(data) - start))
    return data


def _blank(data: bytearray, chance: np.random.Generator) -> bytearray:
    start, length = chance.integers(len(data)), chance.integers(1, 257)
    data[start : start + length] = bytes(min(length, len(data) - start))
    return data


def _swap(data: bytearray, chance: np.random.Generator) -> bytearray:
    size = int(chance.integers(1, max(2, len(data) // 4)))
    one, other = sorted(chance.integers(0, max(1, len(data) - size), size=2))
    data[one : one + size], data[other : other + size] = (
        data[other : other + size],
        data[one : one + size],
    )
    return data


def _say_odd_number(data: bytearray, chance: np.random.Generator) -> bytearray:
    """A number of the header becomes one that nobody expects: most sizes stand near the front."""
    width = int(chance.choice([1, 2, 4, 8]))
    near = min(len(data), 600) if chance.random() < 0.7 else len(data)
    place, order = int(chance.integers(near)), "little" if chance.random() < 0.5 else "big"
    number = ODD[chance.integers(len(ODD))] % (1 << (8 * width))
    data[place : place + width] = number.to_bytes(width, order)
    return data


def _lengthen(data: bytearray, chance: np.random.Generator) -> bytearray:
    place = chance.integers(len(data))
    return data[:place] + bytearray(chance.bytes(int(chance.integers(1, 500)))) + data[place:]


def _repeat(data: bytearray, chance: np.random.Generator) -> bytearray:
    start = int(chance.integers(len(data)))
    return data + data[start : start + 5000] * int(chance.integers(1, 5))


BREAKS: tuple[Break, ...] = (
    _cut, _flip, _overwrite, _blank, _swap, _say_odd_number, _say_odd_number, _lengthen, _repeat,
)  # fmt: skip


def _broken(data: bytearray, chance: np.random.Generator) -> bytearray:
    for _ in range(chance.integers(1, 4)):
        data = BREAKS[chance.integers(len(BREAKS))](data, chance) or bytearray(b"\0")
    return data


def _broken_inside(path: Path, chance: np.random.Generator) -> None:
    """Break what a packed file holds and pack it again: its checksums hold, its contents do not."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            arrays = {name: bytearray(archive.read(name)) for name in archive.namelist()}
        victim = sorted(arrays)[chance.integers(len(arrays))]
        arrays[victim] = _broken(arrays[victim], chance)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in arrays.items():
                archive.writestr(name, bytes(data))
    elif path.suffix == ".gz":
        data = _broken(bytearray(gzip.decompress(path.read_bytes())), chance)
        path.write_bytes(gzip.compress(data, compresslevel=1))
    elif path.suffix == ".png":
        path.write_bytes(_png_broken_inside(path.read_bytes(), chance))


def _png_broken_inside(whole: bytes, chance: np.random.Generator) -> bytes:
    chunks, place = [], 8
    while place < len(whole):
        length = int.from_bytes(whole[place : place + 4])
        chunks.append((whole[place + 4 : place + 8], whole[place + 8 : place + 8 + length]))
        place += length + 12
    victim = int(chance.integers(len(chunks) - 1))  # not the last, which is empty
    name, data = chunks[victim]
    if name == b"IDAT":
        data = zlib.compress(_broken(bytearray(zlib.decompress(data)), chance))
    else:
        data = bytes(_broken(bytearray(data), chance))
    chunks[victim] = name, data
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return whole[:8] + b"".join(packed)


PACKED = {".npz", ".gz", ".png"}


def make_broken(good: Path, path: Path, chance: np.random.Generator) -> None:
    """Write a broken copy; of a folder, one picture in it is broken."""
    if good.is_dir():
        shutil.copytree(good, path)
        inside = sorted(path.iterdir())
        victim = inside[chance.integers(len(inside))]
    else:
        shutil.copyfile(good, path)
        victim = path
    if victim.suffix in PACKED and chance.random() < 0.6:
        _broken_inside(victim, chance)
    else:
        victim.write_bytes(_broken(bytearray(victim.read_bytes()), chance))


def try_one(path: Path) -> tuple[str, float]:
    """Read a broken file: "read", "refused", or what went wrong instead; and seconds of work."""
    start = time.process_time()  # of all threads, whatever else this machine does
    try:
        clip = read_clip(path)
        sound = clip.frames.dtype == np.uint8 and clip.frames.ndim == 3 and 0 <= clip.coloured <= 1
        end = "read" if sound else "no frames"
    except ClipError as error:
        named = path.name in str(error) and "\n" not in str(error)
        end = "refused" if named else f"an error that does not name its file: {error}"
    except BaseException as error:  # whatever it is, it is what is looked for
        end = f"{type(error).__name__}: {error}"
    return end, time.process_time() - start


def peak_mib() -> float:
    """The most memory this program has had. Where there is /proc, not what its parent had too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # macOS says bytes
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def break_and_read(good: Path, folder: Path, count: int, seed: int) -> dict[str, object]:
    """How broken copies of each file in `good` fared."""
    found: dict[str, object] = {}
    for kind in sorted(good.iterdir()):
        chance = np.random.default_rng([seed, *kind.name.encode()])
        ends: Counter[str] = Counter()
        slowest = 0.0
        read_clip(kind)  # whole, it reads; and whatever is imported late is there
        for _ in range(count):
            path = folder / kind.name
            make_broken(kind, path, chance)
            end, seconds = try_one(path)
            ends[end] += 1
            slowest = max(slowest, seconds)
            if end not in {"read", "refused"} or seconds > 2:
                path.rename(folder / f"kept_{ends.total()}_{kind.name}")
            elif path.is_dir():
                shutil.rmtree(path)
        found[kind.name] = {"ends": ends, "slowest": slowest}
    return found


def read_all(bad: Path) -> dict[str, object]:
    """How each file in `bad` fared."""
    tried = {path.name: try_one(path) for path in sorted(bad.iterdir())}
    return {name: {"ends": {end: 1}, "slowest": seconds} for name, (end, seconds) in tried.items()}


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("error")
    paths = [Path(word) for word in sys.argv[1:3]]
    numbers = [int(word) for word in sys.argv[3:]]
    kinds = break_and_read(*paths, *numbers) if numbers else read_all(*paths)
    print(json.dumps({"kinds": kinds, "peak_mib": peak_mib()}))
