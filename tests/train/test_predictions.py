from dataclasses import replace

import numpy as np
import pytest
import torch

from csglib.data.cohort import ClipSet
from csglib.train.predictions import Predictions, pooled


@pytest.fixture
def said():
    clips = ClipSet(
        frames=np.zeros((4, 2, 8, 8), np.uint8),
        grades=np.array([0, 1, 1, 0]),
        patients=("a", "a", 'b, "the second"', "c"),
    )
    torch.manual_seed(0)
    return Predictions.of(torch.randn(4, 2), clips)


def test_there_and_back(said, tmp_path):
    said.write(tmp_path / "said.csv")
    again = Predictions.read(tmp_path / "said.csv")
    assert (again.patients, again.names) == (said.patients, said.names)
    assert np.array_equal(again.grades, said.grades)
    np.testing.assert_allclose(again.probabilities, said.probabilities, atol=5e-7)
    first = (tmp_path / "said.csv").read_text().splitlines()[0]
    assert first == "clip,patient,grade,p_mild,p_severe"


def test_probabilities_are_the_softmax():
    clips = ClipSet(frames=np.zeros((1, 1, 8, 8), np.uint8), grades=np.array([1]), patients=("a",))
    said = Predictions.of(torch.tensor([[0.0, np.log(3.0)]]), clips)
    np.testing.assert_allclose(said.probabilities, [[0.25, 0.75]], rtol=1e-6)


def test_what_is_right(said):
    answers = said.answers()
    assert np.array_equal(answers.right, said.probabilities.argmax(1) == said.grades)
    assert answers.patients == said.patients
    assert said.scores().accuracy.value == answers.right.mean()


def test_pooled_runs_are_each_clip_once_more(said):
    both = pooled([said, said])
    assert both.patients == said.patients * 2
    assert both.scores().accuracy.value == said.scores().accuracy.value
    for other in (
        replace(said, grades=1 - said.grades),
        replace(said, patients=said.patients[::-1]),
    ):
        with pytest.raises(ValueError, match="the same clips in the same order"):
            pooled([said, other])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "patient,grade,p_mild\na,huge,1\n"])
def test_what_is_no_table(tmp_path, text):
    with pytest.raises(ValueError, match="there is no such file"):
        Predictions.read(tmp_path / "said.csv")
    (tmp_path / "said.csv").write_text(text)
    with pytest.raises(ValueError, match=r"said\.csv is no table of predictions"):
        Predictions.read(tmp_path / "said.csv")
