"""Patch attention: whose weights it sends, what its still shows; in a page, guess and query."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from csgcourse.widgets.patch_attention import PatchAttention, branch_maps, shared_weight
from csglib import CSG3DCT, TINY, network_input
from csglib.model.config import SingleBranch


@torch.no_grad()
def test_maps_are_a_softmax_over_a_frame_and_over_a_place(opinionated_network, simulated_clip):
    """The same from the first block's own parts, query by query."""
    network = opinionated_network.eval()
    space, time = branch_maps(network, simulated_clip)[0]
    tokens = network.embed(network.stem(network_input(simulated_clip.frames)[None]))
    patches = tokens.patches[0]
    for branch, found, others, row in (
        (network.blocks[0].space, space[:, 2, 17], patches[2], 17),
        (network.blocks[0].time, time[:, 17, 2], patches[:, 17], 2),
    ):
        sequence = torch.cat([tokens.cls[0], others])
        query, key, _ = branch.qkv(branch.norm(sequence)).chunk(3, dim=-1)
        for head in range(4):
            own = slice(16 * head, 16 * head + 16)
            expected = (query[1 + row, own] @ key[:, own].T / 4).softmax(-1)
            torch.testing.assert_close(found[1 + head], expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[0], found[1:].mean(0))


def test_shared_weight_is_1_for_equal_maps_and_0_for_disjoint_ones():
    assert shared_weight(torch.full((2, 4, 5), 0.2)) == pytest.approx(1)
    assert shared_weight(torch.eye(4)[None]) == 0


def test_it_sends_one_block_and_head_and_its_still_waits_for_a_guess(
    opinionated_network, simulated_clip
):
    opinionated_network.train()
    widget = PatchAttention(opinionated_network, simulated_clip)
    assert all(part.training for part in opinionated_network.modules())
    assert repr(widget) == "PatchAttention(block=5, head=0, frame=2, patch=28)"
    maps = branch_maps(opinionated_network, simulated_clip)
    widget.block, widget.head = 2, 3
    for name, own in zip(("space", "time"), maps[1], strict=True):
        sent = np.frombuffer(getattr(widget, name), np.uint16).reshape(own[3].shape) / 65_535
        np.testing.assert_allclose(sent, own[3].numpy(), atol=1e-5)
    picture, bars = widget.still().axes
    assert (len(picture.images), len(bars.patches)) == (1, 0)
    widget.guess = "same"
    picture, bars = widget.still().axes
    weights = maps[1][0][3, 1, 28, 1:].reshape(6, 8)
    np.testing.assert_allclose(picture.images[1].get_array(), weights.numpy(), atol=1e-6)
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(
        maps[1][1][3, 28, 1].tolist()
    )
    assert PatchAttention(opinionated_network, replace(simulated_clip, truth=None)).facts[
        "contours"
    ] == []  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"class_tokens": "frame"}, {"encoder": SingleBranch(axis="joint", heads=2, hidden=8)}],
)
def test_networks_without_two_branches_are_refused(change, simulated_clip):
    with pytest.raises(ValueError, match="two branches and one class token a clip is wanted"):
        PatchAttention(CSG3DCT(replace(TINY, **change)), simulated_clip)


# --- in a bare page ---


@pytest.fixture
def shown(mount, opinionated_network, simulated_clip):
    return mount(PatchAttention(opinionated_network, simulated_clip))


def test_maps_wait_for_a_guess_and_the_verdict_says_why(shown, page, sentence):
    numbers = page.locator(".csg-bar span")
    expect(sentence).to_be_hidden()
    assert numbers.all_inner_texts() == ["", "", ""]
    page.get_by_role("button", name="Both to the same patches").click()
    shared = 100 * shown.trait("facts")["shared"][4][0]
    answer = "Right: both attend" if shared >= 50 else "Wrong: each attends to patches of its own"
    expect(sentence).to_contain_text(answer)
    expect(sentence).to_contain_text(f"give {shared:#.3g}\u00a0% of their weight to the same keys")
    page.get_by_role("button", name="Hide and guess again").press("Enter")
    expect(sentence).to_be_hidden()


def test_the_query_moves_and_its_weights_are_those_of_the_network(
    shown, page, opinionated_network, simulated_clip
):
    space, time = (one.numpy() for one in branch_maps(opinionated_network, simulated_clip)[4])
    shown.put(guess="near")
    canvas = page.locator(".csg-space canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 2.5 / 8 * box["width"], "y": 4.5 / 6 * box["height"]})
    assert shown.traits("frame", "patch") == [2, 34]
    expect(page.locator(".csg-space p")).to_contain_text("under the pointer row 5, column 3")
    page.locator(".csg-frames").focus()
    for key, frame, patch in (
        ("ArrowUp", 2, 26), ("ArrowRight", 2, 27), ("PageDown", 3, 27), ("PageDown", 3, 27),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert shown.traits("frame", "patch") == [frame, patch]
    page.mouse.move(1, 1)
    found = [float(text[:-2]) for text in page.locator(".csg-bar span").all_inner_texts()]
    np.testing.assert_allclose(found, 100 * time[0, 27, 2, 1:], atol=0.06)
    keys = space[0, 2, 27, 1:]
    row, column = divmod(int(keys.argmax()), 8)
    expect(page.locator(".csg-space p")).to_contain_text(
        f"the largest weight has row {row + 1}, column {column + 1}, {100 * keys.max():#.3g}"
    )
    page.get_by_role("button", name="Play").click()
    shown.becomes("frame", 1)
