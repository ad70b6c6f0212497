"""Compare an answer with the wanted result, and say the difference in words.

Style does not count: views, copies, float32 or float64, Python numbers or a library's.
"""

import math
import operator
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

PLACES = ("first", "second", "third")
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # float32, whatever the order of summation


def compare(answer: object, wanted: object) -> str | None:
    """None if the answer is right; else a clause that says what is wrong.

    `wanted` is a tensor (without axes, it is a number), an int, a float, a str, a module (its state
    counts), or a tuple, list or dict of these; an answer, anything.
    """
    if answer is None or answer is ...:
        return "nothing came back. Does the function still end with `...`, or lack its `return`?"
    answer, wanted = _values(answer), _values(wanted)
    if isinstance(wanted, Tensor) and wanted.is_floating_point() and not wanted.ndim:
        wanted = wanted.item()
    if isinstance(wanted, Tensor):
        return _compare_tensors(answer, wanted)
    if isinstance(wanted, dict):
        return _compare_named(answer, wanted)
    if isinstance(wanted, tuple | list):
        return _compare_rows(answer, wanted)
    if isinstance(wanted, int | float):
        return _compare_numbers(answer, wanted)
    same = type(answer) is type(wanted) and answer == wanted
    return None if same else f"{wanted!r} is wanted: got {answer!r}"


def _values(thing: object) -> object:
    """What is compared: a tensor's numbers without its graph, a module's state."""
    if isinstance(thing, nn.Module):
        return dict(thing.state_dict())
    return thing.detach() if isinstance(thing, Tensor) else thing


def _compare_tensors(answer: object, wanted: Tensor) -> str | None:
    if not isinstance(answer, Tensor):
        return f"a torch tensor is wanted: got {_kind(answer)}"
    if answer.layout != torch.strided or answer.device != wanted.device:
        came = f"{answer.layout} on device {answer.device}"
        return f"a dense tensor on device {wanted.device} is wanted: got {came}"
    if not _same_family(answer.dtype, wanted.dtype):
        words = f"numbers of type {wanted.dtype} are wanted: got {answer.dtype}"
        return words.replace("torch.", "")
    if answer.shape != wanted.shape:
        return f"the shape should be {tuple(wanted.shape)}: got {tuple(answer.shape)}"
    if answer.isnan().any():
        return f"the answer holds NaN (not a number), first at index {_first(answer.isnan())}"
    return None if near(answer, wanted) else _other_values(answer.double(), wanted.double())


def _same_family(dtype: torch.dtype, wanted: torch.dtype) -> bool:
    if wanted.is_floating_point:
        return dtype in (torch.float32, torch.float64)
    boolean = (dtype == torch.bool) is (wanted == torch.bool)
    return boolean and not (dtype.is_floating_point or dtype.is_complex)


def _other_values(answer: Tensor, wanted: Tensor) -> str:
    if (factor := ratio(answer, wanted)) is not None:
        return f"every value is {factor:.3g} times what it should be"
    if near(answer.flatten().sort().values, wanted.flatten().sort().values):
        return "the shape and the numbers are right, but the numbers are in the wrong places"
    wrong = ~torch.isclose(answer, wanted, rtol=RELATIVE, atol=ABSOLUTE)
    where, share = _first(wrong), float(wrong.double().mean())
    came, due = float(answer[where]), float(wanted[where])
    return f"{share:.0%} of the values are wrong; at {where}, {due:.3f} is wanted: got {came:.3f}"


def _compare_rows(answer: object, wanted: Sequence[object]) -> str | None:
    kind = type(wanted).__name__
    if isinstance(answer, Tensor | str) or not isinstance(answer, Sequence):
        return f"a {kind} is wanted: got {_kind(answer)}"
    if len(answer) != len(wanted):
        return f"a {kind} of {len(wanted)} is wanted: got {len(answer)}"
    for place, (one, other) in enumerate(zip(answer, wanted, strict=True)):
        if difference := compare(one, other):
            tuple_of_few = isinstance(wanted, tuple) and len(wanted) <= len(PLACES)
            where = f"in the {PLACES[place]} result, " if tuple_of_few else f"at index {place}: "
            return f"{where}{difference}"
    return None


def _compare_named(answer: Any, wanted: dict[str, object]) -> str | None:
    if not isinstance(answer, dict) or not answer.keys() <= wanted.keys():
        return f"{', '.join(wanted)}: wanted, got {_kind(answer)}"
    for name, value in wanted.items():
        if difference := compare(came := answer.get(name), value):
            return difference if came is None or came is ... else f"{name}: {difference}"
    return None


def _compare_numbers(answer: Any, wanted: int | float) -> str | None:
    whole, number = isinstance(wanted, int), None
    with suppress(TypeError, ValueError, RuntimeError):  # whatever it is: numpy, torch, int
        number = operator.index(answer) if whole else float(answer)
    if number is None or isinstance(answer, str):
        hint = "; `/` makes a float, `//` a whole number" if isinstance(answer, float) else ""
        return f"a {'whole ' * whole}number is wanted: got {_kind(answer)}{hint}"
    if whole and isinstance(answer, bool) is not isinstance(wanted, bool):
        return f"{_kind(wanted)} is wanted: got {_kind(answer)}"
    if math.isnan(number):
        return "the answer is NaN (not a number): is 0 divided by 0?"
    if whole:
        return None if number == wanted else f"{wanted} is wanted: got {number}"
    same = math.isclose(number, wanted, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return None if same else f"{wanted:.4g} is wanted: got {number:.4g}"


def near(answer: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors of one shape are equal but for rounding."""
    answer, wanted = answer.detach().double(), wanted.detach().double()
    return torch.allclose(answer, wanted, rtol=RELATIVE, atol=ABSOLUTE)


def ratio(answer: Tensor, wanted: Tensor) -> float | None:
    """The one factor between two tensors of one shape; None if there is none."""
    answer, wanted = answer.detach().double(), wanted.detach().double()
    places = wanted.abs() > ABSOLUTE
    if not places.any():
        return None
    factor = (answer[places] / wanted[places])[0]
    return float(factor) if near(answer, wanted * factor) else None


def _first(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero()[0].tolist())


def _kind(thing: object) -> str:
    """The type of a thing, with its value or shape where that is short."""
    if isinstance(thing, bool | int | float):
        return f"{thing} ({type(thing).__name__})"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    module, name = type(thing).__module__.split(".")[0], type(thing).__name__
    return f"a {name}" if module == "builtins" else f"a {module} {name}"
