"""The networks of Table 1: sizes on torch's meta device, one contract over small builds of each."""

import math
import warnings
from itertools import chain, pairwise

import pytest
import torch
from torch import nn
from torchvision.models import video

from csglib import NETWORKS, build_network
from csglib.model import VARIANTS, costs
from csglib.table1.baselines import i3d, mtv, resnet, uniformer
from csglib.train.networks import NARROW
from csglib.train.step import adam

from ..small_networks import COARSE, FINE, SMALL, small_mtv
from ..small_training import assert_contract

# At 400 classes: published, or, of TPN, counted by its authors' own code.
PUBLISHED = {
    "i3d": 28_043_472,
    "nl_i3d": 35_397_840,
    "slowfast": 34_566_488,
    "tpn": 91_498_336,
    "uniformer": 21_400_400,
    "uniformer_b": 49_813_200,
    "video_swin": 28_158_070,
}
COUNTED = {  # at 2 classes, with other code
    "timesformer": 121_306_370,
    "vivit": 87_025_922,
    "mtv": 261_365_378,
    "csg3dct": 62_931_854,
    "base": 41_573_762,
}
IDLE = {  # only the class token leaves MViT's last block, and it has no place
    "mvit": [
        f"network.blocks.5.attn.{name}"
        for name in ("rel_pos_h", "rel_pos_w", "rel_pos_t", "pool_q.pool.weight")
    ]
}


def count(model):
    return sum(weights.numel() for weights in model.parameters())


def on_meta(name, classes=2, frames=8, size=256):
    with torch.device("meta"):
        return build_network(name, classes, frames, size)


@pytest.mark.parametrize("name", [*PUBLISHED, *COUNTED])
def test_as_large_as_published_or_counted_elsewhere(name):
    published = name in PUBLISHED
    found, wanted = count(on_meta(name, 400 if published else 2)), (PUBLISHED | COUNTED)[name]
    rounded = 10_000 if name in ("i3d", "nl_i3d", "slowfast") else 1
    assert round(found / rounded) == round(wanted / rounded)


def test_as_costly_as_published():
    """I3D's GMACs at 8 x 256 x 256 are 16 times those at 64 x 64."""
    found = costs(on_meta("i3d"), [""], 8, 64)[""].macs / 1e9
    assert found == pytest.approx(37.1 / 16, rel=0.02)


@pytest.mark.parametrize("name", [*sorted(NETWORKS.keys() - VARIANTS), "base", *NARROW])
def test_every_name_is_built_alike(name):
    """Of our variants one will do: they are built by the same code."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = on_meta(name, classes=3, frames=16, size=32)
    assert network(torch.empty(2, 3, 16, 32, 32, device="meta")).shape == (2, 3)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns_and_clips_stay_apart(name):
    clips, grades = torch.randn(4, 3, 8, 32, 32), torch.tensor([0, 2, 1, 0])
    enough = 0.6 * math.log(3)
    assert_contract(lambda: SMALL[name](3, 8), clips, grades, enough, IDLE.get(name, ()))


@pytest.mark.parametrize("name", SMALL)
def test_norms_biases_tokens_positions_and_gates_do_not_decay(name):
    network = SMALL[name](3, 8)
    groups = adam(network, 1e-3, 0.1).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0]
    decay, rest = (group["params"] for group in groups)
    layers = (nn.Linear, nn.Conv3d, nn.Conv2d, nn.LSTM)
    parts = [part for part in network.modules() if isinstance(part, layers)]
    weights = {id(p) for part in parts for p in part.parameters() if p.squeeze().ndim > 1}
    assert {id(p) for p in decay} == weights
    assert len(decay) + len(rest) == len(list(network.parameters()))


def test_torchvisions_are_those_of_its_builders_at_any_size():
    """Every setting of every module; the builders have 400 classes, MViT's 16 x 224 x 224."""
    with torch.device("meta"):
        theirs = {"video_swin": video.swin3d_t(), "mvit": video.mvit_v2_s()}
    for name, network in theirs.items():
        ours = on_meta(name, 400, 16, 224).network
        for here, there in zip(ours.modules(), network.modules(), strict=True):
            assert settings(here) == settings(there)
        shapes = [{k: v.shape for k, v in n.state_dict().items()} for n in (ours, network)]
        assert shapes[0] == shapes[1]
    assert count(theirs["mvit"]) == 34_537_744, "as published"


