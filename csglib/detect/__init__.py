"""Find the vessel in an image of the neck, and crop a clip to it.

The paper's network sees crops (section 2: "vessel regions are first detected by the pre-trained
detection model [14]"). Ours was trained on simulated images alone (benchmarks/detector); not for
diagnosis. The metadata of detector.safetensors says on how many, and its scores on held-out ones.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float, Int
from numpy import ndarray
from PIL import Image

from csglib.data.clips import Clip
from csglib.detect.network import THRESHOLD, Detector, decode, into_square, shown_size
from csglib.model.weights import load_weights

MARGIN = 0.2  # of the vessel's width, added on each side; about as in the phantom's clips
_SMALLEST = 32  # pixels a side
_BATCH_SIZE = 32  # frames; more take more memory and no less time
_LISTED = 8  # frames that an error message lists
_WEIGHTS = Path(__file__).with_name("detector.safetensors")


class Box(NamedTuple):
    """Bounding box of a vessel's outer border, the contour `vessel_outer`.

    The outer border, because it is visible: the media is as dark as blood, and experts who outline
    a healthy artery follow the bright tissue around it. Edges are in pixels of the frame, whose
    upper left corner is (0, 0); contours have (0, 0) at the centre of the first pixel.

    Attributes:
        score: predicted probability of the vessel, 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float


def find_vessel(frame: ndarray) -> Box | None:
    """Find the vessel in an image of the neck.

    Args:
        frame: grey levels, u8 (y, x), 32 x 32 pixels or more, of any aspect ratio.

    Returns:
        Its box; None if the best one scores less than `THRESHOLD`.

    Raises:
        ValueError: not such a frame.

    Source:
        Not in the paper: its detector is not public.
    """
    (box,) = best_boxes(np.asarray(frame)[None])
    return box if box.score >= THRESHOLD else None


def best_boxes(frames: ndarray) -> list[Box]:
    """The best box in each frame, u8 (t, y, x), whatever its score.

    Raises:
        ValueError: not such frames.
    """
    if frames.dtype != np.uint8 or frames.ndim != 3 or not len(frames):
        raise ValueError(
            f"wanted grey frames, uint8, (t, y, x), one or more: got {frames.dtype}, {frames.shape}"
        )
    height, width = frames.shape[1:]
    if min(height, width) < _SMALLEST:
        raise ValueError(f"a frame needs {_SMALLEST} pixels or more a side: got {width} x {height}")
    shown = shown_size(width, height)
    squares = np.stack([into_square(Image.fromarray(frame), shown) for frame in frames])
    with torch.inference_mode():
        batches = torch.from_numpy(squares)[:, None].split(_BATCH_SIZE)
        boxes, scores = decode(torch.cat([_detector()(batch / 255) for batch in batches]))
    # `shown` is rounded to whole pixels, so each axis has a scale of its own.
    size = np.array([width, height] * 2)
    edges = (boxes.double().numpy() * size / np.array([*shown] * 2)).clip(0, size)
    return [Box(*values) for values in np.hstack([edges, scores[:, None].numpy()]).tolist()]


@cache
def _detector() -> Detector:
    detector = Detector()
    load_weights(detector, _WEIGHTS)
    return detector.eval().requires_grad_(False)


def crop_clip(clip: Clip, window: Literal["fixed", "tight"] = "fixed", size: int = 256) -> Clip:
    """Crop a clip of whole images to its vessel; the truth is transformed along.

    Args:
        clip: as exported by the scanner.
        window: "fixed" is one square for all frames with `MARGIN` around the vessel, which keeps
            its size, its motion and the millimetres of a pixel. "tight" is the box of each frame
            alone, centred in a black square: the vessel always fills the image, and its size is
            lost.
        size: rows and columns of the result, pixels, 1 or more.

    Returns:
        The crop; in a frame that scores too low, the box is interpolated between its neighbours.

    Raises:
        ValueError: the vessel is found in no more than half of the frames; lists them and their
            scores. Or frames that `find_vessel` refuses, or size < 1.

    Source:
        Section 2, "the cropped regions are concatenated to form a volumetric vessel". "tight":
        the authors' CaroNet-Dynamic 2.0, not the paper.
    """
    if size < 1:
        raise ValueError(f"wanted rows and columns, 1 or more: got {size=}")
    edges = _interpolated(best_boxes(clip.frames))
    return _crop(clip, _square(edges) if window == "fixed" else _touched(edges), size)


def _interpolated(boxes: list[Box]) -> Float[ndarray, "t 4"]:
    """Edges of each frame; linear between the neighbours where the score is too low."""
    edges, scores = np.array(boxes)[:, :4], np.array([box.score for box in boxes])
    (sure,), (unsure,) = np.nonzero(scores >= THRESHOLD), np.nonzero(scores < THRESHOLD)
    if 2 * len(sure) <= len(boxes):
        listed = ", ".join(f"frame {frame}: {scores[frame]:.2f}" for frame in unsure[:_LISTED])
        raise ValueError(
            f"a vessel was found in {len(sure)} of {len(boxes)} frames, wanted more than half; the "
            f"others score less than {THRESHOLD}: {listed}{', ...' * (len(unsure) > _LISTED)}"
        )
    frames = np.arange(len(boxes))
    return np.stack([np.interp(frames, sure, edge[sure]) for edge in edges.T], axis=-1)


def _square(edges: Float[ndarray, "t 4"]) -> Int[ndarray, "t 4"]:
    """The same square for all frames: their median box with its margin."""
    left, top, right, bottom = np.median(edges, axis=0)
    side = max(round((1 + 2 * MARGIN) * max(right - left, bottom - top)), 1)
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return np.tile([x, y, x + side, y + side], (len(edges), 1))


def _touched(edges: Float[ndarray, "t 4"]) -> Int[ndarray, "t 4"]:
    """All pixels that a box touches, at least one."""
    low = np.floor(edges[:, :2]).astype(int)
    return np.hstack([low, np.maximum(np.ceil(edges[:, 2:]).astype(int), low + 1)])


def _crop(clip: Clip, boxes: Int[ndarray, "t 4"], size: int) -> Clip:
    """Each frame's box, centred in a black square and resized; scale and truth are transformed."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = reduce(extent, "t xy -> t 1", "max")
    padding = (side - extent) // 2
    images = []
    for frame, box, edge, offset in zip(clip.frames, boxes, side[:, 0], padding, strict=True):
        square = Image.new("L", (edge, edge))
        square.paste(Image.fromarray(frame).crop(tuple(box)), tuple(offset))  # black outside
        images.append(np.asarray(square.resize((size, size), Image.Resampling.BILINEAR)))
    scale = size / side
    same = len(np.unique(side)) == 1  # else no one scale holds for the clip
    return replace(
        clip,
        frames=np.stack(images),
        mm_per_px=clip.mm_per_px / float(scale[0, 0]) if clip.mm_per_px and same else None,
        region=None,
        truth=clip.truth and clip.truth.move(boxes[:, :2] - padding, scale),
    )
