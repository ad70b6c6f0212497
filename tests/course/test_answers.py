"""Right answers in several styles pass each exercise; wrong ones are rejected with a reason.

The mistakes that an exercise knows by name are tried in test_checking.py. Here is what is named
though no exercise lists it: axes, factors, inputs exchanged, types, gradients.
"""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from scipy.stats import binom, binomtest, chi2
from torch import nn

from csgcourse import check
from csgcourse.chapter_01 import train_kernel
from csgcourse.chapter_02 import patches
from csgcourse.chapter_03 import attention_cost
from csgcourse.chapter_06 import output_size
from csgcourse.chapter_07 import split
from csgcourse.chapter_08 import decay_groups, one_cycle, patient_bootstrap
from csgcourse.chapter_10 import grad_cam
from csgcourse.exercise import edited, find
from csglib.data.split import split_by_patient
from csglib.model.attention import Attention
from csglib.model.config import TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.fcu import TokensToVolume, VolumeToTokens
from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.inflation import inflate_kernel
from csglib.model.intra import IntraDimension
from csglib.model.tokens import VideoTokens, fold, unfold
from csglib.model.weighting import LearnableWeighting
from csglib.train import config
from csglib.train.step import adam


def answer(number, *changes):
    """A function, or edits of the exercise's solution, each "what it says => instead"."""
    if callable(changes[0]):
        return changes[0]
    words = (word for edit in changes for word in edit.split(" => "))
    return edited(find(number).reference, *words)


def inflated_by_padding(conv, frames, reach=0, mode="zeros"):
    """With padding as `nn.Conv3d` has it, in all three axes."""
    size, stride, around = (frames, *conv.kernel_size), (1, *conv.stride), (reach, *conv.padding)
    channels = conv.in_channels, conv.out_channels
    deep = nn.Conv3d(*channels, size, stride, around, bias=conv.bias is not None, padding_mode=mode)
    deep.weight.data = inflate_kernel(conv.weight.data, frames)
    if conv.bias is not None:
        deep.bias.data = conv.bias.data
    return deep


