"""Plant 40 faults in the code, one after the other, and see whether the tests catch them.

    python tests/mutants.py          # all; about a minute each on a busy laptop
    python tests/mutants.py NAME...  # these

Not part of the suite. The repository's tracked files are copied to a temporary folder, and the
faults are planted there. A fault is caught if one of its test files fails with it and the failing
test passes without it. The two faults in JavaScript need a Chromium.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 900  # seconds of a fault's test files


class Mutant(NamedTuple):
    """A planted fault.

    Attributes:
        name: for the command line.
        file: below the repository's root.
        old: text that occurs exactly once in the file.
        new: takes its place.
        fault: what is then wrong.
        tests: files below tests/ that should fail, or other words for pytest.
    """

    name: str
    file: str
    old: str
    new: str
    fault: str
    tests: str


# fmt: off
MUTANTS = [Mutant(*fields) for fields in (
    # --- model ---
    ("cross-query-owner", "csglib/model/fusion.py",
     "self.q(self.norm(target.cls)),", "self.q(self.norm(complement.cls)),",
     "cross attention: the query is the complement's class token, not the target's",
     "model/test_fusion.py view/test_rollout.py"),
    ("switched-value-owner", "csglib/model/fusion.py",
     "self.v(self.norm(target.flat)),", "self.v(self.norm(complement.flat)),",
     "switched attention: the values are the complement's, not the target's",
     "model/test_fusion.py"),
    ("coupling-rows-columns", "csglib/model/fcu.py",
     '"(b t) d y x -> b t (y x) d"', '"(b t) d y x -> b t (x y) d"',
     "FCU, volume to tokens: patches are in column-major order",
     "model/test_fcu.py model/test_csg3dct.py"),
    ("center-inflation-first-frame", "csglib/model/inflation.py",
     "kernel3d[:, :, frames // 2] = kernel2d", "kernel3d[:, :, 0] = kernel2d",
     'inflation "center": the 2D kernel is in the first frame, not in the middle one',
     "model/test_inflation.py"),
    ("log-t-off-by-one", "csglib/model/intra.py",
     "math.log(frames)), (0, others)", "math.log(frames + 1)), (0, others)",
     'class tokens "log_t": log(t + 1) is added to the class token\'s score',
     "model/test_intra.py model/test_still_clips.py"),
    ("remap-swaps-norms", "csglib/model/pretrained.py",
     '{"norm1": "norm", "attn.qkv": "qkv", "norm2": "ffn.0"}',
     '{"norm1": "ffn.0", "attn.qkv": "qkv", "norm2": "norm"}',
     "Conformer's weights: the two LayerNorms of each block are exchanged",
     "model/test_pretrained.py"),
    ("fusion-one-after-the-other", "csglib/model/amdf.py",
     "space, time = self.into_space(space, time), self.into_time(time, space)",
     "space = self.into_space(space, time)\n        time = self.into_time(time, space)",
     "AMDF: time is fused with the spatial branch after fusion, not before",
     "model/test_amdf.py view/test_rollout.py"),
    # --- data ---
    ("scale-in-centimetres", "csglib/data/readers/dicom.py",
     "(10 * size[0], 10 * size[1])", "(size[0], size[1])",
     "DICOM: the size of a pixel is in cm instead of mm",
     "data/test_readers.py"),
    ("resample-scale-inverted", "csglib/data/clips.py",
     "else clip.mm_per_px / scale", "else clip.mm_per_px * scale",
     "resample: mm per pixel is multiplied by the zoom",
     "data/test_clips.py"),
    ("split-seed-ignored", "csglib/data/split.py",
     "random.Random(seed).shuffle(names)", "random.Random(0).shuffle(names)",
     "split by patient: the seed is ignored",
     "data/test_split.py"),
    ("patient-id-in-clip", "csglib/data/readers/dicom.py",
     "stack.clip(hash_patient(identity, key)", "stack.clip(identity",
     "readers: a clip has the PatientID itself, not its hash",
     "data/test_readers.py"),
    ("fingerprint-without-grades", "csglib/data/cohort.py",
     "for array in (self.frames, self.grades):", "for array in (self.frames,):",
     "fingerprint of a training set: grades do not enter",
     "data/test_cohort.py"),
    ("video-range-not-stated", "csglib/data/readers/video.py",
     "full = stated == 2 or (stated == 0 and", "full = stated in (0, 2) or (stated == 0 and",
     "video: frames that do not state their range are not stretched from 16-235 to 0-255",
     "data/test_readers.py"),
    # --- phantom ---
    ("star-area-of-squares", "csglib/phantom/vessel.py",
     "neighbours = radii * np.roll(radii, -1, axis=-1)", "neighbours = radii**2",
     "area of a star-shaped polygon: r_i^2 instead of r_i r_(i+1)",
     "phantom/test_vessel.py phantom/test_simulate.py"),
    ("attenuation-one-way", "csglib/phantom/speckle.py",
     "(2 * probe.frequency * pixel / 10)", "(probe.frequency * pixel / 10)",
     "attenuation: the way there only, not the way there and back",
     "phantom/test_speckle.py"),
    ("contours-half-a-pixel-off", "csglib/phantom/simulate.py",
     "- corner) / self.mm_per_px - 0.5", "- corner) / self.mm_per_px",
     "truth: contours are counted from the image's corner, not the first pixel's centre",
     "phantom/test_simulate.py"),
    # --- train ---
    ("decay-on-norms", "csglib/train/step.py",
     '{"params": others}', '{"params": others, "weight_decay": weight_decay}',
     "weight decay on biases, norms, the class token and the gates too",
     "train/test_fit.py"),
    ("resume-without-moments", "csglib/train/runs.py",
     "adam.state[parameter][moment].copy_(saved)", "adam.state[parameter][moment].zero_()",
     "resume: Adam's moments are read but not restored",
     "train/test_fit.py"),
    ("epoch-not-in-the-order", "csglib/train/fit.py",
     "np.random.default_rng([config.seed, epoch])", "np.random.default_rng([config.seed])",
     "the order of clips and their augmentation are the same in every epoch",
     "train/test_fit.py"),
    ("weights-not-atomic", "csglib/model/weights.py",
     "with replacing(path) as file:\n        file.write(save(_apart(tensors), metadata=notes))",
     "path.write_bytes(save(_apart(tensors), metadata=notes))",
     "weights are written in place: a killed process leaves half a file",
     "model/test_weights.py train/test_fit.py"),
    ("test-with-last-weights", "csglib/train/experiment.py",
     'load_weights(network, config.folder / "best.safetensors")',
     'load_weights(network, config.folder / "last.safetensors")',
     "test predictions are those of the last epoch's weights, not of the best",
     "train/test_experiment.py"),
    ("micro-batch-scale", "csglib/train/step.py",
     "self._backward(part, weight / len(batch))", "self._backward(part, weight / len(part))",
     "micro-batches: the loss is divided by the micro-batch's size, not the batch's",
     "train/test_fit.py"),
    # --- metrics ---
    ("bootstrap-by-clip", "csglib/metrics/intervals.py",
     "names, owners = np.unique(np.array(patients), return_inverse=True)",
     "names = owners = np.arange(len(patients))",
     "intervals: the bootstrap draws clips instead of patients",
     "metrics/test_metrics.py"),
    ("auc-ties-lost", "csglib/metrics/scores.py",
     "lower = others.cumsum(1) - others / 2", "lower = others.cumsum(1) - others",
     "AUC: a tie counts nothing instead of half",
     "metrics/test_metrics.py"),
    # --- view ---
    ("cam-of-both-signs", "csglib/view/grad_cam.py",
     '"c, c t y x -> t y x").relu()', '"c, c t y x -> t y x").abs()',
     "Grad-CAM: evidence against the grade is shown as evidence for it",
     "view/test_grad_cam.py"),
    ("rollout-wrong-owner", "csglib/view/rollout.py",
     "case CrossAttention():\n            return complement.flat",
     "case CrossAttention():\n            return target.flat",
     "rollout through cross attention: the target's patches, not the complement's",
     "view/test_rollout.py"),
    ("class-token-map-transposed", "csglib/view/attention_record.py",
     '"time": "(rows columns) t ->', '"time": "(columns rows) t ->',
     "class token's map along time: patches are read in column-major order",
     "view/test_attention.py"),
    ("evaluating-unfreezes", "csglib/view/capture.py",
     "        for part in training:\n            part.training = True\n",
     "        network.train(bool(training))\n",
     "after a map was computed, frozen parts are in training mode too",
     "view/test_attention.py view/test_grad_cam.py"),
    # --- widgets ---
    ("explorer-next-patch", "csglib/widgets/explorer/message.py",
     "record.patch_row(branch, block - 1, query - 1)", "record.patch_row(branch, block - 1, query)",
     "explorer: the kernel sends the row of the next patch",
     "widgets/test_explorer.py"),
    ("dashboard-wrong-grade", "csglib/widgets/dashboard.py",
     "[clip[1] for clip in", "[clip[0] for clip in",
     "dashboard: the probability of the first grade, not of the second",
     "widgets/test_dashboard.py"),
    ("row-in-the-first-frame", "csglib/widgets/explorer/data.js",
     "map.set(keys, frame * patches);", "map.set(keys);",
     "explorer's page: a patch's row in space is painted over the first frame",
     "browser/test_explorer.py"),
    ("balance-without-decay", "notebooks/csgcourse/widgets/balance.js",
     "(slope * slopes(gate)[index] + decay * theta)", "(slope * slopes(gate)[index])",
     "balance's page: gradient descent leaves out weight decay",
     "browser/test_balance.py"),
    # --- doctor ---
    ("picker-frame-past-the-end", "csglib/doctor/picker/clip_picker.py",
     "_key_frame(label) + 1) > frames", "_key_frame(label)) > frames",
     "clip picker: takes a narrowest frame one past the end of the video",
     "doctor/test_clip_picker.py"),
    ("patient-in-the-written-clip", "csglib/doctor/deidentification.py",
     'patient=row["patient"], mm_per_px=scale)', "patient=label.patient, mm_per_px=scale)",
     "de-identified clips have the name of the patient's folder, not the pseudonym",
     "doctor/test_deidentification.py"),
    ("near-duplicate-passes", "csglib/doctor/checks.py",
     "stops = used and (contradiction or not exam.same_split(clip, other))",
     "stops = used and contradiction",
     "near-duplicates in two splits are a warning only",
     "doctor/test_checks.py doctor/test_command.py"),
    ("box-beyond-tissue", "csglib/doctor/cropping.py",
     "return moved(picture.region, part), picture.outline",
     "return part, np.ones(part.crop(frames).shape[1:], bool)",
     "a person's box is cropped as drawn, even where it exceeds the tissue",
     "doctor/test_deidentification.py"),
    # --- detect ---
    ("detector-cell-corner", "csglib/detect/network.py",
     "return STRIDE * (torch.stack([x, y]) + 0.5)", "return STRIDE * torch.stack([x, y]).float()",
     "boxes are counted from a cell's corner, not its centre",
     "detect/test_detect.py"),
    # --- table 1 ---
    ("cost-of-eight-frames", "csglib/table1/run.py",
     "*clips.frames.shape[1:3])[", "8, clips.frames.shape[2])[",
     "the cost of every row is that of 8 frames",
     "table1/test_run.py"),
    ("non-local-sum", "csglib/table1/baselines/i3d.py",
     "mean = query @ (key @ (value / key.shape[-1]))", "mean = query @ (key @ value)",
     "NL-I3D: a non-local block sums over places instead of taking their mean",
     "table1/test_restatements.py"),
    # --- course ---
    ("check-of-the-first-case", "notebooks/csgcourse/checking.py",
     "for given, answer in answers:", "for given, answer in answers[:1]:",
     "exercises: only the output for the first inputs is compared",
     "course/test_checking.py"),
)]
# fmt: on


def copy_tracked_files(folder: Path) -> None:
    """As they are in the checkout, committed or not."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def run_pytest(words: list[str], folder: Path) -> tuple[int | None, str]:
    """Exit status, None if it took too long, and output of pytest on the copy."""
    paths = os.pathsep.join([str(folder), str(folder / "notebooks")])
    env = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, ""


