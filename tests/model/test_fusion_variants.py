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


def test_crossvits_token_stands_among_the_keys():
    own, target, complement = fusion(InsertedCrossAttention), tokens(), tokens()
    context = torch.cat([target.cls, complement.patches.flatten(1, 2)], dim=1)
    cls = target.cls + attended(own, target.cls, context, context)
    answer = own(target, complement)
    torch.testing.assert_close(answer.cls, cls + own.ffn(cls))
    torch.testing.assert_close(answer.patches, target.patches + own.ffn(target.patches))


def test_inserted_it_answers_part_of_its_own_question():
    """The dependency the paper argues against: the keys change with who asks."""
    own, target, complement = fusion(InsertedCrossAttention), tokens(), tokens()
    asked = [
        own.query_key_value(VideoTokens(cls, target.patches), complement)[1]
        for cls in (target.cls, target.cls.flip(-1))
    ]
    assert not torch.equal(*asked)
    assert torch.equal(asked[0][:, 1:], asked[1][:, 1:])


def test_dyadformers_tokens_all_ask_the_whole_complement():
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
def test_when_both_branches_hold_the_same_the_switch_is_intra_dimension_attention(axis):
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
