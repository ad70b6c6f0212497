"""Build the network's page: `python book/lab.py` writes book/site/lab.html.

One file with all that it needs: the network, the runtime that runs it, sample clips and csglib's
own attention explorer. It opens from disk and asks nobody for anything.

Needs npm, once: the runtime's package is fetched into book/vendor, and checked.
"""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from string import Template
from typing import Any

import torch
from export import ROOT, WEIGHTS, WithMaps, export, shipped

from csglib import AttentionExplorer, read_clip
from csglib.data.atomic import replacing
from csglib.widgets.base import LiveFigure

HERE = Path(__file__).parent
VERSION = "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
PACKAGE = HERE / "vendor" / f"onnxruntime-web-{VERSION}.tgz"


def runtime() -> dict[str, bytes]:
    """The runtime's module and its WASM, from the package that npm fetches.

    Raises:
        SystemExit: npm is missing, or the package is not the one that was tested.
    """
    if not PACKAGE.exists():
        if not (npm := shutil.which("npm")):
            sys.exit(f"npm is needed once, to fetch onnxruntime-web {VERSION}: install Node.js")
        PACKAGE.parent.mkdir(exist_ok=True)
        given = ["pack", "--loglevel=error", f"onnxruntime-web@{VERSION}", "--pack-destination"]
        subprocess.run([npm, *given, PACKAGE.parent], check=True, stdout=subprocess.DEVNULL)
    found = base64.b64encode(hashlib.sha512(PACKAGE.read_bytes()).digest()).decode()
    if found != SHA512:
        sys.exit(f"{PACKAGE} is not the package that was tested (sha512 {found}): delete it")
    names = {"library": "ort.wasm.bundle.min.mjs", "runtime": "ort-wasm-simd-threaded.wasm"}
    with tarfile.open(PACKAGE) as package:
        files = {key: package.extractfile(f"package/dist/{each}") for key, each in names.items()}
        return {key: file.read() for key, file in files.items() if file}


def graph_of(network: WithMaps) -> bytes:
    """The exported network, kept in book/vendor until something that it is made from changes."""
    rooms = (ROOT / "csglib" / room for room in ("model", "view"))
    parts = [WEIGHTS, HERE / "export.py"]
    parts += [path for room in rooms for path in sorted(room.glob("*.py"))]
    made_from = b"".join(path.read_bytes() for path in parts) + torch.__version__.encode()
    kept = PACKAGE.parent / f"{hashlib.sha256(made_from).hexdigest()[:16]}.onnx"
    if not kept.exists():
        graph = export(network)
        kept.parent.mkdir(exist_ok=True)
        with replacing(kept) as file:
            file.write(graph)
    return kept.read_bytes()


def samples(network: WithMaps) -> list[dict[str, Any]]:
    """The clips of data_samples: pixels, and the explorer's traits that need no network."""
    made = []
    for path in sorted((ROOT / "data_samples").glob("*_type_*.npz")):
        clip = read_clip(path)
        traits = AttentionExplorer(network.network, clip)
        state = {n: v for n, v in LiveFigure.page_state(traits).items() if not isinstance(v, bytes)}
        raw = {"pixels": clip.frames.tobytes()}
        raw |= {name: getattr(traits, name) for name in ("lumen", "vessel", "masks")}
        packed = {name: base64.b64encode(each).decode() for name, each in raw.items()}
        label = path.stem.replace("_", " ")
        made.append({"name": path.stem, "label": label, "state": state, **packed})
    return made


def page(graph: bytes, network: WithMaps) -> str:
    """The whole page as text."""
    texts = [(HERE / name).read_text(encoding="utf-8") for name in ("decode.js", "lab.js")]
    data = runtime() | {
        "graph": graph,
        "worker": (HERE / "worker.js").read_bytes(),
        "samples": json.dumps(samples(network)).encode(),
    }
    packed = {key: base64.b64encode(gzip.compress(each, mtime=0)) for key, each in data.items()}
    return Template((HERE / "lab.html").read_text(encoding="utf-8")).substitute(
        version=VERSION,
        style=AttentionExplorer._css,
        module="\n".join([AttentionExplorer._esm, *texts]),
        data="\n".join(
            f'<script type="text/plain" id="{key}">{each.decode()}</script>'
            for key, each in packed.items()
        ),
    )


def main(site: Path) -> None:
    """Write lab.html and the graph in it, tiny.onnx, each whole or not at all."""
    site.mkdir(parents=True, exist_ok=True)
    network = WithMaps(shipped())
    graph = graph_of(network)
    for name, content in (
        ("tiny.onnx", graph),
        ("lab.html", page(graph, network).encode()),
    ):
        with replacing(site / name) as file:
            file.write(content)
        print(f"{site / name}: {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "site")
