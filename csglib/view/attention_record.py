"""Queries and keys of one clip, and any row of any attention map, computed when it is read.

Source: not in the paper, which shows Grad-CAM only (Fig. 4). The class token is what the head reads
and what queries the other branch in the fusion (section 2, "Inter-dimension ST Fusion Module").
All maps of a clip of 8 frames are 300 MB in `PAPER` and 1.2 GB in `BASE`; queries and keys are 240
and 80 MB, and do not change when the network trains on.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import Axis
from csglib.view.capture import QueryKeys, batch_of, evaluating, query_keys

# From the keys of class tokens' rows, (sequences, keys), to frames and patches.
_LAYOUTS: dict[Axis, str] = {
    "space": "t (rows columns) -> n t rows columns",
    "time": "(rows columns) t -> n t rows columns",
    "joint": "1 (t rows columns) -> n t rows columns",
}
_BRANCHES = ("space", "time", "into_space", "into_time")


@dataclass(frozen=True)
class Branch:
    """The class token's attention in one kind of attention, a map for each block or for each head.

    Attributes:
        maps: attention on each patch, 0 to 1; what falls on class tokens is left out.
        uniform_patch: value of `maps` for uniform attention.
        totals: attention on a frame, 0 to 1. In "space" each frame has its own softmax; in "time"
            each place has one, and the total is their mean.
        uniform_frame: value of `totals` for uniform attention.
    """

    maps: Float[Tensor, "n t rows columns"]
    uniform_patch: float
    totals: Float[Tensor, "n t"]
    uniform_frame: float


@dataclass(frozen=True)
class AttentionRecord:
    """Queries and keys of every attention in one forward pass of one clip.

    Branches are "space", "time", "into_space" (space queries time) and "into_time"; the one branch
    of CSG-3DCT-Base has the name of its axis. Blocks and patches are counted from 0, patches frame
    by frame and row by row.

    Attributes:
        probabilities: the network's output, one for each grade.
        axes: how the keys of each branch are ordered.
        query_keys: by branch, one for each block.
        class_tokens: how many lead a sequence along time or of the whole clip.
        shape: frames, and rows and columns of patches.
    """

    probabilities: Float[Tensor, " classes"]
    axes: dict[str, Axis]
    query_keys: dict[str, list[QueryKeys]]
    class_tokens: int
    shape: tuple[int, int, int]

    @property
    def blocks(self) -> int:
        """How many blocks the network has."""
        return len(next(iter(self.query_keys.values())))

    @property
    def heads(self) -> int:
        """How many heads an attention has."""
        return next(iter(self.query_keys.values()))[0].query.shape[1]

    @property
    def time_branch(self) -> str | None:
        """The branch in which patches attend to other frames: "time", "joint", or none."""
        return next((name for name in ("time", "joint") if name in self.axes), None)

    def patches_query(self, branch: str) -> bool:
        """Whether patches are queries in this branch, and not class tokens alone."""
        return self.query_keys[branch][0].query.shape[2] > self._leaders(branch)

    @cached_property
    def branches(self) -> dict[str, Branch]:
        """The class token's maps of every block by branch, mean over heads."""
        blocks = range(self.blocks)
        return {
            name: self._laid_out(
                name, torch.stack([self._leading_rows(name, block).mean(1) for block in blocks])
            )
            for name in self.axes
        }

    def class_token_heads(self, branch: str, block: int) -> Branch:
        """The class token's maps of every head in one block."""
        rows = self._leading_rows(branch, block)
        return self._laid_out(branch, rearrange(rows, "g h k j -> h g k j"))

    def patch_row(self, branch: str, block: int, patch: int) -> Float[Tensor, "h keys"]:
        """Attention of one patch on the patches of its sequence; needs `patches_query`."""
        frames, patches = self.shape[0], self.patches
        frame, place = divmod(patch, patches)
        sequence, query, keys = {
            "space": (frame, place, patches),
            "time": (place, frame, frames),
            "joint": (0, patch, frames * patches),
        }[self.axes[branch]]
        return self._patch_rows(branch, block, sequence, slice(query, query + 1))[:, 0, -keys:]

    def frame_matrix(self, block: int, place: int) -> Float[Tensor, "h t t2"]:
        """Attention of the patch at one place, in each frame, on each frame.

        In "time" on the same place of the other frame; in "joint" on all patches of that frame.
        """
        frames, patches = self.shape[0], self.patches
        if self.time_branch == "time":
            return self._patch_rows("time", block, place, slice(None))[:, :, -frames:]
        rows = self._patch_rows("joint", block, 0, slice(place, None, patches))
        return reduce(rows[:, :, -frames * patches :], "h t (t2 n) -> h t t2", "sum", t2=frames)

    def on_grid(
        self, branch: str, patch: int, keys: Float[Tensor, " keys"]
    ) -> Float[Tensor, "t rows columns"]:
        """One head of `patch_row` over frames and patches; NaN where the patch cannot attend."""
        frames, rows, columns = self.shape
        frame, place = divmod(patch, self.patches)
        grid, axis = torch.full((frames, self.patches), torch.nan), self.axes[branch]
        where = {"space": (frame,), "time": (slice(None), place), "joint": (slice(None),)}[axis]
        grid[where] = rearrange(keys, "(t n) -> t n", t=frames) if axis == "joint" else keys
        return rearrange(grid, "t (rows columns) -> t rows columns", rows=rows, columns=columns)

    @property
    def patches(self) -> int:
        """How many patches a frame has."""
        return self.shape[1] * self.shape[2]

    def _leaders(self, branch: str) -> int:
        # Along space a sequence has the one class token of its frame, elsewhere all of them.
        return 1 if self.axes[branch] == "space" else self.class_tokens

    def _leading_rows(self, branch: str, block: int) -> Float[Tensor, "g h k j"]:
        return self.query_keys[branch][block].weights(queries=slice(self._leaders(branch)))

    def _patch_rows(
        self, branch: str, block: int, sequence: int, queries: slice
    ) -> Float[Tensor, "h i j"]:
        """Rows of patches, which are counted after the class tokens of their sequence."""
        seen, leaders = self.query_keys[branch][block], self._leaders(branch)
        patches = QueryKeys(seen.query[:, :, leaders:], seen.key, seen.bias)
        return patches.weights(slice(sequence, sequence + 1), queries)[0]

    def _laid_out(self, branch: str, rows: Float[Tensor, "n g k j"]) -> Branch:
        """Rows of class tokens over frames and patches; of several class tokens, the mean."""
        frames, height, width = self.shape
        axis = self.axes[branch]
        patches = {"space": self.patches, "time": frames, "joint": math.prod(self.shape)}[axis]
        keys, uniform = rows.mean(dim=2)[..., -patches:], 1 / rows.shape[-1]
        maps = rearrange(keys, f"n {_LAYOUTS[axis]}", rows=height, columns=width)
        if axis == "time":
            return Branch(maps, uniform, maps.mean(dim=(2, 3)), uniform)
        return Branch(maps, uniform, maps.sum(dim=(2, 3)), uniform * self.patches)


def attention_record(network: nn.Module, clip: Clip) -> AttentionRecord:
    """Run the network once on a clip and keep the queries and keys of every attention.

    Args:
        network: anything made by `CSG3DCT`; keeps its mode.
        clip: height and width multiples of a patch.

    Raises:
        ValueError: the network has no class token's attention to show.
    """
    if not isinstance(network, CSG3DCT):
        raise ValueError(f"wanted a CSG3DCT, with a class token: got {type(network).__name__}")
    with evaluating(network), torch.no_grad(), query_keys(network) as seen:
        probabilities = network(batch_of(network, clip))[0].float().softmax(dim=0).cpu()
    axes: dict[str, Axis] = {}
    kept: dict[str, list[QueryKeys]] = {}
    for path in list(seen):
        # blocks.3.into_space.attention is named by its place, the one branch of -Base by its axis
        place = path.removesuffix(".attention")
        axis, name = cast("Axis", network.get_submodule(place).axis), place.rpartition(".")[-1]
        name = name if name in _BRANCHES else axis
        axes[name] = axis
        kept.setdefault(name, []).append(seen.pop(path).copied())
    frames, height, width = clip.frames.shape
    shape = (frames, height // network.config.patch, width // network.config.patch)
    tokens = frames if network.config.class_tokens == "frame" else 1
    return AttentionRecord(probabilities, axes, kept, tokens, shape)
