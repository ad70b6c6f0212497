"""Benchmarks run, and the numbers shown to readers are those of the present code."""

import importlib.util
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import ndimage, stats

import csglib
from csglib import CSG3DCT, NETWORKS, PAPER, TINY, TrainConfig, read_clip, resample
from csglib.data import DEFAULT_RULE, save_clip
from csglib.data.cohort import COLUMNS, ClipSet, digest, read_cohort, read_manifest
from csglib.model.cost import summary
from csglib.phantom.parallel import write_manifest, write_metadata
from csglib.phantom.patients import CohortSpec
from csglib.phantom.simulate import VERSION
from csglib.train import Experiment, trained
from csglib.view.grad_cam import grad_cam
from csglib.view.scores import score_map

ROOT = Path(csglib.__file__).parents[1]
REAL_FRAMES = ROOT.parent / "shared" / "real"
RESULTS = ROOT / "benchmarks" / "results"
SHORT = replace(TINY, stages=(TINY.stages[0], TINY.stages[-1]))  # two blocks of five


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept(name, folder=RESULTS):
    return json.loads((folder / f"{name}.json").read_text())


def drawn(folder, name):
    """What a benchmark has written, once its picture is one."""
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return kept(name, folder)


def test_every_benchmark_has_left_its_result():
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert {path.stem for path in RESULTS.iterdir()} == scripts | {"table1"}  # the command's own


@pytest.mark.parametrize("name", sorted(path.stem for path in RESULTS.glob("*.json")))
def test_numbers_say_when_and_with_what_they_were_made(name):
    assert {"question", "date", "machine", "versions"} <= kept(name).keys()


def test_cost_counts_each_network_at_each_length(monkeypatch, tmp_path):
    cost = loaded("cost")
    fused = replace(SHORT, encoder=replace(SHORT.encoder, fusion="cross_all"))
    monkeypatch.setattr(cost, "NETWORKS", {"one": SHORT, "two": fused, "three": SHORT})
    monkeypatch.setattr(cost, "FRAMES", (1, 2))
    cost.main(tmp_path / "new")
    counts = drawn(tmp_path / "new", "cost")["networks"]
    assert counts["one"] == counts["three"]
    assert (np.array(counts["one"]["macs"]) < counts["two"]["macs"]).all()


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return summary(CSG3DCT(PAPER), frames=8, size=256)


def test_the_kept_costs_are_the_present_ones(paper):
    counts = kept("cost")["networks"]["AMDF, class token asks (CSG-3DCT)"]
    place = kept("cost")["frames"].index(8)
    assert counts["macs"][place] == paper.total.macs
    assert counts["kept"][place] == paper.total.saved_bytes


def test_the_docs_show_the_present_summary(paper):
    shown = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert "\n".join(line.rstrip() for line in str(paper).splitlines()) in shown


def test_the_readme_shows_the_kept_results():
    shown, found, maps = (
        (ROOT / "README.md").read_text(),
        kept("difficulty"),
        kept("attention")["maps"],
    )
    shares = found["majority"], found["plain_cnn"]["mean"], found["oracle"]["mean"]
    best = max(row["mean"] for row in found["by_frame"].values())
    for share in (*shares, best):
        assert f"| {share:.0%} |".replace("%", " %") in shown
    for name in ("time queries space, last block", "input gradient", "rollout", "Grad-CAM"):
        control = maps[name]["controls"]["another patient's map"]["vessel ratio"]
        value, low, high = (round(number, 1) + 0.0 for number in control["own minus control"])
        own = maps[name]["own"]["vessel ratio"][0]
        row = f"| {own:.1f} | {control['mean']:.1f} | +{value} ({low} to {high})"
        assert row in shown


