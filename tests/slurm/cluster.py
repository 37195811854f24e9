"""Two SLURM nodes on this machine: started as root without systemd, stopped by pid."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CONF = """
ClusterName=ci
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser=root
FirstJobId={ports[3]}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=10
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
ReturnToService=2
MailProg=/bin/true
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
NodeName=DEFAULT CPUs=16 RealMemory=2000 Gres=gpu:2 State=UNKNOWN
NodeName=node1 NodeHostname=localhost Port={ports[1]}
NodeName=node2 NodeHostname=localhost Port={ports[2]}
PartitionName=low Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 \
PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=node[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
GRES = "NodeName=node[1-2] Name=gpu File=/dev/zero,/dev/full\n"
# SLURM 23.11 and later look for a control group of systemd even where no plug-in uses one
CGROUP = "CgroupPlugin=disabled\n"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol", "squeue")
DONE = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}


def why_not() -> str:
    """Say why there can be no cluster here; empty where there can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (Debian: slurm-wlm)"
    return "" if os.geteuid() == 0 else "the daemons of SLURM are started as root"


class Cluster:
    """A running cluster; use it in a ``with`` block."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = os.environ | {"SLURM_CONF": str(root / "slurm.conf")}

    def __enter__(self) -> "Cluster":
        for name in ("state", "spool/node1", "spool/node2"):
            (self.root / name).mkdir(parents=True)
        conf = CONF.format(root=self.root, ports=_free_ports(4))
        # the numbers of jobs, too: the port on which ranks meet is made of them
        (self.root / "slurm.conf").write_text(conf)
        (self.root / "gres.conf").write_text(GRES)
        if _version() >= (23, 11):
            (self.root / "cgroup.conf").write_text(CGROUP)
        try:
            self._run("slurmctld", "-c", "-i")
            for node in ("node1", "node2"):
                self._run("slurmd", "-N", node)
            self.wait_until(self._has_two_nodes, 60, "two idle nodes")
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self._stop()
            told = f"SLURM {_version()} does not start here: {error}\n{self._logs()}"
            raise AssertionError(told) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._run("scancel", "--user=root", check=False)
        until = time.monotonic() + 20
        while self._run("squeue", "-h", check=False) and time.monotonic() < until:
            time.sleep(0.5)
        self._stop()

    def submit(self, *args: str, **env: str) -> str:
        """Submit a job and return its number."""
        return self._run("sbatch", "--parsable", "--export=ALL", *args, extra=env)

    def control(self, *args: str) -> str:
        """Call scontrol."""
        return self._run("scontrol", *args)

    def cancel(self, *args: str) -> None:
        """Call scancel."""
        self._run("scancel", *args)

    def minutes(self, job: str) -> int:
        """Return how many minutes a job has been running."""
        told = self._run("squeue", "-h", "-j", job, "-o", "%M")
        parts = [int(part) for part in told.replace("-", ":").split(":")]
        return sum(part * factor for part, factor in zip(parts[-2::-1], (1, 60), strict=False))

    def limit_time(self, job: str, minutes: int) -> None:
        """Change how long a job may run, below a day; one being requeued refuses at first."""
        wanted = f"{minutes // 60:02d}:{minutes % 60:02d}:00"

        def is_so() -> bool:
            self._run("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}", check=False)
            return self.facts(job)["TimeLimit"] == wanted

        self.wait_until(is_so, 60, f"a time limit of {wanted}")

    def facts(self, job: str) -> dict[str, str]:
        """Return what SLURM says of a job."""
        told = self._run("scontrol", "show", "job", "-o", job).splitlines()[0]
        return dict(word.split("=", 1) for word in told.split() if "=" in word)

    def wait_until_over(self, job: str, seconds: float, restarts: int = 0) -> dict[str, str]:
        """Wait for the end of a job through its restarts, of which there are so many at least.

        A job that is requeued begins when the credentials of its last start are void; begun before,
        it may be refused with them. It reads as failed for a moment.
        """

        def is_over() -> bool:
            facts = self.facts(job)
            return facts["JobState"] in DONE and int(facts["Restarts"]) >= restarts

        while True:
            self.wait_until(is_over, seconds, f"job {job}")
            if self.facts(job)["JobState"] != "COMPLETED":
                time.sleep(10)
            if is_over():
                return self.facts(job)

    def wait_until(
        self, is_done: Callable[[], bool], seconds: float, what: str, every_s: float = 0.5
    ) -> None:
        """Wait until something is so; tell what the daemons said where it does not come."""
        until = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > until:
                raise AssertionError(f"waited {seconds:.0f} s for {what}; {self._logs()}")
            time.sleep(every_s)

    def wait_for_line(self, path: Path, text: str, seconds: float) -> None:
        """Wait until a file holds some text."""
        self.wait_until(lambda: path.exists() and text in path.read_text(), seconds, f"{text!r}")

    def _run(self, *command: str, check: bool = True, extra: dict[str, str] | None = None) -> str:
        found = subprocess.run(
            command,
            env=self.env | (extra or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert found.returncode == 0 or not check, f"{command}: {found.stderr}"
        return found.stdout.strip()

    def _has_two_nodes(self) -> bool:
        return self._run("sinfo", "-h", "-t", "idle", "-o", "%D", check=False) == "2"

    def _logs(self) -> str:
        return "\n".join(
            f"{path.name}:\n{path.read_text()[-3000:]}" for path in sorted(self.root.glob("*.log"))
        )

    def _stop(self) -> None:
        for name in ("slurmd-node1", "slurmd-node2", "slurmctld"):
            path = self.root / f"{name}.pid"
            if path.exists() and path.read_text().strip():
                with suppress(ProcessLookupError):
                    os.kill(int(path.read_text()), signal.SIGKILL)


def _version() -> tuple[int, ...]:
    told = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in re.findall(r"\d+", told.stdout)[:2])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports
