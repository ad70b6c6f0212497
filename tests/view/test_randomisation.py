"""A map that ignores the weights keeps its correlation; one that reads them loses it."""

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from scipy.stats import spearmanr
from torch import nn

from csglib.view.controls import class_token_map
from csglib.view.randomisation import REST, cascading_randomisation

from .conftest import sample

TINY_STAGES = [
    *("head", "convs.3", "blocks.4", "convs.2", "blocks.3", "convs.1", "blocks.2", "convs.0"),
    *("blocks.1", "local", "blocks.0", "embed", "stem"),
]


@pytest.fixture(scope="module")
def clip():
    return sample("severe_concentric_type_IV")


def edges(network, clip):
    grey = clip.frames.astype(float)
    steep = np.hypot(sobel(grey, axis=1), sobel(grey, axis=2))
    return steep.reshape(8, 4, 16, 4, 16).mean(axis=(2, 4))


class Plain(nn.Module):
    """A map of its own making; one weight belongs to no part, another to a part that never runs."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU())
        self.narrow = nn.Linear(40, 2)
        self.idle = nn.Linear(2, 2)
        self.mine = nn.Parameter(torch.rand(4, 4))

    def forward(self, clips):
        return self.narrow(self.wide(clips.mean(dim=(2, 3, 4)))) + self.idle.bias


def test_a_detector_of_edges_is_found_out(clip, opinionated_network):
    found = cascading_randomisation(edges, opinionated_network, [clip])
    assert list(found) == TINY_STAGES
    assert list(found.values()) == pytest.approx([1] * len(TINY_STAGES), abs=1e-12)


def test_attention_of_the_class_token_reads_the_weights(clip, opinionated_network):
    found = cascading_randomisation(class_token_map("into_time"), opinionated_network, [clip])
    assert found["head"] == pytest.approx(1)  # nothing reads the head but the answer
    assert max(abs(found[stage]) for stage in ("blocks.0", "embed", "stem")) < 0.7
    assert abs(found["blocks.0"]) < found["convs.3"] <= 1


def test_stages_cascade_and_each_tensor_keeps_its_entries(clip):
    """The map of a stage is made with all stages before it shuffled, and no other."""
    network, states = Plain(), []

    def method(copied, clip):
        states.append({name: weights.clone() for name, weights in copied.named_parameters()})
        return copied.mine.detach().expand(8, 4, 4)

    found = {
        stage: values[0]
        for stage, values in cascading_randomisation(method, network, [clip]).items()
    }
    assert list(found) == ["narrow", "wide.2", "wide.0", REST]
    names = [{"narrow.weight"}, {"wide.2.weight"}, {"wide.0.weight"}, {"mine", "idle.weight"}]
    shuffled = set()
    for state, stage in zip(states, [set(), *names], strict=True):
        shuffled |= stage
        changed = {name for name in state if not torch.equal(state[name], states[0][name])}
        assert {name for name in changed if not name.endswith("bias")} == shuffled
        for name, weights in state.items():
            assert torch.equal(weights.flatten().sort()[0], states[0][name].flatten().sort()[0])
    assert [found[stage] for stage in ("narrow", "wide.2", "wide.0")] == pytest.approx([1] * 3)
    ends = [states[place]["mine"].detach().numpy().ravel() for place in (0, -1)]
    rows = [{*map(tuple, states[place]["mine"].tolist())} for place in (0, -1)]
    assert not rows[0] & rows[1], "entries are shuffled, not rows"
    expected = spearmanr(*ends).statistic
    assert found[REST] == pytest.approx(expected) != pytest.approx(1)
    assert cascading_randomisation(method, network, [clip]) == found
    assert cascading_randomisation(method, network, [clip], seed=1) != found


def test_each_clip_is_compared_with_its_own_map():
    """The first map reads the weights, the second does not, the third is uniform: no order."""
    clips, steps = [sample("mild_type_I") for _ in range(3)], np.arange(16.0).reshape(4, 4)

    def method(network, clip):
        kinds = (network.mine.detach().numpy(), steps, np.ones((4, 4)))
        return kinds[[each is clip for each in clips].index(True)] * np.ones((8, 1, 1))

    found = cascading_randomisation(method, Plain(), clips)
    np.testing.assert_allclose(found["narrow"], [1, 1, np.nan])
    assert found[REST][0] < 0.9
    np.testing.assert_allclose(found[REST][1:], [1, np.nan])
    with pytest.raises(ValueError, match="one clip or more: got none"):
        cascading_randomisation(method, Plain(), [])
