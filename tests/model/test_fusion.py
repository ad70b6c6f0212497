import pytest
import torch
from torch import nn

from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.tokens import VideoTokens

FUSIONS = [CrossAttention, SwitchedAttention]


def tokens(frames=3, patches=5, dim=8):
    cls = torch.randn(2, 1, dim, dtype=torch.float64)
    return VideoTokens(cls, torch.randn(2, frames, patches, dim, dtype=torch.float64))


def fusion(kind):
    return kind(8, heads=2, hidden=11).double()


def attended(own, query, key, value):
    """The same product by torch's own layer."""
    other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    projections = (own.q, own.k, own.v)
    other.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in projections]))
    other.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in projections]))
    other.out_proj.weight, other.out_proj.bias = own.proj.weight, own.proj.bias
    return other(own.norm(query), own.norm(key), own.norm(value))[0]


def test_cross_attention_asks_the_complement_with_ones_own_class_token():
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    context = complement.patches.flatten(1, 2)
    cls = target.cls + attended(own, target.cls, context, context)
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_switched_attention_lays_the_others_map_over_ones_own_values():
    own, target, complement = fusion(SwitchedAttention), tokens(), tokens()
    learned = attended(
        own, complement.cls, complement.patches.flatten(1, 2), target.patches.flatten(1, 2)
    )
    cls = target.cls + learned
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_it_is_one_row_of_the_attention_in_which_all_tokens_ask():
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    context = complement.patches.flatten(1, 2)
    everyone = torch.cat([target.cls, target.patches.flatten(1, 2)], dim=1)
    row = attended(own, everyone, context, context)[:, :1]
    cls = target.cls + row
    torch.testing.assert_close(own(target, complement).cls, cls + own.ffn(cls))


def test_switched_and_cross_agree_when_both_branches_hold_the_same():
    crossed, switched = fusion(CrossAttention), fusion(SwitchedAttention)
    switched.load_state_dict(crossed.state_dict())
    both = tokens()
    torch.testing.assert_close(crossed(both, both).cls, switched(both, both).cls, rtol=0, atol=0)


@pytest.mark.parametrize("kind", FUSIONS)
def test_patches_pass_through_the_ffn_alone(kind):
    own, target, complement = fusion(kind), tokens(), tokens()
    answer = own(target, complement).patches
    torch.testing.assert_close(answer, target.patches + own.ffn(target.patches), rtol=0, atol=0)


def test_what_is_asked_does_not_depend_on_who_asks():
    """The paper's difference from CrossViT: the asking token is not among the keys."""
    own, target, complement = fusion(CrossAttention), tokens(), tokens()
    maps = []
    own.attention.register_forward_hook(lambda _, parts, __: maps.append(parts[1:]))
    own(target, complement)
    own(VideoTokens(target.cls + 1.0, target.patches), complement)
    assert all(torch.equal(*parts) for parts in zip(*maps, strict=True))


@pytest.mark.parametrize("kind", FUSIONS)
def test_a_still_clip_is_as_good_as_one_of_its_frames(kind):
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
