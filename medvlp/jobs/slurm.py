"""Talk to SLURM: submit a script, ask what became of a job, follow its log.

Only sbatch, squeue and scontrol are called, since accounting (sacct) is not everywhere.
"""

from __future__ import annotations

import codecs
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.errors import MedvlpError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "ASK_EVERY_S",
    "READ_EVERY_S",
    "JobState",
    "SubmittedJob",
    "follow_job",
    "job_state",
    "submit_script",
]

READ_EVERY_S = 1.0
"""Seconds between looks at a log that is followed."""
ASK_EVERY_S = 15.0
"""Seconds between questions to SLURM, which serves many."""

_OVER = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
}
_ANSWER_S = 60.0
_KILLED = 128
_UNKNOWN_CODE = 1
_PATIENCE = 3


@dataclass(frozen=True)
class SubmittedJob:
    """A job that SLURM has taken.

    Attributes:
        number: Its number.
        cluster: The cluster, where sbatch names one.
    """

    number: int
    cluster: str = ""

    def words(self) -> list[str]:
        """Return the option that names the cluster."""
        return [f"--clusters={self.cluster}"] if self.cluster else []


@dataclass(frozen=True)
class JobState:
    """What SLURM says of a job.

    Attributes:
        name: State, such as ``PENDING``; ``UNKNOWN`` for a job that SLURM has forgotten.
        exit_code: What the job ended with; 0 while it is not over, 1 where nothing else is known.
        restarts: How often it was started again.
        reason: Why it waits or ended so.
    """

    name: str
    exit_code: int = 0
    restarts: int = 0
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the job will not go on."""
        return self.name in _OVER or self.name == "UNKNOWN"


def submit_script(script: Path) -> SubmittedJob:
    """Submit a script.

    Args:
        script: The file; it stays where it is.

    Raises:
        MedvlpError: If there is no sbatch here (MV1162), or it refuses the script (MV1163).
    """
    if shutil.which("sbatch") is None:
        raise MedvlpError(
            "MV1162",
            f"sbatch is not in PATH, so that {script} was written and not submitted",
            expected="a machine of the cluster",
            hint=f"submit it there: sbatch {shlex.quote(str(script))}",
        )
    found = _call("sbatch", "--parsable", str(script))
    words = found.stdout.strip().splitlines()
    number, _, cluster = (words[-1] if words else "").partition(";")
    if found.returncode or not number.isdigit():
        said = " ".join((found.stderr or found.stdout).split())
        raise MedvlpError(
            "MV1163",
            f"sbatch refuses {script}: {said or f'exit code {found.returncode}'}",
            hint="correct the site profile or the options, and submit again",
        )
    return SubmittedJob(int(number), cluster)


def job_state(job: SubmittedJob) -> JobState:
    """Ask what a job is doing.

    Args:
        job: The job.

    Raises:
        MedvlpError: If SLURM does not answer (MV1164).
    """
    found = _call("scontrol", *job.words(), "show", "job", "-o", str(job.number))
    if found.returncode:
        said = " ".join((found.stderr or found.stdout).split())
        if "Invalid job id" in said:
            return JobState("UNKNOWN", _UNKNOWN_CODE, reason="SLURM no longer knows the job")
        raise MedvlpError("MV1164", f"the state of job {job.number} cannot be told: {said}")
    facts = dict(word.split("=", 1) for word in found.stdout.split() if "=" in word)
    name = facts.get("JobState", "UNKNOWN")
    return JobState(
        name,
        _exit_code(name, facts.get("ExitCode", "")),
        int(facts.get("Restarts", "0")),
        facts.get("Reason", ""),
    )


def _exit_code(name: str, stated: str) -> int:
    """Return the code of a job that is over: its own, 128 + N for signal N, 1 for other ends."""
    if name not in _OVER or name == "COMPLETED":
        return 0
    code, _, number = stated.partition(":")
    if number.isdigit() and int(number):
        return _KILLED + int(number)
    return int(code) if code.isdigit() and int(code) else _UNKNOWN_CODE


class _Log:
    """The end of a log that grows.

    Args:
        path: The file; may not exist yet.
        write: Takes new text.
    """

    def __init__(self, path: Path, write: Callable[[str], object]) -> None:
        self._path = path
        self._write = write
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def copy_new(self) -> None:
        """Hand on what has been written since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._position)
            content = stream.read()
        self._position += len(content)
        text = self._decoder.decode(content)
        if text:
            self._write(text)


class _Watched:
    """A job that is asked about again and again.

    Args:
        job: The job.
        tell: Takes its state whenever it is another.
    """

    def __init__(self, job: SubmittedJob, tell: Callable[[JobState], object]) -> None:
        self._job = job
        self._tell = tell
        self._unanswered = 0
        self.state = JobState("")

    def ask(self) -> bool:
        """Return whether the job was over already when it was asked about before.

        A job that is being requeued reads as failed for a moment: only the second time counts.
        """
        before = self.state
        try:
            self.state = job_state(self._job)
            self._unanswered = 0
        except MedvlpError:
            self._unanswered += 1
            if self._unanswered == _PATIENCE:
                raise
            return False
        if self.state != before:
            self._tell(self.state)
        return before.is_over and self.state.is_over


def follow_job(
    job: SubmittedJob,
    log: Path,
    write: Callable[[str], object],
    tell: Callable[[JobState], object],
    *,
    read_every_s: float | None = None,
    ask_every_s: float | None = None,
) -> JobState:
    """Write what a job logs until it is over, through all its restarts.

    Args:
        job: The job.
        log: Its log; may not exist yet.
        write: Takes new text of the log.
        tell: Takes the state of the job whenever it is another.
        read_every_s: Seconds between looks at the log; None for READ_EVERY_S.
        ask_every_s: Seconds between questions to SLURM; None for ASK_EVERY_S.

    Returns:
        The last state.

    Raises:
        MedvlpError: If SLURM does not answer three times in a row (MV1164).
    """
    pause = READ_EVERY_S if read_every_s is None else read_every_s
    between = ASK_EVERY_S if ask_every_s is None else ask_every_s
    watched, tail = _Watched(job, tell), _Log(log, write)
    next_question = 0.0
    while True:
        tail.copy_new()
        if time.monotonic() >= next_question:
            if watched.ask():
                tail.copy_new()
                return watched.state
            next_question = time.monotonic() + between
        time.sleep(pause)


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # a program of SLURM with words of our own
            words, capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MedvlpError("MV1164", f"{words[0]} gives no answer ({error})") from error
