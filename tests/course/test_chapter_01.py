"""Exercises 1.1 to 1.5: right answers in several styles pass; wrong ones are told what they did."""

import pytest
import torch
from einops import repeat

from csgcourse import check
from csgcourse.chapter_01 import (
    inflate_center,
    inflate_mean,
    kernel_frames,
    same_length_padding,
    still_clip,
)
from csglib.model.config import PAPER
from csglib.model.inflation import inflate_kernel


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


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("1.1", mean_by_loops),
        ("1.1", lambda k, t: repeat(k, "o i y x -> o i t y x", t=t) / t),
        ("1.1", lambda k, t: torch.einsum("oiyx,t->oityx", k, torch.ones(t).to(k) / t)),
        ("1.1", lambda k, t: (k / t)[:, :, None].expand(-1, -1, t, -1, -1)),
        ("1.1", inflate_kernel),
        ("1.2", center_by_loops),
        ("1.2", center_by_a_mask),
        ("1.2", lambda k, t: torch.nn.functional.pad(k[:, :, None], (0, 0, 0, 0, t // 2, t // 2))),
        ("1.2", lambda kernel, frames: inflate_kernel(kernel, frames, "center")),
        ("1.3", padding_by_counting),
        ("1.3", lambda frames: frames // 2),
        ("1.4", lambda stage: {"c3": 3, "c4": 3, "c5": 3}.get(stage, 1)),
        ("1.4", lambda stage: 3 if stage[0] == "c" and int(stage[1]) > 2 else 1),
        ("1.5", still_by_loops),
        ("1.5", lambda frame, frames: frame.unsqueeze(1).repeat(1, frames, 1, 1)),
        ("1.5", lambda frame, frames: frame[:, None].expand(-1, frames, -1, -1)),
    ],
)
def test_right_answers_in_several_styles_pass(number, right):
    assert check(number, right).passed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1), "did not divide"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / t / t, "divided by `frames` twice"),
        (lambda k, t: (k / t).expand(t, -1, -1, -1, -1), "time came first"),
        (lambda k, t: (k / t)[..., None].expand(-1, -1, -1, -1, t), "time came last"),
        (lambda k, t: (k / t).repeat(1, 1, t, 1), "joined the copies along the rows"),
        (lambda k, t: inflate_kernel(k, 1).expand(-1, -1, t, -1, -1) / k.shape[-1], "width"),
        (lambda k, t: (k / t)[:, :, None], "the shape should be"),
        (lambda k, t: k[:, :, None].repeat(1, 1, t, 1, 1) / (t + 1), "times what it should be"),
    ],
)
def test_wrong_means_are_told_what_they_did(wrong, says):
    rejected("1.1", wrong, says)


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


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (first_slice, "stands in the first slice"),
        (lambda k, t: first_slice(k, t).flip(2), "stands in the last slice"),
        (middle_of_wrong_count, "one slice behind the middle"),
        (forgotten, "everything is zero"),
        (lambda k, t: center_by_loops(k, t) / t, "divided it by `frames`"),
        (mean_by_loops, "this is mean inflation"),
        (lambda k, t: center_by_loops(k, t).movedim(2, 0), "time came first"),
        (in_float_zeros_of_a_fixed_length, "the shape should be"),
    ],
)
def test_wrong_centres_are_told_what_they_did(wrong, says):
    rejected("1.2", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda frames: frames - 1, "both sides together"),
        (lambda frames: (frames - 1) / 2, "`/` makes a float"),
        (lambda frames: round((frames + 1) / 2), "one too many"),
        (lambda frames: 1, "for a kernel of 3 frames only"),
        (lambda frames: (frames - 2) // 2, "one too few"),
        (lambda frames: "same", "a whole number is wanted: got a str"),
        (lambda frames: frames > 1, "bool"),
    ],
)
def test_wrong_paddings_are_told_what_they_did(wrong, says):
    rejected("1.3", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda stage: 3, "you inflate everything"),
        (lambda stage: 3 if stage > "c2" else 1, "stage = 'stem'"),
        (lambda stage: 3 if stage in "c3-c5" else 1, "c4"),
        (lambda stage: 3 if stage < "c4" else 1, "the first three stages"),
        (lambda stage: int(stage[1]), "raised ValueError"),
        (lambda stage: 3 if stage in ("c4", "c5") else 1, "c3 is missing"),
        (lambda stage: stage in ("c3", "c4", "c5"), "whether a stage sees time"),
        (lambda stage: "3x1x1" if stage in ("c3", "c4", "c5") else "1x1x1", "got a str"),
    ],
)
def test_wrong_stages_are_told_what_they_did(wrong, says):
    rejected("1.4", wrong, says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda frame, frames: frame.expand(frames, -1, -1, -1), "time came first"),
        (lambda frame, frames: frame[..., None].repeat(1, 1, 1, frames), "time came last"),
        (lambda frame, frames: frame.repeat(frames, 1, 1), "joined the copies along the channels"),
        (
            lambda frame, frames: frame.repeat(frames, 1, 1).reshape(
                len(frame), frames, *frame.shape[1:]
            ),
            "the channels run through time",
        ),
        (lambda frame, frames: frame[:, None], "of one frame only"),
        (lambda frame, frames: still_by_loops(frame, frames) / frames, "full strength"),
        (lambda frame, frames: still_by_loops(frame, frames)[None], "the shape should be"),
        (lambda frame, frames: [frame] * frames, "a torch tensor is wanted: got a list"),
    ],
)
def test_wrong_still_clips_are_told_what_they_did(wrong, says):
    rejected("1.5", wrong, says)


def rejected(number, wrong, says):
    verdict = check(number, wrong)
    assert not verdict.passed
    assert says in verdict.message
