"""The model card states what the files state, asks people for the rest, and hides no limit."""

import json
import shutil

import numpy as np
import pytest

from csglib import TrainConfig
from csglib.data.cohort import read_cohort
from csglib.doctor import QUESTIONS, CohortSettings, deidentify, examine, model_card
from csglib.train.experiment import TEST, Experiment
from csglib.train.predictions import Predictions

from .conftest import Exports


@pytest.fixture(scope="module")
def work(tmp_path_factory, cohort):
    """A cohort of people, and a network trained on it for one epoch."""
    work = tmp_path_factory.mktemp("work")
    exports = Exports(work / "exports", cohort)
    for number in range(12):
        scale = None if number < 3 else 0.1 * (1 + number % 2)
        exports.save(f"p{number // 2}/{number}.npz", cohort[number], "Jane Doe", scale)
    deidentify(examine(exports.write(), CohortSettings(size=32), workers=1), work / "cohort")
    config = TrainConfig(folder=work / "run", epochs=1, batch_size=8)
    list(Experiment(network="tiny", size=32).run(read_cohort(work / "cohort"), config))
    return work


@pytest.fixture(scope="module")
def splits(work):
    return read_cohort(work / "cohort")


def card(work, test, severe, **answers):
    """The card, if the network had predicted these probabilities of severe for the test set."""
    Predictions(
        probabilities=np.stack([1 - np.array(severe), severe], axis=1),
        grades=test.grades,
        patients=test.patients,
        names=test.grade_names,
    ).write(work / "run" / TEST)
    return model_card(work / "run", work / "cohort", answers)


def test_it_counts_clips_patients_and_predictions(work, splits):
    test = splits["test"]
    text = card(work, test, test.grades * 0.8 + 0.1)
    for name, clips in splits.items():
        mild, severe = np.bincount(clips.grades)
        assert f"| {name} | {len(clips)} | {len({*clips.patients})} | {mild} | {severe} |" in text
    mild, severe = np.bincount(test.grades)
    assert f"| mild | {mild} | 0 |" in text
    assert f"| severe | 0 | {severe} |" in text
    assert "| accuracy | 1.000 | 1.000 to 1.000 |" in text
    assert "1 epochs, batch size 8, learning rate" in text
    assert "Its confidence is off by 10 points" in text
    assert f"| mild | 0 | {mild} |" in card(work, test, np.full(len(test.grades), 0.9))


def test_it_says_whether_it_is_better_than_the_majority_class(work, splits):
    right = splits["test"].grades * 0.8 + 0.1
    assert "It is better than always predicting" in card(work, splits["test"], right)
    half = np.where(np.arange(len(right)) > 1, right, 1 - right)  # one patient of two is wrong
    most = np.where(np.arange(len(right)) > 0, right, 1 - right)  # the interval begins at one half
    for severe in (half, most, np.full(len(right), 0.9)):
        text = card(work, splits["test"], severe)
        assert "**It is not shown to be better than always predicting" in text


def test_what_nobody_has_stated_is_not_stated_and_nobody_is_named(work, splits):
    severe = splits["test"].grades * 0.5
    text = card(work, splits["test"], severe, grading="Two readers, NASCET.")
    assert text.count("*Not stated.*") == len(QUESTIONS) - 1
    assert f"**{QUESTIONS['grading']}** Two readers, NASCET." in text
    for word in ("p4", "p5", "Jane", "Doe", "patient-", "exports", str(work)):
        assert word not in text
    with pytest.raises(ValueError, match=r"price is no question: wanted purpose, people"):
        card(work, splits["test"], severe, price="none")


def test_limits_follow_from_the_clips(work, splits):
    text = card(work, splits["test"], splits["test"].grades * 0.5)
    assert "3 of 12 clips have no pixel size" in text
    assert "the same vessel looks large in one clip" in text
    assert "the grades that people gave" in text
    assert "too few to select anything" in text
    assert "simulated" not in text
    assert "not trained from scratch" not in text
    metadata = work / "cohort" / "cohort.json"
    kept = metadata.read_text()
    metadata.write_text(json.dumps(json.loads(kept) | {"graded_by": "phantom"}))
    assert "**All its clips are simulated.**" in model_card(work / "run", work / "cohort")
    metadata.write_text(kept)


def test_another_cohort_and_unfinished_runs_are_refused(work, tmp_path):
    other = shutil.copytree(work / "cohort", tmp_path / "cohort")
    head, *rows = (other / "manifest.csv").read_text().splitlines(keepends=True)
    (other / "manifest.csv").write_text("".join([head, *reversed(rows)]))
    with pytest.raises(ValueError, match="was trained on other clips than"):
        model_card(work / "run", other)
    with pytest.raises(ValueError, match=r"no finished run: it lacks experiment.json, epochs.csv"):
        model_card(tmp_path, other)
