"""Exercises 8.1 to 8.6: how accurate a network is, how sure we are of that, and how it is trained.

Source: section 3 names accuracy, F1-score, precision and recall (Table 1), Adam, its learning rate
and its weight decay. Not in the paper: intervals (on its 118 test clips one clip is 0.85 points),
a schedule, and which parameters decay.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from csgcourse.exercise import AnswerError, Arguments, Exercise, edited, find
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT

_MANY = 20_000  # draws, so that what chance is left is the answer's own
_ENOUGH = 1_000  # draws from which mistakes can be told apart
_TINY, _TAIL = 1e-4, 0.025


def confusion(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    """Count the pairs (true, predicted)."""
    counts = torch.zeros(classes, classes, dtype=torch.long)
    for row, column in zip(true, predicted, strict=True):
        counts[row, column] += 1
    return counts


def macro_f1(confusion: Tensor) -> float:
    """The mean over the classes of 2 hits / (true + predicted)."""
    true_and_predicted = confusion.sum(dim=1) + confusion.sum(dim=0)
    scores = 2 * confusion.diag() / true_and_predicted.clamp(min=1)
    return scores.mean().item()


def patient_bootstrap(
    correct: Tensor, patients: Sequence[Any], draws: int, seed: int
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


def train_step(model: nn.Module, optimizer: Optimizer, clips: Tensor, labels: Tensor) -> float:
    """Forward, loss, backward, and one small move of every weight."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(clips), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def one_cycle(step: int, steps: int, lr: float) -> float:
    """Half a cosine up over 30 % of the steps, half a cosine down over the others."""
    done, warm_up, low = step / steps, 0.3, lr / 25
    if done < warm_up:
        return low + (lr - low) * (1 - math.cos(math.pi * done / warm_up)) / 2
    return lr * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


