"""Negative controls: scores of maps that cannot show what the network has seen in this clip.

Source: not in the paper. A map is large somewhere whatever the network has learned, and vessels
resemble one another: a score means something only beside these. Intervals are about other patients,
not about other weights: two untrained networks can differ, so take several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import einsum, reduce
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.metrics.intervals import Score, draw_patients, interval_of, same_lengths
from csglib.model.csg3dct import CSG3DCT
from csglib.view.attention_record import attention_record
from csglib.view.scores import TIE, Map, Method, areas, cross_scores, shares_of

Values = Mapping[str, Float[ndarray, " clips"]]
"""By figure, a value for each clip; NaN where it has none, as the ratio of an empty plaque."""

_CENTRE = 1 / 6  # standard deviation of the centre prior, in sides of a frame


@dataclass(frozen=True)
class Comparison:
    """A network's own maps, each scored on its own clip, beside controls.

    Attributes:
        means: over the clips, by kind of map and by figure. The first kind is "own".
        differences: means of own minus control on the same clip, by control and by figure.
    """

    means: dict[str, dict[str, Score]]
    differences: dict[str, dict[str, Score]]

    def verdict(self, control: str, figure: str) -> str:
        """Own is "above" or "below" if the interval excludes 0, else "not apart", or "no score"."""
        difference = self.differences[control][figure]
        if np.isnan(difference.value):
            return "no score"
        if difference.low > TIE:
            return "above"
        return "below" if difference.high < -TIE else "not apart"

    def text(self, figure: str) -> str:
        """One figure: own maps, then a line for each control."""

        def said(score: Score, sign: str = "") -> str:
            return f"{score.value:{sign}.3f} ({score.low:{sign}.3f} to {score.high:{sign}.3f})"

        width = max(map(len, self.means))
        lines = [
            f"{figure}: own {said(self.means['own'][figure])}",
            f"  {'control':{width}}    mean  own minus control, 95 %     own is",
        ]
        for name, row in self.differences.items():
            start = f"  {name:{width}}  {self.means[name][figure].value:6.3f}"
            lines.append(f"{start}  {said(row[figure], '+')}  {self.verdict(name, figure)}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(map(self.text, self.means["own"]))


def paired(
    own: Values, controls: Mapping[str, Values], patients: Sequence[str], draws: int = 2000
) -> Comparison:
    """Compare values of the same clips, with intervals from a bootstrap over patients.

    A clip without a value is left out. A ValueError unless there is a value for each patient.
    """
    for name, values in {"own": own, **controls}.items():
        for figure in own:
            same_lengths(**{"patients": patients, f"{name}, {figure}": [*values[figure]]})
    weights = draw_patients(patients, draws, seed=0)

    def means(values: Values) -> dict[str, Score]:
        return {figure: _mean(values[figure], weights) for figure in own}

    gained = {name: {f: own[f] - values[f] for f in own} for name, values in controls.items()}
    return Comparison(
        {name: means(values) for name, values in {"own": own, **controls}.items()},
        {name: means(values) for name, values in gained.items()},
    )


def compare(
    clips: Sequence[Clip], own: Sequence[Map], others: Mapping[str, Sequence[Map]]
) -> Comparison:
    """Score a network's own maps of simulated clips beside controls, on one grid.

    `others` are maps by untrained networks, by one that has memorised shuffled grades, or those of
    `shuffled_maps`. Four more are made here: "another patient's map" is the mean score of all maps
    of other patients on this clip, "mean map" the score of the mean of those maps (the same for
    ratios, which are linear in the map), "centre prior" a Gaussian in the middle of every frame.

    Raises:
        ValueError: clips of one patient, maps on several grids, another number of them than of
            clips, or what `score_map` refuses.
    """
    patients = [clip.patient for clip in clips]
    if len(set(patients)) < 2:
        wanted = "clips of two patients or more are wanted, to compare with another's map"
        raise ValueError(f"{wanted}: got {len(clips)} of {len(set(patients))}")
    shares = _stacked(own, clips)
    known = [areas(clip, *shares.shape[2:]) for clip in clips]

    def on_own_clips(maps: Float[ndarray, "clips t rows columns"]) -> Values:
        found = cross_scores(maps, clips, known)
        return {figure: values.diagonal() for figure, values in found.items()}

    different = np.array(patients)[:, None] != patients
    weights = different / different.sum(axis=0)  # of a map, on a clip: column by column a mean
    crossed = cross_scores(shares, clips, known)
    mean = einsum(weights, shares, "maps clips, maps t rows columns -> clips t rows columns")
    # of each patch's centre from the middle of its frame, in standard deviations
    down, across = (((np.arange(n) + 0.5) / n - 0.5) / _CENTRE for n in shares.shape[2:])
    uniform = np.ones(shares.shape[1:])
    centre = uniform * np.exp(-(down[:, None] ** 2 + across**2) / 2)
    fixed = {"centre prior": [centre] * len(clips), "uniform map": [uniform] * len(clips)}
    controls = {
        "another patient's map": {f: (weights * values).sum(0) for f, values in crossed.items()},
        "mean map": on_own_clips(mean),
        **{
            name: on_own_clips(_stacked(m, clips, shares.shape))
            for name, m in {**fixed, **others}.items()
        },
    }
    return paired(on_own_clips(shares), controls, patients)


def shuffled_maps(
    method: Method, network: nn.Module, clips: Sequence[Clip]
) -> dict[str, list[Float[ndarray, "t rows columns"]]]:
    """Controls for `compare`: maps of clips whose frames are in random order.

    Returns:
        "shuffled frames", which scores lower if the map follows what frames show; and "shuffled,
        put back", its frames in the true order again, lower if the map needs the order of frames.
    """
    orders = [np.random.default_rng(n).permutation(len(c.frames)) for n, c in enumerate(clips)]
    pairs = [*zip(clips, orders, strict=True)]
    shuffled = [replace(clip, frames=clip.frames[order], truth=None) for clip, order in pairs]
    maps = [np.asarray(method(network, clip)) for clip in shuffled]
    put_back = [saliency[np.argsort(order)] for saliency, order in zip(maps, orders, strict=True)]
    return {"shuffled frames": maps, "shuffled, put back": put_back}


def random_control(network: nn.Module, seed: int = 0) -> CSG3DCT:
    """A network of the same configuration with random weights; ValueError for other networks."""
    if not isinstance(network, CSG3DCT):
        raise ValueError(f"wanted a CSG3DCT, to build its like: got a {type(network).__name__}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CSG3DCT(network.config).to(next(network.parameters())).eval()


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


def _stacked(
    maps: Sequence[Map], clips: Sequence[Clip], shape: tuple[int, ...] = ()
) -> Float[ndarray, "clips t rows columns"]:
    """Shares of maps on one grid, that of `shape` if there is one."""
    same_lengths(clips=clips, maps=maps)
    shares = [shares_of(saliency, clip) for saliency, clip in zip(maps, clips, strict=True)]
    grids = sorted({share.shape for share in shares} | ({shape[1:]} if shape else set()))
    if len(grids) > 1:
        got = " and ".join(map(str, grids))
        raise ValueError(f"compared maps have one grid of frames, rows and columns: got {got}")
    return np.stack(shares)


def _mean(values: Float[ndarray, " clips"], weights: Float[ndarray, "draws clips"]) -> Score:
    known = ~np.isnan(values)
    counts = weights[:, known]
    with np.errstate(invalid="ignore"):  # a draw may have no clip with the score: NaN
        return interval_of(counts @ values[known] / counts.sum(axis=1))
