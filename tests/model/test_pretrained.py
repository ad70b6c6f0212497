"""Conformer restated in plain functions under its published names, against our network."""

import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, repeat

from csglib import BASE, CONFORMER_S, CSG3DCT, PAPER, WARM, load_conformer

from .conftest import conformer_named, narrow

FIRST_OF_STAGE = {5: 2, 9: 2}  # blocks that begin a stage, and their stride
WIDTHS = {2: 64, 3: 64, 4: 64} | dict.fromkeys(range(5, 9), 128) | dict.fromkeys(range(9, 13), 256)


def norm(w, name, x, eps=1e-6):
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], eps=eps)


def layer_norm(w, name, x, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def linear(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def bottleneck(w, name, x, coupled=0, stride=1):
    inner = norm(w, f"{name}.bn1", F.conv2d(x, w[f"{name}.conv1.weight"])).relu() + coupled
    inner = F.conv2d(inner, w[f"{name}.conv2.weight"], stride=stride, padding=1)
    inner = norm(w, f"{name}.bn2", inner).relu()
    if f"{name}.residual_conv.weight" in w:
        x = F.conv2d(x, w[f"{name}.residual_conv.weight"], stride=stride)
        x = norm(w, f"{name}.residual_bn", x)
    wide = norm(w, f"{name}.bn3", F.conv2d(inner, w[f"{name}.conv3.weight"]))
    return (wide + x).relu(), inner


def transformer(w, name, x):
    qkv = linear(w, f"{name}.attn.qkv", layer_norm(w, f"{name}.norm1", x))
    q, k, v = rearrange(qkv, "b s (three h e) -> three b h s e", three=3, h=6)
    shares = (q @ k.mT / 64**0.5).softmax(-1)
    x = x + linear(w, f"{name}.attn.proj", rearrange(shares @ v, "b h s e -> b s (h e)"))
    hidden = F.gelu(linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.norm2", x)))
    return x + linear(w, f"{name}.mlp.fc2", hidden)


def conformer(w, image):
    x = F.conv2d(image, w["conv1.weight"], stride=2, padding=3)
    stem = F.max_pool2d(norm(w, "bn1", x, eps=1e-5).relu(), 3, 2, 1)
    patches = F.conv2d(stem, w["trans_patch_conv.weight"], w["trans_patch_conv.bias"], stride=4)
    rows = patches.shape[2]
    tokens = rearrange(patches, "b d y x -> b (y x) d")
    tokens = torch.cat([repeat(w["cls_token"], "1 1 d -> b 1 d", b=len(image)), tokens], 1)
    tokens = transformer(w, "trans_1", tokens)
    x, _ = bottleneck(w, "conv_1", stem)
    for place in range(2, 13):
        name, scale = f"conv_trans_{place}", 256 // WIDTHS[place]
        x, inner = bottleneck(w, f"{name}.cnn_block", x, stride=FIRST_OF_STAGE.get(place, 1))
        squeeze, expand = f"{name}.squeeze_block", f"{name}.expand_block"
        down = F.conv2d(
            inner, w[f"{squeeze}.conv_project.weight"], w[f"{squeeze}.conv_project.bias"]
        )
        down = rearrange(F.avg_pool2d(down, scale), "b d y x -> b (y x) d")
        seen = F.gelu(layer_norm(w, f"{squeeze}.ln", down))
        seen = torch.cat([tokens[:, :1], seen], 1)  # the class token is added to itself
        tokens = transformer(w, f"{name}.trans_block", seen + tokens)
        up = rearrange(tokens[:, 1:], "b (y x) d -> b d y x", y=rows)
        up = F.conv2d(up, w[f"{expand}.conv_project.weight"], w[f"{expand}.conv_project.bias"])
        up = F.interpolate(norm(w, f"{expand}.bn", up).relu(), scale_factor=scale)
        x, _ = bottleneck(w, f"{name}.fusion_block", x, up, stride=2 if place == 12 else 1)
    local = linear(w, "conv_cls_head", x.mean((2, 3)))
    return local + linear(w, "trans_cls_head", layer_norm(w, "trans_norm", tokens, 1e-5)[:, 0])


@pytest.fixture(scope="module")
def thin():
    """The same tensors, hardly any numbers in them."""
    torch.manual_seed(0)
    return conformer_named(CSG3DCT(narrow(CONFORMER_S)).state_dict())


def drawn(name, tensor):
    leaf = name.rpartition(".")[2]
    if leaf == "running_var":
        return torch.rand_like(tensor) + 0.5
    return 0.1 * torch.randn_like(tensor) if leaf in ("bias", "running_mean") else tensor


def in_mmpretrains_names(weights):
    renamed = {}
    for name, tensor in weights.items():
        other = name.replace("mlp.fc1", "ffn.layers.0.0").replace("mlp.fc2", "ffn.layers.1")
        other = re.sub(r"\.norm([12])\.", r".ln\1.", other)
        renamed[("head." if "_cls_head" in name else "backbone.") + other] = tensor
    return renamed


@torch.no_grad()
def test_with_one_frame_it_is_conformer():
    torch.manual_seed(0)
    model = CSG3DCT(CONFORMER_S).double().eval()
    state = model.state_dict()
    published = conformer_named({name: drawn(name, tensor) for name, tensor in state.items()})
    for tensor in state.values():
        tensor.zero_()
    report = load_conformer(model, in_mmpretrains_names(published))
    assert (len(report.loaded), report.new, report.unused) == (718, (), ())
    image = torch.randn(2, 3, 32, 48, dtype=torch.float64)
    expected, logits = conformer(published, image), model(image.unsqueeze(2))
    assert ((logits - expected).abs().max() / expected.abs().max()).item() < 1e-9


@pytest.mark.parametrize(
    ("config", "unused", "filled"),
    [
        (BASE, 4, "blocks.5.ffn.1.0.weight"),
        (WARM, 4, "blocks.5.space.proj.weight"),
        (PAPER, 4 + 12 * 6, "blocks.5.space.qkv.weight"),
    ],
    ids=["base", "warm", "paper"],
)
def test_every_tensor_is_accounted_for(thin, config, unused, filled):
    model = CSG3DCT(narrow(config))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = load_conformer(model, thin)
    ours = set(report.loaded) | set(report.inflated) | set(report.new)
    assert ours == before.keys()
    assert len(report.loaded + report.inflated) + len(report.unused) == 718
    assert (len(report.inflated), len(report.unused), report.wrong_shape) == (16, unused, ())
    assert filled in report.loaded
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in report.new)
    kernel = thin["conv_trans_7.cnn_block.conv1.weight"]
    for part in after["convs.5.first.conv1.0.weight"].unbind(2):
        torch.testing.assert_close(part, kernel / 3)


def test_qkv_and_norms_of_every_block_reach_the_spatial_branch_and_no_other(thin):
    """Section 3 of the paper, by name."""
    report = load_conformer(model := CSG3DCT(narrow(PAPER)), thin)
    given = {name for name in report.loaded if name.startswith("blocks.")}
    assert given == {
        f"blocks.{place}.space.{part}.{leaf}"
        for place in range(12)
        for part in ("norm", "qkv", "ffn.0")
        for leaf in ("weight", "bias")
    }
    theirs = thin["conv_trans_5.trans_block.attn.qkv.weight"]
    assert torch.equal(model.blocks[4].space.qkv.weight, theirs)


def test_warm_is_conformer_frame_by_frame(thin):
    """All weights fit, and what is new adds nothing yet: the 2D function."""
    config = replace(narrow(WARM), head="two", classes=1000)
    warm = CSG3DCT(config).double().eval()
    published = CSG3DCT(narrow(CONFORMER_S)).double().eval()
    for model in (warm, published):
        assert load_conformer(model, thin).wrong_shape == ()
    frame = torch.randn(2, 3, 1, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        expected, logits = published(frame), warm(frame.expand(-1, -1, 7, -1, -1))
    assert ((logits - expected).abs().max() / expected.abs().max()).item() < 1e-10


def test_heads_of_other_classes_stay_new(thin):
    model = CSG3DCT(replace(narrow(CONFORMER_S), classes=2))
    report = load_conformer(model, thin)
    assert len(report.wrong_shape) == 4
    assert {name.rpartition(".")[0] for name in report.new} == {
        "head.classify_local",
        "head.classify_global",
    }
    lines = [line.split()[:2] for line in str(report).splitlines()]
    assert lines[:2] == [["loaded", "714"], ["inflated", "0"]]
    assert str(report).splitlines()[4].startswith("wrong shape     4  conv_cls_head.weight, ")
