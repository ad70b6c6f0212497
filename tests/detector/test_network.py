import numpy as np
import pytest
import torch
from torch import nn

from csglib.detect.network import SIDE, STRIDE, Detector, decode, logits, numbers_of, places

BOXES = torch.tensor([[10.0, 22.0, 60.0, 95.0], [118.0, 40.0, 250.0, 130.0]])


def answers_for(boxes, evidence=12.0):
    """What a network would say that knows these boxes."""
    answers = torch.zeros(len(boxes), 5, SIDE // STRIDE, SIDE // STRIDE)
    answers[:, 1:] = numbers_of(boxes, places(answers))
    for answer, box in zip(answers, boxes, strict=True):
        x, y = ((box[:2] + box[2:]) / 2 / STRIDE).int()
        answer[0, y, x] = evidence
    return answers


def test_decoding_undoes_the_numbers_of_boxes():
    boxes, scores = decode(answers_for(BOXES))
    torch.testing.assert_close(boxes, BOXES)
    assert scores.min() > 0.99


def test_every_place_says_the_same_box():
    answers = answers_for(BOXES)
    answers[:, 0] = 0
    for row, column in ((0, 0), (31, 2), (7, 19)):
        answers[:, 0, row, column] = 20
        torch.testing.assert_close(decode(answers)[0], BOXES, atol=1e-3, rtol=0)
        answers[:, 0, row, column] = 0


def test_places_compete_with_nowhere():
    """With equal evidence e at k places apart, each has the chance exp(e) / (1 + ... )."""
    answers = torch.full((1, 5, 4, 6), -30.0)
    answers[:, 1:] = 0
    answers[0, 0, 0, 0] = answers[0, 0, 3, 5] = np.log(2)
    np.testing.assert_allclose(decode(answers)[1], 2 / (1 + 2 + 2), rtol=1e-5)
    answers[0, 0, 0, 1] = np.log(0.5)  # beside the first: the same vessel
    np.testing.assert_allclose(decode(answers)[1], 2.5 / (1 + 2 + 2 + 0.5), rtol=1e-5)
    assert logits(answers).shape == (1, 1 + 4 * 6)


def test_nothing_speaks_for_any_place_at_first():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        answers = Detector(4)(torch.rand(2, 1, 64, 96))
    assert answers.shape == (2, 5, 8, 12)
    assert answers.abs().max() < 2


@pytest.mark.parametrize("change", [lambda it: it, lambda it: it.flip(0)])
def test_a_picture_is_judged_without_its_neighbours(change):
    network = Detector(4).eval()
    pictures = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        alone = torch.cat([network(picture[None]) for picture in pictures])
        torch.testing.assert_close(change(network(change(pictures))), alone, atol=1e-4, rtol=1e-4)


def test_every_parameter_learns():
    network: nn.Module = Detector(4)
    network(torch.rand(2, 1, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