@pytest.fixture
def cohort(simulated_clip, tmp_path):
    """Twelve clips, each of another patient: the severe ones darker, the mild ones wide open."""
    clip, folder, rows = resample(simulated_clip, 3, 48), tmp_path / "cohort", []
    (folder / "clips").mkdir(parents=True)
    none = dict.fromkeys(("area_stenosis", "diameter_stenosis"), np.zeros(3))
    wide = replace(clip.truth, lumen=clip.truth.vessel_inner, **none)
    for number in range(12):
        severe, name = number % 2, f"clips/{number}.npz"
        truth, frames = clip.truth if severe else wide, clip.frames // (4 if severe else 2)
        made = replace(clip, frames=frames, patient=f"p{number}", truth=truth)
        save_clip(made, folder / name)
        row = {
            "clip": name,
            "patient": made.patient,
            "split": [*["train"] * 4, "validation", "test"][number // 2],
            "grade_index": severe,
            "area_stenosis": truth.area_stenosis.max(),
            "diameter_stenosis": truth.stenosis(DEFAULT_RULE),
            "sha256": digest(folder / name),
        }
        rows.append(dict.fromkeys(COLUMNS, "") | {key: str(value) for key, value in row.items()})
    facts = {"rule": DEFAULT_RULE.name, "grades": DEFAULT_RULE.grades, "phantom": VERSION}
    write_metadata(folder, facts)
    write_manifest(folder, rows)
    return folder


def test_difficulty_lets_all_readers_grade_and_goes_on(cohort, monkeypatch, tmp_path):
    difficulty = loaded("difficulty")
    monkeypatch.setattr(difficulty, "SEEDS", range(2))
    monkeypatch.setattr(difficulty, "EPOCHS", 1)
    difficulty.main(cohort, tmp_path, tmp_path / "runs")
    found = kept("difficulty", tmp_path)
    assert found["clips"] == {"train": 8, "validation": 2, "test": 2}
    assert found["majority"] == 0.5
    # One clip is on the cut, where an observer is right half of the time; the other is open.
    assert found["oracle"]["mean"] == pytest.approx(0.75, abs=0.03)
    assert len(found["plain_cnn"]["test"]) == len(found["plain_cnn"]["train"]) == 2
    assert len(found["by_frame"]) == 6
    for row in found["by_frame"].values():
        gap = row["3D minus this, paired by patient"]["value"]
        assert gap == pytest.approx(found["plain_cnn"]["mean"] - row["mean"])
    assert found["shown"]["as they are"] == pytest.approx(found["plain_cnn"]["mean"])
    monkeypatch.setattr(difficulty, "trained", None)  # nothing is trained twice
    difficulty.main(cohort, tmp_path, tmp_path / "runs")
    assert kept("difficulty", tmp_path) == found


def test_an_observer_errs_as_often_as_the_normal_law_says(monkeypatch):
    difficulty = loaded("difficulty")
    monkeypatch.setattr(difficulty, "DRAWS", 100)
    stenoses = np.linspace(0.35, 0.65, 31)
    clips = difficulty.Measured(
        stenoses=stenoses,
        middle=stenoses,
        narrowest=np.zeros(31, np.int64),
        grades=(stenoses >= 0.5).astype(np.int64),
        rule=DEFAULT_RULE,
    )
    right = difficulty.oracle_accuracies(clips, np.random.default_rng(3))
    expected = stats.norm.cdf(np.abs(stenoses - 0.5) / difficulty.SPREAD).mean()
    assert right.mean() == pytest.approx(expected, abs=0.02)


def test_a_network_by_frame_takes_no_notice_of_order_and_pools_as_it_says():
    difficulty = loaded("difficulty")
    torch.manual_seed(0)
    clips = torch.randn(2, 1, 5, 32, 32)
    flat, solid = (difficulty.Plain(2, kernel).eval() for kernel in (1, 3))
    lead = flat.of_frames(clips).diff(dim=2)[..., 0].sort(dim=1, descending=True).values
    for pooled, count in (("mean", 5), ("max", 1), ("top two", 2)):
        flat.pooled = pooled
        torch.testing.assert_close(flat(clips), flat(clips.flip(2)))
        torch.testing.assert_close(flat(clips).diff(dim=1)[:, 0], lead[:, :count].mean(dim=1))
    assert not torch.allclose(solid(clips), solid(clips.flip(2)), atol=1e-4)


def test_clips_are_shown_in_other_orders():
    difficulty = loaded("difficulty")
    clips = squares(6, seed=3, length=5)
    ways = difficulty.shown(clips, np.array([4, 0, 1, 2, 3, 4]))
    kinds = {n: {f.tobytes() for f in way.frames[5]} for n, way in ways.items()}
    assert kinds["frames shuffled"] == kinds["frames reversed"] == kinds["as they are"]
    assert kinds["the middle frame repeated"] == {clips.frames[5, 2].tobytes()}
    assert (ways["the narrowest frame repeated"].frames[0] == clips.frames[0, 4]).all()
    assert (ways["frames shuffled"].frames != clips.frames).any(axis=(2, 3)).mean() > 0.5


def squares(count, seed, length=3):
    """Clips of noise; in the severe ones a square moves."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 60, (count, length, 32, 32), dtype=np.uint8)
    grades = np.arange(count) % 2
    for clip, grade in zip(frames, grades, strict=True):
        for number, frame in enumerate(clip):
            frame[8 : 16 + 12 * number * grade // length, 8:16] += 90
    return ClipSet(frames=frames, grades=grades, patients=("p",) * count)


def test_the_plain_network_learns_that_a_square_moves_and_depends_on_its_seed_alone(monkeypatch):
    difficulty = loaded("difficulty")
    monkeypatch.setattr(difficulty, "EPOCHS", 20)
    train, test = squares(48, seed=1), squares(40, seed=2)
    model = difficulty.trained(train, seed=0)
    assert difficulty.right(model, test).mean() > 0.9
    shuffled = replace(test, grades=np.random.default_rng(4).permutation(test.grades))
    assert 0.3 < difficulty.right(model, shuffled).mean() < 0.7
    monkeypatch.setattr(difficulty, "EPOCHS", 1)
    few = squares(8, seed=1)
    first, again, other = (difficulty.trained(few, seed=s).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])


def test_the_kept_difficulty_is_as_meant_and_of_the_present_cohort_and_network():
    difficulty, found = loaded("difficulty"), kept("difficulty")
    assert found["cohort"]["phantom"] == CohortSpec().phantom
    assert found["clips"] == {"train": 318, "validation": 23, "test": 118}
    plain = found["plain_cnn"]
    assert plain["parameters"] == sum(w.numel() for w in difficulty.Plain(2).parameters())
    assert [*found["recipe"].values()] == [difficulty.EPOCHS, difficulty.BATCH, difficulty.RATE]
    assert (len(plain["test"]), len(found["by_frame"])) == (5, 6)
    for row in found["by_frame"].values():
        ahead = row["3D minus this, paired by patient"]
        assert (ahead["value"] > 0.08, ahead["low"] > 0) == (True, True)
    assert 0.70 <= plain["mean"] <= 0.80
    assert found["majority"] < 0.65
    assert found["oracle"]["mean"] > plain["mean"]


def test_simulated_studies_differ_as_they_are_told_to():
    inference = loaded("inference")
    first, second = inference.study(np.random.default_rng(0), 200, 80, 0.05, 0.02)
    assert first.mean() - second.mean() == pytest.approx(0.05, abs=0.01)
    assert 0.02 < (first.mean(1) - second.mean(1)).std() < 0.07


@pytest.mark.long
def test_the_methods_of_the_protocol_hold_what_they_promise(tmp_path):
    loaded("inference").main(tmp_path, worlds=400)
    again, found = kept("inference", tmp_path)["coverage"], kept("inference")
    for name, shares in found["coverage"].items():
        assert 0.93 <= shares["t over seeds"] <= 0.97
        assert again[name] == pytest.approx(shares, abs=0.05)
    for shares in found["t over seeds"].values():
        assert shares["size"] <= 0.055 < shares["power at 5 points"]
    assert found["family of six claims, 10 seeds"]["Holm"] <= 0.055
    assert found["size of one seed"]["sign flips by patient"] <= 0.055


def test_narrow_judges_the_claims_when_all_seeds_are_there(tmp_path, write_runs):
    narrow = loaded("narrow")
    chances = np.random.default_rng(0).random((len(narrow.SEEDS), 40))
    rows = {"base": 0.8, "base_random": 0.5, "csg3dct": 0.8, "ca": 0.8, "swa": 0.8}
    for name, share in (rows | {"base_16": 0.8, "i3d": 0.75}).items():
        write_runs(tmp_path / "narrow", name, *(chances < share))
    found = narrow.summary(tmp_path / "narrow")["claims"]
    warm = found["a warm start helps"]
    assert warm["value"] == pytest.approx(((chances < 0.8) & (chances >= 0.5)).mean())
    assert warm["p"] < warm["p, Holm"] < 0.05
    (tmp_path / "narrow" / "swa" / "seed-3" / "test.csv").unlink()
    found = narrow.summary(tmp_path / "narrow")["claims"]
    assert len(found["CA is better than SWA"]["differences"]) == 9
    assert "p, Holm" not in found["a warm start helps"]


def test_shortcuts_finds_the_nuisance_of_a_cohort(cohort, tmp_path, capsys):
    shortcuts = loaded("shortcuts")
    shortcuts.main(cohort, tmp_path)
    found = kept("shortcuts", tmp_path)
    assert (found["clips"], found["severe"]) == (12, 6)
    assert {finding["name"]: finding["auc"] for finding in found["nuisances"]}["mean"] == 1
    assert f"do NOT all stay below {shortcuts.LIMIT}" in capsys.readouterr().out


def test_no_nuisance_of_the_kept_audit_gives_the_grade_away():
    found = kept("shortcuts")
    assert found["cohort"]["phantom"] == CohortSpec().phantom
    assert found["clips"] == 459
    assert len(found["nuisances"]) > 40
    assert max(finding["auc"] for finding in found["nuisances"]) < loaded("shortcuts").LIMIT
    cues = {finding["name"]: finding["auc"] for finding in found["cues"]}
    assert cues["open share of the vessel"] > 0.95
    assert cues["dark share of the vessel"] > max(f["auc"] for f in found["nuisances"])


def test_attention_scores_maps_beside_their_controls(cohort, monkeypatch, tmp_path):
    attention = loaded("attention")
    chosen = {name: attention.METHODS[name] for name in ("time queries space", "Grad-CAM")}
    monkeypatch.setattr(attention, "METHODS", chosen)
    monkeypatch.setattr(attention, "UNTRAINED", 1)
    every = attention.covers
    monkeypatch.setattr(attention, "covers", lambda clips: dict([*every(clips).items()][:2]))
    monkeypatch.setattr(attention, "STEPS", 3)
    monkeypatch.setattr(attention, "RANDOMISED", 1)
    memorised = str(attention.SAMPLES / "tiny_256_memorised.safetensors")
    given = [str(cohort), str(tmp_path / "work"), "--out", str(tmp_path), "--memorised", memorised]
    attention.main(given)
    found = drawn(tmp_path, "attention")
    assert found["maps"].keys() == found["curves"].keys() == chosen.keys()
    for name in chosen:
        controls = found["maps"][name]["controls"]
        assert list(controls)[-4:-1] == ["shuffled frames", "shuffled, put back", "untrained 0"]
        assert controls["memorised"]["plaque ratio"] != controls["untrained 0"]["plaque ratio"]
        own = found["curves"][name]["mean curves"]["own"]
        assert own["deletion"][::2] == own["insertion"][::-2]
        assert len(found["randomisation"]["alike"][name]) > 10
    assert found["cover"] == next(iter(found["covers"]))
    monkeypatch.setattr(attention, "METHODS", dict.fromkeys(chosen))  # all maps are kept
    monkeypatch.setattr(attention, "picture", lambda facts: Figure())
    attention.main(given)
    assert drawn(tmp_path, "attention") == found
    with pytest.raises(ValueError, match="keeps results of other files"):
        attention.main([*given, "--network", memorised])


def test_the_kept_scores_are_of_all_test_clips_of_the_present_cohort():
    found = kept("attention")
    assert found["cohort"]["phantom"] == CohortSpec().phantom
    assert (found["clips"], found["patients"]) == (118, 43)
    assert len(found["maps"]) == len(loaded("attention").METHODS)


def test_figure_4_scores_the_networks_of_runs_beside_controls(cohort, tmp_path):
    kinds, rows = ["mild_type_I", "severe_borderline_type_II"] * 6, read_manifest(cohort)
    for kind, row in zip(kinds, rows, strict=True):
        clip = resample(read_clip(ROOT / "data_samples" / f"{kind}.npz"), 8, 64)
        save_clip(replace(clip, patient=row["patient"]), cohort / row["clip"])
        row["sha256"] = digest(cohort / row["clip"])
    write_manifest(cohort, rows)
    config = TrainConfig(folder=(run := tmp_path / "run"), epochs=1)
    list(Experiment(network="tiny", size=64).run(read_cohort(cohort), config))
    loaded("figure_4").main(cohort, [run], tmp_path)
    found = drawn(tmp_path, "figure_4")["networks"]["tiny"]
    clips = [read_clip(cohort / "clips" / f"{number}.npz") for number in (10, 11)]
    maps = [grad_cam(trained(run), clip, 1) for clip in clips]
    on = np.array([[score_map(heat, clip)["vessel ratio"] for clip in clips] for heat in maps])
    assert found["own"]["vessel ratio"][0] == pytest.approx(on.trace() / 2)
    gained = found["own minus control"]["another patient's map"]["vessel ratio"]["difference"]
    assert gained[0] == pytest.approx((on.trace() - on[::-1].trace()) / 2)


def test_realism_measures_brightness_where_it_says():
    realism = loaded("realism")
    y, x = np.mgrid[:300, :300]
    away = np.hypot(y - 150, x - 150) * 0.05
    rings = {3.0: 7, 3.5: 200, 4.1: 90, 4.6: 110}  # the lumen, what is too near, two that count
    frame = np.select([away <= end for end in rings], [*rings.values()], 20).astype(np.uint8)
    frames = np.stack([frame, frame + np.uint8(2)])
    found = realism.measure(frames, np.stack([away <= 3] * 2), mm_per_px=0.05)
    assert (found["lumen_median"], found["ring_median"], found["p99"]) == (8, 91, 201)
    assert found["frame_mean"] == pytest.approx(frame.mean() + 1)


def full_width(axis, sigma, coarse, side):
    """Width of the autocorrelation of noise in pixels, from its power spectrum and the patch."""
    waves = 2 * np.pi * np.stack(np.meshgrid(*[np.fft.fftfreq(512)] * 2, indexing="ij"))
    grains = np.exp(-np.tensordot(np.square(sigma), waves**2, 1))
    power = grains * (1 - np.exp(-(coarse**2) * (waves**2).sum(axis=0) / 2)) ** 2
    like = np.moveaxis(np.fft.ifft2(power).real, axis, 0)[:side, 0] * (1 - np.arange(side) / side)
    finely = np.arange(0, side, 0.01)
    return 2 * finely[np.interp(finely, np.arange(side), like / like[0]) < 0.5][0]


def test_realism_measures_the_size_of_speckle():
    realism = loaded("realism")
    noise = np.random.default_rng(6).normal(size=(1, 400, 900))
    grains = ndimage.gaussian_filter(noise, (0, 1.3, 2.5))
    frames = np.clip(70 + 12 * grains / grains.std(), 0, 255).astype(np.uint8)
    found = realism.measure(frames, noise > 3, mm_per_px=0.05)
    assert found["patches"] == 2 * 18  # of 49 pixels, from 120 to 240 of the 400 rows
    for axis, name in enumerate(["speckle_axial_mm", "speckle_lateral_mm"]):
        expected = 0.05 * full_width(axis, (1.3, 2.5), coarse=0.41 / 0.05, side=49)
        assert found[name] == pytest.approx(expected, rel=0.05)
    assert found["speckle_spread"] == pytest.approx(12, rel=0.1)


def test_realism_compares_and_draws(monkeypatch, tmp_path):
    realism = loaded("realism")
    monkeypatch.setattr(realism, "SEEDS", range(900, 902))
    realism.main(tmp_path, None)
    found = drawn(tmp_path, "realism")
    assert found["ours"]["frames"] == 2
    assert "real_frames_here" not in found
    with pytest.raises(ValueError, match=r"holds no NAME_img\.png"):
        realism.real_frames(tmp_path)


def test_the_matched_scanner_looks_like_the_real_one():
    realism, found = loaded("realism"), kept("realism")
    assert found["phantom"] == VERSION
    assert found["real"] == realism.REAL
    for name, value in realism.REAL.items():
        assert found["ours"][name] == pytest.approx(value, rel=realism.TOLERANCE), name


@pytest.mark.skipif(not REAL_FRAMES.is_dir(), reason="the real frames are not here")
def test_real_frames_measure_as_real_frames_do():
    realism = loaded("realism")
    found = realism.measure(*realism.real_frames(REAL_FRAMES), realism.REAL_PIXEL)
    for name, value in realism.REAL.items():
        assert found[name] == pytest.approx(value, rel=0.1), name


def test_step_times_every_network_against_the_limit_of_the_same_run(monkeypatch, tmp_path):
    step = loaded("step")
    monkeypatch.setattr(step, "precisions", lambda _: ("float32",))
    monkeypatch.setattr(step, "NETWORKS", {"csg3dct": None, "i3d": None})
    monkeypatch.setattr(step, "build_network", lambda *_, **__: CSG3DCT(SHORT))
    monkeypatch.setattr(step, "TRIES", 1)
    monkeypatch.setattr(step, "SIDE", {"cpu": 512, "cuda": 512})
    step.main(32, tmp_path)
    rows = kept("step", tmp_path)["precisions"]["float32"]
    assert rows["networks"].keys() == {"csg3dct", "i3d"}
    macs = summary(CSG3DCT(SHORT), 8, 32).total.macs
    for row in rows["networks"].values():
        assert row["macs"] == macs
        assert row["step_rate"] == pytest.approx(3 * row["macs"] / row["step_seconds"])
        assert row["answer_rate"] == pytest.approx(row["macs"] / row["answer_seconds"])


UNTIMED = {"video_swin", "mvit"}  # added since; the next run on an idle machine has them


def test_every_network_has_been_timed():
    for rows in kept("step")["precisions"].values():
        assert rows["networks"].keys() == NETWORKS.keys() - UNTIMED


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        ("exit 0", 0, ""),
        ("exec sleep 20", 124, "a piece is done; the same command does the next"),
        ("echo wrong >&2; exit 2", 2, ""),
    ],
)
def test_a_piece_of_the_table_ends_in_time_and_says_how(tmp_path, does, code, says):
    """With a Python that prints its arguments."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@"\n{does}\n')
    python.chmod(0o755)
    words = [ROOT / "benchmarks" / "gpu_table1.sh", "out", "smoke", "--rows", "i3d"]
    env = os.environ | {"PYTHON": str(python), "SECONDS_A_PIECE": "0.5"}
    piece = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert piece.returncode == code
    first, *rest = piece.stdout.splitlines()
    assert first == "-m csglib table1 out --preset smoke --rows i3d"
    assert rest == [says] * bool(says)
