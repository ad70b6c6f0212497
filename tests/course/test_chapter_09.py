"""Exercises 9.1 to 9.3: right answers in several styles pass; wrong ones are told what they did."""

from functools import reduce

import numpy as np
import pytest
import torch
from einops import rearrange

from csgcourse import check
from csgcourse.chapter_09 import rollout, share_inside, tokens_to_maps
from csglib.model.tokens import PatchEmbedding


def drawn_maps(*shape):
    scores = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    return list((3 * scores).softmax(-1))


def test_tokens_return_to_where_the_library_cut_them():
    embed = PatchEmbedding(3, 3, 1)
    embed.project.weight.data[:, :, 0, 0, 0] = torch.eye(3)
    embed.project.bias.data.zero_()
    volume = torch.randn(2, 3, 5, 2, 7, generator=torch.Generator().manual_seed(0))
    tokens = embed(volume)
    sequence = torch.cat([tokens.cls, tokens.flat], dim=1)
    torch.testing.assert_close(tokens_to_maps(sequence, 5, 2), volume)


def test_rollout_is_what_linear_blocks_do_to_their_input():
    """Blocks that add the mean of their heads' mixtures, halved, are the matrix itself."""
    maps = drawn_maps(3, 1, 2, 5, 5)
    tokens = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    passed_on = tokens
    for heads in maps:
        passed_on = (passed_on + sum(head @ passed_on for head in heads[0]) / 2) / 2
    torch.testing.assert_close(rollout(maps)[0] @ tokens, passed_on)
    torch.testing.assert_close(rollout(maps).sum(-1), torch.ones(1, 5))


def test_an_even_heat_scores_one_and_a_heat_all_inside_the_most_there_is():
    mask = torch.zeros(2, 5, 3, dtype=torch.bool)
    mask[1, 1:3] = True
    assert share_inside(torch.full(mask.shape, 0.3), mask) == pytest.approx(1)
    assert share_inside(mask.float(), mask) == pytest.approx(30 / 6)


