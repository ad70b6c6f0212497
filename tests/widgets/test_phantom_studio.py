"""The phantom studio: what it simulates and when; in a page, guess, dials and pictures."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

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


# --- in a bare page ---


DIALS = ("number", "stenosis", "side", "plaque", "calcium", "gain", "haze", "frame")


@pytest.fixture
def shown(mount, studio):
    return mount(studio)


@pytest.fixture
def stenosis(page):
    return page.get_by_role("slider", name="Area stenosis, %")


@pytest.fixture
def kernel(shown, studio):
    """Simulates what the page has set, as the notebook's kernel would."""

    def reply():
        studio.set_state({name: shown.trait(name) for name in ("guess", "playing", *DIALS)})
        names = ("guess", "playing", *DIALS, "problem", *ANSWERS)
        shown.put(**{name: getattr(studio, name) for name in names})

    return reply


def test_contours_and_numbers_wait_for_a_grade_which_is_judged_and_counted(
    shown, studio, page, sentence, stenosis, kernel
):
    canvas, verdict = page.locator(".csg-large"), page.locator(".csg-judged")
    hidden = (".csg-measures", ".csg-grades", ".csg-profile", ".csg-legend", ".csg-judged")

    def button(name):
        return page.get_by_role("button", name=name.capitalize(), exact=True)

    for part in hidden:
        expect(page.locator(part)).to_be_hidden()
    expect(page.get_by_role("slider")).to_have_count(3)  # frame, gain, haze
    expect(sentence).to_contain_text("Its stenosis is shown after your grade; none graded yet.")
    assert np.ptp(shown.pixels(canvas).astype(int), axis=-1).max() == 0  # greys alone
    truth = studio.facts["rules"][0]["grade"]
    button(truth).press("Enter")
    for part in hidden:
        expect(page.locator(part)).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(5)
    assert shown.traits("graded", "guess") == [1, truth]
    expect(verdict).to_have_text(f"{truth.capitalize()}: correct. So far 1 of 1 graded correctly.")
    expect(button("A new plaque")).to_be_focused()  # not lost with the button that is gone
    page.keyboard.press("Enter")
    kernel()
    assert shown.traits("number", "guess") == [2, ""]
    expect(button("Mild")).to_be_focused()
    expect(verdict).to_be_hidden()
    truth = studio.facts["rules"][0]["grade"]
    other = {"mild": "severe", "severe": "mild"}[truth]
    button(other).click()
    for _ in range(2):
        expect(verdict).to_have_text(
            f"You said {other}; it was {truth}. So far 1 of 2 graded correctly."
        )
        stenosis.fill("3")  # a later stenosis was not graded
        kernel()


def test_the_picture_and_its_contours_are_those_of_python(shown, studio, page):
    canvas = page.locator(".csg-large")
    frame = Image.fromarray(np.frombuffer(studio.pixels, np.uint8).reshape(256, 256))
    wanted = np.asarray(frame.resize((512, 512), Image.Resampling.BILINEAR)).astype(float)
    plain = shown.pixels(canvas).astype(int)
    assert np.abs(plain[..., 0] - wanted).mean() < 1
    shown.put(guess="mild")
    row, column = np.nonzero(np.ptp(shown.pixels(canvas).astype(int), axis=-1) > 100)
    drawn = np.stack([column, row], axis=-1) + 0.5
    corners = np.frombuffer(studio.contours, "<f4").reshape(-1, 2) * 512
    away = np.linalg.norm(drawn[:, None] - corners, axis=-1)
    assert away.min(axis=1).max() < 6  # half a way between two corners, and the line's width
    dots, dashes, line = (away.min(axis=0) < 2).reshape(3, 128).mean(axis=1)
    assert dots < dashes < line == 1
    shown.put(outlined=False)
    np.testing.assert_array_equal(shown.pixels(canvas), plain)


