"""The warm start: weights of a 2D Conformer, pretrained on images, inflated into CSG-3DCT.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; section 3: the spatial branch takes "the
learnable weights of QKV projection and LayerNorm", the rest of AMDF starts at random. Tensor names
are those of the published code of Peng et al. 2021 (Conformer), 718 tensors, and of mmpretrain.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from csglib.model.checkpoints import read_checkpoint
from csglib.model.inflation import inflate_kernel

# --- Names: module of the Conformer -> module of CSG-3DCT ---

_MMPRETRAIN = (  # mmpretrain's spelling -> the published code's, applied in this order
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
    "conv1": "conv1.0",
    "bn1": "conv1.1",
    "conv2": "conv2.0",
    "bn2": "conv2.1",
    "conv3": "conv3.0",
    "bn3": "conv3.1",
    "residual_conv": "shortcut.0",
    "residual_bn": "shortcut.1",
}
_FCU = {
    "squeeze_block.conv_project": "down.project",
    "squeeze_block.ln": "down.norm.0",
    "expand_block.conv_project": "up.project",
    "expand_block.bn": "up.norm.0",
}
_QKV_AND_NORMS = {"norm1": "norm", "attn.qkv": "qkv", "norm2": "ffn.0"}
_REST_OF_BLOCK = {"attn.proj": "proj", "mlp.fc1": "ffn.1.0", "mlp.fc2": "ffn.1.2"}
_FFN_EXPANSION = 4  # hidden width of the Conformer's FFNs, in token widths
_OPTIONAL = ("_cls_head.weight", "_cls_head.bias", "num_batches_tracked")


def canonical_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the published code.

    Raises:
        ValueError: two of them would have the same name.
    """
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _MMPRETRAIN:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901  # each rule sees the last
        if name in renamed:
            raise ValueError(f"two tensors are called {name}, in two spellings")
        renamed[name] = tensor
    return renamed


def conformer_names(blocks: int, branch: str) -> dict[str, str]:
    """Our module for each module of the Conformer: 'conv_1.conv1' is 'local.conv1.0'.

    `branch` is the prefix of the branch that takes the Conformer's blocks: "" or "space.".
    """
    table = dict(_ONCE)
    table |= {f"conv_1.{part}": f"local.{ours}" for part, ours in _BOTTLENECK.items()}
    for place in range(blocks):
        block = f"conv_trans_{place + 1}.trans_block" if place else "trans_1"
        for part, ours in (_QKV_AND_NORMS | _REST_OF_BLOCK).items():
            table[f"{block}.{part}"] = f"blocks.{place}.{branch}{ours}"
    for place in range(blocks - 1):
        block, conv = f"conv_trans_{place + 2}", f"convs.{place}"
        for part, ours in _BOTTLENECK.items():
            table[f"{block}.cnn_block.{part}"] = f"{conv}.first.{ours}"
            table[f"{block}.fusion_block.{part}"] = f"{conv}.second.{ours}"
        table |= {f"{block}.{part}": f"{conv}.{ours}" for part, ours in _FCU.items()}
    return table


