"""MTV, the multiview transformer: the same clip in short and in long tubelets, side by side.

Source: Yan et al. 2022, "Multiview Transformers for Video Recognition". The CSG paper says "MTV
(B/2+S/8)": ViT-B over tubelets of 2 frames and ViT-S over tubelets of 8. From which weights they
start, and how deep the encoder that joins them is, it leaves open.

Ours differs from the authors' code in this: positions are learned for each step of a group, where
theirs are the same in all steps; GELU is exact, where theirs is the approximation by tanh; coarser
views are repeated step by step (see `_GlobalEncoder`); and attention across views has no stochastic
depth.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, cast

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from csglib.data.clips import check_fits
from csglib.model.attention import Attention
from csglib.model.intra import FeedForward
from csglib.view.grad_cam import Target, Volume

Tokens = Float[Tensor, "b g s d"]  # attention stays within a group g
_LAYERS = 12
_FUSION = (5, 11)  # layers before which a view attends to the next finer one
_PATCH = 16  # rows and columns
_GLOBAL_HEADS = 8
_DROP_PATH = 0.1
_EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class MTVView:
    """One way to cut a clip into tubelets, and the ViT that reads them."""

    width: int
    heads: int
    hidden: int  # width inside the MLP
    tubelet: int  # frames


B2_S8 = (
    MTVView(width=768, heads=12, hidden=3072, tubelet=2),
    MTVView(width=384, heads=6, hidden=1536, tubelet=8),
)


def _of_mtv(network: Any, tokens: Tokens) -> Volume:
    steps = rearrange(tokens, "b g (step n) d -> b (g step) n d", n=1 + network.patches)
    return rearrange(steps[:, :, 1:], "b t (y x) d -> b d t y x", y=round(network.patches**0.5))


class MTV(nn.Module):
    """Clips of the given frames and size in, logits out.

    A group is what the longest tubelet covers: 8 frames. Within a group the tokens of one view
    attend jointly, and views to one another; only the global encoder attends across groups.

    `frames` are a multiple of the longest tubelet, `size` of 16. Views go from the shortest tubelet
    to the longest; each divides the next. The authors' 12 `global_layers`, which join the views,
    are more than half of all parameters; fewer are for teaching.
    """

    # The last keys and values of the view of the shortest tubelets; the others have read it before.
    cam_target: ClassVar[Target] = Target(lambda network: network.layers[-1][0].norm, _of_mtv)

    def __init__(
        self, classes: int, frames: int, size: int, *, views: tuple[MTVView, ...] = B2_S8,
        global_layers: int = _LAYERS,
    ) -> None:  # fmt: skip
        super().__init__()
        longest = views[-1].tubelet
        if frames % longest or size % _PATCH:
            wanted = f"multiples of {longest} frames and {_PATCH} x {_PATCH} pixels, its tubelets"
            raise ValueError(f"MTV wants {wanted}: got {frames} frames of {size} x {size}")
        self.fits = (frames, size, size)
        self.patches = (size // _PATCH) ** 2
        self.embeddings = nn.ModuleList(
            _Embedding(view, frames // longest, longest // view.tubelet, self.patches)
            for view in views
        )
        self.layers = nn.ModuleList()
        for layer, rate in enumerate(_rising(_LAYERS)):
            if layer in _FUSION:
                self.layers.append(nn.ModuleList(CrossView(*pair) for pair in pairwise(views)))
            blocks = (Block(view.width, view.heads, view.hidden, rate) for view in views)
            self.layers.append(nn.ModuleList(blocks))
        self.encoder = _GlobalEncoder(views, frames // views[0].tubelet, global_layers)
        self.head = nn.Linear(sum(view.width for view in views), classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Float[Tensor, "b classes"]:
        """Logits; a ValueError for another length or size than it was built for."""
        check_fits(clip.shape[2:], self.fits)
        views = [embed(clip) for embed in self.embeddings]
        for layer in cast("list[nn.ModuleList]", self.layers):
            if isinstance(layer[0], CrossView):
                # each view attends to the next finer one, which is already updated
                for number, cross in enumerate(layer, start=1):
                    views[number] = cross(views[number - 1], views[number])
            else:
                views = [block(tokens) for block, tokens in zip(layer, views, strict=True)]
        each = "b g (step n) d -> b (g step) n d"  # of n tokens the first is the class token
        cls = [rearrange(tokens, each, n=1 + self.patches)[:, :, 0] for tokens in views]
        return self.head(self.encoder(cls))


class CrossView(nn.Module):
    """The coarser view attends to the next finer one; residual, and the identity at first."""

    def __init__(self, fine: MTVView, coarse: MTVView) -> None:
        super().__init__()
        self.norm_fine = nn.LayerNorm(fine.width, eps=_EPS)
        self.norm_coarse = nn.LayerNorm(coarse.width, eps=_EPS)
        self.attention = _MultiHead(coarse.width, coarse.heads, key_width=fine.width)
        nn.init.zeros_(self.attention.proj.weight)
        nn.init.zeros_(self.attention.proj.bias)

    def forward(self, fine: Float[Tensor, "b g j c"], coarse: Tokens) -> Tokens:
        """The coarser view's tokens."""
        return coarse + self.attention(self.norm_coarse(coarse), self.norm_fine(fine))


