"""Break small clips of every format, over and over, and read them: `python broken_files.py ...`.

Runs as a program of its own: decoders are written in C, and one that falls takes its process along.
The test beside it reads what is printed. The file under way stays in FOLDER when this program dies.

    python broken_files.py GOOD FOLDER COUNT SEED

GOOD is a folder of whole clips; COUNT files are made of each. Prints one line of JSON.
"""

import json
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import av
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


def broken(good: Path, path: Path, chance: np.random.Generator) -> None:
    """Write a broken copy; of a folder, one picture in it is broken."""
    if good.is_dir():
        shutil.copytree(good, path)
        inside = sorted(path.iterdir())
        victim = inside[chance.integers(len(inside))]
    else:
        shutil.copyfile(good, path)
        victim = path
    data = bytearray(victim.read_bytes())
    for _ in range(chance.integers(1, 4)):
        data = BREAKS[chance.integers(len(BREAKS))](data, chance) or bytearray(b"\0")
    victim.write_bytes(data)


def try_one(path: Path) -> tuple[str, float]:
    """Read a broken file: "read", "refused", or what went wrong instead; and seconds of work."""
    start = time.process_time()  # of all threads, whatever else this machine does
    try:
        clip = read_clip(path)
        end = "read" if clip.frames.dtype == np.uint8 and clip.frames.ndim == 3 else "no frames"
    except ClipError as error:
        named = path.name in str(error) and "\n" not in str(error)
        end = "refused" if named else f"an error that does not name its file: {error}"
    except BaseException as error:  # whatever it is, it is what is looked for
        end = f"{type(error).__name__}: {error}"
    return end, time.process_time() - start


def main(good: Path, folder: Path, count: int, seed: int) -> None:
    """Break and read, then say how it went."""
    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("error")
    found = {}
    for kind in sorted(good.iterdir()):
        chance = np.random.default_rng([seed, *kind.name.encode()])
        ends: dict[str, int] = {}
        slowest = 0.0
        read_clip(kind)  # whole, it reads; and whatever is imported late is there
        for _ in range(count):
            path = folder / kind.name
            broken(kind, path, chance)
            end, seconds = try_one(path)
            ends[end] = ends.get(end, 0) + 1
            slowest = max(slowest, seconds)
            if end not in {"read", "refused"} or seconds > 2:
                path.rename(folder / f"kept_{sum(ends.values())}_{kind.name}")
            elif path.is_dir():
                shutil.rmtree(path)
        found[kind.name] = {"ends": ends, "slowest": slowest}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"kinds": found, "peak_mib": peak}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
