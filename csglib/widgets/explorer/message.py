"""What the explorer sends: one clip and its attention maps at once, rows of patches on request.

Source: not in the paper. Bytes and not lists, which would be eight times as long; all rows of
patches in space would be 80 MB.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from csglib.data.clips import Clip
from csglib.data.stenosis import RULES
from csglib.view.attention_record import AttentionRecord
from csglib.view.scores import areas

LONGER_SIDE = 128  # pixels of a frame that is sent
Labels = dict[str, str]


def message(
    clip: Clip, records: list[AttentionRecord], labels: list[Labels], grades: Sequence[str]
) -> dict[str, Any]:
    """All traits that hold data, by name; arrays are flat.

    Args:
        clip: whose frames are shown.
        records: of one network or two; the arrays of two follow each other.
        labels: words for each branch of each network.
        grades: names, from open to closed; empty for those of the first rule with so many.

    Returns:
        "facts": sizes, labels, each network's prediction, the truth.
        "frames": u8 (t, y, x).
        "maps": u8 (branch, block, t, row, column) of the class token, mean over heads; 0 is a map's
            least value, 255 its largest.
        "ends": f32 (branch, block, 2), these two values.
        "totals": f32 (branch, block, t), attention on a frame.
        "lumen", "vessel": f32 (t, points, 2), fractions of a side; empty for a real clip.
        "masks": u8 (t, row, column), how much of a patch is plaque, 255 for all of it; likewise.
    """
    frames, grid = shrunk(clip.frames), records[0].shape
    branches = [branch for record in records for branch in record.branches.values()]
    maps = [encoded(branch.maps) for branch in branches]
    sizes = ("frames", "rows", "columns", "height", "width")
    names = [_names(len(record.probabilities), grades) for record in records]
    truth, drawn = _truth(clip, names[0], *grid[1:])
    first, *others = map(_facts, records, labels, names)
    facts = first | dict(zip(sizes, (*grid, *frames.shape[1:]), strict=True))
    facts |= {"other": next(iter(others), None), "truth": truth, "named": bool(grades)}
    return {
        "facts": facts,
        "frames": frames.tobytes(),
        "maps": b"".join(_bytes(codes) for codes, _ in maps),
        "ends": b"".join(_bytes(ends) for _, ends in maps),
        "totals": b"".join(_bytes(branch.totals) for branch in branches),
        **drawn,
    }


def reply(record: AttentionRecord, kind: str, branch: str, block: int, query: int) -> list[bytes]:
    """One row or matrix, head by head.

    Args:
        record: of the network in question.
        kind: "row" of a branch, or "matrix" of a place in time, frames by frames.
        branch: of a row.
        block: counted from 1.
        query: 0 is the class token, whose matrix is the mean over places; others are patches (of a
            matrix, places) in their order.

    Returns:
        The ends, f32 (1 + heads, 2), and the values, u8 (1 + heads, keys); their mean comes first.
    """
    if kind == "matrix":
        heads = _matrix(record, block - 1, query)
    elif query:
        heads = record.patch_row(branch, block - 1, query - 1)
    else:
        heads = record.class_token_heads(branch, block - 1).maps
    codes, ends = encoded(torch.cat([reduce(heads, "h ... -> 1 ...", "mean"), heads]))
    return [_bytes(ends), _bytes(codes)]


def embedded(records: list[AttentionRecord], limit: int) -> dict[str, Any]:
    """Replies for a page without a kernel, mean over heads.

    Args:
        records: of one network or two.
        limit: most bytes for the rows of one branch; longer ones are left out.

    Returns:
        "row_index": by "network,kind,branch" the first entry in "rows" ("values") and in "row_ends"
            ("ends"), the numbers in a reply ("size") and the replies of a block ("count").
        "rows", "row_ends": as in `reply`, block by block and query by query.
    """
    index, codes, ends = {}, bytearray(), bytearray()
    for number, record in enumerate(records):
        for kind, branch, count, size in _replies(record, limit):
            entry = {"values": len(codes), "ends": len(ends) // 8, "size": size, "count": count}
            index[f"{number},{kind},{branch}"] = entry
            for block in range(record.blocks):
                heads = (
                    _matrix(record, block, query)
                    if kind == "matrix"
                    else record.patch_row(branch, block, query)
                    for query in range(count)
                )
                block_codes, block_ends = encoded(torch.stack([each.mean(0) for each in heads]))
                codes += _bytes(block_codes)
                ends += _bytes(block_ends)
    return {"row_index": index, "rows": bytes(codes), "row_ends": bytes(ends)}


def _replies(record: AttentionRecord, limit: int) -> Iterator[tuple[str, str, int, int]]:
    """Kind, branch, replies of a block and their size, of all that may be embedded."""
    frames, patches = record.shape[0], record.patches
    if record.time_branch:
        yield "matrix", record.time_branch, 1 + patches, frames**2
    sizes = {"space": patches, "time": frames, "joint": frames * patches}
    for branch, axis in record.axes.items():
        fits = record.blocks * frames * patches * sizes[axis] <= limit
        if record.patches_query(branch) and fits:
            yield "row", branch, frames * patches, sizes[axis]


def _matrix(record: AttentionRecord, block: int, query: int) -> Float[Tensor, "h t t2"]:
    """Frames by frames at a patch's place, counted from 1; for 0 the mean over places."""
    places = [(query - 1) % record.patches] if query else range(record.patches)
    return torch.stack([record.frame_matrix(block, place) for place in places]).mean(0)


