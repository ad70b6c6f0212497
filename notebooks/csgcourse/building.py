"""What right numbers alone do not show: gradients, and what a function does in the network.

Detached tensors, numpy and Python floats give the right numbers and cut the graph of autograd. An
exercise that builds (3.4, 4.5, ...) asks for the forward of one of the library's modules.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from csgcourse.comparing import compare
from csgcourse.exercise import Arguments, Exercise, find
from csgcourse.running import run
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT

LOGITS, GRADIENTS = 1e-6, 1e-5  # largest difference, in float64
Function = Callable[..., object]
Gradients = dict[str, Tensor]  # by the name of the argument, or of a module's parameter
Outputs = tuple[Tensor, Gradients]  # logits, and gradients of the loss by parameter
_CUT = (
    "the numbers are right, but no gradient flows back through them, so nothing before them could "
    "learn: do without `.detach()`, `.data`, `.item()`, `torch.no_grad()`, numpy and new tensors"
)
_UNREACHED = (
    "the numbers are right, but no gradient reaches `{}`, which could not learn: is it detached, "
    "or taken out with `.item()`, `float(...)` or `.data`?"
)


def cannot_learn(exercise: Exercise, function: Function) -> str | None:
    """Why gradients of a right answer differ from the solution's, in a clause; None if they agree.

    The loss is the sum of all results, each number with a random weight.
    """
    for given, wanted in zip(exercise.drawn(), _wanted(exercise), strict=True):
        came = gradients(exercise, function, given)
        if isinstance(came, str):
            return f"the numbers are right, but where gradients are asked for, {came}"
        wrong = {n: words for n, one in wanted.items() if (words := compare(came[n], one))}
        if lacking := [name for name in wrong if not came[name].any()]:  # 0 for 1e-14 is right
            cut = not any(gradient.any() for gradient in came.values())
            return _CUT if cut else _UNREACHED.format(lacking[0])
        if wrong:
            name, words = next(iter(wrong.items()))
            return f"the numbers are right, but the gradient of `{name}` is not: {words}"
    return None


@cache
def _wanted(exercise: Exercise) -> list[Gradients]:
    """The solution's gradients for all inputs of a check: computed once, as checks are many."""
    given = exercise.drawn()
    return [cast(Gradients, gradients(exercise, exercise.reference, one)) for one in given]


def gradients(exercise: Exercise, function: Function, given: Arguments) -> Gradients | str:
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


def plugged(model: nn.Module, functions: Mapping[str, Function]) -> nn.Module:
    """A copy of a network in which your functions, by exercise, run in place of the library's.

    Raises:
        ValueError: no such exercise, or it builds nothing, or the network has no such module.
    """
    model = deepcopy(model)
    for number, function in functions.items():
        if (part := find(number).part) is None:
            raise ValueError(f"exercise {number} is no module's forward: it cannot be plugged in")
        kind, call = part
        modules = [module for module in model.modules() if isinstance(module, kind)]
        if not modules:
            raise ValueError(f"exercise {number} is {kind.__name__}'s forward: there is none here")
        for module in modules:
            module.forward = partial(call, function, module)
    return model


def agreement(model: nn.Module, other: nn.Module) -> str:
    """Compare two networks of the same parameters on two random clips, in training, in float64."""
    wanted = _logits_and_gradients(model)
    agreed = (
        f"logits agree within {LOGITS:g}, and so do the gradients of all {len(wanted[1])} "
        f"parameters within {GRADIENTS:g}"
    )
    return _difference(wanted, _logits_and_gradients(other)) or agreed


def _difference(wanted: Outputs, came: Outputs) -> str | None:
    """What differs, in a clause; None if nothing does."""
    apart = float((came[0] - wanted[0]).abs().max())
    if not apart <= LOGITS:  # NaN differs
        return f"the logits differ by up to {apart:.2g}"
    off = {name: float((came[1][name] - due).abs().max()) for name, due in wanted[1].items()}
    wrong = [name for name in off if not off[name] <= GRADIENTS]
    if not wrong:
        return None
    most = max(wrong, key=off.__getitem__)
    return (
        f"the logits agree, but gradients of {len(wrong)} of {len(off)} parameters differ, most "
        f"of `{most}`, by {off[most]:.2g}"
    )


def differs_in_tiny(number: str, function: Function) -> str | None:
    """How TINY changes when a function is plugged in, in a clause; None if it does not."""
    model, wanted = _tiny()
    outcome = run(function, (), lambda it: _logits_and_gradients(plugged(model, {number: it})))
    trouble = outcome.trouble
    if trouble and "RecursionError" in trouble:
        trouble = "it calls itself: it asks the library's module for the forward that it replaces"
    elif not trouble:
        trouble = _difference(wanted, cast(Outputs, outcome.value))
    return trouble and f"alone the function is right, but plugged into TINY, {trouble}"


def _logits_and_gradients(model: nn.Module) -> Outputs:
    model = deepcopy(model).double().train()
    clips = torch.randn(2, 3, 3, 32, 48, generator=Generator().manual_seed(7)).double()
    with torch.enable_grad():
        logits = model(clips)
        loss = F.cross_entropy(logits, torch.arange(2))
        return logits.detach(), by_name(loss, dict(model.named_parameters()))


@cache
def _tiny() -> tuple[CSG3DCT, Outputs]:
    """A network of random weights, and what it gives: computed once, as checks are many."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = CSG3DCT(TINY)
    return model, _logits_and_gradients(model)
