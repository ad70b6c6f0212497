"""Small networks and clips: those of Table 1 as small as their graphs allow, and what trains fast.

Builders of `SMALL` take grades, frames and pixels.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from csglib import CSG3DCT, TINY
from csglib.data.cohort import ClipSet
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


class Small(nn.Module):
    """The smallest network with norms over the batch; takes clips of any length."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(3, 5, 1), nn.BatchNorm3d(5)
        self.classify = nn.Linear(5, 2)

    def forward(self, clip):
        return self.classify(self.norm(self.conv(clip)).relu().mean((2, 3, 4)))


def bright_clips(who, count, frames=3, size=16):
    """Noise, brighter where it is severe; each clip is of another patient."""
    grades = np.arange(count) % 2
    grey = np.random.default_rng(count + ord(who[0])).integers(0, 100, (count, frames, size, size))
    grey[grades == 1] += 90
    patients = tuple(f"{who}{place}" for place in range(count))
    return ClipSet(frames=grey.astype(np.uint8), grades=grades, patients=patients)
