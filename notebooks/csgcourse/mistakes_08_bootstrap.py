"""Wrong answers to exercise 8.3, each with what to say about it, and what makes an interval wrong.

Not in the paper: part of the course. Chance may come from any generator, so many intervals are
right: those that differ from a well-known one by no more than chance does.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from csgcourse.exercise import Arguments, Mistake

_MANY = 40_000  # draws, so that the chance that is left is the answer's own
_ENOUGH = 1_000  # draws from which one mistake can be told from another
_NEAR = 0.06  # of the interval's width
_TINY = 1e-4
_TAIL = 0.025


def two_numbers(answer: object) -> tuple[float, float] | None:
    """An answer as (low, high); None when it is anything else."""
    try:
        low, high = (float(end) for end in answer)  # type: ignore[attr-defined]  # that is asked
    except (TypeError, ValueError, RuntimeError):
        return None
    return low, high


def fault(
    interval: tuple[float, float], correct: Tensor, patients: Sequence[str], draws: int
) -> str | None:
    """What is wrong with an interval, in a clause; None when it is as good as any.

    Args:
        interval: (low, high).
        correct: 1 for each clip that is right, else 0.
        patients: whose each clip is.
        draws: how many the interval comes from: the fewer, the more chance is allowed for.
    """
    accuracy = _accuracy(correct, patients, _MANY, 1)
    # How far the share of draws beyond an end may be off, in standard errors; few draws are not
    # there to tell intervals apart, and their tails are longer than normal ones.
    off = (4 if draws >= _ENOUGH else 6) * math.sqrt(_TAIL * (1 - _TAIL) / draws)
    tails = torch.tensor([_TAIL - off, _TAIL + off, 1 - _TAIL - off, 1 - _TAIL + off]).clamp(0, 1)
    lowest, low, high, highest = accuracy.quantile(tails.to(accuracy)).tolist()
    if (
        lowest - _TINY <= interval[0] <= low + _TINY
        and high - _TINY <= interval[1] <= highest + _TINY
    ):
        return None
    if draws >= _ENOUGH and (says := _known(interval, (correct, patients, _MANY, 2))):
        return f"judging by where the interval lies, {says}"
    low, high = _between(accuracy)
    came = f"({interval[0]:.3f}, {interval[1]:.3f})"
    narrow = ", far too narrow" if interval[1] - interval[0] < 0.2 * (high - low) else ""
    return f"an interval near ({low:.3f}, {high:.3f}) is wanted: got {came}{narrow}"


def _known(interval: tuple[float, float], arguments: Arguments) -> str | None:
    """The mistake whose interval is nearest, if it is near."""
    away = []
    for mistake in BOOTSTRAP:
        low, high = cast("tuple[float, float]", mistake.function(*arguments))
        distance = max(abs(interval[0] - low), abs(interval[1] - high))
        away.append((distance - _NEAR * (high - low) - _TINY, mistake.says))
    distance, says = min(away)
    return says if distance <= 0 else None


def _tally(correct: Tensor, patients: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Right clips and all clips of each patient."""
    names = sorted(set(patients))
    owner = torch.tensor([names.index(patient) for patient in patients])
    return torch.bincount(owner, correct.double()), torch.bincount(owner).double()


