"""Plug functions into the network, and compare its logits and gradients with the library's.

An exercise that builds (3.4, 4.5, ...) asks for the forward of one of the library's modules.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from csgcourse.exercise import find
from csgcourse.gradients import Gradients, by_name
from csgcourse.running import run
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT

LOGITS, GRADIENTS = 1e-6, 1e-5  # largest difference, in float64
Function = Callable[..., object]
Outputs = tuple[Tensor, Gradients]  # logits, and gradients of the loss by parameter


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


@dataclass(frozen=True)
class Agreement:
    """Largest differences between two networks: of their logits, and of each gradient, by name."""

    logits: float
    gradients: Mapping[str, float]

    @property
    def trouble(self) -> str | None:
        """What differs, in a clause; None if nothing does."""
        if not self.logits <= LOGITS:  # NaN differs
            return f"the logits differ by up to {self.logits:.2g}"
        wrong = [name for name, off in self.gradients.items() if not off <= GRADIENTS]
        if not wrong:
            return None
        most, count = max(wrong, key=self.gradients.__getitem__), len(self.gradients)
        return (
            f"the logits agree, but gradients of {len(wrong)} of {count} parameters differ, most "
            f"of `{most}`, by {self.gradients[most]:.2g}"
        )

    def __str__(self) -> str:
        agreed = (
            f"logits agree within {LOGITS:g}, and so do the gradients of all "
            f"{len(self.gradients)} parameters within {GRADIENTS:g}"
        )
        return self.trouble or agreed


def agreement(model: nn.Module, other: nn.Module) -> Agreement:
    """Compare two networks of the same parameters on two random clips, in training, in float64."""
    return _compared(_logits_and_gradients(model), _logits_and_gradients(other))


def _compared(wanted: Outputs, came: Outputs) -> Agreement:
    (logits, gradients), (answer, reached) = wanted, came
    off = {name: float((reached[name] - wanted).abs().max()) for name, wanted in gradients.items()}
    return Agreement(float((answer - logits).abs().max()), off)


def differs_in_tiny(number: str, function: Function) -> str | None:
    """How TINY changes when a function is plugged in, in a clause; None if it does not."""
    model, wanted = _tiny()
    outcome = run(function, (), lambda it: _logits_and_gradients(plugged(model, {number: it})))
    trouble = outcome.trouble
    if trouble and "RecursionError" in trouble:
        trouble = "it calls itself: it asks the library's module for the forward that it replaces"
    elif not trouble:
        trouble = _compared(wanted, cast(Outputs, outcome.value)).trouble
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
