"""The balance in a bare page: every control by mouse and by keys, each step against autograd."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.balance import LR, STEPS, Balance, descend, two_estimates

pytestmark = pytest.mark.browser

DESCEND = """
({ es }, [noise, given, limits]) => {
  const rows = es.descend(noise, given, limits);
  return Object.fromEntries(
    Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name])]),
  );
}
"""


@pytest.fixture
def shown(mount):
    return mount(Balance())


def errors(space_noise, time_noise):
    space, time = two_estimates()
    return space_noise * space, time_noise * time


@pytest.mark.parametrize("reading", ["sigmoid", "softmax", "raw", "uniform"])
def test_every_step_is_that_of_autograd(shown, reading):
    for noise, start, decay in (
        ((0.3, 0.9), 0.5, 0.0),
        ((1.0, 0.65), 0.01, 0.1),
        ((0.0, 0.0), 0.99, 0.1),
    ):
        given = {"reading": reading, "start": start, "weight_decay": decay}
        sizes = dict(zip(("space", "time"), noise, strict=True))
        found = shown.evaluate(DESCEND, [sizes, given, {"steps": STEPS, "lr": LR}])
        expected = descend(*errors(*noise), reading, start, decay)
        for name, row in zip(("gate", "loss", "gradient"), expected, strict=True):
            np.testing.assert_allclose(found[name], row, atol=2e-5)
        product = np.multiply(found["slope"], found["factor"])
        np.testing.assert_allclose(product, expected[2], atol=2e-5)


def test_the_answer_waits_for_a_guess(shown, page):
    charts, question = page.locator(".csg-charts"), page.get_by_text("Guess first")
    expect(charts).to_be_hidden()
    expect(question).to_be_visible()
    expect(page.locator(".csg-mixture circle")).to_have_count(0)
    page.get_by_role("slider", name="Your guess for a").fill("0.9")
    page.get_by_role("button", name="Train").click()
    expect(charts).to_be_visible()
    expect(question).to_be_hidden()
    expect(page.locator(".csg-mixture circle")).to_have_count(24)


def test_it_trains_step_by_step_to_the_end_and_judges_the_guess(shown, page):
    shown.put(guess=0.9)
    page.get_by_role("button", name="Train").click()
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_have_attribute("aria-live", "off")
    expect(sentence).to_contain_text("Step 300", timeout=30_000)
    expect(sentence).to_have_attribute("aria-live", "polite")
    assert shown.traits("step", "playing") == [300, False]
    expect(page.get_by_role("button", name="Train again")).to_be_visible()
    gate = float(descend(*errors(0.3, 0.9), "sigmoid", 0.5, 0.0)[0][-1])
    expect(sentence).to_contain_text(
        f"a = {gate:.2f}, the weight of space is {100 * gate:.1f}\u00a0%"
    )
    expect(sentence).to_contain_text("your guess was right. There the loss is least.")
    shown.put(guess=0.5)
    expect(sentence).to_contain_text("you guessed 0.50.")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reading": "uniform"}, "There is no parameter; the loss would be least at 0.90."),
        ({"space_noise": 0.0, "time_noise": 0.0}, "Both branches are right: the gradient is 0."),
        (
            {"space_noise": 0.0, "time_noise": 0.0, "weight_decay": 0.1, "start": 0.99},
            "Both branches are right: only weight decay moves the gate.",
        ),
        (
            {"reading": "raw", "space_noise": 0.2, "time_noise": 0.2, "weight_decay": 0.1},
            "least at 0.50, but weight decay pulls a to 0: time alone.",
        ),
        ({"weight_decay": 0.1}, "least at 0.90, but weight decay pulls theta to 0: a = 0.50."),
        (
            {"start": 0.99, "space_noise": 0.5, "time_noise": 0.3},
            "is small and so are the steps.",
        ),
    ],
)
def test_the_sentence_says_why_it_ended_there(shown, page, settings, said):
    shown.put(**settings)
    shown.put(step=STEPS)
    expect(page.locator(".csg-sentence")).to_contain_text(said)


def test_the_chain_rule_is_shown_with_its_numbers(shown, page):
    shown.put(start=0.99, space_noise=0.9, time_noise=0.3)
    shown.put(step=1)
    gates, _, gradients = descend(*errors(0.9, 0.3), "sigmoid", 0.99, 0.0)
    gate, gradient = float(gates[1]), float(gradients[1])
    numbers = page.locator(".csg-term b").all_inner_texts()
    factor = gate * (1 - gate)
    assert numbers == [f"+{gradient / factor:.3f}", f"{factor:.3f}", f"+{gradient:.3f}"]
    filled, whole = (
        page.locator(part).first.bounding_box()["width"] for part in (".csg-length", ".csg-track")
    )
    assert filled / whole == pytest.approx(factor / 0.25, abs=0.03)


def test_the_arrow_points_where_the_next_step_goes_and_is_longer_where_it_is_steep(shown, page):
    arrow = page.locator(".csg-arrow")

    def long_and_ball():
        box, ball = arrow.bounding_box(), page.locator(".csg-hill .csg-ball").bounding_box()
        return box["width"], box["x"] + box["width"] / 2 - ball["x"] - ball["width"] / 2

    shown.put(step=3)
    steep, rightwards = long_and_ball()
    shown.put(step=60)
    flat, _ = long_and_ball()
    shown.put(space_noise=0.9, time_noise=0.3)
    shown.put(step=3)
    _, leftwards = long_and_ball()
    assert steep > 2 * flat
    assert rightwards > 0 > leftwards


def test_the_beam_is_moved_by_hand_and_then_by_keys(shown, page):
    svg = page.locator(".csg-seesaw svg")
    box = svg.bounding_box()
    scale = box["width"] / 480
    x, y = box["x"] + 400 * scale, box["y"] + 112 * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 22 * scale, steps=3)
    page.mouse.up()
    # 22 below the pivot at 160 beside it: 7.8 of 16 degrees
    assert shown.traits("guess") == [
        pytest.approx(0.5 + np.degrees(np.arctan2(22, 160)) / 32, abs=0.006)
    ]
    page.mouse.move(x, y - 90)
    assert shown.traits("guess")[0] > 0.6  # the beam was let go
    expect(page.get_by_role("slider", name="Your guess for a")).to_be_focused()
    before = shown.traits("guess")[0]
    page.keyboard.press("ArrowLeft")
    assert shown.traits("guess") == [pytest.approx(before - 0.01)]
    page.mouse.click(box["x"] + 60 * scale, box["y"] + 220 * scale)  # the left end, far down
    assert shown.traits("guess") == [0]


def test_the_beam_shows_the_gate(shown, page):
    slopes = []
    for guess in (0, 0.5, 1):
        shown.put(guess=guess)
        slopes.append(page.locator(".csg-beam").get_attribute("transform"))
        expect(page.locator(".csg-seesaw")).to_contain_text(f"a = {guess:.2f}")
    assert [slope.split("rotate(")[1].split(")")[0] for slope in slopes] == ["-16", "0", "16"]
    shown.put(step=STEPS)
    gate = descend(*errors(0.3, 0.9), "sigmoid", 0.5, 0.0)[0][-1]
    expect(page.get_by_role("img", name=f"time {1 - gate:.2f}, space {gate:.2f}")).to_be_visible()
    page.locator(".csg-seesaw svg").click(position={"x": 40, "y": 20})
    assert shown.traits("guess") == [1]  # while it trains the beam is not the reader's


def test_keys_train_pause_and_walk_in_a_page_that_takes_all_keys(shown, page, stolen):
    page.get_by_role("slider", name="Your guess for a").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert shown.traits("guess", "playing") == [0.51, True]
    page.wait_for_function("({ model }) => model.get('step') > 5", arg=shown.handle)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    (step,) = shown.traits("step")
    assert shown.traits("playing") == [False]
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("ArrowLeft")
    assert shown.traits("step") == [step - 1]
    page.keyboard.press("End")
    assert shown.traits("step") == [STEPS]
    page.get_by_role("button", name="Guess again").focus()
    page.keyboard.press("Enter")
    assert shown.traits("step") == [0]
    expect(page.get_by_role("slider", name="Your guess for a")).to_be_focused()
    page.get_by_role("radio", name="sigmoid").focus()
    page.keyboard.press("ArrowRight")
    assert shown.traits("reading") == ["softmax"]
    assert stolen() == []


def test_a_new_question_takes_the_old_answer_away(shown, page):
    for settings in (
        {"time_noise": 0.4},
        {"reading": "raw"},
        {"start": 0.99},
        {"weight_decay": 0.01},
    ):
        shown.put(step=120, playing=True)
        shown.put(**settings)
        assert shown.traits("step", "playing") == [0, False]
        expect(page.locator(".csg-charts")).to_be_hidden()


def test_where_motion_is_unwelcome_a_press_is_ten_steps(page, mount):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(Balance())
    button = page.get_by_role("button", name="Train 10 steps")
    for step in (10, 20):
        button.click()
        assert shown.traits("step", "playing") == [step, False]
