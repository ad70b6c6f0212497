"""The widget kit: a text, a live view and a still of the same numbers, and a page without a kernel.

Source: not in the paper.
"""

import base64
import io
import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import anywidget
import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from csglib.data.atomic import replacing

MAGNITUDE = matplotlib.colormaps["cividis"]
"""Small to large; reads the same to colour-blind eyes."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#a8dcff", "#2f86d6", "#14181d", "#c8640a", "#ffcf8f"]
)
"""Blue below zero, dark at zero, orange above."""

_HERE = Path(__file__).parent
_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 1040px; margin: 16px auto; padding: 0 8px; background: Canvas; }
$style
</style>
<main></main>
<noscript>This figure is drawn by JavaScript, which is switched off here.</noscript>
<script type="module">
const PLAIN = $plain;
const PACKED = $packed;
$module
render({ model: staticModel(PLAIN, PACKED), el: document.querySelector("main") });
</script>
</html>
""")


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


def write_page(path: str | Path, title: str, widget: LiveFigure, state: Mapping[str, Any]) -> None:
    """Write a widget as one HTML file that needs no kernel and no net.

    Args:
        path: written whole or not at all; its folder exists.
        title: of the page's tab.
        widget: its module has a function `render({ model, el })`.
        state: traits by name; bytes and what JSON knows.
    """
    raw = {name: value for name, value in state.items() if isinstance(value, bytes)}
    packed = {name: base64.b64encode(value).decode() for name, value in raw.items()}
    plain = {name: value for name, value in state.items() if name not in raw}
    text = _PAGE.substitute(
        title=title,
        module=widget._esm,
        style=widget._css,
        # a "</script>" in a text would end the script: in JSON, < may be written so
        plain=json.dumps(plain).replace("<", "\\u003c"),
        packed=json.dumps(packed),
    )
    with replacing(Path(path)) as file:
        file.write(text.encode())


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
