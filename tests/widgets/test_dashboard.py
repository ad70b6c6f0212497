"""The training dashboard without a page: what it takes from a run, and how the run ends."""

import asyncio
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from csglib import TrainConfig, fit
from csglib.train.fit import predict
from csglib.widgets.dashboard import RunDashboard, TrainingDashboard

from ..small_training import bright_clips

CLIPS, WATCHED, EPOCHS = 6, 4, 5


class Brightness(nn.Module):
    """The least that can learn: one number a clip."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 2)

    def forward(self, clips):
        return self.head(clips.mean(dim=(1, 2, 3, 4))[:, None])


def clips_of(count, name):
    return bright_clips(name, count, 2)


def network():
    torch.manual_seed(0)
    return Brightness()


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr("csglib.widgets.dashboard._PAUSE", 0)
    return TrainConfig(folder=tmp_path / "run", epochs=EPOCHS, batch_size=2, lr=0.3)


@pytest.fixture
def make(config):
    """A dashboard as a new kernel makes it: the same run, the same first weights."""

    def made(**other):
        sets = clips_of(CLIPS, "a"), clips_of(WATCHED, "b")
        return TrainingDashboard(network(), *sets, replace(config, **other))

    return made


def shares_of(dashboard):
    return np.frombuffer(dashboard.shares, "<f4").reshape(-1, WATCHED)


def stop_after(dashboard, epoch):
    """Press the button while that epoch is shown, as the page does."""

    def press(change):
        if len(change["new"]) == epoch:
            dashboard._handle_custom_msg("stop", [])

    dashboard.observe(press, "records")


def awaited(run):
    """What it comes to, in a thread of its own: browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run).result()


def test_every_epoch_arrives_while_it_trains_with_its_probabilities(make, config):
    dashboard, heard, said = make(), [], []

    def ask(change):
        heard.append((len(change["new"]), dashboard.running))
        model, _, validation, _ = dashboard._what
        logits = predict(model, validation.frames)
        said.append(logits.softmax(1)[:, 1].numpy())

    dashboard.observe(ask, "records")
    records = awaited(dashboard.run())
    assert heard == [(epoch, True) for epoch in range(1, EPOCHS + 1)]
    assert dashboard.records == [{**asdict(one), "probabilities": None} for one in records]
    assert json.loads(json.dumps(dashboard.records)) == dashboard.records
    assert (dashboard.epoch, dashboard.running) == (0, False)
    shares = shares_of(dashboard)
    np.testing.assert_allclose(shares, said, atol=1e-6)
    assert np.ptp(shares, axis=0).min() > 0.01  # they move
    right = ((shares > 0.5) == clips_of(WATCHED, "b").grades).mean(axis=1)
    assert right.tolist() == [record["validation_accuracy"] for record in dashboard.records]

    (model, *sets, _), alone = dashboard._what, network()
    list(fit(alone, *sets, replace(config, folder=config.folder / "x")))
    for name, weight in alone.state_dict().items():  # to be watched changes nothing
        assert torch.equal(weight, model.state_dict()[name])


def test_stop_ends_with_the_epoch_and_run_goes_on_from_there(make):
    dashboard, undisturbed = make(), make(folder=make()._what[3].folder.with_name("other"))
    awaited(undisturbed.run())
    stop_after(dashboard, 2)
    assert len(awaited(dashboard.run())) == 2
    assert (dashboard.running, dashboard.stopping, len(dashboard.records)) == (False, False, 2)
    dashboard._handle_custom_msg("stop", [])  # too late for this run, and not for the next
    dashboard.epoch = 2  # whoever has gone back is left there
    assert len(awaited(dashboard.run())) == EPOCHS
    assert dashboard.epoch == 2
    awaited((again := make()).run())  # in a new kernel
    for shown in (dashboard, again):
        np.testing.assert_array_equal(shares_of(shown), shares_of(undisturbed))


