"""The balance: its branches; in a page, every control, and each step against autograd."""

import numpy as np
import pytest
from playwright.sync_api import expect

from csgcourse.widgets.balance import CLIPS, HALF, LR, STEPS, Balance, descend, noisy, two_estimates


def test_errors_of_the_branches_are_uncorrelated_with_mean_square_1():
    errors = two_estimates().numpy()
    assert errors.shape == (2, CLIPS)
    for half in (errors[:, :HALF], errors[:, HALF:]):
        np.testing.assert_allclose(half.mean(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(half @ half.T / HALF, np.eye(2), atol=1e-12)
    one, two = noisy(0.3, 0.9, "alike"), noisy(0.3, 0.9, "two kinds")
    np.testing.assert_allclose(one, errors * [[0.3], [0.9]])
    np.testing.assert_allclose(two[:, :HALF], one[:, :HALF])
    np.testing.assert_allclose(two[:, HALF:], errors[:, HALF:] * [[0.9], [0.3]])
    np.testing.assert_allclose(
        np.frombuffer(Balance().errors, "<f4").reshape(2, CLIPS), errors, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("noise", "reading", "decay", "end"),
    [
        ((0.6, 0.3), "raw", 0.0, 0.3**2 / (0.3**2 + 0.6**2)),  # the least loss
        ((0.0, 0.0), "sigmoid", 0.1, 0.5),  # weight decay alone
    ],
)
def test_the_gate_converges_to_its_closed_form(noise, reading, decay, end):
    gate, loss, gradient = descend(*noisy(*noise, "alike"), reading, 0.99, decay)
    assert float(gate[-1]) == pytest.approx(end, abs=1e-4)
    least = end**2 * noise[0] ** 2 + (1 - end) ** 2 * noise[1] ** 2
    assert float(loss[-1]) == pytest.approx(least, abs=1e-6)
    assert abs(float(gradient[-1])) < 1e-6


def test_the_still_shows_errors_and_gates_at_the_present_settings():
    balance = Balance()
    balance.reading, balance.start, balance.weight_decay, balance.time_noise = "raw", 0.99, 0.1, 0.2
    assert repr(balance) == (
        "Balance(time_noise=0.2, space_noise=0.3, clips='alike', reading='raw', start=0.99, "
        "weight_decay=0.1)"
    )
    dots, path = balance.still().axes
    assert len(dots.lines) == 3 and len(path.lines) == 1  # the guess comes first
    balance.step = STEPS
    dots, path = balance.still().axes
    space, time = noisy(0.3, 0.2, "alike")
    gates, _, _ = descend(space, time, "raw", 0.99, 0.1)
    np.testing.assert_allclose(path.lines[1].get_ydata(), gates)
    mixture = gates[-1] * space + (1 - gates[-1]) * time
    for line, errors in zip(dots.lines, (time, space, mixture), strict=False):
        np.testing.assert_allclose(line.get_xdata(), errors, atol=1e-6)


# --- in a bare page ---


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


def trained(space_noise, time_noise, reading="sigmoid", start=0.5, decay=0.0):
    """Gate, loss and gradient, step by step."""
    return descend(*noisy(space_noise, time_noise, "alike"), reading, start, decay).numpy()


def test_every_step_equals_autograd(shown):
    limits = {"steps": STEPS, "lr": LR}
    for reading, space, time, start, decay in (
        ("sigmoid", 0.3, 0.9, 0.5, 0.0), ("sigmoid", 1.0, 0.65, 0.01, 0.1),
        ("softmax", 1.0, 0.65, 0.01, 0.1), ("raw", 1.0, 0.65, 0.01, 0.1),
    ):  # fmt: skip
        settings = {"reading": reading, "start": start, "weight_decay": decay}
        found = shown.evaluate(DESCEND, [{"space": space, "time": time}, settings, limits])
        expected = trained(space, time, reading, start, decay)
        for name, row in zip(("gate", "loss", "gradient"), expected, strict=True):
            np.testing.assert_allclose(found[name], row, atol=2e-5)
        product = np.multiply(found["slope"], found["factor"])
        np.testing.assert_allclose(product, expected[2], atol=2e-5)


def test_training_waits_for_a_guess_and_judges_it_at_the_end(page, mount, sentence):
    page.clock.install()
    shown = mount(Balance())
    charts, mixture = page.locator(".csg-charts"), page.locator(".csg-mixture circle")
    expect(charts).to_be_hidden()
    expect(mixture).to_have_count(0)
    page.get_by_role("slider", name="Your guess for a").fill("0.9")
    page.get_by_role("button", name="Train").click()
    expect(charts).to_be_visible()
    expect(mixture).to_have_count(24)
    page.clock.run_for(9000)
    expect(sentence).to_contain_text("Step 300")
    assert shown.traits("step", "playing") == [300, False]
    gate = trained(0.3, 0.9)[0][-1]
    expect(sentence).to_contain_text(f"the weight of space is {100 * gate:.1f}\u00a0%")
    expect(sentence).to_contain_text("your guess was right. There the loss is least.")
    shown.put(guess=0.5)
    expect(sentence).to_contain_text("you guessed 0.50.")


def test_a_changed_setting_hides_the_result_and_each_result_has_its_reason(shown, page):
    first = {"reading": "sigmoid", "start": 0.5, "weight_decay": 0.0}
    for (space, time), settings, reason in (
        ((0.0, 0.0), {}, "Both branches are right: the gradient is 0."),
        ((0.0, 0.0), {"weight_decay": 0.1}, "are right: only weight decay moves the gate."),
        ((0.2, 0.2), {"reading": "raw", "weight_decay": 0.1},
         "least at 0.50, but weight decay pulls a to 0: time alone."),
        ((0.3, 0.9), {"weight_decay": 0.1},
         "least at 0.90, but weight decay pulls theta to 0: a = 0.50."),
        ((0.5, 0.3), {"start": 0.99}, "is small and so are the steps."),
    ):  # fmt: skip
        shown.put(step=120, playing=True)
        shown.put(space_noise=space, time_noise=time, **(first | settings))
        assert shown.traits("step", "playing") == [0, False]
        expect(page.locator(".csg-charts")).to_be_hidden()
        shown.put(step=STEPS)
        expect(page.locator(".csg-sentence")).to_contain_text(reason)


def test_of_two_kinds_of_clips_one_gate_serves_neither(shown, page, sentence):
    shown.put(clips="two kinds", guess=0.9)
    expect(sentence).to_contain_text("of space 0.30 for the filled clips, exchanged for the open")
    shown.put(step=STEPS)
    space, time = noisy(0.3, 0.9, "two kinds")
    gates, losses, _ = descend(space, time, "sigmoid", 0.5, 0.0)
    one, each = float(losses[-1]) ** 0.5, (0.9 * 0.3**2) ** 0.5
    assert float(gates[-1]) == pytest.approx(0.5)
    expect(sentence).to_contain_text("a = 0.50")
    expect(sentence).to_contain_text("filled clips want a = 0.90, the open ones 0.10")
    expect(sentence).to_contain_text(f"would leave an error of {each:.2f}")
    label = f"time 0.67, space 0.67, mixture {one:.2f}, gate per clip {each:.2f}"
    expect(page.get_by_role("img", name=label)).to_be_visible()
    assert page.locator(".csg").bounding_box()["height"] <= 560  # fits a laptop, as others do
    found = [float(dot.get_attribute("cx")) for dot in page.locator(".csg-space circle").all()]
    np.testing.assert_allclose(found, 256 + 64 * space, atol=1e-3)
    assert page.locator(".csg-space .csg-second").count() == CLIPS // 2
    shown.put(clips="alike")
    expect(page.locator(".csg-chosen circle")).to_have_count(0)


def test_chain_rule_arrow_and_beam_show_the_present_step(shown, page):
    def arrow():
        """Its length, and how far it points to the right of the ball."""
        places = (page.locator(f".csg-hill .csg-{part}") for part in ("arrow", "ball"))
        box, ball = (place.bounding_box() for place in places)
        return box["width"], box["x"] + box["width"] / 2 - ball["x"] - ball["width"] / 2

    for guess, degrees in ((0, -16), (0.5, 0), (1, 16)):
        shown.put(guess=guess)
        assert f"rotate({degrees})" in page.locator(".csg-beam").get_attribute("transform")
    shown.put(step=3)
    steep, rightwards = arrow()
    shown.put(step=60)
    assert steep > 2 * arrow()[0]
    assert rightwards > 0
    shown.put(step=STEPS)
    gate = trained(0.3, 0.9)[0][-1]
    expect(page.get_by_role("img", name=f"time {1 - gate:.2f}, space {gate:.2f}")).to_be_visible()
    page.locator(".csg-seesaw svg").click(position={"x": 40, "y": 20})
    assert shown.trait("guess") == 1  # during training the pointer does not move the beam

    shown.put(start=0.99, space_noise=0.9, time_noise=0.3)
    shown.put(step=1)
    gate, _, gradient = trained(0.9, 0.3, start=0.99)[:, 1]
    factor = gate * (1 - gate)
    numbers = page.locator(".csg-term b").all_inner_texts()
    assert numbers == [f"+{gradient / factor:.3f}", f"{factor:.3f}", f"+{gradient:.3f}"]
    assert arrow()[1] < 0


def test_the_beam_follows_the_pointer_and_all_controls_the_keys(shown, page):
    guess = page.get_by_role("slider", name="Your guess for a")
    box = page.locator(".csg-seesaw svg").bounding_box()
    scale = box["width"] / 480
    x, y = box["x"] + 400 * scale, box["y"] + 98 * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 22 * scale, steps=3)
    page.mouse.up()
    dragged = shown.trait("guess")  # 22 below the pivot at 160 beside it: 7.8 of 16 degrees
    assert dragged == pytest.approx(0.5 + np.degrees(np.arctan2(22, 160)) / 32, abs=0.006)
    page.mouse.move(x, y - 90)
    assert shown.trait("guess") == dragged  # released
    expect(guess).to_be_focused()
    page.keyboard.press("ArrowLeft")
    assert shown.trait("guess") == pytest.approx(dragged - 0.01)

    page.keyboard.press("Space")
    page.wait_for_function("({ model }) => model.get('step') > 5", arg=shown.handle)
    page.get_by_role("button", name="Pause").press("Enter")
    step = shown.trait("step")
    assert shown.trait("playing") is False
    for key, expected in (("ArrowLeft", step - 1), ("End", STEPS)):
        page.get_by_role("slider", name="Step").press(key)
        assert shown.trait("step") == expected
    page.get_by_role("button", name="Guess again").press("Enter")
    assert shown.trait("step") == 0
    expect(guess).to_be_focused()


def test_with_reduced_motion_a_press_is_ten_steps(page, mount):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(Balance())
    for step in (10, 20):
        page.get_by_role("button", name="Train 10 steps").click()
        assert shown.traits("step", "playing") == [step, False]
