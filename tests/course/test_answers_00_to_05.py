"""Exercises 0.1 to 5.2: right answers in several styles pass; wrong ones are named."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from torch.utils.flop_counter import FlopCounterMode

from csgcourse import check
from csgcourse.chapter_01 import (
    inflate_center,
    inflate_mean,
    kernel_frames,
    same_length_padding,
    still_clip,
)
from csgcourse.chapter_02 import fold_space, fold_time, patches, unfold_time
from csgcourse.chapter_03 import attention_cost, attention_map, split_heads
from csgcourse.chapter_04 import context, crossed, fusion_cost, switched
from csgcourse.chapter_05 import weigh, weigh_gradient
from csglib.model.attention import Attention
from csglib.model.config import PAPER
from csglib.model.fusion import CrossAttention, SwitchedAttention
from csglib.model.inflation import inflate_kernel
from csglib.model.tokens import PatchEmbedding, VideoTokens, fold, unfold
from csglib.model.weighting import LearnableWeighting


def mean_by_loops(kernel, frames):
    out, into, rows, columns = kernel.shape
    answer = torch.zeros(out, into, frames, rows, columns)
    for o in range(out):
        for i in range(into):
            for t in range(frames):
                answer[o, i, t] = kernel[o, i] / frames
    return answer


def center_by_loops(kernel, frames):
    answer = torch.zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    for t in range(frames):
        if t == frames // 2:
            answer[:, :, t] = kernel
    return answer


def center_by_a_mask(kernel, frames):
    middle = torch.eye(frames, dtype=kernel.dtype)[frames // 2]
    return torch.einsum("oiyx,t->oityx", kernel, middle)


def padding_by_counting(frames):
    side = 0
    while 1 + 2 * side < frames:
        side += 1
    return side


def still_by_loops(frame, frames):
    answer = torch.zeros(frame.shape[0], frames, *frame.shape[1:])
    for t in range(frames):
        answer[:, t] = frame
    return answer


def middle_of_wrong_count(kernel, frames):
    answer = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    answer[:, :, (frames + 1) // 2] = kernel
    return answer


def first_slice(kernel, frames):
    answer = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    answer[:, :, 0] = kernel
    return answer


def forgotten(kernel, frames):
    return kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])


def in_float_zeros_of_a_fixed_length(kernel, frames):
    answer = torch.zeros(*kernel.shape[:2], 3, *kernel.shape[2:])
    answer[:, :, 1] = kernel
    return answer


def patches_by_loops(volume, size):
    clips = []
    for clip in volume:
        frames = []
        for frame in clip.unbind(1):
            rows = [
                frame[:, y : y + size, x : x + size].flatten()
                for y in range(0, frame.shape[1], size)
                for x in range(0, frame.shape[2], size)
            ]
            frames.append(torch.stack(rows))
        clips.append(torch.stack(frames))
    return torch.stack(clips)


def patches_by_f_unfold(volume, size):
    images = volume.transpose(1, 2).flatten(0, 1)
    return F.unfold(images, size, stride=size).mT.unflatten(0, (len(volume), -1))


def windows(volume, size, last):
    return volume.unfold(3, size, size).unfold(4, size, size).permute(0, 2, 3, 4, *last)


def patches_by_convolution(volume, size):
    width = volume.shape[1] * size * size
    kernel = torch.eye(width, dtype=volume.dtype).view(width, volume.shape[1], 1, size, size)
    cut = F.conv3d(volume, kernel, stride=(1, size, size))
    return cut.flatten(3).permute(0, 2, 3, 1)


def space_by_loops(token, grid):
    sequences = [
        torch.cat([token[clip], grid[clip, frame]])
        for clip in range(len(grid))
        for frame in range(grid.shape[1])
    ]
    return torch.stack(sequences)


def time_by_loops(token, grid):
    sequences = [
        torch.cat([token[clip], grid[clip, :, place]])
        for clip in range(len(grid))
        for place in range(grid.shape[2])
    ]
    return torch.stack(sequences)


def time_before_joining(token, grid):
    led = torch.cat([token[:, None].expand(-1, -1, grid.shape[2], -1), grid], dim=1)
    return rearrange(led, "b t n d -> (b n) t d")


def unfold_by_loops(sequences, clips):
    places = len(sequences) // clips
    token = torch.zeros(clips, 1, sequences.shape[2], dtype=sequences.dtype)
    grid = sequences.new_zeros(clips, sequences.shape[1] - 1, places, sequences.shape[2])
    for clip in range(clips):
        for place in range(places):
            sequence = sequences[clip * places + place]
            token[clip, 0] += sequence[0] / places
            grid[clip, :, place] = sequence[1:]
    return token, grid


def unfold_by_einops(sequences, clips):
    return [
        reduce(sequences[:, :1], "(b n) 1 d -> b 1 d", "mean", b=clips),
        rearrange(sequences[:, 1:], "(b n) t d -> b t n d", b=clips),
    ]


def unfold_by_the_library(sequences, clips):
    width = sequences.shape[2]
    grid = torch.zeros(clips, sequences.shape[1] - 1, len(sequences) // clips, width)
    back = unfold(sequences, "time", like=VideoTokens(torch.zeros(clips, 1, width), grid))
    return back.cls, back.patches


def pixels_as_they_lie(volume, size):
    clips, channels, frames = volume.shape[:3]
    return volume.view(clips, frames, -1, channels * size**2)


def permuted_but_not_split(volume, size):
    clips, channels, frames = volume.shape[:3]
    return volume.permute(0, 2, 3, 4, 1).reshape(clips, frames, -1, channels * size * size)


def f_unfold_as_it_comes(volume, size):
    images = volume.transpose(1, 2).flatten(0, 1)
    return F.unfold(images, size, stride=size).unflatten(0, (len(volume), -1))


def f_unfold_without_moving_channels(volume, size):
    images = volume.reshape(-1, volume.shape[1], *volume.shape[3:])
    return F.unfold(images, size, stride=size).mT.unflatten(0, (len(volume), -1))


def f_unfold_without_stride(volume, size):
    images = volume.transpose(1, 2).flatten(0, 1)
    return F.unfold(images, size).mT.unflatten(0, (len(volume), -1))


def for_square_frames(volume, size):
    rows = volume.shape[3] // size
    return patches(volume, size).reshape(*volume[:, 0].shape[:2], rows * rows, -1)


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


def attention_by_loops(query, key):
    clips, heads, queries, width = query.shape
    answer = query.new_zeros(clips, heads, queries, key.shape[2])
    for b in range(clips):
        for h in range(heads):
            for i in range(queries):
                exponentials = [
                    math.exp(float(query[b, h, i] @ one) / math.sqrt(width)) for one in key[b, h]
                ]
                total = sum(exponentials)
                answer[b, h, i] = torch.tensor([share / total for share in exponentials])
    return answer


def attention_by_einsum(query, key):
    scores = torch.einsum("bhie,bhje->bhij", query, key) * query.shape[-1] ** -0.5
    exponentials = torch.exp(scores)
    return exponentials / exponentials.sum(-1, keepdim=True)


def attention_by_the_fused_product(query, key):
    one_hot = torch.eye(key.shape[2], dtype=key.dtype).expand(*key.shape[:3], -1)
    return F.scaled_dot_product_attention(query, key, one_hot)


def attention_by_torch(query, key):
    heads, width = query.shape[1], query.shape[1] * query.shape[3]
    whole = torch.nn.MultiheadAttention(width, heads, bias=False, batch_first=True).to(query)
    whole.in_proj_weight.data = torch.eye(width).to(query).repeat(3, 1)
    query, key = (rearrange(one, "b h s e -> b s (h e)") for one in (query, key))
    return whole(query, key, key, average_attn_weights=False)[1].detach()


def heads_by_loops(tokens, heads):
    width = tokens.shape[2] // heads
    answer = tokens.new_zeros(len(tokens), heads, tokens.shape[1], width)
    for head in range(heads):
        answer[:, head] = tokens[:, :, head * width : (head + 1) * width]
    return answer


def cost_by_cases(frames, patches, width, kind):
    if kind == "joint":
        length, sequences = frames * patches + 1, 1
    elif kind == "space":
        length, sequences = patches + 1, frames
    else:
        length, sequences = frames + 1, patches
    scores = sequences * length * length * width
    mixing = sequences * length * width * length
    return scores + mixing


def cost_by_counting(frames, patches, width, kind):
    """The library's own sequences, counted."""
    tokens = VideoTokens(torch.zeros(1, 1, 1), torch.zeros(1, frames, patches, 1))
    sequences, length, _ = fold(tokens, kind).shape
    return torch.tensor(2 * sequences * length**2 * width)


