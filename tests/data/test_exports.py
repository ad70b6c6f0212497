"""What machines export: turned and squeezed."""

import re

import clip_files as files
import numpy as np
import pytest
from clip_files import moving, refused

from csglib import read_clip

GREY = moving(5, 48, 64)


def noted(path, note=""):
    """The clip, of which there is one warning, or none."""
    if not note:
        return read_clip(path)
    with pytest.warns(UserWarning, match=f"^{path.name}: ") as caught:
        clip = read_clip(path)
    assert [*clip.notes] == [str(it.message).removeprefix(f"{path.name}: ") for it in caught]
    assert re.search(note, clip.notes[0])
    return clip


# --- shown upright, on square pixels


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("turn", [(90,), (180,), (-90,), (0, True), (0, False, True), (90, True)])
def test_a_video_is_upright(tmp_path, ending, turn):
    path = tmp_path / f"clip.{ending}"
    files.video(GREY, path, "libx264", "yuv420p", turn=turn, qp="0")
    angle, across, down = (*turn, False, False)[:3]
    wanted = np.rot90(GREY, angle // 90, (1, 2))
    wanted = wanted[:, :: -1 if down else 1, :: -1 if across else 1]
    assert np.abs(read_clip(path).frames - wanted.astype(int)).max() < 4


def test_a_video_that_lies_at_an_angle_is_refused(tmp_path):
    files.video(GREY, tmp_path / "clip.mp4", "libx264", "yuv420p", turn=(45,))
    assert "shown turned by 45 degrees; export it upright" in refused(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "aspect", "turn", "shape"),
    [
        ("clip.mp4", "libx264", "9/8", None, (48, 72)),
        ("clip.mp4", "libx264", "8/9", None, (54, 64)),
        ("clip.mov", "libx264", "9/8", (90,), (72, 48)),
        ("clip.avi", "mpeg4", "9/8", None, (48, 72)),
        ("clip.mpg", "mpeg2video", "4/3", None, (48, 85)),  # pictures of 16:9
        ("clip.wmv", "wmv2", "9/8", None, (48, 72)),
    ],
)
def test_pixels_of_a_video_become_square(tmp_path, name, codec, aspect, turn, shape):
    files.video(GREY, tmp_path / name, codec, "yuv420p", aspect=aspect, turn=turn, b="8M")
    clip = noted(tmp_path / name, "pixels are .* times as wide as high: made square, from .* to ")
    assert clip.frames.shape[1:] == shape


def test_pixels_of_a_nifti_become_square_and_absurd_ones_are_refused(tmp_path):
    files.nifti(GREY.T, tmp_path / "clip.nii", step=(0.1, 0.2))
    clip = noted(tmp_path / "clip.nii", "0.5 times as wide")
    assert (clip.frames.shape, clip.mm_per_px) == ((5, 96, 64), pytest.approx(0.1))
    np.testing.assert_allclose(clip.frames[:, ::2], GREY, atol=60)
    files.nifti(GREY.T, tmp_path / "clip.nii", step=(0.1, 10))
    assert "0.01 times as wide as high" in refused(tmp_path / "clip.nii")
