"""Plant the faults of mutants.toml in the code, one by one, and see whether the tests catch them.

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
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 900  # seconds of a fault's test files


class Mutant(NamedTuple):
    """A planted fault; mutants.toml says what its fields mean."""

    name: str
    file: str
    old: str
    new: str
    fault: str
    tests: str


MUTANTS = [
    Mutant(name, **fields)
    for name, fields in tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8")).items()
]


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
