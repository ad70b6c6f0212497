"""The competitors restated in plain functions from the facts of their papers, against ours.

Float64, small widths, random weights everywhere: also where training starts from zeros. Ours lend
the names of their tensors and nothing else. TimeSformer and ViViT are `transformers`' own.
"""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from ..small_networks import COARSE, FINE, SIZES, SMALL

I3D = ((3, 3, 3), (3, 1, 3, 1), (3, 1, 3, 1, 3, 1), (1, 3, 1))  # Wang et al. 2018, Table 1
SLOW = ((1,) * 3, (1,) * 4, (3,) * 6, (3,) * 3)  # Feichtenhofer et al. 2019, Table 1
FAST = ((3,) * 3, (3,) * 4, (3,) * 6, (3,) * 3)
FLAT = ((1,) * 3, (1,) * 4, (1,) * 6, (1,) * 3)


def conv(w, name, x, stride=1, padding=0, groups=1):
    return F.conv3d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), stride, padding, 1, groups)


def norm(w, name, x):
    scale, shift = w[f"{name}.weight"], w[f"{name}.bias"]
    return F.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], scale, shift)


def layer_norm(w, name, x, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def linear(w, name, x):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def conv_bn_relu(w, name, x, stride=1, padding=0, groups=1):
    return norm(w, f"{name}.1", conv(w, f"{name}.0", x, stride, padding, groups)).relu()


def attend(q, k, v, heads):
    """Softmax attention, one head after the other; tokens are (b, s, channels)."""
    parts = zip(*(x.chunk(heads, -1) for x in (q, k, v)), strict=True)
    return torch.cat([(a @ b.mT / a.shape[-1] ** 0.5).softmax(-1) @ c for a, b, c in parts], -1)


# --- ResNet-50 over clips ---


def stem(w, name, clip, span):
    x = conv_bn_relu(w, f"{name}.stem", clip, (1, 2, 2), (span // 2, 3, 3))
    return F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


def stage(w, name, number, spans, x):
    for place, span in enumerate(spans):
        block, first = f"{name}.stages.{number}.{place}", place == 0
        stride = (1, 2, 2) if first and number else 1
        y = conv_bn_relu(w, f"{block}.conv1", x, padding=(span // 2, 0, 0))
        y = conv_bn_relu(w, f"{block}.conv2", y, stride, (0, 1, 1))
        y = norm(w, f"{block}.conv3.1", conv(w, f"{block}.conv3.0", y))
        if first:
            x = norm(w, f"{block}.shortcut.1", conv(w, f"{block}.shortcut.0", x, stride))
        x = (x + y).relu()
        if f"{block}.non_local.q.weight" in w:
            x = non_local(w, f"{block}.non_local", x)
    return x


def non_local(w, name, x):
    """Wang et al. 2018, equation 4 (dot product): divided by the number of positions."""
    q, k, v = (conv(w, f"{name}.{part}", x) for part in "qkv")
    k, v = (F.max_pool3d(part, (1, 2, 2)).flatten(2) for part in (k, v))
    weights = torch.einsum("bctyx,bcn->btyxn", q, k) / k.shape[2]
    mean = torch.einsum("btyxn,bcn->bctyx", weights, v)
    return x + norm(w, f"{name}.norm", conv(w, f"{name}.proj", mean))


def means(*volumes):
    return torch.cat([volume.mean((2, 3, 4)) for volume in volumes], 1)


def plain_i3d(w, clip):
    x = stage(w, "backbone", 0, I3D[0], stem(w, "backbone", clip, 5))
    x = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    for number in (1, 2, 3):
        x = stage(w, "backbone", number, I3D[number], x)
    return linear(w, "classifier.classify", means(x))


def plain_slowfast(w, clip):
    slow, fast = (
        stem(w, "slow", clip[:, :, [*range(0, clip.shape[2], 4)]], 1),
        stem(w, "fast", clip, 5),
    )
    for number in range(4):
        lateral = conv_bn_relu(w, f"laterals.{number}.convert", fast, (4, 1, 1), (3, 0, 0))
        slow = stage(w, "slow", number, SLOW[number], torch.cat([slow, lateral], 1))
        fast = stage(w, "fast", number, FAST[number], fast)
    return linear(w, "classifier.classify", means(slow, fast))


def plain_tpn(w, clip):
    """Yang et al. 2020, Fig. 3: spatial and temporal modulation, top-down, cascade, fusion."""

    def level_fusion(name, *levels):
        each = [conv_bn_relu(w, f"{name}.each.{n}", x, groups=32) for n, x in enumerate(levels)]
        return conv_bn_relu(w, f"{name}.both", torch.cat(each, 1))

    x, levels = stem(w, "backbone", clip, 1), []
    for number in range(4):
        x = stage(w, "backbone", number, SLOW[number], x)
        levels.append(x)
    levels = [conv_bn_relu(w, "shrink", levels[2], (1, 2, 2), (0, 1, 1)), levels[3]]
    levels = [
        conv(w, f"temporal.{n}.conv", x, padding=(1, 0, 0), groups=32) for n, x in enumerate(levels)
    ]
    fine, coarse = (torch.stack([x.amax(2) for x in level.split(8, dim=2)], 2) for level in levels)
    fine = fine + coarse
    down = level_fusion("fuse_down", fine, coarse)
    up = level_fusion("fuse_up", fine, coarse + conv(w, "bottom_up", fine, padding=(1, 0, 0)))
    return linear(
        w, "classifier.classify", means(conv_bn_relu(w, "fuse", torch.cat([down, up], 1)))
    )


def plain_cnn_lstm(w, clip):
    """Donahue et al. 2015; the LSTM's equations as in Hochreiter and Schmidhuber 1997."""
    x = stem(w, "backbone", clip, 1)
    for number in range(4):
        x = stage(w, "backbone", number, FLAT[number], x)
    state = memory = torch.zeros(len(clip), w["lstm.weight_hh_l0"].shape[1], dtype=clip.dtype)
    for features in x.mean((3, 4)).unbind(2):
        given = F.linear(features, w["lstm.weight_ih_l0"], w["lstm.bias_ih_l0"])
        gates = given + F.linear(state, w["lstm.weight_hh_l0"], w["lstm.bias_hh_l0"])
        enter, forget, candidate, leave = gates.chunk(4, 1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
        state = leave.sigmoid() * memory.tanh()
    return linear(w, "classify", state)


# --- Transformers ---


def mlp(w, name, x):
    return linear(w, f"{name}.2", F.gelu(linear(w, f"{name}.0", x)))


def plain_uniformer(w, clip):
    """Li et al. 2022: depthwise position encoding, local blocks, then joint attention."""
    x = clip
    for number, depth in enumerate(SIZES.depths):
        name = f"stages.{number}"
        strides, padding = ((2, 4, 4), (1, 0, 0)) if number == 0 else ((1, 2, 2), 0)
        x = conv(w, f"{name}.0.0", x, strides, padding).movedim(1, -1)
        x = layer_norm(w, f"{name}.0.2", x, 1e-5).movedim(-1, 1)
        channels = x.shape[1]
        for place in range(depth):
            block = f"{name}.1.{place}"
            x = x + conv(w, f"{block}.position", x, padding=1, groups=channels)
            if number < 2:
                y = conv(w, f"{block}.mix.1", norm(w, f"{block}.mix.0", x))
                y = conv(w, f"{block}.mix.2", y, padding=2, groups=channels)
                x = x + conv(w, f"{block}.mix.3", y)
                y = conv(w, f"{block}.ffn.1", norm(w, f"{block}.ffn.0", x))
                x = x + conv(w, f"{block}.ffn.3", F.gelu(y))
            else:
                tokens = x.flatten(2).mT
                qkv = linear(w, f"{block}.qkv", layer_norm(w, f"{block}.norm", tokens)).chunk(3, -1)
                tokens = tokens + linear(w, f"{block}.proj", attend(*qkv, channels // 64))
                normed = layer_norm(w, f"{block}.ffn.0", tokens)
                x = (tokens + mlp(w, f"{block}.ffn.1", normed)).mT.reshape(x.shape)
    return linear(w, "head", norm(w, "norm", x).mean((2, 3, 4)))


def vit_block(w, name, tokens, heads):
    normed = layer_norm(w, f"{name}.norm", tokens)
    return _feed(w, name, tokens + cross(w, f"{name}.attention", normed, normed, heads))


def _feed(w, name, tokens):
    return tokens + mlp(w, f"{name}.ffn.1", layer_norm(w, f"{name}.ffn.0", tokens))


def cross(w, name, queries, keys, heads):
    k, v = linear(w, f"{name}.kv", keys).chunk(2, -1)
    return linear(w, f"{name}.proj", attend(linear(w, f"{name}.q", queries), k, v, heads))


def plain_mtv(w, clip):
    """Yan et al. 2022: views, cross-view attention before layers 6 and 12, a global encoder.

    Tokens of 8 frames attend jointly: the groups are folded into the batch.
    """
    groups, views = clip.shape[2] // 8, []
    for number, view in enumerate((FINE, COARSE)):
        name, size = f"embeddings.{number}", (view.tubelet, 16, 16)
        x = conv(w, f"{name}.project", clip, size).flatten(3).permute(0, 2, 3, 1)
        x = torch.cat([repeat(w[f"{name}.cls"], "t d -> b t 1 d", b=len(clip)), x], 2)
        x = rearrange(x, "b (g t) n d -> (b g) (t n) d", g=groups)
        views.append(x + w[f"{name}.positions"])
    layers = iter(range(14))  # ours counts the fusions too
    for layer in range(12):
        if layer in (5, 11):
            name = f"layers.{next(layers)}.0"
            finer = layer_norm(w, f"{name}.norm_fine", views[0])
            queries = layer_norm(w, f"{name}.norm_coarse", views[1])
            views[1] = views[1] + cross(w, f"{name}.attention", queries, finer, COARSE.heads)
        place = next(layers)
        views = [
            vit_block(w, f"layers.{place}.{n}", x, view.heads)
            for n, (x, view) in enumerate(zip(views, (FINE, COARSE), strict=True))
        ]
    steps = [
        rearrange(x, "(b g) (t n) d -> b (g t) n d", g=groups, t=8 // view.tubelet)[:, :, 0]
        for x, view in zip(views, (FINE, COARSE), strict=True)
    ]
    x = torch.cat([steps[0], steps[1].repeat_interleave(4, 1)], -1)
    x = torch.cat([w["encoder.cls"].expand(len(x), 1, -1), x], 1) + w["encoder.positions"]
    for layer in range(2):
        x = vit_block(w, f"encoder.blocks.{layer}", x, 8)
    return linear(w, "head", layer_norm(w, "encoder.norm", x)[:, 0])


PLAIN = {
    "i3d": plain_i3d,
    "nl_i3d": plain_i3d,
    "slowfast": plain_slowfast,
    "tpn": plain_tpn,
    "cnn_lstm": plain_cnn_lstm,
    "uniformer": plain_uniformer,
    "mtv": plain_mtv,
}


@pytest.mark.parametrize("frames", [8, 16])
@pytest.mark.parametrize("name", PLAIN)
def test_it_is_its_papers_network(name, frames):
    torch.manual_seed(0)
    network = SMALL[name](3, frames, 64).double().eval()
    for key, tensor in network.state_dict().items():
        if key.endswith(("running_var", "norm.weight")):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.is_floating_point() and (tensor.ndim == 1 or not tensor.any()):
            nn.init.normal_(tensor, key.endswith("weight"), std=0.2)  # a norm's scale is about 1
        if "non_local.proj" in key:  # five products of three volumes each grow without bound
            tensor.copy_(tensor / 100)
    clip = torch.randn(2, 3, frames, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = network(clip), PLAIN[name](network.state_dict(), clip)
    assert ours.std() > 1e-3, "logits that do not depend on anything"
    assert (ours - theirs).norm() < 1e-9 * theirs.norm()