def test_measures_bars_and_grades_are_those_of_python(shown, studio, page, sentence):
    shown.put(guess="mild")
    facts = studio.facts
    stenoses, narrowest = facts["stenoses"], facts["narrowest"]
    now = [values[NARROWEST - 1] for values in stenoses.values()]
    numbers = page.locator(".csg-measure b").all_inner_texts()
    assert numbers == [f"{round(100 * value)} %" for value in now]
    full = page.locator(".csg-track").first.bounding_box()["width"]
    wide = [fill.bounding_box()["width"] / full for fill in page.locator(".csg-length").all()]
    np.testing.assert_allclose(wide, now, atol=0.01)
    bars = page.locator(".csg-profile .csg-fill").all()
    high = [bar.bounding_box()["height"] / 41 for bar in bars]  # the forty-second is the line below
    np.testing.assert_allclose(high, np.maximum(stenoses["diameter"], 0.02), atol=0.02)
    cells = page.locator(".csg-grades tr").last.locator("td").all_inner_texts()
    assert cells == [rule["grade"] for rule in facts["rules"]]
    diameter, area, outer = (f"{100 * s[narrowest - 1]:.0f}\u00a0%" for s in stenoses.values())
    expect(sentence).to_contain_text(f"diameter stenosis {diameter}, area stenosis {area}")
    expect(sentence).to_contain_text(f"it would read {outer}")
    pairs = zip(facts["rules"], ("mild", "severe", "severe", "mild", "mild"), strict=True)
    shown.put(facts=facts | {"rules": [rule | {"grade": grade} for rule, grade in pairs]})
    expect(sentence).to_contain_text("Mild by diameter_50. Severe by area_50 and area_70.")


def test_the_sentence_waits_for_the_reply_to_the_latest_setting(
    shown, studio, page, sentence, stenosis, kernel
):
    waiting = page.locator(".csg-waiting")
    shown.put(guess="mild")
    before = sentence.inner_text()
    for value in ("20", "90"):
        stenosis.fill(value)
    older = studio.facts | {"dials": [1, 20, *studio.facts["dials"][2:]]}
    for facts in (studio.facts, older):
        shown.put(facts=facts)
        expect(waiting).to_have_count(1)
        assert sentence.inner_text() == before
    shown.put(problem="ValueError: too much")
    expect(sentence).to_contain_text("an older one: this simulation failed, ValueError: too much")
    expect(waiting).to_have_count(0)
    kernel()
    expect(sentence).to_contain_text("Severe by diameter_50")


def test_playback_waits_for_each_frame_and_a_silent_kernel_is_reported(
    mount, studio, page, sentence
):
    page.clock.install()
    shown = mount(studio)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(2000)
    assert shown.trait("frame") == NARROWEST + 1
    reply = studio.facts | {"dials": [*studio.facts["dials"][:-1], NARROWEST + 1]}
    shown.evaluate("({ model }, facts) => model.set('facts', facts)", reply)
    page.clock.run_for(2000)
    assert shown.trait("frame") == NARROWEST + 2
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="A new plaque").click()
    page.clock.run_for(4000)
    expect(sentence).not_to_contain_text("No reply")
    expect(page.get_by_role("button", name="Mild")).to_be_disabled()  # the plaque is still unknown
    page.clock.run_for(5000)
    expect(sentence).to_contain_text("No reply from the kernel")


def test_a_bar_leads_to_its_frame_and_keys_move_the_dials(shown, page, stenosis, kernel):
    page.set_viewport_size({"width": 720, "height": 760})
    shown.put(guess="mild")
    page.get_by_role("button", name="Frame 3,").click()
    assert shown.trait("frame") == 3
    page.keyboard.press("ArrowRight")
    kernel()
    assert page.locator(".csg-profile button").nth(3).get_attribute("class") == "csg-current"
    worst = page.locator(".csg-profile .csg-narrowest")
    assert worst.get_attribute("aria-label").endswith("diameter stenosis, the narrowest")
    before = shown.traits("stenosis", "gain")
    stenosis.press("ArrowRight")
    page.get_by_role("slider", name="Gain, dB").press("ArrowRight")
    page.get_by_role("group", name="Gray-Weale type").get_by_role("radio").nth(2).press(
        "ArrowRight"
    )
    wanted = [4, before[0] + 1, before[1] + 1, "IV"]
    assert shown.traits("frame", "stenosis", "gain", "plaque") == wanted
    assert page.evaluate("document.documentElement.scrollHeight") == 760  # all in one screen
