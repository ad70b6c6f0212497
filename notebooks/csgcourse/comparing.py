"""How an answer differs from the wanted one, in words a reader can act on.

Not in the paper: part of the course. Any style of answer counts: a view or a copy, float32 or
float64, a plain number or one from a library.
"""

import math
import operator
from collections.abc import Sequence
from itertools import permutations

import torch
from torch import Tensor

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # generous to float32 and to another order of summation


def compare(answer: object, wanted: object) -> str | None:
    """None when the answer is right; else a clause that says what is wrong with it.

    Args:
        answer: what a reader's function returned: anything.
        wanted: a tensor, a whole number, a real number, a text, or a tuple or list of these.
    """
    if answer is None or answer is ...:
        return "nothing came back. Does the function still end with `...`, or lack its `return`?"
    if isinstance(wanted, Tensor):
        return _compare_tensors(answer, wanted)
    if isinstance(wanted, tuple | list):
        return _compare_rows(answer, wanted)
    if isinstance(wanted, float):
        return _compare_real(answer, wanted)
    if isinstance(wanted, int):
        return _compare_whole(answer, wanted)
    return None if answer == wanted else f"{wanted!r} is wanted: got {answer!r}"


def _compare_tensors(answer: object, wanted: Tensor) -> str | None:
    if not isinstance(answer, Tensor):
        return f"a torch tensor is wanted: got {_kind(answer)}"
    if other := _other_kind(answer, wanted):
        return other
    answer, wanted = answer.detach(), wanted.detach()
    if answer.shape != wanted.shape:
        return _other_shape(answer, wanted)
    if answer.isnan().any():
        return f"the answer holds NaN (not a number), first at index {_first(answer.isnan())}"
    return _other_values(answer.double(), wanted.double())


def _other_kind(answer: Tensor, wanted: Tensor) -> str | None:
    if answer.layout != torch.strided:
        return f"a dense tensor is wanted: got {answer.layout}"
    if answer.device != wanted.device:
        return f"the answer lies on device {answer.device}, its input on {wanted.device}"
    if not _same_family(answer, wanted):
        return f"numbers of type {_dtype(wanted)} are wanted: got {_dtype(answer)}"
    return None


def _same_family(answer: Tensor, wanted: Tensor) -> bool:
    if wanted.is_floating_point():
        return answer.dtype in (torch.float32, torch.float64)
    if wanted.dtype == torch.bool:
        return answer.dtype == torch.bool
    return not (answer.is_floating_point() or answer.is_complex() or answer.dtype == torch.bool)


def _other_shape(answer: Tensor, wanted: Tensor) -> str:
    came, due = tuple(answer.shape), tuple(wanted.shape)
    for order in permutations(range(len(due))) if sorted(came) == sorted(due) else ():
        turned = wanted.permute(order)
        if turned.shape == answer.shape and _near(answer, turned):
            return f"the numbers are right, but the axes stand in another order: {came}, not {due}"
    return f"the shape should be {due}: got {came}"


def _other_values(answer: Tensor, wanted: Tensor) -> str | None:
    if _near(answer, wanted):
        return None
    counts = wanted.abs() > ABSOLUTE
    ratio = answer[counts] / wanted[counts]
    if len(ratio) and ratio[0] and _near(answer, wanted * ratio[0]):
        return f"every value is {float(ratio[0]):.3g} times what it should be"
    if _near(answer.flatten().sort().values, wanted.flatten().sort().values):
        return "the shape and the numbers are right, but the numbers stand in the wrong places"
    wrong = ~torch.isclose(answer, wanted, rtol=RELATIVE, atol=ABSOLUTE)
    where, share = _first(wrong), float(wrong.double().mean())
    came, due = float(answer[where]), float(wanted[where])
    return f"{share:.0%} of the values are wrong; at {where}, {due:.3f} is wanted: got {came:.3f}"


def _compare_rows(answer: object, wanted: Sequence[object]) -> str | None:
    kind = type(wanted).__name__
    if isinstance(answer, Tensor) or not isinstance(answer, Sequence) or isinstance(answer, str):
        return f"a {kind} is wanted: got {_kind(answer)}"
    if len(answer) != len(wanted):
        return f"a {kind} of {len(wanted)} is wanted: got {len(answer)}"
    for place, (one, other) in enumerate(zip(answer, wanted, strict=True)):
        if difference := compare(one, other):
            return f"at place {place}: {difference}"
    return None


def _compare_real(answer: object, wanted: float) -> str | None:
    try:
        number = float(answer)  # type: ignore[arg-type]  # anything may come: that is the question
    except (TypeError, ValueError, RuntimeError):
        return f"a number is wanted: got {_kind(answer)}"
    if isinstance(answer, str):
        return f"a number is wanted: got {_kind(answer)}"
    if math.isclose(number, wanted, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
        return None
    return f"{wanted:.4g} is wanted: got {number:.4g}"


def _compare_whole(answer: object, wanted: int) -> str | None:
    try:
        number = operator.index(answer)  # type: ignore[arg-type]  # as above
    except (TypeError, RuntimeError):
        return f"a whole number is wanted: got {_kind(answer)}"
    if isinstance(answer, bool) is not isinstance(wanted, bool):
        return f"{_kind(wanted)} is wanted: got {_kind(answer)}"
    return None if number == wanted else f"{wanted} is wanted: got {number}"


def _near(answer: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(answer.double(), wanted.double(), rtol=RELATIVE, atol=ABSOLUTE)


def _first(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero()[0].tolist())


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _kind(thing: object) -> str:
    """What a thing is, in a few words, its value only where that is short."""
    if isinstance(thing, bool | int | float):
        return f"{thing} ({type(thing).__name__})"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    module = type(thing).__module__.split(".")[0]
    name = type(thing).__name__
    return f"a {name}" if module == "builtins" else f"a {module} {name}"
