"""The competitors' warm start: weights that a 2D network has learned on photographs.

Source: their own papers, each of which starts from ImageNet, SlowFast's excepted. Whether and how
CSG-3DCT's paper started them it does not say. No weights come with this course; yours are read.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.checkpoints import read_checkpoint, unwrapped
from csglib.model.inflation import inflate_kernel
from csglib.model.pretrained import LoadReport


@runtime_checkable
class FromImages(Protocol):
    """A network that knows a 2D one whose weights it can take."""

    def image_names(self) -> dict[str, str]:
        """Its own names of tensors, and the 2D network's."""


@runtime_checkable
class Adapting(Protocol):
    """A network with another grid of patches, or with several frames of them."""

    def adapted(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of the 2D network that must become others first, by its names."""


def load_image_weights(network: nn.Module, source: Mapping[str, Tensor] | str | Path) -> LoadReport:
    """Fill a network with what a 2D one has learned; kernels are inflated by their mean.

    ResNets take a ResNet-50 as torchvision calls its parts; TimeSformer, ViViT and each view of MTV
    (see `OneView`) a ViT, and UniFormer one for images, as their authors do. Heads stay as they
    are.

    Args:
        network: filled in place, or, when anything is refused, left as it was.
        source: tensors by name, or a file of them; see `read_checkpoint`.

    Raises:
        ValueError: the network takes none; or the file lacks a tensor, or has one of another shape
            or with NaN; says which.
    """
    if not isinstance(network, FromImages):
        raise ValueError(f"{type(network).__name__} has no 2D network whose weights it could take")
    found = (
        unwrapped(source, "the mapping") if isinstance(source, Mapping) else read_checkpoint(source)
    )
    names, wanted = network.image_names(), network.state_dict()
    homes = {ours: _JOINT.sub(".qkv.", theirs) for ours, theirs in names.items()}
    lacking = [home for home in homes.values() if home not in found and _COUNT not in home]
    if lacking:
        raise ValueError(
            f"not the 2D network that {type(network).__name__} starts from: of its {len(names)} "
            f"tensors {len(lacking)} are lacking; the first is {lacking[0]}"
        )
    found = dict(found)
    if isinstance(network, Adapting):
        found |= network.adapted(found)
    taken = [ours for ours, home in homes.items() if home in found]
    filled = {ours: _fitted(names[ours], found[homes[ours]], wanted[ours]) for ours in taken}
    network.load_state_dict(wanted | filled)
    unused = [name for name in found if name not in homes.values()]
    return LoadReport.of(filled, wanted, unused)


def renamed(names: Sequence[str], words: Mapping[str, str]) -> dict[str, str]:
    """Each name, and what becomes of it when words are exchanged, one after the other."""
    theirs = {}
    for name in names:
        other = name
        for ours, word in words.items():
            other = other.replace(ours, word)
        theirs[name] = other
    return theirs


_COUNT = "num_batches_tracked"  # a norm works without it
_JOINT = re.compile(r"\.(q|k|v|kv)\.")  # a ViT projects to queries, keys and values at once


def _fitted(name: str, found: Tensor, wanted: Tensor) -> Tensor:
    """The tensor in the shape of its place."""
    if part := _JOINT.search(name):
        thirds = dict(zip("qkv", found.chunk(3), strict=True))
        found = torch.cat([thirds[letter] for letter in part[1]])
    if found.ndim == 4 and wanted.ndim == 5:
        found = inflate_kernel(found, wanted.shape[2])
    if not torch.isfinite(found).all():
        raise ValueError(f"{name} holds NaN or infinity")
    if found.shape != wanted.shape:
        raise ValueError(
            f"{name} does not fit: got {tuple(found.shape)} for a place of {tuple(wanted.shape)}"
        )
    return found


def regridded(
    image: Float[Tensor, "1 places d"], side: int, times: int
) -> Float[Tensor, "1 more d"]:
    """Positions of a 2D network, the class token's first, for another grid and several frames.

    Args:
        image: of a square grid.
        side: patches along a side of the new one.
        times: how often it is repeated.

    Raises:
        ValueError: the grid that it is of is not square.
    """
    cls, places = image[:, :1], image[:, 1:]
    if math.isqrt(places.shape[1]) ** 2 != places.shape[1]:
        raise ValueError(f"pos_embed is of no square grid: got {places.shape[1]} patches")
    grid = rearrange(places, "1 (y x) d -> 1 d y x", y=math.isqrt(places.shape[1]))
    grid = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False, antialias=False)
    return torch.cat([cls, repeat(grid, "1 d y x -> 1 (t y x) d", t=times)], dim=1)