def maps_by_loops(tokens, frames, rows):
    b, s, c = tokens.shape
    columns = (s - 1) // frames // rows
    answer = torch.zeros(b, c, frames, rows, columns, dtype=tokens.dtype)
    for place in range(s - 1):
        frame, patch = divmod(place, rows * columns)
        answer[:, :, frame, patch // columns, patch % columns] = tokens[:, place + 1]
    return answer


def rollout_by_loops(maps):
    results = []
    for clip in range(len(maps[0])):
        total = np.eye(maps[0].shape[-1])
        for heads in maps:
            block = np.mean([head.numpy() for head in heads[clip]], axis=0) + np.eye(len(total))
            total = block / block.sum(axis=1, keepdims=True) @ total
        results.append(torch.from_numpy(total))
    return torch.stack(results)


def rollout_by_halves(maps):
    blocks = [0.5 * m.mean(1) + 0.5 * torch.eye(m.shape[-1]).to(m) for m in maps]
    return reduce(lambda total, block: torch.bmm(block, total), blocks)


def rollout_by_einsum(maps):
    total = None
    for heads in maps:
        block = heads.mean(1) + torch.eye(heads.size(-1)).expand_as(heads[:, 0])
        block = torch.nn.functional.normalize(block, p=1, dim=-1)
        total = block if total is None else torch.einsum("bij,bjk->bik", block.to(total), total)
    return total


def share_by_loops(heat, mask):
    inside = total = count = 0
    for voxel, is_inside in zip(heat.flatten().tolist(), mask.flatten().tolist(), strict=True):
        total += voxel
        if is_inside:
            inside += voxel
            count += 1
    return (inside / total) / (count / mask.numel())


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("9.1", maps_by_loops),
        (
            "9.1",
            lambda tokens, frames, rows: (
                tokens[:, 1:]
                .reshape(len(tokens), frames, rows, -1, tokens.shape[2])
                .permute(0, 4, 1, 2, 3)
            ),
        ),
        (
            "9.1",
            lambda tokens, frames, rows: (
                tokens.mT[:, :, 1:].unflatten(2, (frames, rows, -1)).contiguous()
            ),
        ),
        ("9.1", lambda s, t, y: torch.stack(s[:, 1:].mT.chunk(t, 2), 2).unflatten(3, (y, -1))),
        ("9.2", rollout_by_loops),
        ("9.2", rollout_by_halves),
        ("9.2", rollout_by_einsum),
        ("9.3", share_by_loops),
        ("9.3", lambda heat, mask: heat[mask].mean() / heat.mean()),
        ("9.3", lambda heat, mask: np.average(heat, weights=mask) / heat.numpy().mean()),
        ("9.3", lambda h, m: torch.einsum("tyx,tyx->", h, m.to(h)) / h.sum() * m.numel() / m.sum()),
        ("9.3", lambda heat, mask: (heat * mask).sum() * mask.numel() / (heat.sum() * mask.sum())),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


def volume(tokens, pattern, frames, rows):
    return rearrange(tokens, pattern, t=frames, y=rows)


RIGHT = "b (t y x) c -> b c t y x"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda s, t, y: volume(s[:, :-1], RIGHT, t, y), "you dropped the last token"),
        (lambda s, t, y: volume(s[:, 1:], "b (y x t) c -> b c t y x", t, y), "patch by patch"),
        (lambda s, t, y: volume(s[:, 1:], "b (t x y) c -> b c t y x", t, y), "column by column"),
        (
            lambda s, t, y: volume(s[:, 1:], "b (t y x) c -> b c t x y", t, y),
            "rows and columns are",
        ),
        (lambda s, t, y: s[:, 1:].reshape(*s[:, 0].shape, t, y, -1), "the channels run through"),
        (lambda s, t, y: volume(s[:, 1:], "b (t y x) c -> b t y x c", t, y), "channels stand last"),
        (lambda s, t, y: volume(s[:, 1:], "b (t y x) c -> b t c y x", t, y), "before the channels"),
        # from here on nobody has told the exercise
        (lambda s, t, y: volume(s, RIGHT, t, y), "raised EinopsError"),
        (lambda s, t, y: volume(s[:, 1:], RIGHT, t, y).flip(2), "in the wrong places"),
        (lambda s, t, y: volume(s[:, 1:], RIGHT, y, t), "not yet"),
        (lambda s, t, y: volume(s[1:], RIGHT, t, y), "raised EinopsError"),
        (lambda s, t, y: volume(s[:, 1:] - s[:, :1], RIGHT, t, y), "of the values are wrong"),
        (lambda s, t, y: volume(s[:, 1:], RIGHT, t, y)[:, :1], "the shape should be"),
        (lambda s, t, y: volume(s[:, 1:], "b (t y x) c -> (b t) c y x", t, y), "the shape should"),
        (lambda s, t, y: volume(s[:, 1:], RIGHT, t, y).relu(), "of the values are wrong"),
        (lambda s, t, y: s[:, 1:].mT.reshape(len(s), -1, y, t, s.shape[2]), "not yet"),
        (lambda s, t, y: volume(s[:, 1:], "b (x t y) c -> b c t y x", t, y), "wrong places"),
    ],
)
def test_wrong_maps_are_told_what_they_did(wrong, says):
    rejected("9.1", wrong, says)


def rolled(maps, mend, join=lambda total, block: block @ total):
    return reduce(join, [mend(heads) for heads in maps])


def plus_identity(block):
    return block + torch.eye(block.shape[-1]).to(block)


def normalised(block, axis=-1):
    return block / block.sum(axis, keepdim=True)


