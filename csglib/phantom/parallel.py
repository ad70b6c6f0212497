"""Worker processes, the folder of a cohort that they write to, and clear errors when that fails.

Not in the paper.
"""

import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from csglib.data.atomic import replacing, write_csv
from csglib.data.cohort import COLUMNS, Row, read_metadata

Task = TypeVar("Task")
Result = TypeVar("Result")
_RESUME = "what is made is kept, and the same command goes on from there"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_same_cohort(folder: Path, identity: Mapping[str, Any]) -> None:
    """Raise a ValueError if a folder holds anything but a cohort with these metadata."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    if (folder / "cohort.json").exists():
        found = read_metadata(folder)
        differ = ", ".join(
            f"{name} {found.get(name)} where {value} is wanted"
            for name, value in identity.items()
            if found.get(name) != value
        )
        if differ:
            raise ValueError(f"{folder} holds another cohort, of {differ}; name another folder")
    elif others := sorted(path.name for path in folder.glob("*") if path.name[0] != "."):
        named = ", ".join(others[:3])
        raise ValueError(f"{folder} holds other files ({named}); name a new folder")


def begin_cohort(folder: Path, metadata: Mapping[str, Any], packages: Sequence[str]) -> None:
    """Mark a folder as ours by its cohort.json; remove what killed processes left unfinished."""
    if not (folder / "cohort.json").exists():
        made_with = {name: version(name) for name in packages}
        write_metadata(folder, {**metadata, "made_with": made_with})
    (folder / "clips").mkdir(exist_ok=True)
    for unfinished in folder.glob("**/.*.part"):
        unfinished.unlink()


def write_metadata(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write cohort.json, with the meaning of the manifest's columns added."""
    text = json.dumps({**metadata, "columns_of_the_manifest": COLUMNS}, indent=2)
    with replacing(folder / "cohort.json") as file:
        file.write(f"{text}\n".encode())


def write_manifest(folder: Path, rows: Sequence[Row]) -> None:
    """Write manifest.csv; rows have the keys of `COLUMNS`."""
    write_csv(folder / "manifest.csv", COLUMNS, ([row[name] for name in COLUMNS] for row in rows))


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder for this process, until it ends; a ValueError if another holds the lock.

    The empty file `.lock` stays: once removed, two processes could lock two files of that name.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        came = "is being written by another process"
        raise ValueError(f"{folder} {came}; wait for it, or end it") from None


@contextmanager
def explain_write_errors(folder: Path) -> Iterator[None]:
    """Raise a ValueError that explains a full disk, a read-only folder, or a killed worker."""
    try:
        yield
    except BrokenProcessPool:
        came = "a process was killed from outside, perhaps for lack of memory"
        raise ValueError(f"{folder}: {came}; {_RESUME}, perhaps with fewer workers") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ValueError(f"{folder}: the disk is full; make room: {_RESUME}") from error
        raise ValueError(f"{folder} cannot be written: {error}") from error


@contextmanager
def workers(
    count: int, work: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[list["Future[Result]"]]:
    """Run `work` on each task in `count` processes; on any error or interrupt they end at once.

    Spawned, not forked: a fork of a process with threads is not safe. One BLAS thread each, so
    that one process a core is right. `work` is a function at the top of its module.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent)
    try:
        with ExitStack() as stack:  # processes start while tasks are submitted
            for setting in (_one_thread_each, _ignoring_interrupts, _without_main):
                stack.enter_context(setting())
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

    `work` is a function at the top of its module, or a `partial` of one; with one process, or a
    single task, it runs in this one.
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
    """BLAS libraries read these variables when a new process loads them."""
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
def _ignoring_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes: only the parent must react."""
    if os.name != "posix":
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _without_main() -> Iterator[None]:
    """New processes must not run the caller's script again, which has no `__main__` guard."""
    main = sys.modules["__main__"]
    spec, file = main.__spec__, main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers: each waits for that in a thread."""

    def wait() -> None:
        parent = parent_process()
        assert parent is not None, "a worker has a parent"
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
