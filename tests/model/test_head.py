import pytest
import torch

from csglib.model.head import JoinedHead, TwoHeads


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_joined_head_reads_the_pooled_volume_and_the_mean_class_token(tokens):
    head = JoinedHead(channels=11, dim=7, classes=5).double()
    volume = torch.randn(2, 11, 3, 4, 6, dtype=torch.float64)
    cls = torch.randn(2, tokens, 7, dtype=torch.float64)
    local = head.project(volume.flatten(2).mean(2))
    whole = torch.stack([head.norm(cls[:, k]) for k in range(tokens)]).sum(0) / tokens
    expected = head.classify(torch.cat([local, whole], dim=1))
    torch.testing.assert_close(head(volume, cls), expected[None])


@pytest.mark.parametrize("tokens", [1, 3])
def test_two_heads_read_one_feature_each(tokens):
    head = TwoHeads(channels=11, dim=7, classes=5).double()
    volume = torch.randn(2, 11, 3, 4, 6, dtype=torch.float64)
    cls = torch.randn(2, tokens, 7, dtype=torch.float64)
    whole = torch.stack([head.norm(cls[:, k]) for k in range(tokens)]).sum(0) / tokens
    local, everywhere = head(volume, cls)
    torch.testing.assert_close(local, head.classify_local(volume.flatten(2).mean(2)))
    torch.testing.assert_close(everywhere, head.classify_global(whole))
