"""The warm starts, each beside the 2D network that it takes its weights from."""

import pytest
import torch
import torchvision
from transformers import ViTConfig, ViTModel

from csglib.table1.baselines.cnn_lstm import CNNLSTM
from csglib.table1.baselines.i3d import I3D, NLI3D
from csglib.table1.baselines.image_weights import resized_positions
from csglib.table1.baselines.tpn import TPN
from csglib.table1.baselines.uniformer import Sizes, UniFormer
from csglib.table1.baselines.vit import TimeSformer, ViViT

LAYERS, WIDTH = 2, 768
TIMM = (  # another library's words, and those of the authors' code
    ("embeddings.cls_token", "cls_token"), ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.patch_embeddings.projection", "patch_embed.proj"), ("encoder.layer.", "blocks."),
    ("layers.", "blocks."), ("attention.attention.query", "attn.q"),
    ("attention.attention.key", "attn.k"), ("attention.attention.value", "attn.v"),
    ("attention.q_proj", "attn.q"), ("attention.k_proj", "attn.k"),
    ("attention.v_proj", "attn.v"), ("attention.output.dense", "attn.proj"),
    ("attention.o_proj", "attn.proj"), ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"), ("layernorm_before", "norm1"), ("layernorm_after", "norm2"),
    ("layernorm.", "norm."),
)  # fmt: skip


@pytest.fixture(scope="module")
def resnet():
    """Another library's, its norms' statistics included."""
    torch.manual_seed(0)
    network = torchvision.models.resnet50().double()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def vit():
    """A ViT of another library, and its weights by the names of its authors' code."""
    torch.manual_seed(0)
    config = ViTConfig(image_size=64, num_hidden_layers=LAYERS, layer_norm_eps=1e-6)
    network = ViTModel(config, add_pooling_layer=False).double().eval()
    for value in network.parameters():
        torch.nn.init.normal_(value, 0, 0.05)
    return network, dict(timm_names(network.state_dict()))


def timm_names(state):
    joint = {}
    for name, tensor in state.items():
        other = name
        for theirs, word in TIMM:
            other = other.replace(theirs, word)
        part = next((p for p in "qkv" if f".attn.{p}." in other), None)
        if part is None:
            yield other, tensor
        else:
            joint.setdefault(other.replace(f".attn.{part}.", ".attn.qkv."), {})[part] = tensor
    for name, parts in joint.items():
        yield name, torch.cat([parts[part] for part in "qkv"])


def test_frame_by_frame_it_is_the_2d_resnet(resnet):
    network = CNNLSTM(2).double().eval()
    report = network.load_image_weights(resnet.state_dict())
    assert report.unused == ("fc.weight", "fc.bias")
    assert all(name.startswith(("lstm", "classify")) for name in report.new)
    pictures = torch.randn(2, 3, 64, 96).double()
    trunk = torch.nn.Sequential(*list(resnet.children())[:-2])
    with torch.no_grad():
        wanted = trunk(pictures)
        found = network.backbone(pictures[:, :, None])[-1][:, :, 0]
    assert wanted.abs().max() > 0.1
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("build", [I3D, NLI3D, TPN])
def test_every_frame_of_an_inflated_kernel_has_an_equal_share_of_the_2d_one(resnet, build):
    network = build(2)
    report = network.load_image_weights(resnet.state_dict())
    assert len(report.inflated) == {"I3D": 10, "NLI3D": 10, "TPN": 9}[build.__name__]
    for name in report.inflated:
        found = network.state_dict()[name]
        wanted = resnet.state_dict()[network.image_name(name)].float() / found.shape[2]
        torch.testing.assert_close(found, wanted[:, :, None].expand_as(found))


