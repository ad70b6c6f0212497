"""Find the vessel in a picture of the neck, and cut a clip to it.

The paper's network sees crops (section 2: "vessel regions are first detected by the pre-trained
detection model [14]"). Ours has learned from simulated pictures alone; not for diagnosis. The
notes in detector.safetensors say from how many, and how it does on others.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from numpy import ndarray
from PIL import Image

from csglib.data.clips import Clip, Truth
from csglib.detect.network import CONVINCING, Detector, decode, into_square, shown_size
from csglib.model.weights import load_weights

SURROUNDINGS = 0.2  # of a vessel's width, on each side; about what the phantom's clips show
_SMALLEST = 32  # pixels a side; in fewer, a vessel is a few dark pixels like any others
_AT_ONCE = 32  # frames; more take more memory and no less time
_SAID = 8  # frames that an error lists
_WEIGHTS = Path(__file__).with_name("detector.safetensors")


class Box(NamedTuple):
    """Where a vessel is: the extent of its outer border, the contour `vessel_outer`.

    The outer border, because it is the one to be seen: the media between the two is as dark as
    blood, and experts who outline a healthy artery follow the bright tissue around it.

    Edges are in pixels of the frame, whose upper left corner is (0, 0). (Of a contour, (0, 0) is
    the middle of the first pixel: half a pixel further.)

    Attributes:
        score: how likely the vessel is there, in the network's opinion, 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float


def find_vessel(frame: ndarray) -> Box | None:
    """Find the vessel in a picture of the neck.

    Args:
        frame: grey levels, u8 (y, x), 32 x 32 pixels or more, of any aspect.

    Returns:
        Its box; None when the likeliest one scores less than `CONVINCING`.

    Raises:
        ValueError: not such a frame; says what came.

    Source:
        Not in the paper: its detector is not public.
    """
    (box,) = likeliest_boxes(np.asarray(frame)[None])
    return box if box.score >= CONVINCING else None


def likeliest_boxes(frames: ndarray) -> list[Box]:
    """The best box in each frame, u8 (t, y, x), however little speaks for it.

    Raises:
        ValueError: not such frames; says what came.
    """
    if frames.dtype != np.uint8 or frames.ndim != 3 or not len(frames):
        raise ValueError(
            f"wanted grey frames, uint8, (t, y, x), one or more: got {frames.dtype}, {frames.shape}"
        )
    if min(frames.shape[1:]) < _SMALLEST:
        raise ValueError(
            f"a frame needs {_SMALLEST} pixels or more a side: got {frames.shape[2]} x "
            f"{frames.shape[1]}"
        )
    height, width = frames.shape[1:]
    shown = shown_size(width, height)
    squares = np.stack([into_square(Image.fromarray(frame), shown) for frame in frames])
    with torch.inference_mode():
        parts = torch.from_numpy(squares)[:, None].split(_AT_ONCE)
        boxes, scores = decode(torch.cat([_detector()(part / 255) for part in parts]))
    size = np.array([width, height] * 2)
    edges = (boxes.double().numpy() * size / np.array([*shown] * 2)).clip(0, size)
    return [Box(*values) for values in np.hstack([edges, scores[:, None].numpy()]).tolist()]


@cache
def _detector() -> Detector:
    detector = Detector()
    load_weights(detector, _WEIGHTS)
    return detector.eval().requires_grad_(False)


