"""Does the phantom look like a scanner's picture? Brightness and speckle beside real frames.

    python benchmarks/realism.py [FOLDER]

Twenty real transverse frames of healthy common carotids were measured once (`REAL`). FOLDER may
hold some of them, NAME_img.png beside NAME_mask.png; they are measured again. Ours are whole necks
of the scanner "matched", each with a healthy artery. Writes results/realism.json, numbers only, and
results/realism.png, on which all frames are simulated.
"""

import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.stenosis import inside
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import VERSION, make_clip

REAL = {
    "frame_mean": 17.0,
    "ring_median": 55.8,
    "p99": 160.0,
    "speckle_axial_mm": 0.28,
    "speckle_lateral_mm": 0.58,
}
"""20 frames of 8 recordings from Momot 2022 (doi:10.17632/d4xt63mgjm.1, CC BY 4.0)."""

NAMES = {
    "frame_mean": "mean grey",
    "ring_median": "median grey around the vessel",
    "p99": "99th percentile",
    "speckle_axial_mm": "axial speckle, mm",
    "speckle_lateral_mm": "lateral speckle, mm",
}
TOLERANCE = 0.2
REAL_PIXEL = 0.051  # mm; no file says so: their arteries are 6.2 mm wide with it
SIZE = 745  # pixels of that width in 38 mm
SEEDS = range(900, 924)  # not those that the preset was matched with
_RING = (0.5, 1.6)  # mm around the vessel
_PATCH, _COARSE = 2.45, 0.41  # mm: a patch of speckle, and what is too coarse to be any


def measure(
    frames: UInt8[ndarray, "t y x"], vessels: Bool[ndarray, "t y x"], mm_per_px: float
) -> dict[str, float]:
    """Say how bright frames are, and how large their speckle.

    Args:
        frames: grey levels of whole pictures, skin to spine.
        vessels: the lumen of a healthy artery in each.
        mm_per_px: size of a pixel.

    Returns:
        Means over the frames: `frame_mean`; `lumen_median`; `ring_median`, 0.5 to 1.6 mm around the
        vessel; `p99`, the 99th percentile; all in grey levels. Medians over even patches from 30
        to 60 % of the height: `speckle_axial_mm` and `speckle_lateral_mm`, full widths at half
        height of the autocorrelation, and `speckle_spread`, grey levels; NaN without such patches,
        of which there are `patches`.
    """
    away = np.stack([ndimage.distance_transform_edt(~vessel) for vessel in vessels]) * mm_per_px
    rings = (away > _RING[0]) & (away <= _RING[1])
    speckle = [found for frame in frames for found in _speckle(frame, mm_per_px)]
    axial, lateral, spread = np.median(speckle, axis=0) if speckle else [np.nan] * 3
    return {
        "frame_mean": float(frames.mean()),
        "lumen_median": _mean_median(frames, vessels),
        "ring_median": _mean_median(frames, rings),
        "p99": float(np.mean([np.percentile(frame, 99) for frame in frames])),
        "speckle_axial_mm": float(axial),
        "speckle_lateral_mm": float(lateral),
        "speckle_spread": float(spread),
        "patches": len(speckle),
    }


def _mean_median(frames: UInt8[ndarray, "t y x"], places: Bool[ndarray, "t y x"]) -> float:
    return float(np.mean([np.median(f[place]) for f, place in zip(frames, places, strict=True)]))


