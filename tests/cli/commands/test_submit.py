"""``medvlp submit``: what is wrong is told before anything is queued; a queued job is followed."""

import json
import re
import shlex
from pathlib import Path

import pytest

from medvlp.cli.main import main
from tests.jobs.fake_slurm import FakeSlurm
from tests.training.conftest import SMOKE


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    (tmp_path / "slurm").mkdir()
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MEDVLP_SITE", raising=False)
    return fake


@pytest.fixture
def run_folder(tmp_path):
    return tmp_path / "my run"


def submit(run_folder, *words: str, config: Path = SMOKE) -> int:
    options = ["submit", str(config), "--gpus-per-node", "2"]
    cut = words.index("--") if "--" in words else len(words)
    training = [f"--run.folder={run_folder}", *words[cut + 1 :]]
    return main([*options, *words[:cut], "--", *training])


def test_submit__queues_what_was_checked(slurm, run_folder, capsys):
    assert submit(run_folder, "--nodes", "2", "--", "--data.seed=3") == 0
    folder = run_folder / "slurm"
    script = (folder / "job.sbatch").read_text()
    assert slurm.words("sbatch") == ["--parsable", str(folder / "job.sbatch")]
    assert "#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=2\n" in script
    assert f'#SBATCH --output="{folder}/%x-%j.log"' in script
    assert f"#SBATCH --chdir={Path.cwd()}" in script
    settings = next(line for line in script.splitlines() if line.startswith("set -- "))
    words = ["--config", str(folder / "config.yaml"), f"--run.folder={run_folder}"]
    assert shlex.split(settings)[2:] == [*words, "--data.seed=3"]
    assert (folder / "config.yaml").read_bytes() == SMOKE.read_bytes()
    told = capsys.readouterr().out
    assert "job: 7" in told
    assert f"log: {folder}/smoke-7.log" in told
    assert f"tail -F '{folder}/smoke-7.log'" in told
    assert json.loads((folder / "job.json").read_text())["job"] == 7


def test_submit__prints_json(slurm, run_folder, capsys):
    assert submit(run_folder, "--json", "--name", "a-name") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["job"] == 7
    assert told["log"] == str(run_folder / "slurm" / "a-name-7.log")


def test_submit__follows_to_the_jobs_own_end(slurm, run_folder, capsys, monkeypatch):
    monkeypatch.setattr("medvlp.jobs.slurm.READ_EVERY_S", 0.001)
    monkeypatch.setattr("medvlp.jobs.slurm.ASK_EVERY_S", 0.0)
    slurm.states("JobState=RUNNING ExitCode=0:0", "JobState=FAILED Restarts=2 ExitCode=3:0")
    log = run_folder / "slurm" / "smoke-7.log"
    log.parent.mkdir(parents=True)
    log.write_text("step 1\n")
    assert submit(run_folder, "--follow") == 3
    told = capsys.readouterr()
    assert told.out.endswith("step 1\n")
    assert told.err == "job 7: RUNNING\njob 7: FAILED, restart 2\n"


def test_submit__leaves_the_job_alone_when_following_is_interrupted(
    slurm, run_folder, capsys, monkeypatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medvlp.jobs.slurm.follow_job", interrupted)
    assert submit(run_folder, "--follow") == 130
    assert "job 7 goes on; end it with: scancel 7" in capsys.readouterr().err


def test_submit__writes_nothing_in_a_dry_run(slurm, run_folder, capsys):
    assert submit(run_folder, "--dry-run") == 0
    assert str(run_folder / "slurm" / "job.sbatch") in capsys.readouterr().out
    assert not run_folder.exists()
    assert not (slurm.root / "sbatch.words").exists()


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (["--", "--model.encodr=1"], "MV1001: .*did you mean 'model.encoder"),
        (["--dry-rum"], "MV1001: .*dry-rum"),
        (["--nodes", "3"], "MV1750: .*batch_size=4 cannot be divided by 6 processes"),
        (["--nodes", "0"], "MV1002: --nodes 0"),
        (["--time", "soon"], "MV1002: --time: time: 'soon' is not valid"),
        (["--name", "a b"], "MV1002: --name 'a b'"),
        (["--site", "none.yaml"], "MV1004: none.yaml is not a file"),
        (["--", "--trainer.devices=4"], "MV1002: --trainer.devices stands among"),
        (["--", "--config", "b.yaml"], "MV1002: --config stands among"),
    ],
)
def test_submit__refuses_before_anything_is_queued(words, phrase, slurm, run_folder, capsys):
    assert submit(run_folder, *words) in {1, 2}
    assert re.search(phrase, capsys.readouterr().err)
    assert not run_folder.exists()
    assert not (slurm.root / "sbatch.words").exists()


def test_submit__needs_a_configuration_that_exists(slurm, run_folder, capsys):
    assert submit(run_folder, config=Path("none.yaml")) == 2
    assert "MV1004" in capsys.readouterr().err


def test_submit__takes_site_and_time(slurm, run_folder, tmp_path, monkeypatch):
    site = tmp_path / "site.yaml"
    site.write_text('partition: gpu\ntime: 24:00:00\nenv: {A: "it\'s; touch owned"}\n')
    monkeypatch.setenv("MEDVLP_SITE", str(site))
    assert submit(run_folder, "--time", "30") == 0
    script = (run_folder / "slurm" / "job.sbatch").read_text()
    assert "#SBATCH --partition=gpu\n" in script
    assert "#SBATCH --time=30\n" in script
    assert """export A='it'"'"'s; touch owned'\n""" in script


def test_submit__keeps_the_script_where_there_is_no_sbatch(
    run_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert submit(run_folder) == 1
    script = run_folder / "slurm" / "job.sbatch"
    assert f"sbatch '{script}'" in capsys.readouterr().err
    assert script.exists()


def test_submit__queues_a_run_once(slurm, run_folder, capsys):
    assert submit(run_folder) == 0
    slurm.states("JobState=PENDING ExitCode=0:0")
    assert submit(run_folder) == 2
    assert "MV1166: job 7 of this run is PENDING" in capsys.readouterr().err
    slurm.states("JobState=TIMEOUT ExitCode=0:0")
    assert submit(run_folder) == 0


def test_submit__refuses_a_finished_run(slurm, run_folder, capsys):
    (run_folder / "bundle").mkdir(parents=True)
    assert submit(run_folder) == 1
    assert "MV1704" in capsys.readouterr().err
