"""The attention explorer: where CSG-3DCT looks across the frames of one clip, block by block.

Source: not in the paper, whose Fig. 4 shows Grad-CAM of one clip. Attention is no evidence that an
answer is right; beside a simulated clip's truth it can at least be seen where it does not fall.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import nn

from csglib.data.atomic import replacing
from csglib.data.clips import Clip
from csglib.model.fusion import SwitchedAttention
from csglib.view.attention_record import Questions, questions
from csglib.widgets.base import LiveFigure, es_module, style_sheet
from csglib.widgets.explorer.message import (
    every_matrix,
    every_row,
    message,
    reply,
    shrunk,
    size_of_every_row,
)
from csglib.widgets.explorer.page import page
from csglib.widgets.explorer.still import Shown, figure, shown

_HERE = Path(__file__).parent
LABELS = {
    "space": "spatial branch",
    "time": "temporal branch",
    "into_space": "space asks time",
    "into_time": "time asks space",
    "joint": "the whole clip",
}
SWITCHED = {"into_space": "space uses time's map", "into_time": "time uses space's map"}
SETTINGS = (
    *("view", "block", "frame", "query", "head", "compare", "other_block"),
    *("opacity", "playing", "stretch", "show_truth"),
)
MOST_EMBEDDED = 3_000_000  # bytes of rows in a page without a kernel


class AttentionExplorer(LiveFigure):
    """All frames of a clip under the attention of the class token, or of a patch you choose.

    A map has one scale for all frames, and for both sides of a comparison: a scale a frame would
    hide that one holds more than another. The network runs once, here. Means over heads are in the
    page from the start; heads apart, and rows of patches in space, come when they are asked for.

    Args:
        model: a network made by `CSG3DCT`; comes back in the mode it came in.
        clip: height and width multiples of 16.
        against: another network to compare with; without it, two blocks of one can be.
        settings: attributes to begin with, by name; the page writes such a call for its view.

    Attributes:
        block: counted from 1, as on the slider; the last at first.
        frame: counted from 1.
        view: the branch on show, a key of `LABELS`; "into_time" at first.
        query: who asks. 0 is the class token; patches count from 1, frame by frame, row by row.
        head: counted from 1; 0 is the mean over heads.
        compare: beside it, another network or another block.
        other_block: the block there.
        opacity: of the colours over the frames, 0 to 1.
        playing: frames pass by themselves.
        stretch: colours run from the map's least to its largest value; else from 0 to twice an
            even share at least, so that an even map is grey and not a pattern.
        show_truth: contours, the narrowest frame and scores, of a simulated clip.

    Raises:
        ValueError: the clip's size does not suit a network, a network has no class token to look
            at, the two cut the clip into other patches, or a setting is unknown.
        traitlets.TraitError: a setting is out of range.
    """

    _esm = es_module(
        _HERE,
        *("pictures.js", "rows.js", "query.js", "matrix.js"),
        *("scores.js", "words.js", "explorer.js"),
    )
    _css = style_sheet(_HERE / "explorer.css")

    block = traitlets.Int(1).tag(sync=True)
    frame = traitlets.Int(1).tag(sync=True)
    view = traitlets.Unicode("").tag(sync=True)
    query = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    other_block = traitlets.Int(1).tag(sync=True)
    opacity = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    stretch = traitlets.Bool(False).tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    # What the page draws from; `message` says how it is laid out.
    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)
    maps = traitlets.Bytes().tag(sync=True)
    ends = traitlets.Bytes().tag(sync=True)
    totals = traitlets.Bytes().tag(sync=True)
    matrices = traitlets.Bytes().tag(sync=True)
    matrix_ends = traitlets.Bytes().tag(sync=True)
    lumen = traitlets.Bytes().tag(sync=True)
    vessel = traitlets.Bytes().tag(sync=True)
    masks = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        clip: Clip,
        against: nn.Module | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        networks = [model] if against is None else [model, against]
        self._networks, self._frames = _asked(networks, clip), shrunk(clip.frames)
        data = message(clip, self._networks, [_labels(network) for network in networks])
        facts = data["facts"]
        begin = {
            "view": facts["branches"][-1]["name"],
            "block": facts["blocks"],
            "compare": against is not None,
            "other_block": facts["other"]["blocks"] if facts["other"] else 1,
        }
        if unknown := set(settings or ()) - set(SETTINGS):
            raise ValueError(f"settings are {', '.join(SETTINGS)}: got {', '.join(unknown)}")
        super().__init__(**data, **begin | dict(settings or {}))
        self.on_msg(self._hear)

    @traitlets.validate("block", "frame", "other_block", "query", "head")
    def _counted(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        sizes = [self.facts[size] for size in ("frames", "rows", "columns")]
        first, most = {
            "block": (1, self.facts["blocks"]),
            "frame": (1, sizes[0]),
            "other_block": (1, (self.facts["other"] or self.facts)["blocks"]),
            "query": (0, sizes[0] * sizes[1] * sizes[2]),
            "head": (0, self.facts["heads"]),
        }[name]
        if not first <= value <= most:
            raise traitlets.TraitError(f"{name} must be {first} to {most}: got {value}")
        if name == "query" and value:
            self._check_that_patches_ask(value, self.view)
        return value

    @traitlets.validate("view")
    def _known(self, proposal: dict[str, Any]) -> Any:
        names = [branch["name"] for branch in self.facts["branches"]]
        if proposal["value"] not in names:
            raise traitlets.TraitError(f"view must be one of {names}: got {proposal['value']!r}")
        if self.query:
            self._check_that_patches_ask(self.query, proposal["value"])
        return proposal["value"]

    def _check_that_patches_ask(self, query: int, view: str) -> None:
        asking = [item["name"] for item in self.facts["branches"] if item["byPatches"]]
        if view not in asking:
            raise traitlets.TraitError(
                f"in view {view!r} the class token alone asks (query 0); patches ask in "
                f"{' and '.join(asking)}: got query {query}"
            )

    def _hear(self, _widget: object, asked: list[Any], _buffers: object) -> None:
        self.send(asked, self.answer(asked))

    def answer(self, asked: list[Any]) -> list[bytes]:
        """What the page gets for a question: which network, 0 or 1, then as `reply` has it."""
        network, kind, branch, block, query = asked
        return reply(self._networks[network], (kind, branch, block, query))

    def to_html(self, path: str | Path) -> None:
        """Write the live figure as one file that needs no kernel and no net.

        Heads apart stay here, with the kernel; so do rows of patches in space, where all of them
        would take more than `MOST_EMBEDDED` bytes. The page says so.

        Args:
            path: the file; its folder exists. It is there whole or not at all.
        """
        small = size_of_every_row(self._networks) <= MOST_EMBEDDED
        rows, row_ends = every_row(self._networks) if small else (b"", b"")
        matrices, matrix_ends = every_matrix(self._networks)
        state = {name: getattr(self, name) for name in AttentionExplorer.class_own_traits()}
        state |= {"matrices": matrices, "matrix_ends": matrix_ends}
        state |= {"playing": False, "rows": rows, "row_ends": row_ends}
        with replacing(Path(path)) as file:
            file.write(page("Attention across frames", self._esm, self._css, state).encode())

    def __repr__(self) -> str:
        rows, columns = self.facts["rows"], self.facts["columns"]
        patch = f", patch {self.query}" if self.query else ""
        head = f", head {self.head} of {self.facts['heads']}" if self.head else ""
        other = f", against block {self.other_block}" if self.compare else ""
        return (
            f"AttentionExplorer(view={self.view!r}, block={self.block} of {self.facts['blocks']}, "
            f"frame={self.frame} of {self.facts['frames']}, {rows} x {columns} patches"
            f"{patch}{head}{other})"
        )

    def still(self) -> Figure:
        """All frames with the overlay, and the attention on each as a bar."""
        panels = [self._shown(0)] + ([self._shown(1)] if self.compare else [])
        label = next(item for item in self.facts["branches"] if item["name"] == self.view)["label"]
        first = panels[0].title if len(panels) == 1 else "Compared on one scale"
        head = f", head {self.head}" if self.head else ""
        title = f"{first}, {label}{head}{self._whose()}"
        return figure(self._frames, panels, title, self.opacity, self.stretch)

    def _whose(self) -> str:
        if not self.query:
            return ""
        rows, columns = self.facts["rows"], self.facts["columns"]
        frame, place = divmod(self.query - 1, rows * columns)
        row, column = divmod(place, columns)
        return f", of the patch in frame {frame + 1}, row {row + 1}, column {column + 1}"

    def _shown(self, panel: int) -> Shown:
        """One side; a network without this branch shows its last, without this head the mean."""
        seen = self._networks[min(panel, len(self._networks) - 1)]
        asking = [name for name in seen.asked if not self.query or seen.by_patches(name)]
        view = self.view if self.view in asking else asking[-1]
        head = self.head if self.head <= seen.heads else 0
        found = shown(seen, view, (self.block, self.other_block)[panel], head, self.query)
        which = f"{('first', 'second')[panel]} network\n" if len(self._networks) > 1 else ""
        return replace(found, title=which + found.title)


def _asked(networks: list[nn.Module], clip: Clip) -> list[Questions]:
    asked = [questions(network, clip) for network in networks]
    first, *others = [seen.shape for seen in asked]
    if any(other != first for other in others):
        raise ValueError(
            "two networks are compared patch by patch, so both must cut the clip alike (frames, "
            f"rows, columns): got {first} and {others[0]}"
        )
    return asked


def _labels(network: nn.Module) -> dict[str, str]:
    switched = any(isinstance(part, SwitchedAttention) for part in network.modules())
    return LABELS | (SWITCHED if switched else {})
