"""Attention rollout: how much of each patch is in the class token that the head reads.

Source: not in the paper. Abnar and Zuidema 2020: after a block a token is half what it was, half
the mean of the tokens it attended to, all heads alike; and so from block to block. For the one
attention of CSG-3DCT-Base this is their method as it stands. For AMDF it is our extension, by the
same rule wherever the block takes a mean of tokens:

- along space and along time: half and half, and class tokens have the mean of their copies' maps;
- in the fusion: half the target's token, half what the fusion's map mixes: values of the complement
  in CA, of the target itself in SWA;
- in the weighted sum: the gate that was learned.

It leaves out the size of values and whether they cancel, FFNs and projections, and what the CNN
brings to each patch from its surroundings. So it says where attention can have carried something
from, not what the prediction came from; and a part that adds nothing, as time and fusion of `WARM`
before training, counts like any other.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from csglib.data.clips import Clip
from csglib.model.amdf import AMDFBlock
from csglib.model.csg3dct import CSG3DCT
from csglib.model.fusion import CrossAttention, InterDimension
from csglib.model.fusion_variants import (
    AllTokenCrossAttention,
    AllTokens,
    AllTokenSwitchedAttention,
    InsertedCrossAttention,
)
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens, fold, unfold
from csglib.view.capture import QueryKeys, batch_of, evaluating, query_keys

Record = dict[nn.Module, QueryKeys]


def rollout(network: nn.Module, clip: Clip) -> Float[Tensor, "t rows columns"]:
    """How much of each patch is in the class token that the head reads.

    Args:
        network: anything made by `CSG3DCT`; keeps its mode. In other networks convolutions, pooling
            or several views stand between the maps.
        clip: height and width multiples of a patch.

    Returns:
        Fractions, 0 to 1. What their sum lacks of 1 is the class token that each clip starts with.

    Raises:
        ValueError: another network, or one that has learned a gate beyond 0 to 1, as "raw"
            weighting may: such a sum is no mean.
    """
    if not isinstance(network, CSG3DCT):
        raise ValueError(f"rollout follows a CSG3DCT's attention: got {type(network).__name__}")
    with evaluating(network), torch.no_grad(), query_keys(network) as seen:
        _, tokens = network.forward_features(batch_of(network, clip))
    record = {network.get_submodule(name): found for name, found in seen.items()}
    # With its maps held fixed, a block of means is linear. So numbers may pass through it in place
    # of tokens, and the share of a first token in the last class token is a derivative.
    with torch.enable_grad():
        first = tokens.map(lambda part: torch.zeros_like(part[..., :1].float()).requires_grad_())
        last = first
        for block in network.blocks:
            last = _mixed(block, last, record)
        (shares,) = torch.autograd.grad(last.cls.mean(), first.patches)
    rows = clip.frames.shape[1] // network.config.patch
    return rearrange(shares.cpu(), "1 t (rows columns) 1 -> t rows columns", rows=rows)


def _mixed(block: nn.Module, tokens: VideoTokens, record: Record) -> VideoTokens:
    """What a block makes of tokens if it does nothing but take means."""
    if isinstance(block, IntraDimension):
        return _along_axis(block, tokens, record)
    assert isinstance(block, AMDFBlock), "a network is built of no others"
    space, time = (_along_axis(branch, tokens, record) for branch in (block.space, block.time))
    gate = block.weigh.gate().item()
    if not 0 <= gate <= 1:
        weights = f"space by {gate:.3f} and time by {1 - gate:.3f}"
        raise ValueError(f"rollout follows means of tokens, and this network weighs {weights}")
    return block.weigh(
        _fused(block.into_space, space, time, record), _fused(block.into_time, time, space, record)
    )


def _along_axis(branch: IntraDimension, tokens: VideoTokens, record: Record) -> VideoTokens:
    taken = _map(branch.attention, record) @ fold(tokens, branch.axis)
    return _half(tokens, unfold(taken, branch.axis, like=tokens))


def _fused(
    fusion: InterDimension, target: VideoTokens, complement: VideoTokens, record: Record
) -> VideoTokens:
    taken = _map(fusion.attention, record) @ _values(fusion, target, complement)
    if isinstance(fusion, AllTokens):
        return _half(target, unfold(taken, fusion.axis, like=target))
    return _half(target, VideoTokens(taken, target.patches))


def _map(attention: nn.Module, record: Record) -> Float[Tensor, "g i j"]:
    return record[attention].weights().float().mean(dim=1)  # over heads


def _values(
    fusion: InterDimension, target: VideoTokens, complement: VideoTokens
) -> Float[Tensor, "g j 1"]:
    """Whose values a fusion mixes, as in its own forward pass."""
    match fusion:
        case AllTokenCrossAttention():
            return fold(complement, fusion.axis)
        case AllTokenSwitchedAttention():
            return fold(target, fusion.axis)
        case InsertedCrossAttention():
            return torch.cat([target.cls, complement.flat], dim=1)
        case CrossAttention():
            return complement.flat
        case _:  # switched attention of class tokens
            return target.flat


def _half(before: VideoTokens, taken: VideoTokens) -> VideoTokens:
    return (before + taken).map(lambda sums: sums / 2)
