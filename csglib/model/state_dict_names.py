"""The 2D parent's names: how its published code and mmpretrain call each tensor, and how we do.

Source: the published code of Peng et al. 2021 (Conformer), 718 tensors; section 3 of the paper for
what the spatial branch takes.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

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
REST_OF_BLOCK = {"attn.proj": "merge", "mlp.fc1": "ffn.1.0", "mlp.fc2": "ffn.1.2"}
PARENT_EXPANSION = 4  # its FFNs are this many times as wide inside as a token
OPTIONAL = ("_cls_head.weight", "_cls_head.bias", "num_batches_tracked")


def canonical_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the parent's published code.

    Raises:
        ValueError: two of them would have the same name.
    """
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _MMPRETRAIN:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901  # each rule sees the last
        if name in renamed:
            raise ValueError(f"two tensors are called {name}, in the parent's and another spelling")
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
        for part, ours in (_ATTENTION | REST_OF_BLOCK).items():
            table[f"{block}.{part}"] = f"blocks.{place}.{branch}{ours}"
    for place in range(blocks - 1):
        block, conv = f"conv_trans_{place + 2}", f"convs.{place}"
        for part, ours in _BOTTLENECK.items():
            table[f"{block}.cnn_block.{part}"] = f"{conv}.first.{ours}"
            table[f"{block}.fusion_block.{part}"] = f"{conv}.second.{ours}"
        table |= {f"{block}.{part}": f"{conv}.{ours}" for part, ours in _COUPLING.items()}
    return table


def ours_of(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Our name for each tensor of a Conformer as deep as a network of ours.

    Args:
        wanted: the state dict of that network.

    Raises:
        ValueError: it is no network of ours.
    """
    if "embed.cls" not in wanted:
        raise ValueError(
            f"a network made by csglib.model.csg3dct is wanted: got one of {len(wanted)} tensors, "
            f"{', '.join([*wanted][:3])} ..."
        )
    blocks = 1 + max(int(name.split(".")[1]) for name in wanted if name.startswith("blocks."))
    branch = "space." if any(name.startswith("blocks.0.space.") for name in wanted) else ""
    leaves: dict[str, set[str]] = {}
    for name in wanted:
        part, _, leaf = name.rpartition(".")
        leaves.setdefault(part, set()).add(leaf)
    for head in ("head.classify_local", "head.classify_global"):  # the parent has them, always
        leaves[head] = {"weight", "bias"}
    return {"cls_token": "embed.cls"} | {
        f"{theirs}.{leaf}": f"{part}.{leaf}"
        for theirs, part in names(blocks, branch).items()
        for leaf in leaves.get(part, ())
    }


def parent_state(conformer: nn.Module) -> dict[str, Tensor]:
    """The weights of a Conformer of ours by the parent's names, its kernels flat.

    Raises:
        ValueError: it is no network of ours, or looks along time.
    """
    state = conformer.state_dict()
    long = [name for name, tensor in state.items() if tensor.ndim == 5 and tensor.shape[2] > 1]
    if long:
        raise ValueError(f"a Conformer of one frame is wanted: {long[0]} sees several")
    return {
        theirs: state[ours].squeeze(2) if state[ours].ndim == 5 else state[ours]
        for theirs, ours in ours_of(state).items()
        if ours in state
    }
