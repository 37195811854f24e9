import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlp.errors import FeatureError, OutputError, SlideError, UsageError, WorkerError
from medvlp.io import publish_file
from medvlp.jobs.leases import ItemLease
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobItem, JobReport, LeaseSettings, run_items

ROOT = Path(__file__).parents[2]
QUICK = LeaseSettings(heartbeat_s=0.1, stale_s=0.4)
Note = Callable[[str], None]


class CountingProgress(NullProgress):
    def __init__(self) -> None:
        self.worked = 0
        self.skipped = 0

    def advance(self, count: int = 1) -> None:
        self.worked += count

    def skip(self, count: int = 1) -> None:
        self.skipped += count


class Run:
    """A run over items ``a``, ``b`` ... that publish one file each."""

    def __init__(self, folder: Path, keys: str = "abc") -> None:
        self.folder = folder
        self.items = [JobItem(key, f"case {key}", key.upper()) for key in keys]
        self.errors: dict[str, list[BaseException]] = {}
        self.calls: list[str] = []
        self.progress = CountingProgress()

    def output(self, item: JobItem[str]) -> Path:
        return self.folder / "out" / f"{item.key}.txt"

    def is_done(self, item: JobItem[str]) -> bool:
        return self.output(item).exists()

    def work(self, item: JobItem[str], note_stage: Note) -> None:
        self.calls.append(item.key)
        note_stage("embed")
        with publish_file(self.output(item), replace=False) as temporary:
            temporary.write_text(item.payload)
            if errors := self.errors.get(item.key):
                raise errors.pop(0)

    def start(self, **kwargs: object) -> JobReport:
        settings = {"is_done": self.is_done, "lease": QUICK, "progress": self.progress, **kwargs}
        return run_items(
            self.items,
            settings.pop("work", self.work),
            state_folder=self.folder / "state",
            **settings,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def statuses(report: JobReport) -> dict[str, str]:
    return {outcome.key: outcome.status for outcome in report.outcomes}


def journal_of(folder: Path) -> list[dict[str, object]]:
    lines = []
    for path in sorted((folder / "state" / "journal").glob("*.jsonl")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    return lines


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_run_items__works_on_every_item_and_reuses_it_the_next_time(run: Run) -> None:
    report = run.start()
    assert statuses(report) == {"a": "done", "b": "done", "c": "done"}
    assert report.exit_code == 0
    assert report.failures == ()
    assert (run.progress.worked, run.progress.skipped) == (3, 0)
    assert statuses(run.start()) == {"a": "reused", "b": "reused", "c": "reused"}
    assert run.calls == ["a", "b", "c"]
    assert (run.progress.worked, run.progress.skipped) == (3, 3)
    assert names(run.folder / "state" / "leases") == []
    events = Counter(line["event"] for line in journal_of(run.folder))
    assert events == {"started": 3, "done": 3, "reused": 3}


def test_run_items__of_nothing_is_a_success(run: Run) -> None:
    run.items = []
    assert run.start() == JobReport(())


def test_run_items__fails_one_item_and_finishes_the_others(run: Run) -> None:
    run.errors["b"] = [SlideError("MV1206", "tile 3", expected="a tile", hint="copy it again")]
    report = run.start()
    assert statuses(report) == {"a": "done", "b": "failed", "c": "done"}
    assert report.exit_code == 1
    (failure,) = report.failures
    assert (failure.case_id, failure.stage, failure.code) == ("case b", "embed", "MV1206")
    assert failure.reason == "tile 3; expected a tile"
    assert failure.hint == "copy it again"
    assert failure.seconds >= 0
    assert names(run.folder / "out") == ["a.txt", "c.txt"]
    assert statuses(run.start()) == {"a": "reused", "b": "done", "c": "reused"}


def test_run_items__logs_an_unexpected_error_until_the_item_succeeds(run: Run) -> None:
    run.errors["b"] = [ZeroDivisionError("no tiles")]
    (failure,) = run.start().failures
    log = run.folder / "state" / "logs" / "b.txt"
    assert (failure.code, failure.reason) == ("MV1600", "ZeroDivisionError: no tiles")
    assert failure.hint == f"the log is {log}"
    assert "test_runner.py" in log.read_text()
    assert "ZeroDivisionError: no tiles" in log.read_text()
    run.start()
    assert not log.exists()


def test_run_items__logs_what_a_worker_left_as_a_note(run: Run) -> None:
    crash = WorkerError("MV1601", "ended by SIGSEGV", hint="copy it again")
    crash.add_note("Fatal Python error: in openslide_read_region")
    run.errors["b"] = [crash]
    (failure,) = run.start().failures
    assert failure.hint.startswith("copy it again; the log is ")
    assert "openslide_read_region" in (run.folder / "state" / "logs" / "b.txt").read_text()


def test_run_items__names_lack_of_memory(run: Run) -> None:
    run.errors["a"] = [MemoryError()]
    assert run.start().failures[0].code == "MV1602"


def test_run_items__fails_an_item_whose_result_cannot_be_judged(run: Run) -> None:
    def is_done(item: JobItem[str]) -> bool:
        if item.key == "a":
            raise FeatureError("MV1302", "a.h5 was made with another encoder")
        return run.is_done(item)

    (failure,) = run.start(is_done=is_done).failures
    assert (failure.key, failure.stage, failure.code) == ("a", "check", "MV1302")
    assert run.calls == ["b", "c"]


def test_run_items__tries_again_as_often_as_told_after_the_others(run: Run) -> None:
    run.errors["a"] = [OSError(errno.EIO, "flaky"), OSError(errno.EIO, "flaky")]
    assert statuses(run.start(retries=2)) == {"a": "done", "b": "done", "c": "done"}
    assert run.calls == ["a", "b", "c", "a", "a"]
    events = Counter(line["event"] for line in journal_of(run.folder))
    assert events["retried"] == 2
    assert run.progress.worked == 3


def test_run_items__counts_an_item_that_another_process_published_first(run: Run) -> None:
    def work(item: JobItem[str], note_stage: Note) -> None:
        with publish_file(run.output(item), replace=False) as temporary:
            temporary.write_text("ours")
            run.output(item).write_text("theirs")

    assert set(statuses(run.start(work=work)).values()) == {"reused"}
    assert run.output(run.items[0]).read_text() == "theirs"


def test_run_items__refuses_an_output_of_another_run_in_the_way(run: Run) -> None:
    run.start()
    (failure, *_) = run.start(is_done=lambda _: False).failures
    assert failure.code == "MV1605"
    assert "a.txt exists, but does not belong to this run" in failure.reason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "MV1105"),
        (OSError(errno.EROFS, "Read-only file system"), "MV1104"),
        (RuntimeError("write failed: errno = 28, 'No space left on device'"), "MV1105"),
        (OutputError("MV1104", "out/a.txt cannot be written"), "MV1104"),
    ],
)
def test_run_items__stops_when_the_output_cannot_be_written(
    run: Run, error: Exception, code: str
) -> None:
    def work(item: JobItem[str], note_stage: Note) -> None:
        run.calls.append(item.key)
        raise error

    with pytest.raises(OutputError, match=code):
        run.start(work=work)
    assert run.calls == ["a"]
    assert names(run.folder / "state" / "leases") == []


