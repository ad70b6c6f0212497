"""Simulated clips: a diseased artery swept by a scanner, with exact ground truth in every frame.

The paper's clips (section 3, "Dataset") are not public. All of this is simulated and not for
diagnosis: it tests whether a network finds a narrowing that is there, not how it does on patients.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy import ndimage

from csglib.data.clips import TRUTH_ARRAYS, Clip, Truth
from csglib.data.stenosis import area_stenosis, diameter_stenosis
from csglib.phantom.anatomy import Anatomy
from csglib.phantom.probe import Grid
from csglib.phantom.recipe import Recipe, draw
from csglib.phantom.scatterers import Moment, Scatterers, moments, steps
from csglib.phantom.speckle import log_compress
from csglib.phantom.vessel import Lesion, Section, Vessel

VERSION = 2  # changes whenever the same seed gives another clip
_PIXEL = 0.067  # mm, the largest that is simulated
_MARGIN = 9  # pixels around the image that are simulated and cut off
_CELL = 3  # an image's size is a multiple of it, as the attenuation map needs
_NECK = (28.0, 44.0)  # mm, the narrowest and the widest image of a whole neck


class Video:
    """A sweep along an artery: its truth is computed at once, its frames when a clip is cut.

    `truth` is that of all frames, in pixels; `keys` are the indices of the frames of the plaques'
    narrowest sections. `recipe` has all parameters but the plaques; `way` is y of each frame, mm,
    the first only needed for the second's persistence.

    Source: section 3, "Dataset": long videos, of which "sonographers often focus on a relatively
    narrow short plaque video clip".
    """

    def __init__(
        self,
        recipe: Recipe,
        lesions: Sequence[Lesion],
        way: Float[ndarray, " moments"],
        size: int,
        seed: int,
    ) -> None:
        shape, neck, hand = np.random.default_rng([seed, 1]).spawn(3)
        self.recipe, self.lesions, self.size, self.seed = recipe, lesions, size, seed
        self.vessel = Vessel(recipe.artery, lesions, shape)
        self.moments = moments(recipe.sweep, way, self.vessel, hand)
        self.grid = _field(recipe)
        turn = max(abs(moment.turn) for moment in self.moments)
        anatomy = Anatomy(self.vessel, neck)
        self.tissue = Scatterers(anatomy, recipe.probe, self.grid, turn, seed)
        self.mm_per_px = (self.grid.size - 2 * _MARGIN) * self.grid.pixel / size
        self.keys = tuple(int(np.abs(way[1:] - lesion.at).argmin()) for lesion in lesions)
        self.truth = self._truth()

    def __len__(self) -> int:
        return len(self.moments) - 1

    def clip(self, first: int, frames: int) -> Clip:
        """Cut a clip of `frames` frames from frame `first` on; overlapping clips share frames.

        Raises:
            ValueError: the video does not have these frames.
        """
        if first < 0 or frames < 1 or first + frames > len(self):
            span = f"{first} to {first + frames - 1}"
            raise ValueError(f"wanted frames {span} of a video of {len(self)}")
        kept = {name: getattr(self.truth, name)[first : first + frames] for name in TRUTH_ARRAYS}
        # Parameters of the plaque nearest to the clip's middle frame.
        here = np.array([self.moments[1 + first + frames // 2].y])
        lesion = self.lesions[self.vessel.nearest(here)[0]]
        parameters = self.recipe._replace(lesion=lesion).parameters
        parameters |= {"seed": self.seed, "phantom": VERSION}
        return Clip(
            frames=np.stack([self._show(frame) for frame in self._persistent(first, frames)]),
            patient=f"phantom-{self.seed}",
            mm_per_px=self.mm_per_px,
            truth=Truth(**kept, parameters=parameters),
        )

    def _persistent(self, first: int, frames: int) -> Iterator[Float[ndarray, "rows columns"]]:
        """Envelopes with persistence: each is averaged with the one before."""
        weight = self.recipe.display.persistence
        before = self._envelope(first) if weight else 0.0
        for number in range(first + 1, first + frames + 1):
            now = self._envelope(number)
            yield (1 - weight) * now + weight * before
            before = now

    def _envelope(self, number: int) -> Float[ndarray, "rows columns"]:
        rng = np.random.default_rng([self.seed, 2, number])
        return self.tissue.frame(self.moments[number], rng)

    def _show(self, frame: Float[ndarray, "rows columns"]) -> UInt8[ndarray, "y x"]:
        """Log compression, smoothing, crop of the margin, and, last as in a scanner, resizing."""
        display = self.recipe.display
        grey = log_compress(frame, display.gain, display.dynamic_range)
        image = 255 * (grey / 255) ** display.gamma
        zoom = self.size / (len(image) - 2 * _MARGIN)
        sigma = np.hypot(display.smoothing / self.grid.pixel, max(0.5 / zoom - 0.5, 0))
        smooth = ndimage.gaussian_filter(image, sigma, mode="nearest")
        cut = smooth[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        resized = ndimage.zoom(cut, zoom, order=1, mode="nearest", grid_mode=True)
        return np.round(resized).astype(np.uint8)

    def _truth(self) -> Truth:
        sections = [self._section(moment) for moment in self.moments[1:]]
        outer, inner, lumen = (np.stack(border) for border in zip(*sections, strict=True))
        return Truth(
            vessel_outer=outer,
            vessel_inner=inner,
            lumen=lumen,
            area_stenosis=area_stenosis(inner, lumen),
            diameter_stenosis=diameter_stenosis(inner, lumen),
        )

    def _section(self, moment: Moment) -> Section:
        """Contours in the pixels of the image that `_show` makes."""
        corner = np.array([self.grid.left, self.grid.top]) + _MARGIN * self.grid.pixel
        return Section(
            *(
                (self.tissue.turned(border.T, moment).T - corner) / self.mm_per_px - 0.5
                for border in self.vessel.section(moment.y, moment.swelling)
            )
        )


def make_clip(seed: int, frames: int = 8, size: int = 256, **overrides: object) -> Clip:
    """Simulate a clip of one plaque, with its truth.

    Args:
        seed: the same seed and the same arguments give the same bytes.
        frames: number of frames, t; more frames see more of the artery.
        size: height and width of a frame, pixels; all sizes show the same field.
        overrides: any parameter of `Artery`, `Lesion`, `Sweep`, `Display` and `Probe` by name, and
            `patient`; the seed draws the others.

    Returns:
        The clip. Its contours are in pixels, (0, 0) the centre of the upper left one.

    Raises:
        TypeError: an unknown parameter.
        ValueError: a value out of its limits, or a clip without frames, or smaller than 16 pixels.

    Source:
        Not in the paper, which has patients. Its clips: 8 or 16 frames of 256 x 256 (section 3).
    """
    if frames < 1 or size < 16:
        raise ValueError(f"a clip needs frames >= 1 and size >= 16: got {frames=}, {size=}")
    patient = str(overrides.pop("patient", f"phantom-{seed}"))
    chance, hand = np.random.default_rng([seed, 0]).spawn(2)
    recipe = draw(chance, overrides)
    narrowest = hand.integers(frames // 4, frames - frames // 4)
    way = hand.choice([-1, 1]) * np.cumsum(steps(recipe.sweep, frames + 1, hand))
    video = Video(recipe, [recipe.lesion], way - way[1 + narrowest], size, seed)
    return replace(video.clip(0, frames), patient=patient)


def make_video(seed: int, plaques: int = 3, size: int = 256, **overrides: object) -> Video:
    """Sweep along an artery with several plaques, from before the first to past the last.

    Args:
        seed: the same seed and the same arguments give the same video.
        plaques: how many, at least 1.
        size: height and width of a frame, pixels.
        overrides: as in `make_clip`; each may be a list of one value for each plaque.

    Raises:
        TypeError: an unknown parameter.
        ValueError: a value out of its limits, no plaque, frames below 16 pixels, or no speed.

    Source:
        Section 3, "Dataset": 200 videos of 169 patients, 316 frames each on average.
    """
    if plaques < 1 or size < 16:
        raise ValueError(f"a video needs plaques >= 1 and size >= 16: got {plaques=}, {size=}")
    *chances, hand = np.random.default_rng([seed, 0]).spawn(plaques + 1)
    own = [
        {n: v[k] if isinstance(v, list) else v for n, v in overrides.items()}
        for k in range(plaques)
    ]
    recipes = [draw(chance, given) for chance, given in zip(chances, own, strict=True)]
    sweep = recipes[0].sweep
    if not sweep.speed:
        raise ValueError("a video sweeps along the artery: it needs a speed above 0, got 0")
    lengths = np.array([recipe.lesion.length for recipe in recipes])
    gaps = 0.75 * (lengths[1:] + lengths[:-1]) + hand.uniform(0, 5, plaques - 1)
    places = np.concatenate([[0.0], np.cumsum(gaps)])
    lesions = [replace(r.lesion, at=float(y)) for r, y in zip(recipes, places, strict=True)]
    ends = places[[0, -1]] + lengths[[0, -1]] * [-0.7, 0.7]
    frames = int(np.ptp(ends) / (0.85 * sweep.speed / sweep.frame_rate)) + 2
    way = ends[0] + np.cumsum(steps(sweep, frames, hand))
    way = way[: max(np.searchsorted(way, ends[1]), 2)]
    for place in places:  # one frame lies exactly on each narrowest section
        way[1 + np.abs(way[1:] - place).argmin()] = place
    return Video(recipes[0], lesions, way, size, seed)


def _field(recipe: Recipe) -> Grid:
    """The pixels of a frame, with a margin for spots that reach in."""
    artery, display = recipe.artery, recipe.display
    crop = display.margin * (artery.diameter + 2 * artery.wall)
    neck = display.field == "neck"
    field = float(np.clip(1.5 * display.margin * artery.depth, *_NECK)) if neck else crop
    size = _CELL * int(np.ceil(field / (_CELL * _PIXEL)))
    pixel = field / size
    left = -field * (0.5 + display.aside) - _MARGIN * pixel
    top = 0.0 if neck else artery.depth - field * (0.5 + display.lower)
    return Grid(left, top - _MARGIN * pixel, pixel, size + 2 * _MARGIN)
