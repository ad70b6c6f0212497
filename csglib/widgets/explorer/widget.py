"""The attention explorer: attention of CSG-3DCT across the frames of one clip, block by block.

Source: not in the paper, whose Fig. 4 shows Grad-CAM of one clip. Attention is no evidence that a
prediction is right; beside a simulated clip's truth one can at least see where it does not fall.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from torch import nn

from csglib.data.atomic import replacing
from csglib.data.clips import Clip
from csglib.model.fusion import SwitchedAttention
from csglib.view.attention_record import attention_record
from csglib.widgets.base import LiveFigure, front_end, page_script
from csglib.widgets.explorer.message import Labels, embedded, message, reply, shrunk
from csglib.widgets.explorer.still import figure, panel_of

LABELS = {
    "space": "spatial branch",
    "time": "temporal branch",
    "into_space": "space queries time",
    "into_time": "time queries space",
    "joint": "the whole clip",
}
SWITCHED = {"into_space": "space uses time's map", "into_time": "time uses space's map"}
SETTINGS = (
    *("view", "block", "frame", "query", "head", "compare", "other_block"),
    *("opacity", "playing", "stretch", "show_truth"),
)
MOST_EMBEDDED = 3_000_000  # bytes of one branch's rows in a page without a kernel
PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attention across frames</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 1040px; margin: 16px auto; padding: 0 8px; background: Canvas; }
$style
</style>
<main></main>
<noscript>This figure is drawn by JavaScript, which is switched off here.</noscript>
<script type="module">
$script
</script>
</html>
""")