def test_run_items__does_not_stop_for_an_input_that_may_not_be_read(run: Run) -> None:
    run.errors["a"] = [PermissionError(errno.EACCES, "Permission denied", "slide.svs")]
    assert statuses(run.start()) == {"a": "failed", "b": "done", "c": "done"}


def test_run_items__refuses_a_state_folder_that_is_a_file(run: Run) -> None:
    (run.folder / "state").write_text("")
    with pytest.raises(UsageError, match="MV1103"):
        run.start()


@pytest.mark.parametrize("keys", [["../a"], ["a", "A"], [""], ["con"]])
def test_run_items__refuses_keys_that_are_unsafe_or_shared(run: Run, keys: list[str]) -> None:
    run.items = [JobItem(key, key, key) for key in keys]
    with pytest.raises(ValueError, match=r"is not a safe file name|is there twice"):
        run.start()


def test_run_items__waits_for_an_item_that_another_process_finishes(run: Run) -> None:
    run.start(is_done=lambda _: True)  # makes the folders
    steady = LeaseSettings(heartbeat_s=0.2, stale_s=10)
    lease = ItemLease(run.folder / "state" / "leases" / "a.lease", steady)
    assert lease.acquire()

    def finish() -> None:
        time.sleep(0.5)
        run.output(run.items[0]).write_text("theirs")

    thread = threading.Thread(target=finish)
    thread.start()
    report = run.start(lease=steady)
    thread.join()
    lease.release()
    assert statuses(report) == {"a": "reused", "b": "done", "c": "done"}
    assert [outcome.key for outcome in report.outcomes] == ["a", "b", "c"]
    assert run.calls == ["b", "c"], "the others do not wait for it"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_items__leaves_in_good_order_when_it_is_told_to_stop(
    run: Run, number: signal.Signals
) -> None:
    def work(item: JobItem[str], note_stage: Note) -> None:
        if item.key == "b":
            with publish_file(run.output(item)) as temporary:
                temporary.write_text("half")
                os.kill(os.getpid(), number)
                time.sleep(60)
        run.work(item, note_stage)

    with pytest.raises(KeyboardInterrupt):
        run.start(work=work)
    assert names(run.folder / "out") == ["a.txt"]
    assert names(run.folder / "state" / "leases") == []
    assert [line["event"] for line in journal_of(run.folder)] == [
        "started",
        "done",
        "started",
        "interrupted",
    ]
    assert statuses(run.start()) == {"a": "reused", "b": "done", "c": "done"}


