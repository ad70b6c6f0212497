import pytest
import torch
from torch import nn

from csglib.model.intra import IntraDimension, LogTIntraDimension
from csglib.model.tokens import VideoTokens, fold

AXES = ["space", "time", "joint"]


def tokens(clips=2, frames=3, patches=5, dim=8):
    cls = torch.randn(clips, 1, dim, dtype=torch.float64)
    return VideoTokens(cls, torch.randn(clips, frames, patches, dim, dtype=torch.float64))


def branch(axis, dim=8):
    return IntraDimension(dim, heads=2, hidden=11, axis=axis).double()


def torch_attention(own: IntraDimension) -> nn.MultiheadAttention:
    other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    other.in_proj_weight, other.in_proj_bias = (
        own.qkv.weight,
        own.qkv.bias,
    )
    other.out_proj.weight, other.out_proj.bias = own.proj.weight, own.proj.bias
    return other


@pytest.mark.parametrize("axis", AXES)
def test_a_branch_is_torchs_attention_run_sequence_by_sequence(axis):
    own, clip = branch(axis), tokens()
    other = torch_attention(own)
    sequences = own.norm(fold(clip, axis))
    mixed = torch.stack([other(one[None], one[None], one[None])[0][0] for one in sequences])
    per_clip = mixed.unflatten(0, (2, -1))
    cls = clip.cls + per_clip[:, :, :1].mean(1)
    added = per_clip[:, :, 1:]  # (clips, sequences, tokens of one, width)
    if axis == "joint":
        added = added[:, 0].unflatten(1, (3, 5))
    patches = clip.patches + (added.transpose(1, 2) if axis == "time" else added)
    answer = own(clip)
    torch.testing.assert_close(answer.cls, cls + own.ffn(cls))
    torch.testing.assert_close(answer.patches, patches + own.ffn(patches))


@pytest.mark.parametrize(
    ("axis", "reached"),
    [
        ("space", [(1, place) for place in range(5)]),
        ("time", [(frame, 2) for frame in range(3)]),
        ("joint", [(frame, place) for frame in range(3) for place in range(5)]),
    ],
)
def test_a_nudge_reaches_only_its_own_axis(axis, reached):
    own, clip = branch(axis), tokens(clips=1)
    nudged = VideoTokens(clip.cls, clip.patches.clone())
    nudged.patches[0, 1, 2, 0] += 1.0  # one channel: LayerNorm cannot see a nudge shared by all
    before, after = own(clip), own(nudged)
    moved = (before.patches - after.patches)[0].abs().amax(-1) > 1e-9
    assert sorted(map(tuple, moved.nonzero().tolist())) == reached
    assert (before.cls - after.cls).abs().max() > 1e-9


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide dim: got dim=8, heads=3"):
        IntraDimension(8, heads=3, hidden=8, axis="space")


@pytest.mark.parametrize(("axis", "counts"), [("space", 1), ("time", 3), ("joint", 3)])
def test_log_t_counts_the_class_token_once_a_frame(axis, counts):
    """The same by putting it into every sequence as often as it has frames."""
    log_t, clip = LogTIntraDimension(8, heads=2, hidden=11, axis=axis).double(), tokens()
    normed = log_t.norm(fold(clip, axis))
    context = torch.cat([normed[:, :1].expand(-1, counts, -1), normed[:, 1:]], dim=1)
    mixed, _ = torch_attention(log_t)(normed, context, context)
    copies = len(mixed) // 2
    cls = clip.cls + mixed[:, :1].unflatten(0, (2, copies)).mean(1)
    answer = log_t(clip)
    torch.testing.assert_close(answer.cls, cls + log_t.ffn(cls))
    if axis == "time":
        patches = clip.patches + mixed[:, 1:].unflatten(0, (2, copies)).transpose(1, 2)
        torch.testing.assert_close(answer.patches, patches + log_t.ffn(patches))
