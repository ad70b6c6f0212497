"""Whatever a reader hands over, a check comes back and says what it saw; nothing wrong passes."""

import itertools
import sys
import threading
import time

import numpy as np
import pytest
import torch

from csgcourse import check, mine, running
from csgcourse.checking import _named


def inflate(kernel, frames):
    return torch.stack([kernel / frames] * frames, dim=2)


@pytest.fixture
def hurry(monkeypatch):
    """Do not wait long for a function that never ends."""
    monkeypatch.setattr(running, "SECONDS", 0.3)
    yield
    late = [thread for thread in threading.enumerate() if thread.name == "answer"]
    for thread in late:
        thread.join(5)


def rejected(function, number="1.1"):
    verdict = check(number, function)
    assert not verdict.passed
    assert verdict.message.startswith(f"Exercise {number}, not yet: ")
    return verdict.message


def test_the_stub_is_told_that_nothing_was_returned():
    def stub(kernel, frames): ...

    assert "nothing came back" in rejected(stub)
    assert "nothing came back" in rejected(lambda kernel, frames: ...)


def test_an_endless_loop_is_ended_and_its_line_named(hurry):
    def endless(kernel, frames):
        turns = 0
        while True:
            turns += 1

    message = rejected(endless)
    assert "did not finish in time" in message
    assert "line 3 (`while True:`)" in message or "line 4 (`turns += 1`)" in message
    assert "cannot be stopped" not in message
    assert all(thread.name != "answer" for thread in threading.enumerate())


def test_an_endless_loop_that_swallows_errors_does_not_hang_the_check(hurry):
    stop = threading.Event()

    def stubborn(kernel, frames):
        while not stop.is_set():
            try:
                time.sleep(0.01)
            except BaseException:  # what a reader's bare `except:` does
                continue

    message = rejected(stubborn)
    stop.set()
    assert "did not finish in time" in message
    assert "restart the kernel" in message


def test_a_loop_that_prints_for_ever_keeps_its_beginning(hurry):
    def chatter(kernel, frames):
        for turn in itertools.count():
            print("turn", turn)

    verdict = check("1.1", chatter)
    assert not verdict.passed
    assert verdict.printed.startswith("turn 0\nturn 1\n")
    assert len(verdict.printed) <= 2000


def test_an_error_is_told_with_its_line_counted_from_def():
    def raising(kernel, frames):
        # a remark
        width = kernel.shape[9]
        return kernel / width

    message = rejected(raising)
    assert "line 3 (`width = kernel.shape[9]`) raised IndexError" in message
    assert "kernel of shape (" in message
    assert "frames = " in message


def test_an_error_in_what_the_function_calls_names_the_reader_s_line():
    def calling(kernel, frames):
        return torch.stack(kernel, 0.5)

    assert "line 2 (`return torch.stack(kernel, 0.5)`) raised TypeError" in rejected(calling)


def test_system_exit_does_not_end_the_notebook():
    def leaving(kernel, frames):
        sys.exit("enough")

    assert "raised SystemExit: enough" in rejected(leaving)


def test_an_interrupt_raised_inside_is_an_error_like_others():
    def interrupted(kernel, frames):
        raise KeyboardInterrupt

    assert "raised KeyboardInterrupt" in rejected(interrupted)


def test_endless_recursion_is_told():
    def deeper(kernel, frames):
        return deeper(kernel, frames)

    assert "raised RecursionError" in rejected(deeper)


def test_a_changed_input_is_told_even_when_the_answer_is_right():
    def changing(kernel, frames):
        kernel /= frames
        return torch.stack([kernel] * frames, dim=2)

    assert "changes its input `kernel`" in rejected(changing)


def test_a_view_of_the_input_is_no_change():
    assert check("1.1", lambda k, t: (k / t).unsqueeze(2).expand(-1, -1, t, -1, -1)).passed


def test_nan_is_told():
    def nothing_over_nothing(kernel, frames):
        return inflate(kernel, frames) * (torch.zeros(()) / 0)

    assert "NaN" in rejected(nothing_over_nothing)


def test_numpy_is_told():
    assert "a torch tensor is wanted: got a numpy ndarray" in rejected(
        lambda kernel, frames: inflate(kernel, frames).numpy()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.complex64])
def test_a_wrong_dtype_is_told(dtype):
    message = rejected(lambda kernel, frames: inflate(kernel, frames).to(dtype))
    assert f"got {str(dtype).removeprefix('torch.')}" in message


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_either_kind_of_float_will_do(dtype):
    assert check("1.1", lambda kernel, frames: inflate(kernel, frames).to(dtype)).passed


def test_a_wrong_device_is_told():
    assert "device meta" in rejected(lambda kernel, frames: inflate(kernel, frames).to("meta"))


