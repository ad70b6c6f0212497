"""Weights on disk: safetensors only, since unpickling runs whatever code a file holds.

A file is read completely before a model is changed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from csglib.data.atomic import replacing

_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")  # torch.save zips
_RENAMED = {  # layer names of version 0.1
    "narrow": "conv1",
    "look": "conv2",
    "widen": "conv3",
    "to_query_key_value": "qkv",
    "to_query": "q",
    "to_key": "k",
    "to_value": "v",
    "to_key_value": "kv",
    "merge": "proj",
}


def write_weights(path: Path, tensors: dict[str, Tensor], notes: dict[str, str]) -> None:
    """Write a state dict and string metadata, atomically."""
    with replacing(path) as file:
        file.write(save(_apart(tensors), metadata=notes))


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors; safetensors refuses shared storage, so tied weights are cloned."""
    separate: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        separate[name] = plain.clone() if plain.data_ptr() in seen else plain
        seen.add(plain.data_ptr())
    return separate


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a state dict and its metadata.

    Raises:
        ValueError: no such file, a pickle, or a damaged file; says which.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; wanted weights in safetensors format")
    with path.open("rb") as file:
        if file.read(4).startswith(_PICKLES):
            came = "a pickle (as torch.save writes), which can run code when it is loaded"
            raise ValueError(f"{path} is {came}; wanted weights in safetensors format")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is not whole or not in safetensors format: {error}") from error


def without_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that were saved from within DataParallel or torch.compile, under their own names."""
    return {re.sub(r"^((module|_orig_mod)\.)+", "", name): it for name, it in tensors.items()}


def current_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that were saved under the layer names of version 0.1, under today's names."""
    return {
        ".".join(_RENAMED.get(part, part) for part in name.split(".")): tensor
        for name, tensor in without_wrappers(tensors).items()
    }


def load_weights(model: nn.Module, path: Path, resizable: str = "") -> list[str]:
    """Fill a model from a file of exactly its tensors, under today's layer names or 0.1's.

    Tensors whose names match `resizable`, a regular expression, may be of another number of
    classes, their first size: they stay as they are, and their names are returned.

    Raises:
        ValueError: the file cannot be read, or belongs to another network; the model is as before.
    """
    tensors, _ = read_weights(path)
    wanted = model.state_dict()
    if tensors.keys() != wanted.keys():
        tensors = current_names(tensors)
    missing, unknown = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    other = [name for name in wanted if name in tensors and _differ(wanted[name], tensors[name])]
    named = [name for name in other if resizable and re.search(resizable, name)]
    left = [name for name in named if wanted[name].shape[1:] == tensors[name].shape[1:]]
    other = [name for name in other if name not in left]
    if missing or unknown or other:
        first = min([*missing, *unknown, *other])
        found = f"{len(missing)} missing, {len(unknown)} unknown, {len(other)} of another shape"
        raise ValueError(f"{path} belongs to another network: tensors {found}; first {first}")
    model.load_state_dict(tensors | {name: wanted[name] for name in left})
    return left


def _differ(wanted: Tensor, found: Tensor) -> bool:
    return wanted.shape != found.shape or not torch.can_cast(found.dtype, wanted.dtype)
