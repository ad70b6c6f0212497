from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from csglib import BASE, CONFORMER_S, CSG3DCT, PAPER, TINY, WARM
from csglib.model import VARIANTS, ModelConfig, SingleBranch, TemporalConv

from ..small_training import assert_contract
from .conftest import small


def readings():
    """The presets, and PAPER with each choice changed alone."""
    yield from (VARIANTS | {"warm": WARM, "conformer": CONFORMER_S, "tiny": TINY}).items()
    for config in (PAPER, PAPER.encoder):
        for field, kind in get_type_hints(type(config)).items():
            for value in get_args(kind) if get_origin(kind) is Literal else ():
                changed = replace(config, **{field: value})
                alone = changed if config is PAPER else replace(PAPER, encoder=changed)
                if changed != config:
                    yield f"{field}={value}", alone
    for tokens in ("log_t", "frame"):
        yield f"base, {tokens}", replace(BASE, class_tokens=tokens)
    only_time = SingleBranch(axis="time", heads=6, hidden=384)
    yield "axis=time", replace(PAPER, encoder=only_time)


READINGS = dict(readings())


def on_paper(config: ModelConfig) -> CSG3DCT:
    with torch.device("meta"):
        return CSG3DCT(config)


def test_inflation_reaches_16_convolutions_and_nearly_five_million_weights():
    model = on_paper(PAPER)
    assert (len(model.convs), len(model.blocks)) == (11, 12)
    inflated = [
        module
        for module in model.modules()
        if isinstance(module, TemporalConv) and module.kernel_size == (3, 1, 1)
    ]
    assert len(inflated) == 16
    assert sum(module.weight.numel() * 2 // 3 for module in inflated) == 4_915_200
    assert all(module.stride == (1, 1, 1) for module in inflated)


@pytest.mark.parametrize("name", READINGS)
@torch.no_grad()
def test_contract(name):
    """A new choice is tested by being named in its config."""
    clip, grades = torch.randn(2, 3, 3, 16, 32), torch.tensor([4, 1])
    with torch.enable_grad():
        model = assert_contract(lambda: CSG3DCT(small(READINGS[name])), clip, grades)
    assert model(clip).shape == (2, 5)
    longer_higher_and_wider = clip[:1].repeat(1, 1, 2, 3, 2)
    assert model(longer_higher_and_wider).shape == (1, 5)
    assert model.double()(clip.double()).dtype == torch.float64


def test_the_class_token_is_doubled_before_each_block_where_conformer_does():
    for choice, gain in (("double", 2), ("single", 1)):
        model = CSG3DCT(replace(small(PAPER), cls_residual=choice)).eval()
        received = []
        model.blocks[1].register_forward_pre_hook(lambda _, args, to=received: to.append(args[0]))
        left = []
        model.blocks[0].register_forward_hook(lambda *args, to=left: to.append(args[2]))
        model(torch.randn(1, 3, 2, 32, 32))
        torch.testing.assert_close(received[0].cls, gain * left[0].cls)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 2, 32, 40), "multiples of 16: got 32 x 40; pad or resize to 32 x 48"),
        ((1, 3, 2, 40, 32), "multiples of 16: got 40 x 32; pad or resize to 48 x 32"),
        ((1, 3, 2, 0, 32), "multiples of 16: got 0 x 32; pad or resize to 16 x 32"),
    ],
)
def test_a_clip_of_another_shape_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        CSG3DCT(TINY)(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 2, 32, 32), (1, 1, 2, 32, 32), (1, 3, 0, 32, 32)])
def test_no_clip_is_refused(shape):
    """The message without runtime shape checks."""
    message = r"a clip is \(b, 3, t, y, x\) with t at least 1: got .* csglib.network_input makes"
    with pytest.raises(ValueError, match=message):
        CSG3DCT(TINY)._check(torch.zeros(shape))


def test_recomputed_blocks_give_the_same_gradients_and_keep_less():
    torch.manual_seed(0)
    config, clip = small(PAPER), torch.randn(2, 3, 3, 32, 32)
    usual, saving = CSG3DCT(config), CSG3DCT(config)
    saving.load_state_dict(usual.state_dict())
    saving.activation_checkpointing = True
    kept, logits = [], []
    for network in (usual, saving):
        sizes = []
        with saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.nbytes) or t, lambda t: t):
            logits.append(network(clip))
            logits[-1].square().sum().backward()
        kept.append(sum(sizes))
    assert torch.equal(*logits)
    for (name, one), other in zip(usual.named_parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, msg=name)
    assert all(map(torch.equal, usual.buffers(), saving.buffers())), "statistics of norms"
    assert kept[1] < 0.8 * kept[0]
