"""What the detector learns from: chance views of simulated necks.

Not in the paper.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from tqdm.auto import tqdm

from csglib.data.clips import save_clip
from csglib.data.parallel import explain_write_errors, lock_folder, workers
from csglib.data.readers import read_clip
from csglib.detect.network import into_square, shown_size
from csglib.detect.spoiling import holed, painted_out, relit, spoilt, strange, veined, ways_aside
from csglib.phantom.scanners import SCANNERS
from csglib.phantom.simulate import VERSION, make_clip

Window = tuple[int, int, int, int]

_PIXELS = 384  # a side of the pictures that are kept; enough to look at half of one
_HEALTHY = 0.4  # share of the arteries; most people's are
_EMPTY = 0.12  # share of the views in which there is no vessel
_STRANGE = 0.2  # share of those that show no neck at all


class Neck(NamedTuple):
    """A whole picture.

    Attributes:
        frame: grey levels.
        box: edges of the vessel: left, top, right, bottom, pixels.
        alone: whether this is the only artery in the picture.
    """

    frame: UInt8[ndarray, "y x"]
    box: Float[ndarray, "4"]
    alone: bool


class View(NamedTuple):
    """What the network is shown, and the edges of the vessel in it; none, if there is none."""

    square: UInt8[ndarray, "side side"]
    box: Float[ndarray, "4"] | None


def simulate_necks(folder: Path, seeds: Sequence[int], jobs: int) -> list[Neck]:
    """Simulate necks; those that an earlier call has left in the folder are read.

    Args:
        folder: made when it is not there; each version of the phantom has a part of its own.
        seeds: one for each neck.
        jobs: processes at work, 1 or more.

    Raises:
        ValueError: the folder cannot be written, or another process is writing to it.
    """
    with explain_write_errors(folder):
        kept = folder / f"phantom-{VERSION}"
        kept.mkdir(parents=True, exist_ok=True)
        paths = [kept / f"{seed}.npz" for seed in seeds]
        missing = [path for path in paths if not path.is_file()]
        with lock_folder(kept), tqdm(total=len(paths), desc="simulating necks") as bar:
            bar.update(len(paths) - len(missing))
            with workers(jobs, _simulate, missing) as futures:
                for future in futures:
                    future.result()
                    bar.update()
    return [_read(path) for path in paths]


def _simulate(path: Path) -> None:
    seed = int(path.stem)
    chance = np.random.default_rng(seed)
    stenosis = float(chance.uniform(0.05, 0.95)) if chance.random() > _HEALTHY else 0.0
    # The scanner as printed: haze and noise are `spoilt`'s matter, anew in each view. And a single
    # frame has nothing before it that could persist.
    settings = SCANNERS[str(chance.choice(list(SCANNERS)))] | {"persistence": 0.0}
    clip = make_clip(seed, frames=1, size=_PIXELS, field="neck", stenosis=stenosis, **settings)
    save_clip(clip, path)


def _read(path: Path) -> Neck:
    clip = read_clip(path)
    assert clip.truth is not None, "the phantom knows"
    border = clip.truth.vessel_outer[0] + 0.5  # from middles of pixels to edges
    box = np.concatenate([border.min(axis=0), border.max(axis=0)]).clip(0, _PIXELS)
    return Neck(clip.frames[0], box, alone=not clip.truth.parameters["bifurcation"])


def whole_view(neck: Neck) -> View:
    """The picture as it is."""
    return _view(neck, (0, 0, _PIXELS, _PIXELS), (_PIXELS, _PIXELS), lambda picture: picture)


def chance_view(neck: Neck, chance: np.random.Generator) -> View:
    """Some part of the picture, zoomed, stretched, mirrored, spoilt; at times without a vessel."""
    return (empty_view if chance.random() < _EMPTY else vessel_view)(neck, chance)


def empty_view(neck: Neck, chance: np.random.Generator) -> View:
    """As `vessel_view`, but the vessel is painted out, or the picture is of something else.

    Where a second artery is, the first is never painted out: nobody could say what remains.
    """
    ways = ways_aside(neck.box, _PIXELS) if neck.alone else []
    if ways and chance.random() > _STRANGE:
        frame = painted_out(neck.frame, neck.box, int(chance.choice(ways)))
    else:
        frame = strange(_PIXELS, chance)
    return vessel_view(neck._replace(frame=frame), chance)._replace(box=None)


def vessel_view(neck: Neck, chance: np.random.Generator) -> View:
    """Some part of the picture with nearly all of the vessel, and not as clear as it was."""
    for change in (relit, holed, veined):
        neck = neck._replace(frame=change(neck.frame, neck.box, chance))
    if chance.random() < 0.5:
        neck = _mirrored(neck)
    window = _window(neck.box, chance)
    stretch = np.exp(chance.uniform(-0.12, 0.3))  # arteries are pressed flat rather than upright
    aspect = (round(stretch * (window[2] - window[0])), window[3] - window[1])
    return _view(neck, window, aspect, lambda picture: spoilt(picture, chance))


def _mirrored(neck: Neck) -> Neck:
    left, top, right, bottom = neck.box
    box = np.array([_PIXELS - right, top, _PIXELS - left, bottom])
    return neck._replace(frame=neck.frame[:, ::-1], box=box)


def _view(
    neck: Neck,
    window: Window,
    aspect: tuple[int, int],
    change: Callable[[Float[ndarray, "y x"]], Float[ndarray, "y x"]],
) -> View:
    """Look through a window, black where it reaches beyond the picture."""
    shown = shown_size(*aspect)
    part = Image.fromarray(neck.frame).crop(window).resize(shown, Image.Resampling.BILINEAR)
    changed = np.rint(255 * change(np.asarray(part) / 255).clip(0, 1)).astype(np.uint8)
    corner, size = np.array(window[:2] * 2), np.subtract(window[2:], window[:2])
    box = (neck.box - corner) * np.tile(shown / size, 2)
    return View(into_square(Image.fromarray(changed), shown), box.clip(0, [*shown] * 2))


def _window(box: Float[ndarray, "4"], chance: np.random.Generator) -> Window:
    """A part of the picture, or more than all of it, in which nearly all of the box is."""
    side = _PIXELS * np.exp(chance.uniform(np.log(0.45), np.log(1.4)))
    aspect = np.exp(chance.uniform(-0.2, 0.2))
    (left, right), (top, bottom) = (
        _stretch(length, low, high, chance)
        for length, low, high in zip((side * aspect, side / aspect), box[:2], box[2:], strict=True)
    )
    return left, top, right, bottom


def _stretch(
    length: float, low: float, high: float, chance: np.random.Generator
) -> tuple[int, int]:
    """Where the window begins and ends; a tenth of the vessel may lie outside."""
    length, cut = max(length, 1.2 * (high - low)), 0.1 * (high - low)
    first = max(high - cut - length, min(0, _PIXELS - length))
    last = min(low + cut, max(0, _PIXELS - length))
    places = (first, chance.uniform(first, last), last)  # a vessel likes the edge of a picture
    begin = round(chance.choice(places, p=[0.12, 0.76, 0.12]))
    return begin, begin + round(length)
