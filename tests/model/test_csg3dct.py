from dataclasses import replace

import pytest
import torch
from torch import nn

from csglib.model.config import (
    BASE,
    CONFORMER_S,
    PAPER,
    TINY,
    VARIANTS,
    WARM,
    ModelConfig,
    SingleBranch,
)
from csglib.model.conv import TemporalConv
from csglib.model.csg3dct import CSG3DCT, _check

CONFIGS = VARIANTS | {"warm": WARM, "conformer": CONFORMER_S, "tiny": TINY}


def small(config: ModelConfig) -> ModelConfig:
    """The same graph at a size for tests: every choice kept, every width shrunk."""
    frames = [stage.frames for stage in config.stages]
    return replace(
        config,
        stages=tuple(
            replace(stage, frames=t) for stage, t in zip(TINY.stages, frames, strict=True)
        ),
        encoder=replace(config.encoder, hidden=24),
        stem=8,
        dim=24,
        classes=5,
    )


def on_paper(config: ModelConfig) -> CSG3DCT:
    with torch.device("meta"):
        return CSG3DCT(config)


def count(config: ModelConfig) -> int:
    return sum(parameter.numel() for parameter in on_paper(config).parameters())


def test_sizes_are_the_papers():
    assert round(count(PAPER) / 1e6, 1) == 62.9
    assert round(count(BASE) / 1e6, 1) == 41.6
    assert count(CONFORMER_S) == 37_673_424


