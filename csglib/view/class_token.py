"""Where the class token looks: its row of every attention map, laid back over frames and patches.

Source: not in the paper, which shows Grad-CAM only (Fig. 4). The class token is what the head reads
and what asks in the fusion (section 2, "Inter-dimension ST Fusion Module"): hence its rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip, network_input
from csglib.model.csg3dct import PATCH
from csglib.view.capture import attention_maps

# How the class token's row is laid out, (sequences, keys) -> frames and patches, and whether its
# first key is the class token itself, which has no place in the picture.
_LAYOUTS: dict[str, tuple[str, bool]] = {
    "space": ("t (rows columns) -> blocks t rows columns", True),
    "time": ("(rows columns) t -> blocks t rows columns", True),
    "into_space": ("1 (t rows columns) -> blocks t rows columns", False),
    "into_time": ("1 (t rows columns) -> blocks t rows columns", False),
    "joint": ("1 (t rows columns) -> blocks t rows columns", True),
}


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
        clip: height and width multiples of 16.

    Raises:
        ValueError: the network has no class token's attention to show.
    """
    weights = next(network.parameters())
    frames = network_input(clip.frames).unsqueeze(0).to(weights.device, weights.dtype)
    with attention_maps(network, keep=_class_row) as rows, _evaluating(network), torch.no_grad():
        probabilities = network(frames)[0].float().softmax(dim=0).cpu()
    if not rows:
        raise ValueError(
            f"a network with a class token is wanted, as csglib.model.csg3dct builds it: "
            f"{type(network).__name__} ran no attention of csglib"
        )
    found: dict[str, list[Tensor]] = {}
    for path, row in rows.items():
        found.setdefault(_branch(network, path), []).append(row.float().cpu())
    grid = (clip.frames.shape[1] // PATCH, clip.frames.shape[2] // PATCH)
    return ClassToken(
        {name: _laid_out(name, branch, grid) for name, branch in found.items()}, probabilities
    )


def _class_row(weights: Float[Tensor, "g h i j"]) -> Float[Tensor, "g j"]:
    return weights[:, :, 0].mean(dim=1)


def _branch(network: nn.Module, path: str) -> str:
    # blocks.3.into_space.attention is named by its place, the lone branch of -Base by its axis
    place = path.removesuffix(".attention")
    name = place.rpartition(".")[-1]
    return name if name in _LAYOUTS else str(getattr(network.get_submodule(place), "axis", name))


def _laid_out(name: str, rows: list[Tensor], grid: tuple[int, int]) -> Branch:
    layout, sees_itself = _LAYOUTS[name]
    seen = torch.stack(rows)[:, :, int(sees_itself) :]
    maps = rearrange(seen, f"blocks {layout}", rows=grid[0], columns=grid[1])
    even = 1 / rows[0].shape[-1]
    if name == "time":
        return Branch(maps, even, maps.mean(dim=(2, 3)), even)
    return Branch(maps, even, maps.sum(dim=(2, 3)), even * grid[0] * grid[1])


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    # Module by module: a network that trains with some parts frozen must come back just so.
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
