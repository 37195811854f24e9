"""How the parent judges a worker that ends otherwise than with an answer."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from medvlp.errors import WorkerError
from medvlp.jobs.worker_process import WorkerLimits
from medvlp.jobs.workers import run_in_worker, stream_in_worker
from tests.jobs import worker_functions
from tests.jobs.worker_functions import start_script


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL, signal.SIGFPE])
def test_stream_in_worker__names_the_signal_that_ended_the_process(number: signal.Signals) -> None:
    stream = stream_in_worker(worker_functions.kill_itself, int(number))
    assert next(stream) == 0
    with pytest.raises(WorkerError, match=rf"MV1601: .*signal {int(number)} \({number.name}\)") as (
        caught
    ):
        next(stream)
    assert ("memory" in caught.value.hint) == (number == signal.SIGKILL)


def test_stream_in_worker__reports_a_signal_without_a_name() -> None:
    with pytest.raises(WorkerError, match=r"signal 40 \(unknown\)"):
        list(stream_in_worker(worker_functions.kill_itself, 40))


def test_run_in_worker__reports_a_system_that_starts_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(process: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.ForkServerProcess.start", refuse)
    with pytest.raises(WorkerError, match=r"MV1604: .*Resource temporarily unavailable"):
        run_in_worker(worker_functions.add, 1, 2)


def test_run_in_worker__survives_a_crash_in_a_library() -> None:
    with pytest.raises(WorkerError, match=r"MV1601: .*SIGSEGV") as caught:
        run_in_worker(worker_functions.read_null_pointer)
    assert "string_at" in caught.value.__notes__[0], "the log tells where it happened"


def test_run_in_worker__repeats_what_a_library_printed_before_it_crashed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(WorkerError, match="printed: libtiff: strip 7 is rotten"):
        run_in_worker(worker_functions.print_and_crash)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_run_in_worker__keeps_only_the_end_of_what_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run_in_worker(worker_functions.print_much, 2**22) == 2**22
    assert capfd.readouterr().out == ""


def test_run_in_worker__reports_an_exit_without_an_answer() -> None:
    for status in (0, 3):
        with pytest.raises(WorkerError, match=f"MV1601: .*ended with status {status} before"):
            run_in_worker(worker_functions.exit_at_once, status)


def test_run_in_worker__reports_a_process_that_hangs_up_and_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("medvlp.jobs.worker_process._EXIT_S", 0.2)
    with pytest.raises(WorkerError, match=r"MV1601: .*closed its connection"):
        run_in_worker(worker_functions.close_channel_and_stay)


def test_run_in_worker__knows_the_message_of_a_cpp_library_without_memory() -> None:
    with pytest.raises(WorkerError, match=r"MV1602: .*bad_alloc"):
        run_in_worker(worker_functions.abort_like_bad_alloc)


def test_run_in_worker__refuses_a_result_that_is_larger_than_the_limit() -> None:
    limits = WorkerLimits(memory_bytes=2**24)
    with pytest.raises(WorkerError, match="MV1602"):
        run_in_worker(worker_functions.many_views, 1, 2**25, limits=limits)
    with pytest.raises(WorkerError, match=r"MV1602: .*a message of \d+ bytes, more than"):
        run_in_worker(worker_functions.many_views, 32, 2**20, limits=limits)


def test_run_in_worker__explains_what_a_script_without_a_guard_lacks(tmp_path: Path) -> None:
    script = """
        from medvlp.errors import WorkerError
        from medvlp.jobs.workers import run_in_worker
        def add(a, b):
            return a + b
        try:
            run_in_worker(add, 1, 2)
        except WorkerError as error:
            raise SystemExit(f"said: {error}")
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(script))
    process = start_script(tmp_path / "main.py", stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "said: MV1604" in said
    assert '__name__ == "__main__"' in said


@pytest.mark.parametrize("limits", [{"memory_bytes": 0}, {"stall_s": -1.0}, {"total_s": 0.0}])
def test_worker_limits__refuse_what_nothing_could_keep(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        WorkerLimits(**limits)


def test_worker__does_not_import_the_program_again(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, pathlib\n"
        "pathlib.Path(sys.argv[1], str(os.getpid())).touch()\n"
        "from medvlp.jobs.workers import run_in_worker\n"
        "if __name__ == '__main__':\n"
        "    assert run_in_worker(os.getppid) > 0\n"
        "    assert run_in_worker(os.path.basename, 'a/b') == 'b'\n"
        "    assert sys.modules['__main__'].__file__ == __file__\n"
    )
    seen = tmp_path / "seen"
    seen.mkdir()
    subprocess.run([sys.executable, str(program), str(seen)], check=True, timeout=60)
    assert len(list(seen.iterdir())) == 1


def test_worker__imports_the_program_where_a_function_of_it_runs(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from medvlp.jobs.workers import run_in_worker\n"
        "def double(value):\n"
        "    return 2 * value\n"
        "if __name__ == '__main__':\n"
        "    assert run_in_worker(double, 21) == 42\n"
    )
    subprocess.run([sys.executable, str(program)], check=True, timeout=60)