def test_a_run_is_watched_while_another_trains_it(make, config):
    """The trainer's lock refuses no reader, and a reader leaves no trace."""
    (model, *sets, _), folder = make()._what, config.folder
    with pytest.raises(ValueError, match=r"holds no run with an epoch to show: no progress\.json"):
        RunDashboard(folder)
    epochs = fit(model, *sets, config)
    next(epochs)
    watching = RunDashboard(folder)
    files = sorted(folder.iterdir())
    assert (len(watching.records), watching.best, watching.watching) == (1, 1, True)
    assert repr(watching) == "RunDashboard(1 of 5 epochs, 4 validation clips)"
    losses = [record.validation_loss for record in itertools.islice(epochs, 2)]
    watching._handle_custom_msg("read", [])
    assert [record["validation_loss"] for record in watching.records[1:]] == losses
    shown = shares_of(watching)
    np.testing.assert_allclose(
        shown[-1], predict(model, sets[1].frames).softmax(1)[:, 1], atol=1e-6
    )
    os.utime(folder / "progress.json", (0, 0))
    watching._handle_custom_msg("read", [])
    assert watching.age > 1e9
    list(epochs)
    assert {*files} <= {*folder.iterdir()}
    assert not {path.name for path in folder.iterdir() if path.suffix == ".part"}
    whole = RunDashboard(folder)
    losses = [record["validation_loss"] for record in whole.records]
    assert whole.best == 1 + losses.index(min(losses))
    titles = [axes.get_title() for axes in whole.still().axes]
    assert titles[0] == f"5 of 5 epochs, best weights: epoch {whole.best}"


def test_a_run_of_an_older_version_has_curves_and_no_places(make, config):
    awaited(make().run())
    path = config.folder / "progress.json"
    told = json.loads(path.read_bytes())
    for record in told["records"]:
        record["probabilities"] = []
    path.write_text(json.dumps(told))
    assert np.isnan(shares_of(RunDashboard(config.folder))).all()


def test_between_epochs_others_have_their_turn(make):
    """A kernel hears the page only while its cell waits."""
    dashboard, turns = make(), []

    async def both():
        run = asyncio.create_task(dashboard.run())
        while not run.done():
            turns.append(len(dashboard.records))
            if turns[-1] == 2:
                dashboard._handle_custom_msg("stop", [])
            await asyncio.sleep(0)
        return await run

    assert len(awaited(both())) == 2
    assert {1, 2} <= set(turns)


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_an_interrupt_keeps_what_was_trained_and_lets_the_folder_go(make, error):
    dashboard = make()

    def interrupt(change):
        if len(change["new"]) == 2:
            raise error

    dashboard.observe(interrupt, "records")
    with pytest.raises(error):
        awaited(dashboard.run())
    assert (dashboard.running, len(dashboard.records)) == (False, 2)
    dashboard.unobserve(interrupt, "records")
    assert len(awaited(dashboard.run())) == EPOCHS


def test_the_baseline_is_a_constant_prediction(make):
    facts = make().facts
    assert facts["baseline"] == {"loss": pytest.approx(0.693147, abs=1e-6), "accuracy": 0.5}
    assert (facts["grades"], facts["patients"]) == ([0, 1, 0, 1], ["b0", "b1", "b2", "b3"])
    uneven = clips_of(5, "c").choose(np.array([0, 2, 4, 1]))
    dashboard = TrainingDashboard(network(), clips_of(2, "a"), uneven, make()._what[3])
    assert dashboard.facts["baseline"]["accuracy"] == 0.75


def test_more_than_two_grades_are_refused(make, config):
    four = replace(clips_of(4, "b"), grade_names=("a", "b", "c", "d"))
    with pytest.raises(ValueError, match="clips of two grades: got a, b, c, d"):
        TrainingDashboard(network(), clips_of(2, "a"), four, config)


def test_it_prints_how_far_it_is_and_a_still_of_it(make):
    dashboard = make()
    assert repr(dashboard).endswith("(0 of 5 epochs, 4 validation clips)")
    assert dashboard.still().axes[0].get_title() == "0 of 5 epochs"
    awaited(dashboard.run())
    assert repr(dashboard).startswith("TrainingDashboard(5 of 5 epochs")
    for epoch, shown in ((0, 5), (3, 3), (1, 1)):
        dashboard.epoch = epoch
        loss, clips, _ = dashboard.still().axes
        losses = [record["validation_loss"] for record in dashboard.records]
        np.testing.assert_array_equal(loss.lines[1].get_ydata(), losses)
        marks = {float(line.get_xdata()[-1]) for line in clips.lines[:-2]}
        assert marks == set(shares_of(dashboard)[shown - 1].tolist())
        assert clips.get_title().startswith(f"after epoch {shown}")
