import torch

from csglib.model.fcu import TokensToVolume, VolumeToTokens


def test_down_a_token_is_the_mean_of_its_places():
    down = VolumeToTokens(3, 7, stride=2)
    volume = torch.randn(2, 3, 5, 4, 6)
    tokens = down(volume)
    assert tokens.shape == (2, 5, 6, 7)
    places = volume[:, :, 1, 2:4, 2:4]  # row 1, column 1: patch 4 of frame 1
    mean = torch.einsum("bcyx,dc->bd", places, down.project.weight.flatten(1)) / 4
    torch.testing.assert_close(tokens[:, 1, 4], down.norm(mean + down.project.bias))


def test_up_every_token_covers_its_patch_in_its_own_frame():
    up = TokensToVolume(7, 64, stride=2).eval()  # of 64 channels some survive the ReLU
    patches = torch.randn(2, 5, 6, 7)
    volume = up(patches, columns=3)
    assert volume.shape == (2, 64, 5, 4, 6)
    for frame in range(5):
        alone = up(patches[:, frame : frame + 1], columns=3)
        torch.testing.assert_close(volume[:, :, frame : frame + 1], alone)
    blocks = volume.unfold(3, 2, 2).unfold(4, 2, 2)
    assert (blocks == blocks[..., :1, :1]).all()
    nudged = patches.clone()
    nudged[:, 2, 4, 0] += 1  # row 1, column 1
    moved = (up(nudged, columns=3) != volume).any(1)[0].nonzero()
    assert set(map(tuple, moved.tolist())) == {(2, y, x) for y in (2, 3) for x in (2, 3)}
