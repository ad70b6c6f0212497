"""The networks of Table 1: sizes on torch's meta device, one contract over small builds of each."""

import math
import warnings
from dataclasses import replace
from itertools import chain, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from csglib.model.config import CONFORMER_S, TINY
from csglib.model.cost import costs
from csglib.model.csg3dct import CSG3DCT
from csglib.table1.baselines import cnn_lstm, i3d, mtv, resnet, slowfast, tpn, uniformer, vit
from csglib.train.networks import NETWORKS, build_network
from csglib.train.step import head_logits

# At 400 classes: published, or, of TPN, counted by its authors' own code.
PUBLISHED = {
    "i3d": 28_043_472,
    "nl_i3d": 35_397_840,
    "slowfast": 34_566_488,
    "tpn": 91_498_336,
    "uniformer": 21_400_400,
    "uniformer_b": 49_813_200,
}
COUNTED = {  # at 2 classes, with other code
    "timesformer": 121_306_370,
    "vivit": 87_025_922,
    "mtv": 261_365_378,
    "csg3dct": 62_931_854,
    "base": 41_573_762,
}
FINE = mtv.MTVView(width=16, heads=2, hidden=24, tubelet=2)
COARSE = mtv.MTVView(width=8, heads=4, hidden=12, tubelet=8)
SIZES = uniformer.Sizes(depths=(1, 2, 1, 1), widths=(4, 6, 64, 128), drop_path=0.2)


def small_mtv(classes=5, frames=8, size=32, views=(FINE, COARSE)):
    torch.manual_seed(0)
    return mtv.MTV(classes, frames, size, views=views, global_layers=2)


SMALL = {
    "i3d": lambda c, t: i3d.I3D(c, layout=replace(i3d.LAYOUT, width=8)),
    "nl_i3d": lambda c, t: i3d.NLI3D(c, layout=replace(i3d.LAYOUT, width=8)),
    "slowfast": lambda c, t: slowfast.SlowFast(c, width=16),
    "tpn": lambda c, t: tpn.TPN(c, layout=replace(resnet.SLOW_ONLY, width=8)),
    "cnn_lstm": lambda c, t: cnn_lstm.CNNLSTM(c, layout=replace(resnet.FLAT, width=8)),
    "timesformer": lambda c, t: vit.TimeSformer(c, t, 32, layers=1),
    "vivit": lambda c, t: vit.ViViT(c, t, 32, layers=1),
    "mtv": small_mtv,
    "uniformer": lambda c, t: uniformer.UniFormer(c, sizes=SIZES),
    "tiny": lambda c, t: CSG3DCT(replace(TINY, classes=c)),
}


def count(model):
    return sum(weights.numel() for weights in model.parameters())


def on_meta(name, classes=2, frames=8, size=256):
    with torch.device("meta"):
        return build_network(name, classes, frames, size)


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_large_as_published(name):
    exact = {"tpn", "uniformer", "uniformer_b"}
    found, wanted = count(on_meta(name, 400)), PUBLISHED[name]
    assert found == wanted if name in exact else round(found / 1e6, 2) == round(wanted / 1e6, 2)


@pytest.mark.parametrize("name", COUNTED)
def test_as_large_as_counted_elsewhere(name):
    assert count(on_meta(name)) == COUNTED[name]


