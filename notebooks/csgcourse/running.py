"""Run a reader's function so that, whatever it does, the notebook goes on.

Not in the paper: part of the course. An endless loop must not hang the kernel, on any platform. A
signal's alarm does not exist on Windows and works in the main thread alone; another process cannot
receive a function that was typed into a cell. So the function runs in a thread of its own, and the
caller stops waiting when the time is up. Then an exception raised inside that thread ends a Python
loop. It reaches compiled code only when that returns: a function that sleeps for an hour is left
behind, and the reader is told to restart the kernel.
"""

import ctypes
import io
import linecache
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import CodeType

SECONDS = 5.0  # an answer takes milliseconds; a laptop that swaps takes longer
_SECONDS_TO_END = 0.5
_LETTERS_KEPT = 2000
_LETTERS_OF_A_REASON = 200


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of running a function.

    Attributes:
        value: what it returned.
        trouble: why it returned nothing, as a clause about the function; None when it returned.
        printed: what it printed, its beginning when that is much.
    """

    value: object = None
    trouble: str | None = None
    printed: str = ""


def run(
    function: Callable[..., object], arguments: tuple[object, ...], seconds: float | None = None
) -> Outcome:
    """Call a function that nobody has read.

    Args:
        function: anything that can be called.
        arguments: what it is called with, in order.
        seconds: how long it may take; `SECONDS` when not given.
    """
    thread, printed = _Call(function, arguments), _Beginning()
    with redirect_stdout(printed):
        thread.start()
        try:
            thread.join(SECONDS if seconds is None else seconds)
        finally:  # an interrupt from the keyboard ends the function too
            stopped_at = thread.stop()
    if stopped_at is not None:
        return Outcome(trouble=stopped_at, printed=printed.getvalue())
    if thread.error is not None:
        return Outcome(trouble=_explain(thread.error, function), printed=printed.getvalue())
    return Outcome(value=thread.value, printed=printed.getvalue())


class _Call(threading.Thread):
    def __init__(self, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        super().__init__(name="answer", daemon=True)  # one left behind must not keep Python alive
        self.function = function
        self.arguments = arguments
        self.value: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self.function(*self.arguments)
        except BaseException as error:  # SystemExit too: a function must not end a check
            self.error = error

    def stop(self) -> str | None:
        """End the function if it still runs, and say where it was."""
        if not self.is_alive():
            return None
        code, frame = _code(self.function), sys._current_frames().get(self.ident or 0)
        stack = traceback.walk_stack(frame) if frame else ()
        lines = [line for inner, line in stack if inner.f_code is code]
        place = f" It was at {_place(code, lines[0])}." if code and lines else ""
        told = ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(*told)
        self.join(_SECONDS_TO_END)
        if self.is_alive():
            place += " It cannot be stopped from here: mend it, then restart the kernel."
        return f"the function did not finish in time: does a loop never end?{place}"


class _Beginning(io.StringIO):
    """Keeps the beginning of what is written: an endless loop may print for ever."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, _LETTERS_KEPT - self.tell())])
        return len(text)


def _explain(error: BaseException, function: Callable[..., object]) -> str:
    code, place = _code(function), "the function"
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code is code]
    if code and lines:
        place = _place(code, lines[-1])
    reason = textwrap.shorten(str(error), _LETTERS_OF_A_REASON, placeholder=" ...")
    colon = f": {reason}" if reason else ""
    return f"{place} raised {type(error).__name__}{colon}"


def _code(function: Callable[..., object]) -> CodeType | None:
    return getattr(function, "__code__", None)


def _place(code: CodeType, line: int) -> str:
    """A line of a function, counted from its `def` as a reader counts, and its words."""
    words = linecache.getline(code.co_filename, line).strip()
    quoted = f" (`{words}`)" if words else ""
    return f"line {line - code.co_firstlineno + 1}{quoted}"
