import pytest
import torch

from csglib.model.tokens import PatchEmbedding, VideoTokens, fold, unfold

AXES = ["space", "time", "joint"]


def tokens(count):
    """Of two clips of three frames of five patches, with so many class tokens."""
    return VideoTokens(torch.randn(2, count, 7), torch.randn(2, 3, 5, 7))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("axis", AXES)
def test_unfold_undoes_fold(axis, count):
    before = tokens(count)
    after = unfold(fold(before, axis), axis, like=before)
    torch.testing.assert_close(after.cls, before.cls)
    torch.testing.assert_close(after.patches, before.patches)


def test_sequences_hold_what_the_paper_says():
    clip = tokens(1)
    space, time, joint = (fold(clip, axis) for axis in AXES)
    assert (space.shape[:2], time.shape[:2], joint.shape[:2]) == ((6, 6), (10, 4), (2, 16))
    for place in range(5):
        torch.testing.assert_close(time[5 + place, 1:], clip.patches[1, :, place])
    for frame in range(3):
        torch.testing.assert_close(space[3 + frame, 1:], clip.patches[1, frame])
    torch.testing.assert_close(joint[1, 1:], clip.patches[1].flatten(0, 1))
    for sequences, copies in ((space, 3), (time, 5), (joint, 1)):
        leaders = sequences[:, 0].unflatten(0, (2, copies))
        torch.testing.assert_close(leaders, clip.cls.expand(-1, copies, -1))


def test_a_frames_class_token_leads_its_own_frame_and_all_lead_the_rest():
    clip = tokens(3)
    space, time, joint = (fold(clip, axis) for axis in AXES)
    assert (space.shape[:2], time.shape[:2], joint.shape[:2]) == ((6, 6), (10, 6), (2, 18))
    torch.testing.assert_close(space[3 + 2, 0], clip.cls[1, 2])
    torch.testing.assert_close(time[5 + 4, :3], clip.cls[1])
    torch.testing.assert_close(time[5 + 4, 3:], clip.patches[1, :, 4])
    torch.testing.assert_close(joint[1, :3], clip.cls[1])


def test_the_class_tokens_copies_become_their_mean():
    clip = tokens(1)
    sequences = fold(clip, "time")
    sequences[:, 0] = torch.arange(10.0).unsqueeze(1)
    assert unfold(sequences, "time", like=clip).cls[:, 0, 0].tolist() == [2.0, 7.0]


@pytest.mark.parametrize(("class_tokens", "count"), [("clip", 1), ("log_t", 1), ("frame", 5)])
def test_embedding_cuts_frames_row_by_row(class_tokens, count):
    embed = PatchEmbedding(channels=3, dim=7, size=4, class_tokens=class_tokens)
    volume = torch.randn(2, 3, 5, 8, 12)
    embedded = embed(volume)
    assert embedded.patches.shape == (2, 5, 6, 7)
    corner = volume[:, :, 2, 4:8, 0:4]  # row 1, column 0: patch 3 of frame 2
    expected = torch.einsum("bcyx,dcyx->bd", corner, embed.project.weight[:, :, 0])
    torch.testing.assert_close(embedded.patches[:, 2, 3], expected + embed.project.bias)
    assert torch.equal(embedded.cls, embed.cls.expand(2, count, 7))
