"""Small clips and writers of them in every format: `write(frames, path)`."""

import io
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from scipy import ndimage

from csglib import Clip, ClipError, read_clip
from csglib.data.clips import Truth, save_clip

UNTAGGED, LIMITED, FULL = 0, 1, 2  # FFmpeg's numbers for the range of grey levels


@cache
def moving(frames=7, height=46, width=58):
    """Smooth blobs that drift, from pure black to pure white."""
    noise = np.random.default_rng(5).normal(size=(frames, height, width))
    smooth = ndimage.gaussian_filter(noise, (1.5, 3, 4), mode="wrap")
    low, high = np.quantile(smooth, (0.05, 0.95))
    levels = np.rint(((smooth - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8)
    levels.setflags(write=False)
    return levels


def simulated(frames=5, height=37, width=41):
    rng = np.random.default_rng(3)
    outer, inner, lumen = rng.uniform(0, width, (3, frames, 7, 2))
    truth = Truth(
        vessel_outer=outer,
        vessel_inner=inner,
        lumen=lumen,
        area_stenosis=np.linspace(0.1, 0.7, frames),
        diameter_stenosis=np.linspace(0.05, 0.55, frames),
        parameters={"seed": 11, "depth_mm": 14.5, "plaque": "type III, échogène"},
    )
    grey = rng.integers(0, 256, (frames, height, width), dtype=np.uint8)
    return Clip(frames=grey, patient="patient-7", mm_per_px=0.0679, truth=truth)


def refused(path):
    """The message of the error that reading gives."""
    with pytest.raises(ClipError) as caught:
        read_clip(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def same(path, frames):
    np.testing.assert_array_equal(read_clip(path).frames, frames)


def bundled(name):
    """A file that comes with pydicom."""
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is part of pydicom"
    return Path(path)


def folder(frames, path, ending="png", stem="frame", **options):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{stem}_{number}.{ending}", **options)


def gif(frames, path):
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, optimize=False, disposal=1)


def nifti_bytes(voxels):
    return nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes()


def nifti(voxels, path, kind=nibabel.Nifti1Image, unit="mm", step=(0.0679, 0.0679)):
    image = kind(voxels, np.diag([*step, 1, 1]))
    image.header.set_xyzt_units(unit, "sec")
    nibabel.save(image, path)


def video(frames, path, codec, pixels, tag=FULL, container=None, **options):
    aspect, turn = options.pop("aspect", 1), options.pop("turn", None)
    with av.open(path, "w", format=container, options=options.pop("mux", {})) as output:
        output.metadata.update(options.pop("metadata", {}))
        stream = output.add_stream(codec, rate=options.pop("rate", 20), options=options)
        if turn is not None:
            stream.set_display_rotation(*turn)
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.color_range = pixels, tag
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            if pixels != "gray":  # untagged, FFmpeg squeezes grey into 16 to 235, as players expect
                picture = picture.reformat(format=pixels, dst_color_range=tag or LIMITED)
            picture.color_range = tag
            output.mux(stream.encode(picture))
        output.mux(stream.encode())


def ultrasound(frames, kind="MONOCHROME2", **changes):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "US", "Doe^Jane", "HOSPITAL-4711"
    plain = "MONOCHROME2" if frames.ndim == 3 else "RGB"
    dataset.set_pixel_data(frames, plain, bits_stored=8, generate_instance_uid=False)
    dataset.NumberOfFrames, dataset.PhotometricInterpretation = len(frames), kind
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def region(dataset, **changes):
    """Of tissue, by default the whole frame, in cm a pixel; None leaves an attribute out."""
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = dataset.Columns - 1, dataset.Rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.00679
    for name, value in changes.items():
        setattr(item, name, value) if value is not None else delattr(item, name)
    return item


def saved(dataset, path):
    if "PixelData" in dataset and len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset.save_as(path, enforce_file_format=True)
    return path


def encapsulated(dataset, fragments, syntax):
    dataset.PixelData = encapsulate(fragments)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def image_bytes(frame, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, kind, **options)
    return stream.getvalue()


def dicom(frames, path, syntax=uid.ExplicitVRLittleEndian, kind=None, **options):
    """Compressed by pydicom or, frame by frame, as a kind that Pillow writes."""
    dataset = ultrasound(frames, "RGB" if frames.ndim == 4 else "MONOCHROME2")
    if kind:
        encapsulated(dataset, [image_bytes(frame, kind, **options) for frame in frames], syntax)
    elif syntax != uid.ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    saved(dataset, path)


def palette_dicom(frames, path, colours=None, times=257, bits=16, big=False):
    """A grey ramp; 8 `bits` are packed two to a word, whatever the descriptor says."""
    dataset = ultrasound(frames, "PALETTE COLOR")
    for place, name in enumerate(("Red", "Green", "Blue")):
        column = np.arange(256) if colours is None else colours[:, place]
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (column * times).astype(f"<u{bits // 8}").tobytes()
        setattr(dataset, f"{name}PaletteColorLookupTableData", table)
    return saved(big_endian(dataset) if big else dataset, path)


def big_endian(dataset):
    """The same file in the other byte order: bytes are swapped in pairs, also where one is one."""
    dataset.file_meta.TransferSyntaxUID, dataset["PixelData"].VR = uid.ExplicitVRBigEndian, "OW"
    for element in dataset:
        if element.VR == "OW":
            element.value = np.frombuffer(element.value, "<u2").byteswap().tobytes()
    return dataset


def headless(frames, path, keep="", big=False, syntax=uid.ExplicitVRLittleEndian):
    """DICOM without its first 132 bytes, its file header, or both: what `keep` does not name."""
    dataset = ultrasound(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    whole = saved(big_endian(dataset) if big else dataset, path).read_bytes()
    mark, header = whole[:132], whole[132 : 144 + int.from_bytes(whole[140:144], "little")]
    rest = whole[len(mark) + len(header) :]
    path.write_bytes({"": rest, "mark": mark + rest, "header": header + rest}[keep])


def stream_of(frames, container, codec="libx264", **options):
    stream = io.BytesIO()
    video(frames, stream, codec, "yuv420p", UNTAGGED, container, **(options or {"crf": "12"}))
    return stream.getvalue()


def video_dicom(frames, path, syntax=uid.MPEG4HP41, container="mp4", codec="libx264", **options):
    dataset = ultrasound(frames, "YBR_PARTIAL_420")
    saved(encapsulated(dataset, [stream_of(frames, container, codec, **options)], syntax), path)


def writes(writer, *args, **options):
    return lambda frames, path: writer(frames, path, *args, **options)


MPEG2 = {"codec": "mpeg2video", "q:v": "2", "b": "8M"}
HEVC = {"codec": "libx265", "crf": "10", "x265-params": "log-level=none"}
EXACT = {
    "clip.npz": lambda frames, path: save_clip(Clip(frames=frames, patient="p"), path),
    "floats.npz": lambda frames, path: np.savez(path, frames=frames / 255),
    "folder": folder,
    "clip.gif": gif,
    "clip.nii": lambda frames, path: nifti(frames.T, path),
    "clip.nii.gz": lambda frames, path: nifti(frames.T, path),
    "two.nii": lambda frames, path: nifti(frames.T, path, nibabel.Nifti2Image),
    "clip.mkv": writes(video, "ffv1", "gray", UNTAGGED),
    "sixteen.mkv": writes(video, "ffv1", "gray16le", UNTAGGED),
    "full.avi": writes(video, "ffv1", "gray"),
    "raw.avi": writes(video, "rawvideo", "gray"),
    "rgb.avi": writes(video, "rawvideo", "bgr24", UNTAGGED),
    "jpeg_range.mp4": writes(video, "libx264", "yuvj420p", qp="0"),
    "gray.mp4": writes(video, "libx264", "gray", qp="0"),
    "clip.dcm": dicom,
    "rle.dcm": writes(dicom, uid.RLELossless),
    "2000.dcm": writes(dicom, uid.JPEG2000Lossless, "JPEG2000", no_jp2=True),
    "palette.dcm": palette_dicom,
    "palette_256.dcm": writes(palette_dicom, times=256),
    "palette_1.dcm": writes(palette_dicom, times=1),
    "palette_16.dcm": writes(palette_dicom, times=16, big=True),
    "palette_8.dcm": writes(palette_dicom, times=1, bits=8),
    "palette_big.dcm": writes(palette_dicom, big=True),
    "palette_big_8.dcm": writes(palette_dicom, times=1, bits=8, big=True),
    "no_mark": writes(headless, "header"),
    "no_header.dcm": writes(headless, "mark"),
    "bare": headless,
    "bare_implicit": writes(headless, syntax=uid.ImplicitVRLittleEndian),
    "bare_big": writes(headless, big=True),
    "colours.dcm": lambda frames, path: dicom(np.stack([frames] * 3, axis=-1), path),
}
NEARLY = {  # and the lowest peak signal-to-noise ratio, dB
    "limited.mp4": (writes(video, "libx264", "yuv420p", LIMITED, qp="0"), 52),  # off by one
    "untagged.mp4": (writes(video, "libx264", "yuv420p", UNTAGGED, qp="0"), 52),
    "packed.avi": (writes(video, "rawvideo", "yuyv422", UNTAGGED), 50),
    "clip.mp4": (writes(video, "libx264", "yuv420p", crf="18"), 38),
    "ten.mkv": (writes(video, "libx264", "yuv420p10le", UNTAGGED, crf="18"), 37),
    "clip.avi": (writes(video, "mjpeg", "yuvj420p"), 30),
    "jpeg": (writes(folder, "jpg", quality=95), 38),
    "jpeg.dcm": (writes(dicom, uid.JPEGBaseline8Bit, "JPEG", quality=95), 38),
    "clip.mpg": (writes(video, "mpeg2video", "yuv420p", LIMITED, b="8M"), 37),
    "one.mpg": (writes(video, "mpeg1video", "yuv420p", LIMITED, b="8M", rate=25), 37),
    "raw.mpg": (writes(video, "mpeg2video", "yuv420p", LIMITED, "mpeg2video", b="8M"), 37),
    "clip.wmv": (writes(video, "wmv2", "yuv420p", LIMITED, b="8M"), 37),
    "clip.ts": (writes(video, "mpeg2video", "yuv420p", LIMITED, "mpegts", b="8M"), 37),
    "vp9.mkv": (writes(video, "libvpx-vp9", "yuv420p", crf="20", b="0"), 33),
    "mpeg4.avi": (writes(video, "mpeg4", "yuv420p", LIMITED, b="8M"), 37),
    "264.dcm": (video_dicom, 38),
    "h264.dcm": (writes(video_dicom, container="h264"), 38),
    "ts.dcm": (writes(video_dicom, container="mpegts"), 38),
    "hevc.dcm": (writes(video_dicom, uid.HEVCMP51, "hevc", **HEVC), 38),
    "mpeg2.dcm": (writes(video_dicom, uid.MPEG2MPML, "mpeg2video", **MPEG2), 38),
    "vob.dcm": (writes(video_dicom, uid.MPEG2MPML, "vob", **MPEG2), 38),
}