def settings(part):
    return type(part), {key: value for key, value in vars(part).items() if key[0] != "_"}


def test_a_network_nobody_knows_and_clips_that_none_takes():
    with pytest.raises(ValueError, match="no network is called 'c3d'; there are i3d, slowfast"):
        build_network("c3d")
    for wrong in ({"classes": 1}, {"frames": 9}, {"size": 48}, {"size": 0}):
        with pytest.raises(ValueError, match="8 or 16 frames, and a size that is a multiple of 32"):
            build_network("tiny", **wrong)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("slowfast", (6, 32, 32), "takes clips of 4 frames of 32 x 32 pixels: got 6 frames"),
        ("mtv", (16, 32, 32), "clips of 8 frames of 32 x 32 pixels: got 16 frames of"),
        ("mtv", (8, 32, 48), "8 frames of 32 x 32 pixels: got 8 frames of 48 x 32"),
        ("mvit", (16, 32, 32), "clips of 8 frames of 32 x 32 pixels: got 16 frames of"),
        ("timesformer", (4, 32, 32), r"got 4 frames .*resample\(clip, frames=8, size=32"),
        ("vivit", (16, 32, 32), "clips of 8 frames of 32 x 32 pixels: got 16 frames of"),
        ("uniformer", (8, 32, 48), "multiples of 32: got 32 x 48"),
        ("uniformer", (8, 48, 32), "multiples of 32: got 48 x 32"),
    ],
)
def test_a_clip_of_another_shape_is_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        SMALL[name](2, 8)(torch.zeros(1, 3, *shape))


def test_sizes_that_cannot_be_built_are_refused():
    for frames, size in ((12, 32), (8, 40)):
        message = f"of 8 frames and 16 x 16 pixels.*got {frames} frames of {size} x {size}"
        with pytest.raises(ValueError, match=message):
            small_mtv(2, frames, size)
    with pytest.raises(ValueError, match="heads of 64 channels must fill the width: got 96"):
        uniformer.GlobalBlock(96, 0.0)


def test_kernels_lie_as_the_clips_do():
    """Channels last: 28 times faster for a pointwise convolution on some machines."""
    kernels = [value for value in build_network("slowfast").parameters() if value.ndim == 5]
    assert all(k.is_contiguous(memory_format=torch.channels_last_3d) for k in kernels)


def test_tpn_s_loss_counts_its_output_twice_and_the_auxiliary_head_once():
    network, clip = SMALL["tpn"](2, 8).eval(), torch.randn(1, 3, 8, 32, 32)
    one, other, auxiliary = network.head_logits(clip)
    torch.testing.assert_close(one, network(clip))
    assert torch.equal(one, other)
    assert not torch.allclose(one, auxiliary)


def test_nl_i3d_starts_as_i3d_and_has_five_blocks():
    network = SMALL["nl_i3d"](2, 8).eval()
    plain = SMALL["i3d"](2, 8).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    clip = torch.randn(1, 3, 8, 32, 32)
    torch.testing.assert_close(network(clip), plain(clip))
    assert sum(isinstance(part, i3d.NonLocal) for part in network.modules()) == 5


# --- MTV ---


def test_mtv_grows_as_counted():
    """No number was published for this pair of views."""
    with torch.device("meta"):
        short, long = mtv.MTV(2, 8, 256), mtv.MTV(2, 16, 256)
        teaching = mtv.MTV(2, 8, 256, global_layers=4)
        block = mtv.Block(1152, heads=8, hidden=3072, drop_path=0.0)
    assert count(teaching) == count(short) - 8 * count(block)
    steps = 4 * (768 + 1152) + 1 * 384  # class tokens of the new steps, and their place in time
    assert count(long) == count(short) + steps


