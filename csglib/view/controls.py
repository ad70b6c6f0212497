"""Negative controls: what maps score that cannot know, beside one that is said to.

Source: not in the paper. An attention map is bright somewhere whatever the network has learned;
only against these does a score mean anything. An interval is about other patients, not about other
weights: two random networks can be apart. So take several of each, and beat them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths
from csglib.model.csg3dct import CSG3DCT
from csglib.view.class_token import class_token
from csglib.view.scores import Areas, Map, Method, areas, score_map, shares_of


@dataclass(frozen=True)
class Comparison:
    """Mean scores of several kinds of maps on the same clips.

    Attributes:
        scores: by kind of map, then by figure as in `MapScores.figures`. The first kind is the one
            that the others are to be told from.
    """

    scores: dict[str, dict[str, Score]]

    def verdict(self, name: str, figure: str) -> str:
        """Whether the interval of these maps is "lower" or "higher" than the first kind's.

        Else it "overlaps". Stricter than it need be: the clips are the same, and their differences
        vary less.
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
    """Score several kinds of maps and say how sure their means are: patients are drawn.

    A score that a clip does not have, such as the ratio of a plaque that is not there, is left out
    of the mean.

    Args:
        clips: simulated ones; those of a patient are drawn together.
        maps: by kind, one for each clip; first the kind that the others are to be told from.
        draws: how many an interval comes from.
        seed: of the draws.

    Raises:
        ValueError: no maps, another number of them than of clips, or what `score_map` refuses.
    """
    if not maps:
        raise ValueError("a comparison needs one kind of maps or more: got none")
    for name, kind in maps.items():
        same_lengths(**{"clips": clips, name: kind})
    weights = draw_patients([clip.patient for clip in clips], draws, seed)
    rows = [
        _figures([kind[place] for kind in maps.values()], clip) for place, clip in enumerate(clips)
    ]
    scores = {}
    for name, column in zip(maps, zip(*rows, strict=True), strict=True):
        scores[name] = {f: _mean([figures[f] for figures in column], weights) for f in column[0]}
    return Comparison(scores)


def with_controls(
    method: Method,
    network: nn.Module,
    clips: Sequence[Clip],
    untaught: Mapping[str, nn.Module],
    seed: int = 0,
) -> dict[str, list[Map]]:
    """Maps of a trained network and of everything it must beat, ready for `compare`.

    Args:
        method: makes a map.
        network: the trained one.
        clips: to make maps of.
        untaught: by name, networks that had no chance to learn what is asked: twins of
            `random_twin`, and some that were trained on shuffled grades.
        seed: of the orders of frames.

    Returns:
        "trained"; the names in `untaught`; "shuffled frames", the map as it came of a shuffled
        clip, and "shuffled and put back", as in `of_shuffled_frames`; "even".
    """
    trained = [method(network, clip) for clip in clips]
    shuffled = [
        of_shuffled_frames(method, network, clip, np.random.default_rng([seed, place]))
        for place, clip in enumerate(clips)
    ]
    return {
        "trained": trained,
        **{name: [method(other, clip) for clip in clips] for name, other in untaught.items()},
        "shuffled frames": [as_it_came for as_it_came, _ in shuffled],
        "shuffled and put back": [put_back for _, put_back in shuffled],
        "even": [np.ones(tuple(heat.shape)) for heat in trained],
    }


def of_shuffled_frames(
    method: Method, network: nn.Module, clip: Clip, rng: np.random.Generator
) -> tuple[Float[ndarray, "t rows columns"], Float[ndarray, "t rows columns"]]:
    """The map of a clip whose frames come in another order, for the truth in the true order.

    Each order is as likely as the other, the true one included.

    Returns:
        The map as it came, and with its frames put back in the true order. As it came, it loses if
        it follows what the frames show, and keeps its score if it looks at the same places and
        times in every clip. Put back, it loses if it needs the order of the frames or looks at the
        same times in every clip, and keeps its score if it reads each frame by itself.
    """
    order = rng.permutation(len(clip.frames))
    heat = np.asarray(method(network, replace(clip, frames=clip.frames[order], truth=None)))
    put_back = np.empty_like(heat)
    put_back[order] = heat
    return heat, put_back


def random_twin(network: nn.Module, seed: int = 0) -> CSG3DCT:
    """A network of the same configuration that has learned nothing.

    Raises:
        ValueError: a network without a configuration.
    """
    if not isinstance(network, CSG3DCT):
        raise ValueError(
            "a twin is built from a CSG3DCT's configuration: got "
            f"{type(network).__name__}; csglib.train.networks.build_network gives one of the others"
        )
    weights = next(network.parameters())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CSG3DCT(network.config).to(weights.device, weights.dtype).eval()


def class_token_map(branch: str, blocks: slice = slice(None)) -> Method:
    """The class token's attention as a method.

    Where each frame has a softmax of its own, as along "space", every frame is brought to the same
    sum: what is missing is what the class token gives to itself, and no comparison of frames.

    Args:
        branch: a key of `ClassToken.branches`.
        blocks: whose mean is taken.
    """

    def method(network: nn.Module, clip: Clip) -> Float[Tensor, "t rows columns"]:
        branches = class_token(network, clip).branches
        if branch not in branches:
            raise ValueError(f"no branch is called {branch!r}; there are {', '.join(branches)}")
        seen = branches[branch]
        heat = seen.maps[blocks].mean(dim=0)
        if seen.even_frame * len(heat) > 1 + 1e-6:  # more than one softmax has to give
            return heat / reduce(heat, "t rows columns -> t 1 1", "sum")
        return heat

    return method


def _figures(heats: list[Map], clip: Clip) -> list[dict[str, float]]:
    """Of several maps of a clip; its areas are worked out once for each grid."""
    known: dict[tuple[int, ...], Areas] = {}
    found = []
    for heat in heats:
        grid = shares_of(heat, clip).shape[1:]
        if grid not in known:
            known[grid] = areas(clip, *grid)
        found.append(score_map(heat, clip, known[grid]).figures)
    return found


def _mean(values: list[float], weights: Float[ndarray, "draws clips"]) -> Score:
    known = ~np.isnan(values)
    counts = weights[:, known]
    with np.errstate(invalid="ignore"):  # a draw may hold no clip that has the score: NaN
        return interval_of(counts @ np.array(values)[known] / counts.sum(axis=1))
