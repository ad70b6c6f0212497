"""What the explorer sends: one clip, and what the tokens of one network or two asked about it.

Source: not in the paper. Bytes and not lists, which would be eight times as long; rows of patches
in space come one by one when the page asks, for all of them are 80 MB.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from csglib.data.clips import GRADES, Clip
from csglib.view.attention_record import Questions
from csglib.view.class_token import Branch
from csglib.view.scores import areas

LONGER_SIDE = 128  # pixels of a frame that is sent
MOST_AT_ONCE = 500_000  # bytes of matrices: with all else, a page is first painted from 1 MB
Labels = dict[str, str]
Ask = tuple[str, str, int, int]  # "row" or "matrix", a branch, a block from 1, a query


def message(clip: Clip, networks: list[Questions], labels: list[Labels]) -> dict[str, Any]:
    """All traits that hold data, by name; arrays are flat.

    Args:
        clip: whose frames are shown.
        networks: what was asked in each; of two, the arrays follow each other.
        labels: words for each branch of each network.

    Returns:
        "facts": sizes, labels, each network's answer, the truth.
        "frames": u8 (t, y, x).
        "maps": u8 (branch, block, t, row, column); 0 is a map's least value, 255 its most.
        "ends": f32 (branch, block, 2), these two values.
        "totals": f32 (branch, block, t), attention on a frame.
        "matrices": u8 (block, place, t, t2), what each place gives to other frames; empty if no
            patch asks along time, or if they are more than `MOST_AT_ONCE` and come one by one.
        "matrix_ends": f32 (block, place, 2), likewise.
        "lumen", "vessel": f32 (t, points, 2), x and y as shares of a side; empty for a real clip.
        "masks": u8 (t, row, column), how much of a patch is plaque, 255 for all of it; likewise.
    """
    frames = shrunk(clip.frames)
    packed = [_packed(seen) for seen in networks]
    matrices = every_matrix(networks) if size_of_matrices(networks) <= MOST_AT_ONCE else (b"", b"")
    truth, (first, *others) = clip.truth, networks
    sizes = dict(zip(("frames", "rows", "columns"), first.shape, strict=True))
    pixels = {"height": frames.shape[1], "width": frames.shape[2]}
    facts = _words(first, labels[0]) | sizes | pixels
    facts["other"] = next(map(_words, others, labels[1:]), None)
    return {
        "facts": facts | {"truth": _truth(clip)},
        "frames": frames.tobytes(),
        **{name: b"".join(each[name] for each in packed) for name in packed[0]},
        **dict(zip(("matrices", "matrix_ends"), matrices, strict=True)),
        "lumen": b"" if truth is None else _bytes(_shares(truth.lumen, clip)),
        "vessel": b"" if truth is None else _bytes(_shares(truth.vessel_inner, clip)),
        "masks": _masks(clip, first.shape),
    }


def reply(seen: Questions, asked: Ask) -> list[bytes]:
    """What the page has not been sent at once: rows head by head, and those of patches.

    Args:
        seen: of the network in question.
        asked: a "row" of a branch, or a "matrix" of the places in time; of which block, counted
            from 1; and of which token: 0 is the class token, whose matrix is the mean over places,
            others are patches in their order.

    Returns:
        The ends, f32 (1 + heads, 2), and the values, u8 (1 + heads, keys); their mean comes first.
    """
    kind, branch, block, query = asked
    if kind == "row" and query:
        values = seen.of_patch(branch, block - 1, query - 1)
    elif kind == "row":
        values = seen.of_class_token(branch, block - 1).maps
    else:
        values = seen_along(seen, block, query)
    codes, ends = encoded(torch.cat([reduce(values, "h ... -> 1 ...", "mean"), values]))
    return [_bytes(ends), _bytes(codes)]


def seen_along(seen: Questions, block: int, query: int) -> Float[Tensor, "h t t2"]:
    """The matrix of the place where a token stands; for the class token, the mean over places."""
    _, rows, columns = seen.shape
    patches = rows * columns
    places = range(patches) if query == 0 else [(query - 1) % patches]
    return torch.stack([seen.along(block - 1, place) for place in places]).mean(0)


def every_matrix(networks: list[Questions]) -> tuple[bytes, bytes]:
    """Matrices of all places, mean over heads, and their ends, as `message` has them."""
    found = [encoded(_matrices(seen)) for seen in networks if seen.along_time]
    return b"".join(_bytes(codes) for codes, _ in found), b"".join(
        _bytes(ends) for _, ends in found
    )


def size_of_matrices(networks: list[Questions]) -> int:
    """How many bytes of values `every_matrix` has."""
    shapes = [(_blocks(seen), *seen.shape) for seen in networks if seen.along_time]
    return sum(blocks * rows * columns * t**2 for blocks, t, rows, columns in shapes)


def every_row(networks: list[Questions]) -> tuple[bytes, bytes]:
    """Rows of all patches that a page without a kernel could not ask for, mean over heads.

    Returns:
        u8 (branch, block, query, keys) and its ends, f32 (branch, block, query, 2), of branches
        where patches ask, "time" apart, which `message` has; of two networks, one after the other.
    """
    found = [
        encoded(torch.cat([_rows(seen, branch, block) for block in range(len(asked))]))
        for seen in networks
        for branch, asked in seen.asked.items()
        if seen.by_patches(branch) and branch != "time"
    ]
    return b"".join(_bytes(codes) for codes, _ in found), b"".join(
        _bytes(ends) for _, ends in found
    )


def size_of_every_row(networks: list[Questions]) -> int:
    """How many bytes of values `every_row` has."""
    total = 0
    for seen in networks:
        frames, rows, columns = seen.shape
        patches = rows * columns
        keys = {"space": patches, "time": frames, "joint": frames * patches}
        for branch, asked in seen.asked.items():
            if seen.by_patches(branch) and branch != "time":
                total += len(asked) * frames * patches * keys[asked[0].axis]
    return total


def encoded(
    maps: Float[Tensor, "n ..."],
) -> tuple[UInt8[Tensor, "n ..."], Float[Tensor, "n 2"]]:
    """Each map in 256 steps from its least value to its most, and these two.

    The last step is the most alone: else the page could name a patch that has nearly as much.
    """
    flat = maps.flatten(1)
    least, most = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    span = (most - least).clamp(min=torch.finfo(maps.dtype).tiny)  # an even map is all zeros
    codes = (255 * (flat - least) / span).round().clamp(max=254)
    codes = torch.where((flat == most) & (most > least), 255, codes).byte()
    return codes.reshape(maps.shape), torch.cat([least, most], 1)


def shrunk(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t small_y small_x"]:
    """Frames no longer than `LONGER_SIDE` pixels; each pixel is the mean of what it covers."""
    height, width = frames.shape[1:]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    if scale == 1:
        return frames
    size = (round(scale * height), round(scale * width))
    grey = F.adaptive_avg_pool2d(torch.tensor(frames).float(), size)
    return grey.round().byte().numpy()


def _packed(seen: Questions) -> dict[str, bytes]:
    branches = list(seen.class_token.branches.values())
    maps = [encoded(branch.maps) for branch in branches]
    return {
        "maps": b"".join(_bytes(codes) for codes, _ in maps),
        "ends": b"".join(_bytes(ends) for _, ends in maps),
        "totals": b"".join(_bytes(branch.totals) for branch in branches),
    }


def _blocks(seen: Questions) -> int:
    return len(next(iter(seen.asked.values())))


def _matrices(seen: Questions) -> Float[Tensor, "maps t t2"]:
    _, rows, columns = seen.shape
    maps = np.ndindex(_blocks(seen), rows * columns)
    return torch.stack([seen.along(block, place).mean(0) for block, place in maps])


def _rows(seen: Questions, branch: str, block: int) -> Float[Tensor, "queries keys"]:
    patches = range(np.prod(seen.shape))
    return torch.stack([seen.of_patch(branch, block, patch).mean(0) for patch in patches])


def _words(seen: Questions, labels: Labels) -> dict[str, Any]:
    branches, shares = seen.class_token.branches, seen.class_token.probabilities.tolist()
    numbered = tuple(f"grade {place}" for place in range(len(shares)))
    grades = GRADES if len(shares) == len(GRADES) else numbered
    return {
        "blocks": _blocks(seen),
        "heads": seen.heads,
        "alongTime": seen.along_time,
        "branches": [_branch(seen, name, branch, labels) for name, branch in branches.items()],
        "answer": [list(pair) for pair in zip(grades, shares, strict=True)],
    }


def _branch(seen: Questions, name: str, branch: Branch, labels: Labels) -> dict[str, Any]:
    asked = {"axis": seen.asked[name][0].axis, "byPatches": seen.by_patches(name)}
    even = {"evenPatch": branch.even_patch, "evenFrame": branch.even_frame}
    return {"name": name, "label": labels[name], **asked, **even}


def _truth(clip: Clip) -> dict[str, Any] | None:
    if clip.truth is None:
        return None
    return {
        "narrowest": clip.truth.narrowest + 1,
        "closed": clip.truth.diameter_stenosis.tolist(),
        "grade": GRADES[clip.truth.grade],
    }


def _masks(clip: Clip, shape: tuple[int, int, int]) -> bytes:
    if clip.truth is None:
        return b""
    plaque = areas(clip, *shape[1:]).plaque
    return np.rint(255 * plaque).astype(np.uint8).tobytes()


def _shares(contour: Float[ndarray, "t points 2"], clip: Clip) -> Float[Tensor, "t points 2"]:
    # a point (0, 0) is the middle of the first pixel
    height, width = clip.frames.shape[1:]
    return (torch.tensor(contour).float() + 0.5) / torch.tensor([width, height])


def _bytes(array: Tensor) -> bytes:
    return array.contiguous().numpy().tobytes()
