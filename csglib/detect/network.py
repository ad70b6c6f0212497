"""The network that `csglib.detect` asks where the vessel is: pictures in, boxes out.

Not in the paper, which takes its detector from reference [14]; that one is not public. This is a
small centre-point network ("Objects as points", Zhou et al. 2019) for one vessel a picture.
"""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor, nn

SIDE = 256  # pixels of the square picture that it sees
# A score; below it nothing is found. Real frames score lower than simulated ones: of the eleven we
# have, all of them found, two are at 0.24 and 0.34. The price: on held-out necks whose artery was
# painted out, 8 % of the views convince instead of 4 % with 0.5.
CONVINCING = 0.2
STRIDE = 8  # pixels from one place where it looks for a centre to the next
_TYPICAL = 40  # pixels in the square; wide and narrow are told against it


def shown_size(width: int, height: int) -> tuple[int, int]:
    """Columns and rows that a picture of this size takes in the square the network sees."""
    longest = max(width, height)
    return max(round(SIDE * width / longest), 1), max(round(SIDE * height / longest), 1)


def into_square(picture: Image.Image, shown: tuple[int, int]) -> UInt8[ndarray, "side side"]:
    """The picture, resized to columns and rows `shown`, in the upper left of a black square."""
    square = Image.new("L", (SIDE, SIDE))
    square.paste(picture.resize(shown, Image.Resampling.BILINEAR))
    return np.array(square)


class Detector(nn.Module):
    """For each place, how much speaks for the vessel's centre there, and the box if it is.

    A picture has one vessel or none, so the places compete: a softmax over all of them and
    "nowhere", whose logit is always 0. Nothing has to be suppressed afterwards. Group norm, since
    gain and contrast of each picture are to be forgotten, whichever pictures stand beside it.

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
        self.head = nn.Conv2d(4 * width, 5, 1)  # evidence, way to the centre x y, log size x y
        self.head.weight.data *= 0.1  # at first, nothing speaks for any place

    def forward(self, pictures: Float[Tensor, "b 1 y x"]) -> Float[Tensor, "b 5 rows columns"]:
        """Evidence and box at every place; the sides are multiples of 32, grey is 0 to 1."""
        spread = pictures.sqrt() - 0.5  # most of a neck is nearly black
        eighth = self.to_eighth(self.to_quarter(spread))
        sixteenth = self.to_sixteenth(eighth)
        deep = torch.cat([_twice(self.to_deepest(sixteenth)), sixteenth], dim=1)
        deep = torch.cat([_twice(self.back_to_sixteenth(deep)), eighth], dim=1)
        return self.head(self.back_to_eighth(deep))


def _layer(channels: int, wanted: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, wanted, kernel, stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(8, wanted),
        nn.ReLU(inplace=True),
    )


def _stage(channels: int, wanted: int) -> nn.Sequential:
    return nn.Sequential(_layer(channels, wanted, stride=2), _layer(wanted, wanted))


def _twice(volume: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y2 x2"]:
    return F.interpolate(volume, scale_factor=2, mode="bilinear", align_corners=False)


def decode(
    answers: Float[Tensor, "b 5 rows columns"],
) -> tuple[Float[Tensor, "b 4"], Float[Tensor, " b"]]:
    """The likeliest box of each picture: left, top, right, bottom, pixels; and how likely it is.

    The score is the chance that the centre lies at the likeliest place or right beside it: a
    centre on the border of two places is no doubt about the vessel.
    """
    chances = logits(answers).softmax(dim=1)[:, 1:]
    best = chances.argmax(dim=1, keepdim=True)
    grid = rearrange(chances, "b (rows columns) -> b rows columns", rows=answers.shape[2])
    around = 9 * F.avg_pool2d(grid, 3, stride=1, padding=1)
    boxes = rearrange(_boxes(answers), "b edge rows columns -> b (rows columns) edge")
    chosen = boxes.take_along_dim(best[..., None], dim=1)
    score = around.flatten(1).take_along_dim(best, dim=1).clamp(max=1)  # sums round up a little
    return rearrange(chosen, "b 1 edge -> b edge"), rearrange(score, "b 1 -> b")


def logits(answers: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "b choices"]:
    """Of "nowhere", which is first and always 0, and of every place, row by row."""
    return F.pad(answers[:, 0].flatten(1), (1, 0))


def places(answers: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "2 rows columns"]:
    """Middle of every place, (x, y), pixels."""
    rows, columns = answers.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return STRIDE * (torch.stack([x, y]) + 0.5)


def numbers_of(
    boxes: Float[Tensor, "b 4"], at: Float[Tensor, "2 rows columns"]
) -> Float[Tensor, "b 4 rows columns"]:
    """What an answer's last four channels should be at every place, for `decode` to undo."""
    low, high = rearrange(boxes, "b (corner xy) -> corner b xy 1 1", corner=2)
    size = ((high - low) / _TYPICAL).log()
    way = ((low + high) / 2 - at) / STRIDE
    return torch.cat([way, size.expand_as(way)], dim=1)


def _boxes(answers: Float[Tensor, "b 5 rows columns"]) -> Float[Tensor, "b 4 rows columns"]:
    centre = places(answers) + STRIDE * answers[:, 1:3]
    half = _TYPICAL / 2 * answers[:, 3:].exp()
    return torch.cat([centre - half, centre + half], dim=1)
