from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from csglib.model.attention import Attention
from csglib.model.config import BASE, CONFORMER_S, PAPER, TINY
from csglib.model.cost import summary
from csglib.model.csg3dct import CSG3DCT


@cache
def of(config, frames=8, size=256):
    with torch.device("meta"):
        model = CSG3DCT(config)
    return summary(model, frames, size)


def fused(fusion):
    return replace(PAPER, encoder=replace(PAPER.encoder, fusion=fusion))


def test_rows_of_table_si():
    """Volumes and tokens leave each stage as the last column of Table SI says."""
    rows = {row.name: (row.volume, row.tokens) for row in of(PAPER, 8).rows}
    assert rows == {
        "stem": ((8, 64, 64, 64), None),
        "embedding": (None, (8, 257)),
        "c1": ((8, 64, 64, 256), (8, 257)),
        "c2": ((8, 64, 64, 256), (8, 257)),
        "c3": ((8, 32, 32, 512), (8, 257)),
        "c4": ((8, 16, 16, 1024), (8, 257)),
        "c5": ((8, 8, 8, 1024), (8, 257)),
        "head": (None, None),
    }


def test_no_stage_strides_in_time(small):
    assert {row.volume[0] for row in of(small(PAPER), 5, 32).rows if row.volume} == {5}


@pytest.mark.parametrize(
    ("config", "frames", "expected"),
    [
        (PAPER, 8, 160.2),
        (BASE, 8, 164.8),
        (fused("cross_all"), 8, 252.1),
        (fused("switched_all"), 8, 179.8),
        (replace(CONFORMER_S, classes=2), 1, 13.98),
    ],
)
def test_macs_equal_independent_counts(config, frames, expected):
    """In 10^9, for 256 x 256; counted before by hand formulas and by fvcore on another build."""
    assert of(config, frames).total.macs / 1e9 == pytest.approx(expected, rel=4e-4)


@pytest.mark.parametrize(
    ("config", "bend"),
    [
        (BASE, 4 * 4**2),
        (PAPER, 4 * 4),
        (fused("cross_all"), 4 * 4 + 2 * 4 * 4**2),
        (replace(BASE, encoder=CONFORMER_S.encoder), 0),
    ],
    ids=["joint", "amdf", "all tokens", "space"],
)
def test_growth_with_the_clips_length(config, bend, small):
    """All but attention among frames is a straight line in t; its bend is the formulas' own.

    Per block joint attention takes 2 (1 + t n)^2 d, along time 2 n (1 + t)^2 d, along space
    2 t (1 + n)^2 d, and between branches 4 t n d with class tokens as queries.
    """
    once, twice, thrice = (of(small(config), t, 32).total.macs for t in (1, 2, 3))
    assert thrice - 2 * twice + once == 3 * bend * 24  # blocks, and the width of a token


def test_it_counts_every_parameter_and_a_shared_one_once(small):
    model = CSG3DCT(small(replace(PAPER, encoder=replace(PAPER.encoder, gate_per="network"))))
    expected = sum(parameter.numel() for parameter in model.parameters())
    assert summary(model, 1, 32).total.parameters == expected


def test_bytes_are_those_that_autograd_saves_of_a_real_clip(small):
    """Counted on real tensors, by storage, with all that the fused kernel saves."""
    model = CSG3DCT(small(PAPER)).train()
    mine = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in mine:
            found[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.randn(1, 3, 8, 64, 64))
    kept = sum(storage.nbytes() for storage in found.values())
    assert summary(model, 8, 64).total.saved_bytes == pytest.approx(kept, rel=0.03)


def test_the_model_stays_as_it_is(small):
    model = CSG3DCT(small(PAPER)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    summary(model, 2, 32)
    assert not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


def test_it_counts_the_same_where_nothing_else_keeps_gradients(small):
    model = CSG3DCT(small(PAPER)).requires_grad_(True)
    expected = summary(model, 1, 32)
    with torch.no_grad():
        assert summary(model, 1, 32) == expected


def test_it_prints_as_a_table():
    lines = str(summary(CSG3DCT(TINY), 8, 64)).splitlines()
    assert [line.split()[0] for line in lines] == (
        ["stage", "stem", "embedding", "c1", "c2", "c3", "c4", "c5", "head", "total"]
    )
    assert "8, 16, 16, 16" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiples of 16: got 250 x 250"):
        summary(CSG3DCT(TINY), 8, 250)


def test_every_attention_is_counted_as_fused():
    """One of another class would be counted as if it saved its map."""
    fused_products = [m for m in CSG3DCT(TINY).modules() if isinstance(m, Attention)]
    assert len(fused_products) == 4 * 5
    assert not any(isinstance(m, nn.MultiheadAttention) for m in CSG3DCT(TINY).modules())