def test_inflation_reaches_16_convolutions_and_nearly_five_million_weights():
    inflated = [
        module
        for module in on_paper(PAPER).modules()
        if isinstance(module, TemporalConv) and module.kernel_size == (3, 1, 1)
    ]
    assert len(inflated) == 16
    assert sum(module.weight.numel() * 2 // 3 for module in inflated) == 4_915_200
    assert all(module.stride == (1, 1, 1) for module in inflated)
    flat = replace(BASE, stages=CONFORMER_S.stages)
    assert count(BASE) - count(flat) == 4_915_200


def test_rows_of_table_si():
    """Volumes and tokens leave each stage as the last column of Table SI says."""
    model, seen = on_paper(PAPER), {}
    rows = {"c1": model.local} | {
        name: model.convs[last] for name, last in (("c2", 2), ("c3", 6), ("c4", 9), ("c5", 10))
    }
    model.stem.register_forward_hook(lambda *_: seen.update(stem=_[2].shape))
    for name, module in rows.items():

        def note(_, __, output, name=name):
            volume = output if name == "c1" else output[0]
            seen[name] = (volume.shape[2], volume.shape[3], volume.shape[1])
            if name != "c1":
                frames, patches = output[1].patches.shape[1:3]
                assert (frames, 1 + patches) == (8, 257)

        module.register_forward_hook(note)
    logits = model(torch.empty(1, 3, 8, 256, 256, device="meta"))
    assert logits.shape == (1, 2)
    assert seen.pop("stem") == (1, 64, 8, 64, 64)
    assert seen == {
        "c1": (8, 64, 256),
        "c2": (8, 64, 256),
        "c3": (8, 32, 512),
        "c4": (8, 16, 1024),
        "c5": (8, 8, 1024),
    }
    assert (len(model.convs), len(model.blocks)) == (11, 12)  # L and L + 1


@pytest.mark.parametrize("name", CONFIGS)
def test_contract(name):
    """What every network here must do; a new one is tested by being named."""
    torch.manual_seed(0)
    model = CSG3DCT(small(CONFIGS[name]))
    clip = torch.randn(2, 3, 3, 32, 48)
    logits = model(clip)
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    model.eval()
    twin = CSG3DCT(small(CONFIGS[name])).eval()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(model(clip), twin(clip))
    torch.testing.assert_close(model(clip)[:1], model(clip[:1]))
    assert model.double()(clip.double()).dtype == torch.float64


def test_no_parameter_depends_on_the_clip():
    """The paper's 16-frame network starts from the 8-frame one."""
    torch.manual_seed(0)
    model = CSG3DCT(small(PAPER)).eval()
    for frames, rows, columns in ((1, 16, 16), (8, 32, 32), (16, 48, 32)):
        assert model(torch.randn(1, 3, frames, rows, columns)).shape == (1, 5)


def inflated_twin(config: ModelConfig) -> tuple[CSG3DCT, CSG3DCT]:
    """A network of one frame, and the same with its convolutions inflated by the mean."""
    torch.manual_seed(0)
    flat = CSG3DCT(
        replace(config, stages=tuple(replace(s, frames=1) for s in config.stages))
    ).double()
    for module in flat.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    deep = CSG3DCT(config).double()
    wanted = deep.state_dict()
    deep.load_state_dict(
        {
            name: (tensor.expand_as(wanted[name]) / (wanted[name].shape[2] / tensor.shape[2]))
            if tensor.ndim == 5
            else tensor
            for name, tensor in flat.state_dict().items()
        }
    )
    return flat.eval(), deep.eval()


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
def test_a_still_clip_gets_the_answer_of_its_frame(padding):
    """The boring-video identity, and the padding that breaks it."""
    branch = SingleBranch(axis="space", heads=2, hidden=24)
    config = replace(small(BASE), encoder=branch, padding=padding)
    flat, deep = inflated_twin(config)
    frame = torch.randn(2, 3, 1, 32, 48, dtype=torch.float64)
    expected, answer = flat(frame), deep(frame.expand(-1, -1, 5, -1, -1))
    error = ((answer - expected).abs().max() / expected.abs().max()).item()
    assert error < 1e-10 if padding == "replicate" else error > 1e-2


def test_one_class_token_in_joint_attention_is_outnumbered_by_repeated_frames():
    flat, deep = inflated_twin(small(BASE))
    frame = torch.randn(2, 3, 1, 32, 48, dtype=torch.float64)
    assert (flat(frame) - deep(frame.expand(-1, -1, 5, -1, -1))).abs().max() > 1e-6


def test_inflated_by_the_mean_it_tells_a_clip_from_a_shuffle_but_not_from_its_reverse():
    _, deep = inflated_twin(small(PAPER))
    clip = torch.randn(2, 3, 5, 32, 48, dtype=torch.float64)
    torch.testing.assert_close(deep(clip), deep(clip.flip(2)))
    assert (deep(clip) - deep(clip[:, :, [1, 0, 2, 4, 3]])).abs().max() > 1e-6


def test_the_class_token_is_doubled_at_each_coupling_where_the_parent_does_it():
    for choice, gain in (("double", 2), ("single", 1)):
        model = CSG3DCT(replace(small(PAPER), class_token=choice)).eval()
        received = []
        model.blocks[1].register_forward_pre_hook(lambda _, args, to=received: to.append(args[0]))
        left = []
        model.blocks[0].register_forward_hook(lambda *args, to=left: to.append(args[2]))
        model(torch.randn(1, 3, 2, 32, 32))
        torch.testing.assert_close(received[0].cls, gain * left[0].cls)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 2, 32, 40), "multiples of 16: got 32 x 40"),
        ((1, 3, 2, 40, 32), "multiples of 16: got 40 x 32"),
        ((1, 3, 2, 0, 32), "multiples of 16: got 0 x 32"),
        ((1, 3, 2, 250, 250), "multiples of 16: got 250 x 250"),
    ],
)
def test_a_clip_of_another_shape_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        CSG3DCT(TINY)(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 2, 32, 32), (1, 1, 2, 32, 32), (1, 3, 0, 32, 32)])
def test_what_is_no_clip_is_refused(shape):
    """The message for those who run without checked shapes, as everybody but these tests does."""
    with pytest.raises(ValueError, match=r"a clip is \(b, 3, t, y, x\) with t at least 1: got"):
        _check(torch.zeros(shape))


def test_it_learns_four_clips():
    torch.manual_seed(0)
    model = CSG3DCT(TINY)
    clips, grades = torch.randn(4, 3, 2, 32, 32), torch.tensor([0, 1, 1, 0])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(12):
        loss = nn.functional.cross_entropy(model(clips), grades)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.2
