"""Scores agree with their definitions and scikit-learn, intervals with scoring every draw."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t

from csglib import grade_scores
from csglib.metrics import confusion, scores_of
from csglib.metrics.intervals import draw_patients
from csglib.table1.pairs import holm, mcnemar, over_seeds, paired_difference


def run(seed, clips=118, classes=2, digits=6):
    """Somewhat right probabilities, with ties where digits are few; patients have 1 to 5 clips."""
    rng = np.random.default_rng(seed)
    grades = np.r_[np.arange(classes), rng.integers(0, classes, clips - classes)]
    logits = rng.normal(size=(clips, classes)).round(digits) + 0.5 * np.eye(classes)[grades]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    owners = np.repeat(np.arange(clips), rng.integers(1, 6, clips))[:clips]
    patients = [f"p{owner}" for owner in rng.permutation(owners)]
    return SimpleNamespace(probabilities=shares, grades=grades, patients=patients)


def values(scores):
    return [score["value"] for score in asdict(scores).values()]


def ends(scores):
    return np.array([(score["low"], score["high"]) for score in asdict(scores).values()])


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("digits", [0, 6])
def test_scores_are_those_of_scikit_learn(classes, digits):
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(6):
        one = run(seed, 41, classes, digits)
        if seed % 3 == 0:  # the last class is never predicted
            one.probabilities[:, -1] *= 0.01
            one.probabilities /= one.probabilities.sum(1, keepdims=True)
        predicted, truth = one.probabilities.argmax(1), np.eye(classes)[one.grades]
        scores = grade_scores(one.probabilities, one.grades, draws=2)
        macro = {"average": "macro", "zero_division": 0, "labels": list(range(classes))}
        columns = slice(classes - 1, None) if classes == 2 else slice(None)
        expected = {
            "accuracy": metrics.accuracy_score(one.grades, predicted),
            "f1": metrics.f1_score(one.grades, predicted, **macro),
            "precision": metrics.precision_score(one.grades, predicted, **macro),
            "recall": metrics.recall_score(one.grades, predicted, **macro),
            "auc": metrics.roc_auc_score(truth[:, columns], one.probabilities[:, columns]),
            "brier": metrics.brier_score_loss(truth.ravel(), one.probabilities.ravel())
            * classes
            / 2,
        }
        for name, value in expected.items():
            assert getattr(scores, name).value == pytest.approx(value, abs=1e-12), name


def gap_bin_by_bin(probabilities, grades):
    confidence, right = probabilities.max(1), probabilities.argmax(1) == grades
    total = 0.0
    for tenth in range(10):
        inside = (confidence > tenth / 10) & (confidence <= (tenth + 1) / 10)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("classes", [2, 5])
def test_calibration_error_is_the_gap_bin_by_bin(classes):
    for seed in range(4):
        one = run(seed, classes=classes)
        one.probabilities[:2] = np.eye(classes)[0] * 0.8 + 0.2 * np.eye(classes)[1]  # on an edge
        one.probabilities[2:4] = np.eye(classes)[1]  # confidence 1
        error = grade_scores(one.probabilities, one.grades, draws=2).calibration_error.value
        assert error == pytest.approx(gap_bin_by_bin(one.probabilities, one.grades))


def test_confusion_has_a_row_for_each_true_class_and_what_never_occurs_counts_0():
    counts = confusion(np.array([1, 1, 0, 2]), np.array([0, 0, 0, 2]), 4)
    assert counts.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    one = run(8, classes=5)
    grades, predicted = one.grades.astype(np.int8), one.probabilities.argmax(1)
    expected = values(grade_scores(one.probabilities, grades, draws=2))[:4]
    assert scores_of(confusion(predicted, grades, 5)) == pytest.approx(expected)
    accuracy, f1, precision, recall = scores_of(np.array([[3, 0, 0], [1, 0, 0], [0, 0, 0]]))
    assert (accuracy, precision, recall) == pytest.approx((3 / 4, 3 / 4 / 3, 1 / 3))
    assert f1 == pytest.approx(6 / 7 / 3)


def test_auc_needs_every_class():
    one = run(1, 7)
    auc = grade_scores(one.probabilities, np.zeros(7, dtype=int)).auc
    assert np.isnan([auc.value, auc.low, auc.high]).all()
    three = run(1, 7, 3)
    assert np.isnan(grade_scores(three.probabilities, np.arange(7) % 2).auc.value)
    rare = grade_scores(one.probabilities, np.arange(7) // 6).auc  # a third of the draws lack it
    assert np.isfinite([rare.value, rare.low, rare.high]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_an_interval_is_what_scoring_each_draw_gives(classes):
    """Slowly: write each draw's clips out, and score them as clips of their own."""
    one = run(4, 19, classes)
    redrawn = []
    for times in draw_patients(one.patients, 80, seed=5)[1:]:
        clips = np.repeat(np.arange(19), times.astype(int))
        redrawn.append(values(grade_scores(one.probabilities[clips], one.grades[clips], draws=1)))
    wanted = np.nanquantile(redrawn, [0.025, 0.975], axis=0).T
    np.testing.assert_allclose(ends(grade_scores(**vars(one), draws=80, seed=5)), wanted)


def test_patients_are_drawn_with_all_their_clips():
    patients = ["b", "a", "b", "c", "b"]
    rows = draw_patients(patients, 4000, seed=0)
    assert (rows[0] == 1).all()
    assert (rows[:, [2, 4]] == rows[:, [0]]).all()
    each = rows[1:, [0, 1, 3]]
    assert (each.sum(1) == 3).all()
    shares = [(each[:, 0] == times).mean() for times in range(4)]
    assert shares == pytest.approx([8 / 27, 12 / 27, 6 / 27, 1 / 27], abs=0.04)  # three tosses