def test_a_new_cross_view_is_the_identity():
    cross = mtv.CrossView(fine=FINE, coarse=COARSE)
    fine, coarse = torch.randn(2, 3, 20, 16), torch.randn(2, 3, 5, 8)
    assert torch.equal(cross(fine, coarse), coarse)


def class_tokens(model, clip):
    """Input of the global encoder: class tokens step by step, one tensor per view."""
    given = []
    handle = model.encoder.register_forward_pre_hook(lambda _, args: given.extend(args[0]))
    model.eval()(clip)
    handle.remove()
    return given


def test_the_finest_view_reaches_the_coarsest_in_one_fusion():
    middle = mtv.MTVView(width=8, heads=2, hidden=12, tubelet=4)
    model, clip = small_mtv(views=(FINE, middle, COARSE)), torch.randn(1, 3, 8, 32, 32)
    assert len(model.layers) == 14
    model.layers = model.layers[5:6]
    for pair in model.layers[0]:
        nn.init.normal_(pair.attention.proj.weight)
    before = class_tokens(model, clip)
    embedded = model.embeddings[0].cls + model.embeddings[0].positions[::5]
    torch.testing.assert_close(before[0][0], embedded)  # the finest view attends to none
    nn.init.normal_(model.embeddings[0].project.bias)
    after = class_tokens(model, clip)
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, False, False]


# --- Stochastic depth ---


def test_it_rises_to_the_published_rate():
    def rises(rates, last):
        assert (rates[0], rates[-1]) == (0, pytest.approx(last))
        steps = [after - before for before, after in pairwise(rates)]
        assert steps == pytest.approx([last / (len(rates) - 1)] * len(steps), abs=1e-6)

    for name, last in (("uniformer", 0.1), ("uniformer_b", 0.3)):
        blocks = chain.from_iterable(stage[1] for stage in on_meta(name).stages)
        rises([block.drop.p for block in blocks], last)
    model = small_mtv()
    views = [layer[0].drop.p for layer in model.layers if isinstance(layer[0], mtv.Block)]
    assert len(views) == 12
    rises(views, 0.1)
    rises([block.drop.p for block in model.encoder.blocks], 0.1)


def test_half_of_what_the_classifier_reads_is_dropped():
    for name, count in {"i3d": 1, "nl_i3d": 1, "slowfast": 1, "tpn": 2}.items():
        rates = [part.p for part in SMALL[name](2, 8).modules() if isinstance(part, nn.Dropout)]
        assert rates == [0.5] * count
    classifier, volume = resnet.Classifier(2048, 2), torch.ones(1, 2048, 1, 1, 1)
    assert classifier.classify.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not torch.equal(classifier(volume), classifier(volume))


def test_both_branches_of_a_block_can_be_dropped():
    for block in (uniformer.LocalBlock(64, 1.0), uniformer.GlobalBlock(64, 1.0)):
        volume = torch.randn(1, 64, 2, 3, 4)
        torch.testing.assert_close(block(volume), volume + block.position(volume))
    for block, shape in (
        (mtv.Block(8, 2, 8, 0.5), (64, 1, 3, 8)),
        (uniformer.LocalBlock(8, 0.5), (64, 8, 1, 2, 2)),
        (uniformer.GlobalBlock(64, 0.5), (64, 64, 1, 2, 2)),
    ):
        tokens = torch.randn(shape)
        start = tokens + block.position(tokens) if hasattr(block, "position") else tokens
        changed = (block(tokens) != start).flatten(1).double().mean(1)
        assert 0 < (changed > 0.9).sum() < 64, "some clips whole"
        assert ((changed > 0.9) | (changed == 0)).all(), "of a clip all tokens or none"
