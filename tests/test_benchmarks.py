"""Benchmarks run, and the numbers shown to readers are those of the present code."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import csglib
from csglib.model.config import PAPER, TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.summary import summary

ROOT = Path(csglib.__file__).parents[1]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_results_say_when_and_with_what_they_were_made(script):
    found = json.loads((ROOT / "benchmarks" / "results" / f"{script.stem}.json").read_text())
    assert {"question", "date", "machine", "versions"} <= found.keys()


def test_cost_counts_each_network_at_each_length(monkeypatch, tmp_path, capsys):
    cost = loaded("cost")
    fused = replace(TINY, encoder=replace(TINY.encoder, fusion="cross_all"))
    monkeypatch.setattr(cost, "NETWORKS", {"one": TINY, "two": fused, "three": TINY})
    monkeypatch.setattr(cost, "FRAMES", (1, 2))
    cost.main(tmp_path / "new")
    found = json.loads((tmp_path / "new" / "cost.json").read_text())
    counts = found["networks"]
    assert counts["one"] == counts["three"]
    assert all(
        one < two for one, two in zip(*[counts[n]["macs"] for n in ("one", "two")], strict=True)
    )
    assert (tmp_path / "new" / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert "three" in capsys.readouterr().out


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return summary(CSG3DCT(PAPER), frames=8, size=256)


def test_the_kept_costs_are_the_present_ones(paper):
    found = json.loads((ROOT / "benchmarks" / "results" / "cost.json").read_text())
    counts = found["networks"]["AMDF, class token asks (CSG-3DCT)"]
    place = found["frames"].index(8)
    assert counts["macs"][place] == paper.total.macs
    assert counts["kept"][place] == paper.total.kept


def test_the_readme_shows_the_present_summary(paper):
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(line.rstrip() for line in str(paper).splitlines()) in shown
