"""Does anything but the narrowing give a cohort's grades away? The audit of every clip.

    python benchmarks/shortcuts.py COHORT

COHORT is a folder that `csglib simulate` made. Each number of `csglib.phantom.audit` is set
against the grade by itself; what looks into the vessel stands apart, for comparison. Writes
results/shortcuts.json beside this file.
"""

import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.data.cohort import read_manifest, read_metadata
from csglib.data.readers.npz import read_npz
from csglib.phantom.audit import LIMIT, Finding, audit, cues, nuisances

SHOWN = 12  # nuisances in the printed table; the file has all


def examine(cohort: Path) -> dict[str, Any]:
    """Audit all clips of a cohort, of all sides of its split."""
    facts, rows = read_metadata(cohort), read_manifest(cohort)
    clips = (read_npz(cohort / row["clip"]) for row in rows)
    numbers = [(nuisances(c), cues(c)) for c in tqdm(clips, total=len(rows), desc="clips")]
    severe = np.array([int(row["grade_index"]) > 0 for row in rows])
    patients = [row["patient"] for row in rows]
    kinds = zip(("nuisances", "cues"), zip(*numbers, strict=True), strict=True)
    return {
        "question": "how well one number of a clip tells severe from mild",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}; measured, not timed",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "cohort": {name: fact for name, fact in facts.items() if "columns" not in name},
        "clips": len(rows),
        "severe": int(severe.sum()),
        "limit": LIMIT,
    } | {
        kind: [found._asdict() for found in audit(each, severe, patients, np.random.default_rng(0))]
        for kind, each in kinds
    }


def main(cohort: Path, folder: Path) -> None:
    """Audit, write, and print the most telling numbers."""
    found = examine(cohort)
    with replacing(folder / "shortcuts.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    print(f"{found['clips']} clips, {found['severe']} severe{'':>23}AUC   95 % interval")
    for finding in found["cues"] + found["nuisances"][:SHOWN]:
        name, area, low, high = Finding(**finding)
        print(f"{name:<44}{area:>6.3f}   {low:.2f} to {high:.2f}")
    worst = found["nuisances"][0]["auc"]
    said = "stay below" if worst < LIMIT else "do NOT all stay below"
    print(f"the {len(found['nuisances'])} nuisances {said} {LIMIT}; the first {SHOWN} are shown")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).parent / "results")
