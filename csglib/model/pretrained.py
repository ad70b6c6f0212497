"""The warm start: weights of the 2D parent, Conformer-S, brought into CSG-3DCT.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; section 3: the spatial branch takes "the
learnable weights of QKV projection and LayerNorm" from the parent, the rest of AMDF is random. The
parent's names are those of its published code; mmpretrain's are turned into them.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from csglib.model.inflation import Inflation, inflate_kernel
from csglib.weights import read_weights

_MMPRETRAIN = (  # its name of a part, and the parent's, applied in this order
    (r"^backbone\.", ""),
    (r"^head\.", ""),
    (r"\.ln1\.", ".norm1."),
    (r"\.ln2\.", ".norm2."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
)
_ONCE = {
    "conv1": "stem.0",
    "bn1": "stem.1",
    "trans_patch_conv": "embed.project",
    "trans_norm": "head.norm",
    "conv_cls_head": "head.classify_local",
    "trans_cls_head": "head.classify_global",
}
_BOTTLENECK = {
    "conv1": "narrow.0",
    "bn1": "narrow.1",
    "conv2": "look.0",
    "bn2": "look.1",
    "conv3": "widen.0",
    "bn3": "widen.1",
    "residual_conv": "shortcut.0",
    "residual_bn": "shortcut.1",
}
_COUPLING = {
    "squeeze_block.conv_project": "down.project",
    "squeeze_block.ln": "down.norm.0",
    "expand_block.conv_project": "up.project",
    "expand_block.bn": "up.norm.0",
}
_ATTENTION = {"norm1": "norm", "attn.qkv": "to_query_key_value", "norm2": "ffn.0"}
_REST_OF_BLOCK = {"attn.proj": "merge", "mlp.fc1": "ffn.1.0", "mlp.fc2": "ffn.1.2"}


def canonical_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the parent's published code."""
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _MMPRETRAIN:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901  # each rule sees the last
        renamed[name] = tensor
    return renamed


def names(blocks: int, branch: str) -> dict[str, str]:
    """Ours for each of the parent's parts: 'conv_1.conv1' is 'local.narrow.0'.

    Args:
        blocks: number of transformer blocks.
        branch: what stands between a block and the part that takes the parent's, "" or "space.".
    """
    table = dict(_ONCE)
    table |= {f"conv_1.{part}": f"local.{ours}" for part, ours in _BOTTLENECK.items()}
    for place in range(blocks):
        block = f"conv_trans_{place + 1}.trans_block" if place else "trans_1"
        for part, ours in (_ATTENTION | _REST_OF_BLOCK).items():
            table[f"{block}.{part}"] = f"blocks.{place}.{branch}{ours}"
    for place in range(blocks - 1):
        block, conv = f"conv_trans_{place + 2}", f"convs.{place}"
        for part, ours in _BOTTLENECK.items():
            table[f"{block}.cnn_block.{part}"] = f"{conv}.first.{ours}"
            table[f"{block}.fusion_block.{part}"] = f"{conv}.second.{ours}"
        table |= {f"{block}.{part}": f"{conv}.{ours}" for part, ours in _COUPLING.items()}
    return table


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor, on both sides. Prints as a table.

    Attributes:
        loaded: ours that were filled as they are.
        inflated: ours that were filled with a kernel stretched over frames.
        new: ours that the parent does not have, left as they were.
        unused: the parent's that this network has no place for.
        wrong_shape: the parent's heads, when they tell another number of classes apart.
    """

    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]
    wrong_shape: tuple[str, ...]

    def __str__(self) -> str:
        rows = ((name.replace("_", " "), getattr(self, name)) for name in self.__dataclass_fields__)
        return "\n".join(
            f"{name:<12}{len(found):>5}  {', '.join(found[:2])}{' ...' * (len(found) > 2)}".rstrip()
            for name, found in rows
        )


def load_conformer(
    model: nn.Module, source: Mapping[str, Tensor] | str | Path, *, inflation: Inflation = "mean"
) -> LoadReport:
    """Fill a network made by `CSG3DCT` with the weights of a Conformer-S.

    A transformer block with room for the parent's FFN takes the whole of it; one without takes its
    QKV projection and LayerNorms, as the paper does. With AMDF it is the spatial branch that takes.

    Args:
        model: filled in place, or, when anything is refused, left as it was.
        source: tensors by the parent's names or mmpretrain's, or a file of them: safetensors, or
            what `torch.save` wrote of tensors alone, bare or under "state_dict" or "model".
        inflation: how a 2D kernel becomes one over t frames.

    Raises:
        ValueError: not such a file, or not a Conformer-S; says what was found and what is wanted.
    """
    found = canonical_keys(source if isinstance(source, Mapping) else _read(Path(source)))
    wanted = model.state_dict()
    ours = _ours(wanted)
    _refuse_another_network(found, ours)
    taken = [name for name in found if ours[name] in wanted and _takes(name, found, ours, wanted)]
    fitted = {name: _stretch(found[name], wanted[ours[name]], inflation) for name in taken}
    misfits = [name for name, tensor in fitted.items() if tensor is None]
    heads = [name for name in misfits if "_cls_head" in name]
    if len(misfits) > len(heads):
        name = next(name for name in misfits if name not in heads)
        raise ValueError(
            f"{len(misfits)} tensors have another shape than a Conformer-S's; the first is {name}: "
            f"got {tuple(found[name].shape)} for a place of {tuple(wanted[ours[name]].shape)}"
        )
    filled = {ours[name]: tensor for name, tensor in fitted.items() if tensor is not None}
    model.load_state_dict(wanted | filled)
    inflated = [name for name, tensor in filled.items() if tensor.ndim == 5 and tensor.shape[2] > 1]
    return LoadReport(
        loaded=tuple(name for name in filled if name not in inflated),
        inflated=tuple(inflated),
        new=tuple(name for name in wanted if name not in filled),
        unused=tuple(name for name in found if name not in taken),
        wrong_shape=tuple(heads),
    )


def _ours(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Our name for each tensor of a Conformer as deep as this network."""
    blocks = 1 + max(int(name.split(".")[1]) for name in wanted if name.startswith("blocks."))
    branch = "space." if any(name.startswith("blocks.0.space.") for name in wanted) else ""
    table = names(blocks, branch)
    leaves: dict[str, set[str]] = {"head.classify_local": {"weight", "bias"}}
    leaves["head.classify_global"] = leaves["head.classify_local"]
    for name in wanted:
        part, _, leaf = name.rpartition(".")
        leaves.setdefault(part, set()).add(leaf)
    return {"cls_token": "embed.cls"} | {
        f"{theirs}.{leaf}": f"{part}.{leaf}"
        for theirs, part in table.items()
        for leaf in leaves.get(part, ())
    }


