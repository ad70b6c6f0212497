"""Networks of Table 1, as small as their graphs allow: builders from grades, frames and pixels."""

from dataclasses import replace

import torch

from csglib import CSG3DCT, TINY
from csglib.table1.baselines import cnn_lstm, i3d, mtv, resnet, slowfast, tpn, uniformer, vit
from csglib.table1.baselines.torchvision_video import MViT, Sizes, VideoSwin

FINE = mtv.MTVView(width=16, heads=2, hidden=24, tubelet=2)
COARSE = mtv.MTVView(width=8, heads=4, hidden=12, tubelet=8)
SIZES = uniformer.Sizes(depths=(1, 2, 1, 1), widths=(4, 6, 64, 128), drop_path=0.2)
SWIN = Sizes(depths=(2, 1, 1, 1), width=12, heads=3)
MVIT = Sizes(depths=(1, 1, 2, 2), width=8, heads=1)


def small_mtv(classes=5, frames=8, size=32, views=(FINE, COARSE)):
    torch.manual_seed(0)
    return mtv.MTV(classes, frames, size, views=views, global_layers=2)


SMALL = {
    "i3d": lambda c, t, s=32: i3d.I3D(c, layout=replace(i3d.LAYOUT, width=8)),
    "nl_i3d": lambda c, t, s=32: i3d.NLI3D(c, layout=replace(i3d.LAYOUT, width=8)),
    "slowfast": lambda c, t, s=32: slowfast.SlowFast(c, width=16),
    "tpn": lambda c, t, s=32: tpn.TPN(c, layout=replace(resnet.SLOW_ONLY, width=8)),
    "cnn_lstm": lambda c, t, s=32: cnn_lstm.CNNLSTM(c, layout=replace(resnet.FLAT, width=8)),
    "timesformer": lambda c, t, s=32: vit.TimeSformer(c, t, s, layers=1),
    "vivit": lambda c, t, s=32: vit.ViViT(c, t, s, layers=1),
    "mtv": small_mtv,
    "uniformer": lambda c, t, s=32: uniformer.UniFormer(c, sizes=SIZES),
    "video_swin": lambda c, t, s=32: VideoSwin(c, sizes=SWIN),
    "mvit": lambda c, t, s=32: MViT(c, t, s, sizes=MVIT),
    "tiny": lambda c, t, s=32: CSG3DCT(replace(TINY, classes=c)),
}
