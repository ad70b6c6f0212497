"""The fourteen rows' networks for two cores, with about an eighth of their channels.

Competitors have an eighth of every number of channels (stages, tokens, heads, MLPs); depths,
kernels, patches and numbers of heads stay. CSG-3DCT and its variants have the sizes of `TINY`: an
eighth of the channels in the CNN, a sixth in the transformer, one block a stage. They have two
heads, each with a loss, as the 2D Conformer has: with one on the joined head, networks this small
grade by the CNN alone, and the class token, the only one that the fusion changes, has no part.
"""

from dataclasses import replace
from functools import partial

from csglib.model.config import TINY, VARIANTS, ModelConfig
from csglib.table1.baselines import i3d as _i3d
from csglib.table1.baselines import mtv as _mtv
from csglib.table1.baselines import uniformer as _uniformer
from csglib.table1.baselines.resnet import SLOW_ONLY
from csglib.table1.baselines.slowfast import SlowFast
from csglib.table1.baselines.tpn import TPN
from csglib.table1.baselines.vit import TimeSformer, ViViT


def _narrow(variant: ModelConfig) -> ModelConfig:
    sizes = {n: vars(TINY.encoder)[n] for n in ("heads", "hidden", "space_hidden")}
    if variant.encoder.hidden > variant.dim:  # a single branch, as wide inside as a ViT's
        sizes = {"heads": sizes["heads"], "hidden": 4 * TINY.dim}
    encoder = replace(variant.encoder, **sizes)
    return replace(TINY, encoder=encoder, cls_residual=variant.cls_residual, head="two")


base, swa, ca, csg3dct = map(_narrow, VARIANTS.values())
i3d = partial(_i3d.I3D, layout=replace(_i3d.LAYOUT, width=8))
nl_i3d = partial(_i3d.NLI3D, layout=replace(_i3d.LAYOUT, width=8))
slowfast = partial(SlowFast, width=8)
tpn = partial(TPN, layout=replace(SLOW_ONLY, width=8))
timesformer, vivit = partial(TimeSformer, width=96), partial(ViViT, width=96)
_views = [replace(view, width=view.width // 8, hidden=view.hidden // 8) for view in _mtv.B2_S8]
mtv = partial(_mtv.MTV, views=tuple(_views))
_sizes = replace(_uniformer.SMALL, widths=(8, 16, 40, 64), head=8)
uniformer = partial(_uniformer.UniFormer, sizes=_sizes)
