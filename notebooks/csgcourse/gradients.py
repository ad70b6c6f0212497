"""Check gradients: an answer with the right numbers may still be one that nothing learns through.

Detached tensors, numpy and Python floats give the right numbers and cut the graph of autograd.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor, nn

from csgcourse.comparing import compare
from csgcourse.exercise import Arguments, Exercise
from csgcourse.running import run

_CUT = (
    "the numbers are right, but no gradient flows back through them, so nothing before them could "
    "learn: do without `.detach()`, `.data`, `.item()`, `torch.no_grad()`, numpy and new tensors"
)
_UNREACHED = (
    "the numbers are right, but no gradient reaches `{}`, which could not learn: is it detached, "
    "or taken out with `.item()`, `float(...)` or `.data`?"
)
Gradients = dict[str, Tensor]  # by the name of the argument, or of a module's parameter


def cannot_learn(
    exercise: Exercise, function: Callable[..., object], cases: Sequence[Arguments]
) -> str | None:
    """Why gradients of a right answer differ from the solution's, in a clause; None if they agree.

    The loss is the sum of all results, each number with a random weight.
    """
    for given in cases:
        wanted = gradients(exercise, exercise.reference, given)
        came = gradients(exercise, function, given)
        if isinstance(came, str):
            return f"the numbers are right, but where gradients are asked for, {came}"
        assert not isinstance(wanted, str), wanted
        lacking = [name for name in wanted if wanted[name].any() and not came[name].any()]
        if lacking:
            cut = not any(gradient.any() for gradient in came.values())
            return _CUT if cut else _UNREACHED.format(lacking[0])
        for name, gradient in wanted.items():
            if wrong := compare(came[name], gradient):
                return f"the numbers are right, but the gradient of `{name}` is not: {wrong}"
    return None


def gradients(
    exercise: Exercise, function: Callable[..., object], given: Arguments
) -> Gradients | str:
    """What reaches each floating-point input, in float64, zeros if nothing does.

    A clause if the function or its backward pass raises.
    """
    leaves: dict[str, Tensor] = {}
    named = zip(exercise.parameters, deepcopy(given), strict=True)
    handed = [_learning(name, value, leaves) for name, value in named]
    outcome = run(function, tuple(handed), exercise.use)
    if outcome.trouble:
        return outcome.trouble
    result: Any = exercise.read(outcome.value)
    generator, loss = Generator().manual_seed(3), torch.zeros((), dtype=torch.float64)
    try:
        with torch.enable_grad():
            for part in (result,) if isinstance(result, Tensor) else result:
                weights = torch.randn(part.shape, generator=generator, dtype=torch.float64)
                loss = loss + (part.double() * weights).sum()
            return by_name(loss, leaves)
    except RuntimeError as error:  # a tensor was changed in place after autograd had saved it
        return f"the backward pass raised: {str(error).partition(';')[0]}"


def by_name(loss: Tensor, leaves: Mapping[str, Tensor]) -> Gradients:
    """The gradient of each leaf, zeros where nothing flows back; called with gradients enabled."""
    named = list(leaves.values())
    loss = loss + 0 * sum(leaf.sum() for leaf in named)  # a loss without a graph has one now
    return dict(zip(leaves, torch.autograd.grad(loss, named), strict=True))


def _learning(name: str, value: Any, leaves: dict[str, Tensor]) -> Any:
    """An input in float64, alone or in a tuple; notes its leaves by name."""
    if isinstance(value, tuple):
        parts = enumerate(value)
        return tuple(_learning(f"{name}[{place}]", part, leaves) for place, part in parts)
    if isinstance(value, Tensor) and value.is_floating_point():
        value = leaves[name] = value.double().requires_grad_()
    elif isinstance(value, nn.Module):
        parameters = value.double().named_parameters()
        leaves |= {f"{name}.{inner}": each for inner, each in parameters}
    return value