def conformer_tensors(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Our name for each tensor of a Conformer as deep as the network with state dict `wanted`."""
    if "embed.cls" not in wanted:
        got = f"{len(wanted)} tensors, {', '.join([*wanted][:3])} ..."
        raise ValueError(f"expected a CSG3DCT network: got one of {got}")
    blocks = 1 + max(int(name.split(".")[1]) for name in wanted if name.startswith("blocks."))
    branch = "space." if any(name.startswith("blocks.0.space.") for name in wanted) else ""
    leaves: dict[str, set[str]] = {}
    for name in wanted:
        part, _, leaf = name.rpartition(".")
        leaves.setdefault(part, set()).add(leaf)
    for head in ("head.classify_local", "head.classify_global"):  # a Conformer always has both
        leaves[head] = {"weight", "bias"}
    return {"cls_token": "embed.cls"} | {
        f"{theirs}.{leaf}": f"{part}.{leaf}"
        for theirs, part in conformer_names(blocks, branch).items()
        for leaf in leaves.get(part, ())
    }


# --- Loading ---


@dataclass(frozen=True)
class LoadReport:
    """What happened to every tensor of both networks. Prints as a table."""

    loaded: tuple[str, ...]  # ours, filled unchanged
    inflated: tuple[str, ...]  # ours, filled with a 2D kernel inflated over frames
    new: tuple[str, ...]  # ours that the 2D network does not have, left as they were
    unused: tuple[str, ...]  # the 2D network's that ours has no place for
    wrong_shape: tuple[str, ...]  # classifiers of another number of classes, left as they were

    def __str__(self) -> str:
        rows = ((name.replace("_", " "), getattr(self, name)) for name in self.__dataclass_fields__)
        return "\n".join(
            f"{name:<12}{len(found):>5}  {', '.join(found[:2])}{' ...' * (len(found) > 2)}".rstrip()
            for name, found in rows
        )


def load_conformer(model: nn.Module, source: Mapping[str, Any] | str | Path) -> LoadReport:
    """Fill a `CSG3DCT` network with the weights of a 2D Conformer, for instance Conformer-S.

    A transformer block whose FFN is as wide as the Conformer's takes all of its weights; a narrower
    one takes the QKV projection and LayerNorms, as in the paper. In AMDF, the spatial branch does.

    Args:
        model: filled in place, or left unchanged when the weights are refused.
        source: tensors under the published code's names or mmpretrain's; a file of them; or the
            name of a public checkpoint, "conformer-small-p16" for the paper's: `read_checkpoint`.

    Raises:
        ConnectionError: the checkpoint cannot be downloaded; says where to get it.
        ValueError: not such a file, or not such a network; says what was found and expected.
    """
    found, wanted = canonical_keys(read_checkpoint(source)), model.state_dict()
    ours = conformer_tensors(wanted)
    _check_tensors(found, ours)
    places = {name: wanted[place] for name, place in ours.items() if place in wanted}
    taken = [name for name in found if name in places and _is_taken(name, places)]
    fitted = {name: _fitted(found[name], places[name]) for name in taken}
    misfits = [name for name, tensor in fitted.items() if tensor is None]
    # Classifiers may differ in the number of classes; nothing else may differ.
    if serious := [name for name in misfits if "_cls_head" not in name]:
        got, expected = (tuple(of[serious[0]].shape) for of in (found, places))
        first = f"{serious[0]}: got {got}, expected {expected}: a Conformer of other sizes"
        raise ValueError(f"{len(serious)} tensors do not fit; the first is {first}")
    filled = {ours[name]: tensor for name, tensor in fitted.items() if tensor is not None}
    model.load_state_dict(wanted | filled)
    inflated = tuple(name for name, t in filled.items() if t.ndim == 5 and t.shape[2] > 1)
    return LoadReport(
        loaded=tuple(name for name in filled if name not in inflated),
        inflated=inflated,
        new=tuple(name for name in wanted if name not in filled),
        unused=tuple(name for name in found if name not in taken),
        wrong_shape=tuple(misfits),
    )


def _check_tensors(found: Mapping[str, Tensor], ours: Mapping[str, str]) -> None:
    unknown = [name for name in found if name not in ours]
    missing = [name for name in ours if name not in found and not name.endswith(_OPTIONAL)]
    if unknown or missing:
        first = f"{unknown[0]} is unknown" if unknown else f"{missing[0]} is missing"
        got = f"{len(found)}, of them {len(unknown)} unknown, and {len(missing)} missing"
        wanted = f"{len(ours)} tensors of a Conformer as deep as this network"
        raise ValueError(f"expected the {wanted}: got {got}; the first: {first}")
    for name, tensor in found.items():
        count = name.endswith("num_batches_tracked")
        if tensor.layout != torch.strided or not (count or tensor.is_floating_point()):
            raise ValueError(f"{name} is no dense float: {tensor.dtype}, {tensor.layout}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity")


def _is_taken(name: str, places: Mapping[str, Tensor]) -> bool:
    """A block with a narrower FFN takes the QKV projection and the LayerNorms alone."""
    hidden, dim = places["trans_1.mlp.fc1.weight"].shape
    module = name.rpartition(".")[0]
    return hidden == _FFN_EXPANSION * dim or not module.endswith(tuple(_REST_OF_BLOCK))


def _fitted(kernel: Tensor, place: Tensor) -> Tensor | None:
    """The tensor, inflated where its place is a 3D kernel; None when the shapes differ."""
    if kernel.ndim == 4 and place.ndim == 5:
        # Divide by t before rounding to a coarser dtype.
        fine = torch.promote_types(kernel.dtype, place.dtype)
        kernel = inflate_kernel(kernel.to(fine), place.shape[2])
    return kernel if kernel.shape == place.shape else None
