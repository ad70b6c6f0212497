import pytest
import torch

from csglib.model import IntraDimension, LogTIntraDimension, fold

from .test_fusion import assert_fused, attended, tokens


@pytest.mark.parametrize("axis", ["space", "time", "joint"])
@pytest.mark.parametrize("kind", [IntraDimension, LogTIntraDimension])
def test_a_branch_is_torchs_attention_of_each_sequence(kind, axis):
    """With log t, the class token is a key as often as the sequence has frames."""
    own, clip = kind(8, heads=2, hidden=11, axis=axis).double(), tokens()
    sequences, counts = fold(clip, axis), 1
    if kind is LogTIntraDimension and axis != "space":
        counts = 3
    keys = torch.cat([sequences[:, :1].expand(-1, counts, -1), sequences[:, 1:]], dim=1)
    learned = attended(own, sequences, keys, keys).unflatten(0, (2, -1))
    cls, added = clip.cls + learned[:, :, :1].mean(1), learned[:, :, 1:]
    if axis == "joint":
        added = added[:, 0].unflatten(1, (3, 5))
    patches = clip.patches + (added.transpose(1, 2) if axis == "time" else added)
    assert_fused(own, own(clip), cls, patches)
