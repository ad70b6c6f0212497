import math

import numpy as np
import pytest
import torch

from csglib.data.cohort import ClipSet
from csglib.table1.report import pooled, right
from csglib.train.predictions import Predictions


@pytest.fixture
def said():
    clips = ClipSet(
        frames=np.zeros((4, 2, 8, 8), np.uint8),
        grades=np.array([0, 1, 1, 0]),
        patients=("a", "a", 'b, "the second"', "c"),
    )
    return Predictions.of(torch.tensor([[0.0, math.log(3)], [2, 1], [1, 1.5], [1, 0]]), clips)


def test_there_and_back(said, tmp_path):
    said.write(tmp_path / "said.csv")
    again = Predictions.read(tmp_path / "said.csv")
    assert (again.patients, again.names) == (said.patients, said.names)
    assert np.array_equal(again.grades, said.grades)
    np.testing.assert_allclose(again.probabilities, said.probabilities, atol=5e-7)
    head, first, *_ = (tmp_path / "said.csv").read_text().splitlines()
    assert (head, first) == ("clip,patient,grade,p_mild,p_severe", "0,a,mild,0.250000,0.750000")


def test_what_is_right(said):
    assert right(said).tolist() == [False, False, True, True]
    assert said.scores().accuracy.value == right(said).mean()


def test_pooled_runs_are_each_clip_once_more(said):
    both = pooled([said, said])
    assert both.patients == tuple(f"{seed} {name}" for seed in (0, 1) for name in said.patients)
    assert both.scores().accuracy.value == said.scores().accuracy.value


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "patient,grade,p_mild\na,huge,1\n"])
def test_what_is_no_table(tmp_path, text):
    with pytest.raises(ValueError, match="there is no such file"):
        Predictions.read(tmp_path / "said.csv")
    (tmp_path / "said.csv").write_text(text)
    with pytest.raises(ValueError, match=r"said\.csv is no table of predictions"):
        Predictions.read(tmp_path / "said.csv")
