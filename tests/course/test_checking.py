"""A check always returns and says what it found; nothing wrong passes."""

import itertools
import sys
import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from csgcourse import check, mine, running
from csgcourse.comparing import compare
from csgcourse.exercise import chapters, exercises_of

EXERCISES = [exercise for chapter in chapters() for exercise in exercises_of(chapter)]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.number)


def inflate(kernel, frames):
    return torch.stack([kernel / frames] * frames, dim=2)


def rejected(function, number="1.1"):
    verdict = check(number, function)
    assert not verdict.passed
    assert verdict.message.startswith(f"Exercise {number}, not yet: ")
    return verdict.message


@pytest.fixture
def stop(monkeypatch):
    """A short time limit, and an event that ends what the test leaves running."""
    monkeypatch.setattr(running, "SECONDS", 0.3)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # restored, as a check that ran out leaves it
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "answer":
            thread.join(5)


def test_a_function_that_never_ends_is_reported_with_its_line(stop):
    def endless(kernel, frames):
        turns = 0
        while not stop.is_set():
            turns += 1

    start = time.monotonic()
    message = rejected(endless)
    assert time.monotonic() - start < 5
    assert "did not finish in time" in message
    assert "line 3 (`while not stop.is_set():`)" in message or "line 4 (`turns += 1`)" in message
    assert "restart the kernel" in message


def test_an_endless_print_is_cut_off_and_reaches_no_notebook(stop, capsys):
    def chatter(kernel, frames):
        for turn in itertools.count():
            print("turn", turn)

    verdict = check("1.1", chatter)
    assert not verdict.passed
    assert verdict.printed.startswith("turn 0\nturn 1\n")
    assert len(verdict.printed) <= 2000
    print("mine")
    for thread in threading.enumerate():
        if thread.name == "answer":
            thread.join(5)  # its next print ends it
            assert not thread.is_alive()
    assert capsys.readouterr().out == "mine\n"


def raising(kernel, frames):
    # a comment
    width = kernel.shape[9]
    return kernel / width


def interrupted(kernel, frames):
    raise KeyboardInterrupt


def deeper(kernel, frames):
    return deeper(kernel, frames)


def changing(kernel, frames):
    kernel /= frames
    return torch.stack([kernel] * frames, dim=2)


def one_off(kernel, frames):
    answer = inflate(kernel, frames)
    answer[0, 0, 0, 0, 0] += 1
    return answer


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda k, t: None, "not yet: nothing came back. Does the function still end with"),
        (lambda k, t: ..., "nothing came back"),
        (raising, "line 3 (`width = kernel.shape[9]`) raised IndexError"),
        (lambda k, t: k.shape[9], "This was with kernel of shape ("),
        (lambda k, t: torch.stack(k, 0.5), "raised TypeError"),
        (lambda k, t: (k[..., None] @ torch.ones(1, t) / t).movedim(-1, 2), "RuntimeError: "),
        (lambda k, t: sys.exit("enough"), "raised SystemExit: enough"),
        (interrupted, "raised KeyboardInterrupt"),
        (deeper, "raised RecursionError"),
        (changing, "changes its input `kernel`"),
        (lambda k, t: inflate(k, t) * (torch.zeros(()) / 0), "NaN"),
        (lambda k, t: inflate(k, t).numpy(), "a torch tensor is wanted: got a numpy ndarray"),
        (lambda k, t: inflate(k, t).half(), "numbers of type float32 are wanted: got float16"),
        (lambda k, t: inflate(k, t).to(torch.complex64), "got complex64"),
        (lambda k, t: inflate(k, t).to("meta"), "on device meta"),
        (lambda k, t: inflate(k, t).to_sparse(), "a dense tensor"),
        (lambda k, t: k[:1, :1, :1, :1].expand(10**5, 10**5, 10**5, 1), "the shape should be"),
        (one_off, "at (0, 0, 0, 0, 0), "),
        (inflate(torch.ones(1, 1, 1, 1), 3), 'without calling it: `check("1.1", inflate_mean)`'),
        (lambda kernel: kernel, "the function should take (kernel, frames)."),
    ],
)
def test_what_is_wrong_is_said(wrong, words):
    assert words in rejected(wrong)


