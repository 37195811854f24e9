"""Jobs are submitted, asked about and followed; whatever SLURM says ends in an honest code."""

import pytest

from medvlp.errors import MedvlpError
from medvlp.jobs.slurm import JobState, SubmittedJob, follow_job, job_state, submit_script
from tests.jobs.fake_slurm import FakeSlurm

JOB = SubmittedJob(7)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path)
    monkeypatch.setenv("PATH", fake.path)
    return fake


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "my job.sbatch"
    path.write_text("#!/bin/bash\n")
    return path


def test_submit_script__returns_the_number(slurm, script):
    assert submit_script(script) == SubmittedJob(7)
    assert slurm.words("sbatch") == ["--parsable", str(script)]


def test_submit_script__returns_the_cluster_and_overlooks_notices(slurm, script):
    (slurm.root / "number").write_text("sbatch: a notice of the site\n8;alps\n")
    job = submit_script(script)
    assert job == SubmittedJob(8, "alps")
    assert job.words() == ["--clusters=alps"]


def test_submit_script__hands_on_a_refusal(slurm, script):
    (slurm.root / "refusal").write_text("sbatch: error: invalid partition specified: gpuu\n")
    with pytest.raises(MedvlpError, match="invalid partition specified: gpuu") as caught:
        submit_script(script)
    assert caught.value.code == "MV1163"


def test_submit_script__needs_a_number(slurm, script):
    (slurm.root / "number").write_text("")
    with pytest.raises(MedvlpError, match="sbatch refuses"):
        submit_script(script)


def test_submit_script__says_how_to_go_on_without_sbatch(tmp_path, script, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MedvlpError, match=f"submit it there: sbatch '{script}'") as caught:
        submit_script(script)
    assert caught.value.code == "MV1162"
    assert script.exists()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("JobState=PENDING Restarts=0 ExitCode=0:0", JobState("PENDING", 0, 0, "None")),
        ("JobState=RUNNING Restarts=2 ExitCode=0:0", JobState("RUNNING", 0, 2, "None")),
        ("JobState=COMPLETED Restarts=1 ExitCode=0:0", JobState("COMPLETED", 0, 1, "None")),
        ("JobState=FAILED Restarts=0 ExitCode=2:0", JobState("FAILED", 2, 0, "None")),
        ("JobState=FAILED Restarts=0 ExitCode=0:9", JobState("FAILED", 137, 0, "None")),
        ("JobState=CANCELLED Restarts=0 ExitCode=0:15", JobState("CANCELLED", 143, 0, "None")),
        ("JobState=TIMEOUT Restarts=0 ExitCode=0:0", JobState("TIMEOUT", 1, 0, "None")),
        ("JobState=NODE_FAIL Restarts=0 ExitCode=0:0", JobState("NODE_FAIL", 1, 0, "None")),
    ],
)
def test_job_state__is_what_slurm_says(slurm, answer, state):
    slurm.states(answer)
    assert job_state(JOB) == state
    assert state.is_over == (state.name not in {"PENDING", "RUNNING"})
    assert slurm.words("scontrol") == ["show job -o 7"]


def test_job_state__is_unknown_once_slurm_has_forgotten(slurm):
    slurm.states("error:slurm_load_jobs error: Invalid job id specified")
    state = job_state(JOB)
    assert (state.name, state.exit_code, state.is_over) == ("UNKNOWN", 1, True)


def test_job_state__needs_an_answer(slurm):
    slurm.states("error:Unable to contact slurm controller")
    with pytest.raises(MedvlpError, match="Unable to contact slurm controller") as caught:
        job_state(JOB)
    assert caught.value.code == "MV1164"


def follow(slurm) -> tuple[JobState, str, list[str]]:
    written, told = [], []
    state = follow_job(
        JOB,
        slurm.root / "job.log",
        written.append,
        lambda state: told.append(state.name),
        read_every_s=0.001,
        ask_every_s=0.0,
    )
    return state, "".join(written), told


def test_follow_job__shows_the_log_through_restarts(slurm):
    running = "JobState=RUNNING Restarts=0 ExitCode=0:0"
    slurm.states(
        running,
        "log:step 1 \u00e4 ",
        "JobState=FAILED Restarts=0 ExitCode=1:0",
        "JobState=PENDING Restarts=1 ExitCode=0:0",
        "log:step 2",
        "JobState=COMPLETED Restarts=1 ExitCode=0:0",
    )
    state, log, told = follow(slurm)
    assert state == JobState("COMPLETED", 0, 1, "None")
    assert log == "step 1 \u00e4 step 2"
    assert told == ["RUNNING", "FAILED", "PENDING", "RUNNING", "COMPLETED"]


def test_follow_job__ends_with_the_code_of_a_job_that_stays_failed(slurm):
    slurm.states("JobState=RUNNING Restarts=0 ExitCode=0:0", "JobState=FAILED ExitCode=2:0")
    state, _, told = follow(slurm)
    assert state.exit_code == 2
    assert told == ["RUNNING", "FAILED"]


def test_follow_job__bears_silence_for_a_while(slurm):
    silence = "error:Socket timed out"
    slurm.states(silence, silence, "JobState=COMPLETED ExitCode=0:0")
    assert follow(slurm)[0].name == "COMPLETED"
    (slurm.root / "asked").write_text("0")
    slurm.states("JobState=RUNNING ExitCode=0:0", silence)
    with pytest.raises(MedvlpError, match="Socket timed out"):
        follow(slurm)
    assert len(slurm.words("scontrol")) == 4 + 4


def test_follow_job__keeps_letters_whole(slurm, tmp_path):
    """A letter of two bytes may be half written when the log is looked at."""
    log = slurm.root / "job.log"
    log.write_bytes("\u00e4".encode()[:1])
    slurm.states("JobState=COMPLETED ExitCode=0:0")
    written: list[str] = []

    def complete(_: JobState) -> None:
        log.write_bytes("\u00e4b".encode())

    follow_job(JOB, log, written.append, complete, read_every_s=0.001, ask_every_s=0.0)
    assert "".join(written) == "\u00e4b"