def _refuse_another_network(found: Mapping[str, Tensor], ours: Mapping[str, str]) -> None:
    unknown = [name for name in found if name not in ours]
    optional = ("_cls_head.weight", "_cls_head.bias", "num_batches_tracked")
    lacking = [name for name in ours if name not in found and not name.endswith(optional)]
    if unknown or lacking:
        first = f"{unknown[0]} is unknown" if unknown else f"{lacking[0]} is lacking"
        raise ValueError(
            f"not the {len(ours)} tensors of a Conformer-S: found {len(found)}, of them "
            f"{len(unknown)} unknown, and {len(lacking)} lacking; the first: {first}"
        )
    broken = [name for name, tensor in found.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"{len(broken)} tensors hold NaN or infinity; the first is {broken[0]}")


def _takes(
    name: str, found: Mapping[str, Tensor], ours: Mapping[str, str], wanted: Mapping[str, Tensor]
) -> bool:
    """A block without room for the whole of the parent's takes its QKV and norms alone."""
    within = name.rpartition(".")[0]
    if not within.endswith(tuple(_REST_OF_BLOCK)):
        return True
    hidden = "trans_1.mlp.fc1.weight"
    return found[hidden].shape == wanted[ours[hidden]].shape


def _stretch(kernel: Tensor, place: Tensor, inflation: Inflation) -> Tensor | None:
    """The tensor in the shape of its place; None when it does not fit."""
    if kernel.ndim == 4 and place.ndim == 5:
        kernel = inflate_kernel(kernel, place.shape[2], inflation if place.shape[2] > 1 else "mean")
    return kernel if kernel.shape == place.shape else None


def _read(path: Path) -> Mapping[str, Tensor]:
    """Tensors from a file; no pickled code is run, whatever the file holds."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; wanted weights of a Conformer-S")
    with path.open("rb") as file:
        head = file.read(2)
    if head not in (b"PK", b"\x80\x02"):
        return read_weights(path)[0]
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged, or holds more than tensors: {first}") from error
    for wrapping in ("state_dict", "model"):
        state = state.get(wrapping, state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(torch.is_tensor(t) for t in state.values()):
        raise ValueError(f"{path} holds no table of tensors; wanted weights of a Conformer-S")
    return state
