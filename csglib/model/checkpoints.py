"""Public checkpoints of the 2D Conformer: download, hash, and reading without running code.

Source: mmpretrain's model zoo. Its files are pickles; torch's restricted unpickler takes tensors
from them and runs none of the code that they may hold.
"""

import _codecs
import argparse
import pathlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from csglib.model.weights import read_weights, without_wrappers

_ZIP, _PICKLE = b"PK", b"\x80\x02"
# The first that there is: timm evaluates its averaged weights, DeiT and Conformer the others.
_ADVICE = (
    "If you trust the file, read it with torch.load(path, weights_only=False) and save its state "
    "dict alone, with safetensors.torch.save_file"
)
_WRAPPINGS = ("state_dict_ema", "state_dict", "model", "model_ema")
# What training scripts put beside weights, and what numbers of numpy 1 and 2 are made of.
_HARMLESS: list[Any] = [argparse.Namespace, pathlib.PosixPath, _codecs.encode, np.dtype, np.ndarray]
_HARMLESS += [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdU"]
for made in (np.float64(0), np.zeros(1)):
    function: Any = made.__reduce__()[0]
    names = (f"numpy.{core}.multiarray.{function.__name__}" for core in ("core", "_core"))
    _HARMLESS += [(function, name) for name in names]
CHECKPOINTS = {  # the file name ends with the first digits of its SHA-256
    "conformer-small-p16": "https://download.openmmlab.com/mmclassification/v0/conformer/"
    "conformer-small-p16_3rdparty_8xb128_in1k_20211206-3065dcf5.pth"
}
"""Conformer-S of mmpretrain, trained on ImageNet-1k: the kind that the paper starts from.

No licence is given for the weights apart from that of the code, Apache-2.0.
"""


def read_checkpoint(source: Mapping[str, Any] | str | Path) -> Mapping[str, Tensor]:
    """State dict from a file or one of `CHECKPOINTS`, which is downloaded once and cached.

    Damage is detected by the zip checksums of torch.save; its legacy format and safetensors have
    none.

    Args:
        source: a name in `CHECKPOINTS`, or a path: safetensors, or a state dict saved with
            `torch.save`, bare or in one of `_WRAPPINGS`; or what such a file holds.

    Raises:
        ConnectionError: the download failed; says where to get the file and where to put it.
        ValueError: no such file, a damaged one, or no state dict.
    """
    if isinstance(source, Mapping):
        return _unwrapped(source, "the mapping")
    path = _fetched(source) if str(source) in CHECKPOINTS else Path(source)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; known by name: {', '.join(CHECKPOINTS)}")
    with path.open("rb") as file:
        head = file.read(2)
    if head not in (_ZIP, _PICKLE):
        return without_wrappers(read_weights(path)[0])
    return _unwrapped(_unpickled(path, head), path)


def _unwrapped(state: Any, source: object) -> Mapping[str, Tensor]:
    for wrapping in _WRAPPINGS:
        state = state.get(wrapping, state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(torch.is_tensor(t) for t in state.values()):
        raise ValueError(f"{source} holds no state dict; wanted tensors by name")
    return without_wrappers(state)


def _fetched(name: str | Path) -> Path:
    url = CHECKPOINTS[str(name)]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rpartition("/")[-1]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            stated = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
            torch.hub.download_url_to_file(url, str(path), stated and stated[1])
        except (URLError, TimeoutError, ConnectionError) as error:
            advice = f"Get {url} with a browser, put it into {folder}, and call this again"
            raise ConnectionError(f"{name} could not be downloaded ({error}). {advice}") from error
        except RuntimeError as error:  # the hash: nothing was kept
            raise ValueError(f"{url} is not the file it was: {error}") from error
    return path


def _unpickled(path: Path, head: bytes) -> Any:
    try:
        if head == _ZIP:
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():  # torch.load compares no checksums
                    raise ValueError(f"the checksum of {damaged} is wrong")
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged pickle can fail in any way at all; each of them is the file's fault.
    except Exception as error:
        if code := re.search(r"GLOBAL (\S+) was not", str(error)):
            came = f"holds a {code[1]} beside its weights: reading that could run code"
            raise ValueError(f"{path} {came}. {_ADVICE}") from error
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged, or holds more than tensors: {first}") from error
