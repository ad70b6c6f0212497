"""The clip picker, a widget: cuts key clips from a long video and grades them."""

from csglib.doctor.picker.clip_picker import ClipPicker

__all__ = ["ClipPicker"]
