from itertools import chain, pairwise

import pytest
import torch
import torch.nn.functional as F

from csglib.table1.baselines.drop_path import DropPath
from csglib.table1.baselines.uniformer import BASE, SMALL, GlobalBlock, LocalBlock, Sizes, UniFormer

TINY = Sizes(depths=(1, 2, 1, 1), widths=(4, 6, 64, 128), drop_path=0.2)


def on_paper(classes, sizes):
    with torch.device("meta"):
        return UniFormer(classes, sizes=sizes)


def blocks(model):
    return list(chain.from_iterable(stage[1:] for stage in model.stages))


@pytest.mark.parametrize(
    ("sizes", "classes", "parameters"),
    [
        (SMALL, 400, 21_400_400),
        (SMALL, 2, 21_196_226),
        (BASE, 400, 49_813_200),
        (BASE, 2, 49_609_026),
    ],
)
def test_sizes_are_the_published_ones(sizes, classes, parameters):
    assert sum(weights.numel() for weights in on_paper(classes, sizes).parameters()) == parameters


def test_the_first_embedding_alone_drops_frames():
    volume, shapes = torch.randn(1, 3, 8, 64, 96), []
    for stage in UniFormer(2, sizes=TINY).stages:
        volume = stage(volume)
        shapes.append(tuple(volume.shape[1:]))
    assert shapes == [(4, 4, 16, 24), (6, 4, 8, 12), (64, 4, 4, 6), (128, 4, 2, 3)]


def test_a_global_block_is_attention_over_all_places_of_all_frames():
    """Written out with two heads: scores, softmax, mean, one place after the other."""
    torch.manual_seed(0)
    block, volume = GlobalBlock(128, 0.0), torch.randn(2, 128, 3, 2, 5)
    placed = volume + block.position(volume)
    tokens = placed.flatten(2).mT
    normed = F.layer_norm(tokens, (128,), block.norm.weight, block.norm.bias, 1e-6)
    heads = []
    for head in range(2):
        query, key, value = (
            normed @ weight[64 * head :][:64].T + bias[64 * head :][:64]
            for weight, bias in zip(
                block.qkv.weight.chunk(3),
                block.qkv.bias.chunk(3),
                strict=True,
            )
        )
        shares = (torch.einsum("bie,bje->bij", query, key) / 64**0.5).softmax(dim=-1)
        heads.append(torch.einsum("bij,bje->bie", shares, value))
    tokens = tokens + block.proj(torch.cat(heads, dim=-1))
    tokens = tokens + block.ffn(tokens)
    torch.testing.assert_close(block(volume), tokens.mT.reshape(volume.shape), rtol=1e-4, atol=1e-5)


def test_a_local_block_sees_three_places_in_every_direction():
    """One for the position, two for the neighbours; in time as in space."""
    torch.manual_seed(0)
    block, volume = LocalBlock(4, 0.0).eval(), torch.randn(1, 4, 9, 11, 13)
    nudged = volume.clone()
    nudged[0, 0, 4, 5, 6] += 1.0
    moved = (block(volume) - block(nudged)).abs().amax(1)[0] > 1e-7
    wanted = torch.zeros(9, 11, 13, dtype=torch.bool)
    wanted[1:8, 2:9, 3:10] = True
    assert torch.equal(moved, wanted)


def test_it_learns_everywhere_and_takes_clips_of_any_length_and_size():
    torch.manual_seed(0)
    model = UniFormer(5, sizes=TINY)
    clip, grades = torch.randn(2, 3, 8, 64, 32), torch.tensor([4, 1])
    F.cross_entropy(model(clip), grades).backward()
    silent = [name for name, weights in model.named_parameters() if not weights.grad.any()]
    assert silent == []
    model.eval()
    torch.testing.assert_close(model(clip)[:1], model(clip[:1]))
    assert model(clip.repeat(1, 1, 2, 1, 3)).shape == (2, 5)


def test_drop_path_rises_to_the_published_rate():
    for sizes in (SMALL, BASE):
        rates = [block.drop.p for block in blocks(on_paper(2, sizes))]
        assert (rates[0], rates[-1]) == (0, sizes.drop_path)
        steps = [after - before for before, after in pairwise(rates)]
        assert steps == pytest.approx([sizes.drop_path / (len(rates) - 1)] * len(steps))


def test_drop_path_silences_whole_clips_and_keeps_the_mean():
    torch.manual_seed(0)
    drop, branch = DropPath(0.3), torch.rand(4000, 2, 3) + 1
    gain = drop(branch) / branch
    torch.testing.assert_close(gain, gain[:, :1, :1].expand_as(gain))
    assert sorted(gain.flatten().unique().tolist())[0] == 0
    assert gain.max().item() == pytest.approx(1 / 0.7)
    assert gain.mean().item() == pytest.approx(1, abs=0.05)  # 5 standard errors
    assert torch.equal(drop.eval()(branch), branch)


def test_both_branches_of_a_block_can_be_dropped():
    for block in (LocalBlock(64, 1.0), GlobalBlock(64, 1.0)):
        volume = torch.randn(1, 64, 2, 3, 4)
        torch.testing.assert_close(block(volume), volume + block.position(volume))


@pytest.mark.parametrize(("rows", "columns"), [(32, 48), (48, 32)])
def test_a_clip_of_another_size_is_refused(rows, columns):
    with pytest.raises(ValueError, match=f"multiples of 32: got {rows} x {columns}"):
        UniFormer(2, sizes=TINY)(torch.zeros(1, 3, 8, rows, columns))


def test_a_width_that_heads_do_not_fill_is_refused():
    with pytest.raises(ValueError, match="heads of 64 channels must fill the width: got 96"):
        GlobalBlock(96, 0.0)
