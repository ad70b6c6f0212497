"""What every token asked in one pass: any row of any attention map, worked out when it is wanted.

Source: not in the paper. A reader looks at a few rows of what is 300 MB a clip of 8 frames in
`PAPER` and 1.2 GB in `BASE`. Queries and keys are 160 and 80 MB, and stay what they were when the
network trains on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.model.attention import Attention
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import Axis
from csglib.view.class_token import Branch, ClassToken, branch_of, class_token, laid_out


@dataclass(frozen=True)
class Asked:
    """One attention of one pass.

    Attributes:
        axis: how its keys are lined up.
        leaders: the class tokens' rows.
        query: what patches ask; none where class tokens alone do.
        key: of all who can be asked, class tokens first; kept where patches ask.
        bias: added to the score of each key.
    """

    axis: Axis
    leaders: Float[Tensor, "g h k j"]
    query: Float[Tensor, "g h i e"]
    key: Float[Tensor, "g h asked e"]
    bias: Float[Tensor, " j"] | None

    def rows(self, sequence: int, queries: slice) -> Float[Tensor, "h i j"]:
        """Maps of some patches' questions, in the order of their sequence."""
        query = self.query[sequence, None, :, queries]
        return Attention.weights(query, self.key[sequence, None], bias=self.bias)[0]


@dataclass(frozen=True)
class Questions:
    """All that was asked in one pass.

    Attributes:
        class_token: its rows in every branch and block, mean over heads.
        asked: by branch, one a block.
        shape: frames, and rows and columns of patches.
    """

    class_token: ClassToken
    asked: dict[str, list[Asked]]
    shape: tuple[int, int, int]

    @property
    def heads(self) -> int:
        """How many maps an attention has."""
        return next(iter(self.asked.values()))[0].leaders.shape[1]

    @property
    def along_time(self) -> str | None:
        """The branch in which patches ask other frames: "time", "joint", or none."""
        return next((name for name in ("time", "joint") if name in self.asked), None)

    def by_patches(self, branch: str) -> bool:
        """Whether patches ask in this branch, and not class tokens alone."""
        return self.asked[branch][0].query.shape[2] > 0

    def of_class_token(self, branch: str, block: int) -> Branch:
        """Its maps as in `ClassToken`, with heads where blocks are.

        Args:
            branch: a key of `asked`.
            block: counted from 0.
        """
        asked = self.asked[branch][block]
        return laid_out(asked.axis, list(asked.leaders.unbind(1)), self.shape)

    def of_patch(self, branch: str, block: int, patch: int) -> Float[Tensor, "h keys"]:
        """What a patch gives to each patch it may ask, as they follow in its sequence.

        Args:
            branch: one for which `by_patches` is true.
            block: counted from 0.
            patch: counted from 0, frame by frame, row by row.
        """
        asked, frames, patches = self.asked[branch][block], self.shape[0], self._patches
        frame, place = divmod(patch, patches)
        sequence, query, keys = {
            "space": (frame, place, patches),
            "time": (place, frame, frames),
            "joint": (0, patch, frames * patches),
        }[asked.axis]
        return asked.rows(sequence, slice(query, query + 1))[:, 0, -keys:]

    def along(self, block: int, place: int) -> Float[Tensor, "h t t2"]:
        """How much the patch of one place gives to each frame, in each frame.

        In "time" it asks itself in that frame; in "joint" all the frame's patches, and theirs are
        added.

        Args:
            block: counted from 0.
            place: of the patch, counted from 0, row by row.
        """
        frames, patches = self.shape[0], self._patches
        if self.along_time == "time":
            return self.asked["time"][block].rows(place, slice(None))[:, :, -frames:]
        asked = self.asked["joint"][block]
        rows = asked.rows(0, slice(place, None, patches))[:, :, -frames * patches :]
        return reduce(rows, "h t (t2 n) -> h t t2", "sum", t2=frames)

    def laid_out(
        self, branch: str, patch: int, keys: Float[Tensor, " keys"]
    ) -> Float[Tensor, "t rows columns"]:
        """One head of `of_patch` over frames and patches; NaN where the patch may not ask."""
        frames, rows, columns = self.shape
        frame, place = divmod(patch, self._patches)
        found = torch.full((frames, self._patches), torch.nan)
        axis = self.asked[branch][0].axis
        where = {"space": (frame,), "time": (slice(None), place), "joint": (slice(None),)}[axis]
        found[where] = rearrange(keys, "(t n) -> t n", t=frames) if axis == "joint" else keys
        return rearrange(found, "t (rows columns) -> t rows columns", rows=rows, columns=columns)

    @property
    def _patches(self) -> int:
        return self.shape[1] * self.shape[2]


def questions(network: nn.Module, clip: Clip) -> Questions:
    """Run the network once on a clip and keep what its tokens asked.

    Args:
        network: anything made by `CSG3DCT`; left in the mode it came in.
        clip: height and width multiples of a patch.

    Raises:
        ValueError: the network has no class token's attention to show.
    """
    seen: dict[str, tuple[Tensor, ...]] = {}
    handles = [
        part.register_forward_pre_hook(_keeper(seen, path))
        for path, part in network.named_modules()
        if isinstance(part, Attention)
    ]
    try:
        rows = class_token(network, clip)
    finally:
        for handle in handles:
            handle.remove()
    assert isinstance(network, CSG3DCT)  # else `class_token` has raised
    tokens = len(clip.frames) if network.config.class_tokens == "frame" else 1
    asked: dict[str, list[Asked]] = {}
    for path in list(seen):
        name, axis = branch_of(network, path)
        given = seen.pop(path)  # what is not kept may go
        asked.setdefault(name, []).append(_kept(axis, 1 if axis == "space" else tokens, given))
    maps = next(iter(rows.branches.values())).maps
    _, frames, height, width = maps.shape
    return Questions(rows, asked, (frames, height, width))


def _keeper(seen: dict[str, tuple[Tensor, ...]], path: str) -> Callable[..., None]:
    def keep(attention: nn.Module, arguments: tuple[Any, ...]) -> None:
        query, key, _, *bias = arguments
        seen[path] = (query, key, *(given for given in bias if given is not None))

    return keep


def _kept(axis: Axis, leaders: int, given: tuple[Tensor, ...]) -> Asked:
    query, key, *biases = (part.detach().float().cpu() for part in given)
    bias = biases[0] if biases else None
    rows = Attention.weights(query[:, :, :leaders], key, bias=bias)
    patches = query[:, :, leaders:]
    if not patches.shape[2]:
        key = key[:, :, :0]  # nobody else will ask
    # Clones, for these are parts of larger arrays that would stay with them.
    return Asked(axis, rows, patches.clone(), key.clone(), bias)
