import pytest
import torch
from torch import nn

from csglib.model import IntraDimension, LogTIntraDimension, VideoTokens, fold


@pytest.mark.parametrize(
    ("kind", "axis", "counts"),
    [
        (IntraDimension, "space", 1),
        (IntraDimension, "time", 1),
        (IntraDimension, "joint", 1),
        (LogTIntraDimension, "space", 1),
        (LogTIntraDimension, "time", 3),
        (LogTIntraDimension, "joint", 3),
    ],
)
def test_a_branch_is_torchs_attention_run_sequence_by_sequence(kind, axis, counts):
    """With log t, the class token is a key as often as the sequence has frames."""
    cls = torch.randn(2, 1, 8, dtype=torch.float64)
    clip = VideoTokens(cls, torch.randn(2, 3, 5, 8, dtype=torch.float64))
    own = kind(8, heads=2, hidden=11, axis=axis).double()
    other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    other.in_proj_weight, other.in_proj_bias = own.qkv.weight, own.qkv.bias
    other.out_proj.weight, other.out_proj.bias = own.proj.weight, own.proj.bias
    sequences = own.norm(fold(clip, axis))
    context = torch.cat([sequences[:, :1].expand(-1, counts, -1), sequences[:, 1:]], dim=1)
    mixed = [
        other(one[None], keys[None], keys[None])[0][0]
        for one, keys in zip(sequences, context, strict=True)
    ]
    per_clip = torch.stack(mixed).unflatten(0, (2, -1))
    cls = clip.cls + per_clip[:, :, :1].mean(1)
    added = per_clip[:, :, 1:]  # (clips, sequences, tokens of one, width)
    if axis == "joint":
        added = added[:, 0].unflatten(1, (3, 5))
    patches = clip.patches + (added.transpose(1, 2) if axis == "time" else added)
    output = own(clip)
    torch.testing.assert_close(output.cls, cls + own.ffn(cls))
    torch.testing.assert_close(output.patches, patches + own.ffn(patches))