def tried(mutant: Mutant, folder: Path) -> tuple[str, str]:
    """The result in a word or two, and the first failing test."""
    path = folder / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.old) != 1:
        return "does not fit", f"{mutant.old!r} occurs {text.count(mutant.old)} times"
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    code, said = run_pytest([f"tests/{word}" for word in shlex.split(mutant.tests)], folder)
    path.write_text(text, "utf-8")
    if code is None:
        return "too slow", f"over {LIMIT} s"
    if code == 0:
        return ("survived" if " passed" in said else "not tested"), said.splitlines()[-1]
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said, re.MULTILINE)
    if failed is None:
        return "pytest failed", said[-300:]
    code, _ = run_pytest([failed[1]], folder)
    return ("caught" if code == 0 else "fails without the fault too"), failed[1]


def main(names: list[str]) -> int:
    """Print a line for each fault; returns how many were not caught."""
    if unknown := {*names} - {mutant.name for mutant in MUTANTS}:
        raise SystemExit(f"no such fault: {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    caught = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "csglib"
        copy_tracked_files(folder)
        for mutant in chosen:
            start = time.monotonic()
            result, first = tried(mutant, folder)
            caught += result == "caught"
            seconds = time.monotonic() - start
            print(f"{mutant.name:<30} {result:<12} {seconds:>4.0f} s  {first}", flush=True)
            if result != "caught":
                print(f"{'':<30} {mutant.fault}")
    print(f"{caught} of {len(chosen)} caught")
    return len(chosen) - caught


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
