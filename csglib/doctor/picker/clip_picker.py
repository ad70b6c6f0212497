"""The clip picker of notebook 12: from a long video to key clips with frame, box and grade.

Source: section 3, "Dataset": from 200 videos with 316 frames on average, sonographers selected key
clips of 8 or 16 frames around the plaque. The paper does not say how.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image

from csglib.data.clips import GRADES, Clip, Region
from csglib.data.readers.limits import size_text
from csglib.doctor.cropping import CohortSettings
from csglib.doctor.labels import Label, read_labels, write_labels
from csglib.widgets.base import MAGNITUDE, LiveFigure, front_end

LENGTHS = (8, 16)  # frames of a key clip, as in the paper
MAX_PREVIEW = 8_000_000  # bytes, approximately
PREVIEW_SIDES = (320, 256, 192, 128, 96, 64)  # pixels: the largest that keeps to it is taken
_QUALITY = 80  # of the JPEGs: 316 frames of 560 x 560 take 2.5 MB instead of 99
_SAMPLED = 32  # frames from which the size of all is estimated
_MAX_IMAGES = 5  # in the still


class ClipPicker(LiveFigure):
    """Scrub through a video, mark the narrowest frame of each plaque, draw a box, and grade.

    A preview of all frames is sent at once; the pixels of the file follow for a frame on which one
    stops. The clip's path may be a patient's name, so it is written into labels.csv only: notebooks
    keep what a cell prints. Likewise the still shows only pixels inside a box or the region that
    the file states, unless the clip is simulated.

    `name` is the clip's path as in labels.csv; `labels` what is known already, for instance all of
    `read_labels` (rows of other clips only tell in which split the patient is); `grades` are names
    to choose from, mildest first. A clip that is too short, or a label that does not fit it, raises
    a ValueError.
    """

    _esm, _css = front_end(__file__, "rows", "frames", "box", "clip_picker")

    frame = traitlets.Int(0).tag(sync=True)  # on show
    length = traitlets.Enum(LENGTHS, LENGTHS[0]).tag(sync=True)  # of the next key clip
    box = traitlets.Tuple().tag(sync=True)  # left, top, right, bottom of the next; () for all
    playing = traitlets.Bool(False).tag(sync=True)
    looping = traitlets.Bool(True).tag(sync=True)  # play only the key clip that is on show
    saved = traitlets.Unicode("").tag(sync=True)  # name of the file with these labels, if any

    rows: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)  # see `_row`
    facts = traitlets.Dict().tag(sync=True)
    preview = traitlets.Bytes().tag(sync=True)  # JPEG, frame after frame; facts["ends"] has offsets
    changes = traitlets.Bytes().tag(sync=True)  # float32, see `make_preview`

    def __init__(
        self, clip: Clip, name: str, labels: Sequence[Label] = (), grades: Sequence[str] = GRADES
    ) -> None:
        if len(clip.frames) < LENGTHS[0]:
            wanted = " or ".join(map(str, LENGTHS))
            raise ValueError(f"a key clip has {wanted} frames: got a clip of {len(clip.frames)}")
        CohortSettings(grades=tuple(grades))  # raises
        own = [label for label in labels if label.clip == name]
        self._person = next((label.person for label in own), "")
        patient = Label(clip=name, grade="", person=self._person).patient
        related = own + [label for label in labels if label.patient == patient]
        self._clip, self._name, self._grades = clip, name, tuple(grades)
        self._known = [label for label in own if not _is_blank(label)]
        for label in self._known:
            self._check(label)
        images, changes = make_preview(clip.frames)
        facts = {
            **dict(zip(("frames", "height", "width"), clip.frames.shape, strict=True)),
            "ends": np.cumsum([len(image) for image in images]).tolist(),
            "lengths": [length for length in LENGTHS if length <= len(clip.frames)],
            "grades": list(grades),
            "split": next((label.split for label in related if label.split), ""),
        }
        super().__init__(
            facts=facts,
            preview=b"".join(images),
            changes=changes.astype("<f4").tobytes(),
            rows=[_row(label) for label in self._known],
            box=astuple(clip.region) if clip.region else (),
            frame=next((_key_frame(label) for label in self._known), 0),
        )
        self.on_msg(lambda _widget, frame, _buffers: self.send(frame, [self.pixels(frame)]))
        self.observe(lambda _change: setattr(self, "saved", ""), "rows")

    @property
    def labels(self) -> list[Label]:
        """The key clips as they are now."""
        return [self._label(row) for row in self.rows]

    def save(self, path: str | Path) -> None:
        """Write the key clips into labels.csv, atomically; rows of other clips stay as they are.

        A clip without key clips keeps one empty row, as in `csglib.doctor.labels.template`.

        Raises:
            ValueError: the file is not a label file, or has key clips of this video that the
                picker was not given: they would be lost.
        """
        path = Path(path)
        rows = read_labels(path) if path.exists() else []
        own = [label for label in rows if label.clip == self._name]
        if unknown := [row for row in own if not (_is_blank(row) or row in self._known)]:
            spans = ", ".join(f"{row.first_frame} ({row.grade or '?'})" for row in unknown)
            what = f"has key clips of this video that the picker was not given, from frame {spans}"
            advice = "begin it with labels=read_labels(...), or save to another file"
            raise ValueError(f"{path.name} {what}; {advice}")
        split = next((label.split for label in own if label.split), self.facts["split"])
        person = next((label.person for label in own), self._person)
        new = self.labels or [Label(clip=self._name, grade="")]
        new = [replace(label, split=label.split or split, person=person) for label in new]
        place = rows.index(own[0]) if own else len(rows)
        others = [label for label in rows[place:] if label not in own]
        write_labels(path, [*rows[:place], *new, *others])
        self._known, self.saved = new, path.name

    def pixels(self, frame: int) -> bytes:
        """A frame as it is in the file, u8 (y, x); the page requests it by number."""
        self._check_frame(frame)
        return self._clip.frames[frame].tobytes()

    @traitlets.validate("frame", "length", "box", "rows")
    def _validate(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        blank = {"grade": "", "box": ()}
        try:
            if name == "frame":
                self._check_frame(value)
            rows = {"length": [blank | {"frames": value}], "box": [blank | {"box": value}]}
            for row in value if name == "rows" else rows.get(name, ()):
                self._check(self._label(row))
        except (ValueError, TypeError, KeyError) as error:
            raise traitlets.TraitError(f"{name}: {error}") from error
        return value

    def _label(self, row: dict[str, Any]) -> Label:
        box = Region(*row["box"]) if row["box"] else None
        return Label(clip=self._name, person=self._person, **row | {"box": box})

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < len(self._clip.frames):
            raise ValueError(f"frame must be 0 to {len(self._clip.frames) - 1}: got {frame}")

    def _check(self, label: Label) -> None:
        """Refuse frames, grades and boxes that do not exist."""
        frames = len(self._clip.frames)
        if max(label.first_frame + (label.frames or 1), _key_frame(label) + 1) > frames:
            raise ValueError(f"the video has frames 0 to {frames - 1}: got a key clip of {label}")
        if label.grade not in ("", *self._grades):
            known = ", ".join(self._grades)
            raise ValueError(f"grades are {known}: got {label.grade!r}; name all in grades=")
        if label.box is not None:
            label.box.crop(self._clip.frames[:1])

    def __repr__(self) -> str:
        counts = Counter(label.grade or "no grade yet" for label in self.labels)
        grades = "".join(f", {count} {grade}" for grade, count in sorted(counts.items()))
        size = size_text(*self._clip.frames.shape)
        return f"ClipPicker({size}; {len(self.rows)} key clips{grades})"

    def still(self) -> Figure:
        """The key clips on the time line, and the narrowest frame of the first five."""
        labels = self.labels
        shown = labels[:_MAX_IMAGES]
        figure = Figure(figsize=(9.6, 3.9 if shown else 1.9), layout="constrained")
        ratios = [2 if shown else 0.01, 1.3]
        grid = figure.add_gridspec(2, max(1, len(shown)), height_ratios=ratios)
        for place, label in enumerate(shown):
            _draw_image(figure.add_subplot(grid[0, place]), self._clip, label, place + 1)
        line = figure.add_subplot(grid[1, :])
        _draw_line(line, labels, np.frombuffer(self.changes, "<f4"), self._grades)
        more = len(labels) - len(shown)
        rest = f"; {more} more are on the line alone" if more else ""
        line.set_title(f"{len(labels)} key clips{rest}", fontsize=10)
        return figure


def make_preview(frames: UInt8[ndarray, "t y x"]) -> tuple[list[bytes], Float32[ndarray, " t"]]:
    """Shrink all frames so that they can be sent at once, and measure how much they change.

    A JPEG per frame, and each shrunken frame's mean absolute difference from the one before, grey
    levels, 0 for the first.
    """
    step = max(1, len(frames) // _SAMPLED)
    for side in PREVIEW_SIDES:
        if step * sum(len(_jpeg(_shrink(it, side))) for it in frames[::step]) <= MAX_PREVIEW:
            break
    small = [_shrink(frame, side) for frame in frames]
    pairs = pairwise(np.asarray(image) for image in small[:1] + small)
    changes = [np.abs(np.subtract(*pair, dtype=np.float32)).mean() for pair in pairs]
    return [_jpeg(image) for image in small], np.array(changes, np.float32)


def _shrink(frame: UInt8[ndarray, "y x"], side: int) -> Image.Image:
    image = Image.fromarray(frame)
    scale = min(1, side / max(image.size))
    return image.resize([max(1, round(scale * it)) for it in image.size], Image.Resampling.BOX)


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "jpeg", quality=_QUALITY)
    return file.getvalue()


def _is_blank(label: Label) -> bool:
    """Whether it is a row of the template, which says nothing but whose clip there is."""
    return replace(label, split="", person="") == Label(clip=label.clip, grade="")


def _key_frame(label: Label) -> int:
    """The frame that represents a key clip."""
    return label.first_frame if label.narrowest_frame is None else label.narrowest_frame


def _row(label: Label) -> dict[str, Any]:
    """A label as the page has it: without path and patient, its box as four numbers or none."""
    row = asdict(label) | {"box": list(astuple(label.box)) if label.box else []}
    del row["clip"], row["person"]
    return row


def _draw_image(axes: Axes, clip: Clip, label: Label, number: int) -> None:
    """The narrowest frame, or the first if none is marked; only pixels where no name can be."""
    frame, box = _key_frame(label), label.box or clip.region
    if box is None and clip.truth is None:  # neither cropped nor simulated
        words = "no box: whole frames\nmay show a name"
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=9, color="#777777")
    else:
        whole = clip.frames[frame : frame + 1]
        axes.imshow((box.crop(whole) if box else whole)[0], cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    which = "first" if label.narrowest_frame is None else "narrowest"
    axes.set_title(f"{number}: {label.grade or 'no grade yet'}\n{which} {frame}", fontsize=9)


def _draw_line(
    axes: Axes, labels: Sequence[Label], changes: Float32[ndarray, " t"], grades: Sequence[str]
) -> None:
    frames, high = len(changes), float(np.sqrt(changes).max()) or 1.0
    # Square roots: a cut in the video would otherwise flatten everything else.
    axes.fill_between(np.arange(frames), np.sqrt(changes) / high, color="#1668b8", alpha=0.35)
    for place, label in enumerate(labels):
        end = frames if label.frames is None else label.first_frame + label.frames
        colour: Any = "none"
        if label.grade:
            colour = MAGNITUDE(0.15 + 0.75 * grades.index(label.grade) / (len(grades) - 1))
        span = (label.first_frame - 0.5, end - label.first_frame)
        axes.broken_barh([span], (-0.75, 0.6), facecolor=colour, edgecolor="#222222")
        if label.narrowest_frame is not None:
            axes.plot(label.narrowest_frame, -0.45, "D", color="white", mec="#222222", markersize=4)
        middle = (label.first_frame + end - 1) / 2
        axes.text(middle, -0.85, str(place + 1), ha="center", va="top", fontsize=8)
    axes.set(xlim=(-0.5, frames - 0.5), ylim=(-1.25, 1.05), xlabel="frame of the video, from 0")
    axes.set_yticks([-0.45, 0.5], ["key clips", "change"])
