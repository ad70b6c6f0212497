"""Exercises 8.1 to 8.3: right answers in several styles pass; wrong ones are told what they did."""

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
import torch

from csgcourse import check, running
from csgcourse.chapter_08 import confusion, macro_f1, patient_bootstrap


def test_the_counts_and_the_score_agree_with_precision_and_recall_by_hand():
    chance = np.random.default_rng(0)
    predicted, true = chance.integers(0, 3, (2, 60))
    counts = confusion(torch.tensor(predicted), torch.tensor(true), 4)
    scores = []
    for kind in range(4):
        found = ((predicted == kind) & (true == kind)).sum()
        precision = found / max(1, (predicted == kind).sum())
        recall = found / max(1, (true == kind).sum())
        scores.append(2 * precision * recall / max(1e-9, precision + recall))
    assert scores[3] == 0
    assert macro_f1(counts) == pytest.approx(np.mean(scores))


def test_the_interval_is_the_exact_one_where_that_is_known():
    """With one clip a patient, right clips in a draw are binomial."""
    correct = torch.tensor([1.0] * 60 + [0.0] * 40)
    low, high = patient_bootstrap(correct, [f"p{place}" for place in range(100)], 20_000, 1)
    draws = np.random.default_rng(0).binomial(100, 0.6, 200_000) / 100
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.0101)


def test_a_patient_s_clips_stay_together():
    wide = patient_bootstrap(torch.tensor([1.0, 0.0]).repeat(20), ["a", "b"] * 20, 500, 1)
    assert wide == (0, 1)


def counts_by_masks(predicted, true, classes):
    rows = [
        [((true == r) & (predicted == c)).sum() for c in range(classes)] for r in range(classes)
    ]
    return torch.tensor(rows)


def counts_by_bincount(predicted, true, classes):
    return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes)


def counts_by_one_hot(predicted, true, classes):
    return torch.eye(classes)[true].T @ torch.eye(classes)[predicted]


def counts_in_floats(predicted, true, classes):
    counts = torch.zeros(classes, classes)
    for place in range(len(true)):
        counts[true[place], predicted[place]] += 1
    return counts


def counts_by_numpy(predicted, true, classes):
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (true.numpy(), predicted.numpy()), 1)
    return torch.from_numpy(counts)


def f1_by_loops(confusion):
    scores = []
    for kind in range(len(confusion)):
        found = confusion[kind, kind].item()
        precision = found / (confusion[:, kind].sum().item() or 1)
        recall = found / (confusion[kind].sum().item() or 1)
        scores.append(2 * precision * recall / (precision + recall) if found else 0)
    return sum(scores) / len(scores)


def f1_with_nan_mended(confusion):
    matrix = confusion.float()
    precision, recall = matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)
    return torch.nan_to_num(2 * precision * recall / (precision + recall)).mean()


def f1_by_numpy(confusion):
    matrix = confusion.numpy()
    hits, false = matrix.diagonal(), matrix.sum(0) + matrix.sum(1) - 2 * matrix.diagonal()
    return np.mean(2 * hits / np.maximum(2 * hits + false, 1))


def interval_by_numpy(correct, patients, draws, seed):
    chance, marks = np.random.default_rng(seed), np.asarray(correct)
    names = np.unique(patients)
    places = {name: np.flatnonzero(np.asarray(patients) == name) for name in names}
    means = []
    for _ in range(draws):
        drawn = chance.choice(names, len(names))
        means.append(marks[np.concatenate([places[name] for name in drawn])].mean())
    return np.percentile(means, [2.5, 97.5])


def interval_by_plain_python(correct, patients, draws, seed):
    chance, marks = random.Random(seed), defaultdict(list)
    for mark, patient in zip(correct.tolist(), patients, strict=True):
        marks[patient].append(mark)
    names, means = list(marks), []
    for _ in range(draws):
        clips = [mark for name in chance.choices(names, k=len(names)) for mark in marks[name]]
        means.append(sum(clips) / len(clips))
    means.sort()
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def interval_by_slow_loops(correct, patients, draws, seed):
    random.seed(seed)
    names, means = sorted(set(patients)), []
    for _ in range(draws):
        chosen = []
        for name in random.choices(names, k=len(names)):
            for mark, patient in zip(correct, patients, strict=True):
                if patient == name:
                    chosen.append(mark)
        means.append(sum(chosen) / len(chosen))
    return np.quantile(means, 0.025), np.quantile(means, 0.975)


def interval_by_counts(correct, patients, draws, seed):
    names, owner = np.unique(patients, return_inverse=True)
    right, clips = np.bincount(owner, correct), np.bincount(owner)
    times = np.random.RandomState(seed).multinomial(
        len(names), [1 / len(names)] * len(names), draws
    )
    return tuple(np.quantile(times @ right / (times @ clips), (0.025, 0.975)))


