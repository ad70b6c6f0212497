"""Right answers in several styles pass each exercise; wrong ones are rejected and named."""

import functools
import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import nn

from csgcourse import check
from csgcourse.chapter_01 import inflate_center, inflate_conv, inflate_mean, train_kernel
from csgcourse.chapter_02 import fold_space, fold_time, patches, unfold_time
from csgcourse.chapter_03 import attention_cost, attention_map, intra_forward, with_parts
from csgcourse.chapter_04 import fusion_forward
from csgcourse.chapter_05 import weigh
from csgcourse.chapter_06 import output_size, tokens_to_volume, volume_to_tokens
from csgcourse.chapter_07 import split
from csgcourse.chapter_08 import confusion, macro_f1, one_cycle, patient_bootstrap
from csgcourse.chapter_09 import rollout
from csgcourse.chapter_10 import grad_cam, share_inside, swapped_control
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


def plain_conv(conv, frames, padding=0, mode="zeros"):
    """With padding as `nn.Conv3d` has it, in all three axes."""
    size, stride, around = (frames, *conv.kernel_size), (1, *conv.stride), (padding, *conv.padding)
    channels = conv.in_channels, conv.out_channels
    deep = nn.Conv3d(*channels, size, stride, around, bias=conv.bias is not None, padding_mode=mode)
    deep.weight.data = inflate_kernel(conv.weight.data, frames)
    if conv.bias is not None:
        deep.bias.data = conv.bias.data
    return deep


