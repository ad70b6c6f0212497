"""Phantom studio of notebook 07: turn a plaque and a scanner, and see what becomes of the grade.

Source: not in the paper, whose clips are not public. The phantom stands for section 3, "Dataset";
the measures for section 1, "diameter and area stenosis rate".
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from csglib.data.clips import TRUTH_ARRAYS, Truth
from csglib.data.stenosis import DEFAULT_RULE, RULES
from csglib.phantom.recipe import CHOICES, draw
from csglib.phantom.simulate import Video, make_video
from csglib.widgets.base import LiveFigure, es_module, style_sheet

_HERE = Path(__file__).parent
SIDES = ("far", "near", "left", "right", "concentric")
GAIN, HAZE = (-14, 8), (-40, -10)  # dB, what the sliders reach
FRAMES, WORST = 13, 7  # of the sweep over a plaque, and the one that meets its worst section
_SIZE = 256
_SPEED = 8.0  # mm/s
_ROOMY = 20  # frames of a whole sweep, about; long plaques and short ones fill as many
_BODY = ("number", "stenosis", "side", "plaque", "calcium", "gain", "haze")
_DIALS = (*_BODY, "frame")
_CONTOURS = {"vessel_outer": ":", "vessel_inner": "--", "lumen": "-"}
_BLUE, _ORANGE, _YELLOW = "#1668b8", "#b45309", "#ffd24d"


class PhantomStudio(LiveFigure):
    """Grade a plaque by eye, then see its contours, its measures, and its grade by every rule.

    Whatever the page changes is simulated here, one frame at a time. A widget sends its next
    change when the last one is answered, and forgets those between: nothing piles up while a
    slider moves.

    Args:
        number: of the first plaque, 1 or more; the same number is the same plaque in the same neck.

    Attributes:
        number: of the plaque; when it changes, a new one is drawn.
        stenosis: area closed in the worst section, percent of the original lumen's.
        side: where the plaque sits, one of `SIDES`.
        plaque: its Gray-Weale type, "I" to "IV".
        calcium: share of the plaque's arc that is calcified, percent.
        gain: brightness, dB.
        haze: echoes that bounced twice, dB against the tissue above them.
        frame: of the sweep over the plaque, counted from 1; number 7 meets its worst section.
        guess: the reader's grade by eye, one of the default rule's, or "" for none yet.
        answer: what the default rule said to it at that moment.
        seen: plaques that were graded by eye.
        right: how many of them as the default rule does.
        outlined: contours are drawn, once a guess is made.
        playing: frames follow by themselves.
        problem: why the last change could not be simulated; "" when it was.
    """

    _esm = es_module(_HERE, "phantom_studio_pictures.js", "phantom_studio.js")
    _css = style_sheet(_HERE / "phantom_studio.css")

    number = traitlets.Int(1, min=1).tag(sync=True)
    stenosis = traitlets.Int(0, min=0, max=100).tag(sync=True)
    side = traitlets.Enum(SIDES, "far").tag(sync=True)
    plaque = traitlets.Enum(CHOICES["plaque"], "III").tag(sync=True)
    calcium = traitlets.Int(0, min=0, max=100).tag(sync=True)
    gain = traitlets.Int(0, min=GAIN[0], max=GAIN[1]).tag(sync=True)
    haze = traitlets.Int(-23, min=HAZE[0], max=HAZE[1]).tag(sync=True)
    frame = traitlets.Int(WORST, min=1, max=FRAMES).tag(sync=True)
    guess = traitlets.Enum(("", *DEFAULT_RULE.grades), "").tag(sync=True)
    answer = traitlets.Enum(("", *DEFAULT_RULE.grades), "").tag(sync=True)
    seen = traitlets.Int(0, min=0).tag(sync=True)
    right = traitlets.Int(0, min=0).tag(sync=True)
    outlined = traitlets.Bool(True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    problem = traitlets.Unicode("").tag(sync=True)
    facts = traitlets.Dict().tag(sync=True)  # what the answer below was asked for and has found
    pixels = traitlets.Bytes().tag(sync=True)  # u8 (y, x) of the frame
    contours = traitlets.Bytes().tag(sync=True)  # f32 (contour, point, xy), in shares of the side

    def __init__(self, number: int = 1) -> None:
        super().__init__(number=number)
        self._asked: tuple[object, ...] = ()
        self._draw()
        self.observe(self._draw, "number")
        self.observe(self._answer, _DIALS)

    def _draw(self, _change: object = None) -> None:
        """Draw a plaque, hide it, and turn the dials to what was drawn."""
        drawn = draw(np.random.default_rng(self.number), {}).parameters
        self._length = drawn["length"]
        with self.hold_sync():
            with self.hold_trait_notifications():
                self.guess, self.playing, self.frame = "", False, WORST
                self.stenosis = round(100 * drawn["stenosis"])
                self.side, self.plaque = drawn["side"], drawn["plaque"]
                self.calcium = round(100 * drawn["calcified"])
                self.gain = int(np.clip(round(drawn["gain"]), *GAIN))
                self.haze = int(np.clip(round(drawn["haze"]), *HAZE))
            self._answer()

    def _answer(self, _change: object = None) -> None:
        """Simulate what the dials ask for, once, however many of them have moved."""
        asked = tuple(getattr(self, dial) for dial in _DIALS)
        if asked == self._asked:
            return
        try:
            if asked[:-1] != self._asked[:-1]:
                self._video = self._sweep()
            frame = _frame(self._video, self.frame)
        except Exception as error:  # whatever it is, the page must not wait for ever
            self._asked, self.problem = (), f"{type(error).__name__}: {error}"
            return
        self._asked = asked
        truth = _window(self._video)
        with self.hold_sync():
            self.problem = ""
            self.pixels = frame.tobytes()
            self.contours = _contours(truth, self.frame).astype("<f4").tobytes()
            self.facts = _findings(truth) | {"dials": list(asked)}

    def _sweep(self) -> Video:
        return make_video(
            self.number,
            plaques=1,
            size=_SIZE,
            length=self._length,
            scanner="matched",  # what it makes of gain and haze is on the dials
            persistence=0,  # of frames before, which need not be simulated then
            speed=_SPEED,
            frame_rate=_ROOMY * _SPEED / (1.4 * self._length),
            stenosis=self.stenosis / 100,
            side=self.side,
            plaque=self.plaque,
            calcified=self.calcium / 100,
            gain=self.gain,
            haze=self.haze,
        )

    def __repr__(self) -> str:
        return (
            f"PhantomStudio(number={self.number}: {self.stenosis} % of the area closed, "
            f"side={self.side!r}, plaque={self.plaque!r}, calcium={self.calcium} %, "
            f"gain={self.gain} dB, haze={self.haze} dB; frame {self.frame} of {FRAMES})"
        )

    def still(self) -> Figure:
        """The frame, its contours, its measures; a picture cannot ask for a guess."""
        truth = _window(self._video)
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        plain, outlined, bars = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
        frame = np.frombuffer(self.pixels, np.uint8).reshape(_SIZE, _SIZE)
        for axes in (plain, outlined):
            axes.imshow(frame, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
            axes.set(xticks=[], yticks=[])
        plain.set_title(f"plaque {self.number}, frame {self.frame} of {FRAMES}", fontsize=10)
        _draw_contours(outlined, _contours(truth, self.frame))
        findings = _findings(truth)
        _draw_measures(bars, findings, self.frame)
        grades = ", ".join(f"{rule['name']}: {rule['grade']}" for rule in findings["rules"])
        figure.supxlabel(grades, fontsize=9)
        return figure


def _window(video: Video) -> Truth:
    """The frames around the worst section."""
    first = video.keys[0] - (WORST - 1)
    kept = {name: getattr(video.truth, name)[first : first + FRAMES] for name in TRUTH_ARRAYS}
    return replace(video.truth, **kept)


def _frame(video: Video, frame: int) -> UInt8[ndarray, "y x"]:
    return video.clip(video.keys[0] + frame - WORST, 1).frames[0]


def _contours(truth: Truth, frame: int) -> Float[ndarray, "contour points 2"]:
    return (np.stack([getattr(truth, name)[frame - 1] for name in _CONTOURS]) + 0.5) / _SIZE


def _findings(truth: Truth) -> dict[str, Any]:
    """What is closed in each frame, by three measures, and the grade by every rule."""
    rules = [
        {
            "name": name,
            "measure": rule.measure,
            "cuts": list(rule.cuts),
            "grades": list(rule.grades),
            "grade": rule.grades[rule.grade(truth.stenosis(rule))],
        }
        for name, rule in RULES.items()
    ]
    measures = {"diameter": truth.diameter_stenosis, "area": truth.area_stenosis}
    closed = {name: values.tolist() for name, values in measures.items()}
    closed["outer"] = truth.outer_stenosis.tolist()
    return {"size": _SIZE, "closed": closed, "narrowest": 1 + truth.narrowest, "rules": rules}


def _draw_contours(axes: Axes, contours: Float[ndarray, "contour points 2"]) -> None:
    for dashes, polygon in zip(_CONTOURS.values(), contours, strict=True):
        closed = np.vstack([polygon, polygon[:1]])
        axes.plot(*closed.T, dashes, color=_YELLOW, linewidth=1.5)
    axes.set_title("outer (dotted), original, open", fontsize=10)


def _draw_measures(axes: Axes, findings: dict[str, Any], frame: int) -> None:
    labels = ["diameter", "area", "area, outer"]
    values = [100 * closed[frame - 1] for closed in findings["closed"].values()]
    axes.barh(labels, values, color=[_BLUE, _BLUE, _ORANGE])
    for place, value in enumerate(values):
        axes.text(2, place, f"{value:.0f} %", va="center", color="white", fontweight="bold")
    axes.axvline(50, color="#555555", linewidth=1, linestyle=":")
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="closed in this frame, %")
    axes.set_xticks([0, 50, 100])