def inflated_by_a_hook(conv, frames):
    deep, beyond = inflated_by_padding(conv, frames), (0, 0, 0, 0, frames // 2, frames // 2)
    deep.register_forward_pre_hook(lambda _, given: F.pad(given[0], beyond, mode="replicate"))
    return deep


def trained_by(rule, zeroed=True, **options):
    def train(kernel, clips, labels, steps):
        trained = nn.Parameter(kernel.clone())
        optimizer = rule([trained], **options)
        for _ in range(steps):
            optimizer.zero_grad() if zeroed else None
            F.cross_entropy(F.conv3d(clips, trained).abs().mean((2, 3, 4)), labels).backward()
            optimizer.step()
        return trained.data

    return train


def unfold_by_the_library(sequences, clips):
    width = sequences.shape[2]
    grid = torch.zeros(clips, sequences.shape[1] - 1, len(sequences) // clips, width)
    back = unfold(sequences, "time", like=VideoTokens(torch.zeros(clips, 1, width), grid))
    return back.cls, back.patches


def cost_by_counting(frames, patches, width, kind):
    """The library's own sequences, counted."""
    tokens = VideoTokens(torch.zeros(1, 1, 1), torch.zeros(1, frames, patches, 1))
    sequences, length, _ = fold(tokens, kind).shape
    return torch.tensor(2 * sequences * length**2 * width)


def sides(tokens):
    return tokens.cls, tokens.patches


def intra_by_frames(block, cls, patches, axis):
    """A loop over the sequences of every clip, and torch's own module for their attention."""
    own = block.qkv.in_features
    whole = torch.nn.MultiheadAttention(own, block.heads, batch_first=True).to(cls)
    del whole.in_proj_weight, whole.in_proj_bias, whole.out_proj.weight, whole.out_proj.bias
    whole.in_proj_weight, whole.in_proj_bias = block.qkv.weight, block.qkv.bias
    whole.out_proj.weight, whole.out_proj.bias = block.proj.weight, block.proj.bias
    lines = patches if axis == "space" else patches.transpose(1, 2)
    tokens, rows = [], []
    for place in range(lines.shape[1]):
        line = block.norm(torch.cat([cls, lines[:, place]], dim=1))
        mixed = whole(line, line, line, need_weights=False)[0]
        tokens.append(mixed[:, :1])
        rows.append(mixed[:, 1:])
    lines = torch.stack(rows, dim=1)
    cls = cls + sum(tokens) / len(tokens)
    patches = patches + (lines if axis == "space" else lines.transpose(1, 2))
    return [cls + block.ffn(cls), block.ffn(patches) + patches]


def fused_by_torch(block, target, complement, scheme):
    """The library's modules, whichever the block is: CA and SWA have the same parts."""
    kind = SwitchedAttention if scheme == "switched" else CrossAttention
    return sides(kind.forward(block, VideoTokens(*target), VideoTokens(*complement)))


def amdf_by_modules(block, cls, patches):
    tokens = VideoTokens(cls, patches)
    space, time = block.space(tokens), block.time(tokens)
    return sides(block.weigh(block.into_space(space, time), block.into_time(time, space)))


def by_the_library(space, time, theta):
    flat = [branch.reshape(1, 1, 1, -1) for branch in (space, time)]
    tokens = tuple(VideoTokens(branch[0], branch) for branch in flat)
    mixed = torch.func.functional_call(LearnableWeighting(), {"theta": theta}, tokens)
    return mixed.patches.view_as(space)


def by_autograd(space, time, theta, upstream):
    weighting = LearnableWeighting().to(space.dtype)
    weighting.theta.data.copy_(theta)
    share = weighting.gate()
    (share * space + (1 - share) * time).backward(upstream)
    return weighting.theta.grad


def bare(bridge):
    """A bridge of the library whose projection and norm let everything pass."""
    width = bridge.project.in_channels
    bridge.project.weight.data = torch.eye(width).view(width, width, 1, 1, 1)
    bridge.project.bias.data.zero_()
    bridge.norm = torch.nn.Identity()
    return bridge


def down_by_the_library(volume, stride):
    width = volume.shape[1]
    return bare(VolumeToTokens(width, width, stride)).to(volume.dtype)(volume)


def up_by_the_library(tokens, rows, scale):
    width = tokens.shape[3]
    bridge = bare(TokensToVolume(width, width, scale)).to(tokens.dtype)
    return bridge(tokens, tokens.shape[2] // rows)


def by_torch(patients, shares, seed):
    """Each group gets one patient, then patients go to the group that lacks most clips."""
    names, clips = list(dict.fromkeys(patients)), Counter(patients)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held, group_of = [0] * len(shares), {}
    for turn, name in enumerate(names[place] for place in order):
        lacks = [share - clips / len(patients) for share, clips in zip(shares, held, strict=True)]
        group = turn if turn < len(shares) else lacks.index(max(lacks))
        held[group] += clips[name]
        group_of[name] = group
    return torch.tensor([group_of[patient] for patient in patients])


def counts_by_bincount(predicted, true, classes):
    return torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes)


def f1_with_nan_mended(confusion):
    matrix = confusion.float()
    precision, recall = matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)
    return torch.nan_to_num(2 * precision * recall / (precision + recall)).mean()


def f1_by_numpy(confusion):
    matrix = confusion.numpy()
    hits, false = matrix.diagonal(), matrix.sum(0) + matrix.sum(1) - 2 * matrix.diagonal()
    return np.mean(2 * hits / np.maximum(2 * hits + false, 1))


def interval_by_counts(correct, patients, draws, seed):
    names, owner = np.unique(patients, return_inverse=True)
    right, clips = np.bincount(owner, correct), np.bincount(owner)
    even = [1 / len(names)] * len(names)
    times = np.random.RandomState(seed).multinomial(len(names), even, draws)
    return tuple(np.quantile(times @ right / (times @ clips), [0.025, 0.975]))


def interval_without_repeats(correct, patients, draws, seed):
    names, owner = np.unique(patients, return_inverse=True)
    drawn = np.random.default_rng(seed).choice(len(names), (draws, len(names)))
    means = [correct.numpy()[np.isin(owner, row)].mean() for row in drawn]
    return np.quantile(means, [0.025, 0.975])


def step_with_closure(model, optimizer, clips, labels):
    def closure():
        model.zero_grad()
        log_p = model(clips).log_softmax(1)
        loss = -log_p[torch.arange(len(labels)), labels].mean()
        loss.backward()
        return loss

    return optimizer.step(closure).detach()


def step_by_autograd(model, optimizer, clips, labels):
    weights = list(model.parameters())
    loss = torch.nn.CrossEntropyLoss()(model.train()(clips), labels)
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    optimizer.step()
    return loss.item()


def in_numpy(step, steps, lr):
    warm = round(0.3 * steps)
    up, down = np.arange(warm) / warm, np.arange(steps - warm + 1) / (steps - warm)
    rise = 1 / 25 + (1 - 1 / 25) * np.sin(np.pi / 2 * up) ** 2
    return lr * np.concatenate([rise, np.cos(np.pi / 2 * down) ** 2])[step]


def by_torch_s_scheduler(step, steps, lr):
    adam = torch.optim.Adam([torch.zeros(1)])
    rates = torch.optim.lr_scheduler.OneCycleLR(adam, lr, steps + 1, cycle_momentum=False)
    for _ in range(step):
        adam.step()
        rates.step()
    return rates.get_last_lr()[0]


def groups_by_module(model, decay):
    kinds = torch.nn.Linear | torch.nn.Conv3d
    kernels = [module.weight for module in model.modules() if isinstance(module, kinds)]
    known = set(kernels)
    return [
        {"params": (p for p in model.parameters() if p not in known), "weight_decay": 0},
        {"params": kernels, "weight_decay": decay},
    ]


def rollout_by_halves(maps):
    total = torch.eye(maps[0].shape[-1]).to(maps[0])
    for heads in maps:
        total = (0.5 * heads.mean(1) + 0.5 * torch.eye(heads.shape[-1]).to(heads)) @ total
    return total


def swapped_by_matrix(maps, masks, patients, score):
    scores = torch.tensor([[score(saliency, mask) for saliency in maps] for mask in masks])
    apart = torch.tensor(np.array(patients)[:, None] != np.array(patients))
    return [scores.diag().mean(), scores.where(apart, math.nan).nanmean(dim=1).mean()]


SPREAD = "volume.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)"  # of 6.2
PLAIN = "(query @ key.mT / query.shape[-1] ** 0.5).softmax(-1) @ value"


# fmt: off
def deletion_by_threshold(score, frames, cover, saliency, steps):
    grown = F.interpolate(saliency[None], frames.shape[1:], mode="nearest")[0]
    highest = [math.inf, *saliency.flatten().sort(descending=True).values.tolist()]
    least = [highest[round(k * saliency.numel() / (steps - 1))] for k in range(steps)]
    return [score(torch.where(grown >= value, cover, frames)) for value in least]


def holm_by_numpy(p_values):
    order = np.argsort(p_values, kind="stable")
    steps = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    return np.maximum.accumulate(steps)[np.argsort(order)].clip(max=1)


def unpaired_by_widths(first, second, patients, draws, seed):
    one, other = (patient_bootstrap(each, patients, draws, seed) for each in (first, second))
    width = math.hypot(one[1] - one[0], other[1] - other[0]) / 2
    gain = (first.mean() - second.mean()).item()
    return gain, gain - width, gain + width


RIGHT = [  # the library's own functions, and other styles
    ("1.1", inflate_kernel),
    ("1.1", lambda k, t: torch.einsum("oiyx,t->oityx", k, torch.ones(t).to(k) / t)),
    ("1.1", lambda k, t: (k / t)[:, :, None].expand(-1, -1, t, -1, -1)),
    ("1.2", lambda kernel, frames: inflate_kernel(kernel, frames, "center")),
    ("1.3", lambda frames: frames // 2),
    ("1.4", lambda c, w, n: 2 * w * (c + (2 * n - 1) * 4 * w)),
    ("1.4", lambda c, w, n: sum(2 * w * a for a in [c] + [4 * w] * (2 * n - 1))),
    ("1.4", lambda c, w, n: 2.0 * torch.tensor([c * w] + [4 * w * w] * (2 * n - 1)).sum().item()),
    ("1.5", inflated_by_a_hook),
    ("1.6", trained_by(torch.optim.SGD, lr=1.0)),
    ("1.6", lambda k, *given: train_kernel(k.double(), given[0].double(), *given[1:]).to(k)),
    ("2.1", lambda v, s: rearrange(v, "b c t (y p) (x q) -> b t (y x) (c p q)", p=s, q=s)),
    ("2.2", lambda z, x: fold(VideoTokens(z, x), "space")),
    ("2.2", lambda token, grid: torch.cat([token[:, None].expand(-1, grid.shape[1], -1, -1),
     grid], dim=2).flatten(0, 1)),
    ("2.3", lambda z, x: fold(VideoTokens(z, x), "time")),
    ("2.4", unfold_by_the_library),
    ("2.4", lambda sequences, clips: [reduce(sequences[:, :1], "(b n) 1 d -> b 1 d", "mean",
     b=clips), rearrange(sequences[:, 1:], "(b n) t d -> b t n d", b=clips)]),
    ("3.1", Attention.weights),
    ("3.1", lambda query, key: F.scaled_dot_product_attention(query, key, torch.eye(key.shape[2])
     .to(key).expand(*key.shape[:2], -1, -1))),
    ("3.2", lambda x, h: rearrange(x, "b s (h e) -> b h s e", h=h)),
    ("3.2", lambda x, h: torch.stack(x.chunk(h, dim=-1), dim=1)),
    ("3.3", cost_by_counting),
    ("3.3", lambda *given: 2.0 * attention_cost(*given) / 2),
    ("3.4", lambda block, z, x, axis: sides(IntraDimension.forward(block, VideoTokens(z, x)))),
    ("3.4", intra_by_frames),
    ("3.4", "mixed = F => query, key, value = queries, keys, values; mixed = F",
     f"F.scaled_dot_product_attention(queries, keys, values) => {PLAIN}"),
    ("4.1", F.scaled_dot_product_attention),
    ("4.2", Attention()),
    ("4.3", lambda t, p, s: F.pad(p, (0, 0, 1, 0)).index_copy(1, torch.tensor([0]), t) if s ==
     "crossvit" else p[:]),
    ("4.4", lambda n, d, q: torch.tensor(2 * d * ((n + 1) ** 2 if q == "all" else n))),
    ("4.4", lambda n, d, q: 2.0 * d * ((n + 1) ** 2 if q == "all" else n)),
    ("4.5", fused_by_torch),
    ("4.5", "mixed = => query, key, value = heads; mixed =",
     f"F.scaled_dot_product_attention(*heads) => {PLAIN}"),
    ("5.1", by_the_library),
    ("5.1", lambda s, t, theta: (torch.stack([s, t], -1) * torch.stack([theta, theta *
     0]).softmax(0)).sum(-1)),
    ("5.2", by_autograd),
    ("5.3", amdf_by_modules),
    ("5.3", "both in zip => (s, t) in zip",
     "weigh(*both, theta) => theta.sigmoid() * s + (-theta).sigmoid() * t"),
    ("6.1", down_by_the_library),
    ("6.1", lambda v, s: patches(v, s).unflatten(-1, (v.shape[1], -1)).mean(-1)),
    ("6.2", up_by_the_library),
    ("6.3", lambda c, t, y: torch.empty(t, *[-(-y // (4, 4, 8, 16, 32)[int(c[1]) - 1])] * 2).shape),
    ("6.4", CSG3DCT.forward),
    ("6.4", "for conv, block in zip => for n, (conv, block) in enumerate(zip",
     "strict=True) => strict=True))", "block) => model.blocks[n + 1])",
     "model.head(volume, tokens.cls).sum(dim=0) => sum(model.head(volume, tokens.cls))"),
    ("7.1", lambda vessel, lumen: 1 - float(lumen) / float(vessel)),
    ("7.1", lambda vessel, lumen: np.float32(1) - lumen.numpy() / vessel.numpy()),
    ("7.2", lambda area: 1 - math.sqrt(1 - area)),
    ("7.2", lambda area: -math.expm1(math.log1p(-area) / 2) if area < 1 else 1),
    ("7.4", "(1 - widths[1] / widths[0]).max() => max(1 - widths[1].numpy() / widths[0].numpy())"),
    ("7.3", split_by_patient),
    ("7.3", by_torch),
    *(("7.3", f"sorted(set(patients)) => {names}") for names in (
        "list(dict.fromkeys(patients))", "__import__('numpy').unique(patients)",
        "sorted({*patients}, reverse=True)")),
    ("8.1", lambda predicted, true, classes: torch.eye(classes)[true].T @
     torch.eye(classes)[predicted]),
    ("8.1", counts_by_bincount),
    ("8.2", f1_with_nan_mended),
    ("8.2", f1_by_numpy),
    ("8.3", interval_by_counts),
    ("8.4", step_with_closure),
    ("8.4", step_by_autograd),
    ("8.5", lambda step, steps, lr: lr * config.one_cycle(step / steps)),
    ("8.5", in_numpy),
    ("8.5", lambda step, steps, lr: torch.tensor(one_cycle(step, steps, lr))),
    ("8.6", lambda model, decay: adam(model, 1.0, decay).param_groups),
    ("8.6", groups_by_module),
    ("8.6", lambda model, decay: tuple(decay_groups(model, decay)[::-1])),
    ("9.1", lambda tokens, frames, rows: tokens.mT[:, :, 1:].unflatten(2, (frames, rows,
     -1)).contiguous()),
    ("9.2", rollout_by_halves),
    ("10.1", lambda saliency, mask: saliency[mask].mean() / saliency.mean()),
    ("10.1", lambda s, mask: np.average(s, weights=mask) / s.numpy().mean()),
    ("10.2", swapped_by_matrix),
    ("10.3", lambda a, g: F.relu(torch.einsum("c,ctyx->tyx", g.mean((1, 2, 3)), a))),
    ("10.3", lambda a, g: torch.tensordot(g.flatten(1).mean(1), a, 1).clamp(min=0)),
    ("10.4", deletion_by_threshold),
    ("11.1", lambda a, b: binomtest(a, a + b).pvalue if a + b else 1.0),
    ("11.2", lambda first, second, *given: np.array(
        [first.mean() - second.mean(), *patient_bootstrap(first - second, *given)])),
    ("11.3", holm_by_numpy),
    ("11.3", lambda values: torch.tensor(holm_by_numpy(values))),
]
WRONG = {  # what the message says, and the answer: a function, or edits of the solution
    "0.1": [
        ("a torch tensor is wanted: got a lis", lambda numbers: (numbers / numbers.sum()).tolist()),
        ("times what it should be", "sum() => norm()"),
    ],
    "1.1": [
        ("`frames` times too large", "kernel / frames => kernel"),
        ("divided by `frames`", "/ frames => / frames**2"),
        ("in the order (t, out, in, y, x", "dim=2 => dim=0"),
        ("only the first along t", "] * frames => ]"),
        ("times what it should be", "/ frames => / (frames + 1)"),
    ],
    "1.2": [
        ("shifted by one along t", "frames // 2 => (frames // 2 + 1) % frames"),
        ("every value is zero", "] = kernel => ] = 0 * kernel"),
    ],
    "1.3": [
        ("`/` makes a float", "// => /"),
        ("one too many", "frames - 1 => frames + 1"),
        ("result for frames = 3", "(frames - 1) // 2 => 1"),
        ("one too few", "frames - 1 => frames - 2"),
        ("a whole number is wanted: got a str", "(frames - 1) // 2 => 'same'"),
        ("bool", "(frames - 1) // 2 => frames > 1"),
    ],
    "1.5": [
        ("of the values are wrong", "detach() / frames => detach() * (frames == 1)"),
        ("numbers in it that learn: 48", "return deep => return deep.requires_grad_(False)"),
        ("the layer: 'Conv3d' is wanted: got 'Conv2d'", "return deep => return conv"),
        ("the layer: 'Conv3d' is wanted", "return deep => return deep.weight"),
    ],
    "1.6": [
        ("`steps` makes no difference", "range(steps) => range(0)"),
        ("`steps` makes no", "range(steps) => range(30)"),
    ],
    "2.1": [
        ("still split", "channels * size * size => channels, size, size"),
        ("in the wrong places", "5, 1, 4, 6) => 5, 6, 1, 4)"),
    ],
    "2.4": [
        ("axes are joined", ", keepdim=True => "),
        ("in the order (b, n, t, d", ".transpose(1, 2) => "),
        ("you only reshaped",
         ".transpose(1, 2) => .flatten(1, 2).unflatten(1, (sequences.shape[1] - 1, -1))"),
        ("the results are right, but in another order",
         "token, apart[:, :, 1:].transpose(1, 2) => apart[:, :, 1:].transpose(1, 2), token"),
        ("in the first result, ", "mean(dim=1 => amax(dim=1"),
        ("a tuple is wanted", "return token, => return"),
    ],
    "3.1": [
        ("`query` and `key` are exchanged", "query @ key => key @ query"),
        ("`query` is used where `key` should be", "@ key => @ query"),
    ],
    "3.2": [
        ("you only reshaped", "length, heads, => heads, length,", ".transpose(1, 2) => "),
        ("in the order (b, s, heads, d/h", ".transpose(1, 2) => "),
    ],
    "3.3": [
        ("result for kind = 'joint'", "[kind] => ['joint']"),
        ("'space' and 'time' are exchanged",
         "[kind] => [{'space': 'time', 'time': 'space'}.get(kind, kind)]"),
    ],
    "3.4": [
        ("result for axis = 'time'", 'axis == "space" => False'),
        ("'space' and 'time' are exchanged", 'axis == "space" => axis == "time"'),
        ("in the second result, ", "grid + block.ffn(grid) => token + block.ffn(token)"),
        ("the mean of the class token's copies comes too late",
         "reduce(mixed[:, :1] => reduce(late",
         "token = cls + => late = cls.repeat_interleave(copies, 0) + mixed[:, :1]; token =",
         "(late => (late + block.ffn(late)", "return token + block.ffn(token) => return token"),
    ],
    "4.1": [
        ("`key_other` is used where `val", "@ value_own => @ key_other"),
        ("`key_other` and `value_own` ar", "@ value_own => @ key_other",
         "query_other @ key_other => query_other @ value_own"),
    ],
    "4.2": [
        ("`key_other` is used where `val", "@ value_other => @ key_other"),
        ("`key_other` and `value_other`", "@ value_other => @ key_other",
         "query_own @ key_other => query_own @ value_other"),
        ("`query_own.shape[3]**0.5`", "@ value_other => @ value_other * e**0.5"),
    ],
    "4.3": [
        ("result for scheme = 'crossvit'", 'scheme == "crossvit" => True'),
        ("result for scheme = 'paper'", 'scheme == "crossvit" => False'),
        ("are exchanged", "== => !="),
    ],
    "4.4": [
        ("result for query = 'all'", 'query == "all" => True'),
        ("result for query = 'class'", 'query == "all" => False'),
        ("`width` times too large", "* width => * width**2"),
        ("every value is 12 times wha", "return 2 => return 24"),
    ],
    "4.5": [
        ("`target` and `complement` are exchanged",
         "cls, patches = => target, complement = complement, target; cls, patches ="),
        ("result for scheme = 'cross'", 'scheme == "switched" => False'),
        ("'cross' and 'switched' are exchanged", 'scheme == "switched" => scheme == "cross"'),
        ("no gradient reaches", "other, own) => other.detach(), own)",
         "other, other) => other.detach(), other.detach())"),
    ],
    "5.1": [
        ("no gradient reaches `thet", "theta.sigmoid => theta.new_tensor(theta.item()).sigmoid"),
        ("`space` and `time` are",
         "gate * space + (1 - gate) * time => gate * time + (1 - gate) * space"),
        ("`space` is used where `time` should be", "* time => * space"),
        ("shape",
         "gate * space + (1 - gate) * time => torch.cat([gate * space, (1 - gate) * time])"),
    ],
    "5.2": [
        ("divided by `space.numel()", "sum() => mean()"),
        ("and `time` are ex", "space - time => time - space"),
    ],
    "5.3": [
        ("no gradient reaches `block.weigh.theta`", "both, theta => both, theta.detach()"),
        ("it calls itself", lambda b, z, x: sides(b(VideoTokens(z, x)))),
    ],
    "6.1": [
        ("`stride**2` times t", "blocks.mean => blocks.sum"),
        ("you pooled in time too", lambda v, s: F.avg_pool3d(v, s).flatten(3).permute(0, 2, 3, 1)),
        ("you only reshaped", ".permute(0, 2, 3, 4, 1) => "),
        ("in the order (b, n, t, c", "columns, channels) => columns, channels).transpose(1, 2)"),
        ("this is the mean over t;",
         "columns, channels) => columns, channels).mean(1, True).expand(-1, frames, -1, -1)"),
    ],
    "6.2": [
        ("divided by `scale**2`", "dim=4) => dim=4) / scale**2"),
        ("reversed", "dim=4) => dim=4).flip(2)"),
        ("`scale` times too large", "dim=4) => dim=4) * scale"),
    ],
    "6.3": [
        ("is wanted: got", "math.ceil => round"),
    ],
    "6.4": [
        ("plugged into TINY", lambda model, clip: model(clip)),
        ("no gradient reaches `clip`", "model.stem(clip) => model.stem(clip.data)"),
    ],
    "7.1": [
        ("still open", lambda vessel, lumen: float(lumen / vessel)),
        ("exercise 7.2", lambda vessel, lumen: 1 - math.sqrt(lumen / vessel)),
        ("in percent", lambda vessel, lumen: 100 - 100 * lumen / vessel),
    ],
    "7.2": [
        ("the diameter that is still open", lambda area: math.sqrt(1 - area)),
        ("half the area", lambda area: area.item() / 2),
        ("in percent", lambda area: 100 * (1 - math.sqrt(1 - area))),
        ("is wanted: got", lambda area: 1 - (1 - area)**(1 / 3)),
    ],
    "7.4": [
        ("in percent", "(1 - widths[1] / widths[0]) => 100 * (1 - widths[1] / widths[0])"),
    ],
    "7.3": [
        ("has clips in groups",
         lambda p, s, seed: np.random.default_rng(seed).choice(len(s), len(p),
         p=s).tolist()),
        ("is empty: however small its share",
         "[1 for _ in shares] => [int(share * len(names)) for share in shares]"),
        ("the same seed gives another", "Random(seed) => Random()"),
        ("another `seed` changes nothing", "Random(seed) => Random(42)"),
        ("patients; its share of", "names = sorted => shares = shares[::-1]; names = sorted"),
        ("patients; its share of",
         "names = sorted => shares = [1 / len(shares)] * len(shares); names = sorted"),
        ("0 to 2: got 3", "return [group_of => return [1 + group_of"),
        ("is empty", lambda p, s, seed: [0] * len(p)),
        ("one for each clip", "for patient in patients] => for patient in names]"),
        ("a list is wanted",
         "return [group_of[patient] for patient in patients] => return group_of"),
        ("one for each clip: got 10000000000000", lambda p, s, seed: torch.zeros(1).expand(10**15)),
        ("the number of a group is a whole one", lambda p, s, seed: torch.eye(len(p))),
        ("has clips in groups", lambda p, s, seed: split(sorted(p), s, seed)[::-1]),
        ("group", lambda p, s, seed: [hash(name) % len(s) for name in p]),
        *(("in another Python process", f"sorted(set(patients)) => {names}") for names in (
            "list(set(patients))", "[*{str(name) for name in patients}]",
            "list(dict.fromkeys(set(patients)))", "sorted(set(patients), key=hash)",
            "[*frozenset(patients).union(patients)]")),
    ],
    "8.1": [
        ("`predicted` and `true` are exchanged", lambda p, t, k: counts_by_bincount(t, p, k)),
        ("`predicted` and `true` are exchanged", "return counts => return counts.float().T"),
        ("numbers of type int64 are wanted",
         "return counts => return counts / counts.sum(1, True)"),
        ("of the values are wrong", "zip(true, predicted => zip(true[:-1], predicted[1:]"),
    ],
    "8.2": [
        ("the answer is NaN (not a numbe", ".clamp(min=1) => "),
        ("this is F1 of macro precision and macro recall",
         lambda m: 2 / sum(1 / (m.diag() / m.sum(axis)).mean() for axis in (0, 1))),
        ("this is F1 of class 1 alone", "scores.mean() => scores[1]"),
        ("times too large", "scores.mean() => scores.sum()"),
    ],
    "8.3": [
        ("you drew clips", "names = => patients = range(len(patients)); names ="),
        ("a 90 % interval", "0.025, 0.975 => 0.05, 0.95"),
        ("mean +- 1.96 standard deviations", "return low, high => off = 1.96 * accuracy.std(); "
         "return accuracy.mean() - off, accuracy.mean() + off"),
        ("far too narrow", "return low, high => off = 1.96 * accuracy.std() / draws**0.5; "
         "return accuracy.mean() - off, accuracy.mean() + off"),
        ("you averaged the patients' accuracies",
         "right[drawn].sum(dim=1) / clips[drawn].sum(dim=1) => (right / clips)[drawn].mean(dim=1)"),
        ("drawn twice counts once", interval_without_repeats),
        ("an interval near", "return low, high => return high, low"),
        ("two numbers are wanted", "return low, high => return accuracy"),
        ("another `seed` changes", "manual_seed(seed) => manual_seed(42)"),
        ("another `draws` changes", "(draws, len => (1999, len"),
        ("the same seed gives another", "generator=generator => generator=None"),
    ],
    "8.4": [
        ("the loss: ", "labels) => labels, reduction='sum')"),
        ("`loss.item()`: this tensor keeps its gr", ".item() => "),
        ("the weights after the step: ",
         "optimizer.step => torch.optim.SGD(model.parameters(), 0.1).step"),
        ("the weights after the step: ",
         "optimizer.step() => [one.data.sub_(0.1 * one.grad) for one in model.parameters()]"),
    ],
    "8.5": [
        ("is wanted: got", "step / steps => min(step + 1, steps) / steps"),
        ("is wanted: got", "step / steps => step // steps"),
        ("is wanted: got", by_torch_s_scheduler),
    ],
    "8.6": [
        ("0.05 is wanted: got 0", "ndim > 1 => ndim < 2"),
        ("weight decay of `",
         "parameter in model.parameters => name, parameter in model.named_parameters",
         "parameter.ndim > 1 => 'norm' not in name and 'bias' not in name"),
        ("weight decay of `stem.0.weight`: 0.3 is wante",
         '"weight_decay": decay => "weight_decay": 0.05'),
        ("0 is wanted: got 0.01", "0.0} => 0.01}"),
        ("` is in the groups 0 times", "0.0}] => 0.0}][:1]"),
        ("a list of two dicts", lambda model, decay: dict(enumerate(decay_groups(model, decay)))),
        ("a list of two dicts",
         lambda model, decay: [g["params"] for g in decay_groups(model, decay)]),
        ("the groups 0 times", '"params": others => "params": others[:-1]'),
        ("`stem.0.weight` is in the groups 2 times",
         '"params": others => "params": others + kernels[:1]'),
        ("no names, copies or `.data`",
         "append(parameter) => append(parameter.data)"),
        ("no names, copies or `.data`",
         lambda model, decay: [{"params": [n for n, _ in model.named_parameters()]}] * 2),
    ],
    "9.1": [
        ("you only reshaped", lambda s, t, y: s[:, 1:].reshape(*s[:, 0].shape, t, y, -1)),
    ],
    "9.2": [
        ("in the order (b, j, i", "return total => return total.mT"),
    ],
    "10.1": [
        ("every value is 100 times what it sho", "inside / => 100 * inside /"),
    ],
    "10.2": [
        ("wanted", "fmean(own), fmean(other) => fmean(own)"),
    ],
    "10.3": [
        ("are exchanged", lambda a, g: grad_cam(g, a)),
    ],
    "10.4": [
        ("a torch tensor is wanted: got a str", "return torch.tensor(values) => return 'curve'"),
        ("every value is zero", "return torch.tensor(values) => return [0.0] * steps"),
        ("the shape should be", "return torch.tensor(values) => return values[1:]"),
    ],
    "11.1": [
        ("every value is 100 times", "min(1.0, => 100 * min(1.0,"),
        ("one minus that is wanted", "min(1.0, => 1 - min(1.0,"),
        ("this is one tail", lambda a, b: binom.cdf(min(a, b), a + b, 0.5)),
        ("chi-squared approximation with", lambda a, b: chi2.sf((abs(a - b) - 1) ** 2 / (a + b), 1)
         if a != b else 1.0),
    ],
    "11.2": [
        ("three numbers are wanted", "low, high => (low, high)"),
        ("three numbers are wanted", "(gain.sum() / clips.sum()).item(),  => "),
        ("far too narrow", "gains.new_tensor([0.025, 0.975]) => gains.new_tensor([0.499, 0.501])"),
        ("you drew other patients", unpaired_by_widths),
        ("the same seed gives another", ".manual_seed(seed) => .manual_seed(torch.seed())"),
    ],
    "11.3": [
        ("Bonferroni", lambda values: [min(1, len(values) * p) for p in values]),
        ("a list of 7 is wanted", "return adjusted => return adjusted[:-1]"),
    ],
}
# fmt: on


def test_the_insight_s_fractions_hold():
    joint, space, time = (attention_cost(8, 256, 384, kind) for kind in ("joint", "space", "time"))
    assert round(joint / space) == 8
    assert round(joint / time) == 202


@pytest.mark.parametrize(("number", "right"), [(n, right) for n, *right in RIGHT])
def test_right_answers_in_several_styles_pass(number, right):
    verdict = check(number, answer(number, *right))
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("number", "words", "wrong"), [(n, words, it) for n in WRONG for words, *it in WRONG[n]]
)
def test_wrong_answers_are_named(number, words, wrong):
    verdict = check(number, answer(number, *wrong))
    assert not verdict.passed
    assert words in verdict.message
    assert len(verdict.message) < 400  # also where an input is a long list


def test_sizes_are_those_of_the_network():
    seen = []
    with torch.device("meta"):
        model = CSG3DCT(TINY)

    def note(_, __, output):
        seen.append(tuple((output if torch.is_tensor(output) else output[0]).shape[2:]))

    for blocks in itertools.accumulate(stage.blocks for stage in TINY.stages):
        [model.local, *model.convs][blocks - 1].register_forward_hook(note)
    model(torch.empty(1, 3, 7, 48, 48, device="meta"))
    assert seen == [output_size(f"c{place}", 7, 48) for place in range(1, 6)]


@pytest.mark.parametrize("right", [split, by_torch])
def test_right_splits_pass_whatever_they_draw(right):
    for turn in range(1000, 1003):
        assert check("7.3", lambda p, shares, seed, turn=turn: right(p, shares, seed + turn)).passed


def test_the_interval_is_the_exact_one_where_that_is_known():
    """With one clip a patient, right clips in a draw are binomial."""
    correct = torch.tensor([1.0] * 60 + [0.0] * 40)
    low, high = patient_bootstrap(correct, [f"p{place}" for place in range(100)], 20_000, 1)
    draws = np.random.default_rng(0).binomial(100, 0.6, 200_000) / 100
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.0101)


def test_a_patient_s_clips_stay_together():
    wide = patient_bootstrap(torch.tensor([1.0, 0.0]).repeat(20), ["a", "b"] * 20, 500, 1)
    assert wide == (0, 1)


@pytest.mark.parametrize("right", [patient_bootstrap, interval_by_counts])
def test_a_right_interval_passes_whatever_it_draws(right):
    for turn in range(1000, 1003):
        verdict = check("8.3", lambda c, p, draws, seed, turn=turn: right(c, p, draws, seed + turn))
        assert verdict.passed, verdict