def test_style_and_precision_do_not_count():
    for change in (Tensor.float, Tensor.double, Tensor.requires_grad_):
        assert check("1.1", lambda k, t, change=change: change(inflate(k, t))).passed
    for number in (np.int64, torch.tensor):
        assert check("1.3", lambda frames, number=number: number(frames // 2)).passed


def test_an_answer_that_is_right_at_first_only_is_rejected():
    calls = itertools.count()
    rejected(lambda k, t: inflate(k, t) * (next(calls) == 0))


def test_what_a_function_prints_on_its_first_input_is_shown():
    calls = itertools.count(1)

    def talking(kernel, frames):
        print("call", next(calls))
        return inflate(kernel, frames)

    verdict = check("1.1", talking)
    assert verdict.passed
    assert verdict.printed == "call 1\n"
    assert "Your function printed:\ncall 1" in repr(verdict)


def test_a_verdict_shows_the_same_words_as_text_and_as_html():
    verdict = check("1.2", lambda k, t: inflate(k, t) * 0 + inflate(k, t))
    assert repr(verdict).startswith("\N{BALLOT X} Exercise 1.2, not yet: this is mean")
    assert "<strong>\N{BALLOT X} Exercise 1.2, not yet:</strong> this" in verdict._repr_html_()
    code = check("1.1", lambda k, t: inflate(k, t) * t)._repr_html_()
    assert "<code>frames</code>" in code
    assert repr(check("1.1", inflate)).startswith("\N{CHECK MARK} Exercise 1.1 passed.")

    def markup(kernel, frames):
        raise ValueError("<script>")

    assert "<script>" not in check("1.1", markup)._repr_html_()


def test_mine_runs_the_function_when_it_passes_and_else_the_solution(capsys):
    assert mine("1.1", inflate) is inflate
    assert capsys.readouterr().out == "Exercise 1.1: from here on your own function runs.\n"
    said = "Exercise 1.1 is not solved yet: from here on the course's own function runs.\n"
    kernel = torch.ones(2, 3, 1, 1)
    for wrong in (lambda kernel, frames: ..., "no function"):
        torch.testing.assert_close(mine("1.1", wrong)(kernel, 5), inflate(kernel, 5))
        assert capsys.readouterr().out == said


def test_an_unknown_number_is_refused():
    for number, message in {
        "1.9": "there is no exercise 1.9: chapter 1 has 1.1, 1.2, 1.3, 1.4, 1.5",
        "77.1": "there is no exercise 77.1: chapter 77 has none",
        "inflate": "an exercise has a number like \"1.2\": got 'inflate'",
    }.items():
        with pytest.raises(ValueError, match=message):
            check(number, inflate)


@pytest.mark.parametrize(
    ("answer", "wanted", "words"),
    [
        (torch.tensor(0.5), 0.5, None),
        (1, 1.0, None),
        ([8, 4, 4], (8, 4, 4), None),
        (torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.int64), None),
        (3.0, 3, "a whole number is wanted: got 3.0 (float)"),
        (True, 1, "1 (int) is wanted: got True (bool)"),
        (float("nan"), 0.5, "NaN"),
        ("0.5", 0.5, "a number is wanted: got a str"),
        (torch.ones(2), 0.5, "a number is wanted: got a tensor of shape (2,)"),
        ((8, 4, 5), (8, 4, 4), "in the third result, 4 is wanted: got 5"),
        ((n for n in [1]), [1], "a list is wanted: got a generator"),
        (torch.ones(3), torch.ones(3, dtype=torch.bool), "numbers of type bool are wanted"),
        (torch.ones(3), torch.ones(3, dtype=torch.int64), "numbers of type int64 are wanted"),
        (torch.ones(0), torch.ones(2), "the shape should be (2,): got (0,)"),
        (torch.tensor([1.0, 5]), torch.tensor([1.0, 2]), "50% of the values are wrong; at (1,)"),
        (torch.ones(2) / 0, torch.ones(2), "every value is inf times"),
    ],
)
def test_comparing(answer, wanted, words):
    difference = compare(answer, wanted)
    assert difference is None if words is None else words in difference


@each_exercise
def test_nonsense_is_rejected_and_cases_are_the_same_each_time(exercise):
    """That the solution passes is tested with the last hint: tests/course/test_course.py."""
    for nonsense in (None, "no", torch.zeros(3, 1, 4), np.zeros(2), {}, float("nan")):
        rejected(lambda *_, value=nonsense: value, exercise.number)
    cases = [exercise.cases(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert len(cases[0]) > 1
    assert all(compare(one, other) is None for one, other in zip(*cases, strict=True))


LISTED = {  # mistakes of each exercise, at least: none is given up to save lines
    "0.1": 5, "1.1": 3, "1.2": 3, "1.3": 2, "1.4": 6, "1.5": 7, "1.6": 10, "2.1": 6, "2.2": 7,
    "2.3": 7, "2.4": 5, "3.1": 9, "3.2": 3, "3.3": 6, "3.4": 23, "4.1": 13, "4.2": 13, "4.3": 4,
    "4.4": 4, "4.5": 29, "5.1": 8, "5.2": 7, "5.3": 9, "6.1": 6, "6.2": 8, "6.3": 10, "6.4": 11,
    "7.1": 6, "7.2": 6, "7.4": 10, "8.1": 5, "8.2": 10, "8.3": 5, "8.4": 5, "8.5": 8, "8.6": 4,
    "9.1": 3, "9.2": 8, "10.1": 9, "10.2": 10, "10.3": 8, "10.4": 11,
    "11.1": 10, "11.2": 9, "11.3": 11, "12.1": 4,
}  # fmt: skip


NAMED = [exercise for exercise in EXERCISES if exercise.mistakes]


@pytest.mark.parametrize("exercise", NAMED, ids=lambda one: one.number)
def test_every_mistake_of_an_exercise_is_rejected_by_its_own_name(exercise):
    tables = exercise.wrong
    assert len(exercise.mistaken) >= LISTED[exercise.number]
    for name, wrong in exercise.mistaken.items():
        alike = [n for n in tables[0] if all(compare(t[n], t[name]) is None for t in tables)]
        message = rejected(wrong, exercise.number)
        assert any(words in message for words in alike), name


LEARNS = [exercise for exercise in EXERCISES if exercise.learns]


@pytest.mark.parametrize("exercise", LEARNS, ids=lambda one: one.number)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Tensor.detach, "no gradient flows back"),
        (lambda one: torch.tensor(one.tolist(), dtype=one.dtype), "no gradient flows back"),
        (lambda one: torch.from_numpy(one.numpy()), "Can't call numpy() on Tensor that requires"),
        (lambda one: one / 2 + one.detach() / 2, "is not: every value is 0.5 times"),
    ],
    ids=["detach", "tolist", "numpy", "half"],
)
def test_answers_through_which_nothing_learns_are_refused(exercise, change, words):
    def answer(*given):
        result = exercise.reference(*given)
        return change(result) if torch.is_tensor(result) else tuple(map(change, result))

    assert words in rejected(answer, exercise.number)


def test_an_input_that_no_gradient_reaches_is_named():
    def deaf(query, key):
        return (query @ key.detach().mT / query.shape[-1] ** 0.5).softmax(-1)

    def overwritten(query, key):
        weights = (query @ key.mT / query.shape[-1] ** 0.5).exp()
        return weights.div_(weights.sum(-1, keepdim=True))

    assert "no gradient reaches `key`, which could not learn" in rejected(deaf, "3.1")
    assert "the backward pass raised: " in rejected(overwritten, "3.1")
