"""Many processes on one folder: who may write, how they start and stop, and what went wrong.

Not in the paper.
"""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

Task = TypeVar("Task")
Result = TypeVar("Result")
_AGAIN = "what is made is kept, and the same command goes on from there"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; a killed process holds it no longer.

    An empty file, `.lock`, stays there. Were it taken away, one process could hold the file that is
    gone, having opened it before, and another a new one of that name.

    Raises:
        ValueError: another process holds it.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise ValueError(
            f"{folder} is being written by another process; wait for it, or end it"
        ) from None


@contextmanager
def explain_write_errors(folder: Path) -> Iterator[None]:
    """Say in a sentence what kept a folder from being written.

    Raises:
        ValueError: the disk is full, the folder cannot be written, or a worker was killed.
    """
    try:
        yield
    except BrokenProcessPool:
        raise ValueError(
            f"{folder}: a process was killed from outside, perhaps for lack of memory; {_AGAIN}, "
            "perhaps with fewer jobs"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(f"{folder}: the disk is full; make room: {_AGAIN}") from error
        raise ValueError(f"{folder} cannot be written: {error}") from error


@contextmanager
def workers(
    count: int, work: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[list["Future[Result]"]]:
    """Do tasks in other processes; on any error, an interrupt too, these end at once.

    They are started anew, not forked: nothing of a process that has threads comes through a fork
    for certain. Each has one thread, so that as many as cores do not stand in each other's way.

    Args:
        count: how many processes.
        work: a function at the top of its module.
        tasks: its argument, one after the other.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent)
    try:
        with _one_thread_each(), _deaf_to_interrupts(), _without_main():
            futures = [pool.submit(work, task) for task in tasks]
        yield futures
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def run_tasks(
    work: Callable[[Task], Result], tasks: Sequence[Task], count: int, title: str
) -> list[Result]:
    """Results of all tasks, in order, with a progress bar; the first error ends it.

    Args:
        work: a function at the top of its module, or a `partial` of one.
        tasks: its argument, one after the other; clips.
        count: how many processes; with 1, or a single task, this one.
        title: of the progress bar.
    """
    count = min(count, len(tasks))
    if count < 2:
        return [work(task) for task in tqdm(tasks, title, unit="clip", disable=not tasks)]
    with workers(count, work, tasks) as futures:
        for future in tqdm(as_completed(futures), title, len(tasks), unit="clip"):
            future.result()
        return [future.result() for future in futures]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """For processes that start meanwhile: numpy's libraries read this when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """For processes that start meanwhile: Ctrl-C reaches them all, and only one should answer."""
    if os.name != "posix":
        yield
        return
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


@contextmanager
def _without_main() -> Iterator[None]:
    """For processes that start meanwhile: they need csglib, and nothing of the script that called.

    Else Python would run that script again in each of them, and one that does not ask for
    `__name__ == "__main__"` would start workers of its own.
    """
    main = sys.modules["__main__"]
    name, file = main.__spec__, main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = name
        if file is not None:
            main.__file__ = file


def _end_with_parent() -> None:
    """A process that was killed cannot end its workers, so they watch."""

    def watch() -> None:
        parent = parent_process()
        assert parent is not None, "a worker has a parent"
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
