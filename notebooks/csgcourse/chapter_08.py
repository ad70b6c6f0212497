"""Exercises 8.1 to 8.3: how right a network is, and how sure we may be of that.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1). Intervals are not in
the paper: on its 118 test clips one clip is 0.85 points.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from csgcourse import mistakes_08_bootstrap, mistakes_08_scores
from csgcourse.comparing import compare
from csgcourse.exercise import Arguments, Exercise
from csgcourse.mistakes_07_08_judges import Redrawn, naming


def confusion(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    """Count the pairs (true, predicted)."""
    counts = torch.zeros(classes, classes, dtype=torch.long)
    for row, column in zip(true, predicted, strict=True):
        counts[row, column] += 1
    return counts


def macro_f1(confusion: Tensor) -> float:
    """The mean over the classes of 2 right / (true + predicted)."""
    true_and_predicted = confusion.sum(dim=1) + confusion.sum(dim=0)
    scores = 2 * confusion.diag() / true_and_predicted.clamp(min=1)
    return scores.mean().item()


def patient_bootstrap(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    """Draw as many patients as there are, again and again, each with all clips."""
    names = sorted(set(patients))
    right, clips = torch.zeros(2, len(names), dtype=torch.float64)
    for mark, patient in zip(correct, patients, strict=True):
        right[names.index(patient)] += mark
        clips[names.index(patient)] += 1
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(names), (draws, len(names)), generator=generator)
    accuracy = right[drawn].sum(dim=1) / clips[drawn].sum(dim=1)
    low, high = torch.quantile(accuracy, accuracy.new_tensor([0.025, 0.975])).tolist()
    return low, high


def _labels(generator: Generator) -> list[Arguments]:
    def drawn(count: int, classes: int) -> Tensor:
        return torch.randint(classes, (count,), generator=generator)

    most_right = torch.where(torch.rand(97, generator=generator) < 0.6, 0, 1)
    true = drawn(97, 4)
    alike = drawn(31, 5)
    return [
        ((true + most_right) % 4, true, 5),  # the last class never occurs
        (drawn(43, 2) * 2, drawn(43, 3), 3),  # class 1 is never predicted
        (alike, alike.clone(), 5),
        (torch.tensor([1]), torch.tensor([0]), 2),
    ]


def _matrices(generator: Generator) -> list[Arguments]:
    drawn = torch.randint(1, 40, (5, 5), generator=generator)
    never_predicted, absent = drawn[:4, :4].clone(), drawn.clone()
    never_predicted[:, 2] = 0
    never_predicted[1, 1] = 0  # predicted and true, but never both
    absent[3], absent[:, 3] = 0, 0
    return [
        (drawn[:3, 1:4].clone(),),
        (torch.tensor([[79, 2], [9, 5]]),),
        (never_predicted,),
        (absent,),
        (torch.tensor([[0, 3], [5, 0]]),),  # nothing right
        (torch.tensor([[7]]),),
    ]


def _results(generator: Generator) -> list[Arguments]:
    """Patients with many clips are often wrong, and on most of their clips alike."""
    sizes = torch.randint(1, 8, (19,), generator=generator)
    wrong = torch.rand(19, generator=generator) < 0.12 * sizes - 0.15
    exceptions = torch.rand(int(sizes.sum()), generator=generator) < 0.2
    correct, patients = _mixed(generator, sizes, ~wrong.repeat_interleave(sizes) ^ exceptions)
    redrawn = Redrawn(patients)
    few = torch.tensor([*[1] * 16, 2, 4, 6, *[3] * 6])
    nearly_all = _mixed(generator, few, (few != 4).repeat_interleave(few))
    single = torch.ones(29, dtype=torch.long)
    alone = _mixed(generator, single, torch.rand(29, generator=generator) < 0.7)
    return [
        (correct, redrawn, 2000, 3),
        (correct, redrawn, 211, 3),
        (correct, redrawn, 211, 3),
        (correct, redrawn, 211, 8),
        (*nearly_all, 2000, 5),
        (*alone, 2000, 1),  # one clip a patient
        (torch.tensor([1.0, 0.0, 1.0, 1.0]), ["p8"] * 4, 37, 2),  # one patient
        (torch.ones(6), ["p1", "p2", "p2", "p1", "p5", "p3"], 37, 6),  # all right
    ]


def _mixed(generator: Generator, sizes: Tensor, right: Tensor) -> tuple[Tensor, list[str]]:
    """Clips in no order, given patient by patient: 1 or 0 for each, and whose it is."""
    order = torch.randperm(len(right), generator=generator)
    names = torch.randperm(10 * len(sizes), generator=generator)[: len(sizes)]
    owners = names.repeat_interleave(sizes)[order].tolist()
    return right[order].float(), [f"p{owner}" for owner in owners]


def _same_counts(answer: object, other: Any, _: Arguments) -> str | None:
    if not isinstance(answer, Tensor) or answer.dtype not in (torch.float32, torch.float64):
        return compare(answer, other)
    if not other.is_floating_point() and not torch.equal(answer, answer.round()):
        return "counts are wanted, whole numbers: some here are not whole"
    return compare(answer, other.to(answer.dtype))


def _judge_f1(answer: object, wanted: object, _: Arguments) -> str | None:
    difference = compare(answer, wanted)
    if difference and difference.endswith("got nan"):
        return "the answer is NaN: a class that never occurs divides 0 by 0. It counts 0"
    return difference


def _judge_interval(answer: object, wanted: object, arguments: Any) -> str | None:
    if answer is None or answer is ...:
        return compare(answer, wanted)
    correct, patients, draws, seed = arguments
    interval = mistakes_08_bootstrap.two_numbers(answer)
    if interval is None:
        return "two numbers are wanted: (low, high)"
    wrong = mistakes_08_bootstrap.fault(interval, correct, patients, draws)
    if wrong or not isinstance(patients, Redrawn):
        return wrong
    return patients.fault({"draws": draws, "seed": seed}, interval)


CONFUSION = Exercise(
    number="8.1",
    reference=confusion,
    cases=_labels,
    mistakes=mistakes_08_scores.CONFUSION,
    judge=naming(_same_counts, mistakes_08_scores.CONFUSION),
    nudge="Each clip puts one more stroke into one cell. Which row, which column?",
    plan="1. Zeros, classes x classes, of whole numbers: torch.zeros(..., dtype=torch.long).\n"
    "2. For each clip, one more in [true class, predicted class].",
    insight="The right answers lie on the diagonal; a row says where the clips of a class went, "
    "and accuracy, precision, recall and F1 can all be read off these counts.",
)

F1 = Exercise(
    number="8.2",
    reference=macro_f1,
    cases=_matrices,
    mistakes=mistakes_08_scores.F1,
    judge=_judge_f1,
    nudge="What is F1 of one class, from its cell on the diagonal, its row and its column? And "
    "what does a class get that occurs nowhere?",
    plan="1. For each class: right = confusion.diag(); true and predicted are the sums of its row "
    "and of its column.\n2. F1 = 2 right / (true + predicted); 0 where that divides by 0.\n"
    "3. The mean over all classes.",
    insight="In the macro mean a rare class counts as much as a common one: who always says "
    '"mild" may be right on nine clips of ten and has a macro F1 below one half.',
)

BOOTSTRAP = Exercise(
    number="8.3",
    reference=patient_bootstrap,
    cases=_results,
    mistakes=mistakes_08_bootstrap.BOOTSTRAP,
    judge=_judge_interval,
    nudge="Another study would have met other patients, not the same ones with other clips. What "
    "has to be drawn anew?",
    plan="1. For each patient: how many clips are right, and how many there are.\n"
    "2. `draws` times: draw as many patients as there are, with replacement, from a generator "
    "made\n   from `seed`. Accuracy = their right clips / their clips.\n"
    "3. Sort the accuracies: the interval lies between the percentiles 2.5 and 97.5.",
    insight="Clips of one patient are right or wrong together, so they are fewer witnesses than "
    "they seem: the honest interval is wider than one that takes each clip for a new patient.",
)

EXERCISES = (CONFUSION, F1, BOOTSTRAP)