def shares(scores, axis=-1):
    return scores.exp() / scores.exp().sum(axis, keepdim=True)


def cosine(query, key):
    return (F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT).softmax(-1)


def nearest(query, key):
    return (-torch.cdist(query, key)).softmax(-1)


def winner_takes_all(query, key):
    return F.one_hot(attention_map(query, key).argmax(-1), key.shape[2]).to(query.dtype)


def formula(joint, space, time):
    return lambda t, n, d, kind: {"joint": joint, "space": space, "time": time}[kind](t, n, d)


@pytest.fixture
def branches():
    generator = torch.Generator().manual_seed(0)
    return [
        VideoTokens(
            *(torch.randn(shape, generator=generator) for shape in ((2, 1, 6), (2, 3, 5, 6)))
        )
        for _ in range(2)
    ]


def by_loops(query, key, value):
    b, h, _, e = query.shape
    answer = torch.zeros(b, h, 1, e)
    for clip in range(b):
        for head in range(h):
            scores = [
                sum(float(q) * float(k) for q, k in zip(query[clip, head, 0], row, strict=True))
                for row in key[clip, head]
            ]
            exponentials = [math.exp(score / math.sqrt(e)) for score in scores]
            for weight, row in zip(exponentials, value[clip, head], strict=True):
                answer[clip, head, 0] += weight / sum(exponentials) * row
    return answer


def by_einsum(query, key, value):
    scores = torch.einsum("bhie,bhje->bhij", query, key) * query.shape[-1] ** -0.5
    return torch.einsum("bhij,bhje->bhie", torch.softmax(scores, dim=3), value)


def by_exponentials(q, k, v):
    weights = torch.exp(q @ k.transpose(-1, -2) / math.sqrt(q.size(-1)))
    return (weights / weights.sum(-1, keepdim=True)) @ v


def context_by_loops(token, patches, scheme):
    chosen = [patches[:, place] for place in range(patches.shape[1])]
    if scheme == "crossvit":
        chosen.insert(0, token[:, 0])
    return torch.stack(chosen, dim=1)


def fusion_cost_by_counting(tokens, width, query):
    queries, keys = (tokens + 1, tokens + 1) if query == "all" else (1, tokens)
    return sum(queries * keys * width for _ in ("scores", "mixing"))


def attention(query, key, value, scale=None, axis=-1):
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return (query @ key.mT * scale).softmax(axis) @ value


def with_the_token(query, key, value):
    return attention(query, torch.cat([query, key], 2), torch.cat([query, value], 2))


def by_the_library(space, time, theta):
    weighting = LearnableWeighting().to(space.dtype)
    weighting.theta.data.copy_(theta)
    flat = [branch.reshape(1, 1, 1, -1) for branch in (space, time)]
    tokens = [VideoTokens(branch[0], branch) for branch in flat]
    return weighting(*tokens).patches.view_as(space).detach()


def by_autograd(space, time, theta, upstream):
    weighting = LearnableWeighting().to(space.dtype)
    weighting.theta.data.copy_(theta)
    share = weighting.gate()
    (share * space + (1 - share) * time).backward(upstream)
    return weighting.theta.grad


def share_of(theta):
    return 1 / (1 + math.exp(-theta))


def gradient_by_loops(space, time, theta, upstream):
    total = torch.zeros((), dtype=space.dtype)
    for place in np.ndindex(*space.shape):
        total += upstream[place] * (space[place] - time[place])
    return total * share_of(theta) * (1 - share_of(theta))


