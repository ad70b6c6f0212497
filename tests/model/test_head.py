import pytest
import torch

from csglib.model.head import JoinedHead, TwoHeads


@pytest.mark.parametrize("tokens", [1, 3])
def test_heads_read_the_pooled_volume_and_the_mean_class_token(tokens):
    volume = torch.randn(2, 11, 3, 4, 6, dtype=torch.float64)
    cls = torch.randn(2, tokens, 7, dtype=torch.float64)
    pooled = volume.flatten(2).mean(2)
    joined, two = (kind(channels=11, dim=7, classes=5).double() for kind in (JoinedHead, TwoHeads))
    both = torch.cat([joined.project(pooled), joined.norm(cls).mean(1)], dim=1)
    torch.testing.assert_close(joined(volume, cls), joined.classify(both)[None])
    local, everywhere = two(volume, cls)
    torch.testing.assert_close(local, two.classify_local(pooled))
    torch.testing.assert_close(everywhere, two.classify_global(two.norm(cls).mean(1)))
