"""Negative controls: scores of maps that cannot carry what the network learned.

Source: not in the paper. An attention map is large somewhere whatever the network has learned, so a
score means something only beside these. An interval is about other patients, not about other
weights: two random networks can differ. So take several of each kind, and beat them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.scores import Map, Method, areas, score_map, shares_of


@dataclass(frozen=True)
class Comparison:
    """Mean scores of several kinds of maps on the same clips.

    Attributes:
        scores: by kind of map, then by figure as in `MapScores.figures`. The first kind is compared
            with the others.
    """

    scores: dict[str, dict[str, Score]]

    def verdict(self, name: str, figure: str) -> str:
        """Whether the interval is "lower" or "higher" than the first kind's, or "overlaps".

        Conservative: the clips are the same, and paired differences vary less.
        """
        first, other = next(iter(self.scores.values()))[figure], self.scores[name][figure]
        if other.high < first.low:
            return "lower"
        return "higher" if other.low > first.high else "overlaps"

    def text(self, figure: str) -> str:
        """One figure, a line for each kind of map."""
        width = max(map(len, self.scores))
        lines = [figure]
        for place, (name, row) in enumerate(self.scores.items()):
            value, low, high = row[figure].value, row[figure].low, row[figure].high
            line = f"  {name:{width}}  {value:6.3f}  ({low:.3f} to {high:.3f})"
            lines.append(f"{line}  {self.verdict(name, figure)}" if place else line)
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(self.text(figure) for figure in next(iter(self.scores.values())))


def compare(
    clips: Sequence[Clip], maps: Mapping[str, Sequence[Map]], draws: int = 2000, seed: int = 0
) -> Comparison:
    """Mean scores of several kinds of maps, with intervals from a bootstrap over patients.

    A score that a clip does not have, as the ratio of an empty plaque, is left out of the mean.

    Args:
        clips: simulated ones; those of a patient are drawn together.
        maps: by kind, one for each clip; first the kind that is compared with the others.
        draws: of the bootstrap.
        seed: of the draws.

    Raises:
        ValueError: no maps, another number of them than of clips, or what `score_map` refuses.
    """
    if not maps:
        raise ValueError("a comparison needs one kind of maps or more: got none")
    for name, kind in maps.items():
        same_lengths(**{"clips": clips, name: kind})
    weights = draw_patients([clip.patient for clip in clips], draws, seed)
    known = [cache(partial(areas, clip)) for clip in clips]  # once for each grid
    scores = {}
    for name, kind in maps.items():
        rows = [
            score_map(saliency, clip, at(*shares_of(saliency, clip).shape[1:])).figures
            for saliency, clip, at in zip(kind, clips, known, strict=True)
        ]
        scores[name] = {figure: _mean([row[figure] for row in rows], weights) for figure in rows[0]}
    return Comparison(scores)


def with_controls(
    method: Method,
    network: nn.Module,
    clips: Sequence[Clip],
    untrained: Mapping[str, nn.Module],
    seed: int = 0,
) -> dict[str, list[Map]]:
    """Maps of a trained network and of its controls, ready for `compare`.

    Args:
        method: makes a map.
        network: the trained one.
        clips: to make maps of.
        untrained: by name, networks that cannot have learned the task: those of `random_control`,
            and some that were trained on shuffled grades.
        seed: of the frame orders.

    Returns:
        "trained"; the names in `untrained`; "shuffled frames", the map as it came of a shuffled
        clip, and "shuffled and put back", as in `of_shuffled_frames`; "uniform".
    """
    trained = [method(network, clip) for clip in clips]
    shuffled = [
        of_shuffled_frames(method, network, clip, np.random.default_rng([seed, place]))
        for place, clip in enumerate(clips)
    ]
    return {
        "trained": trained,
        **{name: [method(other, clip) for clip in clips] for name, other in untrained.items()},
        "shuffled frames": [shuffled_map for shuffled_map, _ in shuffled],
        "shuffled and put back": [put_back for _, put_back in shuffled],
        "uniform": [np.ones(tuple(saliency.shape)) for saliency in trained],
    }


def of_shuffled_frames(
    method: Method, network: nn.Module, clip: Clip, rng: np.random.Generator
) -> tuple[Float[ndarray, "t rows columns"], Float[ndarray, "t rows columns"]]:
    """The map of a clip with its frames in random order, to be scored against the true order.

    Returns:
        The map as it is, and with its frames put back in the true order. As it is, its score drops
        if the map follows what frames show, and stays if it has the same places and times in every
        clip. Put back, its score drops if the map needs the order of frames or has the same times
        in every clip, and stays if each frame is read by itself.
    """
    order = rng.permutation(len(clip.frames))
    saliency = np.asarray(method(network, replace(clip, frames=clip.frames[order], truth=None)))
    put_back = np.empty_like(saliency)
    put_back[order] = saliency
    return saliency, put_back


def random_control(network: nn.Module, seed: int = 0) -> CSG3DCT:
    """A network of the same configuration with random weights; ValueError for other networks."""
    if not isinstance(network, CSG3DCT):
        raise ValueError(
            "a random control is built from the configuration of a CSG3DCT: got "
            f"{type(network).__name__}; csglib.train.networks.build_network builds the others"
        )
    weights = next(network.parameters())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CSG3DCT(network.config).to(weights.device, weights.dtype).eval()


def class_token_map(branch: str, blocks: slice = slice(None)) -> Method:
    """The class token's attention in a branch as a method: the mean over some blocks.

    Along "space", where each frame has its own softmax, every frame is scaled to the same sum: the
    rest is the class token's attention on itself, and does not compare frames.
    """

    def method(network: nn.Module, clip: Clip) -> Float[Tensor, "t rows columns"]:
        record = attention_record(network, clip)
        if branch not in record.axes:
            raise ValueError(f"no branch is called {branch!r}; there are {', '.join(record.axes)}")
        saliency = record.branches[branch].maps[blocks].mean(dim=0)
        if record.axes[branch] == "space":
            return saliency / reduce(saliency, "t rows columns -> t 1 1", "sum")
        return saliency

    return method


def _mean(values: list[float], weights: Float[ndarray, "draws clips"]) -> Score:
    known = ~np.isnan(values)
    counts = weights[:, known]
    with np.errstate(invalid="ignore"):  # a draw may have no clip with the score: NaN
        return interval_of(counts @ np.array(values)[known] / counts.sum(axis=1))
