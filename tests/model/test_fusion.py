import pytest
import torch
from torch import nn

from csglib.model import (
    AllTokenCrossAttention,
    AllTokenSwitchedAttention,
    CrossAttention,
    InsertedCrossAttention,
    SwitchedAttention,
    VideoTokens,
    fold,
)


def tokens():
    cls = torch.randn(2, 1, 8, dtype=torch.float64)
    return VideoTokens(cls, torch.randn(2, 3, 5, 8, dtype=torch.float64))


def fusion(kind, *axis):
    return kind(8, 2, 11, *axis).double()


def attended(own, query, key, value):
    """The same product by torch's own layer."""
    other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    projections = (own.qkv,) if hasattr(own, "qkv") else (own.q, own.k, own.v)
    other.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in projections]))
    other.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in projections]))
    other.out_proj.weight, other.out_proj.bias = own.proj.weight, own.proj.bias
    return other(own.norm(query), own.norm(key), own.norm(value))[0]


def assert_fused(own, output, cls, patches):
    """The FFN is the last step for every token."""
    torch.testing.assert_close(output.cls, cls + own.ffn(cls))
    torch.testing.assert_close(output.patches, patches + own.ffn(patches))


@pytest.mark.parametrize("kind", [CrossAttention, SwitchedAttention, InsertedCrossAttention])
def test_the_class_token_alone_attends_and_patches_pass_through_the_ffn(kind):
    """CA queries the complement, SWA applies its map to the target, CrossViT's query is a key."""
    own, target, complement = fusion(kind), tokens(), tokens()
    ours, theirs = (part.patches.flatten(1, 2) for part in (target, complement))
    inserted = torch.cat([target.cls, theirs], dim=1)
    query_key_value = {
        CrossAttention: (target.cls, theirs, theirs),
        SwitchedAttention: (complement.cls, theirs, ours),
        InsertedCrossAttention: (target.cls, inserted, inserted),
    }
    cls = target.cls + attended(own, *query_key_value[kind])
    assert_fused(own, own(target, complement), cls, target.patches)


def test_dyadformers_tokens_all_query_the_whole_complement():
    own, target, complement = fusion(AllTokenCrossAttention), tokens(), tokens()
    everyone, context = fold(target, "joint"), fold(complement, "joint")
    learned = attended(own, everyone, context, context)
    patches = target.patches + learned[:, 1:].unflatten(1, (3, 5))
    assert_fused(own, own(target, complement), target.cls + learned[:, :1], patches)


@pytest.mark.parametrize("axis", ["space", "time"])
def test_switched_whole_maps_are_the_complements_in_the_targets_sequences(axis):
    own, target, complement = fusion(AllTokenSwitchedAttention, axis), tokens(), tokens()
    ours, theirs = fold(target, axis), fold(complement, axis)
    learned = attended(own, theirs, theirs, ours).unflatten(0, (2, -1))
    cls = target.cls + learned[:, :, :1].mean(1)
    added = learned[:, :, 1:]
    patches = target.patches + (added.transpose(1, 2) if axis == "time" else added)
    assert_fused(own, own(target, complement), cls, patches)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide dim: got dim=8, heads=3"):
        CrossAttention(8, heads=3, hidden=8)


def test_all_readings_have_the_same_parameters():
    """Weights of one load into any other."""
    weights = fusion(CrossAttention).state_dict()
    for kind in (SwitchedAttention, InsertedCrossAttention, AllTokenCrossAttention):
        fusion(kind).load_state_dict(weights)
    fusion(AllTokenSwitchedAttention, "space").load_state_dict(weights)
