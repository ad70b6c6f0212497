"""The shortcut audit: no number but those that measure the vessel may predict the grade."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import csglib
from csglib import make_clip
from csglib.data.stenosis import inside
from csglib.phantom.recipe import CHOICES, LIMITS, draw

sys.path.insert(0, str(Path(csglib.__file__).parents[1] / "benchmarks"))

from shortcuts import LIMIT, audit, cues, nuisances


def rng():
    return np.random.default_rng(5)


def names(count):
    return [f"p{number}" for number in range(count)]


def test_an_audit_finds_either_direction_and_skips_constants():
    severe = np.arange(40) % 2 == 0
    clips = [
        {"less when severe": -float(s), "nothing": c, "always": 7.0} | ({"label": 1.0} if s else {})
        for s, c in zip(severe, rng().normal(size=40), strict=True)
    ]
    found = {finding.name: finding for finding in audit(clips, severe, names(40), rng())}
    assert [*found] == ["less when severe", "label", "nothing"]
    assert found["less when severe"][1:] == (1, 1, 1)
    assert found["label"].auc == 1
    assert 0.5 <= found["nothing"].auc < LIMIT
    assert found["nothing"].low < found["nothing"].auc < found["nothing"].high


def test_the_bootstrap_resamples_patients():
    severe = np.arange(20) % 2 == 0
    once = [{"value": value} for value in severe + rng().normal(0, 1.0, 20)]
    copied = [clip for clip in once for _ in range(6)]
    owners = [patient for patient in names(20) for _ in range(6)]
    (single,) = audit(once, severe, names(20), rng())
    (same,) = audit(copied, severe.repeat(6), owners, rng())
    assert same[1:] == pytest.approx(single[1:])


def test_no_drawn_parameter_predicts_the_grade():
    drawn = [draw(np.random.default_rng(seed), {}).parameters for seed in range(800)]
    severe = np.array([values["stenosis"] for values in drawn]) > 0.63  # half of them
    numbers = [{n: v for n, v in values.items() if n in LIMITS} for values in drawn]
    best, *others = audit(numbers, severe, names(800), rng())
    assert (best.name, best.auc) == ("stenosis", 1)
    assert len(others) > 20
    assert max(finding.auc for finding in others) < 0.58


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed, frames=2, size=64, persistence=0.0) for seed in range(7000, 7028)]


def test_nuisances_are_all_but_the_stenosis_and_cues_measure_the_vessel_alone(clips):
    found = {name.split(" ")[0] for clip in clips[:2] for name in nuisances(clip)}
    assert {*LIMITS, *CHOICES} - found == {"stenosis"}
    clip, median = clips[0], "median inside the vessel"
    bleached = np.where(inside(clip.truth.vessel_outer, 64, 64), clip.frames, np.uint8(255))
    assert cues(replace(clip, frames=bleached))[median] == cues(clip)[median]
    assert nuisances(replace(clip, frames=bleached))["mean outside the vessel"] == 255
    darker = cues(replace(clip, frames=clip.frames // 2))[median]
    assert darker == pytest.approx(cues(clip)[median] / 2, abs=1)
    lowest = 1 - clip.truth.area_stenosis.max()
    assert cues(clip)["open share of the vessel"] == pytest.approx(lowest, abs=1e-9)


def test_no_nuisance_predicts_the_grade_and_the_vessel_does(clips):
    """With 28 clips, a shortcut is a number whose whole interval lies above the limit.

    The AUCs themselves are compared with it where there are 459 clips: tests/test_benchmarks.py.
    """
    severe = np.array([clip.truth.grade == 1 for clip in clips])
    patients = [clip.patient for clip in clips]
    found = audit([nuisances(clip) for clip in clips], severe, patients, rng())
    assert not [finding for finding in found if finding.low > LIMIT]
    best = audit([cues(clip) for clip in clips], severe, patients, rng())[0]
    assert best.name == "open share of the vessel"
    assert best.low > 0.9
