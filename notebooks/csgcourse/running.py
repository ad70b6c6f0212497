"""Call a function in a thread with a time limit, so that an endless loop does not hang the kernel.

A signal's alarm works neither on Windows nor outside the main thread, and another process cannot
receive a function that was typed into a cell.
"""

import linecache
import sys
import textwrap
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from csgcourse.exercise import AnswerError

SECONDS = 10.0  # an answer takes milliseconds, in a network a second; a busy laptop takes longer
_LETTERS_KEPT = 2000  # of what is printed
_LATE = "the function did not finish in time: does a loop never end?"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was returned, or why nothing was (a clause), and the beginning of what was printed."""

    value: object = None
    trouble: str | None = None
    printed: str = ""


def run(
    function: Callable[..., object], arguments: tuple[object, ...], use: Callable[..., object]
) -> Outcome:
    """Use a function; report what it raises, and that it does not end within `SECONDS`."""
    done: dict[str, Any] = {}

    def call() -> None:
        try:
            done["value"] = use(function, *arguments)
        except BaseException as error:  # SystemExit too: it must not end the check
            done["error"] = error

    thread = threading.Thread(target=call, name="answer", daemon=True)
    sys.stdout = output = _Output(thread)
    with warnings.catch_warnings():  # torch's tensors do not follow NumPy 2 yet; no fault of yours
        warnings.filterwarnings("ignore", "__array_wrap__", DeprecationWarning)
        thread.start()
        thread.join(SECONDS)
    if not done and (frame := sys._current_frames().get(thread.ident or 0)):
        output.late = True  # it stays in place, or an endless loop could print into the notebook
        place = _place(function, [*traceback.walk_stack(frame)][::-1])
        line = f"{_LATE} It was at {place}." if place else _LATE
        left = "It still runs: correct it, then restart the kernel."
        return Outcome(trouble=f"{line} {left}", printed=output.kept)
    sys.stdout = output.before
    if isinstance(error := done.get("error"), AnswerError):
        return Outcome(trouble=str(error), printed=output.kept)
    if error:
        place = _place(function, traceback.walk_tb(error.__traceback__)) or "the function"
        reason = textwrap.shorten(str(error), 200, placeholder=" ...")
        trouble = f"{place} raised {type(error).__name__}" + (f": {reason}" if reason else "")
        return Outcome(trouble=trouble, printed=output.kept)
    return Outcome(value=done["value"], printed=output.kept)


def _place(function: Callable[..., object], frames: Iterable[tuple[FrameType, int]]) -> str:
    """The innermost line of the function itself, counted from its `def`."""
    code = getattr(function, "__code__", None)
    lines = [line for frame, line in frames if frame.f_code is code]
    if code is None or not lines:
        return ""
    words = linecache.getline(code.co_filename, lines[-1]).strip()
    return f"line {lines[-1] - code.co_firstlineno + 1}" + (f" (`{words}`)" if words else "")


class _Output:
    """Stands in for stdout: keeps the beginning of what one thread prints, passes on the rest."""

    def __init__(self, thread: threading.Thread) -> None:
        self.before: Any = sys.stdout
        self.thread, self.kept, self.late = thread, "", False

    def write(self, text: str) -> int:
        if threading.current_thread() is not self.thread:
            return int(self.before.write(text))
        if self.late:
            raise SystemExit
        self.kept += text[: max(0, _LETTERS_KEPT - len(self.kept))]
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.before, name)