def test_a_huge_answer_is_not_unfolded():
    message = rejected(lambda kernel, frames: kernel[:1, :1, :1, :1].expand(10**5, 10**5, 10**5, 1))
    assert "the shape should be" in message


def test_an_answer_that_is_right_at_first_only_is_rejected():
    calls = itertools.count()

    def tired(kernel, frames):
        right = inflate(kernel, frames)
        return right if next(calls) == 0 else torch.zeros_like(right)

    rejected(tired)


def test_an_unknown_constant_factor_is_measured():
    message = rejected(lambda kernel, frames: inflate(kernel, frames) * 10)
    assert "every value is 10 times what it should be" in message


def test_an_unknown_order_of_axes_is_seen():
    message = rejected(lambda kernel, frames: inflate(kernel, frames).transpose(0, 1))
    assert "the axes stand in another order" in message


def test_unknown_wrong_values_are_located():
    def one_off(kernel, frames):
        answer = inflate(kernel, frames)
        answer[0, 0, 0, 0, 0] += 1
        return answer

    assert "at (0, 0, 0, 0, 0), " in rejected(one_off)


def test_a_called_function_is_no_function():
    message = rejected(inflate(torch.ones(1, 1, 1, 1), 3))
    assert 'without calling it: `check("1.1", inflate_mean)`' in message


def test_other_arguments_are_told():
    assert "the function should take (kernel, frames)." in rejected(lambda kernel: kernel)


def test_what_a_function_prints_on_its_first_input_is_shown():
    calls = itertools.count(1)

    def talking(kernel, frames):
        print("call", next(calls))
        return inflate(kernel, frames)

    verdict = check("1.1", talking)
    assert verdict.passed
    assert verdict.printed == "call 1\n"
    assert "Your function printed:\ncall 1" in repr(verdict)


def test_a_sparse_tensor_is_told():
    assert "a dense tensor is wanted" in rejected(lambda k, t: inflate(k, t).to_sparse())


def test_a_verdict_shows_the_same_words_as_text_and_as_html():
    verdict = check("1.1", lambda kernel, frames: torch.stack([kernel] * frames, dim=2))
    assert repr(verdict).startswith("\N{BALLOT X} Exercise 1.1, not yet: you repeated")
    html = verdict._repr_html_()
    assert html.startswith("<p><strong>\N{BALLOT X} Exercise 1.1, not yet:</strong> you repeated")
    assert "Divide by <code>frames</code>." in html
    assert repr(check("1.1", inflate)).startswith("\N{CHECK MARK} Exercise 1.1 passed.")


def test_html_in_a_message_stays_text():
    def raising(kernel, frames):
        raise ValueError("<script>")

    assert "<script>" not in check("1.1", raising)._repr_html_()


def test_two_checks_say_the_same():
    def random(kernel, frames):
        return inflate(kernel, frames) + 1

    assert repr(check("1.1", random)) == repr(check("1.1", random))


def test_mine_runs_the_reader_s_function_when_it_passes(capsys):
    assert mine("1.1", inflate) is inflate
    assert capsys.readouterr().out == "Exercise 1.1: from here on your own function runs.\n"


@pytest.mark.parametrize("wrong", [lambda kernel, frames: None, "no function"])
def test_mine_runs_the_course_s_function_otherwise_and_says_so(capsys, wrong):
    function = mine("1.1", wrong)
    kernel = torch.ones(2, 3, 1, 1)
    torch.testing.assert_close(function(kernel, 5), inflate(kernel, 5))
    told = "Exercise 1.1 is not solved yet: from here on the course's own function runs.\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1.9", "there is no exercise 1.9: chapter 1 has 1.1, 1.2, 1.3, 1.4, 1.5"),
        ("77.1", "there is no exercise 77.1: chapter 77 has none"),
        ("inflate", "an exercise has a number like \"1.2\": got 'inflate'"),
    ],
)
def test_an_unknown_number_is_told(number, message):
    with pytest.raises(ValueError, match=message):
        check(number, inflate)


def test_numpy_numbers_are_whole_numbers():
    assert check("1.3", lambda frames: np.int64(frames // 2)).passed
    assert check("1.3", lambda frames: torch.tensor(frames // 2)).passed


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 3), "x of shape (2, 3)"),
        (torch.tensor(0.25), "x = 0.25"),
        ([torch.zeros(2, 3)] * 4, "x, 4 tensors of shape (2, 3)"),
        (["p1", "p2"], "x = ['p1', 'p2']"),
        ([f"p{place}" for place in range(99)], "x, a list of 99: 'p0', 'p1', ..."),
        ((1, 2), "x = (1, 2)"),
    ],
)
def test_an_input_is_named_shortly(value, words):
    assert _named("x", value) == words
