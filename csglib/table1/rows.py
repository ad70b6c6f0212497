"""The fourteen rows of Table 1 with the paper's numbers, and four that are not in it."""

from typing import Literal, NamedTuple

Init = Literal["random", "pretrained", "base"]


class Printed(NamedTuple):
    """The paper's own numbers, of its own patients, in per cent."""

    accuracy: float
    f1: float
    precision: float
    recall: float


class TableRow(NamedTuple):
    """One row. The paper does not say how it initialises the competitors: here, at random.

    Initial weights are random, the 2D Conformer's, inflated, or those of the 8-frame row "base".
    """

    title: str
    network: str  # key of `csglib.train.networks.NETWORKS`
    printed: Printed | None = None  # where the paper has no such row
    frames: int = 8
    init: Init = "random"


_COMPETITORS = {
    "i3d": TableRow("I3D", "i3d", Printed(78.8, 78.8, 81.0, 80.8)),
    "slowfast": TableRow("SlowFast", "slowfast", Printed(70.3, 70.2, 70.3, 70.8)),
    "tpn": TableRow("TPN", "tpn", Printed(78.0, 77.8, 77.8, 78.5)),
    "timesformer": TableRow("TimeSformer", "timesformer", Printed(77.1, 76.2, 76.8, 75.9)),
    "vivit": TableRow("ViViT", "vivit", Printed(70.3, 70.2, 70.3, 70.8)),
    "mtv": TableRow("MTV (B/2+S/8)", "mtv", Printed(72.0, 72.0, 73.0, 73.4)),
    "nl_i3d": TableRow("NL I3D", "nl_i3d", Printed(78.8, 78.8, 81.0, 80.8)),
    "uniformer": TableRow("UniFormer", "uniformer", Printed(75.4, 75.4, 78.1, 77.6)),
}
_OTHERS = {
    "cnn_lstm": TableRow("CNN-LSTM", "cnn_lstm"),
    "video_swin": TableRow("Video Swin-T", "video_swin"),
    "mvit": TableRow("MViTv2-S", "mvit"),
    "csg3dct_random": TableRow("CSG-3DCT†", "csg3dct"),
}
_OURS = {
    "base": TableRow("CSG-3DCT-Base", "base", Printed(80.5, 80.2, 80.0, 80.4), 8, "pretrained"),
    "base_random": TableRow("CSG-3DCT-Base†", "base", Printed(76.3, 75.4, 75.8, 75.2)),
    "base_16": TableRow("CSG-3DCT-Base-16", "base", Printed(79.8, 78.0, 79.3, 77.4), 16, "base"),
    "swa": TableRow("CSG-3DCT-SWA*", "swa", Printed(82.2, 81.4, 82.5, 80.9), 8, "pretrained"),
    "ca": TableRow("CSG-3DCT-CA*", "ca", Printed(82.2, 82.1, 82.2, 83.0), 8, "pretrained"),
    "csg3dct": TableRow("CSG-3DCT", "csg3dct", Printed(83.1, 82.5, 82.8, 82.4), 8, "pretrained"),
}

ROWS = {**_COMPETITORS, **_OURS}
"""The paper's, in its order."""
ALL_ROWS = {**_COMPETITORS, **_OTHERS, **_OURS}
"""Those and, before ours, the networks that it cites, and CSG-3DCT from random weights."""
CLAIMS = {  # of benchmarks/protocol.md: two rows each, whose accuracies are compared
    "a warm start helps": ("base", "base_random"),
    "two fused branches are better than joint attention": ("csg3dct", "base"),
    "CA is better than SWA": ("ca", "swa"),
    "learnable weights help": ("csg3dct", "ca"),
    "16 frames are no better than 8": ("base_16", "base"),
    "CSG-3DCT is better than I3D": ("csg3dct", "i3d"),
}
