import pytest
import torch
from torch import nn

from csglib.model.attention import Attention
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.view.capture import attention_maps

PARTS = ("space", "time", "into_space", "into_time")


@pytest.fixture(scope="module")
def network():
    return CSG3DCT(TINY).eval()


@pytest.fixture
def clip():
    return torch.randn(2, 3, 3, 32, 80, generator=torch.Generator().manual_seed(5))


def hooks(network):
    return sum(len(part._forward_hooks) for part in network.modules())


def test_looking_changes_no_bit_of_the_answer(network, clip):
    alone = network(clip)
    with attention_maps(network):
        watched = network(clip)
    assert torch.equal(alone, watched)


def test_every_attention_is_seen_by_its_name(network, clip):
    with attention_maps(network) as maps:
        network(clip)
    assert set(maps) == {f"blocks.{b}.{part}.attention" for b in range(5) for part in PARTS}
    sizes = [tuple(maps[f"blocks.4.{part}.attention"].shape) for part in PARTS]
    # 2 clips, 3 frames, 2 x 5 patches; 4 heads
    assert sizes == [(6, 4, 11, 11), (20, 4, 4, 4), (2, 4, 1, 30), (2, 4, 1, 30)]


def test_each_row_of_a_map_sums_to_one(network, clip):
    with attention_maps(network) as maps:
        network(clip)
    for weights in maps.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_a_map_is_the_softmax_of_what_went_in(network, clip):
    seen = {}
    watched = network.blocks[3].time.attention
    before = watched.register_forward_pre_hook(lambda part, given: seen.update(given=given))
    with attention_maps(network.blocks[3]) as maps:
        network(clip)
    before.remove()
    query, key, value = (part.double() for part in seen["given"][:3])
    scores = torch.einsum("ghie,ghje->ghij", query, key) / 16**0.5  # a head is 16 wide
    shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(maps["time.attention"].double(), shares, rtol=1e-5, atol=1e-7)
    mixed = watched(*seen["given"]).double()
    torch.testing.assert_close(
        torch.einsum("ghij,ghje->ghie", shares, value), mixed, atol=1e-6, rtol=1e-4
    )


def test_maps_hang_on_no_gradient(network, clip):
    with attention_maps(network) as maps:
        network(clip).sum().backward()
    assert not any(weights.requires_grad for weights in maps.values())
    network.zero_grad(set_to_none=True)


def test_nothing_is_left_behind_even_by_an_error(network, clip):
    before = hooks(network)
    with attention_maps(network):
        assert hooks(network) == before + 20
        network(clip)
    assert hooks(network) == before
    with pytest.raises(ValueError, match="multiples of 16"), attention_maps(network):
        network(clip[..., 1:])
    assert hooks(network) == before


def test_only_what_is_kept_is_stored():
    query = torch.randn(2, 3, 5, 7)
    attention = nn.Sequential(Attention())
    with attention_maps(attention, keep=lambda weights: weights.amax(-1)) as maps:
        attention[0](query, query, query)
        attention[0](-query, query, query)  # the last run counts
    torch.testing.assert_close(maps["0"], Attention.weights(-query, query).amax(-1))