def gradient_by_differences(space, time, theta, upstream):
    given = [tensor.double() for tensor in (space, time, theta, upstream)]
    ends = [(weigh(*given[:2], given[2] + step) * given[3]).sum() for step in (1e-5, -1e-5)]
    return (ends[0] - ends[1]) / 2e-5


def slope(theta):
    return share_of(theta) * share_of(-theta)


# fmt: off
RIGHT = {
    "1.1": [
        mean_by_loops,
        lambda k, t: repeat(k, "o i y x -> o i t y x", t=t) / t,
        lambda k, t: torch.einsum("oiyx,t->oityx", k, torch.ones(t).to(k) / t),
        lambda k, t: (k / t)[:, :, None].expand(-1, -1, t, -1, -1),
        inflate_kernel,
    ],
    "1.2": [
        center_by_loops,
        center_by_a_mask,
        lambda k, t: torch.nn.functional.pad(k[:, :, None], (0, 0, 0, 0, t // 2, t // 2)),
        lambda kernel, frames: inflate_kernel(kernel, frames, "center"),
    ],
    "1.3": [
        padding_by_counting,
        lambda frames: frames // 2,
    ],
    "1.4": [
        lambda stage: {"c3": 3, "c4": 3, "c5": 3}.get(stage, 1),
        lambda stage: 3 if stage[0] == "c" and int(stage[1]) > 2 else 1,
    ],
    "1.5": [
        still_by_loops,
        lambda frame, frames: frame.unsqueeze(1).repeat(1, frames, 1, 1),
        lambda frame, frames: frame[:, None].expand(-1, frames, -1, -1),
    ],
    "2.1": [
        patches_by_loops,
        patches_by_f_unfold,
        patches_by_convolution,
        lambda v, s: rearrange(v, "b c t (y p) (x q) -> b t (y x) (c p q)", p=s, q=s),
        lambda v, s: (v.unfold(3, s, s) .unfold(4, s, s) .permute(0, 2, 3, 4, 1, 5, 6) .flatten(4)
         .flatten(2, 3)),
    ],
    "2.2": [
        space_by_loops,
        lambda token, grid: fold(VideoTokens(token, grid), "space"),
        lambda token, grid: torch.cat([token[:, None].expand(-1, grid.shape[1], -1, -1), grid],
         dim=2).flatten(0, 1),
    ],
    "2.3": [
        time_by_loops,
        time_before_joining,
        lambda token, grid: fold(VideoTokens(token, grid), "time"),
        lambda token, grid: fold_space(token, grid.transpose(1, 2)),
    ],
    "2.4": [
        unfold_by_loops,
        unfold_by_einops,
        unfold_by_the_library,
    ],
    "3.1": [
        attention_by_loops,
        attention_by_einsum,
        attention_by_the_fused_product,
        attention_by_torch,
        Attention.weights,
        lambda q, k: F.softmax(q / math.sqrt(q.size(-1)) @ k.transpose(2, 3), -1),
    ],
    "3.2": [
        heads_by_loops,
        lambda x, h: rearrange(x, "b s (h e) -> b h s e", h=h),
        lambda x, h: torch.stack(x.chunk(h, dim=-1), dim=1),
        lambda x, h: x.view(*x.shape[:2], h, -1).permute(0, 2, 1, 3).contiguous(),
        lambda x, h: torch.stack(x.split(x.shape[-1] // h, dim=-1)).transpose(0, 1),
    ],
    "3.3": [
        cost_by_cases,
        cost_by_counting,
        lambda t, n, d, kind: { "joint": 2 * d * (t * n + 1) ** 2, "space": 2 * d * t * (n + 1) **
         2, "time": 2 * d * n * (t + 1) ** 2, }[kind],
    ],
    "4.1": [
        by_loops,
        by_einsum,
        by_exponentials,
        F.scaled_dot_product_attention,
        Attention(),
    ],
    "4.2": [
        by_loops,
        by_einsum,
        by_exponentials,
        F.scaled_dot_product_attention,
        Attention(),
    ],
    "4.3": [
        context_by_loops,
        lambda t, p, s: p if s == "paper" else torch.cat((t, p), 1),
        lambda t, p, s: {"paper": p, "crossvit": torch.hstack([t, p])}[s].clone(),
        lambda t, p, s: F.pad(p, (0, 0, 1, 0)).index_copy(1, torch.tensor([0]), t) if s ==
         "crossvit" else p[:],
    ],
    "4.4": [
        fusion_cost_by_counting,
        lambda n, d, q: {"all": 2 * (n + 1) * (n + 1) * d, "class": 2 * n * d}[q],
        lambda n, d, q: torch.tensor(2 * d * ((n + 1) ** 2 if q == "all" else n)),
    ],
    "5.1": [
        by_the_library,
        lambda s, t, theta: torch.lerp(t, s, torch.sigmoid(theta)),
        lambda s, t, theta: share_of(theta) * s + share_of(-theta) * t,
        lambda s, t, theta: t + theta.sigmoid() * (s - t),
        lambda s, t, theta: (torch.stack([s, t], -1) * torch.stack([theta, theta * 0])
         .softmax(0)).sum(-1),
    ],
    "5.2": [
        gradient_by_loops,
        gradient_by_differences,
        by_autograd,
        lambda s, t, theta, up: torch.vdot(up.flatten(), (s - t).flatten()) * share_of(theta) *
         share_of(-theta),
        lambda s, t, theta, up: torch.einsum("i,i->", up.flatten(), (s - t).flatten()) / (2 +
         theta.exp() + (-theta).exp()),
    ],
}
WRONG = {
    "0.1": [
        (lambda numbers: numbers / numbers.shape[0], "how many numbers there are"),
        (lambda numbers: numbers / max(numbers), "divided by the largest"),
        (lambda numbers: numbers.exp() / numbers.exp().sum(), "softmax"),
        (lambda numbers: numbers.sum() / numbers, "upside down"),
        (sum, "the sum alone"),
        (lambda numbers: (numbers / numbers.sum()).tolist(),
         "a torch tensor is wanted: got a list"),
        (lambda numbers: numbers / numbers.norm(), "every value is 1.4 times"),
    ],
    "1.1": [
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1), "`frames` times too large"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / t / t, "divided by `frames`"),
        (lambda k, t: (k / t).expand(t, -1, -1, -1, -1), "in the order (t, out, in, y, x"),
        (lambda k, t: (k / t)[..., None].expand(-1, -1, -1, -1, t),
         "in the order (out, in, y, x, t"),
        (lambda k, t: (k / t).repeat(1, 1, t, 1), "axes are joined"),
        (lambda k, t: inflate_kernel(k, 1).expand(-1, -1, t, -1, -1) / k.shape[-1], "width"),
        (lambda k, t: (k / t)[:, :, None], "only the first along t"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / (t + 1), "times what it should be"),
    ],
    "1.2": [
        (first_slice, "the kernel is in the first slice"),
        (lambda k, t: first_slice(k, t).flip(2), "the kernel is in the last slice"),
        (middle_of_wrong_count, "the kernel is one slice after the middle"),
        (forgotten, "every value is zero"),
        (lambda k, t: center_by_loops(k, t) / t, "divided by `frames`"),
        (mean_by_loops, "this is mean inflation"),
        (lambda k, t: center_by_loops(k, t).movedim(2, 0), "in the order (t, out, in, y, x"),
        (in_float_zeros_of_a_fixed_length, "result for frames = 3"),
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
        (lambda stage: 3, "result for stage = 'c3'"),
        (lambda stage: 3 if stage > "c2" else 1, "stage = 'stem'"),
        (lambda stage: 3 if stage in "c3-c5" else 1, "c4"),
        (lambda stage: 3 if stage < "c4" else 1, "the first three stages"),
        (lambda stage: int(stage[1]), "raised ValueError"),
        (lambda stage: 3 if stage in ("c4", "c5") else 1, "c3 is missing"),
        (lambda stage: stage in ("c3", "c4", "c5"), "this says whether a stage is inflated"),
        (lambda stage: "3x1x1" if stage in ("c3", "c4", "c5") else "1x1x1", "got a str"),
    ],
    "1.5": [
        (lambda frame, frames: frame.expand(frames, -1, -1, -1), "in the order (t, c, y, x"),
        (lambda frame, frames: frame[..., None].repeat(1, 1, 1, frames),
         "in the order (c, y, x, t"),
        (lambda frame, frames: frame.repeat(frames, 1, 1), "axes are joined"),
        (lambda frame, frames: frame.repeat(frames, 1, 1).reshape(len(frame), frames,
         *frame.shape[1:]), "you only reshaped"),
        (lambda frame, frames: frame[:, None], "result for frames = 1"),
        (lambda frame, frames: still_by_loops(frame, frames) / frames, "divided by `frames`"),
        (lambda frame, frames: still_by_loops(frame, frames)[None], "still split"),
        (lambda frame, frames: [frame] * frames, "a torch tensor is wanted: got a list"),
    ],
    "2.1": [
        (pixels_as_they_lie, "you only reshaped"),
        (f_unfold_as_it_comes, "in the order (b, t, c*size*siz"),
        (f_unfold_without_moving_channels, "channels and frames are mixed up"),
        (f_unfold_without_stride, "your patches overlap"),
        (lambda v, s: windows(v, s, (5, 6, 1)).flatten(4).flatten(2, 3), "the channels come last"),
        (lambda v, s: windows(v, s, (1, 6, 5)).flatten(4).flatten(2, 3),
         "inside a patch rows and columns are"),
        (lambda v, s: windows(v, s, (1, 5, 6)).flatten(2, 3), "still split"),
        (lambda v, s: patches(v.mT, s), "rows and columns are exchanged, among"),
        (lambda v, s: patches(v, s).transpose(1, 2), "in the order (b, n, t, c*size*"),
        (lambda v, s: patches(v, s).flatten(0, 1), "axes are joined"),
        (permuted_but_not_split, "the shape and the numbers are right,"),
        (for_square_frames, "raised RuntimeError"),
        (lambda v, s: patches(v, 16), "raised RuntimeError"),
        (lambda v, s: patches(v.flip(-1), s), "the shape and the numbers are right,"),
        (lambda v, s: patches(v.flip(2), s), "reversed"),
        (lambda v, s: patches(v, s)[:, :, :-1], "the shape should be"),
        (lambda v, s: patches(v, s) / 255, "times what it should be"),
        (lambda v, s: patches(v.abs(), s), "of the values are wrong"),
        (lambda v, s: patches(v, s).unflatten(-1, (-1, s)).mT.flatten(-2), "in the wrong places"),
    ],
    "2.2": [
        (lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.flatten(0, 1)),
         "the class token is of another clip"),
        (lambda z, x: led(torch.cat([z] * x.shape[1]), x.flatten(0, 1)),
         "the class token is of another clip"),
        (lambda z, x: led(x.flatten(0, 1), z.repeat_interleave(x.shape[1], 0)),
         "the class token is last"),
        (fold_time, "this folds along time"),
        (lambda z, x: fold(VideoTokens(z, x), "joint"), "one sequence a clip"),
        (lambda z, x: fold_space(z, x)[:, 1:], "the class token is missing"),
        (lambda z, x: (x + z[:, None]).flatten(0, 1), "you added the class token to every patch"),
        (lambda z, x: fold_space(z, x.transpose(1, 2).reshape(x.shape)),
         "t and n are mixed up (transposed in vain)"),
        (lambda z, x: fold_space(z, x).reshape(len(x), x.shape[1], -1, x.shape[3]), "still split"),
        (lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.transpose(0, 1).flatten(0, 1)),
         "the sequences are not clip by clip, b first"),
        (lambda z, x: fold_space(z * 0, x), "of the values are wrong"),
        (lambda z, x: fold_space(x.mean(dim=(1, 2))[:, None], x), "of the values are wrong"),
        (lambda z, x: fold_space(z.mean(0, True).expand_as(z), x), "of the values are wrong"),
        (lambda z, x: fold_space(z.flip(0), x), "in the wrong places"),
        (lambda z, x: fold_space(z, x.flip(1)), "in the wrong places"),
        (lambda z, x: fold_space(z, x).mT, "in the order (b*t, d, 1+n"),
        (lambda z, x: torch.cat([z, x.flatten(1, 2)]), "raised RuntimeError"),
        (lambda z, x: (z, x), "a torch tensor is wanted: got a tuple"),
    ],
    "2.3": [
        (lambda z, x: led(z.repeat_interleave(x.shape[2], 0), x.reshape(-1, x.shape[1],
         x.shape[3])), "t and n are mixed up (only reshaped)"),
        (lambda z, x: led(z.repeat(x.shape[2], 1, 1), x.transpose(1, 2).flatten(0, 1)),
         "the class token is of another clip"),
        (lambda z, x: led(z.repeat_interleave(x.shape[2], 0), x.permute(2, 0, 1, 3).flatten(0, 1)),
         "do not belong together"),
        (fold_space, "this folds along space"),
        (lambda z, x: fold_time(z, x).roll(-1, dims=1), "the class token is last"),
        (lambda z, x: fold_time(z, x).unflatten(0, (len(z), -1)), "still split"),
        (lambda z, x: fold_time(z[:1].expand_as(z), x),
         "every class token is that of the first clip"),
        (lambda z, x: rearrange(fold_time(z, x), "(b n) s d -> (n b) s d", b=len(z)),
         "the sequences are not clip by clip, b first"),
        (lambda z, x: led(z.repeat_interleave(x.shape[1], 0), x.transpose(1, 2).flatten(0, 1)),
         "raised RuntimeError"),
        (lambda z, x: fold_time(z, x.flip(1)), "in the wrong places"),
        (lambda z, x: fold_time(z, x.flip(2)), "in the wrong places"),
        (lambda z, x: fold_time(z, x.cumsum(1)), "of the values are wrong"),
        (lambda z, x: fold_time(z, x).transpose(0, 1), "in the order (1+t, b*n, d"),
        (lambda z, x: fold_time(z, x)[:, :-1], "the shape should be"),
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
        (another_token(lambda copies: copies.amax(1, keepdim=True)), "at place 0"),
        (another_token(lambda copies: copies.mean(2)[:, None]), "at place 0"),
        (another_token(lambda copies: copies[:, -1:]), "at place 0"),
        (another_token(lambda copies: copies.median(1, keepdim=True).values), "at place 0"),
        (lambda s, b: (clips_inside(s, b)[0], unfold_time(s, b)[1]), "at place 0"),
        (another_grid(lambda places: places.transpose(1, 2).flip(1)), "reversed"),
        (another_grid(lambda places: places.transpose(1, 2).roll(1, 2)), "shifted by one"),
        (lambda s, b: unfold_time(s, b)[1], "a tuple is wanted"),
        (lambda s, b: (*unfold_time(s, b), b), "a tuple of 2 is wanted: got 3"),
    ],
    "3.1": [
        (lambda q, k: shares(q @ k.mT), "the division by sqrt(e) is missing"),
        (lambda q, k: F.scaled_dot_product_attention(q, k, k, scale=1.0) @ k.mT,
         "values are wrong"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1]), "you divided by e;"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 1 / 2), "the scores are divided by 2*e"),
        (lambda q, k: shares(q @ k.mT * q.shape[-1] ** 0.5), "you multiplied with sqrt(e)"),
        (lambda q, k: shares(q @ k.mT / (q[0, :, 0].numel()) ** 0.5), "you divided by sqrt(h*e)"),
        (lambda q, k: shares(q @ k.mT / len(k[0, 0]) ** 0.5), "the number of keys"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, -2), "softmax went over the queries"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, 1), "softmax went over the heads"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.5, (2, 3)), "over the whole map"),
        (lambda q, k: shares(q @ k.mT) / q.shape[-1] ** 0.5, "you divided after the softmax"),
        (lambda q, k: attention_map(k, q), "`query` and `key` are exchanged"),
        (lambda q, k: attention_by_torch(q, k).mean(1), "this is the mean over h;"),
        (lambda q, k: attention_map(k, q).mT, "softmax went over the queries"),
        (lambda q, k: attention_map(q, k).mT, "in the order (b, h, j, i"),
        (cosine, "of the values are wrong"),
        (nearest, "of the values are wrong"),
        (winner_takes_all, "of the values are wrong"),
        (lambda q, k: shares(q @ k.mT / 8), "of the values are wrong"),
        (lambda q, k: shares(q @ k.mT / q.shape[-1] ** 0.25), "of the values are wrong"),
        (lambda q, k: attention_map(q, k).log(), "of the values are wrong"),
        (lambda q, k: attention_map(q, k) @ k, "the shape should be"),
        (lambda q, k: attention_map(q[:, :1], k[:, :1]).expand(-1, q.shape[1], -1, -1),
         "only the first along h"),
        (lambda q, k: attention_map(q.abs(), k.abs()), "of the values are wrong"),
        (lambda q, k: attention_map(q, q), "`query` is used where `key` should be"),
        (lambda q, k: attention_map(q, k).round(decimals=2), "of the values are wrong"),
        (lambda q, k: q @ k.T, "raised"),
    ],
    "3.2": [
        (lambda x, h: x.view(len(x), h, x.shape[1], -1), "you only reshaped"),
        (lambda x, h: x.unflatten(-1, (h, -1)), "in the order (b, s, heads, d/h"),
        (lambda x, h: rearrange(x, "b s (e h) -> b h s e", h=h), "every heads-th number"),
        (lambda x, h: torch.stack(x.split(h, -1), 1), "the number of heads and their width are"),
        (lambda x, h: torch.stack(x.chunk(h, -1)), "in the order (heads, b, s, d/h"),
        (lambda x, h: torch.stack([x] * h, 1), "every head got the whole token"),
        (lambda x, h: rearrange(x, "b s (h e) -> (b h) s e", h=h), "axes are joined"),
        (lambda x, h: torch.cat(x.chunk(h, -1)), "axes are joined"),
        (lambda x, h: rearrange(x, "b s (h e) -> h s b e", h=h), "in the order (heads, s, b, d/h"),
        (lambda x, h: split_heads(x, h).flip(1), "reversed"),
        (lambda x, h: split_heads(x, h).flip(2), "reversed"),
        (lambda x, h: split_heads(x, h) / h, "divided by `heads`"),
        (lambda x, h: split_heads(x, h)[:, 0], "only the first along heads"),
        (lambda x, h: split_heads(x, 12), "raised RuntimeError"),
        (lambda x, h: x.chunk(h, -1), "a torch tensor is wanted: got a tuple"),
    ],
    "3.3": [
        (formula(lambda t, n, d: 2 * (t * n) ** 2 * d, lambda t, n, d: 2 * t * n**2 * d, lambda t,
         n, d: 2 * n * t**2 * d), "the class token of each sequence is missing"),
        (formula(lambda t, n, d: (1 + t * n) ** 2 * d, lambda t, n, d: t * (1 + n) ** 2 * d, lambda
         t, n, d: n * (1 + t) ** 2 * d), "this is one product"),
        (formula(lambda t, n, d: 2 * (1 + t * n) ** 2 * d, lambda t, n, d: 2 * (1 + n) ** 2 * d,
         lambda t, n, d: 2 * (1 + t) ** 2 * d), "this is one sequence"),
        (lambda t, n, d, kind: 2 * (1 + t * n) ** 2 * d, "result for kind = 'joint'"),
        (formula(lambda t, n, d: 2 * (1 + t * n) ** 2 * d, lambda t, n, d: 2 * n * (1 + t) ** 2 * d,
         lambda t, n, d: 2 * t * (1 + n) ** 2 * d), "'space' and 'time' are exchanged"),
        (formula(lambda t, n, d: 2 * (t * (1 + n)) ** 2 * d, lambda t, n, d: 2 * t * (1 + n) ** 2 *
         d, lambda t, n, d: 2 * n * (1 + t) ** 2 * d), "the clip has one class token, not one a"),
        (formula(lambda t, n, d: 2 * (1 + t * n) ** 2, lambda t, n, d: 2 * t * (1 + n) ** 2, lambda
         t, n, d: 2 * n * (1 + t) ** 2), "divided by `width`"),
        (lambda *given: attention_cost(*given) / 1, "a whole number is wanted"),
        (lambda *given: attention_cost(*given) + 1, "one too many"),
        (lambda t, n, d, kind: attention_cost(8, 256, d, kind), "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(t, n, 384, kind), "result for width = 384"),
        (lambda t, n, d, kind: attention_cost(t, n**2, d, kind), "is wanted: got"),
        (lambda t, n, d, kind: attention_cost(t, n, d, "space"), "result for kind = 'space'"),
        (lambda t, n, d, kind: 2 * t * n * d, "is wanted: got"),
        (formula(lambda t, n, d: 2 * (t * n) ** 2 * d, lambda t, n, d: t * n**2 * d, lambda t, n, d:
         n * t**2 * d), "is wanted: got"),
    ],
    "4.1": [
        (lambda q, k, v: attention(q, k, v, scale=1), "the division by sqrt(e) is missing"),
        (lambda q, k, v: attention(q, k, v, scale=1 / q.shape[-1]), "you divided by e"),
        (lambda q, k, v: attention(q, k, v, axis=2), "the softmax went over the queries"),
        (lambda q, k, v: attention(q, k, v, axis=1), "the softmax went over the heads"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k),
         "`key_other` is used where `value_own`"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, v),
         "`value_own` is used where `key_other`"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k),
         "`key_other` and `value_own` are exchanged"),
        (lambda q, k, v: Attention.weights(q, k), "this is the attention map"),
        (lambda q, k, v: attention(q, k, v, scale=k.shape[2] ** -0.5),
         "you divided by the root of the number"),
        (lambda q, k, v: attention(q, k, v).transpose(1, 2), "you only reshaped"),
        (lambda q, k, v: attention(q, k, v).flatten(1), "axes are joined"),
        (lambda q, k, v: attention(q[:1], k[:1], v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k.flip(2), v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v, scale=(q.shape[1] * q.shape[-1]) ** -0.5),
         "you divided by sqrt(h*e)"),
        (lambda q, k, v: attention(q, k, v).squeeze(2), "axes are joined"),
        (lambda q, k, v: v[:, :, (q @ k.mT).argmax(-1)[0, 0]], "93% of the values are wrong"),
        (lambda q, k, v: F.cosine_similarity(q, k, -1).softmax(-1)[:, :, None] @ v, "are wrong"),
    ],
    "4.2": [
        (lambda q, k, v: attention(q, k, v, scale=1), "the division by sqrt(e) is missing"),
        (lambda q, k, v: attention(q, k, v, axis=2), "the softmax went over the queries"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, k),
         "`key_other` is used where `value_other`"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, v),
         "`value_other` is used where `key_other`"),
        (lambda q, k, v: F.scaled_dot_product_attention(q, v, k),
         "`key_other` and `value_other` are exchanged"),
        (with_the_token, "the own token is among keys and values,"),
        (lambda q, k, v: q + attention(q, k, v), "the query is added"),
        (lambda q, k, v: q @ k.mT @ v / math.sqrt(q.shape[-1]), "the softmax is missing"),
        (lambda q, k, v: attention(k, q, q), "the shape should be"),
        (lambda q, k, v: attention(q, k, v).mean(1, keepdim=True), "this is the mean over h;"),
        (lambda q, k, v: attention(-q, k, v), "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v) * math.sqrt(q.shape[-1]),
         "`query_own.shape[3]**0.5` times too large"),
        (lambda q, k, v: F.normalize(q @ k.mT, p=1, dim=-1) @ v, "of the values are wrong"),
        (lambda q, k, v: attention(q, k, v)[..., :1], "only the first along e"),
        (lambda q, k, v: attention(F.layer_norm(q, q.shape[-1:]), k, v), "are wrong"),
    ],
    "4.3": [
        (lambda t, p, s: torch.cat([t, p], 1), "result for scheme = 'crossvit'"),
        (lambda t, p, s: p, "result for scheme = 'paper'"),
        (lambda t, p, s: torch.cat([t, p], 1) if s == "paper" else p, "are exchanged"),
        (lambda t, p, s: torch.cat([p, t], 1) if s == "crossvit" else p, "the own token is last"),
        (lambda t, p, s: torch.cat([p[:, :1], p], 1) if s == "crossvit" else p,
         "the other branch's first token was inserted"),
        (lambda t, p, s: torch.cat([t, p[:, 1:]], 1) if s == "crossvit" else p,
         "the first patch is missing"),
        (lambda t, p, s: torch.cat([t, p], 1)[:, : p.shape[1]] if s == "crossvit" else p,
         "the shape should be (3, 8, 2)"),
        (lambda t, p, s: t + p if s == "crossvit" else p, "was added to each patch"),
        (lambda t, p, s: torch.cat([t, p], 1) if s == "CrossViT" else p,
         "result for scheme = 'paper'"),
        (lambda t, p, s: torch.cat([t[:1].expand_as(t), p], 1) if s == "crossvit" else p, "wrong"),
        (lambda t, p, s: torch.cat([t, p], 2) if s == "crossvit" else p, "raised RuntimeError"),
        (lambda t, p, s: (t, p) if s == "crossvit" else p, "a torch tensor is wanted: got a tuple"),
        (lambda t, p, s: torch.cat([t, p.flip(1)], 1) if s == "crossvit" else p, "wrong places"),
        (lambda t, p, s: torch.cat([t, p, t], 1) if s == "crossvit" else p, "shape should be"),
        (lambda t, p, s: torch.cat([t * 0, p], 1) if s == "crossvit" else p, "values are wrong"),
    ],
    "4.4": [
        (lambda n, d, q: ((1 + n) ** 2 if q == "all" else n) * d, "this is one product"),
        (lambda n, d, q: 2 * (n * n if q == "all" else n) * d,
         'with "all" the class token counts too'),
        (lambda n, d, q: 2 * (n + 1) * ((n + 1) if q == "all" else 1) * d,
         'with "class" the class token is not'),
        (lambda n, d, q: 2 * (n + 1) * (n + 1) * d, "result for query = 'all'"),
        (lambda n, d, q: 2 * n * d, "result for query = 'class'"),
        (lambda n, d, q: 4 * ((1 + n) ** 2 if q == "all" else n) * d, "this is twice too much"),
        (lambda n, d, q: 2 * ((1 + n) ** 2 if q == "all" else n) * d * d,
         "`width` times too large"),
        (lambda n, d, q: 2.0 * ((1 + n) ** 2 if q == "all" else n) * d, "a whole number is wanted"),
        (lambda n, d, q: 24 * ((1 + n) ** 2 if q == "all" else n) * d,
         "every value is 12 times what it should be"),
        (lambda n, d, q: 2 * ((1 + n) ** 2 if q == "all" else n), "divided by `width`"),
        (lambda n, d, q: (1 + n) ** 2 + d if q == "all" else n + d, "is wanted: got"),
        (lambda n, d, q: 2 * (1 + n**2) * d if q == "all" else 2 * n * d, "is wanted: got"),
        (lambda n, d, q: 8 * ((1 + n) ** 2 if q == "all" else n) * 384, "is wanted: got"),
    ],
    "5.1": [
        (lambda s, t, theta: share_of(theta) * t + share_of(-theta) * s,
         "`space` and `time` are exchanged"),
        (lambda s, t, theta: theta * s + (1 - theta) * t, "theta is used as it is"),
        (lambda s, t, theta: torch.lerp(t, s, theta.clip(0, 1)),
         "theta is cut off, so its gradient may"),
        (lambda s, t, theta: torch.tanh(theta) * s + (1 - torch.tanh(theta)) * t,
         "tanh may be negative"),
        (lambda s, t, theta: share_of(theta) * s + t, "time counts in full"),
        (lambda s, t, theta: share_of(theta) * (t + s), "both branches have the weight a"),
        (lambda s, t, theta: torch.stack([s, t]).mean(0), "the plain mean"),
        (lambda s, t, theta: s, "`space` is used where `time` should be"),
        (lambda s, t, theta: s * torch.softmax(theta, 0) + t, "this is the plain sum"),
        (lambda s, t, theta: torch.lerp(t, s, share_of(share_of(theta))), "values are wrong"),
        (lambda s, t, theta: 2 * weigh(s, t, theta), "every value is 2 times"),
        (lambda s, t, theta: theta.exp() * s + t, "every value is 1.27 times"),
        (lambda s, t, theta: torch.lerp(t, s, (theta + 1) / 2), "of the values are wrong"),
        (lambda s, t, theta: torch.cat([share_of(theta) * s, share_of(-theta) * t]), "shape"),
        (lambda s, t, theta: s.sigmoid() * s + (1 - s.sigmoid()) * t,
         "`space` is used where `theta` should be"),
    ],
    "5.2": [
        (lambda s, t, theta, up: (up * (s - t)).sum(), "this is the derivative by a"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * share_of(theta), "1 - a is missing"),
        (lambda s, t, theta, up: up * (s - t) * slope(theta), "one theta for all elements"),
        (lambda s, t, theta, up: (up * (s - t)).mean() * slope(theta),
         "divided by `space.numel()`"),
        (lambda s, t, theta, up: (s - t).sum() * slope(theta),
         "`upstream`, the gradient of the loss,"),
        (lambda s, t, theta, up: (up * (t - s)).sum() * slope(theta), "the sign is wrong"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * theta * (1 - theta), "theta for a"),
        (lambda s, t, theta, up: (up * s).sum() * slope(theta), "time depends on theta too"),
        (lambda s, t, theta, up: up.sum() * (s - t).sum() * slope(theta), "you summed first"),
        (lambda s, t, theta, up: (up * (s - t)).sum(0) * slope(theta), "the shape should be ()"),
        (lambda s, t, theta, up: (up * (s + t)).sum() * slope(theta), "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).sum() * share_of(theta) ** 2, "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).sum() / 4, "every value is"),
        (lambda s, t, theta, up: (up * (s - t)).abs().sum() * slope(theta), "every value is"),
        (lambda s, t, theta, up: (up.mean() * (s - t)).sum() * slope(theta), "every value is"),
        (lambda s, t, theta, up: ((up * (s - t)).sum() * slope(theta)).item(),
         "a torch tensor is wanted: got 3.5"),
        (lambda s, t, theta, up: ((up * (s - t)).sum() * slope(theta))[None], "shape should be ()"),
    ],
}
# fmt: on