def test_as_costly_as_published():
    """I3D's GMACs at 8 x 256 x 256, 16 times those at 64 x 64; Conformer-S's at 224 x 224."""
    with torch.device("meta"):
        conformer = CSG3DCT(replace(CONFORMER_S, classes=2))
    for network, frames, size, gmacs in (
        (on_meta("i3d"), 8, 64, 37.1 / 16),
        (conformer, 1, 224, 10.6),
    ):
        found = costs(network, [""], frames, size)[""].macs / 1e9
        assert found == pytest.approx(gmacs, rel=0.02)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_name_is_built_alike(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = on_meta(name, classes=3, frames=16, size=32)
    assert network(torch.empty(2, 3, 16, 32, 32, device="meta")).shape == (2, 3)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns_and_clips_stay_apart(name):
    torch.manual_seed(0)
    network = SMALL[name](3, 8)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    clips, grades = torch.randn(4, 3, 8, 32, 32), torch.tensor([0, 2, 1, 0])
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    while len(losses) < 15 and (len(losses) < 3 or min(losses) >= 0.6 * math.log(3)):
        logits = head_logits(network, clips)
        assert logits.shape[1:] == (4, 3)
        loss = F.cross_entropy(logits.flatten(0, 1), grades.repeat(len(logits)))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert min(losses) < 0.6 * math.log(3), losses
    idle = [name for name, value in network.named_parameters() if torch.equal(before[name], value)]
    assert idle == []
    network.eval()
    twin = SMALL[name](3, 8).eval()
    twin.load_state_dict(network.state_dict())
    with torch.no_grad():
        logits = network(clips)
        assert torch.equal(logits, twin(clips))
        torch.testing.assert_close(network(clips[:1]), logits[:1], rtol=1e-3, atol=1e-4)


def test_a_network_nobody_knows_and_clips_that_none_takes():
    with pytest.raises(ValueError, match="no network is called 'c3d'; there are i3d, slowfast"):
        build_network("c3d")
    for wrong in ({"classes": 1}, {"frames": 9}, {"size": 48}, {"size": 0}):
        with pytest.raises(ValueError, match="8 or 16 frames, and a size that is a multiple of 32"):
            build_network("tiny", **wrong)


def test_kernels_lie_as_the_clips_do():
    """Channels last: 28 times faster for a pointwise convolution on some machines."""
    network = build_network("slowfast", size=32)
    kernels = [value for value in network.parameters() if value.ndim == 5]
    assert all(k.is_contiguous(memory_format=torch.channels_last_3d) for k in kernels)


def test_slowfast_wants_a_multiple_of_four_frames():
    with pytest.raises(ValueError, match="wants a multiple: got 6"):
        SMALL["slowfast"](2, 8)(torch.zeros(1, 3, 6, 32, 32))


def test_nl_i3d_starts_as_i3d_and_has_five_blocks_that_see_everything():
    network = SMALL["nl_i3d"](2, 8).eval()
    plain = SMALL["i3d"](2, 8).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    clip = torch.randn(1, 3, 8, 32, 32)
    torch.testing.assert_close(network(clip), plain(clip))
    blocks = [part for part in network.modules() if isinstance(part, i3d.NonLocal)]
    assert len(blocks) == 5
    block, volume = i3d.NonLocal(4).eval(), torch.randn(1, 4, 3, 4, 4)
    nn.init.ones_(block.norm.weight)
    nudged = volume.clone()
    nudged[0, :, 0, 0, 0] += 5
    assert ((block(volume) - block(nudged)).abs().amax(1) > 0).all()
    query, key, value = (part(volume) for part in (block.q, block.k, block.v))
    scores = torch.einsum("bctyx,bcn->btyxn", query, block.pool(key).flatten(2)) / 12
    mean = torch.einsum("btyxn,bcn->bctyx", scores, block.pool(value).flatten(2))
    torch.testing.assert_close(block(volume), volume + block.norm(block.proj(mean)))


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


def test_its_attention_is_torchs():
    torch.manual_seed(0)
    ours = mtv.CrossView(fine=FINE, coarse=COARSE).attention
    nn.init.normal_(ours.proj.weight)
    theirs = nn.MultiheadAttention(8, 4, kdim=16, vdim=16, batch_first=True)
    key, value = ours.kv.weight.chunk(2)
    theirs.load_state_dict(
        {
            "q_proj_weight": ours.q.weight,
            "k_proj_weight": key,
            "v_proj_weight": value,
            "in_proj_bias": torch.cat([ours.q.bias, ours.kv.bias]),
            "out_proj.weight": ours.proj.weight,
            "out_proj.bias": ours.proj.bias,
        }
    )
    queries, keys = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 16)
    for group in range(3):
        expected, _ = theirs(queries[:, group], keys[:, group], keys[:, group])
        torch.testing.assert_close(ours(queries, keys)[:, group], expected)


def test_a_new_cross_view_is_the_identity():
    cross = mtv.CrossView(fine=FINE, coarse=COARSE)
    fine, coarse = torch.randn(2, 3, 20, 16), torch.randn(2, 3, 5, 8)
    assert torch.equal(cross(fine, coarse), coarse)
    nn.init.normal_(cross.attention.proj.weight)
    moved = (cross(fine.roll(1, dims=1), coarse) - cross(fine, coarse)).abs().amax(-1) > 0
    assert moved.all()


def class_tokens(model, clip):
    """Input of the global encoder: class tokens step by step, one tensor per view."""
    given = []
    handle = model.encoder.register_forward_pre_hook(lambda _, args: given.extend(args[0]))
    model.eval()(clip)
    handle.remove()
    return given


@pytest.mark.parametrize(
    ("frame", "fine", "coarse"),
    [(1, [0, 1, 2, 3], [0]), (9, [4, 5, 6, 7], [1]), (15, [4, 5, 6, 7], [1])],
)
def test_a_group_of_four_steps_attends_jointly_and_to_no_other(frame, fine, coarse):
    model, clip = small_mtv(frames=16), torch.randn(1, 3, 16, 32, 32)
    nudged = clip.clone()
    nudged[0, 0, frame] += torch.randn(32, 32)
    for before, after, moved in zip(
        class_tokens(model, clip), class_tokens(model, nudged), (fine, coarse), strict=True
    ):
        assert (before - after)[0].abs().amax(-1).nonzero().flatten().tolist() == moved


def test_class_tokens_are_each_steps_own_with_its_first_position():
    model = small_mtv(frames=16)
    model.layers = nn.ModuleList()
    for embedding in model.embeddings:
        nn.init.normal_(embedding.cls)
    fine, coarse = class_tokens(model, torch.randn(1, 3, 16, 32, 32))
    of_fine, of_coarse = model.embeddings
    first_places = of_fine.positions[::5].repeat(2, 1)  # one class token and four patches a step
    torch.testing.assert_close(fine[0], of_fine.cls + first_places)
    torch.testing.assert_close(coarse[0], of_coarse.cls + of_coarse.positions[0])


