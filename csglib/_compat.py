"""Let PyPI's torchvision import beside a CPU build of torch.

PyPI's torchvision for Linux is built against CUDA. Beside a CPU torch its compiled half cannot
load, and its Python half then stops at the first operator it looks up, taking grad-cam with it.
Declaring these operators is enough for whoever never calls them.
torch runs this through the "torch.backends" entry point in pyproject.toml, at the end of
`import torch`, so the order of imports does not matter. Not in the paper.
"""

import importlib.util
import re
from pathlib import Path

import torch

_BOX_OPERATORS = ("nms", "qnms")  # non-maximum suppression of boxes, and its quantised twin
_declared: list[torch.library.Library] = []  # a Library that is collected takes its operators along


def allow_torchvision_on_cpu() -> None:
    """Declare the operators that a CUDA build of torchvision misses beside a CPU torch.

    Does nothing when torch has a GPU runtime, or torchvision is absent or a CPU build. It never
    raises for what it finds: torch would then refuse to be imported at all.
    """
    if _declared or torch.version.cuda or torch.version.hip or not _torchvision_wants_a_gpu():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _BOX_OPERATORS:
        try:
            library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        except RuntimeError:
            continue  # another package has declared it: nothing is missing
    _declared.append(library)


def _torchvision_wants_a_gpu() -> bool:
    try:
        spec = importlib.util.find_spec("torchvision")
        if spec is None or spec.origin is None:
            return False
        version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except (ValueError, ImportError, OSError):  # a stand-in without a spec, no or an odd version.py
        return False
    return bool(re.search(r"\+(cu|rocm)\d", version))
