import gc
import os
import subprocess
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import SlideError, WorkerError
from medvlp.jobs.workers import WorkerLimits, run_in_worker, stream_in_worker
from tests.jobs import worker_functions
from tests.jobs.worker_functions import start_script

ROOT = Path(__file__).parents[2]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def wait_until_gone(pid: int, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_run_in_worker__returns_what_the_function_returns() -> None:
    assert run_in_worker(worker_functions.add, 1, 2) == 3


def test_run_in_worker__confines_the_process() -> None:
    who = run_in_worker(worker_functions.identity)
    assert who["pid"] == who["session"] != os.getpid()
    assert who["ignores_interrupt"] is True
    assert who["torch"] is False
    assert who["stdin"] == b""


def test_stream_in_worker__yields_everything_in_order() -> None:
    assert list(stream_in_worker(worker_functions.count, 5)) == [0, 1, 2, 3, 4]
    assert list(stream_in_worker(worker_functions.count, 0)) == []


def test_stream_in_worker__yields_writable_arrays() -> None:
    for index, batch in enumerate(stream_in_worker(worker_functions.arrays, 3, 1000)):
        np.testing.assert_array_equal(batch["rgb"], np.full((1000, 4), index))
        batch["rgb"] += 1


def test_stream_in_worker__starts_nothing_before_it_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = stream_in_worker(worker_functions.count_and_log, 3, str(log))
    time.sleep(0.05)
    assert not log.exists()
    stream.close()


def test_stream_in_worker__works_a_bounded_number_of_results_ahead(tmp_path: Path) -> None:
    batches = stream_in_worker(worker_functions.same_array, 1000, 2**22)
    next(batches)
    time.sleep(0.1)
    child_pid = newest_child()
    before = memory_bytes(child_pid)
    time.sleep(0.2)
    assert memory_bytes(child_pid) < before + 2**22
    batches.close()
    assert wait_until_gone(child_pid)


def newest_child() -> int:
    """Return the last worker: the only process whose leader of the session is itself."""
    pids = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    server = {pid for pid in pids if parent_of(pid) == os.getpid()}
    return max(pid for pid in pids if parent_of(pid) in server)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_stream_in_worker__raises_the_error_of_the_function_unchanged() -> None:
    stream = stream_in_worker(worker_functions.fail_after, 2)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(SlideError) as caught:
        next(stream)
    error = caught.value
    assert (error.code, error.what, error.expected, error.hint) == (
        "MV1206",
        "tile (3, 4) of x.svs",
        "a tile",
        "copy it again",
    )


def test_run_in_worker__describes_an_unexpected_error_with_its_traceback() -> None:
    with pytest.raises(
        WorkerError, match=r"MV1600: raise_key_error .*KeyError: 'no such level'"
    ) as (caught):
        run_in_worker(worker_functions.raise_key_error)
    assert "worker_functions.py" in caught.value.__notes__[0]
    with pytest.raises(WorkerError, match="UnloadableError: first"):
        run_in_worker(worker_functions.raise_unloadable)


def test_stream_in_worker__reports_a_result_that_cannot_be_sent() -> None:
    stream = stream_in_worker(worker_functions.yield_unpicklable)
    assert next(stream) == 1
    with pytest.raises(WorkerError, match=r"MV1600: .*pickle"):
        next(stream)


def test_workers__refuse_functions_and_arguments_that_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        run_in_worker(lambda: 1)
    with pytest.raises(TypeError, match="cannot be pickled"):
        stream_in_worker(worker_functions.count, iter(lambda: 1, 2))


def test_run_in_worker__stops_a_function_that_allocates_without_end() -> None:
    limits = WorkerLimits(memory_bytes=2**27)
    with pytest.raises(WorkerError, match=r"MV1602: .*at most 0\.125 GiB"):
        run_in_worker(worker_functions.allocate_without_end, limits=limits)


def test_stream_in_worker__stops_a_function_that_stalls() -> None:
    run_in_worker(worker_functions.add, 1, 2)  # the start of the server would count
    stream = stream_in_worker(
        worker_functions.sleep_without_end, 2, limits=WorkerLimits(stall_s=0.8)
    )
    assert [next(stream), next(stream)] == [0, 1]
    started = time.monotonic()
    with pytest.raises(WorkerError, match=r"MV1603: .*at most 0\.8 s without a result"):
        next(stream)
    assert 0.6 < time.monotonic() - started < 10


def test_stream_in_worker__limits_the_sum_of_waits() -> None:
    limits = WorkerLimits(stall_s=60, total_s=0.4)
    with pytest.raises(WorkerError, match=r"MV1603: .*at most 0\.4 s in total"):
        list(stream_in_worker(worker_functions.count, 100, 0.05, limits=limits))


def test_stream_in_worker__does_not_count_the_time_of_a_slow_consumer() -> None:
    run_in_worker(worker_functions.add, 1, 2)  # the start of the server would count
    limits = WorkerLimits(stall_s=1.2, total_s=1.2)
    got = []
    for block in stream_in_worker(worker_functions.same_array, 4, 2**21, limits=limits):
        time.sleep(0.4)
        got.append(block.nbytes)
    assert got == [2**21] * 4


def test_stream_in_worker__kills_the_process_when_it_is_closed_or_dropped() -> None:
    for leave in ("close", "drop"):
        stream = stream_in_worker(worker_functions.start_grandchild)
        grandchild = next(stream)
        assert is_running(grandchild)
        if leave == "close":
            stream.close()
        del stream
        gc.collect()
        assert wait_until_gone(grandchild), f"{leave}: the processes of the worker live on"


def test_workers__leave_no_process_and_no_open_file_behind() -> None:
    run_in_worker(worker_functions.add, 1, 2)  # starts the server, which stays
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        run_in_worker(worker_functions.add, 1, 2)
        with pytest.raises(WorkerError):
            run_in_worker(worker_functions.exit_at_once, 1)
        stream = stream_in_worker(worker_functions.count, 5)
        next(stream)
        stream.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    mine = [parent_of(int(e.name)) for e in Path("/proc").iterdir() if e.name.isdigit()]
    servers = [
        int(e.name)
        for e in Path("/proc").iterdir()
        if e.name.isdigit() and parent_of(int(e.name)) == os.getpid()
    ]
    assert not [parent for parent in mine if parent in servers], "a worker is left"


def test_workers__end_with_their_parent_even_inside_a_library(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = """
        import sys
        from medvlp.jobs.workers import run_in_worker
        from tests.jobs import worker_functions
        if __name__ == "__main__":
            run_in_worker(worker_functions.sleep_in_c_holding_the_lock, sys.argv[1])
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(script))
    parent = start_script(tmp_path / "main.py", str(pid_file), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline, "the worker did not start"
        time.sleep(0.02)
    worker = int(pid_file.read_text())
    assert is_running(worker)
    parent.kill()
    parent.wait()
    assert wait_until_gone(worker)


@pytest.mark.slow
def test_stream_in_worker__moves_large_arrays_fast() -> None:
    started = time.monotonic()
    total = sum(a.nbytes for a in stream_in_worker(worker_functions.same_array, 200, 12_000_000))
    rate = total / (time.monotonic() - started) / 1e9
    assert rate > 0.5, f"{rate:.2f} GB/s"