class AttentionExplorer(LiveFigure):
    """All frames of a clip under the attention of the class token, or of a patch you choose.

    A map has one scale for all frames, and for both sides of a comparison, so that frames can be
    compared. The network runs once, here. Means over heads are in the page from the start; single
    heads and rows of patches come from the kernel on request.

    Args:
        model: a network made by `CSG3DCT`; keeps its mode.
        clip: height and width multiples of 16.
        against: another network to compare with; without it, two blocks of one can be.
        settings: attributes to begin with, by name; the page writes such a call for its view.
        grades: the network's, as in `ClipSet.grade_names`; else those of a rule with so many.

    Attributes:
        block: counted from 1, as on the slider; the last at first.
        frame: counted from 1; at first the one with most attention in that view and block.
        view: the branch on show, a key of `LABELS`; at first the last: its frames share a softmax.
        query: 0 is the class token; patches count from 1, frame by frame, row by row.
        head: counted from 1; 0 is the mean over heads.
        compare: beside it, another network or another block.
        other_block: the block there.
        opacity: of the strongest colour over the frames, 0 to 1; it falls with the attention.
        playing: frames advance by themselves.
        stretch: colours run from the least to the largest attention shown; else from uniform
            attention to twice as much or more, so that a uniform map has no colour.
        show_truth: contours, the narrowest frame and scores, of a simulated clip; at first if so.

    Raises:
        ValueError: the clip's size does not suit a network, a network has no class token, the two
            cut the clip into different patches, a setting is unknown, or a grade has no name.
        traitlets.TraitError: a setting is out of range.
    """

    _esm, _css = front_end(__file__, "data", "panels", "explorer")
    _settings = SETTINGS[:7]

    block = traitlets.Int(1).tag(sync=True)
    frame = traitlets.Int(1).tag(sync=True)
    view = traitlets.Unicode("").tag(sync=True)
    query = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    compare = traitlets.Bool(False).tag(sync=True)
    other_block = traitlets.Int(1).tag(sync=True)
    opacity = traitlets.Float(0.8, min=0.0, max=1.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    stretch = traitlets.Bool(False).tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    # What the page draws from; `message` says how it is laid out.
    facts = traitlets.Dict().tag(sync=True)
    frames = traitlets.Bytes().tag(sync=True)
    maps = traitlets.Bytes().tag(sync=True)
    ends = traitlets.Bytes().tag(sync=True)
    totals = traitlets.Bytes().tag(sync=True)
    lumen = traitlets.Bytes().tag(sync=True)
    vessel = traitlets.Bytes().tag(sync=True)
    masks = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        clip: Clip,
        against: nn.Module | None = None,
        settings: Mapping[str, Any] | None = None,
        grades: Sequence[str] = (),
    ) -> None:
        networks = [model] if against is None else [model, against]
        self._records = [attention_record(network, clip) for network in networks]
        self._frames = shrunk(clip.frames)
        first, *others = [record.shape for record in self._records]
        if any(other != first for other in others):
            got = f"{first} and {others[0]} frames, rows, columns"
            raise ValueError(f"two networks to compare must cut the clip alike: got {got}")
        data = message(clip, self._records, [_labels(network) for network in networks], grades)
        facts, shown = data["facts"], [*self._records[0].branches.values()][-1]
        begin = {
            "view": facts["branches"][-1]["name"],
            "block": facts["blocks"],
            "frame": 1 + int(shown.totals[-1].argmax()),
            "show_truth": bool(facts["truth"]),
            "compare": against is not None,
            "other_block": facts["other"]["blocks"] if facts["other"] else 1,
        }
        if unknown := set(settings or ()) - set(SETTINGS):
            raise ValueError(f"settings are {', '.join(SETTINGS)}: got {', '.join(unknown)}")
        super().__init__(**data, **begin | dict(settings or {}))
        self.on_msg(lambda _, request, __: self.send(request, self.answer(request)))

    @traitlets.validate("view", "block", "frame", "other_block", "query", "head")
    def _possible(self, proposal: dict[str, Any]) -> Any:
        name, value, facts = proposal["trait"].name, proposal["value"], self.facts
        possible = {
            "view": [branch["name"] for branch in facts["branches"]],
            "block": range(1, facts["blocks"] + 1),
            "frame": range(1, facts["frames"] + 1),
            "other_block": range(1, (facts["other"] or facts)["blocks"] + 1),
            "query": range(facts["frames"] * facts["rows"] * facts["columns"] + 1),
            "head": range(facts["heads"] + 1),
        }[name]
        if value not in possible:
            wanted = f"one of {possible}" if name == "view" else f"{possible[0]} to {possible[-1]}"
            raise traitlets.TraitError(f"{name} must be {wanted}: got {value!r}")
        chosen = {"query": self.query, "view": self.view, name: value}
        by_patches = [branch["name"] for branch in facts["branches"] if branch["byPatches"]]
        if name in ("query", "view") and chosen["query"] and chosen["view"] not in by_patches:
            only = f"in view {chosen['view']!r} the class token is the only query (query 0)"
            others = f"patches are queries in {' and '.join(by_patches)}"
            raise traitlets.TraitError(f"{only}; {others}: got query {chosen['query']}")
        return value

    def answer(self, request: list[Any]) -> list[bytes]:
        """The reply to a request of the page: the network, 0 or 1, then as in `message.reply`."""
        network, *wanted = request
        return reply(self._records[network], *wanted)

    def page_state(self, most_embedded: int = MOST_EMBEDDED) -> dict[str, Any]:
        """What a page without a kernel starts from; a branch's rows take so many bytes at most."""
        state = super().page_state() | {"playing": False}
        return state | embedded(self._records, most_embedded)

    def to_html(self, path: str | Path) -> None:
        """Write the live figure as one file that needs no kernel and no net.

        Single heads are left out, and so are rows of patches where those of a branch would take
        more than `MOST_EMBEDDED` bytes. The page says so.

        Args:
            path: the file; its folder exists. It is written whole or not at all.
        """
        script = page_script(self, self.page_state(MOST_EMBEDDED))
        with replacing(Path(path)) as file:
            file.write(PAGE.substitute(style=self._css, script=script).encode())

    def still(self) -> Figure:
        """All frames with the overlay, and the attention on each as a bar."""
        panels = []
        for side, block in enumerate((self.block, self.other_block)[: 1 + self.compare]):
            name = f"{('First', 'Second')[side]} network\n" if self.facts["other"] else ""
            record = self._records[side % len(self._records)]
            panels.append(panel_of(record, self.view, block, self.head, self.query, name))
        title = panels[0].title if len(panels) == 1 else "Compared on one scale"
        labels = {branch["name"]: branch["label"] for branch in self.facts["branches"]}
        title += f", {labels[self.view]}" + (f", head {self.head}" if self.head else "")
        if self.query:
            frame, row, column = np.unravel_index(self.query - 1, self._records[0].shape)
            title += f", of the patch in frame {frame + 1}, row {row + 1}, column {column + 1}"
        outlines = (self.vessel, self.lumen) if self.facts["truth"] and self.show_truth else ()
        shape = (self.facts["frames"], -1, 2)
        contours = [np.frombuffer(each, np.float32).reshape(shape) for each in outlines]
        return figure(self._frames, panels, title, contours, self.opacity, self.stretch)


def _labels(network: nn.Module) -> Labels:
    switched = any(isinstance(part, SwitchedAttention) for part in network.modules())
    return LABELS | (SWITCHED if switched else {})