def interval_by_torch(correct, patients, draws, seed):
    torch.manual_seed(seed)
    names = {name: place for place, name in enumerate(dict.fromkeys(patients))}
    owner = torch.tensor([names[patient] for patient in patients])
    times = torch.stack(
        [torch.bincount(torch.randint(len(names), (len(names),)), minlength=len(names))
         for _ in range(draws)]
    )[:, owner]  # fmt: skip
    means = (times * correct).sum(1) / times.sum(1)
    return torch.quantile(means, torch.tensor([0.025, 0.975]))


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("8.1", counts_by_masks),
        ("8.1", counts_by_bincount),
        ("8.1", counts_by_one_hot),
        ("8.1", counts_in_floats),
        ("8.1", counts_by_numpy),
        ("8.2", f1_by_loops),
        ("8.2", f1_with_nan_mended),
        ("8.2", f1_by_numpy),
        ("8.3", interval_by_numpy),
        ("8.3", interval_by_plain_python),
        ("8.3", interval_by_counts),
        ("8.3", interval_by_torch),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    with torch.random.fork_rng():
        verdict = check(number, right)
    assert verdict.passed, verdict


@pytest.mark.slow
def test_slow_loops_are_right_too(monkeypatch):
    monkeypatch.setattr(running, "SECONDS", 60)  # the machine may be busy with other tests
    verdict = check("8.3", interval_by_slow_loops)
    assert verdict.passed, verdict


@pytest.mark.slow
@pytest.mark.parametrize("right", [patient_bootstrap, interval_by_counts])
def test_a_right_interval_passes_whatever_it_draws(right):
    for turn in range(1000, 1010):
        verdict = check("8.3", lambda c, p, draws, seed, turn=turn: right(c, p, draws, seed + turn))
        assert verdict.passed, verdict


def marked_once(predicted, true, classes):
    counts = torch.zeros(classes, classes)
    counts[true, predicted] += 1
    return counts


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p, t, k: counts_by_bincount(t, p, k), "rows and columns are exchanged"),
        (lambda p, t, k: counts_in_floats(p, t, k).T, "rows and columns are exchanged"),
        (lambda p, t, k: confusion(p, t, k) / len(t), "shares of all clips"),
        (lambda p, t, k: counts_in_floats(p, t, k) / confusion(p, t, k).sum(1, True), "whole"),
        (lambda p, t, k: confusion(p, t, k).diag().diag(), "only the right answers were counted"),
        (marked_once, "each cell counts to one at most"),
        (lambda p, t, k: confusion(p, t, int(max(p.max(), t.max())) + 1), "the last class is"),
        (lambda p, t, k: confusion(k - 1 - p, k - 1 - t, k), "the reverse order"),
        # from here on nobody has told the exercise
        (lambda p, t, k: confusion(p, t, k).double() / len(t) * 100, "counts are wanted"),
        (lambda p, t, k: confusion(p, t, k).bool(), "numbers of type int64 are wanted: got bool"),
        (lambda p, t, k: confusion(p, t, k).tolist(), "a torch tensor is wanted: got a list"),
        (lambda p, t, k: confusion(p, t, 2), "raised IndexError"),
        (lambda p, t, k: confusion(p, t, k + 1), "the shape should be (5, 5): got (6, 6)"),
        (lambda p, t, k: confusion(p[1:], t[:-1], k), "of the values are wrong"),
        (lambda p, t, k: confusion(p, t, k) - confusion(p, t, k).diag().diag(), "are wrong"),
        (lambda p, t, k: confusion(p, t, k).flatten(), "the shape should be"),
        (lambda p, t, k: torch.tensor([(p == t).sum(), (p != t).sum()]), "the shape should be"),
    ],
)
def test_wrong_confusions_are_told_what_they_did(wrong, says):
    rejected("8.1", wrong, says)


def per_class(confusion):
    hits = confusion.diag().double()
    return hits / confusion.sum(0).clamp(min=1), hits / confusion.sum(1).clamp(min=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda m: m.trace() / m.sum(), "which is F1 counted over all clips at once (micro)"),
        (lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1))).nanmean(), "never predicted and never"),
        (lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1))).mean(), "NaN: a class that never occurs"),
        (
            lambda m: np.average((2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(1)), weights=m.sum(1)),
            "weighted by their number of clips",
        ),
        (lambda m: per_class(m)[0].mean(), "this is the mean precision"),
        (lambda m: per_class(m)[1].mean().item(), "this is the mean recall"),
        (lambda m: torch.stack(per_class(m)).mean(), "the plain mean of precision and recall"),
        (lambda m: macro_f1(m) * len(m), "divide by the number of classes"),
        # from here on nobody has told the exercise
        (lambda m: macro_f1(m) / 2, "is wanted: got"),
        (lambda m: (per_class(m)[0] * per_class(m)[1]).sqrt().mean(), "is wanted: got"),
        (lambda m: 100 * macro_f1(m), "is wanted: got"),
        (lambda m: 2 * m.diag() / (m.sum(0) + m.sum(1)), "not yet"),
        (lambda m: macro_f1(m[:-1, :-1]) if len(m) > 1 else 1.0, "is wanted: got"),
        (lambda m: f1_by_loops(m[m.sum(1) > 0][:, m.sum(1) > 0]), "never predicted and never true"),
        (lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(1)).median(), "is wanted: got"),
        (lambda m: (2 * m.diag() // (m.sum(0) + m.sum(1)).clamp(1)).double().mean(), "is wanted"),
    ],
)
def test_wrong_f1_scores_are_told_what_they_did(wrong, says):
    rejected("8.2", wrong, says)


