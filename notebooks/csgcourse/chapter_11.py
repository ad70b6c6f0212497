"""Exercises 11.1 to 11.3: two networks on the same clips, and many such pairs.

Not in the paper, whose Table 1 has one accuracy a row, of 118 clips.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from csgcourse.chapter_08 import patient_bootstrap, wrong_interval
from csgcourse.exercise import Arguments, Exercise, edited, find


def mcnemar(first_alone: int, second_alone: int) -> float:
    """Twice the smaller tail of as many fair coin tosses, at most 1."""
    tosses = first_alone + second_alone
    tail = sum(math.comb(tosses, k) for k in range(min(first_alone, second_alone) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def paired_bootstrap(
    first: Tensor, second: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float, float]:
    """The difference on all clips, and where 95 % of those of drawn patients lie."""
    names = sorted(set(patients))
    gain, clips = torch.zeros(2, len(names), dtype=torch.float64)
    for one, other, patient in zip(first, second, patients, strict=True):
        gain[names.index(patient)] += one - other
        clips[names.index(patient)] += 1
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(names), (draws, len(names)), generator=generator)
    gains = gain[drawn].sum(dim=1) / clips[drawn].sum(dim=1)
    low, high = torch.quantile(gains, gains.new_tensor([0.025, 0.975])).tolist()
    return (gain.sum() / clips.sum()).item(), low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """Times m, m - 1, ..., 1, from the smallest on, never falling, at most 1."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - place) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted


def _counts(_: Generator) -> list[Arguments]:
    return [(13, 5), (3, 11), (17, 2), (5, 0), (0, 7), (6, 6), (5, 6), (0, 0)]


def _results(generator: Generator) -> list[Arguments]:
    """Two networks that are wrong on the same hard patients; one has a patient more wrong."""

    def mixed(clips: Tensor, worse: float) -> tuple[Tensor, Tensor, list[str]]:
        order = torch.randperm(int(clips.sum()), generator=generator)
        owner = torch.arange(len(clips)).repeat_interleave(clips)[order]
        hard, bad = torch.rand(2, len(clips), generator=generator)
        luck, more = 0.25 * torch.rand(2, len(order), generator=generator)
        first, second = 0.8 * hard[owner] + luck < 0.75, hard[owner] + more < 0.9
        second &= (bad < worse * clips / clips.max())[owner].logical_not()
        return first.float(), second.float(), [f"p{7 * one % 97}" for one in owner.tolist()]

    cohort = mixed(torch.randint(1, 8, (23,), generator=generator), 0.6)
    alone = mixed(torch.ones(31, dtype=torch.long), 0.3)
    few = torch.tensor([*[1] * 16, 2, 4, 6, *[3] * 6])  # the first fails on the patient of four
    nearly_all = (few != 4).repeat_interleave(few).float()
    owners = torch.arange(len(few)).repeat_interleave(few).tolist()
    seeds = ((2000, 3), (211, 3), (211, 3), (211, 8))
    return [
        *((*cohort, *given) for given in seeds),
        (nearly_all, torch.ones(len(owners)), [f"p{one}" for one in owners], 2000, 5),
        (*alone, 2000, 1),
        (*cohort[:2], ["p"] * len(cohort[2]), 37, 2),
    ]


def _validate(
    answer: Any, first: Tensor, second: Tensor, patients: Sequence[str], draws: int, _seed: int
) -> str | None:
    """As for exercise 8.3: right is what differs by chance only from the interval of many draws."""
    try:
        came, low, high = (float(number) for number in answer)
    except (TypeError, ValueError, RuntimeError):
        return "three numbers are wanted: (difference, low, high)"
    differences, mistaken = _known(tuple(first.tolist()), tuple(second.tolist()), tuple(patients))
    wanted = (first.double().mean() - second.double().mean()).item()
    if not math.isclose(came, wanted, abs_tol=1e-5):
        plain = f"the difference is that of all clips, {wanted:.4f}: got {came:.4f}"
        pairs = ((words, gain) for words, (gain, *_) in mistaken.items())
        return next((w for w, gain in pairs if math.isclose(came, gain, abs_tol=1e-4)), plain)
    ends = {words: interval for words, (_, *interval) in mistaken.items()}
    return wrong_interval((low, high), differences, ends, draws)


@lru_cache  # the cases of all checks are the same
def _known(
    first: tuple[float, ...], second: tuple[float, ...], patients: tuple[str, ...]
) -> tuple[Tensor, dict[str, Any]]:
    """Differences of many draws of patients, and what common mistakes give."""
    given = torch.tensor(first), torch.tensor(second), patients, 20_000, 1
    end = "return (gain.sum() / clips.sum()).item(), low, high"
    gains = edited(paired_bootstrap, end, "return gains")
    mistaken = find("11.2").mistaken.items()
    return gains(*given), {words: function(*given) for words, function in mistaken}