def inflated_by_a_hook(conv, frames):
    deep, beyond = plain_conv(conv, frames), (0, 0, 0, 0, frames // 2, frames // 2)
    deep.register_forward_pre_hook(lambda _, given: F.pad(given[0], beyond, mode="replicate"))
    return deep


def inflated_by_a_class(conv, frames, share=None):
    class Inflated(nn.Conv3d):
        def __init__(self):
            super().__init__(1, 1, 1)
            slices = conv.weight.data / frames if share is None else share(conv.weight.data)
            self.weight = nn.Parameter(slices[:, :, None].repeat(1, 1, frames, 1, 1))
            self.bias = None if conv.bias is None else nn.Parameter(conv.bias.data)

        def forward(self, clip):
            places = torch.arange(-(frames // 2), frames // 2 + 1)
            near = torch.arange(clip.shape[2])[:, None] + places
            near = near.clamp(0, clip.shape[2] - 1)
            bias = self.bias
            each = [
                sum(
                    F.conv2d(clip[:, :, n], self.weight[:, :, s], None, conv.stride, conv.padding)
                    for s, n in enumerate(row.tolist())
                )
                for row in near
            ]
            return torch.stack(each, 2) + (0 if bias is None else bias[:, None, None, None])

    return Inflated()


def changed_conv(change):
    def inflate(conv, frames):
        deep = inflate_conv(conv, frames)
        change(deep)
        return deep

    return inflate


def trained_by_sgd(kernel, clips, labels, steps, *, zeroed=True, size=torch.abs, **options):
    trained = nn.Parameter(kernel.clone())
    optimizer = options.pop("by", torch.optim.SGD)([trained], **{"lr": 1.0, **options})
    for _ in range(steps):
        optimizer.zero_grad() if zeroed else None
        F.cross_entropy(size(F.conv3d(clips, trained)).mean((2, 3, 4)), labels).backward()
        optimizer.step()
    return trained.data


def windows(volume, size, last):
    return volume.unfold(3, size, size).unfold(4, size, size).permute(0, 2, 3, 4, *last)


def patches_by_convolution(volume, size):
    width = volume.shape[1] * size * size
    kernel = torch.eye(width, dtype=volume.dtype).view(width, volume.shape[1], 1, size, size)
    cut = F.conv3d(volume, kernel, stride=(1, size, size))
    return cut.flatten(3).permute(0, 2, 3, 1)


def unfold_by_the_library(sequences, clips):
    width = sequences.shape[2]
    grid = torch.zeros(clips, sequences.shape[1] - 1, len(sequences) // clips, width)
    back = unfold(sequences, "time", like=VideoTokens(torch.zeros(clips, 1, width), grid))
    return back.cls, back.patches


def pixels_as_they_lie(volume, size):
    clips, channels, frames = volume.shape[:3]
    return volume.view(clips, frames, -1, channels * size**2)


def mixed(volume):
    """Frames taken for channels: `reshape` in place of `transpose`."""
    return rearrange(volume.flatten(1, 2), "b (t c) y x -> b c t y x", c=volume.shape[1])


def led(copies, lines):
    return torch.cat([copies, lines], dim=1)


def another_token(reduction):
    """The right patches, and a class token made of its copies (clips, n, d) in another way."""

    def unfold_time_otherwise(sequences, clips):
        copies = sequences[:, 0].reshape(clips, -1, sequences.shape[2])
        return reduction(copies), unfold_time(sequences, clips)[1]

    return unfold_time_otherwise


def another_grid(change):
    """The right class token, and patches made of (clips, n, t, d) in another way."""

    def unfold_time_otherwise(sequences, clips):
        places = sequences[:, 1:].unflatten(0, (clips, -1))
        return unfold_time(sequences, clips)[0], change(places)

    return unfold_time_otherwise


def clips_inside(sequences, clips):
    return (
        reduce(sequences[:, :1], "(n b) 1 d -> b 1 d", "mean", b=clips),
        rearrange(sequences[:, 1:], "(n b) t d -> b t n d", b=clips),
    )


def attention_by_torch(query, key):
    heads, width = query.shape[1], query.shape[1] * query.shape[3]
    whole = torch.nn.MultiheadAttention(width, heads, bias=False, batch_first=True).to(query)
    whole.in_proj_weight.data = torch.eye(width).to(query).repeat(3, 1)
    query, key = (rearrange(one, "b h s e -> b s (h e)") for one in (query, key))
    return whole(query, key, key, average_attn_weights=False)[1]


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


def intra_written(axes="k h e", taken="qkv", *, norms=1, root=0.5, joined=True, late=False):
    """The block as a student writes it, with plain attention, and choices that may be wrong."""

    def forward(block, cls, patches, axis):
        tokens = VideoTokens(cls, patches)
        normed = came = fold(tokens, axis)
        for _ in range(norms):
            normed = block.norm(normed)
        parts = rearrange(block.qkv(normed), f"g s ({axes}) -> k g h s e", k=3, h=block.heads)
        q, k, v = (parts[taken.index(name)] for name in "qkv")
        mixed = shares(q @ k.mT / q.shape[-1] ** root) @ v
        mixed = block.proj((mixed.transpose(1, 2) if joined else mixed).reshape(came.shape))
        if late:  # the whole block within each sequence
            came = came + mixed
            return sides(unfold(came + block.ffn(came), axis, like=tokens))
        tokens = tokens + unfold(mixed, axis, like=tokens)
        return sides(tokens + tokens.map(block.ffn))

    return forward


def steps(change):
    """What a change makes of the block, its tokens, and what attention adds to them."""

    def forward(block, cls, patches, axis):
        tokens = VideoTokens(cls, patches)
        return sides(change(block, tokens, block._attend(tokens)))

    return forward


def fused_by_torch(block, target, complement, scheme):
    """The library's modules, whichever the block is: CA and SWA have the same parts."""
    kind = SwitchedAttention if scheme == "switched" else CrossAttention
    return sides(kind.forward(block, VideoTokens(*target), VideoTokens(*complement)))


def fused(
    choose=lambda cross, c, p, oc, op: (c, op, op) if cross else (oc, op, p),
    normed="qkv",
    start=lambda block, cls, query: cls,
):
    """The fusion head by head, of the tokens that are chosen; `start` is what it is added to."""

    def forward(block, target, complement, scheme):
        branches = (
            part for cls, grid in (target, complement) for part in (cls, grid.flatten(1, 2))
        )
        chosen = choose(scheme == "cross", *branches)
        named = zip("qkv", chosen, strict=True)
        parts = [getattr(block, n)(block.norm(x) if n in normed else x) for n, x in named]
        found = []
        for q, k, v in zip(*(part.chunk(block.heads, dim=-1) for part in parts), strict=True):
            found.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1) @ v)  # one key: gradient 0
        cls = start(block, target[0], chosen[0]) + block.proj(torch.cat(found, dim=-1))
        return [block.ffn(part) + part for part in (cls, target[1])]

    return forward


def amdf_by_modules(block, cls, patches):
    tokens = VideoTokens(cls, patches)
    space, time = block.space(tokens), block.time(tokens)
    return sides(block.weigh(block.into_space(space, time), block.into_time(time, space)))


def amdf(into_space, into_time, gate=None):
    """The AMDF block with other arguments of its fusions, or another gate."""

    def forward(block, cls, patches):
        tokens = VideoTokens(cls, patches)
        s, t = block.space(tokens), block.time(tokens)
        one, other = into_space(block, s, t), into_time(block, s, t)
        a = block.weigh.theta.sigmoid() if gate is None else gate(block.weigh.theta)
        return [a * one.cls + (1 - a) * other.cls, a * one.patches + (1 - a) * other.patches]

    return forward


RIGHT_SPACE, RIGHT_TIME = (lambda b, s, t: b.into_space(s, t)), (lambda b, s, t: b.into_time(t, s))


def shares(scores, axis=-1):
    return scores.exp() / scores.exp().sum(axis, keepdim=True)


def formula(costs):
    kinds = ("joint", "space", "time")
    return lambda t, n, d, kind: costs(t, n, d)[kinds.index(kind)]


def attention(query, key, value, scale=None, axis=-1):
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return (query @ key.mT * scale).softmax(axis) @ value


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


def share_of(theta):
    return 1 / (1 + math.exp(-theta))


def slope(theta):
    return share_of(theta) * share_of(-theta)


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


def grid_of(tokens, rows):
    return rearrange(tokens, "b t (y x) c -> b c t y x", y=rows)


def pooled_volume(volume, window):
    return F.avg_pool3d(volume, window).flatten(3).permute(0, 2, 3, 1)


def divided(*reductions):
    def output(stage, frames, side):
        size = math.ceil(side / reductions[int(stage[1]) - 1])
        return frames, size, size

    return output


def network_by_index(model, clip, start=True, first=1, back=True):
    volume = model.stem(clip)
    tokens = model.embed(volume)
    tokens = model.blocks[0](tokens) if start else tokens
    volume = model.local(volume)
    for n in range(len(model.convs)):
        volume, new = model.convs[n](volume, tokens, model.blocks[first + n])
        tokens = new if back else tokens
    return sum(model.head(volume, tokens.cls))


SETS = (
    lambda patients: list(set(patients)),
    lambda patients: [*{str(name) for name in patients}],
    lambda patients: list(dict.fromkeys(set(patients))),
    lambda patients: sorted(set(patients), key=hash),
    lambda patients: [*frozenset(patients).union(patients)],
)


def in_the_order_of(names_of):
    """A split right in all but the order of its patients, which `names_of` gives."""

    def split_otherwise(patients, shares, seed):
        names = names_of(patients)
        numbers = split([f"{n:04}" for n in range(len(names))], shares, seed)
        group_of = dict(zip(names, numbers, strict=True))
        return [group_of[name] for name in patients]

    return split_otherwise


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


def clips_dealt_out(patients, shares, seed):
    chance = np.random.default_rng(seed)
    return chance.choice(len(shares), size=len(patients), p=shares).tolist()


def rounded_down(patients, shares, seed):
    names = sorted(set(patients))
    random.Random(seed).shuffle(names)
    cuts = [int(sum(shares[:place]) * len(names)) for place in range(len(shares))]
    group_of = {name: sum(place >= cut for cut in cuts) - 1 for place, name in enumerate(names)}
    return [group_of[patient] for patient in patients]


unseeded = itertools.count(7)


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
    return tuple(ends(times @ right / (times @ clips)))


def marked_once(predicted, true, classes):
    counts = torch.zeros(classes, classes)
    counts[true, predicted] += 1
    return counts


def per_class(confusion):
    hits = confusion.diag().double()
    return hits / confusion.sum(0).clamp(min=1), hits / confusion.sum(1).clamp(min=1)


def by_clips(correct, patients, draws, seed):
    chosen = np.random.default_rng(seed).integers(0, len(correct), (draws, len(correct)))
    return ends(correct.numpy()[chosen].mean(1))


def draws_of(correct, patients, draws, seed):
    """Correct clips and all clips of each drawn patient; the patient; many draws."""
    names, owner = np.unique(patients, return_inverse=True)
    right, clips = np.bincount(owner, correct), np.bincount(owner)
    drawn = np.random.default_rng(seed).choice(len(names), (draws, len(names)))
    return right[drawn], clips[drawn], drawn


def ends(means):
    return np.quantile(means, [0.025, 0.975])


def accuracies(*given):
    right, clips, _ = draws_of(*given)
    return right.sum(1) / clips.sum(1)


def without_repeats(correct, patients, draws, seed):
    drawn, names = draws_of(correct, patients, draws, seed)[2], np.unique(patients)
    return ends([np.asarray(correct)[np.isin(patients, names[row])].mean() for row in drawn])


def normal(*given):
    draws = accuracies(*given)
    return draws.mean() - 1.96 * draws.std(), draws.mean() + 1.96 * draws.std()


def standard_error(*given):
    draws = accuracies(*given)
    off = 1.96 * draws.std() / len(draws) ** 0.5
    return draws.mean() - off, draws.mean() + off


def ratio_of_means(*given):
    right, clips, _ = draws_of(*given)
    return ends((right / clips).mean(1))


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


def stepped(model, optimizer, clips, labels, *, order="zbs", loss=F.cross_entropy):
    optimizer.zero_grad() if order[0] == "z" else None
    value = loss(model(clips), labels)
    for letter in order.removeprefix("z"):
        {"b": value.backward, "s": optimizer.step, "z": optimizer.zero_grad}[letter]()
    return value.item()


def by_sgd(model, optimizer, clips, labels):
    value = stepped(model, optimizer, clips, labels, order="zb")
    for weight in model.parameters():
        weight.data.sub_(0.1 * weight.grad)
    return value


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


def groups_by(decays, none=0.0):
    def groups(model, decay):
        sides = [[], []]
        for name, parameter in model.named_parameters():
            sides[not decays(name, parameter)].append(parameter)
        return [
            {"params": sides[0], "weight_decay": decay},
            {"params": sides[1], "weight_decay": none},
        ]

    return groups


def groups_by_module(model, decay):
    kinds = torch.nn.Linear | torch.nn.Conv3d
    kernels = [module.weight for module in model.modules() if isinstance(module, kinds)]
    known = set(kernels)
    return [
        {"params": (p for p in model.parameters() if p not in known), "weight_decay": 0},
        {"params": kernels, "weight_decay": decay},
    ]


MATRIX = groups_by(lambda _, p: p.ndim > 1)


def changed(change):
    return lambda model, decay: change(MATRIX(model, decay))


GRID = "b (t y x) c -> b c t y x"


def rollout_by_halves(maps):
    blocks = [0.5 * m.mean(1) + 0.5 * torch.eye(m.shape[-1]).to(m) for m in maps]
    return functools.reduce(lambda total, block: torch.bmm(block, total), blocks)


def volume(tokens, pattern, frames, rows):
    return rearrange(tokens, pattern, t=frames, y=rows)


def rolled(maps, mend, join=lambda total, block: block @ total):
    return functools.reduce(join, [mend(heads) for heads in maps])


def plus_identity(block):
    return block + torch.eye(block.shape[-1]).to(block)


def normalised(block, axis=-1):
    return block / block.sum(axis, keepdim=True)


def right(heads):
    return normalised(plus_identity(heads.mean(1)))


def swapped(other, own=lambda scores, _: scores.diag().mean().item()):
    def control(maps, masks, patients, score):
        scores = torch.tensor([[score(saliency, mask) for saliency in maps] for mask in masks])
        apart = torch.tensor(np.array(patients)[:, None] != np.array(patients))
        return own(scores, apart), other(scores, apart)

    return control


def by_clip(scores, which):
    return scores.where(which, math.nan).nanmean(dim=1).mean().item()


def score_of_mean(maps, masks, patients, score):
    others = [[m for m, n in zip(maps, patients, strict=True) if n != one] for one in patients]
    means = [sum(those) / len(those) for those in others]
    return swapped_control(maps, masks, patients, score)[0], np.mean([*map(score, means, masks)])


# fmt: off
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
    ("1.5", inflated_by_a_class),
    ("1.6", trained_by_sgd),
    ("1.6", lambda k, *given: train_kernel(k.double(), given[0].double(), *given[1:]).to(k)),
    ("2.1", patches_by_convolution),
    ("2.1", lambda v, s: rearrange(v, "b c t (y p) (x q) -> b t (y x) (c p q)", p=s, q=s)),
    ("2.2", lambda z, x: fold(VideoTokens(z, x), "space")),
    ("2.2", lambda token, grid: torch.cat([token[:, None].expand(-1, grid.shape[1], -1, -1),
     grid], dim=2).flatten(0, 1)),
    ("2.3", lambda z, x: fold(VideoTokens(z, x), "time")),
    ("2.4", unfold_by_the_library),
    ("2.4", lambda sequences, clips: [reduce(sequences[:, :1], "(b n) 1 d -> b 1 d", "mean",
     b=clips), rearrange(sequences[:, 1:], "(b n) t d -> b t n d", b=clips)]),
    ("3.1", Attention.weights),
    ("3.1", attention_by_torch),
    ("3.2", lambda x, h: rearrange(x, "b s (h e) -> b h s e", h=h)),
    ("3.2", lambda x, h: torch.stack(x.chunk(h, dim=-1), dim=1)),
    ("3.3", cost_by_counting),
    ("3.3", lambda *given: 2.0 * attention_cost(*given) / 2),
    ("3.4", lambda block, z, x, axis: sides(IntraDimension.forward(block, VideoTokens(z, x)))),
    ("3.4", intra_by_frames),
    ("3.4", intra_written()),
    ("4.1", F.scaled_dot_product_attention),
    ("4.2", Attention()),
    ("4.3", lambda t, p, s: F.pad(p, (0, 0, 1, 0)).index_copy(1, torch.tensor([0]), t) if s ==
     "crossvit" else p[:]),
    ("4.4", lambda n, d, q: torch.tensor(2 * d * ((n + 1) ** 2 if q == "all" else n))),
    ("4.4", lambda n, d, q: 2.0 * d * ((n + 1) ** 2 if q == "all" else n)),
    ("4.5", fused_by_torch),
    ("4.5", fused()),
    ("5.1", by_the_library),
    ("5.1", lambda s, t, theta: (torch.stack([s, t], -1) * torch.stack([theta, theta *
     0]).softmax(0)).sum(-1)),
    ("5.2", by_autograd),
    ("5.3", amdf_by_modules),
    ("5.3", amdf(RIGHT_SPACE, RIGHT_TIME)),
    ("6.1", down_by_the_library),
    ("6.1", lambda v, s: patches(v, s).unflatten(-1, (v.shape[1], -1)).mean(-1)),
    ("6.2", up_by_the_library),
    ("6.2", lambda z, y, s: torch.kron(grid_of(z, y).contiguous(), torch.ones(s, s).to(z))),
    ("6.3", lambda c, t, y: torch.empty(t, *[-(-y // (4, 4, 8, 16, 32)[int(c[1]) - 1])] * 2).shape),
    ("6.4", CSG3DCT.forward),
    ("6.4", network_by_index),
    ("7.1", lambda vessel, lumen: 1 - float(lumen) / float(vessel)),
    ("7.1", lambda vessel, lumen: np.float32(1) - lumen.numpy() / vessel.numpy()),
    ("7.2", lambda area: 1 - math.sqrt(1 - area)),
    ("7.2", lambda area: -math.expm1(math.log1p(-area) / 2) if area < 1 else 1),
    ("7.3", split_by_patient),
    ("7.3", by_torch),
    ("7.3", in_the_order_of(lambda patients: list(dict.fromkeys(patients)))),
    ("7.3", in_the_order_of(lambda patients: np.unique(patients).tolist())),
    ("7.3", in_the_order_of(np.unique)),
    ("7.3", in_the_order_of(lambda patients: sorted({*patients}, reverse=True))),
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
    ("8.6", changed(lambda groups: tuple(groups[::-1]))),
    ("9.1", lambda tokens, frames, rows: tokens.mT[:, :, 1:].unflatten(2, (frames, rows,
     -1)).contiguous()),
    ("9.2", rollout_by_halves),
    ("10.1", lambda saliency, mask: saliency[mask].mean() / saliency.mean()),
    ("10.1", lambda s, mask: np.average(s, weights=mask) / s.numpy().mean()),
    ("10.2", lambda *given: list(map(torch.tensor, swapped(by_clip)(*given)))),
    ("10.3", lambda a, g: F.relu(torch.einsum("c,ctyx->tyx", g.mean((1, 2, 3)), a))),
    ("10.3", lambda a, g: torch.tensordot(g.flatten(1).mean(1), a, 1).clamp(min=0)),
]
WRONG = {
    "0.1": [
        (lambda numbers: numbers / numbers.shape[0], "how many numbers there are"),
        (lambda numbers: numbers / max(numbers), "divided by the largest"),
        (lambda numbers: numbers.exp() / numbers.exp().sum(), "softmax"),
        (lambda numbers: numbers.sum() / numbers, "upside down"),
        (sum, "the sum alone"),
        (lambda numbers: (numbers / numbers.sum()).tolist(), "a torch tensor is wanted: got a lis"),
        (lambda numbers: numbers / numbers.norm(), "times what it should be"),
    ],
    "1.1": [
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1), "`frames` times too large"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / t / t, "divided by `frames`"),
        (lambda k, t: (k / t).expand(t, -1, -1, -1, -1), "in the order (t, out, in, y, x"),
        (lambda k, t: inflate_kernel(k, 1).expand(-1, -1, t, -1, -1) / k.shape[-1], "width"),
        (lambda k, t: (k / t)[:, :, None], "only the first along t"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / (t + 1), "times what it should be"),
    ],
    "1.2": [
        (lambda k, t: F.pad(k[:, :, None], (0, 0, 0, 0, 0, t - 1)), "the kernel is in the first s"),
        (lambda k, t: F.pad(k[:, :, None], (0, 0, 0, 0, t - 1, 0)), "the kernel is in the last sl"),
        (lambda k, t: inflate_center(k, t).roll(1, 2), "shifted by one along t"),
        (lambda k, t: inflate_mean(k * 0, t), "every value is zero"),
        (inflate_mean, "this is mean inflation"),
    ],
    "1.3": [
        (lambda frames: frames - 1, "this is what both sides need together"),
        (lambda frames: (frames - 1) / 2, "`/` makes a float"),
        (lambda frames: round((frames + 1) / 2), "one too many"),
        (lambda frames: 1, "result for frames = 3"),
        (lambda frames: (frames - 2) // 2, "one too few"),
        (lambda frames: "same", "a whole number is wanted: got a str"),
        (lambda frames: frames > 1, "bool"),
    ],
    "1.4": [
        (lambda c, w, n: 3 * w * (c + (2 * n - 1) * 4 * w), "these are all three slices"),
        (lambda c, w, n: w * (c + (2 * n - 1) * 4 * w), "this is one slice"),
        (lambda c, w, n: 2 * w * (c + (n - 1) * 4 * w), "a stage has `2 * blocks` such"),
        (lambda c, w, n: 2 * w * (c + (2 * n - 1) * w), "all but the first get `4 * width`"),
        (lambda c, w, n: 2 * w * c * 2 * n, "only the first gets `comes_in` channels"),
        (lambda c, w, n: 16 * n * w * w, "the first gets `comes_in` channels, not"),
    ],
    "1.5": [
        (lambda conv, t: plain_conv(conv, t, padding=t // 2), "zeros stand beyond the ends"),
        (lambda conv, t: plain_conv(conv, t, t // 2, "replicate"), "at the borders of a frame"),
        (plain_conv, "nothing is padded in time"),
        (lambda conv, t: inflated_by_a_class(conv, t, lambda k: k / t * t), "add up to `frames`"),
        (lambda conv, t: inflated_by_a_class(conv, t, lambda k: inflate_center(k, t)[:, :, 0] + (
         t == 1) * k), "of the values are wrong"),
        (changed_conv(lambda deep: setattr(deep, "bias", None)), "bias of the 2D layer is lost"),
        (changed_conv(lambda deep: setattr(deep, "stride", (1, 1, 1))), "spatial stride is lost"),
        (changed_conv(lambda deep: deep.requires_grad_(False)), "numbers in it that learn: 48"),
        (lambda conv, t: conv, "the layer: 'Conv3d' is wanted: got 'Conv2d'"),
        (lambda conv, t: inflate_conv(conv, t).weight, "the layer: 'Conv3d' is wanted"),
    ],
    "1.6": [
        (lambda kernel, *_: kernel, "`steps` makes no difference"),
        (lambda *given: trained_by_sgd(*given, size=torch.clone), "the scores lack `.abs()`"),
        (lambda *given: trained_by_sgd(*given, maximize=True), "the loss grows"),
        (lambda *given: trained_by_sgd(*given, lr=1e-3), "the learning rate is 0.001"),
        (lambda *given: trained_by_sgd(*given, zeroed=False), "gradients of earlier steps"),
        (lambda *given: trained_by_sgd(*given, by=torch.optim.Adam, lr=0.1), "this is Adam"),
        (lambda k, c, labels, n: trained_by_sgd(k, c, labels, 30), "`steps` makes no"),
    ],
    "2.1": [
        (pixels_as_they_lie, "you only reshaped"),
        (lambda v, s: F.unfold(v.transpose(1, 2).flatten(0, 1), s).mT.unflatten(0, (len(v), -1)),
         "your patches overlap"),
        (lambda v, s: windows(v, s, (5, 6, 1)).flatten(4).flatten(2, 3), "the channels come last"),
        (lambda v, s: windows(v, s, (1, 6, 5)).flatten(4).flatten(2, 3), "inside a patch rows and"),
        (lambda v, s: windows(v, s, (1, 5, 6)).flatten(2, 3), "still split"),
        (lambda v, s: patches(v, s).unflatten(-1, (-1, s)).mT.flatten(-2), "in the wrong places"),
    ],
    "2.2": [
        (lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.flatten(0, 1)), "the class token is of an"),
        (lambda z, x: led(x.flatten(0, 1), z.repeat_interleave(x.shape[1], 0)), "the class token"),
        (fold_time, "this folds along time"),
        (lambda z, x: fold(VideoTokens(z, x), "joint"), "one sequence a clip"),
        (lambda z, x: fold_space(z, x)[:, 1:], "the class token is missing"),
        (lambda z, x: fold_space(z, x.transpose(1, 2).reshape(x.shape)), "t and n are mixed up (t"),
        (lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.transpose(0, 1).flatten(0, 1)),
         "the sequences are not clip by clip, b first"),
    ],
    "2.3": [
        (lambda z, x: led(z.repeat_interleave(x.shape[2], 0), x.reshape(-1, x.shape[1],
         x.shape[3])), "t and n are mixed up (only reshaped)"),
        (lambda z, x: led(z.repeat(x.shape[2], 1, 1), x.transpose(1, 2).flatten(0, 1)),
         "the class token is of another clip"),
        (fold_space, "this folds along space"),
        (lambda z, x: fold_time(z, x).roll(-1, dims=1), "the class token is last"),
        (lambda z, x: rearrange(fold_time(z, x), "(b n) s d -> (n b) s d", b=len(z)),
         "the sequences are not clip by clip, b first"),
    ],
    "2.4": [
        (another_token(lambda copies: copies.sum(1, keepdim=True)), "you summed the copies"),
        (another_token(lambda copies: copies[:, :1]), "you kept the copy of the first position"),
        (another_token(lambda copies: copies.mean(1)), "axes are joined"),
        (another_token(lambda copies: copies), "are all still there"),
        (another_token(lambda copies: copies.mean((0, 1)).expand(len(copies), 1, -1)),
         "you took the mean of the class token"),
        (another_grid(lambda places: places), "in the order (b, n, t, d"),
        (another_grid(lambda p: p.reshape(len(p), p.shape[2], p.shape[1], p.shape[3])),
         "you only reshaped"),
        (lambda s, b: unfold_time(s, b)[::-1], "the results are right, but in another order"),
        (clips_inside, "clips are mixed up"),
        (another_token(lambda copies: copies.amax(1, keepdim=True)), "in the first result, "),
        (lambda s, b: unfold_time(s, b)[1], "a tuple is wanted"),
    ],
    "3.1": [
        (lambda q, k: shares(q @ k.mT), "the division by sqrt(e) is missing"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]), "you divided by e;"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]**1 / 2), "the scores are divided by 2*e"),
        (lambda q, k: shares(q @ k.mT / q[0, :, 0].numel()**0.5), "you divided by sqrt(h*e)"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]**0.5, -2), "softmax went over the queries"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]**0.5, 1), "softmax went over the heads"),
        (lambda q, k: shares(q @ k.mT) / q.shape[-1]**0.5, "you divided after the softmax"),
        (lambda q, k: attention_map(k, q), "`query` and `key` are exchanged"),
        (lambda q, k: attention_map(q, q), "`query` is used where `key` should be"),
    ],
    "3.2": [
        (lambda x, h: x.view(len(x), h, x.shape[1], -1), "you only reshaped"),
        (lambda x, h: x.unflatten(-1, (h, -1)), "in the order (b, s, heads, d/h"),
        (lambda x, h: rearrange(x, "b s (e h) -> b h s e", h=h), "every heads-th number"),
        (lambda x, h: torch.stack(x.split(h, -1), 1), "the number of heads and their width are"),
        (lambda x, h: torch.stack([x] * h, 1), "every head got the whole token"),
    ],
    "3.3": [
        (formula(lambda t, n, d: (2 * (t * n)**2 * d, 2 * t * n**2 * d, 2 * n * t**2 * d)),
         "the class token of each sequence is missing"),
        (formula(lambda t, n, d: ((1 + t * n)**2 * d, t * (1 + n)**2 * d, n * (1 + t)**2 * d)),
         "this is one product"),
        (formula(lambda t, n, d: (2 * (1 + t * n)**2 * d, 2 * (1 + n)**2 * d, 2 * (1 + t)**2 * d)),
         "this is one sequence"),
        (lambda t, n, d, kind: 2 * (1 + t * n)**2 * d, "result for kind = 'joint'"),
        (formula(lambda t, n, d: (2 * (1 + t * n)**2 * d, 2 * n * (1 + t)**2 * d, 2 * t * (1 +
         n)**2 * d)), "'space' and 'time' are exchanged"),
        (formula(lambda t, n, d: (2 * (t * (1 + n))**2 * d, 2 * t * (1 + n)**2 * d, 2 * n * (1 +
         t)**2 * d)), "the clip has one class token, not one a"),
        (lambda t, n, d, kind: attention_cost(t, n**2, d, kind), "not on a side"),
        (formula(lambda t, n, d: tuple(2 * s * k**2 * d + 4 * s * k * d**2 for s, k in ((1, 1 + t *
         n), (t, 1 + n), (n, 1 + t)))), "the projections are counted too"),
    ],
    "3.4": [
        (steps(lambda b, x, a: a + a.map(b.ffn)), "the residual connection around attention is"),
        (steps(lambda b, x, a: (x + a).map(b.ffn)), "the residual connection around the FFN is"),
        (steps(lambda b, x, a: x + a), "the FFN is missing"),
        (steps(lambda b, x, a: x + x.map(b.ffn)), "attention is missing"),
        (steps(lambda b, x, a: x + a + x.map(b.ffn)), "the FFN reads what attention has updated"),
        (lambda b, z, x, axis: intra_by_frames(b, z, x, "time"), "result for axis = 'time'"),
        (lambda b, z, x, axis: intra_by_frames(b, z, x, {"space": "time", "time": "space"}[axis]),
         "'space' and 'time' are exchanged"),
        (lambda b, z, x, axis: intra_forward(b, z, x, axis)[:1] * 2, "in the second result, "),
        (lambda b, z, x, axis: (z + b.ffn(z), intra_forward(b, z, x, axis)[1]), "updated too"),
        (intra_written(late=True), "the mean of the class token's copies comes too late"),
        (intra_written(joined=False), "the heads are joined by `reshape` alone"),
        (lambda b, z, x, axis: (intra_by_frames(b, z, x.narrow(1 if axis == "space" else 2, 0, 1),
         axis)[0], intra_forward(b, z, x, axis)[1]), "one copy of the class token is kept"),
        *((intra_written(taken=order), "queries, keys, values; you took") for order in
          ("qvk", "kqv", "kvq", "vqk", "vkq")),
        (intra_written("h k e"), "you split by heads first"),
        (intra_written(root=0), "the division by sqrt(e) is missing"),
        (intra_written(norms=2), "`block.norm` is applied twice"),
        (intra_written(norms=0), "`block.norm` comes"),
        (steps(lambda b, x, a: (x + a) + (x + a).map(b.norm).map(b.ffn)), "norm of its own"),
        (steps(lambda b, x, a: VideoTokens((x + a).cls, (x + a + (x + a).map(b.ffn)).patches)),
         "the FFN updates the class token too"),
    ],
    "4.1": [
        (lambda q, k, v: attention(q, k, v, scale=1), "the division by sqrt(e) is missing"),
        (lambda q, k, v: attention(q, k, v, scale=1 / q.shape[-1]), "you divided by e"),
        (lambda q, k, v: attention(q, k, v, axis=2), "the softmax went over the queries"),
        (lambda q, k, v: attention(q, k, v, axis=1), "the softmax went over the heads"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k), "`key_other` is used where `val"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k), "`key_other` and `value_own` ar"),
        (lambda q, k, v: Attention.weights(q, k), "this is the attention map"),
        (lambda q, k, v: q + attention(q, k, v), "the query is added: the residual"),
        (lambda q, k, v: v + attention(q, k, v), "the values are added: the residual"),
        (lambda q, k, v: attention(q, k, v, scale=(q.shape[1] * q.shape[-1])**(-0.5)),
         "you divided by sqrt(h*e)"),
    ],
    "4.2": [
        (lambda q, k, v: attention(q, k, v, scale=1), "the division by sqrt(e) is missing"),
        (lambda q, k, v: attention(q, k, v, axis=2), "the softmax went over the queries"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k), "`key_other` is used where `val"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k), "`key_other` and `value_other`"),
        (lambda query, key, value: attention(query, torch.cat([query, key], 2),
         torch.cat([query, value], 2)), "the own token is among keys and values,"),
        (lambda q, k, v: q + attention(q, k, v), "the query is added"),
        (lambda q, k, v: q @ k.mT @ v / math.sqrt(q.shape[-1]), "the softmax is missing"),
        (lambda q, k, v: attention(q, k, v) * math.sqrt(q.shape[-1]), "`query_own.shape[3]**0.5`"),
    ],
    "4.3": [
        (lambda t, p, s: torch.cat([t, p], 1), "result for scheme = 'crossvit'"),
        (lambda t, p, s: p, "result for scheme = 'paper'"),
        (lambda t, p, s: torch.cat([t, p], 1) if s == "paper" else p, "are exchanged"),
        (lambda t, p, s: torch.cat([p, t], 1) if s == "crossvit" else p, "the own token is last"),
        (lambda t, p, s: torch.cat([p[:, :1], p], 1) if s == "crossvit" else p, "the other branch"),
        (lambda t, p, s: torch.cat([t, p[:, 1:]], 1) if s == "crossvit" else p, "the first patch"),
        (lambda t, p, s: t + p if s == "crossvit" else p, "was added to each patch"),
    ],
    "4.4": [
        (lambda n, d, q: ((1 + n)**2 if q == "all" else n) * d, "this is one product"),
        (lambda n, d, q: 2 * (n * n if q == "all" else n) * d, 'with "all" the class token counts'),
        (lambda n, d, q: 2 * (n + 1) * (n + 1 if q == "all" else 1) * d, 'with "class" the class'),
        (lambda n, d, q: 2 * (n + 1) * (n + 1) * d, "result for query = 'all'"),
        (lambda n, d, q: 2 * n * d, "result for query = 'class'"),
        (lambda n, d, q: 4 * ((1 + n)**2 if q == "all" else n) * d, "this is twice too much"),
        (lambda n, d, q: 2 * ((1 + n)**2 if q == "all" else n) * d * d, "`width` times too large"),
        (lambda n, d, q: 24 * ((1 + n)**2 if q == "all" else n) * d, "every value is 12 times wha"),
    ],
    "4.5": [
        (lambda b, t, c, s: fusion_forward(b, c, t, s), "`target` and `complement` are exchanged"),
        (lambda b, t, c, s: fusion_forward(b, t, c, "cross"), "result for scheme = 'cross'"),
        (lambda b, t, c, s: fusion_forward(b, t, c, {"cross": "switched", "switched": "cross"}[s]),
         "'cross' and 'switched' are exchanged"),
        (lambda b, t, c, s: (fusion_forward(b, t, c, s)[0], t[1]), "the FFN updates the patches"),
        (fused(start=lambda b, cls, query: query), "add to the target's class token, not to the c"),
        (fused(start=lambda b, cls, query: b.norm(cls)), "not to the normed one"),
        (lambda b, t, c, s: (fusion_forward(b, t, c, s)[0], c[1] + b.ffn(c[1])), "these are the"),
        (fused(lambda ca, c, p, oc, op: (c, op, op) if ca else (oc, p, p)), "the keys are the com"),
        (fused(lambda ca, c, p, oc, op: (c, op, op) if ca else (c, p, op)), "gives the map, the"),
        (fused(lambda ca, c, p, oc, op: (oc, op, op if ca else p)), "in cross-attention the query"),
        (fused(lambda ca, c, p, oc, op: (c, *[torch.cat([c, op], 1)] * 2) if ca else (oc, op, p)),
         "as in CrossViT"),
        (fused(lambda ca, c, p, oc, op: (c if ca else oc, torch.cat([oc, op], 1),
         torch.cat([oc, op] if ca else [c, p], 1))), "a class token is among keys and values"),
        (fused(normed="q"), "`block.norm` is for keys and values too"),
        (fused(normed="qv"), "`block.norm` is for the keys too"),
        (lambda b, t, c, s: fusion_forward(b, t, (t[0] if s == "switched" else c[0], c[1]), s),
         "the query is the complement's class token"),
        (lambda b, t, c, s: fusion_forward(b, t, (c[0], c[1].detach()), s), "no gradient reaches"),
        (lambda b, *g: fusion_forward(with_parts(b, heads=1), *g), "the heads are not split"),
        (lambda b, *g: fusion_forward(with_parts(b, proj=nn.Identity()), *g), "`block.proj` is m"),
        (lambda b, *g: fusion_forward(with_parts(b, norm=nn.Identity()), *g), "`block.norm` comes"),
    ],
    "5.1": [
        (lambda s, t, theta: weigh(s, t, torch.tensor(theta.item())), "no gradient reaches `thet"),
        (lambda s, t, theta: share_of(theta) * t + share_of(-theta) * s, "`space` and `time` are"),
        (lambda s, t, theta: theta * s + (1 - theta) * t, "theta is used as it is"),
        (lambda s, t, theta: torch.lerp(t, s, theta.clip(0, 1)), "theta is cut off, so its gradie"),
        (lambda s, t, theta: torch.tanh(theta) * s + (1 - torch.tanh(theta)) * t,
         "tanh may be negative"),
        (lambda s, t, theta: share_of(theta) * s + t, "time counts in full"),
        (lambda s, t, theta: share_of(theta) * (t + s), "both branches have the weight a"),
        (lambda s, t, theta: torch.stack([s, t]).mean(0), "the plain mean"),
        (lambda s, t, theta: s, "`space` is used where `time` should be"),
        (lambda s, t, theta: s * torch.softmax(theta, 0) + t, "this is the plain sum"),
        (lambda s, t, theta: torch.cat([share_of(theta) * s, share_of(-theta) * t]), "shape"),
    ],
    "5.2": [
        (lambda s, t, theta, up: (up * (s - t)).sum(), "this is the derivative by a"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * share_of(theta), "1 - a is missing"),
        (lambda s, t, theta, up: up * (s - t) * slope(theta), "one theta for all elements"),
        (lambda s, t, theta, up: (up * (s - t)).mean() * slope(theta), "divided by `space.numel()"),
        (lambda s, t, theta, up: (s - t).sum() * slope(theta), "`upstream`, the gradient of the l"),
        (lambda s, t, theta, up: (up * (t - s)).sum() * slope(theta), "and `time` are ex"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * theta * (1 - theta), "theta for a"),
        (lambda s, t, theta, up: (up * s).sum() * slope(theta), "time depends on theta too"),
        (lambda s, t, theta, up: up.sum() * (s - t).sum() * slope(theta), "you summed first"),
    ],
    "5.3": [
        (amdf(RIGHT_SPACE, lambda b, s, t: b.into_time(t, b.into_space(s, t))), "updated; both"),
        (amdf(lambda b, s, t: b.into_space(s, b.into_time(t, s)), RIGHT_TIME), "has updated; both"),
        (amdf(lambda b, s, t: s, lambda b, s, t: t), "both fusions are missing"),
        (amdf(lambda b, s, t: b.into_space(t, s), lambda b, s, t: b.into_time(s, t)), "targets"),
        (amdf(lambda b, s, t: b.into_time(s, t), lambda b, s, t: b.into_space(t, s)),
         "`into_space` and `into_time` are exchanged"),
        (amdf(RIGHT_TIME, RIGHT_SPACE), "the weights are exchanged"),
        (amdf(RIGHT_SPACE, RIGHT_TIME, lambda theta: theta), "theta is used as it is"),
        (amdf(RIGHT_SPACE, RIGHT_TIME, lambda theta: 0.5), "the plain mean"),
        (amdf(RIGHT_SPACE, RIGHT_TIME, lambda theta: 1 / (1 + math.exp(-theta.item()))),
         "no gradient reaches `block.weigh.theta`"),
        (lambda b, z, x: sides(b(VideoTokens(z, x))), "it calls itself"),
    ],
    "6.1": [
        (lambda v, s: patches(v, s).unflatten(-1, (v.shape[1], -1)).sum(-1), "`stride**2` times t"),
        (lambda v, s: F.max_pool3d(v, (1, s, s)).flatten(3).permute(0, 2, 3, 1), "max pooling"),
        (lambda v, s: v[..., ::s, ::s].flatten(3).permute(0, 2, 3, 1), "you kept the first pixel"),
        (pooled_volume, "you pooled in time too"),
        (lambda v, s: pooled_volume(v.mT, (1, s, s)), "column by column"),
        (lambda v, s: volume_to_tokens(mixed(v), s), "channels and frames are mixed up"),
        (lambda v, s: F.avg_pool3d(v, (1, s, s)).reshape(len(v), v.shape[2], -1, v.shape[1]),
         "you only reshaped"),
        (lambda v, s: reduce(v, "b c t (p y) (q x) -> b t (y x) c", "mean", p=s, q=s),
         "blocks take pixels far apart"),
        (lambda v, s: volume_to_tokens(v, s).transpose(1, 2), "in the order (b, n, t, c"),
        (lambda v, s: volume_to_tokens(v, s).mean(1, True).expand(-1, v.shape[2], -1, -1),
         "this is the mean over t;"),
    ],
    "6.2": [
        (lambda z, y, s: grid_of(z, y).repeat(1, 1, 1, s, s), "like tiles"),
        (lambda z, y, s: F.interpolate(grid_of(z, y), scale_factor=(1.0, s, s),
         mode="trilinear", align_corners=False), "neighbours are blended (bilinear)"),
        (lambda z, y, s: F.interpolate(grid_of(z, y), scale_factor=s), "you repeated frames too"),
        (lambda z, y, s: tokens_to_volume(z, z.shape[2] // y, s).mT, "column by column"),
        (lambda z, y, s: tokens_to_volume(z, z.shape[2] // y, s), "for the number of columns"),
        (lambda z, y, s: F.interpolate(z.reshape(len(z), z.shape[3], z.shape[1], y, -1),
         scale_factor=(1, s, s)), "you only reshaped"),
        (lambda z, y, s: z.repeat_interleave(s * s, 2).permute(0, 3, 1, 2).reshape(len(z),
         z.shape[3], z.shape[1], y * s, -1), "each token fills pixels in a row, not a"),
        (lambda z, y, s: tokens_to_volume(z, y, 1), "the grid is right"),
        (lambda z, y, s: tokens_to_volume(z, y, s) / s / s, "divided by `scale**2`"),
        (lambda z, y, s: tokens_to_volume(z, y, s).flip(2), "reversed"),
        (lambda z, y, s: tokens_to_volume(z, y, s) * s, "`scale` times too large"),
    ],
    "6.3": [
        (divided(4, 4, 8, 16, 16), "8 x 8 in Table SI, not 16 x 16"),
        (divided(2, 4, 8, 16, 32), "c1 is twice too large"),
        (divided(4, 8, 16, 32, 64), "c2 halves nothing"),
        (divided(1, 1, 2, 4, 8), "the stem is missing"),
        (divided(16, 16, 16, 16, 16), "this is the grid of patches"),
        (lambda c, t, y: (t // (y // output_size(c, t, y)[1]), *output_size(c, t, y)[1:]), "time"),
        (lambda c, t, y: (t, 1 + (y // 16)**2), "class token included"),
        (lambda c, t, y: output_size(c, 8, 256), "for the paper's clip alone"),
        (lambda c, t, y: (t, output_size(c, t, y)[1]), "three numbers are wanted"),
        (lambda c, t, y: (t, *[y // (4, 4, 8, 16, 32)[int(c[1]) - 1]] * 2), "rounds up"),
        (lambda c, t, y: (t, *[round(y / (4, 4, 8, 16, 32)[int(c[1]) - 1])] * 2), "is wanted: got"),
    ],
    "6.4": [
        (lambda model, clip: model(clip), "plugged into TINY"),
        (lambda model, clip: model(clip).softmax(-1), "these are probabilities"),
        (lambda model, clip: model.head_logits(clip).mean(0), "averaged"),
        (lambda model, clip: model.head_logits(clip)[0], "this is the first head alone"),
        (lambda model, clip: network_by_index(model, clip, first=0), "beside the wrong block"),
        (lambda model, clip: network_by_index(model, clip, start=False), "`blocks[0]` is missing"),
        (lambda model, clip: network_by_index(model, clip, start=False, first=0), "is left over"),
        (lambda model, clip: network_by_index(model, clip, back=False), "every conv block gets"),
        (lambda model, clip: network_by_index(model, clip.data), "no gradient reaches `clip`"),
    ],
    "7.1": [
        (lambda vessel, lumen: lumen / vessel, "still open"),
        (lambda vessel, lumen: float(lumen / vessel), "still open"),
        (lambda vessel, lumen: 1 - vessel / lumen, "upside down"),
        (lambda vessel, lumen: (vessel - lumen) / lumen, "you divided by the lumen, what is still"),
        (lambda vessel, lumen: 1 - (lumen / vessel).sqrt(), "exercise 7.2"),
        (lambda vessel, lumen: 1 - math.sqrt(lumen / vessel), "exercise 7.2"),
        (lambda vessel, lumen: 100 - 100 * lumen / vessel, "in percent"),
        (lambda vessel, lumen: vessel - lumen, "this is the closed area"),
        (lambda vessel, lumen: 1 - (lumen / vessel)**2, "they are areas already"),
    ],
    "7.2": [
        (lambda area: math.sqrt(1 - area), "the diameter that is still open"),
        (lambda area: 1 - torch.sqrt(area), "the root of the closed area"),
        (lambda area: area**0.5, "the root of the closed share"),
        (lambda area: area, "this is the area stenosis"),
        (lambda area: area.item() / 2, "half the area"),
        (lambda area: 2 * area - area**2, "this is the other direction, from"),
        (lambda area: 100 * (1 - math.sqrt(1 - area)), "in percent"),
        (lambda area: 1 - (1 - area)**(1 / 3), "is wanted: got"),
    ],
    "7.3": [
        (clips_dealt_out, "has clips in groups"),
        (rounded_down, "is empty: however small its share"),
        (lambda patients, shares, seed: split(patients, shares, random.randrange(10**9)),
         "the same seed gives another"),
        (lambda p, s, seed: split(p, s, 42), "another `seed` changes nothing"),
        (lambda p, s, seed: split(p, s[::-1], seed), "patients; its share of"),
        (lambda p, s, seed: split(p, [1 / len(s)] * len(s), seed), "patients; its share of"),
        (lambda p, s, seed: [group + 1 for group in split(p, s, seed)], "0 to 2: got 3"),
        (lambda p, s, seed: [0] * len(p), "is empty"),
        (lambda p, s, seed: split(sorted(set(p)), s, seed), "one for each clip"),
        (lambda p, s, seed: dict(zip(p, split(p, s, seed), strict=True)), "a list is wanted"),
        (lambda p, s, seed: torch.zeros(1).expand(10**15), "one for each clip: got 10000000000000"),
        (lambda p, s, seed: torch.eye(len(p)), "the number of a group is a whole one"),
        (lambda p, s, seed: split(sorted(p), s, seed)[::-1], "has clips in groups"),
        (lambda p, s, seed: [hash(name) % len(s) for name in p], "group"),
        *((in_the_order_of(set_of), "in another Python process") for set_of in SETS),
    ],
    "8.1": [
        (lambda p, t, k: counts_by_bincount(t, p, k), "`predicted` and `true` are exchanged"),
        (lambda p, t, k: confusion(p, t, k).float().T, "`predicted` and `true` are exchanged"),
        (lambda p, t, k: confusion(p, t, k) / len(t), "shares of all clips"),
        (lambda p, t, k: confusion(p, t, k).float() / confusion(p, t, k).sum(1, True),
         "numbers of type int64 are wanted"),
        (lambda p, t, k: confusion(p, t, k).diag().diag(), "only the correct predictions were cou"),
        (marked_once, "each cell counts to one at most"),
        (lambda p, t, k: confusion(p, t, int(max(p.max(), t.max())) + 1), "the last class is"),
        (lambda p, t, k: confusion(k - 1 - p, k - 1 - t, k), "the classes are in reverse order"),
        (lambda p, t, k: confusion(p[1:], t[:-1], k), "of the values are wrong"),
    ],
    "8.2": [
        (lambda m: m.trace() / m.sum(), "this is the accuracy (micro F1)"),
        (lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1))).nanmean(), "never predicted and never"),
        (lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1))).mean(), "the answer is NaN (not a numbe"),
        (lambda m: np.average(2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(1), weights=m.sum(1)),
         "weighted by their number of clips"),
        (lambda m: torch.stack(per_class(m)).mean(), "the plain mean of precision and recall"),
        (lambda m: per_class(m)[1].mean().item(), "this is the mean recall; F1 takes in"),
        (lambda m: (m.diag() / m.sum(1)).nanmean(), "the mean recall (of the classes that occur)"),
        (lambda m: 2 / sum(1 / (m.diag() / m.sum(axis)).nanmean() for axis in (0, 1)),
         "this is F1 of macro precision and macro recall (of"),
        (lambda m: 2 / sum(1 / (m.diag() / m.sum(axis)).mean() for axis in (0, 1)),
         "this is F1 of macro precision and macro recall"),
        (lambda m: 2 * m[1, 1] / (m[1].sum() + m[:, 1].sum()), "this is F1 of class 1 alone"),
        (lambda m: macro_f1(m) * len(m), "times too large"),
        (lambda m: macro_f1(m[m.sum(1) > 0][:, m.sum(1) > 0]), "never predicted and never true"),
    ],
    "8.3": [
        (by_clips, "you drew clips"),
        (lambda *given: np.quantile(accuracies(*given), [0.05, 0.95]), "a 90 % interval"),
        (normal, "mean +- 1.96 standard deviations"),
        (standard_error, "far too narrow"),
        (ratio_of_means, "you averaged the patients' accuracies"),
        (without_repeats, "drawn twice counts once"),
        (lambda *given: tuple(reversed(patient_bootstrap(*given))), "an interval near"),
        (accuracies, "two numbers are wanted"),
        (lambda c, p, draws, seed: patient_bootstrap(c, p, draws, 42), "another `seed` changes"),
        (lambda c, p, draws, seed: patient_bootstrap(c, p, 1999, seed), "another `draws` changes"),
        (lambda c, p, draws, seed: patient_bootstrap(c, p, draws, next(unseeded)),
         "the same seed gives another"),
    ],
    "8.4": [
        (lambda *given: stepped(*given, order="bs"), "gradients of the step before were added in"),
        (lambda *given: stepped(*given, order="zb"), "no weight has moved"),
        (lambda *given: stepped(*given, order="bzs"), "no weight has moved"),
        (lambda *given: (stepped(*given), stepped(*given))[1], "the weights have moved twice"),
        (lambda *given: (stepped(*given), stepped(*given, order="z"))[1], "the loss after the st"),
        (lambda *given: stepped(*given, loss=lambda p, y: F.cross_entropy(p.softmax(1), y)),
         "takes logits"),
        (lambda *given: stepped(*given, loss=functools.partial(F.cross_entropy, reduction="sum")),
         "the loss: "),
        (lambda m, o, x, y: F.cross_entropy(m(x), y), "`loss.item()`: this tensor keeps its gr"),
        (lambda m, o, x, y: stepped(m, torch.optim.SGD(m.parameters(), lr=0.1), x, y),
         "the weights after the step: "),
        (by_sgd, "the weights after the step: "),
    ],
    "8.5": [
        (lambda s, n, lr: lr * (0.04 + 0.96 * s / n / 0.3) if s < 0.3 * n else one_cycle(s, n, lr),
         "it rises along a straight line"),
        (lambda s, n, lr: lr * (n - s) / n / 0.7 if s > 0.3 * n else one_cycle(s, n, lr),
         "it falls along a straight line"),
        (lambda s, n, lr: lr * min(0.04 + 0.96 * s / n / 0.3, (n - s) / n / 0.7),
         "it rises and falls along straight lines"),
        (lambda s, n, lr: one_cycle(s, n, lr) * (1 - 0.04 * (s > 0.3 * n)) + 0.04 * lr *
         (s > 0.3 * n), "it falls to `lr / 25`"),
        (lambda s, n, lr: one_cycle(s, n, 1.0), "a fraction of the peak"),
        (lambda s, n, lr: one_cycle(min(s, round(0.3 * n)), n, lr), "it stays at `lr`"),
        (lambda s, n, lr: one_cycle(min(s + 1, n), n, lr), "is wanted: got"),
        (lambda s, n, lr: one_cycle(s // n, n, lr), "is wanted: got"),
        (lambda s, n, lr: lr * (1 + math.cos(math.pi * s / n)) / 2 if s >= 0.3 * n else
         one_cycle(s, n, lr), "falls over all steps"),
        (by_torch_s_scheduler, "is wanted: got"),
    ],
    "8.6": [
        (groups_by(lambda *_: True), "everything decays"),
        (groups_by(lambda _, p: p.ndim < 2), "0.05 is wanted: got 0"),
        (groups_by(lambda name, _: "bias" not in name), "norms and gates decay"),
        (groups_by(lambda _, p: p.ndim != 1), "the gates decay"),
        (groups_by(lambda name, _: "norm" not in name and "bias" not in name), "weight decay of `"),
        (groups_by(lambda _, p: p.ndim == 2), "kernels do not decay"),
        (lambda model, decay: MATRIX(model, 0.05), "weight decay of `stem.0.weight`: 0.3 is wante"),
        (groups_by(lambda _, p: p.ndim > 1, 1e-2), "0 is wanted: got 0.01"),
        (changed(lambda groups: groups[:1]), "` is in the groups 0 times"),
        (changed(lambda groups: dict(enumerate(groups))), "a list of two dicts"),
        (changed(lambda groups: [one["params"] for one in groups]), "a list of two dicts"),
        (changed(lambda g: [g[0], g[1] | {"params": g[1]["params"][:-1]}]), "the groups 0 times"),
        (changed(lambda g: [g[0], g[1] | {"params": g[1]["params"] + g[0]["params"][:1]}]),
         "`stem.0.weight` is in the groups 2 times"),
        (changed(lambda g: [one | {"params": [p.data for p in one["params"]]} for one in g]),
         "no names, copies or `.data`"),
        (lambda model, decay: [{"params": [n for n, _ in model.named_parameters()]}] * 2,
         "no names, copies or `.data`"),
    ],
    "9.1": [
        (lambda s, t, y: volume(s[:, :-1], GRID, t, y), "you dropped the last token"),
        (lambda s, t, y: volume(s[:, 1:], "b (y x t) c -> b c t y x", t, y), "patch by patch"),
        (lambda s, t, y: volume(s[:, 1:], "b (t x y) c -> b c t y x", t, y), "column by column"),
        (lambda s, t, y: s[:, 1:].reshape(*s[:, 0].shape, t, y, -1), "you only reshaped"),
    ],
    "9.2": [
        (lambda maps: rolled(maps, lambda m: normalised(m.mean(1))), "the identity (the residual"),
        (lambda maps: rolled(maps, lambda m: plus_identity(m.mean(1))), "rows sum to 2"),
        (lambda maps: rollout(maps[::-1]), "in the wrong order"),
        (lambda maps: rolled(maps, lambda m: normalised(plus_identity(m.max(1).values))),
         "the maximum over the heads"),
        (lambda maps: rolled(maps, lambda m: normalised(plus_identity(m.mean(1)), -2)),
         "you divided columns, not rows, by their"),
        (lambda maps: rolled(maps, right, lambda total, block: total * block), "element by elemen"),
        (lambda maps: rollout(maps[-1:]), "only the last block counts"),
        (lambda maps: sum(right(heads) for heads in maps) / len(maps), "the mean over the block"),
        (lambda maps: rollout(maps).transpose(1, 2), "in the order (b, j, i"),
    ],
    "10.1": [
        (lambda s, mask: (s * mask).sum() / s.sum(), "this is the share of saliency insi"),
        (lambda saliency, mask: saliency[mask].mean(), "this is the mean inside"),
        (lambda saliency, mask: saliency[mask].sum(), "this is the sum inside"),
        (lambda saliency, mask: saliency[mask].mean() / saliency[~mask].mean(), "with outside"),
        (lambda saliency, mask: saliency[mask].sum() / saliency[~mask].sum(), "the sum outside"),
        (lambda s, mask: 100 * s[mask].mean() / s.mean(), "every value is 100 times what it sho"),
        (lambda s, mask: s[mask].sum() / s.sum() * mask.double().mean(), "you multiplied"),
        (lambda s, mask: s[mask].mean() / s.sum(), "you divided by the mask's voxels, no"),
        (lambda s, mask: np.mean([share_inside(*one) for one in zip(s, mask, strict=True)]),
         "you scored each frame"),
        (lambda s, mask: s[mask].sum() / s.sum() - mask.float().mean(), "you subtracted"),
    ],
    "10.2": [
        (swapped(lambda s, _: by_clip(s, ~torch.eye(len(s)).bool())), "a patient's other clips"),
        (swapped(lambda scores, _: scores.mean()), "own maps are among the others"),
        (swapped(lambda scores, apart: scores[apart].mean()), "you took one mean over all pairs"),
        (swapped(lambda scores, apart: by_clip(scores.T, apart)), "wrong way round: score others'"),
        (swapped(by_clip, lambda scores, apart: by_clip(scores, ~apart)), "of own maps alone"),
        (score_of_mean, "you scored the mean of others' maps; score each, then"),
        (lambda *given: swapped_control(*given)[::-1], "own and other are exchanged"),
        (lambda *given: swapped_control(*given)[0], "wanted"),
        (lambda m, *given: tuple(n * len(m) for n in swapped_control(m, *given)), "sums; means"),
        (lambda maps, masks, names, score: (swapped_control(maps, masks, names, score)[0],
         np.mean([score(sum(maps) / len(maps), mask) for mask in masks])), "the mean of all maps"),
    ],
    "10.3": [
        (lambda a, g: (g.mean((1, 2, 3), True) * a).sum(0), "the ReLU is missing"),
        (lambda a, g: (g.mean((1, 2, 3), True) * a).sum(0).abs(), "the absolute value"),
        (lambda a, g: (g.mean((1, 2, 3), True) * a).relu().sum(0), "ReLU comes after the sum"),
        (lambda a, g: (g.mean((1, 2, 3), True) * a).mean(0).relu(), "the mean over channels"),
        (lambda a, g: (g.mean((2, 3), True) * a).sum(0).relu(), "each frame has weights of its"),
        (lambda a, g: (g * a).sum(0).relu(), "by its own gradient"),
        (lambda a, g: (g.sum((1, 2, 3), True) * a).sum(0).relu(), "the mean is wanted"),
        (lambda a, g: grad_cam(g, a), "are exchanged"),
        (lambda a, g: a.sum(0).relu(), "the weights are missing"),
    ],
}
# fmt: on


def test_the_insight_s_fractions_hold():
    joint, space, time = (attention_cost(8, 256, 384, kind) for kind in ("joint", "space", "time"))
    assert round(joint / space) == 8
    assert round(joint / time) == 202


@pytest.mark.parametrize(("number", "right"), RIGHT)
def test_right_answers_in_several_styles_pass(number, right):
    verdict = check(number, right)
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("number", "wrong", "words"), [(n, *row) for n, rows in WRONG.items() for row in rows]
)
def test_wrong_answers_are_named(number, wrong, words):
    verdict = check(number, wrong)
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
