"""Warm start of the competitors: weights of a 2D network trained on images.

Source: their own papers, each of which starts from ImageNet, SlowFast's excepted. The CSG-3DCT
paper does not say whether and how it started them. No weights come with this library.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.checkpoints import read_checkpoint
from csglib.model.inflation import inflate_kernel
from csglib.model.pretrained import LoadReport

Names = tuple[tuple[str, str], ...]
_QKV = re.compile(r"\.(q|k|v|kv)\.")  # separate here, one projection in a ViT's file


class FromImages(nn.Module):
    """A network that can take the weights of a 2D one.

    `image_names` are regular expressions and replacements that, in order, turn a tensor's name into
    that of the 2D network; the names of tensors that the 2D network lacks match `new`.
    """

    image_names: ClassVar[Names]
    new: ClassVar[str]

    def image_name(self, name: str) -> str:
        """Name of a tensor in the 2D network."""
        for pattern, replacement in self.image_names:
            name = re.sub(pattern, replacement, name)
        return name

    def adapted(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The 2D network's tensors, those of positions for this network's grid and frames."""
        return dict(found)

    def load_image_weights(self, source: Mapping[str, Tensor] | str | Path) -> LoadReport:
        """Fill this network in place, kernels inflated by their mean; heads stay as they are.

        ResNets take torchvision's ResNet-50, TimeSformer and ViViT a ViT-B/16, UniFormer the one
        for images, the last two under the names of their authors' code.

        Raises:
            ValueError: a tensor is missing, has another shape or holds NaN; nothing is changed.
        """
        found, wanted = read_checkpoint(source), self.state_dict()
        names = {ours: self.image_name(ours) for ours in wanted if not re.search(self.new, ours)}
        homes = {ours: _QKV.sub(".qkv.", theirs) for ours, theirs in names.items()}
        missing = [t for t in homes.values() if t not in found and "num_batches_tracked" not in t]
        if missing:
            lack = (
                f"of its {len(names)} tensors {len(missing)} are missing; the first is {missing[0]}"
            )
            raise ValueError(f"not the 2D network that {type(self).__name__} starts from: {lack}")
        found = self.adapted(found)
        present = {ours: found[home] for ours, home in homes.items() if home in found}
        filled = {ours: _fitted(names[ours], t, wanted[ours]) for ours, t in present.items()}
        self.load_state_dict(wanted | filled)
        unused = [name for name in found if name not in homes.values()]
        return LoadReport.of(filled, wanted, unused)


def _fitted(name: str, found: Tensor, wanted: Tensor) -> Tensor:
    """The tensor in the shape of its place: the right thirds of QKV, kernels inflated."""
    if part := _QKV.search(name):
        thirds = dict(zip("qkv", found.chunk(3), strict=True))
        found = torch.cat([thirds[letter] for letter in part[1]])
    if found.ndim == 4 and wanted.ndim == 5:
        found = inflate_kernel(found, wanted.shape[2])
    if not torch.isfinite(found).all():
        raise ValueError(f"{name} holds NaN or infinity")
    if found.shape != wanted.shape:
        got = f"got {tuple(found.shape)}, wanted {tuple(wanted.shape)}"
        raise ValueError(f"{name} does not fit: {got}")
    return found


def resized_positions(
    image: Float[Tensor, "1 places d"], side: int, times: int
) -> Float[Tensor, "1 more d"]:
    """Position embeddings for side x side patches, repeated `times`; the class token's is first."""
    cls, places = image[:, :1], image[:, 1:]
    if math.isqrt(places.shape[1]) ** 2 != places.shape[1]:
        raise ValueError(f"pos_embed is not of a square grid: got {places.shape[1]} patches")
    grid = rearrange(places, "1 (y x) d -> 1 d y x", y=math.isqrt(places.shape[1]))
    grid = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False, antialias=False)
    return torch.cat([cls, repeat(grid, "1 d y x -> 1 (t y x) d", t=times)], dim=1)
