"""What the network costs, stage by stage: sizes, parameters, multiplications and memory.

Source: the columns of Table SI. Counted on tensors without content, so it takes a second and no
memory, however long the clip.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from csglib.model.csg3dct import CSG3DCT
from csglib.model.ledger import costs
from csglib.model.tokens import VideoTokens

_LINE = "{:<10}{:<19}{:<10}{:>12}{:>12}{:>10}"


@dataclass(frozen=True)
class Row:
    """One row of Table SI, and what it costs.

    Attributes:
        name: "stem", "embedding", "c1" to "c5", "head".
        volume: frames, rows, columns, channels that the CNN puts out; None where it does not.
        tokens: frames and tokens a frame that the transformer puts out; None where it does not.
        parameters: numbers to learn.
        macs: multiplications, each with its addition, in convolutions, linear layers and attention.
        kept: bytes that training keeps of a float32 clip for the way back; attention is fused.
    """

    name: str
    volume: tuple[int, int, int, int] | None
    tokens: tuple[int, int] | None
    parameters: int
    macs: int
    kept: int

    def __str__(self) -> str:
        volume = "{}, {}, {}, {}".format(*self.volume) if self.volume else ""
        tokens = "{} x {}".format(*self.tokens) if self.tokens else ""
        macs, kept = f"{self.macs / 1e6:,.1f}", f"{self.kept / 2**20:,.1f}"
        return _LINE.format(self.name, volume, tokens, f"{self.parameters:,}", macs, kept)


@dataclass(frozen=True)
class Summary:
    """All rows; prints as a table.

    Attributes:
        rows: in the order in which a clip passes them.
    """

    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """The sum of the rows."""
        return Row(
            "total",
            volume=None,
            tokens=None,
            parameters=sum(row.parameters for row in self.rows),
            macs=sum(row.macs for row in self.rows),
            kept=sum(row.kept for row in self.rows),
        )

    def __str__(self) -> str:
        head = _LINE.format(
            "stage", "volume t, y, x, c", "tokens", "parameters", "MMACs", "MiB kept"
        )
        return "\n".join([head, *map(str, self.rows), str(self.total)])


def summary(model: CSG3DCT, frames: int = 8, size: int = 256) -> Summary:
    """What one clip costs, in training.

    Args:
        model: left as it is.
        frames: length of the clip.
        size: its rows and columns, multiples of a patch.

    Raises:
        ValueError: a clip of such a size does not fit; says what does.
    """
    stages = _stages(model)
    found = costs(model, [place for stage in stages.values() for place in stage], frames, size)
    rows = [
        Row(
            name,
            _volume(found[stage[-1]].left),
            _tokens(found[stage[0]].left),
            sum(found[place].parameters for place in stage),
            sum(found[place].macs for place in stage),
            sum(found[place].kept for place in stage),
        )
        for name, stage in stages.items()
    ]
    return Summary(tuple(rows))


def _stages(model: CSG3DCT) -> dict[str, list[str]]:
    """The parts in each row of Table SI: those that put out tokens first, the CNN's last."""
    stages = {"stem": ["stem"], "embedding": ["embed"], "c1": ["blocks.0", "local"]}
    first = 0
    for number, stage in enumerate(model.config.stages[1:], start=2):
        places = range(first, first + stage.blocks)
        stages[f"c{number}"] = [f"blocks.{1 + n}" for n in places] + [f"convs.{n}" for n in places]
        first += stage.blocks
    return stages | {"head": ["head"]}


def _volume(output: Any) -> tuple[int, int, int, int] | None:
    volume = output[0] if isinstance(output, tuple) else output
    if not isinstance(volume, Tensor) or volume.ndim != 5:
        return None
    return (*volume.shape[2:], volume.shape[1])


def _tokens(output: Any) -> tuple[int, int] | None:
    if not isinstance(output, VideoTokens):
        return None
    return (output.patches.shape[1], 1 + output.patches.shape[2])