def _draw(count: int, draws: int, seed: int, size: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(count, (draws, size or count), generator=generator)


def _between(accuracy: Tensor, tail: float = _TAIL) -> tuple[float, float]:
    ends = accuracy.new_tensor([tail, 1 - tail])
    low, high = accuracy.quantile(ends).tolist()
    return low, high


def _accuracy(correct: Tensor, patients: Sequence[str], draws: int, seed: int) -> Tensor:
    right, clips = _tally(correct, patients)
    drawn = _draw(len(clips), draws, seed)
    return right[drawn].sum(1) / clips[drawn].sum(1)


def _by_clip(correct: Tensor, _: Sequence[str], draws: int, seed: int) -> tuple[float, float]:
    return _between(correct.double()[_draw(len(correct), draws, seed)].mean(1))


def _around_the_mean(accuracy: Tensor, spreads: float) -> tuple[float, float]:
    off = spreads * float(accuracy.std(correction=0))
    return float(accuracy.mean()) - off, float(accuracy.mean()) + off


def _patient_means(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    return _between((right / clips)[_draw(len(clips), draws, seed)].mean(1))


def _once(correct: Tensor, patients: Sequence[str], draws: int, seed: int) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    drawn = _draw(len(clips), draws, seed)
    chosen = clips.new_zeros(drawn.shape).scatter_(1, drawn, 1.0)
    return _between(chosen @ right / (chosen @ clips))


def _fixed_number(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    return _between(right[_draw(len(clips), draws, seed)].sum(1) / clips.sum())


def _one_clip_each(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    chances = (right / clips)[_draw(len(clips), draws, seed)]
    generator = torch.Generator().manual_seed(seed)
    return _between(torch.bernoulli(chances, generator=generator).mean(1))


def _too_many(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    drawn = _draw(len(clips), draws, seed, size=len(patients))
    return _between(right[drawn].sum(1) / clips[drawn].sum(1))


def _often_with_many_clips(
    correct: Tensor, patients: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    right, clips = _tally(correct, patients)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(clips, draws * len(clips), replacement=True, generator=generator)
    drawn = drawn.view(draws, len(clips))
    return _between(right[drawn].sum(1) / clips[drawn].sum(1))


def _no_replacement(
    correct: Tensor, _: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    mean = float(correct.double().mean())
    return mean, mean


BOOTSTRAP = (
    Mistake(
        _by_clip,
        "you took clips as if each were somebody new. Clips of one patient are right or wrong "
        "together, so the interval comes out too narrow: draw patients, with all their clips.",
    ),
    Mistake(
        lambda *given: _between(_accuracy(*given), tail=0.05),
        "5 % are cut off at each end: a 90 % interval. For 95 % it is 2.5 % at each end.",
    ),
    Mistake(
        lambda *given: _between(_accuracy(*given), tail=0.005),
        "0.5 % are cut off at each end: a 99 % interval. For 95 % it is 2.5 % at each end.",
    ),
    Mistake(
        _no_replacement,
        "the interval has no width: you drew without replacement, so that each draw holds the "
        "same clips again. A patient may be drawn twice, or not at all.",
    ),
    Mistake(
        lambda correct, patients, draws, seed: _around_the_mean(
            _accuracy(correct, patients, draws, seed), 1.96 / draws**0.5
        ),
        "you divided the spread by the root of `draws`: that says how well the mean of the draws "
        "is known, and more draws would make the network better known. Take percentiles.",
    ),
    Mistake(
        lambda *given: _around_the_mean(_accuracy(*given), 1.96),
        "this is mean +- 1.96 spreads. Near 0 and 1 accuracies are not spread evenly, and it may "
        "even pass 1: take the percentiles 2.5 and 97.5 of the draws.",
    ),
    Mistake(
        _patient_means,
        "you took the mean of the patients' accuracies, in which a patient with one clip counts "
        "as much as one with ten. Accuracy counts clips: put all drawn patients' clips together.",
    ),
    Mistake(
        _once,
        "a patient who is drawn twice counts once here. It must count twice, with all clips: "
        "a draw is a list with repeats, not a set.",
    ),
    Mistake(
        _too_many,
        "each draw holds as many patients as there are clips: so large a study was not made, and "
        "the interval comes out too narrow. Draw as many patients as there are patients.",
    ),
    Mistake(
        _often_with_many_clips,
        "you drew from the list of clips' patients, in which a patient with many clips stands "
        "many times. Draw from the list of patients, each there once.",
    ),
    Mistake(
        _fixed_number,
        "you divided by the number of clips there are; a draw may hold more or fewer. Divide by "
        "the clips in the draw.",
    ),
    Mistake(
        _one_clip_each,
        "you took one clip of each drawn patient; a patient comes with all clips.",
    ),
    Mistake(
        lambda *given: _between(_accuracy(*given), tail=0.0),
        "these are the lowest and the highest draw, and they drift apart the more you draw. "
        "Take the percentiles 2.5 and 97.5.",
    ),
)
