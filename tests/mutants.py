"""Plant 14 faults in the code, one after the other, and see whether the tests catch them.

    python tests/mutants.py          # all; about a minute each on a busy laptop
    python tests/mutants.py NAME...  # these

Not part of the suite. The repository's tracked files are copied to a temporary folder, and the
faults are planted there. A fault is caught if one of its test files fails with it and the failing
test passes without it. The fault in JavaScript needs a Chromium.
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
    ("coupling-rows-columns", "csglib/model/fcu.py",
     '"(b t) d y x -> b t (y x) d"', '"(b t) d y x -> b t (x y) d"',
     "FCU, volume to tokens: patches are in column-major order",
     "model/test_fcu.py model/test_csg3dct.py"),
    ("log-t-off-by-one", "csglib/model/intra.py",
     "math.log(frames)), (0, others)", "math.log(frames + 1)), (0, others)",
     'class tokens "log_t": log(t + 1) is added to the class token\'s score',
     "model/test_intra.py model/test_still_clips.py"),
    ("fusion-one-after-the-other", "csglib/model/amdf.py",
     "space, time = self.into_space(space, time), self.into_time(time, space)",
     "space = self.into_space(space, time)\n        time = self.into_time(time, space)",
     "AMDF: time is fused with the spatial branch after fusion, not before",
     "model/test_amdf.py view/test_rollout.py"),
    # --- data ---
    ("patient-id-in-clip", "csglib/data/readers/dicom.py",
     "stack.clip(hash_patient(identity, key)", "stack.clip(identity",
     "readers: a clip has the PatientID itself, not its hash",
     "data/test_readers.py"),
    # --- phantom ---
    ("contours-half-a-pixel-off", "csglib/phantom/simulate.py",
     "- corner) / self.mm_per_px - 0.5", "- corner) / self.mm_per_px",
     "truth: contours are counted from the image's corner, not the first pixel's centre",
     "phantom/test_simulate.py"),
    # --- train ---
    ("resume-without-moments", "csglib/train/runs.py",
     "adam.state[parameter][moment].copy_(saved)", "adam.state[parameter][moment].zero_()",
     "resume: Adam's moments are read but not restored",
     "train/test_fit.py"),
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
    # --- widgets ---
    ("explorer-next-patch", "csglib/widgets/explorer/message.py",
     "record.patch_row(branch, block - 1, query - 1)", "record.patch_row(branch, block - 1, query)",
     "explorer: the kernel sends the row of the next patch",
     "widgets/test_explorer.py"),
    ("row-in-the-first-frame", "csglib/widgets/explorer/data.js",
     "map.set(keys, frame * patches);", "map.set(keys);",
     "explorer's page: a patch's row in space is painted over the first frame",
     "browser/test_explorer.py"),
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