def _p_values(generator: Generator) -> list[Arguments]:
    small = (torch.rand(7, generator=generator) ** 3 / 5).tolist()
    ties = [0.9, 0.6, 0.2, 0.2, 0.001]
    return [(small,), ([0.03, 0.011, 0.0125, 0.04, 0.01],), (ties,), ([0.04],)]


def _listed(answer: Any) -> object:
    """A list, also of an array or a tensor."""
    return answer.tolist() if hasattr(answer, "tolist") else answer


def _unpaired(
    first: Tensor, second: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float, float]:
    accuracy = edited(patient_bootstrap, "return low, high", "return accuracy")
    one, other = accuracy(first, patients, draws, seed), accuracy(second, patients, draws, seed + 1)
    low, high = (one - other).quantile(one.new_tensor([0.025, 0.975])).tolist()
    return (first.double().mean() - second.double().mean()).item(), low, high


def _of_the_difference(mistaken: Callable[..., tuple[float, float]]) -> Callable[..., Any]:
    """A mistake of exercise 8.3, made with the difference of the marks."""
    return lambda first, second, *given: (
        (first.double().mean() - second.double().mean()).item(),
        *mistaken(first - second, *given),
    )


# fmt: off
_FEW = "min(first_alone, second_alone)"
_MCNEMAR_MISTAKES = {
    "this is one tail; double it": ("2 * tail", "tail"),
    "a p value is at most 1": ("min(1.0, 2 * tail / 2**tosses)", "2 * tail / 2**tosses"),
    "this is the mid-p value; count the observed split in full":
        ("2 * tail", f"(2 * tail - math.comb(tosses, {_FEW}))"),
    "the observed split is left out; it belongs to the tail": (f"{_FEW} + 1", _FEW),
    "this is the probability of just this split; add all that are more uneven":
        (f"range({_FEW} + 1)", f"[{_FEW}]"),
    "you took the tail of the first alone; take the smaller one": (_FEW, "first_alone"),
    "you took the tail of the second alone; take the smaller one": (_FEW, "second_alone"),
    "this is the chi-squared approximation; the exact test is binomial":
        lambda a, b: math.erfc(abs(a - b) / math.sqrt(2 * (a + b) or 1)),
    "this is the chi-squared approximation with Edwards' correction; the exact test is binomial":
        lambda a, b: math.erfc(max(abs(a - b) - 1, 0) / math.sqrt(2 * (a + b) or 1)),
    "you compare shares of clips; p is a probability": lambda a, b: abs(a - b) / (a + b or 1),
}
_PAIRED_MISTAKES = {
    "the difference has a sign: the first minus the second": lambda first, second, *given:
        (abs(first.mean() - second.mean()).item(), *paired_bootstrap(first, second, *given)[1:]),
    "the difference is the first minus the second": ("one - other", "other - one"),
    "the difference is in percent; a fraction is wanted":
        lambda *given: tuple(100 * number for number in paired_bootstrap(*given)),
    "you drew other patients for each network": _unpaired,
    **{words: _of_the_difference(mistaken) for words, mistaken in find("8.3").mistaken.items()},
}
_SORTED = "sorted(range(len(p_values)), key=p_values.__getitem__)"
_LARGEST = "max(largest, (len(p_values) - place) * p_values[index])"
_STEP = _LARGEST, "(len(p_values) - place) * p_values[index]"
_DOWN = (f"enumerate({_SORTED})", f"[*enumerate({_SORTED})][::-1]",
         "max(largest", "min(largest", "p_values), 0.0", "p_values), 1.0")
_HOLM_MISTAKES = {
    "this is Bonferroni's: only the smallest is multiplied by all of them":
        ("(len(p_values) - place)", "len(p_values)"),
    "an adjusted value is smaller than the one before it: keep the largest so far": _STEP,
    "a p value is at most 1": ("min(1.0, largest)", "largest"),
    "neither the largest so far nor the limit of 1 is kept":
        (*_STEP, "min(1.0, largest)", "largest"),
    "they are sorted; bring them back into the order given":
        ("return adjusted", "return sorted(adjusted)"),
    "you multiplied in the order given; begin with the smallest":
        (*_STEP, _SORTED, "range(len(p_values))"),
    "you took the p values in the order given; sort them first": (_SORTED, "range(len(p_values))"),
    "this is Hochberg's: from the largest down, the smallest so far": _DOWN,
    "this is Benjamini and Hochberg's, of the false discovery rate":
        (*_DOWN, "(len(p_values) - place)", "len(p_values) / (place + 1)"),
    "the factors are the wrong way round: the smallest is multiplied by all of them":
        ("(len(p_values) - place)", "(place + 1)"),
    "these are decisions; the adjusted p values are wanted":
        ("return adjusted", "return [p < 0.05 for p in adjusted]"),
}
# fmt: on
EXERCISES = (
    Exercise("11.1", mcnemar, _counts, mistakes=_MCNEMAR_MISTAKES),
    Exercise("11.2", paired_bootstrap, _results, "", _PAIRED_MISTAKES, validate=_validate),
    Exercise("11.3", holm, _p_values, mistakes=_HOLM_MISTAKES, read=_listed),
)
