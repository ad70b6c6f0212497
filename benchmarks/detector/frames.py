"""Training data of the vessel detector: random views of simulated necks. Not in the paper."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from degrade import add_holes, add_veins, degrade, free_offsets, paint_out, random_texture, relight
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from tqdm.auto import tqdm

from csglib.data.clips import save_clip
from csglib.data.readers import read_clip
from csglib.detect.network import into_square, shown_size
from csglib.phantom.parallel import explain_write_errors, lock_folder, workers
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import VERSION, make_clip

Window = tuple[int, int, int, int]

_SIZE = 384  # pixels a side of the simulated images; a view may show half of one
_HEALTHY = 0.4  # fraction of arteries without plaque
_EMPTY = 0.12  # fraction of views without a vessel
_TEXTURE = 0.2  # fraction of those that show no neck at all


class Neck(NamedTuple):
    """A whole image of a neck.

    Attributes:
        frame: grey levels.
        box: of the vessel: left, top, right, bottom, pixels.
        alone: whether this is the only artery in the image.
    """

    frame: UInt8[ndarray, "y x"]
    box: Float[ndarray, "4"]
    alone: bool


class View(NamedTuple):
    """An input of the network, and the vessel's box in it; None without a vessel."""

    square: UInt8[ndarray, "side side"]
    box: Float[ndarray, "4"] | None


def simulate_necks(folder: Path, seeds: Sequence[int], jobs: int) -> list[Neck]:
    """Simulate one neck a seed; files left in the folder by an earlier call are read instead.

    Args:
        folder: created if missing; each version of the phantom has a subfolder of its own.
        seeds: one for each neck.
        jobs: worker processes, 1 or more.

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
    rng = np.random.default_rng(seed)
    stenosis = float(rng.uniform(0.05, 0.95)) if rng.random() > _HEALTHY else 0.0
    # Haze and noise as in the preset: `degrade` varies them for each view. A single frame has no
    # predecessor that could persist.
    preset = SCANNERS[str(rng.choice(list(SCANNERS)))] | {"persistence": 0.0}
    clip = make_clip(seed, frames=1, size=_SIZE, field="neck", stenosis=stenosis, **preset)
    save_clip(clip, path)


def _read(path: Path) -> Neck:
    clip = read_clip(path)
    assert clip.truth is not None, "simulated clips have a truth"
    border = clip.truth.vessel_outer[0] + 0.5  # from pixel centres to pixel edges
    box = np.concatenate([border.min(axis=0), border.max(axis=0)]).clip(0, _SIZE)
    return Neck(clip.frames[0], box, alone=not clip.truth.parameters["bifurcation"])


def whole_view(neck: Neck) -> View:
    """The image as it is."""
    return _view(neck, (0, 0, _SIZE, _SIZE), (_SIZE, _SIZE), lambda image: image)


def random_view(neck: Neck, rng: np.random.Generator) -> View:
    """A random crop, zoomed, stretched, mirrored and degraded; sometimes without a vessel."""
    return (empty_view if rng.random() < _EMPTY else vessel_view)(neck, rng)


def empty_view(neck: Neck, rng: np.random.Generator) -> View:
    """As `vessel_view`, with the vessel painted out, or of a random texture.

    Beside a second artery the first is never painted out: the label would be ambiguous.
    """
    offsets = free_offsets(neck.box, _SIZE) if neck.alone else []
    if offsets and rng.random() > _TEXTURE:
        frame = paint_out(neck.frame, neck.box, int(rng.choice(offsets)))
    else:
        frame = random_texture(_SIZE, rng)
    return vessel_view(neck._replace(frame=frame), rng)._replace(box=None)


def vessel_view(neck: Neck, rng: np.random.Generator) -> View:
    """A degraded random crop that holds at least 90 % of the vessel's width and height."""
    for change in (relight, add_holes, add_veins):
        neck = neck._replace(frame=change(neck.frame, neck.box, rng))
    if rng.random() < 0.5:
        neck = _mirrored(neck)
    window = _random_window(neck.box, rng)
    stretch = np.exp(rng.uniform(-0.12, 0.3))  # the probe flattens arteries more than it lifts them
    aspect = (round(stretch * (window[2] - window[0])), window[3] - window[1])
    return _view(neck, window, aspect, lambda image: degrade(image, rng))


def _mirrored(neck: Neck) -> Neck:
    left, top, right, bottom = neck.box
    box = np.array([_SIZE - right, top, _SIZE - left, bottom])
    return neck._replace(frame=neck.frame[:, ::-1], box=box)


def _view(
    neck: Neck,
    window: Window,
    aspect: tuple[int, int],
    change: Callable[[Float[ndarray, "y x"]], Float[ndarray, "y x"]],
) -> View:
    """Crop to a window, black where it exceeds the image."""
    shown = shown_size(*aspect)
    part = Image.fromarray(neck.frame).crop(window).resize(shown, Image.Resampling.BILINEAR)
    changed = np.rint(255 * change(np.asarray(part) / 255).clip(0, 1)).astype(np.uint8)
    corner, size = np.array(window[:2] * 2), np.subtract(window[2:], window[:2])
    box = (neck.box - corner) * np.tile(shown / size, 2)
    return View(into_square(Image.fromarray(changed), shown), box.clip(0, [*shown] * 2))


def _random_window(box: Float[ndarray, "4"], rng: np.random.Generator) -> Window:
    """A part of the image, or more than all of it, around nearly all of the box."""
    side = _SIZE * np.exp(rng.uniform(np.log(0.45), np.log(1.4)))
    aspect = np.exp(rng.uniform(-0.2, 0.2))
    (left, right), (top, bottom) = (
        _interval(length, low, high, rng)
        for length, low, high in zip((side * aspect, side / aspect), box[:2], box[2:], strict=True)
    )
    return left, top, right, bottom


def _interval(length: float, low: float, high: float, rng: np.random.Generator) -> tuple[int, int]:
    """First and last pixel of the window; a tenth of the vessel may lie outside."""
    length, cut = max(length, 1.2 * (high - low)), 0.1 * (high - low)
    first = max(high - cut - length, min(0, _SIZE - length))
    last = min(low + cut, max(0, _SIZE - length))
    starts = (first, rng.uniform(first, last), last)  # often at the very edge of the image
    begin = round(rng.choice(starts, p=[0.12, 0.76, 0.12]))
    return begin, begin + round(length)
