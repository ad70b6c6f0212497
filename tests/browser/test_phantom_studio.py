"""The phantom studio in a bare page: guess, dials, pictures, and a kernel that replies late."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from csgcourse.widgets.phantom_studio import NARROWEST, PhantomStudio

pytestmark = pytest.mark.browser

DIALS = ("number", "stenosis", "side", "plaque", "calcium", "gain", "haze", "frame")
ANSWERS = ("guess", "playing", *DIALS, "problem", "pixels", "contours", "facts")


@pytest.fixture
def studio():
    return PhantomStudio()


@pytest.fixture
def shown(mount, studio):
    return mount(studio)


@pytest.fixture
def stenosis(page):
    return page.get_by_role("slider", name="Stenosis, %")


@pytest.fixture
def kernel(shown, studio):
    """Simulates what the page has set, as the notebook's kernel would."""

    def reply():
        studio.set_state({name: shown.trait(name) for name in ("guess", "playing", *DIALS)})
        shown.put(**{name: getattr(studio, name) for name in ANSWERS})

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
