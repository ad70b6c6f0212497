"""What machines export: turned, squeezed, with headers that are wrong, or leave something out."""

import re

import numpy as np
import pytest
from pydicom import uid

from csglib import read_clip

from . import clip_files as files
from .clip_files import moving, refused, same

GREY = moving(5, 48, 64)
RGB = np.repeat(GREY[..., None], 3, axis=-1)


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
    assert "not turned by quarters; export it upright" in refused(tmp_path / "clip.mp4")


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


@pytest.mark.parametrize(
    ("header", "region", "shape", "scale"),
    [
        ({"PixelAspectRatio": ["3", "4"]}, None, (48, 85), None),  # height, then width
        ({"PixelAspectRatio": ["4", "3"]}, None, (64, 64), None),
        ({"PixelSpacing": [0.1, 0.2]}, None, (48, 128), 0.1),  # the same order
        ({"PixelSpacing": [0.1, 0.2], "Modality": "OT"}, None, (48, 128), None),
        ({"PixelAspectRatio": ["3", "4"]}, {"PhysicalDeltaY": 0.0097}, (69, 64), 0.0679),
    ],
)
def test_pixels_of_a_dicom_become_square(tmp_path, header, region, shape, scale):
    dataset = files.ultrasound(GREY, **header)
    if region:  # it counts most
        dataset.SequenceOfUltrasoundRegions = [files.region(dataset, **region)]
    clip = noted(files.saved(dataset, tmp_path / "clip.dcm"), "made square")
    assert clip.frames.shape[1:] == shape
    assert clip.mm_per_px == (scale and pytest.approx(scale))
    assert str(clip.region) == ("columns 0 to 63, rows 0 to 68" if region else "None")


def test_pixels_of_a_nifti_become_square_and_absurd_ones_are_refused(tmp_path):
    files.nifti(GREY.T, tmp_path / "clip.nii", step=(0.1, 0.2))
    clip = noted(tmp_path / "clip.nii", "0.5 times as wide")
    assert (clip.frames.shape, clip.mm_per_px) == ((5, 96, 64), pytest.approx(0.1))
    np.testing.assert_allclose(clip.frames[:, ::2], GREY, atol=60)
    dataset = files.ultrasound(GREY, PixelAspectRatio=["100", "1"])
    assert "0.01 times as wide as high" in refused(files.saved(dataset, tmp_path / "clip.dcm"))


# --- DICOM whose header is wrong, or leaves something out


def jpeg(dataset):
    return files.encapsulated(
        dataset,
        [files.image_bytes(frame, "JPEG2000", no_jp2=True) for frame in GREY],
        uid.JPEG2000Lossless,
    )


def rle(dataset):
    dataset.compress(uid.RLELossless, generate_instance_uid=False)
    return dataset


@pytest.mark.parametrize("pack", [lambda dataset: dataset, jpeg, rle])
@pytest.mark.parametrize("stated", [None, 1, 3])
def test_frames_beyond_what_is_stated_are_read(tmp_path, pack, stated):
    dataset = pack(files.ultrasound(GREY))
    dataset.NumberOfFrames = stated
    if stated is None:
        del dataset.NumberOfFrames
    clip = noted(files.saved(dataset, tmp_path / "clip.dcm"), "states .*, and holds 5: all of them")
    np.testing.assert_array_equal(clip.frames, GREY)


def test_a_video_in_dicom_may_lack_one_frame_and_no_more(tmp_path):
    dataset = files.encapsulated(
        files.ultrasound(GREY, "YBR_PARTIAL_420"), [files.stream_of(GREY, "mp4")], uid.MPEG4HP41
    )
    dataset.NumberOfFrames = 6
    path = files.saved(dataset, tmp_path / "clip.dcm")
    assert len(noted(path, "states 6 frames, its video has 5: all are read").frames) == 5


def colours(kind, pixels, **changes):
    dataset = files.ultrasound(RGB, kind, **changes)
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    return dataset


def test_colours_are_what_the_pixels_say(tmp_path):
    """YBR_FULL_422 has two bytes a pixel: two of luma, then one of each chroma."""
    path, chroma = tmp_path / "clip.dcm", np.full_like(GREY, 128)
    ybr = np.stack([GREY, chroma, chroma], axis=-1)
    halved = np.stack(
        [GREY[..., ::2], GREY[..., 1::2], chroma[..., ::2], chroma[..., ::2]], axis=-1
    )
    same(files.saved(colours("YBR_FULL_422", halved), path), GREY)
    for pixels, kind, planes in ((RGB, "RGB", 0), (ybr, "YBR_FULL", 0), (ybr, "YBR_FULL", 1)):
        stored = np.moveaxis(pixels, -1, 1) if planes else pixels
        dataset = colours("YBR_FULL_422", stored, PlanarConfiguration=planes)
        clip = noted(
            files.saved(dataset, path), f"of two bytes a pixel, and has three: read as {kind}$"
        )
        np.testing.assert_array_equal(clip.frames, GREY)
    dataset = colours("RGB", RGB)
    del dataset.PlanarConfiguration
    clip = noted(files.saved(dataset, path), "states no PlanarConfiguration: taken as 0")
    np.testing.assert_array_equal(clip.frames, GREY)


def sixteen_bits(**changes):
    dataset = files.ultrasound(GREY)
    stored = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    for name, value in (stored | changes).items():
        setattr(dataset, name, value)
    dataset.PixelData, dataset["PixelData"].VR = (GREY.astype("<u2") * 16).tobytes(), "OW"
    return dataset


def test_sixteen_bits_of_ultrasound_are_shown_by_their_window(tmp_path):
    path, window = tmp_path / "clip.dcm", {"WindowCenter": 2040.5, "WindowWidth": 4081}
    clip = noted(
        files.saved(sixteen_bits(**window), path), "12 bits, shown by the window it states: 2040.5"
    )
    np.testing.assert_array_equal(clip.frames, GREY)
    for changes in ({}, window | {"Modality": "CT"}):
        assert "12 bits in 16; wanted" in refused(files.saved(sixteen_bits(**changes), path))
