"""The phantom studio without a page: what it simulates, when, and what it measures."""

import numpy as np
import pytest

from csgcourse.widgets import phantom_studio
from csgcourse.widgets.phantom_studio import FRAMES, NARROWEST, PhantomStudio
from csglib.data.stenosis import DEFAULT_RULE, RULES, area_stenosis, diameter_stenosis

ANSWERS = ("facts", "pixels", "contours")


@pytest.fixture
def studio():
    return PhantomStudio()


@pytest.fixture
def quick(monkeypatch):
    """Pictures that take no time, another for each sweep and frame; contours are the real ones."""

    def frame(video, number):
        made = f"{video.seed} {number} {sorted(video.recipe.parameters.items())}"
        return np.frombuffer(made.encode(), np.uint8)

    monkeypatch.setattr(phantom_studio, "_frame", frame)


@pytest.fixture
def sweeps(monkeypatch):
    """The arguments of every simulation from now on; "fail" in it makes the next ones fail."""
    made, real = [], phantom_studio.make_video

    def make_video(number, **settings):
        if "fail" in made:
            raise MemoryError("no room")
        made.append({"number": number, **settings})
        return real(number, **settings)

    monkeypatch.setattr(phantom_studio, "make_video", make_video)
    return made


def state(studio, *names):
    return {name: getattr(studio, name) for name in (*names, *ANSWERS)}


def polygons(studio):
    return np.frombuffer(studio.contours, "<f4").reshape(3, -1, 2).astype(float)


def test_frame_contours_and_measures_belong_together_and_the_still_shows_them(studio):
    """The worst section and the one after it, cut from the sweep as a clip is."""
    studio.set_state({"stenosis": 80, "side": "left", "plaque": "IV", "calcium": 7})
    assert repr(studio).startswith(
        "PhantomStudio(number=1: area stenosis 80 %, side='left', plaque='IV', calcium=7 %"
    )
    clip = studio._video.clip(studio._video.keys[0], 2)
    for place in (0, 1):
        studio.frame = NARROWEST + place
        assert studio.pixels == clip.frames[place].tobytes()
        outer, inner, lumen = polygons(studio)
        np.testing.assert_allclose(lumen, (clip.truth.lumen[place] + 0.5) / 256, atol=1e-6)
        stenoses = studio.facts["stenoses"]
        found = [values[studio.frame - 1] for values in stenoses.values()]
        expected = [diameter_stenosis(inner, lumen)]
        expected += [area_stenosis(border, lumen) for border in (inner, outer)]
        assert [*stenoses] == ["diameter", "area", "outer"]
        assert {len(values) for values in stenoses.values()} == {FRAMES}
        np.testing.assert_allclose(found, expected, atol=1e-5)
    image, bars = studio.still().axes
    np.testing.assert_array_equal(image.images[0].get_array(), clip.frames[1])
    for line, polygon in zip(image.lines, polygons(studio), strict=True):
        np.testing.assert_allclose(line.get_xydata()[:-1], polygon, atol=1e-6)
    assert [bar.get_width() / 100 for bar in bars.patches] == pytest.approx(found)


def test_stenosis_and_grades_follow_the_dial(quick, studio):
    rules = studio.facts["rules"]
    assert [rule["name"] for rule in rules] == list(RULES)
    assert rules[0]["name"] == DEFAULT_RULE.name  # the page grades by the first
    for stenosis, outer, grade in ((0, 0.25, "mild"), (64, 0.7, "mild"), (100, 0.99, "occlusion")):
        studio.stenosis = stenosis
        stenoses, narrowest = studio.facts["stenoses"], studio.facts["narrowest"]
        # a heartbeat opens the lumen more than it widens the vessel
        assert stenoses["area"][NARROWEST - 1] == pytest.approx(stenosis / 100, abs=0.03)
        assert stenoses["outer"][NARROWEST - 1] > outer
        assert narrowest == 1 + np.argmax(stenoses["area"])
        for rule in studio.facts["rules"]:
            worst = stenoses[rule["measure"]][narrowest - 1]
            assert rule["grade"] == rule["grades"][sum(worst >= cut for cut in rule["cuts"])]
        assert studio.facts["rules"][-1]["grade"] == grade


def test_a_number_is_a_plaque_and_another_one_hides_the_grade(quick, studio):
    dials = ("stenosis", "side", "plaque", "calcium", "gain", "haze")
    first = state(studio, *dials)
    studio.set_state({"guess": "mild", "truth": "mild", "frame": 3, "stenosis": 12})
    studio.number = 2
    assert (studio.guess, studio.frame, studio.playing) == ("", NARROWEST, False)
    assert studio.pixels != first["pixels"]
    assert studio.facts["dials"][:2] == [2, studio.stenosis]
    studio.number = 1
    assert state(studio, *dials) == first
    for number in (31, 87):  # every plaque leaves room for all frames
        studio.number = number
        assert len(studio.facts["stenoses"]["area"]) == FRAMES
        assert abs(studio.facts["narrowest"] - NARROWEST) <= 2


def test_a_sweep_is_simulated_once_for_many_dials_and_all_its_frames(quick, studio, sweeps):
    same = {"side": "near", "plaque": "I", "gain": 1, "haze": -30}
    studio.set_state({"stenosis": 40, "calcium": 20, **same})
    assert len(sweeps) == 1
    assert {"stenosis": 0.4, "calcified": 0.2, **same}.items() <= sweeps[0].items()
    assert studio.facts["dials"] == [1, 40, "near", "I", 20, 1, -30, NARROWEST]
    before = state(studio)
    studio.frame = 2
    assert studio.pixels != before["pixels"]
    assert studio.facts["stenoses"] == before["facts"]["stenoses"]
    studio.frame = NARROWEST
    assert state(studio) == before
    studio.number = 3
    assert [made["number"] for made in sweeps] == [1, 3]


def test_a_failed_simulation_is_reported_and_the_next_change_is_simulated(quick, studio, sweeps):
    before = state(studio)
    for change in ({"stenosis": before["facts"]["dials"][1]}, {"frame": 6}):  # as shown; a new one
        sweeps.append("fail")
        studio.stenosis = 33
        assert studio.problem == "MemoryError: no room"
        assert state(studio) == before
        sweeps.clear()
        studio.set_state(change)
        assert studio.problem == ""
    assert studio.facts["dials"][1] == 33
    assert studio.facts["stenoses"]["area"][NARROWEST - 1] == pytest.approx(0.33, abs=0.03)
