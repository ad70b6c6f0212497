"""Functions plugged into TINY: what they change in logits and gradients is found and named."""

import pytest
import torch

from csgcourse import check
from csgcourse.building import agreement, plugged
from csgcourse.chapter_03 import intra_forward
from csgcourse.exercise import exercises_of
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.tokens import VideoTokens


@pytest.fixture(scope="module")
def model():
    return CSG3DCT(TINY)


def test_the_network_built_of_functions_alone_gives_the_library_s_logits_and_gradients(model):
    exercises = [exercise for chapter in range(3, 7) for exercise in exercises_of(chapter)]
    functions = {exercise.number: exercise.reference for exercise in exercises if exercise.part}
    assert functions.keys() >= {"3.4", "4.5", "5.3", "6.1", "6.2", "6.4"}
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    same = agreement(model, plugged(model, functions))
    assert same == (
        "logits agree within 1e-06, and so do the gradients of all 422 parameters within 1e-05"
    )
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())


def wrong_by(change):
    def forward(block, cls, patches, axis):
        return change(*intra_forward(block, cls, patches, axis))

    return forward


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda cls, patches: (cls * 1.01, patches), "the logits differ by up to 0.0"),
        (lambda cls, patches: (cls, patches / 0), "the logits differ by up to nan"),
        (lambda cls, patches: (cls, patches.detach()), "the logits agree, but gradients of 3"),
    ],
)
def test_what_differs_is_said(model, change, words):
    assert agreement(model, plugged(model, {"3.4": wrong_by(change)})).startswith(words)


def test_what_is_right_alone_is_tried_in_the_network():
    def in_small_blocks_only(block, cls, patches, axis):
        cls, patches = intra_forward(block, cls, patches, axis)
        return cls, patches.detach() if patches.shape[3] == 64 else patches

    def the_block_itself(block, cls, patches, axis):
        after = block(VideoTokens(cls, patches))
        return after.cls, after.patches

    alone = "alone the function is right, but plugged into TINY, "
    for function, words in {
        in_small_blocks_only: "the logits agree, but gradients of",
        the_block_itself: "it calls itself: it asks the library's module for the forward that it",
    }.items():
        verdict = check("3.4", function)
        assert not verdict.passed
        assert f"{alone}{words}" in verdict.message


def test_what_cannot_be_plugged_in_is_refused(model):
    with pytest.raises(ValueError, match=r"exercise 3.1 is no module's forward"):
        plugged(model, {"3.1": intra_forward})
    with pytest.raises(ValueError, match=r"exercise 3.4 is IntraDimension's forward: there is no"):
        plugged(model.head, {"3.4": intra_forward})