def test_the_references_agree_with_the_library():
    kernel = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(inflate_mean(kernel, 7), inflate_kernel(kernel, 7))
    torch.testing.assert_close(inflate_center(kernel, 7), inflate_kernel(kernel, 7, "center"))
    stages = [kernel_frames(f"c{place + 1}") for place in range(5)]
    assert stages == [stage.frames for stage in PAPER.stages]
    frame = torch.randn(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    clip = still_clip(frame[:, 0], 11)
    inflated = inflate_kernel(kernel, 7)
    padding = (same_length_padding(7), 0, 0)
    assert torch.nn.functional.conv3d(clip[None], inflated, padding=padding).shape[2] == 11


def test_patches_times_a_matrix_are_the_library_s_embedding():
    generator = torch.Generator().manual_seed(0)
    embed = PatchEmbedding(5, 7, size=4)
    volume = torch.randn(2, 5, 3, 8, 12, generator=generator)
    weights = embed.project.weight.flatten(1)
    tokens = patches(volume, 4) @ weights.T + embed.project.bias
    torch.testing.assert_close(tokens, embed(volume).patches)


def test_folding_and_unfolding_agree_with_the_library():
    generator = torch.Generator().manual_seed(0)
    token = torch.randn(2, 1, 7, generator=generator)
    grid = torch.randn(2, 3, 5, 7, generator=generator)
    tokens = VideoTokens(token, grid)
    torch.testing.assert_close(fold_space(token, grid), fold(tokens, "space"))
    torch.testing.assert_close(fold_time(token, grid), fold(tokens, "time"))
    sequences = torch.randn(2 * 5, 1 + 3, 7, generator=generator)
    back = unfold(sequences, "time", like=tokens)
    torch.testing.assert_close(unfold_time(sequences, 2), (back.cls, back.patches))


def test_unfolding_undoes_folding():
    token, grid = torch.arange(14.0).view(2, 1, 7), torch.arange(210.0).view(2, 3, 5, 7)
    torch.testing.assert_close(unfold_time(fold_time(token, grid), 2), (token, grid))


def test_the_map_agrees_with_the_library_and_mixes_as_its_fused_product_does():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 5, 7, generator=generator)
    key, value = torch.randn(2, 2, 3, 11, 7, generator=generator)
    torch.testing.assert_close(attention_map(query, key), Attention.weights(query, key))
    mixed = attention_map(query, key) @ value
    torch.testing.assert_close(mixed, Attention()(query, key, value))