def by_clips(correct, patients, draws, seed):
    chosen = np.random.default_rng(seed).integers(0, len(correct), (draws, len(correct)))
    return np.percentile(correct.numpy()[chosen].mean(1), [2.5, 97.5])


def draws_of(correct, patients, draws, seed):
    names, owner = np.unique(patients, return_inverse=True)
    right, clips = np.bincount(owner, correct), np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(0, len(names), (draws, len(names)))
    return right[drawn], clips[drawn], drawn


def accuracies(*given):
    right, clips, _ = draws_of(*given)
    return right.sum(1) / clips.sum(1)


def without_repeats(correct, patients, draws, seed):
    _, _, drawn = draws_of(correct, patients, draws, seed)
    names = np.unique(patients)
    means = []
    for row in drawn:
        means.append(np.asarray(correct)[np.isin(patients, names[row])].mean())
    return np.quantile(means, [0.025, 0.975])


def of_half_the_patients(correct, patients, draws, seed):
    right, clips, _ = draws_of(correct, patients, draws, seed)
    half = max(1, right.shape[1] // 2)
    means = right[:, :half].sum(1) / clips[:, :half].sum(1)
    return np.quantile(means, [0.025, 0.975])


def of_too_many(correct, patients, draws, seed):
    names, owner = np.unique(patients, return_inverse=True)
    right, clips = np.bincount(owner, correct), np.bincount(owner)
    drawn = np.random.default_rng(seed).integers(0, len(names), (draws, len(patients)))
    return np.quantile(right[drawn].sum(1) / clips[drawn].sum(1), [0.025, 0.975])


def from_the_clips_patients(correct, patients, draws, seed):
    chance, count = random.Random(seed), len(set(patients))
    marks = defaultdict(list)
    for mark, patient in zip(correct.tolist(), patients, strict=True):
        marks[patient].append(mark)
    means = []
    for _ in range(draws):
        drawn = chance.choices(patients, k=count)
        means.append(np.mean([mark for patient in drawn for mark in marks[patient]]))
    return np.quantile(means, [0.025, 0.975])


def normal(*given):
    draws = accuracies(*given)
    return draws.mean() - 1.96 * draws.std(), draws.mean() + 1.96 * draws.std()


def standard_error(*given):
    draws = accuracies(*given)
    off = 1.96 * draws.std() / len(draws) ** 0.5
    return draws.mean() - off, draws.mean() + off


def ratio_of_means(*given):
    right, clips, _ = draws_of(*given)
    return np.quantile((right / clips).mean(1), [0.025, 0.975])


def by_formula(correct, patients, draws, seed):
    share = float(correct.mean())
    off = 1.96 * (share * (1 - share) / len(correct)) ** 0.5
    return share - off, share + off


unseeded = itertools.count(7)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (by_clips, "you took clips as if each were somebody new"),
        (lambda *given: np.quantile(accuracies(*given), [0.05, 0.95]), "a 90 % interval"),
        (lambda *given: np.quantile(accuracies(*given), [0.005, 0.995]), "a 99 % interval"),
        (normal, "this is mean +- 1.96 spreads"),
        (standard_error, "far too narrow"),
        (ratio_of_means, "a patient with one clip counts as much"),
        (without_repeats, "drawn twice counts once"),
        (lambda c, p, draws, seed: (float(c.mean()), float(c.mean())), "no width"),
        (of_too_many, "as many patients as there are clips"),
        (from_the_clips_patients, "stands many times"),
        # from here on nobody has told the exercise
        (by_formula, "you took clips as if each were somebody new"),
        (of_half_the_patients, "interval"),
        (lambda *given: tuple(reversed(patient_bootstrap(*given))), "an interval near"),
        (lambda *given: [100 * end for end in patient_bootstrap(*given)], "an interval near"),
        (lambda *given: (accuracies(*given).mean(), accuracies(*given).std()), "an interval near"),
        (accuracies, "two numbers are wanted"),
        (lambda *given: patient_bootstrap(*given)[0], "two numbers are wanted"),
        (lambda *given: (0.0, 1.0), "an interval near"),
        (lambda *given: (float("nan"), float("nan")), "an interval near"),
        (lambda c, p, draws, seed: patient_bootstrap(1 - c, p, draws, seed), "an interval near"),
        (lambda c, p, draws, seed: patient_bootstrap(c, p, draws, 42), "another `seed` changes"),
        (lambda c, p, draws, seed: patient_bootstrap(c, p, 1999, seed), "another `draws` changes"),
        (
            lambda c, p, draws, seed: patient_bootstrap(c, p, draws, next(unseeded)),
            "called again with the same seed, it answered differently",
        ),
    ],
)
def test_wrong_intervals_are_told_what_they_did(wrong, says):
    rejected("8.3", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