def encoded(
    maps: Float[Tensor, "n ..."],
) -> tuple[UInt8[Tensor, "n ..."], Float[Tensor, "n 2"]]:
    """Each map in 256 steps from its least value to its largest, and these two.

    255 is the largest alone: else the page could name a patch that has nearly as much.
    """
    flat = maps.flatten(1)
    least, most = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    span = (most - least).clamp(min=torch.finfo(maps.dtype).tiny)  # a uniform map is all zeros
    codes = (255 * (flat - least) / span).round().clamp(max=254)
    codes = torch.where((flat == most) & (most > least), 255, codes).byte()
    return codes.reshape(maps.shape), torch.cat([least, most], 1)


def shrunk(frames: UInt8[ndarray, "t y x"]) -> UInt8[ndarray, "t small_y small_x"]:
    """Frames no longer than `LONGER_SIDE` pixels; each pixel is the mean of what it covers."""
    height, width = frames.shape[1:]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    size = (round(scale * height), round(scale * width))
    grey = F.adaptive_avg_pool2d(torch.tensor(frames).float(), size)
    return grey.round().byte().numpy()


def _names(count: int, grades: Sequence[str]) -> Sequence[str]:
    if grades and len(grades) != count:
        raise ValueError(f"grades must name the network's {count}: got {', '.join(grades)}")
    numbered = [f"grade {place} of {count}" for place in range(1, count + 1)]
    fitting = [rule.grades for rule in RULES.values() if len(rule.grades) == count]
    return grades or (*fitting, numbered)[0]


def _facts(record: AttentionRecord, labels: Labels, grades: Sequence[str]) -> dict[str, Any]:
    branches = [
        {
            "name": name,
            "label": labels[name],
            "axis": record.axes[name],
            "byPatches": record.patches_query(name),
            "uniformPatch": branch.uniform_patch,
            "uniformFrame": branch.uniform_frame,
        }
        for name, branch in record.branches.items()
    ]
    return {
        "blocks": record.blocks,
        "heads": record.heads,
        "timeBranch": record.time_branch,
        "branches": branches,
        "prediction": [*map(list, zip(grades, record.probabilities.tolist(), strict=True))],
    }


def _truth(
    clip: Clip, grades: Sequence[str], rows: int, columns: int
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Facts, and contours and masks as bytes; the grade is by the first rule with these names."""
    truth = clip.truth
    if truth is None:
        return None, {"lumen": b"", "vessel": b"", "masks": b""}
    rule = next((rule for rule in RULES.values() if rule.grades == tuple(grades)), None)
    facts = {
        "narrowest": truth.narrowest + 1,
        "closed": truth.diameter_stenosis.tolist(),
        "grade": rule and rule.grades[rule.grade(truth.stenosis(rule))],
    }
    height, width = clip.frames.shape[1:]
    lumen, vessel = (  # a point (0, 0) is the middle of the first pixel
        _bytes((torch.tensor(contour).float() + 0.5) / torch.tensor([width, height]))
        for contour in (truth.lumen, truth.vessel_inner)
    )
    masks = np.rint(255 * areas(clip, rows, columns).plaque).astype(np.uint8).tobytes()
    return facts, {"lumen": lumen, "vessel": vessel, "masks": masks}


def _bytes(array: Tensor) -> bytes:
    return array.contiguous().numpy().tobytes()