def test_heads_are_split_as_torch_s_own_attention_splits_them():
    tokens = torch.randn(2, 5, 21, generator=torch.Generator().manual_seed(0))
    heads = split_heads(tokens, 3)
    maps = attention_by_torch(heads, heads)
    whole = torch.nn.MultiheadAttention(21, 3, bias=False, batch_first=True)
    whole.in_proj_weight.data = torch.eye(21).repeat(3, 1)
    torch.testing.assert_close(maps, whole(tokens, tokens, tokens, average_attn_weights=False)[1])
    torch.testing.assert_close(maps, attention_map(heads, heads))


@pytest.mark.parametrize("kind", ["joint", "space", "time"])
def test_the_cost_is_what_the_library_s_sequences_multiply(kind):
    tokens = VideoTokens(torch.zeros(1, 1, 6), torch.zeros(1, 3, 5, 6))
    heads = split_heads(fold(tokens, kind), 2)
    scores = math.prod(attention_map(heads, heads).shape) * heads.shape[-1]
    mixing = math.prod(heads.shape) * heads.shape[-2]
    assert attention_cost(3, 5, 6, kind) == scores + mixing


def test_the_insight_s_fractions_hold():
    joint, space, time = (attention_cost(8, 256, 384, kind) for kind in ("joint", "space", "time"))
    assert round(joint / space) == 8
    assert round(joint / time) == 202


