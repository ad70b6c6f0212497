"""The warm start: weights of the 2D parent, Conformer, in CSG-3DCT.

Source: section 2, "Inflation Strategy for 3D CNN Encoder"; section 3: the spatial branch takes "the
learnable weights of QKV projection and LayerNorm" from the parent, the rest of AMDF is random.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from csglib.model.checkpoints import read_checkpoint, unwrapped
from csglib.model.inflation import Inflation, inflate_kernel
from csglib.model.state_dict_names import (
    OPTIONAL,
    PARENT_EXPANSION,
    REST_OF_BLOCK,
    canonical_keys,
    ours_of,
)

__all__ = ["LoadReport", "canonical_keys", "load_conformer"]


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor, on both sides. Prints as a table.

    Attributes:
        loaded: ours that were filled as they are.
        inflated: ours that were filled with a kernel stretched over frames.
        new: ours that the parent does not have, left as they were.
        unused: the parent's that this network has no place for.
        wrong_shape: the parent's heads, when they tell apart another number of classes.
    """

    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]
    wrong_shape: tuple[str, ...]

    @classmethod
    def of(
        cls,
        filled: Mapping[str, Tensor],
        wanted: Mapping[str, Tensor],
        unused: Iterable[str],
        wrong_shape: Iterable[str] = (),
    ) -> "LoadReport":
        """The report on a network of the tensors `wanted`, some of which were filled."""
        long = [name for name, tensor in filled.items() if tensor.ndim == 5 and tensor.shape[2] > 1]
        return cls(
            loaded=tuple(name for name in filled if name not in long),
            inflated=tuple(long),
            new=tuple(name for name in wanted if name not in filled),
            unused=tuple(unused),
            wrong_shape=tuple(wrong_shape),
        )

    def __str__(self) -> str:
        rows = ((name.replace("_", " "), getattr(self, name)) for name in self.__dataclass_fields__)
        return "\n".join(
            f"{name:<12}{len(found):>5}  {', '.join(found[:2])}{' ...' * (len(found) > 2)}".rstrip()
            for name, found in rows
        )


def load_conformer(
    model: nn.Module, source: Mapping[str, Any] | str | Path, *, inflation: Inflation = "mean"
) -> LoadReport:
    """Fill a network made by `CSG3DCT` with the weights of a Conformer, for instance Conformer-S.

    A transformer block with room for the parent's FFN takes the whole of it; one without takes its
    QKV projection and LayerNorms, as the paper does. With AMDF it is the spatial branch that takes.

    Args:
        model: filled in place, or, when anything is refused, left as it was.
        source: tensors by the parent's names or mmpretrain's; a file of them; or the name of a
            public checkpoint, "conformer-small-p16" for the paper's. See `read_checkpoint`.
        inflation: how a 2D kernel becomes one over t frames.

    Raises:
        ConnectionError: the checkpoint cannot be downloaded; says where to get and to put it.
        ValueError: not such a file, or not such a network; says what was found and what is wanted.
    """
    if isinstance(source, Mapping):
        found = canonical_keys(unwrapped(source, "the mapping"))
    else:
        found = canonical_keys(read_checkpoint(source))
    wanted = model.state_dict()
    ours = ours_of(wanted)
    _refuse_strangers(found, ours)
    taken = [name for name in found if ours[name] in wanted and _takes(name, ours, wanted)]
    fitted = {name: _stretch(found[name], wanted[ours[name]], inflation) for name in taken}
    misfits = [name for name, tensor in fitted.items() if tensor is None]
    _refuse_other_sizes(misfits, found, ours, wanted)
    filled = {ours[name]: tensor for name, tensor in fitted.items() if tensor is not None}
    model.load_state_dict(wanted | filled)
    return LoadReport.of(filled, wanted, [name for name in found if name not in taken], misfits)


def _refuse_strangers(found: Mapping[str, Tensor], ours: Mapping[str, str]) -> None:
    unknown = [name for name in found if name not in ours]
    lacking = [name for name in ours if name not in found and not name.endswith(OPTIONAL)]
    if unknown or lacking:
        first = f"{unknown[0]} is unknown" if unknown else f"{lacking[0]} is lacking"
        raise ValueError(
            f"not the {len(ours)} tensors of a Conformer as deep as this network: found "
            f"{len(found)}, of them {len(unknown)} unknown, and {len(lacking)} lacking; the first: "
            f"{first}"
        )
    for name, tensor in found.items():
        count = name.endswith("num_batches_tracked")
        if tensor.layout != torch.strided or not (count or tensor.is_floating_point()):
            raise ValueError(f"{name} holds no plain numbers: {tensor.dtype}, {tensor.layout}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity")


def _refuse_other_sizes(
    misfits: list[str],
    found: Mapping[str, Tensor],
    ours: Mapping[str, str],
    wanted: Mapping[str, Tensor],
) -> None:
    """Heads may tell another number of classes apart; nothing else may differ."""
    serious = [name for name in misfits if "_cls_head" not in name]
    if serious:
        first, here = (
            serious[0],
            {name: wanted[place] for name, place in ours.items() if place in wanted},
        )
        raise ValueError(
            f"{len(serious)} tensors do not fit; the first is {first}: got "
            f"{tuple(found[first].shape)} for a place of {tuple(here[first].shape)}. Found is a "
            f"Conformer with {_sizes(found)}; this network takes one with {_sizes(here)}"
        )


def _sizes(state: Mapping[str, Tensor]) -> str:
    tokens, narrowest = state["cls_token"].shape[-1], state["conv_1.conv1.weight"].shape[0]
    patch = 4 * state["trans_patch_conv.weight"].shape[-1]
    return f"tokens of {tokens}, bottlenecks from {narrowest}, patches of {patch} x {patch}"


def _takes(name: str, ours: Mapping[str, str], wanted: Mapping[str, Tensor]) -> bool:
    """A block without room for the whole of the parent's takes its QKV and norms alone."""
    within = name.rpartition(".")[0]
    hidden, dim = wanted[ours["trans_1.mlp.fc1.weight"]].shape
    return hidden == PARENT_EXPANSION * dim or not within.endswith(tuple(REST_OF_BLOCK))


def _stretch(kernel: Tensor, place: Tensor, inflation: Inflation) -> Tensor | None:
    """The tensor in the shape of its place; None when it does not fit."""
    if kernel.ndim == 4 and place.ndim == 5:
        fine = torch.promote_types(kernel.dtype, place.dtype)  # of which a third is taken
        kernel = inflate_kernel(kernel.to(fine), place.shape[2], inflation)
    return kernel if kernel.shape == place.shape else None
