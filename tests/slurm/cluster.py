"""Two SLURM nodes on this machine: started as root without systemd, stopped by pid."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CONF = """
ClusterName=ci
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=10
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
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
NodeName=node1 NodeHostname=localhost Port={ports[1]} CPUs=4 RealMemory=2000 State=UNKNOWN
NodeName=node2 NodeHostname=localhost Port={ports[2]} CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=low Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 \
PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=node[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
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
        conf = CONF.format(root=self.root, ports=_free_ports(3))
        (self.root / "slurm.conf").write_text(conf)
        self._run("slurmctld", "-c", "-i")
        for node in ("node1", "node2"):
            self._run("slurmd", "-N", node)
        self._wait(lambda: self._run("sinfo", "-h", "-t", "idle", "-o", "%D") == "2", 30, "nodes")
        return self

    def __exit__(self, *_: object) -> None:
        self._run("scancel", "--user=root", check=False)
        for name in ("slurmd-node1", "slurmd-node2", "slurmctld"):
            path = self.root / f"{name}.pid"
            if path.exists():
                os.kill(int(path.read_text()), signal.SIGKILL)

    def submit(self, *args: str, **env: str) -> str:
        """Submit a job and return its number."""
        return self._run("sbatch", "--parsable", "--export=ALL", *args, extra=env)

    def control(self, *args: str) -> str:
        """Call scontrol."""
        return self._run("scontrol", *args)

    def cancel(self, *args: str) -> None:
        """Call scancel."""
        self._run("scancel", *args)

    def facts(self, job: str) -> dict[str, str]:
        """Return what SLURM says of a job."""
        told = self._run("scontrol", "show", "job", "-o", job)
        return dict(word.split("=", 1) for word in told.split() if "=" in word)

    def wait_until_over(self, job: str, seconds: float) -> dict[str, str]:
        """Wait for the end of a job through all its restarts."""

        def is_over() -> bool:
            return self.facts(job)["JobState"] in DONE

        while True:
            self._wait(is_over, seconds, f"job {job}")
            time.sleep(3)  # a job that is being requeued reads as failed for a moment
            if is_over():
                return self.facts(job)

    def wait_for_line(self, path: Path, text: str, seconds: float) -> None:
        """Wait until a file holds some text."""
        self._wait(lambda: path.exists() and text in path.read_text(), seconds, f"{text!r}")

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

    def _wait(self, is_done: Callable[[], bool], seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > until:
                logs = "".join(p.read_text()[-2000:] for p in self.root.glob("*.log"))
                raise AssertionError(f"waited {seconds:.0f} s for {what}; {logs}")
            time.sleep(0.5)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports
