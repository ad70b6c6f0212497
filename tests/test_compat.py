"""torchvision, and what imports it, beside a CPU build of torch."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest
import torch

from csglib import _compat


@pytest.mark.skipif(
    bool(torch.version.cuda or torch.version.hip), reason="a GPU build of torch needs no guard"
)
@pytest.mark.parametrize(
    "first", ["torchvision", pytest.param("pytorch_grad_cam", marks=pytest.mark.long)]
)
def test_it_can_be_the_first_import_of_a_process(first):
    """grad-cam imports torchvision before anything of ours, and takes ten times as long."""
    command = [sys.executable, "-W", "ignore", "-c", f"import {first}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture
def defined(monkeypatch):
    """What the guard declares, on a CPU torch where nothing has been declared yet."""
    names = []
    library = SimpleNamespace(define=lambda schema: names.append(schema.partition("(")[0]))
    monkeypatch.setattr(_compat, "_declared", [])
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.library, "Library", lambda *_: library)
    return names


@pytest.mark.parametrize(
    ("version", "cuda", "declared"),
    [
        (b"__version__ = '0.28.0+cu130'\n", None, ["nms", "qnms"]),
        (b"__version__ = '0.28.0+cpu'\n", None, []),
        (b"__version__ = '0.28.0+cu130'\n", "13.0", []),
        (b"\xff\xfe+cu130", None, []),  # unreadable: `import torch` would fail with an error
        (None, None, []),
    ],
)
def test_only_a_cuda_build_beside_a_cpu_torch(
    monkeypatch, tmp_path, defined, version, cuda, declared
):
    if version is not None:
        (tmp_path / "version.py").write_bytes(version)
    spec = ModuleSpec("torchvision", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    _compat.allow_torchvision_on_cpu()
    assert defined == declared


def test_it_never_raises(monkeypatch, tmp_path, defined):
    """Neither without a torchvision nor for operators that are there already."""
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(__spec__=None))
    _compat.allow_torchvision_on_cpu()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _compat.allow_torchvision_on_cpu()
    assert defined == []
    (tmp_path / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    spec = ModuleSpec("torchvision", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    for _ in range(2):
        monkeypatch.setattr(_compat, "_declared", [])
        _compat.allow_torchvision_on_cpu()
