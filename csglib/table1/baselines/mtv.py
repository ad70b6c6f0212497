"""MTV, the multiview transformer: the same clip cut into short and into long pieces, side by side.

Source: Yan et al. 2022, "Multiview Transformers for Video Recognition". The CSG paper says "MTV
(B/2+S/8)": ViT-B over pieces of 2 frames and ViT-S over pieces of 8. From which weights they start,
and how deep the encoder that joins them is, it leaves open.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from csglib.model.attention import Attention
from csglib.model.intra import FeedForward
from csglib.table1.baselines.drop_path import DropPath, rising

Tokens = Float[Tensor, "b g s d"]  # only the tokens of a group look at one another
_LAYERS = 12
_ASKING = (5, 11)  # layers before which a view asks the next finer one
_PATCH = 16  # rows and columns
_GLOBAL_HEADS, _GLOBAL_HIDDEN = 8, 3072
_DROP_PATH = 0.1
_EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class View:
    """One way to cut a clip, and the ViT that reads the pieces.

    Attributes:
        width: of a token.
        heads: number of maps of an attention.
        hidden: width inside the MLP.
        tubelet: frames of a piece.
    """

    width: int
    heads: int
    hidden: int
    tubelet: int


B2_S8 = (
    View(width=768, heads=12, hidden=3072, tubelet=2),
    View(width=384, heads=6, hidden=1536, tubelet=8),
)


class MTV(nn.Module):
    """A clip of `frames` frames of `size` rows and columns in, grades out.

    A group is what the longest tubelet covers. Within a group the pieces of one view attend
    jointly, and views ask one another; the global encoder alone looks across groups. A clip of 8
    frames is one group: B/2 attends over all of it.

    Args:
        classes: grades to tell apart.
        frames: a multiple of the longest tubelet, 8.
        size: a multiple of 16.
        views: from the shortest tubelet to the longest; each divides the next.
        global_layers: depth of the encoder that joins the views. The authors' 12 are more than half
            of all parameters; fewer are for teaching.

    Raises:
        ValueError: `frames` or `size` is no such multiple.
    """

    def __init__(
        self,
        classes: int,
        frames: int,
        size: int,
        *,
        views: tuple[View, ...] = B2_S8,
        global_layers: int = _LAYERS,
    ) -> None:
        super().__init__()
        longest = views[-1].tubelet
        if frames % longest or size % _PATCH:
            raise ValueError(
                f"MTV cuts a clip into pieces of {longest} frames and {_PATCH} x {_PATCH} pixels, "
                f"and wants multiples: got {frames} frames of {size} x {size}"
            )
        self.fits = (frames, size, size)
        self.patches = (size // _PATCH) ** 2
        self.cuts = nn.ModuleList(
            _Cut(view, frames // longest, longest // view.tubelet, self.patches) for view in views
        )
        self.layers = nn.ModuleList()
        for layer, rate in enumerate(rising(_DROP_PATH, _LAYERS)):
            if layer in _ASKING:
                self.layers.append(_AskFiner(CrossView(*pair) for pair in pairwise(views)))
            self.layers.append(
                EachAlone(Block(view.width, view.heads, view.hidden, rate) for view in views)
            )
        self.encoder = _GlobalEncoder(views, frames // views[0].tubelet, global_layers)
        self.head = nn.Linear(sum(view.width for view in views), classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits.

        Raises:
            ValueError: another length or size than it was made for.
        """
        if clip.shape[2:] != self.fits:
            wanted, got = (" x ".join(map(str, shape)) for shape in (self.fits, clip.shape[2:]))
            raise ValueError(f"this MTV was made for clips of {wanted}: got {got}")
        views = [cut(clip) for cut in self.cuts]
        for layer in self.layers:
            views = layer(views)
        steps = (
            rearrange(tokens, "b g (step n) d -> b (g step) n d", n=1 + self.patches)
            for tokens in views
        )
        return self.head(self.encoder([tokens[:, :, 0] for tokens in steps]))


class CrossView(nn.Module):
    """A coarser view asks the next finer one, and adds what it hears; silent when new.

    Args:
        fine: who is asked.
        coarse: who asks; width and heads are its own.
    """

    def __init__(self, fine: View, coarse: View) -> None:
        super().__init__()
        self.norm_fine = nn.LayerNorm(fine.width, eps=_EPS)
        self.norm_coarse = nn.LayerNorm(coarse.width, eps=_EPS)
        self.attention = _MultiHead(coarse.width, coarse.heads, asked=fine.width)
        nn.init.zeros_(self.attention.proj.weight)
        nn.init.zeros_(self.attention.proj.bias)

    def forward(self, fine: Float[Tensor, "b g j c"], coarse: Tokens) -> Tokens:
        """The coarser view, better informed."""
        return coarse + self.attention(self.norm_coarse(coarse), self.norm_fine(fine))


