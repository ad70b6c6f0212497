"""The phantom studio in a bare page: guess, dials, pictures, and a kernel that answers late."""

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
def sentence(page):
    return page.locator(".csg-sentence")


@pytest.fixture
def kernel(shown, studio):
    """Answers what the page has asked for, as the notebook's kernel would."""

    def answer():
        studio.set_state({name: shown.trait(name) for name in ("guess", "playing", *DIALS)})
        shown.put(**{name: getattr(studio, name) for name in ANSWERS})

    return answer


def grade(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def words(share):
    return f"{round(100 * share)}\u00a0%"


def test_contours_and_numbers_wait_for_a_grade(shown, page, sentence, screenshots):
    canvas = page.locator(".csg-large")
    hidden = [".csg-measures", ".csg-grades", ".csg-profile", ".csg-legend", ".csg-judged"]
    for part in hidden:
        expect(page.locator(part)).to_be_hidden()
    expect(page.get_by_role("slider")).to_have_count(3)  # frame, gain, haze
    expect(sentence).to_have_text(
        "Plaque 1, frame 7. Its stenosis is shown after your grade; none graded yet."
    )
    assert np.ptp(shown.pixels(canvas).astype(int), axis=-1).max() == 0  # greys alone
    page.screenshot(path=screenshots / "phantom_studio_guess.png", full_page=True)
    grade(page, "Mild")
    for part in hidden:
        expect(page.locator(part)).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(5)
    assert np.ptp(shown.pixels(canvas).astype(int), axis=-1).max() > 100  # yellow lines
    assert (shown.trait("graded"), shown.trait("guess")) == (1, "mild")
    page.screenshot(path=screenshots / "phantom_studio_open.png", full_page=True)


def test_the_grade_by_eye_is_judged_and_counted(shown, studio, page, kernel):
    verdict = page.locator(".csg-judged")
    truth = studio.facts["rules"][0]["grade"]
    grade(page, truth.capitalize())
    expect(verdict).to_have_text(f"{truth.capitalize()}: correct. So far 1 of 1 graded correctly.")
    page.get_by_role("button", name="A new plaque").click()
    assert shown.trait("number") == 2
    kernel()
    expect(verdict).to_be_hidden()
    truth = studio.facts["rules"][0]["grade"]
    other = {"mild": "severe", "severe": "mild"}[truth]
    grade(page, other.capitalize())
    said = f"You said {other}; it was {truth}. So far 1 of 2 graded correctly."
    expect(verdict).to_have_text(said)
    page.get_by_role("slider", name="Stenosis, %").fill("3")
    kernel()
    expect(verdict).to_have_text(said)  # what is turned afterwards was not graded


def test_keys_alone_grade_turn_and_ask_again(shown, page, kernel, stolen):
    mild = page.get_by_role("button", name="Mild")
    mild.focus()
    page.keyboard.press("Enter")
    assert shown.trait("guess") == "mild"
    fresh = page.get_by_role("button", name="A new plaque")
    expect(fresh).to_be_focused()  # not lost with the button that is gone
    for name, dial, by in (("Stenosis, %", "stenosis", 1), ("Gain, dB", "gain", 1)):
        before = shown.trait(dial)
        page.get_by_role("slider", name=name).focus()
        page.keyboard.press("ArrowRight")
        assert shown.trait(dial) == before + by
    page.get_by_role("group", name="Gray-Weale type").get_by_role("radio").nth(2).focus()
    page.keyboard.press("ArrowRight")
    assert shown.trait("plaque") == "IV"
    kernel()
    fresh.focus()
    page.keyboard.press("Enter")
    kernel()
    assert (shown.trait("number"), shown.trait("guess")) == (2, "")
    expect(mild).to_be_focused()
    assert stolen() == []


def test_the_picture_is_pythons_and_its_contours_lie_where_they_are(shown, studio, page):
    canvas = page.locator(".csg-large")
    frame = Image.fromarray(np.frombuffer(studio.pixels, np.uint8).reshape(256, 256))
    wanted = np.asarray(frame.resize((512, 512), Image.Resampling.BILINEAR)).astype(float)
    plain = shown.pixels(canvas).astype(int)
    assert np.abs(plain[..., 0] - wanted).mean() < 1
    shown.put(guess="mild")
    row, column = np.nonzero(np.ptp(shown.pixels(canvas).astype(int), axis=-1) > 100)
    drawn = np.stack([column, row], axis=-1) + 0.5
    polygons = np.frombuffer(studio.contours, "<f4").reshape(3, -1, 2) * 512
    corners = polygons.reshape(-1, 2)
    away = np.linalg.norm(drawn[:, None] - corners, axis=-1)
    assert away.min(axis=1).max() < 6  # half a way between two corners, and the line's width
    inked = [
        (away[:, which * 128 : (which + 1) * 128].min(axis=0) < 2).mean() for which in range(3)
    ]
    assert inked[0] < inked[1] < inked[2] == 1  # dots, dashes, a line
    shown.put(outlined=False)
    np.testing.assert_array_equal(shown.pixels(canvas), plain)


def test_measures_bars_and_grades_are_pythons(shown, studio, page, sentence):
    shown.put(guess="mild")
    facts = studio.facts
    shares = [values[NARROWEST - 1] for values in facts["stenoses"].values()]
    numbers = page.locator(".csg-measure b").all_inner_texts()
    assert numbers == [f"{round(100 * share)} %" for share in shares]
    full = page.locator(".csg-track").first.bounding_box()["width"]
    fills = page.locator(".csg-length").all()
    wide = [fill.bounding_box()["width"] / full for fill in fills]
    np.testing.assert_allclose(wide, shares, atol=0.01)
    bars = page.locator(".csg-profile .csg-fill").all()
    high = [bar.bounding_box()["height"] / 65 for bar in bars]  # the sixty-sixth is the line below
    np.testing.assert_allclose(high, np.maximum(facts["stenoses"]["diameter"], 0.02), atol=0.02)
    cells = page.locator(".csg-grades tr").last.locator("td").all_inner_texts()
    assert cells == [rule["grade"] for rule in facts["rules"]]
    worst = {
        name: words(values[facts["narrowest"] - 1]) for name, values in facts["stenoses"].items()
    }
    said = sentence.inner_text()
    assert f"diameter stenosis {worst['diameter']}, area stenosis {worst['area']}" in said
    assert f"it would read {worst['outer']}" in said
    assert f"{facts['rules'][0]['grade'].capitalize()} by diameter_50." in said


def test_rules_that_disagree_are_named(shown, page, sentence, studio):
    shown.put(guess="mild")
    for judged, said in (
        (("mild", "mild", "mild", "mild", "mild"), "The rules that measure area agree."),
        (("mild", "severe", "severe", "mild", "mild"), "Severe by area_50 and area_70."),
        (("severe", "severe", "severe", "mild", "moderate"), "Mild by area_75."),
    ):
        rules = [
            {**rule, "grade": grade}
            for rule, grade in zip(studio.facts["rules"], judged, strict=True)
        ]
        shown.put(facts={**studio.facts, "rules": rules})
        expect(sentence).to_contain_text(f"{judged[0].capitalize()} by diameter_50. {said}")


def test_nothing_is_said_of_a_picture_until_it_is_there(shown, page, sentence, kernel):
    shown.put(guess="mild")
    before = sentence.inner_text()
    slider = page.get_by_role("slider", name="Stenosis, %")
    for stenosis in ("20", "90"):
        slider.fill(stenosis)
    expect(page.locator(".csg-waiting")).to_have_count(1)
    assert sentence.inner_text() == before
    kernel()
    expect(page.locator(".csg-waiting")).to_have_count(0)
    expect(sentence).to_contain_text("Severe by diameter_50")
    assert sentence.get_attribute("aria-live") == "polite"


def test_an_answer_to_an_older_question_is_not_taken_for_the_new_one(shown, studio, page, sentence):
    shown.put(guess="mild")
    before = sentence.inner_text()
    page.get_by_role("slider", name="Stenosis, %").fill("90")
    older = {**studio.facts, "dials": [1, 20, *studio.facts["dials"][2:]]}
    shown.put(facts=older)
    expect(page.locator(".csg-waiting")).to_have_count(1)
    assert sentence.inner_text() == before


def test_a_failure_is_said_and_the_next_answer_ends_it(shown, page, sentence, kernel):
    shown.put(guess="mild")
    page.get_by_role("slider", name="Stenosis, %").fill("90")
    shown.put(problem="ValueError: too much")
    expect(sentence).to_have_text(
        "The picture is an older one: this simulation failed, ValueError: too much"
    )
    expect(page.locator(".csg-waiting")).to_have_count(0)
    kernel()
    expect(sentence).to_contain_text("Severe by diameter_50")


def test_a_silent_kernel_gets_a_word(mount, studio, page, sentence):
    page.clock.install()
    mount(studio)
    page.get_by_role("button", name="A new plaque").click()
    page.clock.run_for(7000)
    expect(sentence).not_to_contain_text("No reply")
    expect(page.get_by_role("button", name="Mild")).to_be_disabled()  # of which plaque?
    page.clock.run_for(2000)
    expect(sentence).to_contain_text("No reply from the kernel")


def test_a_bar_leads_to_its_frame_and_keys_go_on(shown, page, kernel):
    shown.put(guess="mild")
    page.get_by_role("button", name="Frame 3,").click()
    assert shown.trait("frame") == 3
    page.keyboard.press("ArrowRight")
    assert shown.trait("frame") == 4
    kernel()
    expect(page.locator(".csg-profile .csg-current")).to_have_count(1)
    assert page.locator(".csg-profile button").nth(3).get_attribute("class") == "csg-current"
    worst = page.locator(".csg-profile .csg-narrowest")
    assert worst.get_attribute("aria-label").endswith("diameter stenosis, the narrowest")


def test_frames_follow_each_other_no_faster_than_they_come(mount, studio, page):
    page.clock.install()
    shown = mount(studio)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(2000)
    assert shown.trait("frame") == NARROWEST + 1  # waits for its answer
    answer = {**studio.facts, "dials": [*studio.facts["dials"][:-1], NARROWEST + 1]}
    shown.evaluate("({ model }, facts) => model.set('facts', facts)", answer)
    page.clock.run_for(2000)
    assert shown.trait("frame") == NARROWEST + 2


@pytest.mark.parametrize("width", [720, 860, 1000])
def test_it_fits_its_page(mount, studio, page, width, screenshots):
    page.set_viewport_size({"width": width, "height": 760})
    shown = mount(studio)
    shown.put(guess="mild")
    page.screenshot(path=screenshots / f"phantom_studio_{width}.png")
    wide, high = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert (wide, high) == (width, 760)
    spills = page.evaluate(
        """() => [...document.querySelectorAll(".csg-phantom-studio :is(p, th, td, label, div)")]
          .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth)
          .map((element) => element.className || element.textContent)"""
    )
    assert spills == []
