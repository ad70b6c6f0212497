import numpy as np
import pytest
import torch

from csglib.table1.budget import BUDGETS
from csglib.train.config import TrainConfig


def rates(config, steps):
    return [
        rate
        for epoch in range(1, config.epochs + 1)
        for rate in config.learning_rates(epoch, steps)
    ]


def test_the_paper_s_rate_stays(tmp_path):
    assert set(rates(TrainConfig(folder=tmp_path), 80)) == {1e-4}


def test_one_cycle_is_what_torch_calls_so(tmp_path):
    config = TrainConfig(folder=tmp_path, epochs=10, lr=0.3, schedule="one_cycle")
    weight = torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=0.3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(adam, 0.3, total_steps=2000, final_div_factor=1e9)
    wanted = []
    for _ in range(2000):
        wanted.append(theirs.get_last_lr()[0])
        adam.step()
        theirs.step()
    assert np.abs(np.array(rates(config, 200)) - wanted).max() < 0.002 * 0.3


def test_one_cycle_rises_once_and_comes_to_rest(tmp_path):
    found = np.array(
        rates(TrainConfig(folder=tmp_path, epochs=4, lr=1.0, schedule="one_cycle"), 50)
    )
    assert found[0] == pytest.approx(0.04)
    assert found.argmax() == 60
    assert found.max() == 1.0
    assert (np.diff(found[:61]) > 0).all()
    assert (np.diff(found[60:]) < 0).all()
    assert 0 <= found[-1] < 1e-3


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"weight_decay": -1.0}]
)
def test_a_plan_that_cannot_be(tmp_path, wrong):
    with pytest.raises(ValueError, match="epochs >= 1"):
        TrainConfig(folder=tmp_path, **wrong)


def test_a_budget_plans_with_all_it_says(tmp_path):
    budget = BUDGETS["laptop"]
    config = budget.config(tmp_path, seed=3)
    shared = vars(config).keys() & vars(budget).keys()
    assert shared == {"epochs", "batch_size", "lr", "precision", "schedule", "augment"}
    assert all(getattr(config, name) == getattr(budget, name) for name in shared)
    assert (config.folder, config.seed) == (tmp_path, 3)
