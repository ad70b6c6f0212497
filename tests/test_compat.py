"""torchvision, and what imports it, beside a CPU build of torch."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from csglib import _compat

on_cpu_torch = pytest.mark.skipif(
    bool(torch.version.cuda or torch.version.hip), reason="a GPU build of torch needs no guard"
)


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the guard declares, on a CPU torch where nothing has been declared yet."""
    names: list[str] = []
    library = SimpleNamespace(define=lambda schema: names.append(schema.partition("(")[0]))
    monkeypatch.setattr(_compat, "_declared", [])
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.library, "Library", lambda *_: library)
    return names


def torchvision_is(monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def torchvision_in(folder: Path) -> ModuleSpec:
    return ModuleSpec("torchvision", None, origin=str(folder / "__init__.py"))


@on_cpu_torch
@pytest.mark.slow
@pytest.mark.parametrize("first", ["pytorch_grad_cam", "lightning", "torchmetrics", "torchvision"])
def test_it_can_be_the_first_import_of_a_process(first):
    command = [sys.executable, "-W", "ignore", "-c", f"import {first}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_operators_are_declared_for_a_cuda_build_of_torchvision(tmp_path, monkeypatch, defined):
    (tmp_path / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    torchvision_is(monkeypatch, torchvision_in(tmp_path))
    _compat.allow_torchvision_on_cpu()
    assert defined == ["nms", "qnms"]


def test_a_cpu_build_of_torchvision_is_left_alone(tmp_path, monkeypatch, defined):
    (tmp_path / "version.py").write_text("__version__ = '0.28.0+cpu'\n")
    torchvision_is(monkeypatch, torchvision_in(tmp_path))
    _compat.allow_torchvision_on_cpu()
    assert defined == []


def test_a_gpu_build_of_torch_is_left_alone(tmp_path, monkeypatch, defined):
    (tmp_path / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    torchvision_is(monkeypatch, torchvision_in(tmp_path))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    _compat.allow_torchvision_on_cpu()
    assert defined == []


def test_it_never_raises_whatever_torchvision_is(tmp_path, monkeypatch, defined):
    """`import torch` would fail with it."""
    nothing = tmp_path / "nothing"
    unreadable = tmp_path / "unreadable"
    unreadable.mkdir()
    (unreadable / "version.py").write_bytes(b"\xff\xfe+cu130")
    for spec in (
        None,
        ModuleSpec("torchvision", None),
        *map(torchvision_in, (nothing, unreadable)),
    ):
        torchvision_is(monkeypatch, spec)
        _compat.allow_torchvision_on_cpu()
    assert defined == []


def test_it_never_raises_for_a_stand_in_without_a_spec(monkeypatch, defined):
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(__spec__=None))
    _compat.allow_torchvision_on_cpu()
    assert defined == []


def test_it_never_raises_for_operators_that_are_there_already(tmp_path, monkeypatch):
    (tmp_path / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    torchvision_is(monkeypatch, torchvision_in(tmp_path))
    for _ in range(2):
        monkeypatch.setattr(_compat, "_declared", [])
        _compat.allow_torchvision_on_cpu()
