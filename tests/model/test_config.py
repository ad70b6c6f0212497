from dataclasses import replace

import pytest

from csglib import BASE, CONFORMER_S, CSG3DCT, PAPER, TINY
from csglib.model.config import VARIANTS, Stage, _check_names


def test_variants_are_the_papers_last_rows():
    assert list(VARIANTS) == ["base", "swa", "ca", "csg3dct"]
    assert (VARIANTS["base"], VARIANTS["csg3dct"]) == (BASE, PAPER)
    for name, fusion in (("swa", "switched"), ("ca", "cross")):
        encoder = VARIANTS[name].encoder
        assert (encoder.fusion, encoder.weighting) == (fusion, "uniform")
        assert replace(VARIANTS[name], encoder=PAPER.encoder) == PAPER  # and differ in nothing else


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weighting": "uniform", "gate": 0.7},
            'weighting "uniform" has no parameter, .* gate=0.7',
        ),
        ({"weighting": "uniform", "gate_per": "network"}, 'gate_per="network"'),
        ({"gate": 1.0}, 'for weighting "sigmoid": got gate=1.0; "raw" starts'),
        ({"weighting": "softmax", "gate": 0.0}, 'for weighting "softmax": got gate=0.0'),
        ({"heads": 7}, "heads must divide dim"),
    ],
)
def test_impossible_pairs_in_an_encoder_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CSG3DCT(replace(TINY, encoder=replace(TINY.encoder, **change)))


def test_impossible_pairs_in_a_network_are_refused():
    first, *rest = CONFORMER_S.stages
    two_blocks = (Stage(blocks=2, width=8, frames=1), *rest)
    for change, message in (
        ({"class_tokens": "log_t"}, '"space" has one: use "clip"'),
        ({"patch": 24}, "wanted a multiple of 16, the stride: got patch"),
        ({"stages": two_blocks}, "the first stage is one bottleneck of stride 1: got"),
        ({"stages": (first, *rest[::-1])}, "only the last stage may have last_stride > 1"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(CONFORMER_S, **change)


@pytest.mark.parametrize(
    ("config", "field"), [(PAPER, "head"), (PAPER.encoder, "fusion"), (BASE.encoder, "axis")]
)
def test_an_unknown_choice_is_refused_with_those_there_are(config, field):
    """The message without runtime type checks."""
    object.__setattr__(stranger := replace(config), field, "both")
    with pytest.raises(ValueError, match=rf"{field} is one of \w+, .*: got 'both'"):
        _check_names(stranger)
