"""Worker processes: threads, interrupts, errors, death of the parent; clear write errors."""

import errno
import os
import subprocess
import sys
import time

import pytest

from csglib.phantom.parallel import explain_write_errors, run_tasks, workers

# No `__main__` guard: a worker must not run the script again.
PARENT = """
import os, time
from multiprocessing import active_children
from csglib.phantom.parallel import workers

with workers(2, abs, [-1, -2]) as futures:
    print(*(future.result() for future in futures), globals().get("__file__", "")[-6:])
with workers(2, time.sleep, [60, 60]):
    print(*(child.pid for child in active_children()), flush=True)
    time.sleep(60)
"""


def test_workers_do_their_tasks_in_order_with_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CSGLIB_NO_SUCH"]
    assert run_tasks(os.getenv, names, 2, "names") == ["1", "1", None]
    assert run_tasks(os.getenv, names, 1, "names") == ["7", None, None]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(("how", "name"), [("own.py", "own.py"), ("-", "stdin>")])
@pytest.mark.skipif(os.name != "posix", reason="looks up processes by number")
def test_workers_do_not_run_the_script_again_and_end_when_their_parent_is_killed(
    tmp_path, how, name
):
    (tmp_path / "own.py").write_text(PARENT)
    pipes = {"stdin": (tmp_path / "own.py").open(), "stdout": subprocess.PIPE}
    with pipes["stdin"], subprocess.Popen([sys.executable, how], cwd=tmp_path, **pipes) as parent:
        assert parent.stdout.readline().decode().split() == ["1", "2", name]
        children = [int(number) for number in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.kill()
    until = time.monotonic() + 20
    while [pid for pid in children if alive(pid)] and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in children if alive(pid)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupt_or_an_error_of_a_task_is_raised_here_and_ends_the_others():
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), workers(2, time.sleep, [90, 90, 90]):
        raise KeyboardInterrupt
    refused = pytest.raises(TypeError, match="interpreted as an integer")
    with refused, workers(2, time.sleep, ["soon", 90, 90]) as futures:
        futures[0].result()
    assert time.monotonic() - start < 60  # the tasks alone would take 90 each


def test_a_killed_worker_is_not_an_error_of_its_task(tmp_path):
    with (
        pytest.raises(ValueError, match=f"{tmp_path}: a process was killed .* with fewer workers"),
        explain_write_errors(tmp_path),
        workers(1, os._exit, [9]) as futures,
    ):
        futures[0].result()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_that(tmp_path, number):
    full = "the disk is full; make room: what is made is kept"
    with pytest.raises(ValueError, match=full), explain_write_errors(tmp_path):
        raise OSError(number, os.strerror(number))
