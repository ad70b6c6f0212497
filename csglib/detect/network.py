"""The network of `csglib.detect`: a centre-point detector for one vessel an image.

Not in the paper, which takes its detector from reference [14]; that one is not public. This is a
small version of "Objects as points" (Zhou et al. 2019).
"""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor, nn

SIDE = 256  # pixels of the square input
# Minimal score of a detection. Real frames score lower than simulated ones: of our eleven, all of
# them located, two are at 0.24 and 0.34. The price: on held-out necks whose artery was painted out,
# 8 % of the views have a false alarm instead of 4 % with 0.5.
THRESHOLD = 0.2
STRIDE = 8  # pixels of the input from one output cell to the next
_TYPICAL = 40  # pixels; sizes are predicted as the log of their ratio to it


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Columns and rows that an image of this size takes in the square input."""
    longest = max(width, height)
    return max(round(SIDE * width / longest), 1), max(round(SIDE * height / longest), 1)


def into_square(image: Image.Image, shown: tuple[int, int]) -> UInt8[ndarray, "side side"]:
    """Resize an image to `shown` (columns, rows), in the upper left of a black square."""
    square = Image.new("L", (SIDE, SIDE))
    square.paste(image.resize(shown, Image.Resampling.BILINEAR))
    return np.array(square)


class Detector(nn.Module):
    """For each cell, a logit that the vessel's centre lies there, and the box if it does.

    An image has one vessel or none, so cells compete: one softmax over all cells and "no vessel",
    whose logit is 0. No non-maximum suppression is needed. Group norm, so that the prediction for
    an image depends neither on its gain nor on the rest of the batch.

    Args:
        width: half the channels of the first layer, a multiple of 4.
    """

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.to_quarter = nn.Sequential(
            _layer(1, 2 * width, 7, stride=4), _layer(2 * width, 2 * width)
        )
        self.to_eighth = _stage(2 * width, 4 * width)
        self.to_sixteenth = _stage(4 * width, 6 * width)
        self.to_deepest = _stage(6 * width, 8 * width)
        self.back_to_sixteenth = _layer(14 * width, 6 * width)
        self.back_to_eighth = _layer(10 * width, 4 * width)
        self.head = nn.Conv2d(4 * width, 5, 1)  # logit, offset to the centre x y, log size x y
        self.head.weight.data *= 0.1  # start with nearly equal logits

    def forward(self, images: Float[Tensor, "b 1 y x"]) -> Float[Tensor, "b 5 rows columns"]:
        """Logit and box of every cell; sides are multiples of 32, grey levels 0 to 1."""
        x = images.sqrt() - 0.5  # most of a neck is nearly black
        eighth = self.to_eighth(self.to_quarter(x))
        sixteenth = self.to_sixteenth(eighth)
        # U-Net decoder: upsample, concatenate the skip connection, convolve; up to stride 8.
        deep = torch.cat([_upsample(self.to_deepest(sixteenth)), sixteenth], dim=1)
        deep = torch.cat([_upsample(self.back_to_sixteenth(deep)), eighth], dim=1)
        return self.head(self.back_to_eighth(deep))


def _layer(channels: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(8, out),
        nn.ReLU(inplace=True),
    )


def _stage(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(_layer(channels, out, stride=2), _layer(out, out))


def _upsample(x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y2 x2"]:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def decode(
    outputs: Float[Tensor, "b 5 rows columns"],
) -> tuple[Float[Tensor, "b 4"], Float[Tensor, " b"]]:
    """The most probable box of each image (left, top, right, bottom, pixels) and its score, 0 to 1.

    The score is the probability of that cell and its eight neighbours together: a centre on the
    border of two cells is split between them.
    """
    probabilities = logits(outputs).softmax(dim=1)[:, 1:]
    best = probabilities.argmax(dim=1, keepdim=True)
    grid = rearrange(probabilities, "b (rows columns) -> b rows columns", rows=outputs.shape[2])
    around = 9 * F.avg_pool2d(grid, 3, stride=1, padding=1)
    boxes = rearrange(_boxes(outputs), "b edge rows columns -> b (rows columns) edge")
    chosen = boxes.take_along_dim(best[..., None], dim=1)
    score = around.flatten(1).take_along_dim(best, dim=1).clamp(max=1)  # sums may round above 1
    return rearrange(chosen, "b 1 edge -> b edge"), rearrange(score, "b 1 -> b")


def logits(outputs: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "b classes"]:
    """Of "no vessel", which is first and always 0, and of every cell, row by row."""
    return F.pad(outputs[:, 0].flatten(1), (1, 0))


def cell_centres(outputs: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "2 rows columns"]:
    """Centre of every cell, (x, y), pixels."""
    rows, columns = outputs.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return STRIDE * (torch.stack([x, y]) + 0.5)


def encode(
    boxes: Float[Tensor, "b 4"], cells: Float[Tensor, "2 rows columns"]
) -> Float[Tensor, "b 4 rows columns"]:
    """Target of the last four output channels in every cell; `decode` inverts it."""
    low, high = rearrange(boxes, "b (corner xy) -> corner b xy 1 1", corner=2)
    size = ((high - low) / _TYPICAL).log()
    offset = ((low + high) / 2 - cells) / STRIDE
    return torch.cat([offset, size.expand_as(offset)], dim=1)


def _boxes(outputs: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "b 4 rows columns"]:
    centre = cell_centres(outputs) + STRIDE * outputs[:, 1:3]
    half = _TYPICAL / 2 * outputs[:, 3:].exp()
    return torch.cat([centre - half, centre + half], dim=1)
