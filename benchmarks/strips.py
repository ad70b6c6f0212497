"""Each grade and each type of plaque, frame by frame: does it look like ultrasound?

    python benchmarks/strips.py

Writes results/strips.png beside this file. Everything in it is simulated and not for diagnosis.
"""

from itertools import count, product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from csglib.data.clips import Clip
from csglib.data.stenosis import RULES
from csglib.phantom.probe import SCANNERS
from csglib.phantom.simulate import make_clip

RULE = RULES["four_grades"]
TITLES = ("mild: below 50 %", "moderate: 50 to 69 %", "severe: 70 to 99 %", "occlusion")
AREAS = (0.45, 0.75, 0.93, 1.0)  # closed at the worst place, to look for each grade with
PLAQUES = ("I", "II", "III", "IV")
SIDES = ("far", "near", "right", "concentric")
SIZE = 112  # pixels a side


def strip(grade: int, plaque: str) -> Clip:
    """The first clip of that grade and type; scanner, side and calcium change from one to the next.

    Args:
        grade: index into the grades of `RULE`.
        plaque: Gray-Weale type.
    """
    place = PLAQUES.index(plaque)
    what = {
        "stenosis": AREAS[grade],
        "plaque": plaque,
        "side": SIDES[(grade + place) % len(SIDES)],
        "scanner": list(SCANNERS)[(2 * grade + place) % len(SCANNERS)],
        "calcified": 0.15 * ((grade + 2 * place) % 3 == 0),
    }
    tries = (make_clip(100 * grade + 10 * place + n, size=SIZE, **what) for n in count())
    return next(
        clip for clip in tries if clip.truth and RULE.grade(clip.truth.stenosis(RULE)) == grade
    )


def draw(strips: dict[tuple[int, str], Clip]) -> Figure:
    """All strips, one column of types for each two grades."""
    figure = Figure(figsize=(15, 8.2), facecolor="white")
    figure.set_layout_engine("constrained")
    columns = figure.subplots(2 * len(PLAQUES), 2)
    for (grade, plaque), clip in strips.items():
        axes = columns[len(PLAQUES) * (grade % 2) + PLAQUES.index(plaque), grade // 2]
        axes.imshow(np.hstack(list(clip.frames)), cmap="gray", vmin=0, vmax=255, aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(f"type {plaque}", fontsize=9)
        if plaque == PLAQUES[0]:
            axes.set_title(TITLES[grade], fontsize=11, loc="left")
    figure.suptitle(
        "Simulated, not for diagnosis: each grade (share of a diameter closed) and type of plaque",
        fontsize=12,
    )
    return figure


def main() -> None:
    """Make the strips and save the picture."""
    wanted = list(product(range(len(AREAS)), PLAQUES))
    figure = draw({key: strip(*key) for key in tqdm(wanted, desc="strips")})
    figure.savefig(Path(__file__).parent / "results" / "strips.png", dpi=80)


if __name__ == "__main__":
    main()
