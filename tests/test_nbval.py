"""`pytest --nbval` without flags: strict, in this environment, blind only to what may differ."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

ROOT = Path(__file__).parents[1]
PATTERNS = get_sanitize_patterns((ROOT / "tests" / "sanitize.cfg").read_text(encoding="utf-8"))


def sanitized(text: str) -> str:
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("<Clip object at 0x7f3e12ab45c0>", "<Clip object at 0x55d0a1b2c3d4>"),
        ("/tmp/ipykernel_12/345.py:3: Warning", "/var/ipykernel_9/8.py:3: Warning"),
        ("3e0f2a4c-1b2d-4e5f-8a9b-0c1d2e3f4a5b", "00000000-1b2d-4e5f-8a9b-0c1d2e3f4a5b"),
        ("100%|##| 4/4 [00:01<00:00,  3.31it/s]", "100%|##| 4/4 [00:09<00:00,  1.20s/it]"),
        ("ready after 12.5 ms, 3 s", "ready after 7 ms, 41.25 s"),
        ("torch 2.13.0+cpu", "torch 2.13.0+cu130"),
    ],
)
def test_what_may_differ_is_not_compared(one, another):
    assert sanitized(one) == sanitized(another)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("accuracy 0.731", "accuracy 0.732"),
        ("torch.Size([2, 3])", "torch.Size([3, 2])"),
        ("8 frames, 2 stages", "8 frames, 3 stages"),
        ("torch 2.13.0+cpu", "torch 2.14.0+cpu"),
        ("76,726,000 weights", "76,726,001 weights"),
    ],
)
def test_facts_are_compared(one, another):
    assert sanitized(one) != sanitized(another)


def test_a_wrong_output_fails_and_a_right_one_passes_from_another_folder(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "notebooks").mkdir()
    for name in ("conftest.py", "pyproject.toml", "tests/sanitize.cfg"):
        shutil.copy(ROOT / name, tmp_path / name)
    says = [new_output("stream", name="stdout", text="<thing at 0x7f3e12ab45c0>\n")]
    right = new_code_cell("print('<thing at 0x55d0a1b2c3d4>')", execution_count=1, outputs=says)
    wrong = new_code_cell("print('<other at 0x55d0a1b2c3d4>')", execution_count=1, outputs=says)
    unknown = {"kernelspec": {"name": "elsewhere", "display_name": "of another computer"}}
    both = new_notebook(cells=[right, wrong], metadata=unknown)
    nbformat.write(both, tmp_path / "notebooks" / "both.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", "."]
    run = subprocess.run(
        command, cwd=tmp_path / "notebooks", capture_output=True, text=True, check=False
    )
    assert "1 failed, 1 passed" in run.stdout.splitlines()[-1]
