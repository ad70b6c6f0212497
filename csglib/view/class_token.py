"""Where the class token looks: its row of every attention map, laid back over frames and patches.

Source: not in the paper, which shows Grad-CAM only (Fig. 4). The class token is what the head reads
and what asks in the fusion (section 2, "Inter-dimension ST Fusion Module"): hence its rows.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import Axis
from csglib.view.capture import attention_maps
from csglib.view.evaluation import batch_of, evaluating

# How the class token's rows are laid out along each axis: (sequences, keys) -> frames and patches.
_LAYOUTS: dict[Axis, str] = {
    "space": "t (rows columns) -> blocks t rows columns",
    "time": "(rows columns) t -> blocks t rows columns",
    "joint": "1 (t rows columns) -> blocks t rows columns",
}
_BRANCHES = ("space", "time", "into_space", "into_time")


@dataclass(frozen=True)
class Branch:
    """One kind of attention, in every block that has it.

    Attributes:
        maps: the class token's attention, mean over heads, 0 to 1; not what it gives to itself.
        even_patch: what `maps` would hold if all keys were alike.
        totals: attention that falls on a frame, 0 to 1. In "space" each frame has a softmax of its
            own and is counted alone; in "time" it is the mean over the patches, one softmax each.
        even_frame: what `totals` would hold if all keys were alike.
    """

    maps: Float[Tensor, "blocks t rows columns"]
    even_patch: float
    totals: Float[Tensor, "blocks t"]
    even_frame: float


@dataclass(frozen=True)
class ClassToken:
    """What the class token saw of one clip, and what the network made of it.

    Attributes:
        branches: by name: "space", "time", "into_space" (space asks time), "into_time" (time asks
            space); "joint" for CSG-3DCT-Base.
        probabilities: the network's answer, one share a grade.
    """

    branches: dict[str, Branch]
    probabilities: Float[Tensor, " classes"]


def class_token(network: nn.Module, clip: Clip) -> ClassToken:
    """Run the network once on a clip and keep the class token's rows of all maps.

    Args:
        network: anything made by `CSG3DCT`; left in the mode it came in.
        clip: height and width multiples of a patch.

    Raises:
        ValueError: the network has no class token's attention to show.
    """
    if not isinstance(network, CSG3DCT):
        raise ValueError(
            f"a network with a class token is wanted, as csglib.model.csg3dct builds it: got "
            f"{type(network).__name__}"
        )
    tokens = len(clip.frames) if network.config.class_tokens == "frame" else 1

    def first_rows(weights: Float[Tensor, "g h i j"]) -> Float[Tensor, "g k j"]:
        return weights[:, :, :tokens].mean(dim=1)

    with attention_maps(network, first_rows) as rows, evaluating(network), torch.no_grad():
        probabilities = network(batch_of(network, clip))[0].float().softmax(dim=0).cpu()
    found: dict[tuple[str, Axis], list[Tensor]] = {}
    for path, row in rows.items():
        found.setdefault(branch_of(network, path), []).append(row.float().cpu())
    _, height, width = clip.frames.shape
    shape = (len(clip.frames), height // network.config.patch, width // network.config.patch)
    return ClassToken(
        {name: laid_out(axis, seen, shape) for (name, axis), seen in found.items()},
        probabilities,
    )


def branch_of(network: CSG3DCT, path: str) -> tuple[str, Axis]:
    """Name of an attention's branch, and how its keys are lined up.

    blocks.3.into_space.attention is named by its place, the lone branch of -Base by its axis.

    Args:
        network: whose attention it is.
        path: the attention's name in it.
    """
    place = path.removesuffix(".attention")
    axis = cast("Axis", network.get_submodule(place).axis)
    name = place.rpartition(".")[-1]
    return (name if name in _BRANCHES else axis), axis


def laid_out(axis: Axis, rows: list[Float[Tensor, "g k j"]], shape: tuple[int, int, int]) -> Branch:
    """Put rows of class tokens back over frames and patches.

    Args:
        axis: how their keys are lined up.
        rows: one a block; or one a head, and the heads stand where blocks do.
        shape: frames, and rows and columns of patches.
    """
    frames, height, width = shape
    patches = {"space": height * width, "time": frames, "joint": math.prod(shape)}[axis]
    # Along space a sequence has one class token; elsewhere all of them, and their mean is shown.
    row = torch.stack(rows)[:, :, 0] if axis == "space" else torch.stack(rows).mean(dim=2)
    even = 1 / row.shape[-1]
    seen = row[..., -patches:]  # what a class token gives to class tokens has no place in a picture
    maps = rearrange(seen, f"blocks {_LAYOUTS[axis]}", rows=height, columns=width)
    if axis == "time":
        return Branch(maps, even, maps.mean(dim=(2, 3)), even)
    return Branch(maps, even, maps.sum(dim=(2, 3)), even * height * width)