def test_run_items__notices_a_signal_that_a_library_swallowed(run: Run) -> None:
    def work(item: JobItem[str], note_stage: Note) -> None:
        run.work(item, note_stage)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            run.calls.append("swallowed")

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        run.start(work=work)
    assert run.calls == ["a", "swallowed"]


def start_process(folder: Path, *args: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.jobs.publishing_run", str(folder), *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def finish(process: "subprocess.Popen[str]", timeout_s: float = 120) -> dict[str, str]:
    out, err = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, err
    return dict(pair.split(":") for pair in out.split()[-1].split(","))


def assert_published_once(folder: Path, num_items: int) -> None:
    done = Counter(line["key"] for line in journal_of(folder) if line["event"] == "done")
    assert done == {f"item_{i:03}": 1 for i in range(num_items)}
    assert names(folder / "out") == [f"item_{i:03}.txt" for i in range(num_items)]
    assert all((folder / "out" / f"{key}.txt").read_text() == key for key in done)
    assert names(folder / "state" / "leases") == []


def test_run_items__takes_over_from_a_killed_process(tmp_path: Path) -> None:
    holder = start_process(tmp_path, 3, 0, "hang", "item_001")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "hanging\n"
    holder.kill()
    holder.communicate()
    started = time.monotonic()
    expected = {"item_000": "reused", "item_001": "done", "item_002": "done"}
    assert finish(start_process(tmp_path, 3, 0)) == expected
    assert time.monotonic() - started < 10
    assert_published_once(tmp_path, 3)


@pytest.mark.parametrize("num_processes", [2, 8])
def test_run_items__of_many_processes_publish_each_item_once(
    tmp_path: Path, num_processes: int
) -> None:
    processes = [start_process(tmp_path, 50, 0.005) for _ in range(num_processes)]
    reports = [finish(process) for process in processes]
    assert all(set(report) == {f"item_{i:03}" for i in range(50)} for report in reports)
    assert_published_once(tmp_path, 50)


@pytest.mark.slow
def test_run_items__of_processes_that_are_killed_again_and_again_publish_once(
    tmp_path: Path,
) -> None:
    for _ in range(15):
        processes = [start_process(tmp_path, 200, 0.01) for _ in range(3)]
        time.sleep(0.7)
        for process in processes:
            process.kill()
            process.communicate()
    finish(start_process(tmp_path, 200, 0))
    published = [name for name in names(tmp_path / "out") if not name.startswith(".tmp-")]
    assert published == [f"item_{i:03}.txt" for i in range(200)]
    done = Counter(line["key"] for line in journal_of(tmp_path) if line["event"] == "done")
    assert max(done.values()) == 1, "no item may be published twice"
    assert names(tmp_path / "state" / "leases") == []