def test_the_seed_matters_and_the_order_of_clips_does_not():
    one = run(2)
    scores = [grade_scores(**vars(one), draws=99, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    order = np.random.default_rng(0).permutation(len(one.grades))
    patients = [one.patients[place] for place in order]
    scores = grade_scores(one.probabilities, one.grades, one.patients, draws=200)
    mixed = grade_scores(one.probabilities[order], one.grades[order], patients, draws=200)
    np.testing.assert_allclose(values(mixed), values(scores), rtol=1e-12)
    np.testing.assert_allclose(ends(mixed), ends(scores), rtol=1e-12)


def test_mcnemar_is_a_binomial_test_of_the_clips_one_run_alone_got_right():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        first, second = rng.uniform(size=(2, 3 + seed)) < [[0.8], [0.5]]
        alone = int((first & ~second).sum())
        tosses = int((first != second).sum())
        expected = binomtest(alone, tosses).pvalue if tosses else 1.0
        assert mcnemar(first, second) == pytest.approx(expected)
        assert mcnemar(second, first) == mcnemar(first, second)
        seen = binom.pmf(alone, tosses, 0.5)
        assert mcnemar(first, second, mid_p=True) == pytest.approx(
            1.0 if 2 * alone == tosses else expected - seen
        )


def test_seeds_are_compared_by_students_t_and_several_claims_by_holm():
    differences = np.array([0.02, 0.05, 0.03, 0.06, 0.04])
    found, chance = over_seeds(differences)
    half = t.ppf(0.975, df=4) * differences.std(ddof=1) / 5**0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.04, 0.04 - half, 0.04 + half))
    assert chance == pytest.approx(2 * t.sf(0.04 / differences.std(ddof=1) * 5**0.5, df=4))
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.02]) == pytest.approx([0.9, 0.04])


def test_a_paired_difference_is_known_better_than_two_accuracies_and_draws_patients():
    rng = np.random.default_rng(3)
    first = rng.uniform(size=120) < 0.75
    second = first ^ (np.arange(120) % 30 == 0)
    patients = [f"p{place // 3}" for place in range(120)]
    gain = paired_difference(first, second, patients)
    assert gain.value == pytest.approx(first.mean() - second.mean())
    assert -0.08 < gain.low <= gain.value <= gain.high < 0.08
    back = paired_difference(second, first, patients)
    assert (back.value, back.low, back.high) == pytest.approx((-gain.value, -gain.high, -gain.low))
    one, other = (paired_difference(first, second, patients, 9, seed) for seed in (0, 1))
    assert one != other
    better, worse = np.arange(60) // 3 % 4 > 0, np.zeros(60, dtype=bool)
    by_patient = paired_difference(better, worse, patients[:60])
    right = np.stack([better, ~better], axis=1).astype(float)
    alone = grade_scores(right, worse.astype(int), patients[:60]).accuracy
    assert (by_patient.value, by_patient.low, by_patient.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.5], [np.nan, 1.0]], r"^prob.* add up to 1: got \[nan, 1.0\] for clip 1$"),
        ([[0.5, 0.5], [0.5, 0.4998]], r"got \[0.5, 0.4998\] for clip 1$"),
        ([[-0.5, 1.5], [0.5, 0.5]], r"got \[-0.5, 1.5\] for clip 0$"),
        ([[1.0], [1.0]], r"^probabilities need two columns or more: got \(2, 1\)$"),
    ],
)
def test_what_is_no_probability_is_named_but_rounded_ones_are_fine(rows, message):
    with pytest.raises(ValueError, match=message):
        grade_scores(np.array(rows), np.array([0, 0]))
    rows = np.array([[0.33333, 0.33333, 0.33333], [0.2, 0.30005, 0.5]], dtype=np.float32)
    assert grade_scores(rows, np.array([0, 2]), draws=2).accuracy.value == 1


@pytest.mark.parametrize("grade", [-1, 2])
def test_a_grade_without_a_column_is_named(grade):
    wrong, right, message = (
        np.array([grade]),
        np.array([0]),
        rf"grades must be 0 to 1: got \[{grade}\]$",
    )
    with pytest.raises(ValueError, match=f"^{message}"):
        grade_scores(np.full((1, 2), 0.5), wrong)
    with pytest.raises(ValueError, match=f"^predicted {message}"):
        confusion(wrong, right, 2)
    with pytest.raises(ValueError, match=f"^{message}"):
        confusion(right, wrong, 2)


def test_lengths_that_differ_are_told():
    message = r"as many probabilities, grades, patients, at least one: got \[4, 4, 2\]$"
    with pytest.raises(ValueError, match=message):
        grade_scores(np.full((4, 2), 0.5), np.zeros(4, dtype=int), ["p1", "p2"])
    with pytest.raises(
        ValueError, match=r"first, second, patients, at least one: got \[4, 4, 1\]$"
    ):
        paired_difference(*np.ones((2, 4), dtype=bool), ["p"])


def test_no_clips_have_no_score():
    nobody = np.zeros(0, dtype=int)
    with pytest.raises(ValueError, match=r"at least one: got \[0, 0, 0\]$"):
        grade_scores(np.zeros((0, 2)), nobody)
    with pytest.raises(ValueError, match=r"at least one clip: got a confusion matrix of zeros$"):
        scores_of(np.zeros((2, 2), dtype=int))
