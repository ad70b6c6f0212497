"""How fast is each network of Table 1, and how near to what the machine can do?

    python benchmarks/step.py [SIZE]

One clip of 8 frames on a CPU, four on a GPU, SIZE x SIZE pixels (default 256). A training step is
a forward pass, a backward pass and Adam; its share is of the rate at which this machine multiplies
large matrices, measured in the same run. Writes results/step.json. Run nothing else at the time.
A share may exceed 1, as some forward passes' do in the kept result: multiplications are counted by
the formula of a convolution, and the product of matrices need not be the fastest kernel.
"""

import datetime
import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm

from csglib.data.atomic import replacing
from csglib.model.cost import costs
from csglib.train.networks import NETWORKS, build_network
from csglib.train.step import HeadLogits

FRAMES = 8
SIDE = {"cuda": 8192, "cpu": 2048}  # of the matrices whose product is the limit
STEP_COST = 3  # forward passes; a backward pass multiplies twice as much as a forward pass
TRIES = 2  # of which the fastest counts: whatever disturbs makes slower


def precisions(device: str) -> tuple[str, ...]:
    """Those that this machine has instructions for; bfloat16 without them is slow."""
    capabilities = torch.cpu.get_capabilities()
    fast = device == "cuda" or any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return ("float32", "bfloat16") if fast else ("float32",)


def limit(device: str, precision: str) -> float:
    """Multiplications a second of large matrices."""
    side = SIDE[device]
    matrix = torch.randn(side, side, device=device, dtype=getattr(torch, precision))
    return side**3 / fastest(lambda: matrix @ matrix, device)


def fastest(work: Callable[[], object], device: str) -> float:
    """Seconds of the fastest try; a first one is not counted."""
    seconds = []
    for _ in range(1 + TRIES):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def examine(name: str, size: int, device: str, precision: str) -> dict[str, Any]:
    """Time one network; None for what this machine does not tell."""
    network = build_network(name, frames=FRAMES, size=size)
    macs = costs(network, [""], FRAMES, size)[""].macs
    network = network.to(device)
    clips = torch.randn(4 if device == "cuda" else 1, 3, FRAMES, size, size, device=device)
    grades = torch.zeros(len(clips), dtype=torch.long, device=device)
    adam = torch.optim.Adam(network.parameters(), fused=True)
    mixed = torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def step() -> None:
        with mixed:
            logits = HeadLogits(network)(clips).float()
        F.cross_entropy(logits.flatten(0, 1), grades.repeat(len(logits))).backward()
        adam.step()
        adam.zero_grad()

    @torch.inference_mode()
    def infer() -> None:
        with mixed:
            network(clips)

    learning = fastest(step, device) / len(clips)
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    network.eval()
    return {
        "macs": macs,
        "step_seconds": learning,
        "step_rate": STEP_COST * macs / learning,
        "answer_seconds": (seconds := fastest(infer, device) / len(clips)),
        "answer_rate": macs / seconds,
        "peak_bytes": peak,
    }


def measure(size: int) -> dict[str, Any]:
    """Time every network, in every precision that this machine is made for."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    torch.manual_seed(0)
    found: dict[str, Any] = {}
    for precision in precisions(device):
        rows, limits = {}, []
        for name in tqdm(NETWORKS, desc=f"{precision}, {size} x {size}"):
            limits.append(limit(device, precision))  # again and again: machines are not steady
            rows[name] = examine(name, size, device, precision)
        found[precision] = {"limit": max(limits), "networks": rows}
    return {
        "question": "how many clips a second each network trains on and predicts",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {machine}, threads: {torch.get_num_threads()}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "frames": FRAMES,
        "size": size,
        "precisions": found,
    }


def main(size: int, folder: Path) -> None:
    """Measure, write and print."""
    found = measure(size)
    with replacing(folder / "step.json") as file:
        file.write((json.dumps(found, indent=2) + "\n").encode())
    for precision, rows in found["precisions"].items():
        print(f"{precision}: at most {rows['limit'] / 1e9:,.0f} GMACs a second")
        print(f"{'network':<14}{'GMACs':>8}{'step s':>9}{'share':>7}{'infer s':>10}{'share':>7}")
        for name, row in rows["networks"].items():
            print(
                f"{name:<14}{row['macs'] / 1e9:8.1f}"
                f"{row['step_seconds']:9.3f}{row['step_rate'] / rows['limit']:7.0%}"
                f"{row['answer_seconds']:10.3f}{row['answer_rate'] / rows['limit']:7.0%}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(int(sys.argv[1]) if len(sys.argv) == 2 else 256, Path(__file__).parent / "results")