def _speckle(frame: UInt8[ndarray, "y x"], mm_per_px: float) -> list[tuple[float, float, float]]:
    """Axial and lateral size of the speckle, mm, and its spread, in each even patch of a frame."""
    side = round(_PATCH / mm_per_px)
    band = frame[int(0.3 * len(frame)) :][: int(0.3 * len(frame)) // side * side]
    band = band[:, : band.shape[1] // side * side].astype(float)
    patches = rearrange(band, "(m y) (n x) -> (m n) y x", y=side, x=side)
    found = []
    for patch in patches:
        # Neither nearly black, nor white, nor cut by a border of two tissues.
        if not 25 < patch.mean() < 120 or patch.std() > 0.45 * patch.mean() + 6:
            continue
        fine = patch - ndimage.gaussian_filter(patch, _COARSE / mm_per_px)
        power = np.abs(np.fft.fft2(fine, (2 * side, 2 * side))) ** 2
        like = np.fft.ifft2(power).real
        down, across = like[:side, 0] / like[0, 0], like[0, :side] / like[0, 0]
        found.append((_width(down) * mm_per_px, _width(across) * mm_per_px, float(fine.std())))
    return found


def _width(falling: Float[ndarray, " steps"]) -> float:
    """Full width at half height of what falls from 1 at step 0, in steps."""
    below = int(np.argmax(falling < 0.5))
    last, first = falling[below - 1], falling[below]
    return float(2 * (below - 1 + (last - 0.5) / (last - first)))


def necks() -> tuple[UInt8[ndarray, "t y x"], Bool[ndarray, "t y x"]]:
    """Our frames, and the lumen in each: as wide as the real ones, the artery as deep."""
    rng = np.random.default_rng(0)
    clips = []
    for seed in tqdm(SEEDS, desc="necks"):
        depth = rng.uniform(14, 20)
        clips.append(
            make_clip(
                seed,
                frames=1,
                size=SIZE,
                scanner="matched",
                **SCANNERS["matched"],  # as printed: an examiner would turn its knobs
                field="neck",
                margin=SIZE * REAL_PIXEL / (1.5 * depth),  # of a neck: in three halves of the depth
                depth=depth,
                aside=rng.uniform(-0.3, 0.2),
                diameter=rng.uniform(5.8, 6.8),
                bifurcation=False,
                stenosis=0.0,
            )
        )
    vessels = [inside(clip.truth.vessel_inner, SIZE, SIZE) for clip in clips if clip.truth]
    return np.concatenate([clip.frames for clip in clips]), np.concatenate(vessels)


def real_frames(folder: Path) -> tuple[UInt8[ndarray, "t y x"], Bool[ndarray, "t y x"]]:
    """Frames of one size in a folder or below it, and the lumen in each.

    Raises:
        ValueError: no frame there.
    """
    paths = sorted(folder.rglob("*_img.png"))
    if not paths:
        raise ValueError(f"{folder} holds no NAME_img.png")
    masks = [path.with_name(path.name.replace("_img", "_mask")) for path in paths]
    grey, lumen = (
        np.stack([np.asarray(Image.open(path).convert("L")) for path in kind])
        for kind in (paths, masks)
    )
    return grey, lumen > 127


def draw(ours: dict[str, float], frames: UInt8[ndarray, "t y x"]) -> Figure:
    """Our numbers as shares of the real ones, and six of our frames."""
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2.4))
    axes = above.subplots()
    shares = [ours[name] / value for name, value in REAL.items()]
    axes.axvspan(1 - TOLERANCE, 1 + TOLERANCE, color="#2a5fa5", alpha=0.15)
    axes.axvline(1, color="#2a5fa5", linewidth=1)
    axes.plot(shares, list(NAMES.values()), "o", color="#e66100")
    axes.set(xlim=(0.5, 1.5), title="phantom / real frames; the band is 20 % wide either way")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    for panel, frame in zip(below.subplots(2, 3).flat, frames, strict=False):
        panel.imshow(frame, cmap="gray", vmin=0, vmax=255)
        panel.axis("off")
    below.suptitle('simulated necks, scanner "matched"', fontsize=11)
    return figure


def compare(real: Path | None) -> tuple[dict[str, Any], Figure]:
    """Measure our frames, and the real ones in a folder if there is one."""
    frames, vessels = necks()
    ours = measure(frames, vessels, REAL_PIXEL)
    found = {
        "question": "are the phantom's pictures as bright and as grainy as real ones",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}; measured, not timed",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "phantom": VERSION,
        "mm_per_px": REAL_PIXEL,
        "real": REAL,
        "ours": {"frames": len(frames)} | ours,
    }
    if real is not None:
        grey, lumen = real_frames(real)
        found["real_frames_here"] = {"frames": len(grey)} | measure(grey, lumen, REAL_PIXEL)
    return found, draw(ours, frames)


def main(folder: Path, real: Path | None) -> None:
    """Compare, write both files, and print a table."""
    found, figure = compare(real)
    with replacing(folder / "realism.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    with replacing(folder / "realism.png") as file:
        figure.savefig(file, format="png", dpi=100)
    here = found.get("real_frames_here", {})
    print(f"{'':<28}{'real':>8}{'here':>8}{'ours':>8}{'ours / real':>13}")
    for name, value in REAL.items():
        mine = found["ours"][name]
        shown = f"{here[name]:>8.2f}" if here else f"{'':>8}"
        print(f"{NAMES[name]:<28}{value:>8.2f}{shown}{mine:>8.2f}{mine / value:>13.2f}")


if __name__ == "__main__":
    main(Path(__file__).parent / "results", Path(sys.argv[1]) if len(sys.argv) > 1 else None)
