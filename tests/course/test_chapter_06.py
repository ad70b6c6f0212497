"""Exercises 6.1 to 6.3: right answers in several styles pass; wrong ones are told what they did."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat

from csgcourse import check
from csgcourse.chapter_02 import patches
from csgcourse.chapter_06 import output_size, tokens_to_volume, volume_to_tokens
from csglib.model.config import PAPER, TINY
from csglib.model.csg3dct import CSG3DCT
from csglib.model.fcu import TokensToVolume, VolumeToTokens


def bare(bridge):
    """A bridge of the library whose projection and norm let everything pass."""
    width = bridge.project.in_channels
    bridge.project.weight.data = torch.eye(width).view(width, width, 1, 1, 1)
    bridge.project.bias.data.zero_()
    bridge.norm = torch.nn.Identity()
    return bridge


def down_by_the_library(volume, stride):
    width = volume.shape[1]
    with torch.no_grad():
        return bare(VolumeToTokens(width, width, stride)).to(volume.dtype)(volume)


def up_by_the_library(tokens, rows, scale):
    width = tokens.shape[3]
    with torch.no_grad():
        bridge = bare(TokensToVolume(width, width, scale)).to(tokens.dtype)
        return bridge(tokens, tokens.shape[2] // rows)


def test_the_references_agree_with_the_library():
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(2, 3, 5, 6, 14, generator=generator)
    tokens = volume_to_tokens(volume, 2)
    torch.testing.assert_close(tokens, down_by_the_library(volume, 2))
    torch.testing.assert_close(tokens_to_volume(tokens, 3, 2), up_by_the_library(tokens, 3, 2))


def test_down_undoes_up():
    tokens = torch.arange(210.0).view(1, 2, 15, 7)
    torch.testing.assert_close(volume_to_tokens(tokens_to_volume(tokens, 3, 4), 4), tokens)


@pytest.mark.parametrize(
    ("config", "side"), [pytest.param(PAPER, 256, marks=pytest.mark.slow), (TINY, 48)]
)
def test_sizes_are_those_of_the_network(config, side):
    seen = {}
    with torch.device("meta"):
        model = CSG3DCT(config)
    last = -1
    for place, stage in enumerate(config.stages, 1):
        last += stage.blocks
        module = [model.local, *model.convs][last]

        def note(_, __, output, name=f"c{place}"):
            volume = output if torch.is_tensor(output) else output[0]
            seen[name] = tuple(volume.shape[2:])

        module.register_forward_hook(note)
    model(torch.empty(1, 3, 7, side, side, device="meta"))
    assert seen == {stage: output_size(stage, 7, side) for stage in ("c1", "c2", "c3", "c4", "c5")}


def test_sizes_are_those_of_table_si():
    sizes = [output_size(stage, 8, 256) for stage in ("c1", "c2", "c3", "c4", "c5")]
    assert sizes == [(8, side, side) for side in (64, 64, 32, 16, 8)]


def down_by_loops(volume, stride):
    height, width = volume.shape[3:]
    tokens = [
        volume[:, :, :, y : y + stride, x : x + stride].mean(dim=(3, 4)).transpose(1, 2)
        for y in range(0, height, stride)
        for x in range(0, width, stride)
    ]
    return torch.stack(tokens, dim=2)


def down_by_pooling_frames(volume, stride):
    images = volume.transpose(1, 2).flatten(0, 1)
    means = F.avg_pool2d(images, stride)
    return means.flatten(2).mT.unflatten(0, (len(volume), -1))


def down_by_convolution(volume, stride):
    channels = volume.shape[1]
    kernel = volume.new_full((channels, 1, 1, stride, stride), 1 / stride**2)
    means = F.conv3d(volume, kernel, stride=(1, stride, stride), groups=channels)
    return rearrange(means, "b c t y x -> b t (y x) c")


def up_by_loops(tokens, rows, scale):
    clips, frames, count, channels = tokens.shape
    columns = count // rows
    volume = tokens.new_zeros(clips, channels, frames, rows * scale, columns * scale)
    for y in range(rows * scale):
        for x in range(columns * scale):
            token = tokens[:, :, y // scale * columns + x // scale]
            volume[..., y, x] = token.transpose(1, 2)
    return volume


def grid_of(tokens, rows):
    return rearrange(tokens, "b t (y x) c -> b c t y x", y=rows)


def sizes_by_halving(stage, frames, side):
    for name in ("convolution", "pooling", "c3", "c4", "c5"):
        side = side // 2
        if name == stage or (name == "pooling" and stage in ("c1", "c2")):
            break
    return [frames, side, side]


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("6.1", down_by_loops),
        ("6.1", down_by_pooling_frames),
        ("6.1", down_by_convolution),
        ("6.1", down_by_the_library),
        (
            "6.1",
            lambda v, s: reduce(v, "b c t (y p) (x q) -> b t (y x) c", "mean", p=s, q=s),
        ),
        ("6.1", lambda v, s: F.avg_pool3d(v, (1, s, s)).flatten(3).permute(0, 2, 3, 1)),
        ("6.1", lambda v, s: patches(v, s).unflatten(-1, (v.shape[1], -1)).mean(-1)),
        ("6.2", up_by_loops),
        ("6.2", up_by_the_library),
        (
            "6.2",
            lambda z, y, s: repeat(z, "b t (y x) c -> b c t (y p) (x q)", y=y, p=s, q=s),
        ),
        ("6.2", lambda z, y, s: F.interpolate(grid_of(z, y), scale_factor=(1, s, s))),
        ("6.2", lambda z, y, s: torch.kron(grid_of(z, y).contiguous(), torch.ones(s, s).to(z))),
        (
            "6.2",
            lambda z, y, s: (
                grid_of(z, y)[..., None, :, None]
                .expand(-1, -1, -1, -1, s, -1, s)
                .flatten(5)
                .flatten(3, 4)
            ),
        ),
        ("6.3", sizes_by_halving),
        ("6.3", lambda c, t, y: (t,) + (y // 2 ** {1: 2, 2: 2}.get(int(c[1]), int(c[1])),) * 2),
        (
            "6.3",
            lambda c, t, y: torch.empty(t, *[y * 2 // (8, 8, 16, 32, 64)[int(c[1]) - 1]] * 2).shape,
        ),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


def pooled_volume(volume, window):
    return F.avg_pool3d(volume, window).flatten(3).permute(0, 2, 3, 1)


def pooled_without_moving_channels(volume, stride):
    images = volume.reshape(-1, volume.shape[1], *volume.shape[3:])
    return F.avg_pool2d(images, stride).flatten(2).mT.unflatten(0, (len(volume), -1))


def rows_alone(volume, stride):
    return volume_to_tokens(volume.repeat_interleave(stride, -1)[..., : volume.shape[-1]], stride)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda v, s: patches(v, s).unflatten(-1, (v.shape[1], -1)).sum(-1), "you summed each"),
        (lambda v, s: F.max_pool3d(v, (1, s, s)).flatten(3).permute(0, 2, 3, 1), "max pooling"),
        (lambda v, s: v[..., ::s, ::s].flatten(3).permute(0, 2, 3, 1), "the first place of each"),
        (pooled_volume, "you pooled in time too"),
        (lambda v, s: pooled_volume(v.mT, (1, s, s)), "column by column"),
        (pooled_without_moving_channels, "channels and frames are mixed up"),
        (
            lambda v, s: F.avg_pool3d(v, (1, s, s)).reshape(len(v), v.shape[2], -1, v.shape[1]),
            "you only reshaped: the channels",
        ),
        (
            lambda v, s: reduce(v, "b c t (p y) (q x) -> b t (y x) c", "mean", p=s, q=s),
            "the mean went over the wrong block",
        ),
        (lambda v, s: volume_to_tokens(v, s).transpose(1, 2), "t and n are swapped"),
        (lambda v, s: F.avg_pool3d(v, (1, s, s)).permute(0, 2, 3, 4, 1), "still two axes"),
        # None of these has a name; they are rejected all the same.
        (rows_alone, "of the values are wrong"),
        (lambda v, s: F.avg_pool3d(v, (1, s, s)).flatten(3), "the axes stand in another order"),
        (lambda v, s: volume_to_tokens(v, s).cumsum(1), "of the values are wrong"),
        (
            lambda v, s: volume_to_tokens(v, s).mean(1, True).expand(-1, v.shape[2], -1, -1),
            "of the values are wrong",
        ),
        (lambda v, s: volume_to_tokens(v.relu(), s), "of the values are wrong"),
        (lambda v, s: volume_to_tokens(v.flip(-1), s), "in the wrong places"),
        (lambda v, s: volume_to_tokens(v, s).mean(-1, True), "the shape should be"),
        (patches, "the shape should be"),
        (lambda v, s: volume_to_tokens(v, 4), "raised RuntimeError"),
        (
            lambda v, s: (
                F.avg_pool3d(v, (1, s, s), stride=(1, s, s), padding=(0, s // 2, s // 2))
                .flatten(3)
                .permute(0, 2, 3, 1)
            ),
            "the shape should be",
        ),
    ],
)
def test_wrong_ways_down_are_told_what_they_did(wrong, says):
    rejected("6.1", wrong, says)


def smooth_corners(tokens, rows, scale):
    right = tokens_to_volume(tokens, rows, scale)
    size = right.shape[2:]
    return F.interpolate(grid_of(tokens, rows), size=size, mode="trilinear", align_corners=True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda z, y, s: grid_of(z, y).repeat(1, 1, 1, s, s), "like tiles"),
        (
            lambda z, y, s: F.interpolate(
                grid_of(z, y), scale_factor=(1.0, s, s), mode="trilinear", align_corners=False
            ),
            "you blended neighbours",
        ),
        (
            lambda z, y, s: tokens_to_volume(z[:, :1].expand_as(z), y, s),
            "the tokens of frame 0 are fed back",
        ),
        (lambda z, y, s: F.interpolate(grid_of(z, y), scale_factor=s), "you repeated frames too"),
        (lambda z, y, s: tokens_to_volume(z, z.shape[2] // y, s).mT, "column by column"),
        (lambda z, y, s: tokens_to_volume(z, z.shape[2] // y, s), "for the number of columns"),
        (
            lambda z, y, s: F.interpolate(
                z.reshape(len(z), z.shape[3], z.shape[1], y, -1), scale_factor=(1, s, s)
            ),
            "you only reshaped: the channels",
        ),
        (
            lambda z, y, s: (
                z.repeat_interleave(s * s, 2)
                .permute(0, 3, 1, 2)
                .reshape(len(z), z.shape[3], z.shape[1], y * s, -1)
            ),
            "they should form a square",
        ),
        (lambda z, y, s: tokens_to_volume(z, y, 1), "still has to be laid over"),
        (lambda z, y, s: tokens_to_volume(z, y, s) / s / s, "you shared each token out"),
        # None of these has a name; they are rejected all the same.
        (smooth_corners, "of the values are wrong"),
        (lambda z, y, s: tokens_to_volume(z, y, s).flip(2), "in the wrong places"),
        (lambda z, y, s: tokens_to_volume(z, y, s).flip(3), "in the wrong places"),
        (lambda z, y, s: tokens_to_volume(z, y, s).roll(1, 4), "in the wrong places"),
        (lambda z, y, s: tokens_to_volume(z.flip(0), y, s), "in the wrong places"),
        (lambda z, y, s: tokens_to_volume(z, y, s) * s, "times what it should be"),
        (lambda z, y, s: tokens_to_volume(z, y, 4), "the shape should be"),
        (lambda z, y, s: tokens_to_volume(z, int(z.shape[2] ** 0.5), s), "raised RuntimeError"),
        (lambda z, y, s: tokens_to_volume(z, y, s).permute(0, 2, 3, 4, 1), "in another order"),
    ],
)
def test_wrong_ways_up_are_told_what_they_did(wrong, says):
    rejected("6.2", wrong, says)


def divided(*reductions):
    def output(stage, frames, side):
        size = side // reductions[int(stage[1]) - 1]
        return frames, size, size

    return output


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (divided(4, 4, 8, 16, 16), "8 x 8 in Table SI, not 16 x 16"),
        (divided(2, 4, 8, 16, 32), "c1 is twice too large"),
        (divided(4, 8, 16, 32, 64), "c2 halves nothing"),
        (divided(1, 1, 2, 4, 8), "the stem is missing"),
        (divided(16, 16, 16, 16, 16), "this is the grid of patches"),
        (lambda c, t, y: (t // (y // output_size(c, t, y)[1]), *output_size(c, t, y)[1:]), "time"),
        (lambda c, t, y: (t, 1 + (y // 16) ** 2), "class token included"),
        (lambda c, t, y: output_size(c, 8, 256), "for the paper's clip alone"),
        (lambda c, t, y: (t, 257) if y == 256 else (t, 1 + (y // 16) ** 2), "class token included"),
        (lambda c, t, y: (t, output_size(c, t, y)[1]), "three numbers are wanted"),
        (lambda c, t, y: output_size(c, t, 256), "for the paper's 256 x 256 alone"),
        (lambda c, t, y: output_size(c, t, y)[::-1], "the frames stand last"),
        # None of these has a name; they are rejected all the same.
        (divided(4, 4, 8, 16, 8), "is wanted: got"),
        (divided(4, 4, 8, 32, 32), "is wanted: got"),
        (divided(4, 4, 8, 8, 16), "is wanted: got"),
        (lambda c, t, y: (t, y / 4, y / 4), "a whole number is wanted"),
        (lambda c, t, y: (2048, *output_size(c, t, y)), "a tuple of 3 is wanted: got 4"),
        (lambda c, t, y: (t + 1, *output_size(c, t, y)[1:]), "is wanted: got"),
        (lambda c, t, y: torch.tensor(output_size(c, t, y)), "a tuple is wanted"),
        (lambda c, t, y: output_size(c, t, y)[1], "a tuple is wanted: got"),
        (lambda c, t, y: f"{t}x{y // 4}", "a tuple is wanted: got a str"),
    ],
)
def test_wrong_sizes_are_told_what_they_did(wrong, says):
    rejected("6.3", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