def right(heads):
    return normalised(plus_identity(heads.mean(1)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda maps: rolled(maps, lambda m: normalised(m.mean(1))), "the identity is missing"),
        (lambda maps: rolled(maps, lambda m: plus_identity(m.mean(1))), "a row sums to 2"),
        (lambda maps: rollout(maps[::-1]), "in the wrong order"),
        (
            lambda maps: rolled(maps, lambda m: normalised(plus_identity(m.max(1).values))),
            "the maximum over the heads",
        ),
        (
            lambda maps: rolled(maps, lambda m: normalised(plus_identity(m.mean(1)), -2)),
            "you divided the columns",
        ),
        (
            lambda maps: rolled(maps, right, lambda total, block: total * block),
            "element by element",
        ),
        (lambda maps: rollout(maps[-1:]), "only the last block counts"),
        (lambda maps: sum(right(heads) for heads in maps) / len(maps), "the mean over the blocks"),
        (lambda maps: rollout(maps).transpose(1, 2), "queries and keys are exchanged"),
        # from here on nobody has told the exercise
        (lambda maps: rollout(maps[:1]), "of the values are wrong"),
        (lambda maps: rollout(maps[1:]) if maps[1:] else rollout(maps), "values are wrong"),
        (lambda maps: rollout(maps).mean(0, keepdim=True), "the shape should be"),
        (lambda maps: rollout(maps)[:, 0], "the shape should be"),
        (lambda maps: plus_identity(rolled(maps, lambda m: m.mean(1))), "values are wrong"),
        (lambda maps: rolled(maps, lambda m: (9 * plus_identity(m.mean(1))).softmax(-1)), "wrong"),
        (lambda maps: rolled(maps, lambda m: m.mean(1)).softmax(-1), "values are wrong"),
        (lambda maps: rolled(maps, lambda m: right(m[:, :1])), "values are wrong"),
        (lambda maps: rolled(maps, lambda m: right(m.amin(1, keepdim=True))), "are wrong"),
        (lambda maps: rolled(maps, lambda m: normalised(plus_identity(m))).mean(1), "are wrong"),
        (lambda maps: torch.stack([right(heads) for heads in maps]), "the shape should be"),
        (lambda maps: right(maps[0] if len(maps) == 1 else maps[0] @ maps[-1]), "are wrong"),
        (
            lambda maps: rolled(maps, lambda m: (2 * m.mean(1) + torch.eye(m.shape[-1])) / 3),
            "wrong",
        ),
    ],
)
def test_wrong_rollouts_are_told_what_they_did(wrong, says):
    rejected("9.2", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda heat, mask: (heat * mask).sum() / heat.sum(), "the share of the heat alone"),
        (lambda heat, mask: heat[mask].mean(), "this is the mean heat inside"),
        (lambda heat, mask: heat[mask].sum(), "this is the heat inside"),
        (lambda h, m: h[m].mean() / (h[~m].mean() if (~m).any() else 1), "inside with outside"),
        (lambda heat, mask: heat[mask].sum() / heat.sum() * mask.double().mean(), "you multiplied"),
        (lambda heat, mask: heat[mask].mean() / heat.sum(), "the number of voxels in the mask"),
        (
            lambda heat, mask: np.mean(
                [share_inside(*one) for one in zip(heat, mask, strict=True)]
            ),
            "you scored each frame",
        ),
        (lambda heat, mask: heat[mask].sum() / heat.sum() - mask.float().mean(), "you subtracted"),
        # from here on nobody has told the exercise
        (lambda heat, mask: heat[mask].sum() / heat[~mask].sum(), "is wanted: got"),
        (lambda heat, mask: 1 / share_inside(heat, mask) if heat[mask].sum() else 0, "is wanted"),
        (lambda heat, mask: ((heat > heat.mean()) & mask).sum() / mask.sum(), "is wanted: got"),
        (lambda heat, mask: heat[mask].median() / heat.median(), "is wanted: got"),
        (lambda heat, mask: min(1.0, share_inside(heat, mask)), "is wanted: got 1"),
        (lambda heat, mask: 100 * share_inside(heat, mask), "is wanted: got"),
        (lambda heat, mask: share_inside(heat / heat.amax((1, 2), True), mask), "is wanted: got"),
        (lambda heat, mask: share_inside(heat**2, mask), "is wanted: got"),
        (lambda heat, mask: share_inside(heat - heat.min(), mask), "is wanted: got"),
        (lambda heat, mask: heat * mask / heat.sum() / mask.float().mean(), "a number is wanted"),
        (lambda heat, mask: share_inside(heat.sum(0), mask.any(0)), "is wanted: got"),
        (lambda heat, mask: share_inside(heat[:1], mask[:1]), "is wanted: got"),
    ],
)
def test_wrong_shares_are_told_what_they_did(wrong, says):
    rejected("9.3", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
