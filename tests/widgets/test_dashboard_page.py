"""The training dashboard in a bare page: its numbers, its words, its keys."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from torch import nn

from csglib import TrainConfig
from csglib.data.cohort import ClipSet
from csglib.widgets.dashboard import TrainingDashboard

GRADES = np.array([0, 1, 0, 1, 0, 1])
SHARES = np.array(  # of severe, by epoch and clip
    [
        [0.48, 0.52, 0.45, 0.40, 0.55, 0.50001],
        [0.30, 0.60, 0.62, 0.45, 0.40, 0.70],
        [0.10, 0.90, 0.35, 0.97, 0.20, 0.02],
    ],
    dtype=np.float32,
)
RIGHT = (SHARES > 0.5) == GRADES
EPOCHS = 8
NEWEST = 0  # whichever it is


def records_of(epochs):
    return [
        {
            "epoch": epoch,
            "train_loss": 0.8 / epoch,
            "train_accuracy": 0.5 + 0.1 * epoch,
            "validation_loss": 0.7 + 0.3 * epoch,
            "validation_accuracy": float(RIGHT[epoch - 1].mean()),
            "seconds": 1.0,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def widget(tmp_path):
    clips = ClipSet(
        frames=np.zeros((6, 1, 16, 16), np.uint8),
        grades=GRADES,
        patients=tuple(f"p{place}" for place in range(6)),
    )
    config = TrainConfig(folder=tmp_path, epochs=EPOCHS)
    return TrainingDashboard(nn.Linear(1, 2), clips, clips, config)


@pytest.fixture
def empty(mount, widget):
    return mount(widget)


@pytest.fixture
def shown(empty):
    give(empty, 3)
    return empty


def give(shown, epochs, **other):
    """What the kernel sends after that epoch."""
    shown.put(shares=SHARES[:epochs].tobytes())
    shown.put(records=records_of(epochs), **other)


def test_before_the_first_epoch_it_says_how_to_start(empty, page):
    expect(page.locator(".csg-state")).to_have_text("Not started: run() in a cell trains.")
    expect(page.get_by_role("slider")).to_be_hidden()
    expect(page.locator(".csg-mark:visible")).to_have_count(0)
    expect(page.get_by_text("another session")).to_be_hidden()


def test_both_curves_stand_where_their_numbers_are(shown, page):
    for which in ("loss", "accuracy"):
        lines = page.locator(f".csg-{which} .csg-floor").all()
        floor, *_, top = (float(line.get_attribute("y1")) for line in lines)
        said = page.locator(f".csg-{which} .csg-ticks .csg-end").all_text_contents()
        unit = (floor - top) / float(said[-1])
        for name in ("train", "validation"):
            drawn = page.locator(f".csg-{which} .csg-{name} polyline").get_attribute("points")
            heights = [float(point.split(",")[1]) for point in drawn.split()]
            values = [record[f"{name}_{which}"] for record in records_of(3)]
            np.testing.assert_allclose((floor - np.array(heights)) / unit, values, atol=1e-3)
        nothing = float(page.locator(f".csg-{which} .csg-baseline").get_attribute("y1"))
        expected = {"loss": np.log(2), "accuracy": 0.5}[which]
        assert (floor - nothing) / unit == pytest.approx(expected, abs=1e-3)
    expect(page.get_by_role("img", name="train 0.27, validation 1.60")).to_be_visible()
    expect(page.locator(".csg-loss").get_by_text("constant prediction: 0.69")).to_be_visible()


def places(page):
    """Where each mark stands, as a share of the axis, and where its trail began."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".csg-clip")].map((clip) => {
          const [x] = /translate\\((.*?)px/.exec(clip.children[1].style.transform).slice(1);
          const from = clip.querySelector("line").getAttribute("x1");
          return [(x - 32) / 456, (from - 32) / 456];
        })"""
    )


def test_clips_stand_in_their_grade_s_row_with_a_trail_from_the_epoch_before(shown, page):
    for epoch, before in ((3, 2), (2, 1), (1, 1)):
        shown.put(epoch=epoch)
        np.testing.assert_allclose(places(page), SHARES[[epoch - 1, before - 1]].T, atol=1e-5)
    marks = page.locator(".csg-mark")
    heights = [mark.bounding_box()["y"] for mark in marks.all()]
    severe = page.get_by_text("true severe").bounding_box()["y"]
    mild = page.get_by_text("true mild").bounding_box()["y"]
    for height, grade in zip(heights, GRADES, strict=True):
        assert (height > mild) == (grade == 1)
        assert height < severe
    assert len({round(height) for height in heights}) == 6


def test_a_wrong_clip_has_another_shape_and_another_colour(shown, page):
    colours = {True: set(), False: set()}
    for epoch in (1, 2, 3):
        shown.put(epoch=epoch)
        for mark, right in zip(page.locator(".csg-mark").all(), RIGHT[epoch - 1], strict=True):
            dot, cross = mark.locator("circle"), mark.locator("path")
            assert (dot.is_visible(), cross.is_visible()) == (right, not right)
            style = "(it) => [getComputedStyle(it).fill, getComputedStyle(it).stroke]"
            colours[bool(right)].add(tuple((dot if right else cross).evaluate(style)))
    assert colours[True].isdisjoint(colours[False])


def test_the_sentence_and_the_picture_say_the_same_facts(shown, page):
    sentence = page.locator(".csg-sentence")
    expect(sentence).to_have_attribute("aria-live", "polite")
    expect(sentence).to_have_text(
        "Epoch 3 of 8: cross-entropy 0.27 in training, 1.60 in validation. 5 of 6 validation clips "
        "right, 3 changed side since epoch 2. The most confident error gives the true grade "
        "2\u00a0%."
    )
    name = "Validation clips after epoch 3: of 3 true mild 3 right, of 3 true severe 2 right"
    expect(page.get_by_role("img", name=name)).to_be_visible()
    shown.put(epoch=1)
    expect(sentence).not_to_contain_text("changed")


def test_new_epochs_are_drawn_as_they_come_and_who_has_gone_back_is_left_there(empty, page):
    slider = page.get_by_role("slider", name="Epoch")
    for epoch in (1, 2):
        give(empty, epoch, running=True)
        expect(page.locator(".csg-loss .csg-train circle")).to_have_count(epoch)
        expect(page.locator(".csg-state")).to_have_text(f"Training epoch {epoch + 1} of 8.")
        assert (slider.input_value(), slider.get_attribute("max")) == (str(epoch), str(epoch))
    slider.focus()
    page.keyboard.press("Home")
    give(empty, 3, running=True)
    assert (slider.input_value(), empty.trait("epoch")) == ("1", 1)
    page.keyboard.press("End")
    empty.becomes("epoch", NEWEST)


def test_stop_reaches_the_model_once_and_only_while_it_runs(shown, page):
    button = page.get_by_role("button", name="Stop after this epoch")
    expect(button).to_have_attribute("aria-disabled", "true")
    sent = "({ model }) => model.sent"
    button.click(force=True)
    assert shown.evaluate(sent) == []
    shown.put(running=True)
    expect(button).to_have_attribute("aria-disabled", "false")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert shown.evaluate(sent) == ["stop"]
    expect(button).to_be_focused()
    expect(page.locator(".csg-state")).to_have_text("Stopping when epoch 4 of 8 is done.")
    shown.put(stopping=True)
    shown.put(running=False, stopping=False)
    expect(page.locator(".csg-state")).to_contain_text("Stopped after epoch 3 of 8")


def test_keys_walk_through_the_epochs_in_a_page_that_takes_all_keys(shown, page, stolen):
    page.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("ArrowLeft")
    assert shown.trait("epoch") == 2
    page.keyboard.press("Home")
    assert shown.trait("epoch") == 1
    page.keyboard.press("End")
    shown.becomes("epoch", NEWEST)
    page.keyboard.press("Space")  # replays from the first
    assert shown.trait("playing") is True
    page.wait_for_function("({ model }) => model.get('epoch') === 1", arg=shown.handle)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".csg-sentence")).to_have_attribute("aria-live", "off")
    shown.becomes("playing", False)
    shown.becomes("epoch", NEWEST)
    assert stolen() == []


def test_no_epoch_beyond_the_last_can_be_asked_for(shown, page):
    box = page.get_by_role("spinbutton", name="Epoch, number")
    box.fill("7")
    page.keyboard.press("Tab")
    shown.becomes("epoch", NEWEST)
    expect(box).to_have_value("3")


def test_where_motion_is_unwelcome_nothing_glides_and_a_press_is_an_epoch(page, mount, widget):
    page.emulate_media(reduced_motion="reduce")
    shown = mount(widget)
    give(shown, 3)
    button = page.get_by_role("button", name="Next epoch")
    for epoch in (1, 2):
        button.click()
        assert shown.traits("epoch", "playing") == [epoch, False]
    mark = page.locator(".csg-mark").first
    assert mark.evaluate("(mark) => getComputedStyle(mark).transitionDuration") == "0s"


def test_epochs_of_another_session_have_curves_and_no_places(empty, page):
    unknown = SHARES.copy()
    unknown[:2] = np.nan
    empty.put(shares=unknown.tobytes())
    empty.put(records=records_of(3), epoch=2)
    expect(page.get_by_text("another session")).to_be_visible()
    expect(page.locator(".csg-mark:visible")).to_have_count(0)
    expect(page.locator(".csg-sentence")).to_have_text(re.compile("in validation.$"))
    empty.put(epoch=3)
    expect(page.get_by_text("another session")).to_be_hidden()
    expect(page.locator(".csg-mark:visible")).to_have_count(6)
    expect(page.locator(".csg-sentence")).not_to_contain_text("changed")


def test_the_epoch_of_the_best_weights_is_marked_in_both_curves(shown, page):
    mark = page.locator(".csg-loss line.csg-best")
    expect(mark).to_be_hidden()
    shown.put(best=2)
    expect(page.get_by_text("best weights: epoch 2")).to_be_visible()
    shown.put(epoch=2)
    for which in ("loss", "accuracy"):
        places = [
            page.locator(f".csg-{which} line.csg-{line}").get_attribute("x1")
            for line in ("best", "shown")
        ]
        assert places[0] == places[1]


def test_a_run_of_another_process_is_asked_for_news_as_long_as_one_watches(page, mount, widget):
    page.clock.install()
    widget.watching = True
    shown = mount(widget)
    give(shown, 3, age=70)
    expect(page.get_by_role("button", name="Stop after this epoch")).to_be_hidden()
    state = page.locator(".csg-state")
    expect(state).to_have_text(
        "Watching: epoch 3 of 8 was saved 1 min ago. No epoch since: it has probably stopped."
    )
    shown.put(age=20)
    expect(state).to_have_text("Watching: epoch 3 of 8 was saved under a minute ago.")
    sent = "({ model }) => model.sent"
    page.clock.run_for(4500)
    assert len(asked := shown.evaluate(sent)) >= 2
    assert {*asked} == {"read"}
    shown.evaluate("({ close }) => close()")
    page.clock.run_for(4500)
    assert shown.evaluate(sent) == asked, "closed, it asks no more"
    shown = mount(widget)
    page.clock.run_for(4500)
    assert {*shown.evaluate(sent)} == {"read"}, "opened again, it does"
    shown.put(records=records_of(3) + [{**records_of(3)[2], "epoch": n} for n in range(4, 9)])
    expect(state).to_have_text("All 8 epochs done.")
    asked = shown.evaluate(sent)
    page.clock.run_for(9000)
    assert shown.evaluate(sent) == asked
