"""Check again the answers of a whole class: `csgcourse grade FOLDER`, of files from `report`.

Each answer is checked in a process of its own, with limits on time, memory and size of files, that
may neither write, nor connect, nor start another program, nor read outside Python and the course.
That stops accidents and pranks. It is no wall against somebody who attacks Python itself, nor one
who makes `check` say that all is well: read the code of answers that surprise you.
"""

import json
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

import csgcourse
import csglib
from csgcourse.checking import run_check
from csgcourse.exercise import chapters, exercises_of, find
from csglib.data.atomic import replacing, write_csv

SECONDS = 60.0  # for one answer; the slowest solution takes a few
MEMORY = 8 << 30  # bytes of addresses; torch alone takes two or three GB of them
_LONGEST = 100_000  # bytes of a verdict
_OURS = (csglib.__file__, csgcourse.__file__)
_ROOTS = tuple(  # of what may be read
    f"{os.path.realpath(folder)}{os.sep}"
    for folder in (sys.prefix, sys.base_prefix, *map(os.path.dirname, _OURS))
)
_REFUSED = (  # audit events, by their beginning
    *("socket.", "subprocess.", "shutil.", "ctypes.dlopen", "pty.", "os.system", "os.exec"),
    *("os.posix_spawn", "os.fork", "os.spawn", "os.kill", "os.remove", "os.rename", "os.rmdir"),
    *("os.mkdir", "os.link", "os.symlink", "os.truncate", "os.ch"),
)


@dataclass(frozen=True)
class Graded:
    """One answer: whether it passed, and what the check said."""

    learner: str
    number: str
    passed: bool
    message: str
    noted: dict[str, Any]  # how often it was checked, which mistakes were named, when solved


def grade(folder: Path, seconds: float = SECONDS) -> list[Graded]:
    """Check every answer of a folder's reports; write grades.csv, answers.csv and mistakes.md.

    Raises:
        ValueError: no reports there, or two by one learner.
    """
    reports = dict(_reports(folder))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"csgcourse.chapter_{n:02}" for n in chapters()])
    tasks = [(learner, *one) for learner, exercises in reports.items() for one in exercises.items()]

    def one(task: tuple[str, str, dict[str, Any]]) -> Graded:
        learner, number, answer = task
        passed, message = in_a_sandbox(context, number, answer.pop("code", ""), seconds)
        return Graded(learner, number, passed, message, answer)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        graded = [*tqdm(pool.map(one, tasks), "answers", len(tasks), disable=None)]
    _write(folder, list(reports), graded)
    return graded


def _reports(folder: Path) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Learner and answers of each report; a file that is none gets a row without answers."""
    if not (paths := sorted(folder.glob("*.json"))):
        raise ValueError(f"no reports (NAME.json, made by `csgcourse report NAME`) in {folder}")
    known = {exercise.number for chapter in chapters() for exercise in exercises_of(chapter)}
    for path in paths:
        try:
            exercises = json.loads(path.read_bytes())["exercises"]
            yield path.stem, {n: {**exercises[n]} for n in exercises if n in known}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"{path.name} is no report, and gets no points: {error}", file=sys.stderr)
            yield path.stem, {}


def in_a_sandbox(context: Any, number: str, code: str, seconds: float) -> tuple[bool, str]:
    """Whether an answer passes its check, and the message, from a process of its own."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, number, code, seconds), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(seconds):
            return False, f"did not finish within {seconds:g} s"
        verdict = json.loads(here.recv_bytes(_LONGEST))
        return verdict["passed"] is True, str(verdict["message"])
    except (EOFError, OSError, ValueError, KeyError, TypeError):
        return False, "its process ended before the check did"
    finally:
        process.kill()
        process.join()


def _answer(there: Connection, number: str, code: str, seconds: float) -> None:
    """In the process of one answer."""
    exercise = find(number)
    _lock_down(seconds)
    try:
        names: dict[str, Any] = {"__name__": "answer"}
        exec(compile(code, f"answer {number}", "exec"), names)
        trouble, _ = run_check(exercise, names[exercise.reference.__name__])
        said = {"passed": trouble is None, "message": trouble or "passed"}
    except BaseException as error:  # of any kind: it is an answer
        said = {"passed": False, "message": f"{type(error).__name__}: {error}"}
    there.send_bytes(json.dumps(said).encode()[:_LONGEST])


def _lock_down(seconds: float) -> None:
    import resource  # noqa: PLC0415  # not on Windows

    tempfile.gettempdir()  # torch asks for it, and it is found by writing there: before the limits
    for kind, most in (("CPU", int(seconds)), ("AS", MEMORY), ("FSIZE", 0), ("CORE", 0)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most))
    sys.dont_write_bytecode = True
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    sys.addaudithook(_refuse)


def _refuse(event: str, given: tuple[Any, ...]) -> None:
    """An audit hook, which cannot be taken off."""
    if event == "open":
        path, _, flags = given
        writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        inside = not isinstance(path, str) or os.path.realpath(path).startswith(_ROOTS)
        if writes or not inside:
            raise PermissionError(f"an answer may not open {path}")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"an answer may not use {event}")


def _write(folder: Path, learners: list[str], graded: list[Graded]) -> None:
    numbers = [exercise.number for chapter in chapters() for exercise in exercises_of(chapter)]
    passed = {(one.learner, one.number) for one in graded if one.passed}
    points = [[int((learner, n) in passed) for n in numbers] for learner in learners]
    rows = [[name, sum(row), *row] for name, row in zip(learners, points, strict=True)]
    write_csv(folder / "grades.csv", ["learner", "points", *numbers], rows)
    keys = ("checked", "mistakes", "solved")
    answers = [
        [one.learner, one.number, one.passed, one.message, *(str(one.noted.get(k)) for k in keys)]
        for one in graded
    ]
    write_csv(folder / "answers.csv", ["learner", "exercise", "passed", "message", *keys], answers)
    named = Counter(
        (one.number, words)
        for one in graded
        for words in find(one.number).mistakes
        if words in one.message or words in (one.noted.get("mistakes") or ())
    )
    lines = [f"| {n} | {words} | {count} |" for (n, words), count in named.most_common()]
    columns = "| exercise | what the check says | learners |"
    head = ["# Common mistakes", "", columns, "|---|---|---|"]
    with replacing(folder / "mistakes.md") as file:
        file.write("\n".join([*head, *lines, ""]).encode())