def crop_clip(clip: Clip, window: Literal["fixed", "tight"] = "fixed", size: int = 256) -> Clip:
    """Cut a clip of whole pictures to its vessel; truth follows.

    Args:
        clip: as it came from the scanner.
        window: "fixed" is one square for all frames, with `SURROUNDINGS`, so that the vessel keeps
            its size and its motion, and pixels their millimetres. "tight" is the box of each frame
            alone, in the middle of a black square: the vessel always fills the picture, and how
            large it was is lost.
        size: rows and columns afterwards, pixels, 1 or more.

    Returns:
        The crop; a frame in which nothing convinces takes the box between those of its neighbours.

    Raises:
        ValueError: the vessel convinces in no more than half of the frames; says which and how
            much. Or frames that `find_vessel` refuses, or no size.

    Source:
        Section 2, "the cropped regions are concatenated to form a volumetric vessel". "tight":
        the authors' CaroNet-Dynamic 2.0, not the paper.
    """
    if size < 1:
        raise ValueError(f"wanted rows and columns, 1 or more: got {size=}")
    edges = _bridged(likeliest_boxes(clip.frames))
    return _cut(clip, _square(edges) if window == "fixed" else _whole(edges), size)


def _bridged(boxes: list[Box]) -> Float[ndarray, "t 4"]:
    """Edges of each frame; where nothing convinces, on the way between its neighbours."""
    edges, scores = np.array(boxes)[:, :4], np.array([box.score for box in boxes])
    (sure,), (unsure,) = np.nonzero(scores >= CONVINCING), np.nonzero(scores < CONVINCING)
    if 2 * len(sure) <= len(boxes):
        said = ", ".join(f"frame {frame}: {scores[frame]:.2f}" for frame in unsure[:_SAID])
        raise ValueError(
            f"a vessel convinces in {len(sure)} of {len(boxes)} frames, wanted more than half; the "
            f"others score less than {CONVINCING}: {said}{', ...' * (len(unsure) > _SAID)}"
        )
    frames = np.arange(len(boxes))
    return np.stack([np.interp(frames, sure, edge[sure]) for edge in edges.T], axis=-1)


def _square(edges: Float[ndarray, "t 4"]) -> Int[ndarray, "t 4"]:
    """For all frames the same square, with what surrounds their median box."""
    left, top, right, bottom = np.median(edges, axis=0)
    side = max(round((1 + 2 * SURROUNDINGS) * max(right - left, bottom - top)), 1)
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return np.tile([x, y, x + side, y + side], (len(edges), 1))


def _whole(edges: Float[ndarray, "t 4"]) -> Int[ndarray, "t 4"]:
    """All pixels that a box touches, at least one."""
    low = np.floor(edges[:, :2]).astype(int)
    return np.hstack([low, np.maximum(np.ceil(edges[:, 2:]).astype(int), low + 1)])


def _cut(clip: Clip, boxes: Int[ndarray, "t 4"], size: int) -> Clip:
    """Each frame's box in the middle of a black square, resized; scale and truth follow."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = reduce(extent, "t xy -> t 1", "max")
    before = (side - extent) // 2
    pictures = []
    for frame, box, edge, margin in zip(clip.frames, boxes, side[:, 0], before, strict=True):
        square = Image.new("L", (edge, edge))
        square.paste(Image.fromarray(frame).crop(tuple(box)), tuple(margin))  # black outside
        pictures.append(np.asarray(square.resize((size, size), Image.Resampling.BILINEAR)))
    scale = size / side
    same = len(np.unique(side)) == 1
    return replace(
        clip,
        frames=np.stack(pictures),
        mm_per_px=clip.mm_per_px / float(scale[0, 0]) if clip.mm_per_px and same else None,
        region=None,
        truth=None if clip.truth is None else _follow(clip.truth, boxes[:, :2] - before, scale),
    )


def _follow(truth: Truth, corner: Int[ndarray, "t 2"], scale: Float[ndarray, "t 1"]) -> Truth:
    def moved(polygons: Float[ndarray, "t points 2"]) -> Float[ndarray, "t points 2"]:
        edges = polygons + 0.5 - rearrange(corner, "t xy -> t 1 xy")
        return edges * rearrange(scale, "t 1 -> t 1 1") - 0.5

    return replace(
        truth,
        vessel_outer=moved(truth.vessel_outer),
        vessel_inner=moved(truth.vessel_inner),
        lumen=moved(truth.lumen),
    )
