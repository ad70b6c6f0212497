"""Phantom studio of notebook 07: change a plaque and a scanner, and see how the grade follows.

Source: not in the paper, whose clips are not public. The phantom stands for section 3, "Dataset";
the measures for section 1, "diameter and area stenosis rate".
"""

from dataclasses import replace
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from numpy import ndarray

from csglib.data.clips import TRUTH_ARRAYS, Truth
from csglib.data.stenosis import DEFAULT_RULE, RULES
from csglib.phantom.recipe import CHOICES, draw
from csglib.phantom.simulate import Video, make_video
from csglib.widgets.base import LiveFigure, front_end

SIDES = ("far", "near", "left", "right", "concentric")
GAIN, HAZE = (-14, 8), (-40, -10)  # dB, what the sliders reach
FRAMES, NARROWEST = 13, 7  # of the sweep over a plaque, and the one at its narrowest section
_SIZE = 256
_SPEED = 8.0  # mm/s
_ROOMY = 20  # frames of a whole sweep, about, for long and for short plaques
_DIALS = ("number", "stenosis", "side", "plaque", "calcium", "gain", "haze", "frame")
_CONTOURS = {"vessel_outer": ":", "vessel_inner": "--", "lumen": "-"}


class PhantomStudio(LiveFigure):
    """Grade a plaque by eye, then see its contours, its measures, and its grade by every rule.

    The kernel simulates every change, one frame at a time. The page sends its next change after the
    reply to the last one and drops those between, so nothing queues up while a slider moves. The
    same number, 1 or more, is the same plaque and neck.
    """

    _esm, _css = front_end(__file__)

    number = traitlets.Int(1, min=1).tag(sync=True)  # another number draws another plaque
    stenosis = traitlets.Int(0, min=0, max=100).tag(sync=True)  # of the area, narrowest section, %
    side = traitlets.Enum(SIDES, "far").tag(sync=True)
    plaque = traitlets.Enum(CHOICES["plaque"], "III").tag(sync=True)  # Gray-Weale type
    calcium = traitlets.Int(0, min=0, max=100).tag(sync=True)  # calcified part of its arc, %
    gain = traitlets.Int(0, min=GAIN[0], max=GAIN[1]).tag(sync=True)  # brightness, dB
    haze = traitlets.Int(-23, min=HAZE[0], max=HAZE[1]).tag(sync=True)  # dB against tissue above it
    frame = traitlets.Int(NARROWEST, min=1, max=FRAMES).tag(sync=True)
    guess = traitlets.Enum(("", *DEFAULT_RULE.grades), "").tag(sync=True)  # the grade by eye
    truth = traitlets.Enum(("", *DEFAULT_RULE.grades), "").tag(sync=True)  # the rule's, then
    graded = traitlets.Int(0, min=0).tag(sync=True)  # plaques graded by eye
    correct = traitlets.Int(0, min=0).tag(sync=True)  # how many of them agree with the rule
    outlined = traitlets.Bool(True).tag(sync=True)  # contours are drawn, once a guess is made
    playing = traitlets.Bool(False).tag(sync=True)

    problem = traitlets.Unicode("").tag(sync=True)  # the error of the last simulation
    facts = traitlets.Dict().tag(sync=True)  # settings and measures of the last simulation
    pixels = traitlets.Bytes().tag(sync=True)  # u8 (y, x) of the frame
    contours = traitlets.Bytes().tag(sync=True)  # f32 (contour, point, xy), fractions of the side

    def __init__(self, number: int = 1) -> None:
        super().__init__(number=number)
        self._made: tuple[object, ...] = ()
        self._draw()
        self.observe(self._draw, "number")
        self.observe(self._simulate, _DIALS)

    def _draw(self, _change: object = None) -> None:
        """Draw a plaque at random and set the dials to it; its grade is hidden again."""
        drawn = draw(np.random.default_rng(self.number), {}).parameters
        self._length = drawn["length"]
        with self.hold_sync():
            with self.hold_trait_notifications():
                self.guess, self.playing, self.frame = "", False, NARROWEST
                self.stenosis = round(100 * drawn["stenosis"])
                self.side, self.plaque = drawn["side"], drawn["plaque"]
                self.calcium = round(100 * drawn["calcified"])
                self.gain = int(np.clip(round(drawn["gain"]), *GAIN))
                self.haze = int(np.clip(round(drawn["haze"]), *HAZE))
            self._simulate()

    def _simulate(self, _change: object = None) -> None:
        """Simulate the present settings, once, however many of them have changed."""
        wanted = tuple(getattr(self, dial) for dial in _DIALS)
        if wanted == self._made:
            return
        try:
            if wanted[:-1] != self._made[:-1]:
                self._video = self._sweep()
            frame = _frame(self._video, self.frame)
        except Exception as error:  # the page waits for a reply, whatever happened
            self._made, self.problem = (), f"{type(error).__name__}: {error}"
            return
        self._made = wanted
        truth = _window(self._video)
        with self.hold_sync():
            self.problem = ""
            self.pixels = frame.tobytes()
            self.contours = _contours(truth, self.frame).astype("<f4").tobytes()
            self.facts = _findings(truth) | {"dials": list(wanted)}

    def _sweep(self) -> Video:
        # No persistence: no earlier frames to be simulated.
        sweep = {"length": self._length, "scanner": "matched", "persistence": 0, "speed": _SPEED}
        sweep["frame_rate"] = _ROOMY * _SPEED / (1.4 * self._length)
        dials = {name: getattr(self, name) for name in ("side", "plaque", "gain", "haze")}
        parts = {"stenosis": self.stenosis / 100, "calcified": self.calcium / 100}
        return make_video(self.number, plaques=1, size=_SIZE, **sweep, **dials, **parts)

    def __repr__(self) -> str:
        return (
            f"PhantomStudio(number={self.number}: area stenosis {self.stenosis} %, "
            f"side={self.side!r}, plaque={self.plaque!r}, calcium={self.calcium} %, "
            f"gain={self.gain} dB, haze={self.haze} dB; frame {self.frame} of {FRAMES})"
        )

    def still(self) -> Figure:
        """The frame with its contours, and its measures."""
        truth = _window(self._video)
        findings = _findings(truth)
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        image, bars = figure.subplots(1, 2, width_ratios=[1, 1.2])
        frame = np.frombuffer(self.pixels, np.uint8).reshape(_SIZE, _SIZE)
        image.imshow(frame, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
        for dashes, polygon in zip(_CONTOURS.values(), _contours(truth, self.frame), strict=True):
            image.plot(*np.vstack([polygon, polygon[:1]]).T, dashes, color="#ffd24d", lw=1.5)
        image.set(xticks=[], yticks=[], xlabel="outer wall (dots), vessel, remnant vessel")
        image.set_title(f"plaque {self.number}, frame {self.frame} of {FRAMES}", fontsize=10)
        values = [100 * stenosis[self.frame - 1] for stenosis in findings["stenoses"].values()]
        labels = ["diameter", "area", "area, outer wall"]
        drawn = bars.barh(labels, values, color=["#1668b8", "#1668b8", "#b45309"])
        bars.bar_label(drawn, [f"{value:.0f} %" for value in values], padding=3)
        bars.axvline(50, color="#555555", linewidth=1, linestyle=":")
        bars.invert_yaxis()
        bars.set(xlim=(0, 118), xlabel="stenosis in this frame, %", xticks=[0, 50, 100])
        grades = ", ".join(f"{rule['name']}: {rule['grade']}" for rule in findings["rules"])
        figure.supxlabel(grades, fontsize=9)
        return figure


def _window(video: Video) -> Truth:
    """The frames around the narrowest section."""
    first = video.keys[0] - (NARROWEST - 1)
    kept = {name: getattr(video.truth, name)[first : first + FRAMES] for name in TRUTH_ARRAYS}
    return replace(video.truth, **kept)


def _frame(video: Video, frame: int) -> UInt8[ndarray, "y x"]:
    return video.clip(video.keys[0] + frame - NARROWEST, 1).frames[0]


def _contours(truth: Truth, frame: int) -> Float[ndarray, "contour points 2"]:
    return (np.stack([getattr(truth, name)[frame - 1] for name in _CONTOURS]) + 0.5) / _SIZE


def _findings(truth: Truth) -> dict[str, Any]:
    """Stenosis in each frame, by three measures, and the grade by every rule."""
    rules = [
        {"name": name, "measure": rule.measure, "cuts": rule.cuts, "grades": rule.grades}
        | {"grade": rule.grades[rule.grade(truth.stenosis(rule))]}
        for name, rule in RULES.items()
    ]
    measures = ("diameter", "area", "outer")
    stenoses = {name: getattr(truth, f"{name}_stenosis").tolist() for name in measures}
    return {"size": _SIZE, "stenoses": stenoses, "narrowest": 1 + truth.narrowest, "rules": rules}