def test_a_still_clip_gets_the_vits_answer_in_every_frame(vit):
    """Attention over time starts at zero, and positions are the same in every frame."""
    other, weights = vit
    network = TimeSformer(2, frames=3, size=64, layers=LAYERS).double().eval()
    report = network.load_image_weights(weights)
    assert report.unused == ()
    new = {name.split(".")[-2] for name in report.new if "embeddings" not in name}
    assert new == {"temporal_dense", "classifier"}
    state = network.state_dict()
    for name in (name for name in state if "temporal_" in name and "dense" not in name):
        twin = name.replace("temporal_layernorm", "layernorm_before")
        assert torch.equal(state[name], state[twin.replace("temporal_attention", "attention")])
    picture = torch.randn(1, 3, 64, 64).double()
    with torch.no_grad():
        wanted = other(picture).last_hidden_state
        inner = network.network.timesformer
        found = inner(picture[:, None].expand(-1, 3, -1, -1, -1)).last_hidden_state
    torch.testing.assert_close(found[:, 0], wanted[:, 0])
    torch.testing.assert_close(found[:, 1::3], wanted[:, 1:])


def test_vivit_of_one_tubelet_is_the_vit(vit):
    other, weights = vit
    network = ViViT(2, frames=2, size=64, layers=LAYERS)
    report = network.load_image_weights(weights)
    assert [name.split(".")[-1] for name in report.inflated] == ["weight"]
    network.network.config.hidden_act = "gelu"
    picture = torch.randn(1, 3, 64, 64).double()
    with torch.no_grad():
        wanted = other(picture).last_hidden_state
        inner = network.double().eval().network.vivit
        found = inner(picture[:, None].expand(-1, 2, -1, -1, -1)).last_hidden_state
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02)  # its GELU is a quick one


def test_uniformer_takes_every_name_of_its_image_network():
    """The names and shapes are the authors'; the 2D kernel is the sum over frames of ours."""
    torch.manual_seed(0)
    network = UniFormer(2, sizes=Sizes(depths=(1, 2, 1, 1), widths=(64, 64, 64, 64), drop_path=0.0))
    state = network.state_dict()
    names = {n: network.image_name(n) for n in state if not n.startswith("head")}
    assert names["stages.1.1.1.ffn.3.bias"] == "blocks2.1.mlp.fc2.bias"
    assert names["stages.2.1.0.qkv.weight"] == "blocks3.0.attn.qkv.weight"
    assert names["stages.3.0.2.weight"] == "patch_embed4.norm.weight"
    flat = {
        theirs: torch.randn(tensor.shape[:2] + tensor.shape[3:])
        if (tensor := state[ours]).ndim == 5
        else tensor.clone()
        for ours, theirs in names.items()
    }
    report = network.load_image_weights(flat)
    assert report.unused == ()
    assert "stages.0.1.0.position.weight" in report.inflated
    for ours in report.inflated:
        torch.testing.assert_close(network.state_dict()[ours].sum(2), flat[names[ours]])


def test_positions_of_a_larger_grid_and_of_several_times():
    cls, ramp = torch.full((1, 1, 2), 9.0), torch.arange(4.0).view(1, 4, 1).expand(1, 4, 2)
    found = resized_positions(torch.cat([cls, ramp], dim=1), side=4, times=3)
    assert found.shape == (1, 1 + 3 * 16, 2)
    assert (found[:, 0] == 9).all()
    first, second, third = found[:, 1:].chunk(3, dim=1)
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    assert first.mean() == pytest.approx(1.5)
    corner = torch.tensor([-0.3164, 0.0156])  # bicubic: it overshoots
    torch.testing.assert_close(first[0, :2, 0], corner, rtol=0, atol=1e-4)
    same = resized_positions(torch.cat([cls, ramp], dim=1), side=2, times=1)
    torch.testing.assert_close(same[:, 1:], ramp)


def test_what_is_refused_leaves_the_network_as_it_was(resnet, vit):
    network = I3D(2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    good = dict(resnet.state_dict())
    narrow = good | {"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}
    lost = good | {"layer2.0.bn1.bias": torch.full((128,), torch.nan)}
    for wrong, message in (
        (lost, "layer2.0.bn1.bias holds NaN or infinity"),
        (vit[1], "not the 2D network that I3D starts from: of its 318 tensors 265 are missing"),
        (narrow, r"layer1.0.conv1.weight does not fit: got \(64, 64, 3, 3, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            network.load_image_weights(wrong)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    odd = vit[1] | {"pos_embed": torch.zeros(1, 8, WIDTH)}
    with pytest.raises(ValueError, match="not of a square grid: got 7 patches"):
        ViViT(2, 2, 64, layers=LAYERS).load_image_weights(odd)
