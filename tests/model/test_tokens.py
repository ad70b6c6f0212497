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


@pytest.mark.parametrize("count", [1, 3])
def test_class_tokens_lead_their_sequences(count):
    """That of the clip leads all; that of a frame its own, and all of them lead the rest."""
    clip = tokens(count)
    leads = {
        "space": clip.cls.expand(-1, 3, -1)[:, :, None],
        "time": clip.cls[:, None].expand(-1, 5, -1, -1),
        "joint": clip.cls[:, None],
    }
    patches = {
        "space": clip.patches,
        "time": clip.patches.transpose(1, 2),
        "joint": clip.patches.flatten(1, 2)[:, None],
    }
    for axis in AXES:
        wanted = torch.cat([leads[axis], patches[axis]], dim=2).flatten(0, 1)
        assert torch.equal(fold(clip, axis), wanted)


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
