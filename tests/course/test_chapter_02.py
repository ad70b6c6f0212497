"""Exercises 2.1 to 2.4: right answers in several styles pass; wrong ones are told what they did."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange, reduce

from csgcourse import check
from csgcourse.chapter_02 import fold_space, fold_time, patches, unfold_time
from csglib.model.tokens import PatchEmbedding, VideoTokens, fold, unfold


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


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("2.1", patches_by_loops),
        ("2.1", patches_by_f_unfold),
        ("2.1", patches_by_convolution),
        ("2.1", lambda v, s: rearrange(v, "b c t (y p) (x q) -> b t (y x) (c p q)", p=s, q=s)),
        (
            "2.1",
            lambda v, s: (
                v.unfold(3, s, s)
                .unfold(4, s, s)
                .permute(0, 2, 3, 4, 1, 5, 6)
                .flatten(4)
                .flatten(2, 3)
            ),
        ),
        ("2.2", space_by_loops),
        ("2.2", lambda token, grid: fold(VideoTokens(token, grid), "space")),
        (
            "2.2",
            lambda token, grid: torch.cat(
                [token[:, None].expand(-1, grid.shape[1], -1, -1), grid], dim=2
            ).flatten(0, 1),
        ),
        ("2.3", time_by_loops),
        ("2.3", time_before_joining),
        ("2.3", lambda token, grid: fold(VideoTokens(token, grid), "time")),
        ("2.3", lambda token, grid: fold_space(token, grid.transpose(1, 2))),
        ("2.4", unfold_by_loops),
        ("2.4", unfold_by_einops),
        ("2.4", unfold_by_the_library),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


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


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (pixels_as_they_lie, "you only reshaped"),
        (f_unfold_as_it_comes, "as in what `F.unfold` returns"),
        (f_unfold_without_moving_channels, "channels and frames are mixed up"),
        (f_unfold_without_stride, "your patches overlap"),
        (lambda v, s: windows(v, s, (5, 6, 1)).flatten(4).flatten(2, 3), "the channels come last"),
        (lambda v, s: windows(v, s, (1, 6, 5)).flatten(4).flatten(2, 3), "every patch lies on its"),
        (lambda v, s: windows(v, s, (1, 5, 6)).flatten(2, 3), "each is still (c, row, column)"),
        (lambda v, s: patches(v.mT, s), "the clip lying on its side"),
        (lambda v, s: patches(v, s).transpose(1, 2), "t and n are swapped"),
        (lambda v, s: patches(v, s).flatten(0, 1), "still joined in one axis"),
        # None of these has a name; they are rejected all the same.
        (permuted_but_not_split, "the numbers stand in the wrong places"),
        (for_square_frames, "raised RuntimeError"),
        (lambda v, s: patches(v, 16), "raised RuntimeError"),
        (lambda v, s: patches(v.flip(-1), s), "the numbers stand in the wrong places"),
        (lambda v, s: patches(v.flip(2), s), "the numbers stand in the wrong places"),
        (lambda v, s: patches(v, s)[:, :, :-1], "the shape should be"),
        (lambda v, s: patches(v, s) / 255, "times what it should be"),
        (lambda v, s: patches(v.abs(), s), "of the values are wrong"),
        (lambda v, s: patches(v, s).unflatten(-1, (-1, s)).mT.flatten(-2), "in the wrong places"),
    ],
)
def test_wrong_patches_are_told_what_they_did(wrong, says):
    rejected("2.1", wrong, says)


def led(copies, lines):
    return torch.cat([copies, lines], dim=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.flatten(0, 1)), "token of another clip"),
        (lambda z, x: led(torch.cat([z] * x.shape[1]), x.flatten(0, 1)), "token of another clip"),
        (lambda z, x: led(x.flatten(0, 1), z.repeat_interleave(x.shape[1], 0)), "stands last"),
        (fold_time, "which is exercise 2.3"),
        (lambda z, x: fold(VideoTokens(z, x), "joint"), "one sequence a clip"),
        (lambda z, x: fold_space(z, x)[:, 1:], "nobody leads them"),
        (lambda z, x: (x + z[:, None]).flatten(0, 1), "you added the class token to every patch"),
        (lambda z, x: fold_space(z, x.transpose(1, 2).reshape(x.shape)), "t and n are swapped"),
        (lambda z, x: fold_space(z, x).reshape(len(x), x.shape[1], -1, x.shape[3]), "two axes"),
        (
            lambda z, x: led(z.repeat(x.shape[1], 1, 1), x.transpose(0, 1).flatten(0, 1)),
            "the first frame of all clips",
        ),
        # None of these has a name; they are rejected all the same.
        (lambda z, x: fold_space(z * 0, x), "of the values are wrong"),
        (lambda z, x: fold_space(x.mean(dim=(1, 2))[:, None], x), "of the values are wrong"),
        (lambda z, x: fold_space(z.mean(0, True).expand_as(z), x), "of the values are wrong"),
        (lambda z, x: fold_space(z.flip(0), x), "in the wrong places"),
        (lambda z, x: fold_space(z, x.flip(1)), "in the wrong places"),
        (lambda z, x: fold_space(z, x).mT, "the axes stand in another order"),
        (lambda z, x: torch.cat([z, x.flatten(1, 2)]), "raised RuntimeError"),
        (lambda z, x: (z, x), "a torch tensor is wanted: got a tuple"),
    ],
)
def test_wrong_sequences_in_space_are_told_what_they_did(wrong, says):
    rejected("2.2", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            lambda z, x: led(
                z.repeat_interleave(x.shape[2], 0), x.reshape(-1, x.shape[1], x.shape[3])
            ),
            "a sequence now runs over patches of one frame",
        ),
        (
            lambda z, x: led(z.repeat(x.shape[2], 1, 1), x.transpose(1, 2).flatten(0, 1)),
            "the class token of another clip",
        ),
        (
            lambda z, x: led(
                z.repeat_interleave(x.shape[2], 0), x.permute(2, 0, 1, 3).flatten(0, 1)
            ),
            "do not belong together",
        ),
        (fold_space, "which is exercise 2.2"),
        (lambda z, x: fold_time(z, x).roll(-1, dims=1), "the class token stands last"),
        (lambda z, x: fold_time(z, x).unflatten(0, (len(z), -1)), "places are still two axes"),
        (lambda z, x: fold_time(z[:1].expand_as(z), x), "the class token of the first clip"),
        (
            lambda z, x: rearrange(fold_time(z, x), "(b n) s d -> (n b) s d", b=len(z)),
            "the first place of all clips",
        ),
        # None of these has a name; they are rejected all the same.
        (
            lambda z, x: led(z.repeat_interleave(x.shape[1], 0), x.transpose(1, 2).flatten(0, 1)),
            "raised RuntimeError",
        ),
        (lambda z, x: fold_time(z, x.flip(1)), "in the wrong places"),
        (lambda z, x: fold_time(z, x.flip(2)), "in the wrong places"),
        (lambda z, x: fold_time(z, x.cumsum(1)), "of the values are wrong"),
        (lambda z, x: fold_time(z, x).transpose(0, 1), "the axes stand in another order"),
        (lambda z, x: fold_time(z, x)[:, :-1], "the shape should be"),
    ],
)
def test_wrong_sequences_in_time_are_told_what_they_did(wrong, says):
    rejected("2.3", wrong, says)


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


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (another_token(lambda copies: copies.sum(1, keepdim=True)), "you summed the copies"),
        (another_token(lambda copies: copies[:, :1]), "the copy of the first place alone"),
        (another_token(lambda copies: copies.mean(1)), "the class token lost an axis"),
        (another_token(lambda copies: copies), "are all still there"),
        (
            another_token(lambda copies: copies.mean((0, 1)).expand(len(copies), 1, -1)),
            "over all sequences of all clips",
        ),
        (another_grid(lambda places: places), "t and n are swapped"),
        (
            another_grid(lambda p: p.reshape(len(p), p.shape[2], p.shape[1], p.shape[3])),
            "you only reshaped the patches",
        ),
        (lambda s, b: unfold_time(s, b)[::-1], "return the class token first"),
        (clips_inside, "clips are mixed up"),
        # None of these has a name; they are rejected all the same.
        (another_token(lambda copies: copies.amax(1, keepdim=True)), "at place 0"),
        (another_token(lambda copies: copies.mean(2)[:, None]), "at place 0"),
        (another_token(lambda copies: copies[:, -1:]), "at place 0"),
        (another_token(lambda copies: copies.median(1, keepdim=True).values), "at place 0"),
        (lambda s, b: (clips_inside(s, b)[0], unfold_time(s, b)[1]), "at place 0"),
        (another_grid(lambda places: places.transpose(1, 2).flip(1)), "at place 1"),
        (another_grid(lambda places: places.transpose(1, 2).roll(1, 2)), "at place 1"),
        (lambda s, b: unfold_time(s, b)[1], "a tuple is wanted"),
        (lambda s, b: (*unfold_time(s, b), b), "a tuple of 2 is wanted: got 3"),
    ],
)
def test_wrong_ways_back_are_told_what_they_did(wrong, says):
    rejected("2.4", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
