"""Notebook 13: killed anywhere and run again, it comes to the same weights; with INIT too."""

import signal
import subprocess
import sys

import pytest

from csgcourse.notebooks import NOTEBOOKS
from csglib.data.cohort import digest

# The notebook's code in a small run, as a process that is killed when it is about to write a file.
PROGRAM = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import matplotlib, nbformat
from csglib.table1 import BUDGETS

notebook, victim, *settings = sys.argv[1:]
def deadly(path, target, write=Path.replace):
    if victim and str(target).endswith(victim):
        os.kill(os.getpid(), signal.SIGKILL)
    return write(path, target)

Path.replace, names = deadly, {}
matplotlib.use("Agg")
BUDGETS["smoke"] = replace(BUDGETS["smoke"], patients=3, size=32)
for cell in nbformat.read(notebook, 4).cells:
    if cell.cell_type == "code" and "claims" not in cell.metadata.get("tags", []):
        exec(cell.source.replace('"epochs": 8', '"epochs": 3'), names)
        names |= dict(setting.split("=") for setting in settings)
"""


@pytest.mark.long
def test_killed_anywhere_and_run_again_it_comes_to_the_same_weights(tmp_path):
    def run(code, victim="", *settings):
        command = [sys.executable, "-c", PROGRAM, notebook, victim, *settings]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, (victim, done.stderr[-2000:])

    notebook = NOTEBOOKS / "13_full_training.ipynb"
    run(0, "", "OUT=whole")
    full = tmp_path / "whole/smoke"
    places = "manifest.csv pretrained/resume.safetensors conformer.safetensors"
    for place in f"{places} run/last.safetensors run/test.csv".split():
        run(-signal.SIGKILL, place, "OUT=broken")
    run(0, "", "OUT=broken")
    run(0, "", "OUT=own", f"COHORT={full}/cohort", f"INIT={full}/pretrained/conformer.safetensors")
    assert not (tmp_path / "own/smoke/cohort").exists()
    outs = (tmp_path / out / "smoke/run/best.safetensors" for out in ("whole", "broken", "own"))
    assert len({digest(out) for out in outs}) == 1
