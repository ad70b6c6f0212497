"""Public checkpoints of the 2D Conformer: download, hash, and reading without running code.

Source: mmpretrain's model zoo. Its files are pickles; torch's restricted unpickler takes tensors
from them and runs none of the code that they may hold.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor

from csglib.model.weights import read_weights

_ZIP, _PICKLE = b"PK", b"\x80\x02"
CHECKPOINTS = {  # the file name ends with the first digits of its SHA-256
    "conformer-small-p16": "https://download.openmmlab.com/mmclassification/v0/conformer/"
    "conformer-small-p16_3rdparty_8xb128_in1k_20211206-3065dcf5.pth"
}
"""Conformer-S of mmpretrain, trained on ImageNet-1k: the kind that the paper starts from.

No licence is given for the weights apart from that of the code, Apache-2.0.
"""


def read_checkpoint(source: Mapping[str, Any] | str | Path) -> Mapping[str, Tensor]:
    """State dict from a file or one of `CHECKPOINTS`, which is downloaded once and cached.

    Damage is detected by the zip checksums of torch.save, or by the hash in the file's name; the
    legacy format of `torch.save` and safetensors have neither.

    Args:
        source: a name in `CHECKPOINTS`, or a path: safetensors, or a state dict saved with
            `torch.save`, bare or under "state_dict" or "model"; or what such a file holds.

    Raises:
        ConnectionError: the download failed; says where to get the file and where to put it.
        ValueError: no such file, a damaged one, or no state dict.
    """
    if isinstance(source, Mapping):
        return _unwrapped(source, "the mapping")
    path = _fetched(source) if str(source) in CHECKPOINTS else Path(source)
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; checkpoints known by name are {', '.join(CHECKPOINTS)}"
        )
    _refuse_another_hash(path)
    with path.open("rb") as file:
        head = file.read(2)
    if head not in (_ZIP, _PICKLE):
        return read_weights(path)[0]
    return _unwrapped(_unpickled(path, head), path)


def _unwrapped(state: Any, source: object) -> Mapping[str, Tensor]:
    for wrapping in ("state_dict", "model"):
        state = state.get(wrapping, state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(torch.is_tensor(t) for t in state.values()):
        raise ValueError(f"{source} holds no state dict; wanted tensors by name")
    return state


def _fetched(name: str | Path) -> Path:
    url = CHECKPOINTS[str(name)]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rpartition("/")[-1]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), _hash_in(path))
        except (URLError, TimeoutError, ConnectionError) as error:
            raise ConnectionError(
                f"{name} could not be downloaded ({error}). Get {url} with a browser, put it into "
                f"{folder}, and call this again"
            ) from error
        except RuntimeError as error:  # the hash: nothing was kept
            raise ValueError(f"{url} is not the file it was: {error}") from error
    return path


def _hash_in(path: Path) -> str | None:
    found = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    return found[1] if found else None


def _refuse_another_hash(path: Path) -> None:
    wanted = _hash_in(path) or ""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest() if wanted else ""
    if not found.startswith(wanted):
        raise ValueError(
            f"{path} is damaged or another file: its SHA-256 begins with {found[:8]}, and its name "
            f"says {wanted}; delete it and get it again"
        )


def _unpickled(path: Path, head: bytes) -> Any:
    try:
        if head == _ZIP:
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():  # torch.load compares no checksums
                    raise ValueError(f"the checksum of {damaged} is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged pickle can fail in any way at all; each of them is the file's fault.
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged, or holds more than tensors: {first}") from error