class Block(nn.Module):
    """Pre-norm ViT block, within each group, with stochastic depth per clip."""

    def __init__(self, width: int, heads: int, hidden: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.attention = _MultiHead(width, heads, key_width=width)
        self.ffn = nn.Sequential(nn.LayerNorm(width, eps=_EPS), FeedForward(width, hidden))
        self.drop = StochasticDepth(drop_path, "row")

    def forward(self, tokens: Tokens) -> Tokens:
        """Self-attention, then the FFN; both residual."""
        normed = self.norm(tokens)
        tokens = tokens + self.drop(self.attention(normed, normed))
        return tokens + self.drop(self.ffn(tokens))


class _MultiHead(nn.Module):
    """Multi-head attention from the tokens of a group to those of the same or another view."""

    def __init__(self, width: int, heads: int, key_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(key_width, 2 * width)
        self.attention = Attention()
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tokens, keys: Float[Tensor, "b g j c"]) -> Tokens:
        q = rearrange(self.q(queries), "b g i (h e) -> (b g) h i e", h=self.heads)
        k, v = rearrange(self.kv(keys), "b g j (two h e) -> two (b g) h j e", two=2, h=self.heads)
        mixed = self.attention(q, k, v)
        return self.proj(rearrange(mixed, "(b g) h i e -> b g i (h e)", b=queries.shape[0]))


class _Embedding(nn.Module):
    """Tubelets to tokens; each step has its class token, all groups share their positions."""

    def __init__(self, view: MTVView, groups: int, steps: int, patches: int) -> None:
        super().__init__()
        self.groups = groups
        tubelet = (view.tubelet, _PATCH, _PATCH)
        self.project = nn.Conv3d(3, view.width, tubelet, stride=tubelet)
        self.cls = nn.Parameter(torch.zeros(groups * steps, view.width))
        self.positions = nn.Parameter(torch.empty(steps * (1 + patches), view.width))
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, clip: Float[Tensor, "b 3 t y x"]) -> Tokens:
        patches = rearrange(self.project(clip), "b d t y x -> b t (y x) d")
        cls = repeat(self.cls, "t d -> b t 1 d", b=patches.shape[0])
        tokens = torch.cat([cls, patches], dim=2)
        return rearrange(tokens, "b (g step) n d -> b g (step n) d", g=self.groups) + self.positions


class _GlobalEncoder(nn.Module):
    """A ViT over the class tokens, those of all views concatenated at the finest view's steps."""

    def __init__(self, views: tuple[MTVView, ...], steps: int, layers: int) -> None:
        super().__init__()
        width = sum(view.width for view in views)
        self.steps = steps
        self.cls = nn.Parameter(torch.zeros(1, width))
        self.positions = nn.Parameter(torch.empty(1 + steps, width))
        nn.init.normal_(self.positions, std=0.02)
        sizes = width, _GLOBAL_HEADS, max(view.hidden for view in views)  # 3072 in B/2+S/8
        self.blocks = nn.Sequential(*(Block(*sizes, rate) for rate in _rising(layers)))
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, views: list[Tensor]) -> Float[Tensor, "b d"]:
        # A step of a coarser view lasts for several of the finest: repeat it in place. The authors
        # repeat its whole sequence instead, which for 8 frames is the same and for 16 misaligned.
        slower = "b t d -> b (t times) d"
        joined = torch.cat([repeat(v, slower, times=self.steps // v.shape[1]) for v in views], -1)
        cls = repeat(self.cls, "1 d -> b 1 d", b=joined.shape[0])
        tokens = torch.cat([cls, joined], dim=1) + self.positions
        return self.norm(self.blocks(tokens[:, None]))[:, 0, 0]


def _rising(depth: int) -> list[float]:
    """Stochastic depth of each block, from 0 to 0.1."""
    return torch.linspace(0, _DROP_PATH, depth, device="cpu").tolist()
