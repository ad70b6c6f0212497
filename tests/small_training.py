"""What trains fast: a network and clips; apart from those of Table 1, which import for seconds."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from csglib.data.cohort import ClipSet
from csglib.train.step import HeadLogits


class Small(nn.Module):
    """The smallest network with norms over the batch; takes clips of any length."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(3, 5, 1), nn.BatchNorm3d(5)
        self.classify = nn.Linear(5, 2)

    def forward(self, clip):
        return self.classify(self.norm(self.conv(clip)).relu().mean((2, 3, 4)))


def bright_clips(who, count, frames=3, size=16):
    """Noise, brighter where it is severe; each clip is of another patient."""
    grades = np.arange(count) % 2
    grey = np.random.default_rng(count + ord(who[0])).integers(0, 100, (count, frames, size, size))
    grey[grades == 1] += 90
    patients = tuple(f"{who}{place}" for place in range(count))
    return ClipSet(frames=grey.astype(np.uint8), grades=grades, patients=patients)


def assert_contract(build, clips, grades, enough=math.inf, idle=()):
    """Of every network: all parameters learn, they are all there is, and clips stay apart."""
    torch.manual_seed(0)
    network, losses = build(), []
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    # Branches that start at zero get their first gradient in the third step
    while len(losses) < 3 or (len(losses) < 15 and min(losses) >= enough):
        logits = HeadLogits(network)(clips)
        loss = F.cross_entropy(logits.flatten(0, 1), grades.repeat(len(logits)))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert min(losses) < enough, losses
    same = [name for name, value in network.named_parameters() if torch.equal(before[name], value)]
    assert same == [*idle]
    network.eval()
    twin = build().eval()
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        logits = network(clips)
        assert torch.equal(logits, twin(clips))
        torch.testing.assert_close(network(clips[:1]), logits[:1], rtol=1e-4, atol=1e-5)
    return network
