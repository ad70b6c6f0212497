"""The phantom studio without a page: what it simulates, when, and what it finds out."""

import numpy as np
import pytest
import traitlets

from csgcourse.widgets import phantom_studio
from csgcourse.widgets.phantom_studio import FRAMES, NARROWEST, SIDES, PhantomStudio
from csglib.data.clips import Truth
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
    """Whatever is asked of the phantom from now on."""
    asked = []

    def make_video(number, **what):
        asked.append({"number": number, **what})
        return real(number, **what)

    real = phantom_studio.make_video
    monkeypatch.setattr(phantom_studio, "make_video", make_video)
    return asked


def polygons(studio):
    return np.frombuffer(studio.contours, "<f4").reshape(3, -1, 2).astype(float)


def test_the_answer_is_the_frame_its_contours_and_what_they_measure(studio):
    studio.frame = 5
    outer, inner, lumen = polygons(studio)
    stenoses = {
        "diameter": diameter_stenosis(inner, lumen),
        "area": area_stenosis(inner, lumen),
        "outer": area_stenosis(outer, lumen),
    }
    for name, value in stenoses.items():
        assert len(studio.facts["stenoses"][name]) == FRAMES
        assert studio.facts["stenoses"][name][4] == pytest.approx(float(value), abs=1e-5)
    frame = np.frombuffer(studio.pixels, np.uint8).reshape(256, 256)
    row, column = np.indices(frame.shape)
    away = np.hypot(*(np.stack([column, row]) - 256 * lumen.mean(axis=0)[:, None, None]))
    assert frame[away < 15].mean() < frame.mean() - 3  # blood is dark, and where it is drawn


def test_grades_are_those_of_the_narrowest_frame(quick, studio):
    stenoses, narrowest = studio.facts["stenoses"], studio.facts["narrowest"]
    assert narrowest == 1 + np.argmax(stenoses["area"])
    assert [rule["name"] for rule in studio.facts["rules"]] == list(RULES)
    assert studio.facts["rules"][0]["name"] == DEFAULT_RULE.name  # the page grades by the first
    for rule in studio.facts["rules"]:
        share = stenoses[rule["measure"]][narrowest - 1]
        assert rule["grade"] == rule["grades"][sum(share >= cut for cut in rule["cuts"])]


@pytest.mark.parametrize("stenosis", [0, 64, 100])
def test_the_dial_is_the_area_closed_in_the_worst_frame(quick, studio, stenosis):
    studio.stenosis = stenosis
    # a heartbeat opens the lumen more than it widens the vessel
    assert studio.facts["stenoses"]["area"][NARROWEST - 1] == pytest.approx(
        stenosis / 100, abs=0.03
    )
    assert (
        studio.facts["stenoses"]["outer"][NARROWEST - 1] > {0: 0.25, 64: 0.7, 100: 0.99}[stenosis]
    )
    assert studio.facts["rules"][-1]["grade"] == {0: "mild", 64: "mild", 100: "occlusion"}[stenosis]


def test_a_number_is_a_plaque_and_another_one_is_hidden_again(quick, studio):
    first = {name: studio.trait_values()[name] for name in studio.keys}
    studio.set_state({"guess": "mild", "truth": "mild", "frame": 3, "stenosis": 12})
    studio.number = 2
    assert (studio.guess, studio.frame, studio.playing) == ("", NARROWEST, False)
    assert studio.pixels != first["pixels"]
    assert studio.facts["dials"][:2] == [2, studio.stenosis]
    studio.number = 1
    for name in ("stenosis", "side", "plaque", "calcium", "gain", "haze", *ANSWERS):
        assert getattr(studio, name) == first[name]


def test_every_plaque_leaves_room_for_all_frames(quick):
    for number in (1, 31, 87):
        studio = PhantomStudio(number)
        assert len(studio.facts["stenoses"]["area"]) == FRAMES
        assert abs(studio.facts["narrowest"] - NARROWEST) <= 2
        assert studio.side in SIDES


