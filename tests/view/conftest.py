"""A small clip of noise and the networks whose attention is looked at."""

from dataclasses import replace

import numpy as np
import pytest

from csglib.data.clips import Clip
from csglib.model.config import TINY, SingleBranch

FRAMES, ROWS, COLUMNS = 3, 2, 5


@pytest.fixture(scope="session")
def noise_clip():
    """Makes 3 frames of 2 x 5 patches, or of another size."""

    def made(frames=FRAMES, height=16 * ROWS, width=16 * COLUMNS):
        grey = np.random.default_rng(2).integers(0, 256, (frames, height, width), dtype=np.uint8)
        return Clip(frames=grey, patient="nobody")

    return made


@pytest.fixture(scope="session")
def tiny():
    """TINY with another encoder: an axis for a single branch, or a fusion."""

    def made(encoder="cross", class_tokens="clip"):
        alone = encoder in ("joint", "space", "time")
        single = SingleBranch(axis=encoder, heads=4, hidden=64) if alone else None
        fused = replace(TINY.encoder, fusion=encoder) if not alone else None
        return replace(TINY, encoder=single or fused, class_tokens=class_tokens)

    return made
