"""What every widget of the course shares: a text, a live view and a still of the same numbers.

Source: not in the paper. A figure that answers teaches more than one that does not.
"""

import base64
import io
from abc import abstractmethod
from pathlib import Path
from typing import Any

import anywidget
import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

MAGNITUDE = matplotlib.colormaps["cividis"]
"""Small to large; reads the same to colour-blind eyes."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#a8dcff", "#2f86d6", "#14181d", "#c8640a", "#ffcf8f"]
)
"""Blue below zero, dark at zero, orange above."""

_HERE = Path(__file__).parent


class LiveFigure(anywidget.AnyWidget):
    """A widget that also prints itself: the same text in every run, and a picture.

    Where no kernel runs (a notebook only opened, a page made of it, a review) the picture is shown.
    """

    @abstractmethod
    def __repr__(self) -> str:
        """What it is and what it is set to, without an address."""

    @abstractmethod
    def still(self) -> Figure:
        """The view at the present settings, from the same arrays."""

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = super()._repr_mimebundle_() or ({}, {})
        still = base64.b64encode(_png(self.still())).decode("ascii")
        return {**bundle, "image/png": still}, metadata


def es_module(folder: Path, *names: str) -> str:
    """The ES module of a widget: palettes, then what all share, then its own text.

    Joined here and not by a build tool, so that what is edited is what runs. The palettes come from
    matplotlib, so that a still and its live view cannot differ.

    Args:
        folder: of the widget's files.
        names: its files, for instance "explorer.js"; the last has the default export.
    """
    palettes = {"magnitude": MAGNITUDE, "signed": SIGNED}
    lines = [f'  {key}: "{_packed(palette)}",' for key, palette in palettes.items()]
    return "\n".join(
        [
            "const PALETTES = {",
            *lines,
            "};\n",
            _texts(_HERE / "base.js", *(folder / name for name in names)),
        ]
    )


def style_sheet(path: Path) -> str:
    """The style of a widget: what all share, then its own."""
    return _texts(_HERE / "base.css", path)


def _texts(*paths: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _packed(palette: Colormap) -> str:
    levels = palette(np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(levels.tobytes()).decode("ascii")


def _png(figure: Figure) -> bytes:
    # 256 colours make half of the size, and a notebook keeps every still it ever printed in git.
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=90)
    Image.open(full).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(
        small, format="png", optimize=True
    )
    return small.getvalue()
