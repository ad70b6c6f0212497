"""The fourteen rows of Table 1, and what the paper prints in them."""

from typing import Literal, NamedTuple

Start = Literal["random", "parent", "eight"]


class Printed(NamedTuple):
    """The paper's own numbers, of its own patients, in per cent."""

    accuracy: float
    f1: float
    precision: float
    recall: float


class Row(NamedTuple):
    """One row.

    Attributes:
        title: as it is printed.
        network: one of `csglib.train.networks.NETWORKS`.
        printed: the paper's numbers.
        frames: length of its clips.
        start: where the weights come from: random ones; the 2D parent, inflated; or the row "base",
            trained on clips of eight frames. How the paper starts the competitors it does not say:
            here, at random.
    """

    title: str
    network: str
    printed: Printed
    frames: int = 8
    start: Start = "random"


ROWS = {
    "i3d": Row("I3D", "i3d", Printed(78.8, 78.8, 81.0, 80.8)),
    "slowfast": Row("SlowFast", "slowfast", Printed(70.3, 70.2, 70.3, 70.8)),
    "tpn": Row("TPN", "tpn", Printed(78.0, 77.8, 77.8, 78.5)),
    "timesformer": Row("TimeSformer", "timesformer", Printed(77.1, 76.2, 76.8, 75.9)),
    "vivit": Row("ViViT", "vivit", Printed(70.3, 70.2, 70.3, 70.8)),
    "mtv": Row("MTV (B/2+S/8)", "mtv", Printed(72.0, 72.0, 73.0, 73.4)),
    "nl_i3d": Row("NL I3D", "nl_i3d", Printed(78.8, 78.8, 81.0, 80.8)),
    "uniformer": Row("UniFormer", "uniformer", Printed(75.4, 75.4, 78.1, 77.6)),
    "base": Row("CSG-3DCT-Base", "base", Printed(80.5, 80.2, 80.0, 80.4), start="parent"),
    "base_random": Row("CSG-3DCT-Base†", "base", Printed(76.3, 75.4, 75.8, 75.2)),
    "base_16": Row(
        "CSG-3DCT-Base-16", "base", Printed(79.8, 78.0, 79.3, 77.4), frames=16, start="eight"
    ),
    "swa": Row("CSG-3DCT-SWA*", "swa", Printed(82.2, 81.4, 82.5, 80.9), start="parent"),
    "ca": Row("CSG-3DCT-CA*", "ca", Printed(82.2, 82.1, 82.2, 83.0), start="parent"),
    "csg3dct": Row("CSG-3DCT", "csg3dct", Printed(83.1, 82.5, 82.8, 82.4), start="parent"),
}
