"""Kill a run anywhere and start it again; let two runs share a folder: nothing differs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from medvlp.phantoms.cohort import write_cohort

KILLS = 10


def command(source: Path, model: Path, task: Path, out: Path) -> list[str]:
    words = [
        "zero-shot",
        str(source),
        "--model",
        str(model),
        "--task",
        str(task),
        "--out",
        str(out),
    ]
    return [sys.executable, "-m", "medvlp", *words]


def outputs(run: Path) -> dict[str, bytes]:
    """Return what must not differ: all but the record of times and the state of jobs."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and ".medvlp" not in path.parts
        and path.name not in {"run.json", "report.html"}
    }


def journal(run: Path) -> list[dict[str, str]]:
    folder = run / ".medvlp" / "zero-shot" / "journal"
    return [
        json.loads(line)
        for path in sorted(folder.iterdir())
        for line in path.read_text().splitlines()
        if line.endswith("}")
    ]


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, slides_per_diagnosis=2, seed=11, size_px=(1536, 1536))
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run(command(slides, bundle_folder, task_file, out), check=True, timeout=300)
    return out


@pytest.mark.slow
def test_run__survives_ten_kills_at_random_moments(
    slides: Path, bundle_folder: Path, task_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = command(slides, bundle_folder, task_file, out)
    moments = random.Random(5)
    killed = 0
    for attempt in range(KILLS):
        process = subprocess.Popen(
            words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            # Loading takes seconds: wait for the run to begin before drawing the moment.
            deadline = time.monotonic() + 60
            seen = len(list((out / ".medvlp").rglob("*.jsonl"))) if out.exists() else 0
            while process.poll() is None and time.monotonic() < deadline:
                now = len(list((out / ".medvlp").rglob("*.jsonl"))) if out.exists() else 0
                if now > seen:
                    break
                time.sleep(0.02)
            time.sleep(moments.uniform(0.0, 0.6) + 0.1 * (attempt % 3))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
            process.wait(timeout=60)
    assert killed >= KILLS // 2, "the run was over before most kills"
    subprocess.run(words, check=True, timeout=300)
    assert outputs(out) == outputs(undisturbed)


@pytest.mark.slow
def test_run__of_two_processes_publishes_each_slide_once(
    slides: Path, bundle_folder: Path, task_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = command(slides, bundle_folder, task_file, out)
    both = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert outputs(out) == outputs(undisturbed)
    done = Counter(line["case_id"] for line in journal(out) if line["event"] == "done")
    assert len(done) == 8
    assert set(done.values()) == {1}