@pytest.mark.parametrize(
    ("ours", "fusion"), [(switched, SwitchedAttention), (crossed, CrossAttention)]
)
def test_both_attentions_agree_with_the_library(ours, fusion, branches):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        library = fusion(6, heads=3, hidden=7)
    three = library.query_key_value(*branches)
    query, key, value = (rearrange(one, "b s (h e) -> b h s e", h=3) for one in three)
    torch.testing.assert_close(ours(query, key, value), library.attention(query, key, value))
    assert key.shape[2] == context(*(branches[0].cls, branches[1].flat), "paper").shape[1]


@pytest.mark.parametrize("query", ["all", "class"])
def test_the_cost_agrees_with_a_count_of_what_torch_multiplies(query):
    tokens, width = 13, 7
    queries, keys = (14, 14) if query == "all" else (1, 13)
    asking, asked = torch.ones(queries, width), torch.ones(keys, width)
    with FlopCounterMode(display=False) as counter:
        (asking @ asked.T) @ asked
    assert fusion_cost(tokens, width, query) == counter.get_total_flops() / 2  # it counts sums too


def test_the_references_agree_with_the_library_and_with_autograd():
    generator = torch.Generator().manual_seed(0)
    space, time, upstream = (torch.randn(2, 3, 5, generator=generator) for _ in range(3))
    theta = torch.tensor(-0.7)
    torch.testing.assert_close(weigh(space, time, theta), by_the_library(space, time, theta))
    given = (space, time, theta, upstream)
    torch.testing.assert_close(weigh_gradient(*given), by_autograd(*given))


@pytest.mark.parametrize(("number", "right"), [(n, f) for n, fs in RIGHT.items() for f in fs])
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
