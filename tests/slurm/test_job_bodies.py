"""What the body of a job makes of the codes of its tasks; srun and scontrol only tell."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BODY = ROOT / "medvlp" / "jobs" / "train_job.sh"
SHARE = ROOT / "medvlp" / "jobs" / "share_job.sh"


@pytest.fixture
def start(tmp_path):
    """Return a function that runs a body whose srun says some lines and ends with a code."""
    programs = tmp_path / "bin"
    programs.mkdir()
    said = tmp_path / "said.txt"

    def write(name: str, text: str) -> None:
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)

    def run(lines: list[str], code: int, *args: str, body: Path = BODY, **env: str):
        told = "".join(f"echo '{line}' >&2\n" for line in lines)
        write("srun", f'echo "srun $SRUN_CPUS_PER_TASK: $*" >>{said}\n{told}exit {code}')
        shown = 'if [ "$1" = show ]; then echo "JobId=7 $SHOWN Requeue=1"; exit 0; fi'
        write("scontrol", f'{shown}\necho "scontrol $*" >>{said}; exit ${{NO_REQUEUE:-0}}')
        write("sleep", "exit 0")
        slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "4"}
        slurm |= {"SHOWN": "JobState=RUNNING Reason=None"}
        kept = {name: value for name, value in os.environ.items() if "SLURM" not in name}
        path = {"PATH": f"{programs}:{os.environ['PATH']}"}
        command = ["bash", "-c", f'source {body} "$@"', "job", *args]
        return subprocess.run(
            command, env=kept | path | slurm | env, capture_output=True, text=True, check=False
        ), (said.read_text().splitlines() if said.exists() else [])

    return run


def test_train_job__ends_with_0_where_the_run_has_finished(start):
    found, said = start(["a warning"], 0, "--config=a b", SLURM_CPUS_PER_TASK="6")
    assert found.returncode == 0
    assert found.stderr == "a warning\n"
    assert said == [
        "srun 6: --kill-on-bad-exit=1 --unbuffered medvlp train fit --config=a b "
        "--trainer.num_nodes=2 --trainer.devices=4 --run.progress=false"
    ]


BAD = "srun: error: node1: task 0: Exited with exit code"


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        ([f"{BAD} 75"], 143, "exit code 75: requeued"),
        ([f"{BAD} 1"], 143, "exit code 143: requeued"),
        (["srun: error: node1: task 0: Killed"], 137, "exit code 137: requeued"),
        ([f"a task tells of {BAD} 2"], 1, "exit code 1: requeued"),
    ],
)
def test_train_job__is_requeued_where_a_task_died_or_was_stopped(start, lines, code, told):
    found, said = start(lines, code, SLURM_RESTART_COUNT="19")
    assert told in found.stdout
    assert said[-1] == "scontrol requeue 7"


@pytest.mark.parametrize(
    ("shown", "is_requeued"),
    [
        ("JobState=RUNNING Reason=None", True),
        ("JobState=TIMEOUT Reason=TimeLimit", True),
        ("JobState=COMPLETING Reason=TimeLimit", True),
        ("", True),
        ("JobState=CANCELLED Reason=None", False),
        ("JobState=COMPLETING Reason=None", False),
        ("JobState=PREEMPTED Reason=None", False),
    ],
)
def test_train_job__is_requeued_unless_slurm_ends_it(start, shown, is_requeued):
    found, said = start([f"{BAD} 75"], 75, SHOWN=shown)
    if is_requeued:
        assert said[-1] == "scontrol requeue 7"
        return
    state = shown.split("=")[1].split()[0]
    assert found.returncode == 75
    assert f"exit code 75: not requeued ({state})" in found.stdout
    assert len(said) == 1


@pytest.mark.parametrize("code", [2, 143])
def test_train_job__ends_where_a_task_was_refused_whatever_became_of_the_others(start, code):
    found, said = start([f"{BAD} 2", "srun: error: node2: task 1: Terminated"], code)
    assert found.returncode == 2
    assert "refused" in found.stdout
    assert len(said) == 1


def test_train_job__is_given_up_after_so_many_restarts(start):
    for env in ({"SLURM_RESTART_COUNT": "20"}, {"MEDVLP_MAX_RESTARTS": "0"}):
        found, said = start([f"{BAD} 75"], 75, **env)
        assert found.returncode == 75
        assert "given up" in found.stdout
        assert not [line for line in said if "scontrol" in line]


def test_train_job__says_how_to_go_on_where_it_cannot_be_requeued(start):
    found, said = start([f"{BAD} 75"], 75, NO_REQUEUE="1")
    assert found.returncode == 75
    assert "submit the same command again" in found.stdout
    assert said[-1] == "scontrol requeue 7"


def test_train_job__takes_words_from_its_setup(start, tmp_path):
    setup = tmp_path / "setup.sh"
    setup.write_text("srun_options=(--mpi=none)\ncontainer=(apptainer exec 'my image.sif')\n")
    _, said = start([], 0, MEDVLP_SETUP=str(setup))
    words = "--unbuffered --mpi=none apptainer exec my image.sif medvlp train fit"
    assert words in said[0]
    found, said = start([], 0, MEDVLP_SETUP=str(tmp_path / "none.sh"))
    assert found.returncode == 2
    assert f"MEDVLP_SETUP={tmp_path / 'none.sh'} failed" in found.stdout
    assert len(said) == 1


@pytest.mark.parametrize("body", [BODY, SHARE])
def test_body__takes_a_setup_that_reads_what_is_not_set(start, tmp_path, body):
    setup = tmp_path / "setup.sh"
    setup.write_text('PS1="(env) $NOT_SET_ANYWHERE"\n')
    found, said = start([], 0, "embed", body=body, MEDVLP_SETUP=str(setup))
    assert found.returncode == 0
    assert len(said) == 1


def test_share_job__hands_on_the_command_and_its_code(start):
    found, said = start([], 1, "embed", "my slides", "--out", "x", body=SHARE)
    assert found.returncode == 1
    assert said == ["srun : --unbuffered medvlp embed my slides --out x"]
