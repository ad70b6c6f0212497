"""Where tissue is and how large a pixel, from the regions that a DICOM ultrasound file describes.

Not in the paper, which works in pixels. Ultrasound has no PixelSpacing: one screen may show tissue
at one scale, a spectrum at another and text at none, so DICOM gives each region its own.
"""

import math
from typing import Any

from pydicom import Dataset

from csglib.data.clips import Region

_TISSUE, _TWO_DIMENSIONAL, _CENTIMETRES = 1, 1, 3  # codes of DICOM PS3.3, C.8.5.5


def tissue_region(dataset: Dataset) -> Region | None:
    """The one region of tissue in two dimensions that lies within the picture, or None.

    Two of them are a split screen: which of them is meant, nobody knows.

    Args:
        dataset: Rows, Columns and, where known, SequenceOfUltrasoundRegions.
    """
    found = [
        region
        for region in dataset.get("SequenceOfUltrasoundRegions") or []
        if region.get("RegionDataType") == _TISSUE
        and region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL
    ]
    if len(found) != 1 or not _fits(found[0], dataset):
        return None
    left, top, right, bottom = (int(edge) for edge in _edges(found[0]))
    # Some machines count the last column and row, some the edge behind it: take the larger part.
    return Region(left, top, min(right + 1, dataset.Columns), min(bottom + 1, dataset.Rows))


def mm_per_px(dataset: Dataset) -> float | None:
    """The scale that all tissue regions share, or None where they do not say; never guessed.

    Args:
        dataset: Rows, Columns and, where known, SequenceOfUltrasoundRegions.
    """
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    scales = {
        _scale(region, dataset) for region in regions if region.get("RegionDataType") == _TISSUE
    }
    return scales.pop() if len(scales) == 1 else None


def _scale(region: Dataset, picture: Dataset) -> float | None:
    units = [region.get(f"PhysicalUnits{axis}Direction") for axis in "XY"]
    if region.get("RegionSpatialFormat") != _TWO_DIMENSIONAL or units != [_CENTIMETRES] * 2:
        return None
    across, down = (abs(float(region.get(f"PhysicalDelta{axis}") or 0)) for axis in "XY")
    square = 0 < across < math.inf and math.isclose(across, down, rel_tol=1e-3)
    return 10 * across if square and _fits(region, picture) else None


def _fits(region: Dataset, picture: Dataset) -> bool:
    """Whether the region lies within the picture. If not, the picture was resized after it was set.

    Some machines count the last column and row, some the edge behind it: both fit.
    """
    edges = _edges(region)
    if None in edges:
        return False
    left, top, right, bottom = edges
    return 0 <= left < right <= picture.Columns and 0 <= top < bottom <= picture.Rows


def _edges(region: Dataset) -> list[Any]:
    """Left, top, right, bottom; None where the file lacks one."""
    return [region.get(f"RegionLocation{edge}") for edge in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
