import torch

from csglib.model import AMDFBlock, CrossAttention, IntraDimension, LearnableWeighting, VideoTokens


def test_both_branches_learn_from_what_the_other_was_before():
    """Written out step by step: neither direction of the fusion sees the other's result."""
    fusions = [CrossAttention(8, heads=2, hidden=11) for _ in range(2)]
    branches = [IntraDimension(8, heads=2, hidden=11, axis=axis) for axis in ("space", "time")]
    block = AMDFBlock(*branches, *fusions, LearnableWeighting())
    block.weigh.theta.data.fill_(1.0)
    tokens = VideoTokens(torch.randn(2, 1, 8), torch.randn(2, 3, 5, 8))
    space, time = (branch(tokens) for branch in branches)
    fused_space, fused_time = fusions[0](space, time), fusions[1](time, space)
    share = torch.tensor(1.0).sigmoid()
    answer = block(tokens)
    for name in ("cls", "patches"):
        one, other = getattr(fused_space, name), getattr(fused_time, name)
        torch.testing.assert_close(getattr(answer, name), share * one + (1 - share) * other)
