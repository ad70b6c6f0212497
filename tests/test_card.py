"""The model card says what the files say, asks the rest, and hides no limit."""

import json
from pathlib import Path

import numpy as np
import pytest

from csglib.__main__ import main
from csglib.data.clips import Clip, save_clip
from csglib.data.cohort import read_cohort
from csglib.doctor.card import QUESTIONS, model_card
from csglib.doctor.deidentification import DeidentifySettings, deidentify
from csglib.doctor.labels import Label
from csglib.train.config import TrainConfig
from csglib.train.experiment import TEST, Experiment
from csglib.train.predictions import Predictions

SAMPLES = Path(__file__).parents[1] / "data_samples"
SIDES = ("train", "train", "validation", "test", "test", "test")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A cohort of people, and a network that has seen it once."""
    work = tmp_path_factory.mktemp("work")
    labels = []
    with np.load(SAMPLES / "cohort_64.npz") as file:
        frames = file["frames"]
    for number in range(12):
        name = f"person{number // 2}/{number}.npz"
        path = work / "exports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scale = None if number < 3 else 0.1 * (1 + number % 2)
        save_clip(Clip(frames=frames[number], patient="Jane Doe", mm_per_px=scale), path)
        side = SIDES[number // 2]
        labels.append(Label(clip=name, grade=("mild", "severe")[number % 2], split=side))
    settings = DeidentifySettings(size=32)
    deidentify(work / "exports", labels, work / "cohort", settings)
    experiment = Experiment(network="tiny", size=32)
    sides = read_cohort(work / "cohort")
    list(experiment.run(sides, TrainConfig(folder=work / "run", epochs=1, batch_size=8)))
    return work


def says(work, shares, **answers):
    """The card, if the network had given these probabilities of severe to the test's clips."""
    test = read_cohort(work / "cohort")["test"]
    Predictions(
        probabilities=np.stack([1 - np.array(shares), shares], axis=1),
        grades=test.grades,
        patients=test.patients,
        names=test.grade_names,
    ).write(work / "run" / TEST)
    return model_card(work / "run", work / "cohort", answers)


def test_it_counts_clips_patients_and_answers(work):
    sides = read_cohort(work / "cohort")
    right = sides["test"].grades * 0.8 + 0.1
    card = says(work, right)
    for name, clips in sides.items():
        mild, severe = np.bincount(clips.grades)
        assert f"| {name} | {len(clips)} | {len({*clips.patients})} | {mild} | {severe} |" in card
    mild, severe = np.bincount(sides["test"].grades)
    assert f"| are mild | {mild} | 0 |" in card
    assert f"| are severe | 0 | {severe} |" in card
    assert "| accuracy | 1.000 | 1.000 to 1.000 |" in card
    assert "1 times over its clips, 8 a step" in card
    all_severe = says(work, np.full(len(right), 0.9))
    assert f"| are mild | 0 | {mild} |" in all_severe
    assert f"| are severe | 0 | {severe} |" in all_severe


def test_it_says_when_nothing_has_been_shown(work):
    grades = read_cohort(work / "cohort")["test"].grades
    right = grades * 0.8 + 0.1
    assert "It is better than always saying" in says(work, right)
    half = np.where(np.arange(len(grades)) > 1, right, 1 - right)  # one patient of three is wrong
    for shares in (half, np.full(len(grades), 0.9)):
        assert "**It is not shown to be better than always saying" in says(work, shares)


def test_what_nobody_has_said_is_not_stated(work):
    grades = read_cohort(work / "cohort")["test"].grades
    card = says(work, grades * 0.5, grading="Two readers, NASCET.")
    assert card.count("*Not stated.*") == len(QUESTIONS) - 1
    assert f"**{QUESTIONS['grading']}** Two readers, NASCET." in card
    with pytest.raises(ValueError, match=r"price is not asked: wanted purpose, people"):
        says(work, grades * 0.5, price="none")


def test_limits_follow_from_the_clips(work):
    card = says(work, read_cohort(work / "cohort")["test"].grades * 0.5)
    assert "3 of 12 clips do not say how large a pixel is" in card
    assert "the same vessel looks large in one clip" in card
    assert "Its grades are what people said" in card
    assert "too few to have chosen anything" in card
    assert "simulated" not in card
    assert "did not start from nothing" not in card
    facts = work / "cohort" / "cohort.json"
    kept = facts.read_text()
    facts.write_text(json.dumps(json.loads(kept) | {"graded_by": "phantom"}))
    assert "**All its clips are simulated.**" in model_card(work / "run", work / "cohort")
    facts.write_text(kept)


def test_it_names_nobody(work):
    card = says(work, read_cohort(work / "cohort")["test"].grades * 0.5)
    for word in ("person", "Jane", "Doe", "patient-", "exports", str(work)):
        assert word not in card


def test_the_command_prints_it(work, capsys, monkeypatch):
    run, cohort = str(work / "run"), str(work / "cohort")
    monkeypatch.setattr("sys.argv", ["csglib", "card", run, cohort])
    main()
    assert capsys.readouterr().out == model_card(Path(run), Path(cohort))


def test_another_cohort_and_half_a_run_are_refused(work, tmp_path):
    other = tmp_path / "cohort"
    other.mkdir()
    for path in (work / "cohort").rglob("*"):
        if path.is_file():
            (other / path.relative_to(work / "cohort")).parent.mkdir(exist_ok=True)
            (other / path.relative_to(work / "cohort")).write_bytes(path.read_bytes())
    rows = (other / "manifest.csv").read_text().splitlines(keepends=True)
    (other / "manifest.csv").write_text("".join([rows[0], *reversed(rows[1:])]))
    with pytest.raises(ValueError, match="was trained on other clips than"):
        model_card(work / "run", other)
    with pytest.raises(ValueError, match=r"no finished run: it lacks experiment.json, epochs.csv"):
        model_card(tmp_path, other)
    for name in (TEST, "best.safetensors"):
        (work / "run" / name).rename(work / "kept")
        with pytest.raises(ValueError, match=f"holds no finished run: it lacks {name}"):
            model_card(work / "run", work / "cohort")
        (work / "kept").rename(work / "run" / name)
