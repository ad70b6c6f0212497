"""The widget kit: a text, a live view and a still of the same numbers, with a kernel or without.

Source: not in the paper.
"""

import base64
import io
import json
from abc import abstractmethod
from collections.abc import Mapping
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
    """A widget with a text that is the same in every run, and a picture.

    The picture is shown where no kernel runs: in a notebook that is only opened, or on GitHub.
    """

    _settings: tuple[str, ...] = ()  # the traits that the text names

    def __repr__(self) -> str:
        """The class and its settings, without an address."""
        values = ((name, getattr(self, name)) for name in self._settings)
        said = (f"{n}={v:g}" if isinstance(v, float) else f"{n}={v!r}" for n, v in values)
        return f"{type(self).__name__}({', '.join(said)})"

    @abstractmethod
    def still(self) -> Figure:
        """The view at the present settings, from the same arrays."""

    def page_state(self) -> dict[str, Any]:
        """What a page without a kernel starts from: the widget's own traits."""
        own = {*self.trait_names(sync=True)} - {*LiveFigure.class_trait_names()}
        return {name: getattr(self, name) for name in sorted(own) if not name.startswith("_")}

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, metadata = super()._repr_mimebundle_() or ({}, {})
        still = base64.b64encode(_png(self.still())).decode("ascii")
        return {**bundle, "image/png": still}, metadata


def front_end(python: str, *names: str) -> tuple[str, str]:
    """The ES module and the style sheet of a widget; the kit's come first.

    Joined here and not by a build tool.

    Args:
        python: file of the widget; its scripts and its style sheet lie beside it.
        names: of its scripts, without suffix; the default is that of the Python file. The last has
            the default export, and the style sheet its name.
    """
    folder, names = Path(python).parent, names or (Path(python).stem,)
    palettes = {"magnitude": MAGNITUDE, "signed": SIGNED}
    lines = [f'  {key}: "{_packed(palette)}",' for key, palette in palettes.items()]
    scripts = _texts(_HERE / "base.js", *(folder / f"{name}.js" for name in names))
    module = "\n".join(["const PALETTES = {", *lines, "};\n", scripts])
    return module, _texts(_HERE / "base.css", folder / f"{names[-1]}.css")


def page_script(widget: LiveFigure, state: Mapping[str, Any], element: str = "main") -> str:
    """An ES module that shows a widget in a page without a kernel.

    Args:
        widget: its module has a function `render({ model, el })`.
        state: traits by name; bytes and what JSON knows.
        element: the selector of the page's element that the widget fills.
    """
    raw = {name: value for name, value in state.items() if isinstance(value, bytes)}
    packed = {name: base64.b64encode(value).decode() for name, value in raw.items()}
    plain = {name: value for name, value in state.items() if name not in raw}
    # a "</script>" in a text would end the script: in JSON, < may be written so
    model = f"{json.dumps(plain)}, {json.dumps(packed)}".replace("<", "\\u003c")
    begin = f"const el = document.querySelector({json.dumps(element)});\nel.replaceChildren();"
    return f"{widget._esm}\n{begin}\nrender({{ model: staticModel({model}), el }});"


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