def decay_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Norms, biases and gates have at most one axis; kernels and matrices have more."""
    kernels: list[Tensor] = []
    others: list[Tensor] = []
    for parameter in model.parameters():
        (kernels if parameter.ndim > 1 else others).append(parameter)
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _labels(generator: Generator) -> list[Arguments]:
    drawn = partial(torch.randint, generator=generator)
    true, alike = drawn(4, (97,)), drawn(5, (31,))
    mostly_right = (true + (drawn(10, (97,)) < 4)) % 4
    return [
        (mostly_right, true, 5),  # the last class never occurs
        (drawn(2, (43,)) * 2, drawn(3, (43,)), 3),  # class 1 is never predicted
        (alike, alike.clone(), 5),
        (torch.tensor([1]), torch.tensor([0]), 2),
    ]


def _matrices(generator: Generator) -> list[Arguments]:
    drawn = torch.randint(1, 40, (5, 5), generator=generator)
    never_predicted, absent = drawn[:4, :4].clone(), drawn.clone()
    never_predicted[:, 2] = 0
    never_predicted[1, 1] = 0  # predicted and true, but never both
    absent[3], absent[:, 3] = 0, 0
    given = [drawn[:3, 1:4].clone(), torch.tensor([[79, 2], [9, 5]]), never_predicted, absent]
    return [(one,) for one in (*given, torch.tensor([[0, 3], [5, 0]]), torch.tensor([[7]]))]


def _results(generator: Generator) -> list[Arguments]:
    """Patients with many clips are often wrong, and on most of their clips alike."""

    def mixed(sizes: Tensor, right: Tensor) -> tuple[Tensor, list[str]]:
        """Clips in random order: 1 or 0, and the patient, for each."""
        order = torch.randperm(len(right), generator=generator)
        owners = torch.arange(len(sizes)).repeat_interleave(sizes)[order]
        return right[order].float(), [f"p{7 * owner % 97}" for owner in owners.tolist()]

    sizes = torch.randint(1, 8, (19,), generator=generator)
    wrong = torch.rand(19, generator=generator) < 0.12 * sizes - 0.15
    exceptions = torch.rand(int(sizes.sum()), generator=generator) < 0.2
    cohort = mixed(sizes, ~wrong.repeat_interleave(sizes) ^ exceptions)
    few = torch.tensor([*[1] * 16, 2, 4, 6, *[3] * 6])
    nearly_all = mixed(few, (few != 4).repeat_interleave(few))
    alone = mixed(torch.ones(29, dtype=torch.long), torch.rand(29, generator=generator) < 0.7)
    return [
        *((*cohort, draws, seed) for draws, seed in ((2000, 3), (211, 3), (211, 3), (211, 8))),
        (*nearly_all, 2000, 5),
        (*alone, 2000, 1),  # one clip a patient
        (torch.tensor([1.0, 0.0, 1.0, 1.0]), ["p8"] * 4, 37, 2),  # one patient
        (torch.ones(6), ["p1", "p2", "p2", "p1", "p5", "p3"], 37, 6),  # all correct
    ]


def _counts(result: object) -> object:
    """Whole numbers as int64, whatever their type."""
    if isinstance(result, Tensor) and result.is_floating_point():
        return result.long() if torch.equal(result, result.round()) else result
    return result


def _validate_interval(
    answer: Any, correct: Tensor, patients: Sequence[str], draws: int, _seed: int
) -> str | None:
    try:
        low, high = (float(end) for end in answer)
    except (TypeError, ValueError, RuntimeError):
        return "two numbers are wanted: (low, high)"
    known = _known(tuple(correct.tolist()), tuple(patients))
    return wrong_interval((low, high), *known, draws)


def wrong_interval(
    came: tuple[float, float],
    values: Tensor,
    mistaken: Mapping[str, Sequence[float]],
    draws: int,
) -> str | None:
    """What is wrong with the ends of an interval, made of `draws` draws.

    Any generator will do: right is what differs by chance only from where 95 % of `values`, many
    draws, lie. The fewer the draws, the more chance is allowed for. `mistaken` has the intervals of
    common mistakes.
    """
    came_low, came_high = came
    # How far the share of draws beyond an end may be off, in standard errors; with few draws
    # intervals cannot be told apart, and tails are longer than normal ones.
    off = (4 if draws >= _ENOUGH else 6) * math.sqrt(_TAIL * (1 - _TAIL) / draws)
    tails = torch.tensor([_TAIL - off, _TAIL + off, 1 - _TAIL - off, 1 - _TAIL + off]).clamp(0, 1)
    lowest, low, high, highest = values.quantile(tails.to(values)).tolist()
    inside = lowest - _TINY <= came_low <= low + _TINY
    if inside and high - _TINY <= came_high <= highest + _TINY:
        return None
    near = {
        words: max(abs(came_low - a), abs(came_high - b))
        for words, (a, b) in mistaken.items()
        if max(abs(came_low - a), abs(came_high - b)) <= 0.06 * (b - a) + _TINY
    }
    if draws >= _ENOUGH and near:
        return "by where the interval lies, " + "; or ".join(sorted(near, key=near.__getitem__))
    low, high = values.quantile(values.new_tensor([_TAIL, 1 - _TAIL])).tolist()
    hint = ", far too narrow: divided by the root of `draws`?"
    shown = f"({came_low:.3f}, {came_high:.3f}){hint * (came_high - came_low < (high - low) / 5)}"
    return f"an interval near ({low:.3f}, {high:.3f}) is wanted: got {shown}"


@lru_cache  # the cases of all checks are the same
def _known(correct: tuple[float, ...], patients: tuple[str, ...]) -> tuple[Tensor, dict[str, Any]]:
    """Accuracies of many draws of patients, and where common mistakes put the interval."""
    given = torch.tensor(correct), patients, _MANY, 1
    accuracy = edited(patient_bootstrap, "return low, high", "return accuracy")(*given)
    wrong = find("8.3").mistaken.items()
    return accuracy, {words: function(*given) for words, function in wrong}


def _batches(generator: Generator) -> list[Arguments]:
    """The model by its name, the optimiser by that of its class; `_after_the_step` makes them."""
    Adam([torch.ones(1, requires_grad=True)]).step()  # the first one imports modules for seconds
    clips = torch.randn(5, 3, 2, 4, 4, generator=generator)
    given = clips, torch.tensor([0, 1, 1, 2, 0])
    return [("two layers", "SGD", *given), ("two layers", "Adam", *given)]


def _after_the_step(
    function: Callable[..., Any], _: str, optimizer: str, clips: Tensor, labels: Tensor
) -> object:
    """Loss and weights; an earlier batch has left gradients, and the optimiser its moments."""
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        network = nn.Sequential(nn.Flatten(), nn.Linear(96, 7), nn.GELU(), nn.Linear(7, 3))
    step = SGD(network.parameters(), 0.1, 0.9) if optimizer == "SGD" else Adam(network.parameters())
    train_step(network, step, clips.flip(0) + 1, labels)
    loss = function(network, step, clips, labels)
    if isinstance(loss, Tensor) and loss.requires_grad:
        raise AnswerError("return the loss as a number, `loss.item()`: this tensor keeps its graph")
    weights = torch.cat([one.detach().flatten() for one in network.parameters()])
    return {"the loss": loss, "the weights after the step": weights}


def _steps(_: Generator) -> list[Arguments]:
    """Totals of which 30 % is a whole number, so that rounding is free; the end comes first."""
    places = [(step, 40) for step in (40, 0, 5, 12, 13, 26, 39)] + [(1, 10), (210, 700)]
    return [(step, steps, lr) for step, steps in places for lr in (1e-1, 2.0)]


def _networks(_: Generator) -> list[Arguments]:
    return [("TINY", 0.05), ("batch norms", 0.05), ("TINY", 0.3)]


def _decay_of_each(function: Callable[..., Any], model: str, decay: float) -> object:
    """The decay of each parameter, by its name; the class token may have one or not."""
    with torch.random.fork_rng([]):
        plain = nn.Sequential(nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2), nn.Flatten(), nn.Linear(8, 2))
        network = CSG3DCT(TINY) if model == "TINY" else plain
    names = {id(one): name for name, one in network.named_parameters()}
    if (groups := function(network, decay)) is None or groups is ...:
        return groups
    try:
        decays = ((p, one.get("weight_decay", 0)) for one in groups for p in one["params"])
        pairs = [(names[id(parameter)], value) for parameter, value in decays]
    except (TypeError, KeyError, AttributeError, IndexError):
        raise AnswerError(
            'a list of two dicts is wanted, each with "weight_decay" and "params", the parameters '
            "of the model themselves: no names, copies or `.data`"
        ) from None
    for name in names.values():
        if (count := [found for found, _ in pairs].count(name)) != 1:
            raise AnswerError(f"`{name}` is in the groups {count} times; each parameter is in one")
    return {f"weight decay of `{name}`": value for name, value in pairs if name != "embed.cls"}


def _averages(join: Callable[[Tensor, Tensor], Tensor], absent: float) -> Callable[..., Tensor]:
    """Of mean precision and mean recall; `absent` is that of a class never predicted or true."""

    def wrong(confusion: Tensor) -> Tensor:
        classes = (confusion.diag() / confusion.sum(dim=axis) for axis in (0, 1))
        precision, recall = (each.nan_to_num(absent).nanmean() for each in classes)
        return join(precision, recall).nan_to_num()

    return wrong


# fmt: off
_CONFUSION_MISTAKES = {
    "each cell counts to one at most: `matrix[true, predicted] += 1` adds once a cell; use a loop "
    "or `torch.bincount`": ("+= 1", "= 1"),
    "these are shares of all clips; counts are wanted":
        ("return counts", "return counts / len(true)"),
    "only the correct predictions were counted": ("return counts", "return counts.diag().diag()"),
    "the last class is missing where no clip has it": lambda predicted, true, _:
        confusion(predicted, true, int(torch.cat([predicted, true]).max()) + 1),
    "the classes are in reverse order: class 0 comes first":
        ("return counts", "return counts.flip(0, 1)"),
}
_F1_MISTAKES = {
    "this is the accuracy (micro F1); macro is a mean over classes": lambda m: m.trace() / m.sum(),
    "you left out a class, never predicted and never true; it counts 0":
        ("scores.mean", "scores[true_and_predicted > 0].mean"),
    "classes are weighted by their number of clips":
        ("scores.mean()", "(scores * confusion.sum(dim=1)).sum() / confusion.sum()"),
    "this is F1 of class 1 alone; macro is a mean over classes":
        ("scores.mean()", "scores[1 % len(scores)]"),
    **{
        words.format(of): _averages(join, absent)
        for of, absent in (("", 0.0), (" (of the classes that occur)", math.nan))
        for words, join in {
            "this is the mean recall{}; F1 takes in precision too": lambda p, r: r,
            "this is the plain mean of precision and recall{}; F1 is 2 P R / (P + R)":
                lambda p, r: (p + r) / 2,
            "this is F1 of macro precision and macro recall{}; take F1 of each class, then the "
            "mean":
                lambda p, r: 2 * p * r / (p + r),
        }.items()
    },
}
_RATIO = "right[drawn].sum(dim=1) / clips[drawn].sum(dim=1)"
_BOOTSTRAP_MISTAKES = {
    "you drew clips; draw patients, with all their clips":
        lambda correct, _, *given: patient_bootstrap(correct, range(len(correct)), *given),
    "you averaged the patients' accuracies; count clips":
        (_RATIO, "(right / clips)[drawn].mean(dim=1)"),
    "a patient who is drawn twice counts once":
        (f"accuracy = {_RATIO}", "once = clips.new_zeros(drawn.shape).scatter(1, drawn, 1.0)\n"
         "    accuracy = once @ right / (once @ clips)"),
    "5 % are cut off at each end, a 90 % interval; cut off 2.5 %":
        ("[0.025, 0.975]", "[0.05, 0.95]"),
    "mean +- 1.96 standard deviations; take percentiles": (
        "torch.quantile(accuracy, accuracy.new_tensor([0.025, 0.975]))",
        "(accuracy.mean() + 1.96 * accuracy.std() * torch.tensor([-1, 1]))"),
}
_STEP_MISTAKES = {
    "no weight has moved: `zero_grad`, `backward`, `step`, in this order":
        ("    optimizer.step()\n", ""),
    "gradients of the step before were added in: `optimizer.zero_grad()` first":
        ("    optimizer.zero_grad()\n", ""),
    "this is the loss after the step; return the one that you went back through":
        ("return loss", "return F.cross_entropy(model(clips), labels)"),
    "the weights have moved twice: one `optimizer.step()` a call":
        lambda *given: [train_step(*given) for _ in range(2)][1],
    "`cross_entropy` takes logits: no softmax before it": ("(clips)", "(clips).softmax(1)"),
}
_RISE = "(1 - math.cos(math.pi * done / warm_up)) / 2"
_FALL = "(1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2"
_LINES = (_RISE, "done / warm_up"), (_FALL, "(1 - done) / (1 - warm_up)")
_CYCLE_MISTAKES = {
    "it rises along a straight line; a cosine is wanted": _LINES[0],
    "it rises from 0; it starts at `lr / 25`": ("lr / 25", "0"),
    "it falls along a straight line; a cosine is wanted": _LINES[1],
    "the cosine falls over all steps, not over 70 %": ("(done - warm_up) / (1 - warm_up)", "done"),
    "it falls to `lr / 25`; it falls to 0": (f"lr * {_FALL}", f"low + (lr - low) * {_FALL}"),
    "it stays at `lr` after the rise; it falls to 0": (f" * {_FALL}", ""),
    "this is a fraction of the peak; multiply by `lr`":
        lambda step, steps, _: one_cycle(step, steps, 1.0),
    "it rises and falls along straight lines; half a cosine is wanted for each":
        (*_LINES[0], *_LINES[1]),
}
_GROUP_MISTAKES = {
    "everything decays": ("> 1", ">= 0"),
    "norms and gates decay; only biases do not":
        ("parameter in model.p", "name, parameter in model.named_p",
         "parameter.ndim > 1", "'bias' not in name"),
    "the gates decay: a gate is a tensor without axes, `ndim == 0`": ("> 1", "!= 1"),
    "kernels do not decay; only matrices do": ("> 1", "== 2"),
}
# fmt: on
EXERCISES = (  # in the order of the page
    Exercise("8.4", train_step, _batches, mistakes=_STEP_MISTAKES, use=_after_the_step),
    Exercise("8.6", decay_groups, _networks, mistakes=_GROUP_MISTAKES, use=_decay_of_each),
    Exercise("8.5", one_cycle, _steps, mistakes=_CYCLE_MISTAKES),
    Exercise("8.1", confusion, _labels, "true predicted", _CONFUSION_MISTAKES, _counts),
    Exercise("8.2", macro_f1, _matrices, mistakes=_F1_MISTAKES),
    Exercise(
        "8.3", patient_bootstrap, _results, "", _BOOTSTRAP_MISTAKES, validate=_validate_interval
    ),
)