def test_views_are_aligned_in_time():
    encoder, given = small_mtv(frames=16).encoder, []
    encoder.blocks.register_forward_pre_hook(lambda _, args: given.append(args[0][:, 0]))
    fine, coarse = torch.randn(3, 8, 16), torch.randn(3, 2, 8)
    encoder([fine, coarse])
    clip, *steps = (given[0] - encoder.positions).unbind(1)
    torch.testing.assert_close(clip, encoder.cls.expand(3, 24))
    for number, step in enumerate(steps):
        torch.testing.assert_close(step, torch.cat([fine[:, number], coarse[:, number // 4]], -1))


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


@pytest.mark.parametrize(("frames", "size"), [(12, 32), (8, 40), (4, 32)])
def test_a_clip_that_mtv_cannot_cut(frames, size):
    message = f"of 8 frames and 16 x 16 pixels.*got {frames} frames of {size} x {size}"
    with pytest.raises(ValueError, match=message):
        small_mtv(2, frames, size)


@pytest.mark.parametrize("shape", [(16, 32, 32), (8, 32, 48), (8, 48, 32)])
def test_another_clip_than_mtv_was_built_for(shape):
    got = " x ".join(map(str, shape))
    with pytest.raises(ValueError, match=f"built for clips of 8 x 32 x 32: got {got}"):
        small_mtv()(torch.zeros(1, 3, *shape))


# --- UniFormer ---


def test_the_first_embedding_alone_drops_frames():
    volume, shapes = torch.randn(1, 3, 8, 64, 96), []
    for stage in SMALL["uniformer"](2, 8).stages:
        volume = stage(volume)
        shapes.append(tuple(volume.shape[1:]))
    assert shapes == [(4, 4, 16, 24), (6, 4, 8, 12), (64, 4, 4, 6), (128, 4, 2, 3)]


def test_a_global_block_is_attention_over_all_places_of_all_frames():
    """Written out with two heads: scores, softmax, mean, one place after the other."""
    torch.manual_seed(0)
    block, volume = uniformer.GlobalBlock(128, 0.0), torch.randn(2, 128, 3, 2, 5)
    tokens = (volume + block.position(volume)).flatten(2).mT
    normed = F.layer_norm(tokens, (128,), block.norm.weight, block.norm.bias, 1e-6)
    heads = []
    for head in range(2):
        query, key, value = (
            normed @ weight[64 * head :][:64].T + bias[64 * head :][:64]
            for weight, bias in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
        )
        scores = (torch.einsum("bie,bje->bij", query, key) / 64**0.5).softmax(dim=-1)
        heads.append(torch.einsum("bij,bje->bie", scores, value))
    tokens = tokens + block.proj(torch.cat(heads, dim=-1))
    tokens = tokens + block.ffn(tokens)
    torch.testing.assert_close(block(volume), tokens.mT.reshape(volume.shape), rtol=1e-4, atol=1e-5)


def test_a_local_block_sees_three_places_in_every_direction():
    """One for the position, two for the mixing; in time as in space."""
    torch.manual_seed(0)
    block, volume = uniformer.LocalBlock(4, 0.0).eval(), torch.randn(1, 4, 9, 11, 13)
    nudged = volume.clone()
    nudged[0, 0, 4, 5, 6] += 1.0
    moved = (block(volume) - block(nudged)).abs().amax(1)[0] > 1e-7
    wanted = torch.zeros(9, 11, 13, dtype=torch.bool)
    wanted[1:8, 2:9, 3:10] = True
    assert torch.equal(moved, wanted)


@pytest.mark.parametrize(("rows", "columns"), [(32, 48), (48, 32)])
def test_a_clip_of_another_size(rows, columns):
    with pytest.raises(ValueError, match=f"multiples of 32: got {rows} x {columns}"):
        SMALL["uniformer"](2, 8)(torch.zeros(1, 3, 8, rows, columns))


def test_a_width_that_heads_do_not_fill():
    with pytest.raises(ValueError, match="heads of 64 channels must fill the width: got 96"):
        uniformer.GlobalBlock(96, 0.0)


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


def test_both_branches_of_a_block_can_be_dropped():
    for block in (uniformer.LocalBlock(64, 1.0), uniformer.GlobalBlock(64, 1.0)):
        volume = torch.randn(1, 64, 2, 3, 4)
        torch.testing.assert_close(block(volume), volume + block.position(volume))
    block, tokens = mtv.Block(8, 2, 8, drop_path=0.5), torch.randn(64, 1, 3, 8)
    kept = (block(tokens) != tokens).flatten(1)
    assert 0 < kept.all(1).sum() < 64, "some clips whole"
    assert (kept.all(1) | ~kept.any(1)).all(), "of a clip all tokens or none"
