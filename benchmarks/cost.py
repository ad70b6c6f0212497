"""What does a longer clip cost? Joint attention, AMDF, and AMDF with all tokens asking.

    python benchmarks/cost.py

Counted on tensors without content (`csglib.model.cost`), not timed: the numbers are the same on
every machine. Writes results/cost.json and results/cost.png beside this file.
"""

import datetime
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    NullLocator,
    ScalarFormatter,
    StrMethodFormatter,
)
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.model.config import BASE, PAPER, ModelConfig
from csglib.model.cost import summary
from csglib.model.csg3dct import CSG3DCT

FRAMES = (4, 8, 16, 32, 64)
NETWORKS = {
    "joint (CSG-3DCT-Base)": BASE,
    "AMDF, all tokens ask": replace(PAPER, encoder=replace(PAPER.encoder, fusion="cross_all")),
    "AMDF, class token asks (CSG-3DCT)": PAPER,
}
STYLES = (("#e66100", "s", "--"), ("#7f7f7f", "^", ":"), ("#2a5fa5", "o", "-"))


def measure(networks: dict[str, ModelConfig], frames: Sequence[int], size: int) -> dict[str, Any]:
    """Multiplications and kept bytes of one clip of `size` x `size`, for each length of it."""
    counts: dict[str, dict[str, list[int]]] = {}
    for name, config in networks.items():
        with torch.device("meta"):
            model = CSG3DCT(config)
        totals = [summary(model, length, size).total for length in tqdm(frames, desc=name)]
        counts[name] = {"macs": [t.macs for t in totals], "kept": [t.saved_bytes for t in totals]}
    return {
        "question": "what one clip costs in training, by its number of frames",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}; counted, not timed",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "size": size,
        "frames": list(frames),
        "networks": counts,
    }


def draw(found: dict[str, Any]) -> Figure:
    """Both costs against the number of frames, each doubling one step."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(left, found, "macs", 1e9, "multiplications of one clip, in 10⁹")
    _panel(right, found, "kept", 2**30, "memory saved for the backward pass, GiB")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _panel(axes: Axes, found: dict[str, Any], count: str, unit: float, title: str) -> None:
    for (name, counts), (color, marker, line) in zip(
        found["networks"].items(), STYLES, strict=True
    ):
        values = [value / unit for value in counts[count]]
        axes.plot(found["frames"], values, color=color, marker=marker, linestyle=line, label=name)
        axes.annotate(
            f"{values[-1]:,.0f}",
            (found["frames"][-1], values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(found["frames"]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="frames", title=title, xlim=(found["frames"][0] / 1.15, found["frames"][-1] * 1.5)
    )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def main(folder: Path) -> None:
    """Count, print, and write both files."""
    found = measure(NETWORKS, FRAMES, size=256)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "cost.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    with replacing(folder / "cost.png") as file:
        draw(found).savefig(file, format="png", dpi=130)
    for name, counts in found["networks"].items():
        print(f"{name:<36}", *(f"{macs / 1e9:>9,.1f}" for macs in counts["macs"]), "x 10^9")


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent / "results"))