class Block(nn.Module):
    """A block of ViT, within each group.

    Args:
        width: of a token.
        heads: number of maps.
        hidden: width inside the MLP.
        drop_path: share of clips that skip a branch.
    """

    def __init__(self, width: int, heads: int, hidden: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.attention = _MultiHead(width, heads, asked=width)
        self.ffn = nn.Sequential(nn.LayerNorm(width, eps=_EPS), FeedForward(width, hidden))
        self.drop = DropPath(drop_path)

    def forward(self, tokens: Tokens) -> Tokens:
        """Look at one another, then think alone."""
        normed = self.norm(tokens)
        tokens = tokens + self.drop(self.attention(normed, normed))
        return tokens + self.drop(self.ffn(tokens))


class _MultiHead(nn.Module):
    """Attention with its projections, from the tokens of a group to those it asks."""

    def __init__(self, width: int, heads: int, asked: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(asked, 2 * width)
        self.attention = Attention()
        self.proj = nn.Linear(width, width)

    def forward(self, asking: Tokens, asked: Float[Tensor, "b g j c"]) -> Tokens:
        query = rearrange(self.q(asking), "b g i (h e) -> (b g) h i e", h=self.heads)
        key, value = rearrange(
            self.kv(asked), "b g j (two h e) -> two (b g) h j e", two=2, h=self.heads
        )
        mixed = self.attention(query, key, value)
        return self.proj(rearrange(mixed, "(b g) h i e -> b g i (h e)", b=len(asking)))


class _Cut(nn.Module):
    """Pieces become tokens; each step has its class token, all groups have the same positions."""

    def __init__(self, view: View, groups: int, steps: int, patches: int) -> None:
        super().__init__()
        self.groups = groups
        piece = (view.tubelet, _PATCH, _PATCH)
        self.project = nn.Conv3d(3, view.width, piece, stride=piece)
        self.leader = nn.Parameter(torch.zeros(groups * steps, view.width))
        self.positions = nn.Parameter(torch.empty(steps * (1 + patches), view.width))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Tokens:
        patches = rearrange(self.project(clip), "b d t y x -> b t (y x) d")
        leaders = repeat(self.leader, "t d -> b t 1 d", b=len(patches))
        tokens = torch.cat([leaders, patches], dim=2)
        return rearrange(tokens, "b (g step) n d -> b g (step n) d", g=self.groups) + self.positions


class EachAlone(nn.ModuleList):
    """One layer of every view's ViT."""

    def forward(self, views: list[Tensor]) -> list[Tensor]:
        """Each view's tokens."""
        return [block(tokens) for block, tokens in zip(self, views, strict=True)]


class _AskFiner(nn.ModuleList):
    """Every view but the finest asks the next finer one, which has already asked."""

    def forward(self, views: list[Tensor]) -> list[Tensor]:
        informed = views[:1]
        for pair, coarse in zip(self, views[1:], strict=True):
            informed.append(pair(informed[-1], coarse))
        return informed


class _GlobalEncoder(nn.Module):
    """The class tokens of all views, side by side at each of the finest view's steps."""

    def __init__(self, views: tuple[View, ...], steps: int, layers: int) -> None:
        super().__init__()
        width = sum(view.width for view in views)
        self.steps = steps
        self.leader = nn.Parameter(torch.zeros(1, width))
        self.positions = nn.Parameter(torch.empty(1 + steps, width))
        nn.init.normal_(self.positions, std=0.02)
        rates = rising(_DROP_PATH, layers)
        self.blocks = nn.Sequential(
            *(Block(width, _GLOBAL_HEADS, _GLOBAL_HIDDEN, rate) for rate in rates)
        )
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, views: list[Tensor]) -> Float[Tensor, "b d"]:
        # A step of a coarser view lasts for several of the finest. The authors lay its steps end to
        # end again and again instead, which for 8 frames is the same and for 16 is out of time.
        aligned = [
            repeat(leaders, "b t d -> b (t times) d", times=self.steps // leaders.shape[1])
            for leaders in views
        ]
        joined = torch.cat(aligned, dim=-1)
        clips = repeat(self.leader, "1 d -> b 1 d", b=len(joined))
        tokens = torch.cat([clips, joined], dim=1) + self.positions
        return self.norm(self.blocks(tokens[:, None]))[:, 0, 0]
