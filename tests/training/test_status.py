"""What can be read of a run from its folder, whole or not, while it trains."""

import json
import math
from pathlib import Path

import pytest

from medvlp.errors import UsageError
from medvlp.training.status import find_runs, read_status

NOW = 1_000_000.0


def make_run(folder: Path, **notes: object) -> Path:
    (folder / "logs").mkdir(parents=True)
    (folder / "state").mkdir()
    (folder / "config.yaml").write_text("recipe: pairs\nrun:\n  name: tiny\n")
    (folder / "logs" / "metrics.csv").write_text(
        "epoch,step,train/loss,validation/loss,speed/samples_per_s\n"
        "0,9,0.5,,100.0\n0,9,,0.75,\n1,19,0.25,,nan\n1,29,0.1"
    )
    for step in (10, 20):
        (folder / "checkpoints" / f"step_{step:09d}").mkdir(parents=True)
    (folder / "checkpoints" / "latest.json").write_text('{"latest": "step_000000020"}')
    record = {
        "state": "running",
        "why": "",
        "step": 25,
        "steps": 100,
        "epoch": 1,
        "epochs": 4,
        "updated": NOW - 5,
        "starts": 3,
        "began_here": NOW - 55,
        "began_here_at_step": 20,
        "slurm_job": "77",
    }
    (folder / "state" / "progress.json").write_text(json.dumps(record | notes))
    return folder


def test_read_status__tells_all_there_is(tmp_path: Path) -> None:
    found = read_status(make_run(tmp_path / "run"), now=NOW)
    assert (found.name, found.recipe, found.state) == ("tiny", "pairs", "running")
    assert (found.step, found.steps, found.epoch, found.epochs) == (25, 100, 1, 4)
    assert (found.sign_age_s, found.restarts, found.slurm_job) == (5.0, 2, "77")
    assert found.seconds_left == pytest.approx(75 * 50 / 5)
    assert (found.checkpoints, found.newest_checkpoint) == ((10, 20), 20)
    assert found.metrics == {"train/loss": 0.25, "speed/samples_per_s": 100.0}
    assert (found.metrics_step, found.validation_step) == (19, 9)
    assert found.validation == {"validation/loss": 0.75}


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ({"updated": NOW - 179}, "running"),
        ({"updated": NOW - 181}, "silent"),
        ({"updated": "soon"}, "silent"),
        ({"state": "stopped", "updated": NOW - 9999}, "stopped"),
        ({"state": "failed"}, "failed"),
        ({"state": "finished"}, "finished"),
    ],
)
def test_read_status__tells_a_run_that_trains_from_one_that_was_killed(
    tmp_path: Path, notes, expected
) -> None:
    assert read_status(make_run(tmp_path / "run", **notes), now=NOW).state == expected


def test_read_status__takes_a_result_for_the_end(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "bundle").mkdir()
    found = read_status(folder, now=NOW)
    assert (found.state, found.seconds_left) == ("finished", None)


def test_read_status__does_without_what_is_missing_or_broken(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{: [")
    found = read_status(tmp_path)
    assert (found.state, found.step, found.metrics, found.checkpoints) == (
        "not begun",
        None,
        {},
        (),
    )
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "progress.json").write_text("[1]")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").write_bytes(b"")
    assert read_status(tmp_path).state == "not begun"


def test_read_status__reads_the_end_of_long_logs(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    lines = [f"0,{step},{step / 1e6!r},,\n" for step in range(200_000)]
    path = folder / "logs" / "metrics.csv"
    path.write_text("epoch,step,train/loss,validation/loss,speed/samples_per_s\n" + "".join(lines))
    found = read_status(folder, now=NOW)
    assert (found.metrics_step, found.metrics) == (199_999, {"train/loss": 0.199999})
    assert math.isfinite(found.sign_age_s or math.nan)


def test_status__takes_a_run_that_was_submitted_for_one_that_has_not_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "slurm").mkdir(parents=True)
    (run / "slurm" / "config.yaml").write_text("recipe: pairs\nrun:\n  name: tiny\n")
    (run / "slurm" / "job.sbatch").write_text("")
    assert find_runs(run) == find_runs(tmp_path) == [run]
    found = read_status(run)
    assert (found.name, found.recipe, found.state) == ("tiny", "pairs", "not begun")


def test_find_runs__takes_a_run_or_a_folder_of_runs(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in ("b", "a")]
    (tmp_path / "other").mkdir()
    assert find_runs(runs[0]) == [runs[0]]
    assert find_runs(tmp_path) == [runs[1], runs[0]]
    for path, what in ((tmp_path / "other", "holds no run"), (tmp_path / "gone", "is no folder")):
        with pytest.raises(UsageError, match=what) as caught:
            find_runs(path)
        assert caught.value.code == "MV1713"