def test_many_dials_at_once_are_one_answer(quick, studio, sweeps):
    studio.set_state({"stenosis": 40, "side": "near", "plaque": "I", "calcium": 20, "gain": 1})
    assert len(sweeps) == 1
    asked = {"stenosis": 0.4, "side": "near", "plaque": "I", "calcified": 0.2, "gain": 1}
    assert asked.items() <= sweeps[0].items()
    assert studio.facts["dials"] == [1, 40, "near", "I", 20, 1, studio.haze, NARROWEST]
    studio.set_state({"number": 3})
    assert [asked["number"] for asked in sweeps] == [1, 3]


def test_another_frame_is_of_the_same_sweep(quick, studio, sweeps):
    before = {name: getattr(studio, name) for name in ANSWERS}
    studio.frame = 2
    assert sweeps == []
    assert studio.pixels != before["pixels"]
    assert studio.facts["stenoses"] == before["facts"]["stenoses"]
    studio.frame = NARROWEST
    assert {name: getattr(studio, name) for name in ANSWERS} == before


def test_gain_and_haze_are_seen(studio):
    dark = np.frombuffer(studio.pixels, np.uint8).mean()
    studio.set_state({"gain": studio.gain + 8})
    bright = np.frombuffer(studio.pixels, np.uint8).mean()
    assert bright > dark + 8
    studio.haze = -10
    assert np.frombuffer(studio.pixels, np.uint8).mean() > bright + 2


def test_a_plaque_on_the_near_wall_leaves_the_far_side_open(quick, studio):
    before = polygons(studio)
    assert before[2, :, 1].mean() < before[1, :, 1].mean()  # it sits on the far wall
    studio.side = "near"
    _, inner, lumen = polygons(studio)
    assert lumen[:, 1].mean() > inner[:, 1].mean()
    np.testing.assert_allclose(inner, before[1], atol=0.01)  # the same artery


def test_a_failure_is_said_and_the_next_change_is_answered(quick, studio, monkeypatch):
    before = {name: getattr(studio, name) for name in ANSWERS}

    def fails(number, **what):
        raise MemoryError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(phantom_studio, "make_video", fails)
        studio.stenosis = 33
    assert studio.problem == "MemoryError: no room"
    assert {name: getattr(studio, name) for name in ANSWERS} == before
    studio.frame = 6  # not of the sweep before
    assert studio.problem == ""
    assert studio.facts["dials"][1] == 33
    assert studio.facts["stenoses"]["area"][NARROWEST - 1] == pytest.approx(0.33, abs=0.03)


def test_the_picture_is_the_frame_of_its_contours(studio):
    """The worst section and the one after it, cut from the sweep as a clip is."""
    clip = studio._video.clip(studio._video.keys[0], 2)
    for place, frame in enumerate((NARROWEST, NARROWEST + 1)):
        studio.frame = frame
        assert studio.pixels == clip.frames[place].tobytes()
        lumen = (clip.truth.lumen[place] + 0.5) / 256
        np.testing.assert_allclose(polygons(studio)[2], lumen, atol=1e-6)


def test_the_still_shows_the_frame_its_contours_and_its_measures(studio):
    studio.set_state({"stenosis": 80, "side": "left", "plaque": "IV", "calcium": 7, "frame": 4})
    assert repr(studio).startswith(
        "PhantomStudio(number=1: area stenosis 80 %, side='left', plaque='IV', calcium=7 %"
    )
    image, bars = studio.still().axes
    frame = np.frombuffer(studio.pixels, np.uint8).reshape(256, 256)
    np.testing.assert_array_equal(image.images[0].get_array(), frame)
    for line, polygon in zip(image.lines, polygons(studio), strict=True):
        np.testing.assert_allclose(line.get_xydata()[:-1], polygon, atol=1e-6)
    widths = [bar.get_width() / 100 for bar in bars.patches]
    assert widths == pytest.approx([values[3] for values in studio.facts["stenoses"].values()])


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", 0), ("stenosis", 101), ("side", "lateral"), ("plaque", "V"), ("frame", FRAMES + 1),
     ("guess", "moderate")],
)  # fmt: skip
def test_it_refuses_what_is_not_there(quick, studio, name, value):
    with pytest.raises(traitlets.TraitError, match=str(value)):
        setattr(studio, name, value)


def test_the_window_keeps_every_array_of_the_truth(quick, studio):
    truth = phantom_studio._window(studio._video)
    assert isinstance(truth, Truth)
    lengths = {len(values) for values in vars(truth).values() if isinstance(values, np.ndarray)}
    assert lengths == {FRAMES}
