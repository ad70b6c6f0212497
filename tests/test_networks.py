import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from csglib.train.networks import NETWORKS, build_network
from csglib.train.step import head_logits

# At 400 classes: published, or, of TPN, counted by its authors' own code. See each module.
PUBLISHED = {
    "i3d": 28_043_472,
    "nl_i3d": 35_397_840,
    "slowfast": 34_566_488,
    "tpn": 91_498_336,
    "uniformer": 21_400_400,
    "uniformer_b": 49_810_000,
}
OURS = {
    "timesformer": 121_306_370,
    "vivit": 87_025_922,
    "mtv": 261_365_378,
    "csg3dct": 62_931_854,
    "base": 41_573_762,
}


def count(name, classes):
    with torch.device("meta"):
        network = build_network(name, classes)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_large_as_published(name):
    assert round(count(name, 400) / 1e6, 2) == round(PUBLISHED[name] / 1e6, 2)


def test_tpn_has_every_parameter_of_its_authors_code():
    assert count("tpn", 400) == PUBLISHED["tpn"]


@pytest.mark.parametrize("name", OURS)
def test_as_large_as_counted_elsewhere(name):
    assert count(name, 2) == OURS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_contract(name):
    """What every network of Table 1 must do, whoever wrote it."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = build_network(name, classes=3, frames=8, size=32)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    clips, grades = torch.randn(4, 3, 8, 32, 32), torch.tensor([0, 2, 1, 0])
    rate = 1e-3 if name == "tiny" else 3e-4  # a hundred times smaller
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    for _ in range(6):
        logits = head_logits(network, clips)
        assert logits.shape[1:] == (4, 3)
        loss = F.cross_entropy(logits.flatten(0, 1), grades.repeat(len(logits)))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * math.log(3), losses
    idle = [name for name, value in network.named_parameters() if torch.equal(before[name], value)]
    assert idle == []
    network.eval()
    twin = build_network(name, classes=3, frames=8, size=32).eval()
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        logits = network(clips)
        assert torch.equal(logits, twin(clips))
        torch.testing.assert_close(network(clips[:1]), logits[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_16_frames_too(name):
    network = build_network(name, frames=16, size=32).eval()
    with torch.no_grad():
        logits = network(torch.randn(1, 3, 16, 32, 32))
    assert logits.shape == (1, 2)
    assert logits.isfinite().all()


def test_kernels_lie_as_the_clips_do():
    """Channels last: 28 times faster for a pointwise convolution on some machines."""
    network = build_network("slowfast", size=32)
    kernels = [value for value in network.parameters() if value.ndim == 5]
    assert all(k.is_contiguous(memory_format=torch.channels_last_3d) for k in kernels)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_frame_counts(name):
    """No network here forgets a part of the clip: not even the slow pathway's pace hides one."""
    torch.manual_seed(1)
    network = build_network(name, size=32).eval()
    for value in network.parameters():
        if not value.any():  # a last layer that begins at zero hears nothing yet
            torch.nn.init.normal_(value, std=0.1)
    clip = torch.randn(1, 3, 8, 32, 32, requires_grad=True)
    network(clip)[0, 0].backward()
    assert (clip.grad.abs().amax(dim=(0, 1, 3, 4)) > 0).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "c3d"}, "no network is called 'c3d'; there are i3d, slowfast"),
        ({"name": "i3d", "classes": 1}, "2 classes or more"),
        ({"name": "i3d", "frames": 7}, "8 or 16 frames.*frames=7"),
        ({"name": "i3d", "size": 250}, "multiple of 32.*size=250"),
    ],
)
def test_what_cannot_be_built(asked, message):
    with pytest.raises(ValueError, match=message):
        build_network(**asked)
