"""Clip picker of notebook 11: from a long video to key clips, with frame, box and grade.

Source: section 3, "Dataset": of 200 videos with 316 frames on average, sonographers cut out key
clips of 8 or 16 frames around the plaque. How they were picked, it does not say.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from csglib.data.clips import GRADES, Clip, Region
from csglib.doctor.labels import Label, read_labels, write_labels
from csglib.doctor.picker.preview import preview
from csglib.doctor.picker.still import figure
from csglib.widgets.base import LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
LENGTHS = (8, 16)  # frames of a key clip, as in the paper
_MODULES = ("rows", "pictures", "box", "line", "list", "keys")


class ClipPicker(LiveFigure):
    """Scrub through a video, mark the narrowest frame of each plaque, draw a box, and grade.

    Frames and pixels are counted in the file, from 0, as in labels.csv. A preview of all frames is
    in the page at once; the pixels themselves follow for a frame that is looked at.

    The clip's path goes into labels.csv and nowhere else: it may be a patient's name, and what a
    cell prints is kept in the notebook. For the same reason the still shows pixels inside a box or
    the file's own region alone, unless the clip is simulated.

    Args:
        clip: the whole video.
        name: its path below the folder of exports, as in labels.csv.
        labels: what is known already, for instance all of `read_labels`; rows of other clips only
            say which part of the split the patient belongs to.
        grades: names to choose from, mildest first.

    Attributes:
        frame: on show.
        length: frames of the next key clip, 8 or 16.
        box: of the next key clip, (left, top, right, bottom), or () for whole frames; at first the
            tissue region that the file states.
        playing: frames follow by themselves.
        looping: while a key clip holds the frame on show, they stay inside of it.
        saved: name of the file that `labels` were last written to; "" when they changed since.

    Raises:
        ValueError: the clip is too short, or a label does not fit it; says which and why.
    """

    _esm = es_module(_HERE, *(f"{part}.js" for part in _MODULES), "clip_picker.js")
    _css = style_sheet(_HERE / "clip_picker.css")

    frame = traitlets.Int(0).tag(sync=True)
    length = traitlets.Enum(LENGTHS, LENGTHS[0]).tag(sync=True)
    box = traitlets.Tuple().tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    looping = traitlets.Bool(True).tag(sync=True)
    saved = traitlets.Unicode("").tag(sync=True)

    rows: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)  # see `_row`
    facts = traitlets.Dict().tag(sync=True)
    preview = traitlets.Bytes().tag(sync=True)  # JPEG, frame after frame; facts say where each ends
    changes = traitlets.Bytes().tag(sync=True)  # f32, of each frame from the one before

    def __init__(
        self,
        clip: Clip,
        name: str,
        labels: Sequence[Label] = (),
        grades: Sequence[str] = GRADES,
    ) -> None:
        if len(clip.frames) < LENGTHS[0]:
            wanted = " or ".join(map(str, LENGTHS))
            raise ValueError(f"a key clip has {wanted} frames: got a clip of {len(clip.frames)}")
        if not all(grades) or len(set(grades)) != max(len(grades), 2):
            raise ValueError(f"wanted the names of two grades or more: got {[*grades]}")
        asked = Label(clip=name, grade="")
        own = [label for label in labels if label.clip == name]
        kin = [label for label in labels if label.patient == asked.patient]
        split = next((label.split for label in own + kin if label.split), "")
        self._clip, self._name, self._grades = clip, name, tuple(grades)
        self._known = [label for label in own if not _is_blank(label)]
        for label in self._known:
            self._check(label)
        sent, changes = preview(clip.frames)
        facts = {
            "frames": len(clip.frames),
            "height": clip.frames.shape[1],
            "width": clip.frames.shape[2],
            "ends": np.cumsum([len(picture) for picture in sent]).tolist(),
            "lengths": [length for length in LENGTHS if length <= len(clip.frames)],
            "grades": list(grades),
            "split": split,
        }
        super().__init__(
            facts=facts,
            preview=b"".join(sent),
            changes=changes.astype("<f4").tobytes(),
            rows=[_row(label) for label in self._known],
            box=_edges(clip.region),
            frame=next((_seat(label) for label in self._known), 0),
        )
        self.on_msg(self._hear)
        self.observe(self._forget, "rows")

    @property
    def labels(self) -> list[Label]:
        """The key clips as they are now."""
        return [self._label(row) for row in self.rows]

    def save(self, path: str | Path) -> None:
        """Write the key clips into labels.csv; rows of other clips stay as they are.

        A clip without any keeps one empty row, as `csglib.doctor.labels.template` gives it.

        Args:
            path: the table; made if there is none. It is there whole or as it was.

        Raises:
            ValueError: it is no such table, or has key clips of this video that the picker was not
                begun with: they would be lost.
        """
        path = Path(path)
        rows = read_labels(path) if path.exists() else []
        own = [label for label in rows if label.clip == self._name]
        strange = [label for label in own if not (_is_blank(label) or label in self._known)]
        if strange:
            spans = ", ".join(f"{label.first_frame} ({label.grade or '?'})" for label in strange)
            raise ValueError(
                f"{path.name} has key clips of this video that this picker has not seen, from "
                f"frame {spans}. To keep them, begin it with labels=read_labels(...), or save to "
                "another file"
            )
        split = next((label.split for label in own if label.split), self.facts["split"])
        new = self.labels or [Label(clip=self._name, grade="")]
        new = [replace(label, split=label.split or split) for label in new]
        place = next((at for at, label in enumerate(rows) if label in own), len(rows))
        others = [label for label in rows if label not in own]
        write_labels(path, [*others[:place], *new, *others[place:]])
        self._known, self.saved = new, path.name

    def pixels(self, frame: int) -> bytes:
        """A frame as it is in the file: u8 (y, x). The page asks for it.

        Raises:
            ValueError: there is no such frame.
        """
        self._check_frame(frame)
        return self._clip.frames[frame].tobytes()

    def _hear(self, _widget: object, asked: int, _buffers: object) -> None:
        self.send(asked, [self.pixels(asked)])

    def _forget(self, _change: object) -> None:
        self.saved = ""

    @traitlets.validate("frame", "length", "box", "rows")
    def _fitting(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            match name:
                case "frame":
                    self._check_frame(value)
                case "length":
                    self._check(Label(clip=self._name, grade="", frames=value))
                case "box":
                    self._check(Label(clip=self._name, grade="", box=_region(value)))
                case "rows":
                    for row in value:
                        self._check(self._label(row))
        except (ValueError, TypeError, KeyError) as error:
            raise traitlets.TraitError(f"{name}: {error}") from error
        return value

    def _label(self, row: dict[str, Any]) -> Label:
        return Label(clip=self._name, **row | {"box": _region(row["box"])})

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < len(self._clip.frames):
            raise ValueError(f"frame must be 0 to {len(self._clip.frames) - 1}: got {frame}")

    def _check(self, label: Label) -> None:
        """Refuse what the file does not have."""
        frames = len(self._clip.frames)
        if max(label.first_frame + (label.frames or 1), _seat(label) + 1) > frames:
            raise ValueError(f"the video has frames 0 to {frames - 1}: got a key clip of {label}")
        if label.grade not in ("", *self._grades):
            known = ", ".join(self._grades)
            raise ValueError(f"grades are {known}: got {label.grade!r}; name all in grades=")
        if label.box is not None:
            label.box.crop(self._clip.frames[:1])

    def __repr__(self) -> str:
        frames, height, width = self._clip.frames.shape
        told = Counter(label.grade or "no grade yet" for label in self.labels)
        grades = "".join(f", {count} {grade}" for grade, count in sorted(told.items()))
        return (
            f"ClipPicker({frames} frames of {width} x {height} pixels; "
            f"{len(self.rows)} key clips{grades})"
        )

    def still(self) -> Figure:
        """The key clips on the time line, and the narrowest frame of each."""
        changes = np.frombuffer(self.changes, "<f4")
        return figure(self._clip, self.labels, changes, self._grades)


def _is_blank(label: Label) -> bool:
    """A row of the template: it says that there is a clip, and nothing of it."""
    return replace(label, split="") == Label(clip=label.clip, grade="")


def _seat(label: Label) -> int:
    """The frame that stands for a key clip."""
    return label.first_frame if label.narrowest_frame is None else label.narrowest_frame


def _edges(box: Region | None) -> tuple[int, ...]:
    return () if box is None else astuple(box)


def _region(edges: Sequence[int]) -> Region | None:
    return Region(*edges) if edges else None


def _row(label: Label) -> dict[str, Any]:
    """A label as the page has it: all but the clip's path, and its box as four numbers or none."""
    row = asdict(label) | {"box": list(_edges(label.box))}
    del row["clip"]
    return row
