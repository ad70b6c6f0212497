import pytest
import torch
from torch import nn

from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.fusion_variants import (
    AllTokenCrossAttention,
    AllTokenSwitchedAttention,
    InsertedCrossAttention,
)
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens, fold

FUSIONS = [CrossAttention, SwitchedAttention]


def tokens(frames=3, patches=5, dim=8):
    cls = torch.randn(2, 1, dim, dtype=torch.float64)
    return VideoTokens(cls, torch.randn(2, frames, patches, dim, dtype=torch.float64))


def fusion(kind, *axis):
    return kind(8, 2, 11, *axis).double()


def attended(own, query, key, value):
    """The same product by torch's own layer."""
    other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    projections = (own.q, own.k, own.v)
    other.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in projections]))
    other.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in projections]))
    other.out_proj.weight, other.out_proj.bias = own.proj.weight, own.proj.bias
    return other(own.norm(query), own.norm(key), own.norm(value))[0]


def test_cross_attention_queries_the_complement_with_the_targets_class_token():
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    context = complement.patches.flatten(1, 2)
    cls = target.cls + attended(own, target.cls, context, context)
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_switched_attention_applies_the_complements_map_to_the_targets_values():
    own, target, complement = fusion(SwitchedAttention), tokens(), tokens()
    learned = attended(
        own, complement.cls, complement.patches.flatten(1, 2), target.patches.flatten(1, 2)
    )
    cls = target.cls + learned
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_it_is_one_row_of_all_token_attention():
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    context = complement.patches.flatten(1, 2)
    everyone = torch.cat([target.cls, target.patches.flatten(1, 2)], dim=1)
    row = attended(own, everyone, context, context)[:, :1]
    cls = target.cls + row
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_switched_and_cross_agree_on_equal_branches():
    crossed, switched = fusion(CrossAttention), fusion(SwitchedAttention)
    switched.load_state_dict(crossed.state_dict())
    both = tokens()
    torch.testing.assert_close(crossed(both, both).cls, switched(both, both).cls, rtol=0, atol=0)


@pytest.mark.parametrize("kind", FUSIONS)
def test_patches_pass_through_the_ffn_alone(kind):
    own, target, complement = fusion(kind), tokens(), tokens()
    answer = own(target, complement).patches
    torch.testing.assert_close(answer, target.patches + own.ffn(target.patches), rtol=0, atol=0)


def test_keys_do_not_depend_on_the_query():
    """The paper's difference from CrossViT: the query token is not among the keys."""
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    maps = []
    own.attention.register_forward_hook(lambda _, parts, __: maps.append(parts[1:]))
    own(target, complement)
    own(VideoTokens(target.cls + 1.0, target.patches), complement)
    assert all(torch.equal(*parts) for parts in zip(*maps, strict=True))


@pytest.mark.parametrize("kind", FUSIONS)
def test_a_still_clip_gives_the_output_of_one_frame(kind):
    """Every key repeated t times: the weighted mean stays."""
    own, one, other = fusion(kind), tokens(frames=1), tokens(frames=1)
    still, other_still = (
        VideoTokens(part.cls, part.patches.expand(-1, 4, -1, -1)) for part in (one, other)
    )
    torch.testing.assert_close(own(still, other_still).cls, own(one, other).cls)


@pytest.mark.parametrize("kind", FUSIONS)
def test_heads_must_divide_the_width(kind):
    with pytest.raises(ValueError, match="heads must divide dim: got dim=8, heads=3"):
        kind(8, heads=3, hidden=8)


def test_crossvits_class_token_is_a_key():
    own, target, complement = fusion(InsertedCrossAttention), tokens(), tokens()
    context = torch.cat([target.cls, complement.patches.flatten(1, 2)], dim=1)
    cls = target.cls + attended(own, target.cls, context, context)
    answer = own(target, complement)
    torch.testing.assert_close(answer.cls, cls + own.ffn(cls))
    torch.testing.assert_close(answer.patches, target.patches + own.ffn(target.patches))


def test_inserted_the_query_token_changes_the_keys():
    """The dependency that the paper argues against."""
    own, target, complement = fusion(InsertedCrossAttention), tokens(), tokens()
    keys = [
        own.query_key_value(VideoTokens(cls, target.patches), complement)[1]
        for cls in (target.cls, target.cls.flip(-1))
    ]
    assert not torch.equal(*keys)
    assert torch.equal(keys[0][:, 1:], keys[1][:, 1:])


def test_dyadformers_tokens_all_query_the_whole_complement():
    own, target, complement = fusion(AllTokenCrossAttention), tokens(), tokens()
    everyone, context = fold(target, "joint"), fold(complement, "joint")
    learned = attended(own, everyone, context, context)
    answer = own(target, complement)
    cls = target.cls + learned[:, :1]
    patches = target.patches + learned[:, 1:].unflatten(1, (3, 5))
    torch.testing.assert_close(answer.cls, cls + own.ffn(cls))
    torch.testing.assert_close(answer.patches, patches + own.ffn(patches))


def test_crossvit_is_dyadformers_first_row_when_both_class_tokens_are_one():
    inserted, whole = fusion(InsertedCrossAttention), fusion(AllTokenCrossAttention)
    whole.load_state_dict(inserted.state_dict())
    target, complement = tokens(), tokens()
    complement = VideoTokens(target.cls, complement.patches)
    torch.testing.assert_close(inserted(target, complement).cls, whole(target, complement).cls)


@pytest.mark.parametrize("axis", ["space", "time"])
def test_switched_whole_maps_are_the_complements_in_the_targets_sequences(axis):
    own, target, complement = fusion(AllTokenSwitchedAttention, axis), tokens(), tokens()
    ours, theirs = fold(target, axis), fold(complement, axis)
    learned = attended(own, theirs, theirs, ours)
    copies = len(ours) // 2
    cls = target.cls + learned[:, :1].unflatten(0, (2, copies)).mean(1)
    added = learned[:, 1:].unflatten(0, (2, copies))
    patches = target.patches + (added.transpose(1, 2) if axis == "time" else added)
    answer = own(target, complement)
    torch.testing.assert_close(answer.cls, cls + own.ffn(cls))
    torch.testing.assert_close(answer.patches, patches + own.ffn(patches))


@pytest.mark.parametrize("axis", ["space", "time"])
def test_with_equal_branches_switched_attention_is_intra_dimension_attention(axis):
    switched, both = fusion(AllTokenSwitchedAttention, axis), tokens()
    intra = IntraDimension(8, heads=2, hidden=11, axis=axis).double()
    weights = dict(switched.state_dict())
    for leaf in ("weight", "bias"):
        parts = [weights.pop(f"{part}.{leaf}") for part in "qkv"]
        weights[f"qkv.{leaf}"] = torch.cat(parts)
    intra.load_state_dict(weights)
    torch.testing.assert_close(switched(both, both).patches, intra(both).patches)
    torch.testing.assert_close(switched(both, both).cls, intra(both).cls)


def test_all_readings_have_the_same_parameters():
    shapes = [
        {name: value.shape for name, value in fusion(*kind).state_dict().items()}
        for kind in (
            (CrossAttention,),
            (SwitchedAttention,),
            (InsertedCrossAttention,),
            (AllTokenCrossAttention,),
            (AllTokenSwitchedAttention, "space"),
        )
    ]
    assert all(shape == shapes[0] for shape in shapes)
