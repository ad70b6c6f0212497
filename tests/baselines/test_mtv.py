from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from csglib.table1.baselines.mtv import B2_S8, MTV, Block, CrossView, View

FINE = View(width=16, heads=2, hidden=24, tubelet=2)
COARSE = View(width=8, heads=4, hidden=12, tubelet=8)


def tiny(frames=8, views=(FINE, COARSE)):
    torch.manual_seed(0)
    return MTV(5, frames, 32, views=views, global_layers=2).eval()


def count(model):
    return sum(weights.numel() for weights in model.parameters())


def test_size_is_the_measured_one():
    """No number was published for this pair of views."""
    with torch.device("meta"):
        short, long, teaching = MTV(2, 8, 256), MTV(2, 16, 256), MTV(2, 8, 256, global_layers=4)
        block = Block(1152, heads=8, hidden=3072, drop_path=0.0)
    assert count(short) == 261_365_378
    assert count(teaching) == count(short) - 8 * count(block)
    steps = 4 * (768 + 1152) + 1 * 384  # class tokens of the new steps, and their place in time
    assert count(long) == count(short) + steps


def test_attention_is_torchs():
    torch.manual_seed(0)
    ours = CrossView(fine=FINE, coarse=COARSE).attention
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
    asking, asked = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 16)
    for group in range(3):
        expected, _ = theirs(asking[:, group], asked[:, group], asked[:, group])
        torch.testing.assert_close(ours(asking, asked)[:, group], expected)


def test_a_new_view_does_not_hear_the_finer_one():
    cross = CrossView(fine=FINE, coarse=COARSE)
    fine, coarse = torch.randn(2, 3, 20, 16), torch.randn(2, 3, 5, 8)
    assert torch.equal(cross(fine, coarse), coarse)
    nn.init.normal_(cross.attention.proj.weight)
    moved = (cross(fine.roll(1, dims=1), coarse) - cross(fine, coarse)).abs().amax(-1) > 0
    assert moved.all()


def leaders(model, clip):
    """What the global encoder is given: class tokens step by step, one tensor a view."""
    given = []
    handle = model.encoder.register_forward_pre_hook(lambda _, args: given.extend(args[0]))
    model(clip)
    handle.remove()
    return given


@pytest.mark.parametrize(
    ("frame", "fine", "coarse"),
    [(1, [0, 1, 2, 3], [0]), (9, [4, 5, 6, 7], [1]), (15, [4, 5, 6, 7], [1])],
)
def test_a_group_of_four_steps_attends_jointly_and_to_no_other(frame, fine, coarse):
    model, clip = tiny(frames=16), torch.randn(1, 3, 16, 32, 32)
    nudged = clip.clone()
    nudged[0, 0, frame] += torch.randn(32, 32)
    for before, after, moved in zip(
        leaders(model, clip), leaders(model, nudged), (fine, coarse), strict=True
    ):
        assert (before - after)[0].abs().amax(-1).nonzero().flatten().tolist() == moved


def test_what_the_global_encoder_is_given_are_the_class_tokens():
    """Without layers they are as they were put in: each step's own, and the first place of it."""
    model = tiny(frames=16)
    model.layers = nn.ModuleList()
    for cut in model.cuts:
        nn.init.normal_(cut.leader)
    fine, coarse = leaders(model, torch.randn(1, 3, 16, 32, 32))
    of_fine, of_coarse = model.cuts
    first_places = of_fine.positions[::5].repeat(2, 1)  # one class token and four patches a step
    torch.testing.assert_close(fine[0], of_fine.leader + first_places)
    torch.testing.assert_close(coarse[0], of_coarse.leader + of_coarse.positions[0])


def test_views_stand_side_by_side_in_time():
    encoder, given = tiny(frames=16).encoder, []
    encoder.blocks.register_forward_pre_hook(lambda _, args: given.append(args[0][:, 0]))
    fine, coarse = torch.randn(3, 8, 16), torch.randn(3, 2, 8)
    encoder([fine, coarse])
    clip, *steps = (given[0] - encoder.positions).unbind(1)
    torch.testing.assert_close(clip, encoder.leader.expand(3, 24))
    for number, step in enumerate(steps):
        torch.testing.assert_close(step, torch.cat([fine[:, number], coarse[:, number // 4]], -1))


def test_news_travel_from_the_finest_view_to_the_coarsest():
    middle = View(width=8, heads=2, hidden=12, tubelet=4)
    asking = tiny(views=(FINE, middle, COARSE)).layers[5]
    for pair in asking:
        nn.init.normal_(pair.attention.proj.weight)
    views = [torch.randn(1, 1, 4 // times * 5, width) for times, width in ((1, 16), (2, 8), (4, 8))]
    fine, medium, coarse = asking(views)
    other = asking([views[0].flip(-1), *views[1:]])
    assert torch.equal(fine, views[0])
    assert not torch.equal(medium, other[1])
    assert not torch.equal(coarse, other[2])


@pytest.mark.parametrize("frames", [8, 16])
def test_everything_learns_by_the_third_step(frames):
    """The head starts at zero, and so does what one view hears of another."""
    model, clip = tiny(frames).train(), torch.randn(2, 3, frames, 32, 32)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(3):
        F.cross_entropy(model(clip), torch.tensor([4, 1])).backward()
        adam.step()
        adam.zero_grad()
    idle = [
        name for name, weights in model.named_parameters() if torch.equal(before[name], weights)
    ]
    assert idle == []
    model.eval()
    torch.testing.assert_close(model(clip)[:1], model(clip[:1]))


def test_drop_path_rises_in_the_views_and_in_the_global_encoder():
    model = tiny()
    views = [layer[0].drop.p for layer in model.layers if isinstance(layer[0], Block)]
    assert len(views) == 12
    assert [after - before for before, after in pairwise(views)] == pytest.approx([0.1 / 11] * 11)
    assert [block.drop.p for block in model.encoder.blocks] == [0, 0.1]


@pytest.mark.parametrize(("frames", "size"), [(12, 32), (8, 40), (4, 32)])
def test_a_clip_that_cannot_be_cut_is_refused(frames, size):
    message = (
        "pieces of 8 frames and 16 x 16 pixels, and wants multiples: "
        f"got {frames} frames of {size} x {size}"
    )
    with pytest.raises(ValueError, match=message):
        MTV(2, frames, size, views=B2_S8)


@pytest.mark.parametrize("shape", [(16, 32, 32), (8, 32, 48), (8, 48, 32)])
def test_another_clip_than_it_was_made_for_is_refused(shape):
    got = " x ".join(map(str, shape))
    with pytest.raises(ValueError, match=f"made for clips of 8 x 32 x 32: got {got}"):
        tiny()(torch.zeros(1, 3, *shape))
