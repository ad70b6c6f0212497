"""Name the mistake behind a wrong answer: one of the exercise's own, or one that many share.

The shared ones are compositions with the solution: axes permuted, inputs swapped, an input ignored,
an axis averaged, everything off by a factor.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations, permutations, product
from typing import Any

import torch
from torch import Tensor

from csgcourse.comparing import PLACES, compare, near, ratio
from csgcourse.exercise import Answers, Arguments, Exercise, Wrong

_FACTORS = {
    -1.0: "the sign is wrong",
    0.0: "every value is zero",
    100.0: "every value is 100 times what it should be: in percent?",
}
_HUGE = 10**7  # numbers in an answer
Sizes = dict[str, int]


def explain(exercise: Exercise, answers: Answers) -> str | None:
    """The mistake that all answers have in common, in a clause; None if it is not known.

    Right answers count too: they tell apart mistakes that agree on the wrong ones.
    """
    came = [exercise.read(answer) for _, answer in answers]
    if not all(map(_plain, came)):
        return None
    if named := _common(came, exercise.wrong):
        return named
    if named := _common(came, (_inputs_changed(exercise, answers, *given) for given, _ in answers)):
        return named
    wanted = [exercise.wanted(*given) for given, _ in answers]
    sizes = [_sizes(exercise, given) for given, _ in answers]
    return _results(came, wanted, exercise.axes, sizes)


def _plain(answer: object) -> bool:
    """Whether it can be computed with: no tensor that is sparse, elsewhere, complex or huge."""
    if not isinstance(answer, Tensor):
        return True
    dense = answer.layout == torch.strided and answer.is_cpu and not answer.is_complex()
    return dense and answer.numel() < _HUGE


def _common(came: Sequence[object], tables: Iterable[Wrong]) -> str | None:
    """The first message whose wrong results are the answers, in every case."""
    left: list[str] | None = None
    for answer, table in zip(came, tables, strict=False):  # no more tables than are needed
        if isinstance(answer, float | Tensor) and torch.as_tensor(answer).isnan().any():
            continue  # any mistake may end in NaN
        known = table if left is None else left
        left = [w for w in known if w in table and compare(answer, table[w]) is None]
        if not left:
            return None
    return left[0] if left else None


def _inputs_changed(exercise: Exercise, answers: Answers, *given: object) -> Wrong:
    """What the solution gives for inputs that are swapped, confused or ignored."""
    names, wrong = exercise.parameters, {}

    def note(words: str, changed: Iterable[object]) -> None:
        wrong[words] = exercise.outcome(exercise.reference, *changed)

    for i, name in enumerate(names):
        values = dict.fromkeys(one[i] for one, _ in answers if isinstance(one[i], int | str))
        for value in values:
            words = f"`{name}` makes no difference: this is the result for {name} = {value!r}"
            note(words, (*given[:i], value, *given[i + 1 :]))
        for one, other in combinations([v for v in values if isinstance(v, str)], 2):
            swap = {one: other, other: one}
            changed = swap.get(str(given[i]), given[i])
            note(f"{one!r} and {other!r} are exchanged", (*given[:i], changed, *given[i + 1 :]))
    for i, j in permutations(range(len(given)), 2):
        if type(given[i]) is type(given[j]):
            used = [given[j] if place == i else value for place, value in enumerate(given)]
            swapped = [given[i] if place == j else value for place, value in enumerate(used)]
            note(f"`{names[min(i, j)]}` and `{names[max(i, j)]}` are exchanged", swapped)
            note(f"`{names[j]}` is used where `{names[i]}` should be", used)
    return wrong


def _sizes(exercise: Exercise, given: Arguments) -> Sizes:
    """What a factor may be: whole numbers among the inputs, and lengths of their axes."""
    named = dict(zip(exercise.parameters, given, strict=True))
    sizes = {name: value for name, value in named.items() if isinstance(value, int)}
    for name, value in named.items():
        if isinstance(value, Tensor):
            sizes |= {f"{name}.shape[{axis}]": size for axis, size in enumerate(value.shape)}
            sizes[f"{name}.numel()"] = value.numel()
    return sizes


def _results(came: list[Any], wanted: list[Any], axes: str, sizes: list[Sizes]) -> str | None:
    """What turns every wanted result into the answer, whatever the inputs."""
    names, factor = axes.split(), next(filter(None, map(_factor, came, wanted)), 0.0)
    tables = (
        dict([*_scaled(one, factor, of), *_changed(one, names)])
        for one, of in zip(wanted, sizes, strict=True)
    )
    if named := _common(came, tables):
        return named
    if not isinstance(wanted[0], tuple):
        return _rearranged(came, wanted, names)
    pairs = list(zip(came, wanted, strict=True))
    if any(not isinstance(a, Sequence) or len(a) != len(w) for a, w in pairs):
        return None
    for place, part in enumerate(axes.split(";")):
        if all(compare((*w[:place], a[place], *w[place + 1 :]), a) is None for a, w in pairs):
            named = _results([a[place] for a in came], [w[place] for w in wanted], part, sizes)
            return named and f"in the {PLACES[place]} result, {named}"
    return None


def _changed(wanted: object, axes: Sequence[str]) -> Iterator[tuple[str, object]]:
    """A result made wrong in the ways that fit any exercise."""
    if isinstance(wanted, tuple):
        for order in permutations(wanted):
            yield "the results are right, but in another order", order
    elif isinstance(wanted, int):
        yield from (("one too many", wanted + 1), ("one too few", wanted - 1))
    elif isinstance(wanted, float):
        yield "one minus that is wanted", 1 - wanted
    elif isinstance(wanted, Tensor):
        for axis, name in enumerate(axes):
            if name != "1":
                yield from _changed_along(wanted, axis, name)


def _changed_along(wanted: Tensor, axis: int, name: str) -> Iterator[tuple[str, Tensor]]:
    yield f"the order along {name} is reversed", wanted.flip(axis)
    yield f"everything is shifted by one along {name}", wanted.roll(1, axis)
    yield f"everything is shifted back by one along {name}", wanted.roll(-1, axis)
    ways = {
        f"only the first along {name} is used": wanted.narrow(axis, 0, 1),
        f"only the last along {name} is used": wanted.narrow(axis, wanted.shape[axis] - 1, 1),
    }
    if wanted.is_floating_point():
        ways[f"this is the mean over {name}"] = wanted.mean(axis, keepdim=True)
        ways[f"this is the sum over {name}"] = wanted.sum(axis, keepdim=True)
    for words, value in ways.items():
        each = f"{words}; each {name} has its own values"
        yield from ((each, value), (f"{each}, on an axis", value.squeeze(axis)))
        yield f"{each}, not all the same", value.expand_as(wanted)


def _rearranged(came: list[Any], wanted: list[Any], axes: Sequence[str]) -> str | None:
    """Whether the numbers are right, but axes are permuted, joined or split."""
    pairs = [(a, w) for a, w in zip(came, wanted, strict=True) if isinstance(a, Tensor)]
    if not axes or len(pairs) < len(wanted) or any(a.numel() != w.numel() for a, w in pairs):
        return None
    orders = permutations(range(len(axes)))
    for order in sorted(orders, key=lambda o: sum(k != axis for k, axis in enumerate(o))):
        if all(near(a, w.permute(order).reshape(a.shape)) for a, w in pairs):
            answer, permuted = pairs[0][0], pairs[0][1].permute(order)
            now, right = (f"({', '.join(axes[k] for k in o)})" for o in (order, sorted(order)))
            words = (
                f"you only reshaped: they are in the order {now}, and `reshape` moves no axis. "
                f"Bring them into the order {right} first (`permute`)"
            )
            if answer.shape == permuted.shape:
                words = f"the axes are in the order {now}; {right} is wanted"
            elif answer.ndim != permuted.ndim:
                fewer = answer.ndim < permuted.ndim
                what = "axes are joined or missing" if fewer else "an axis is still split; join it"
                words = f"{what}: {right} is wanted"
            return f"the numbers are right, but {words}"
    return None


def _scaled(wanted: object, factor: float, sizes: Sizes) -> Iterator[tuple[str, object]]:
    """A result off by one factor in all cases, or by a power of a size."""
    if not isinstance(wanted, Tensor | int | float):
        return
    if factor != 1:  # 1 where only the type is wrong
        words = f"every value is {factor:.3g} times what it should be"
        yield _FACTORS.get(round(factor, 3), words), wanted * factor
    for (name, size), power in product(sizes.items(), (1, 2, 0.5)):
        scale = name if power == 1 else f"{name}**{power}"
        too_large = f"every value is `{scale}` times too large: a factor, or a sum for a mean?"
        divided = f"every value is divided by `{scale}`: one division too many, a mean for a sum?"
        yield from ((too_large, wanted * size**power), (divided, wanted / (size or 1) ** power))


def _factor(answer: Any, wanted: Any) -> float | None:
    """The factor between two results; None if there is none, or any would do."""
    if isinstance(wanted, tuple):
        return None
    with suppress(TypeError, ValueError, RuntimeError):  # an answer may be anything
        came, due = torch.as_tensor(answer), torch.as_tensor(wanted)
        return ratio(came, due) if came.shape == due.shape else None
    return None
