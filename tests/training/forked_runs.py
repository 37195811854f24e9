"""Start runs from a process that has done the imports, so that a start costs no ten seconds.

What is forked runs the command line as a new process would from there on: own processes, own
group, killed as one. ``python -m tests.training.forked_runs`` reads a request a line and answers.
"""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class ForkedRuns:
    """The process that has done the imports; use it in a ``with`` block.

    Args:
        log: What the runs say goes there.
    """

    def __init__(self, log: Path) -> None:
        self.log = log

    def __enter__(self) -> "ForkedRuns":
        found = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.forked_runs", str(self.log)],
            env=os.environ | {"PYTHONPATH": ":".join(found), "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, words: list[str], *, ranks: int = 1) -> list[int]:
        """Start a run and return its processes by rank; the first one leads their group."""
        return self._ask({"words": words, "ranks": ranks})

    def wait(self, pids: list[int]) -> list[int]:
        """Wait for processes and return their exit codes; minus the signal where one ended them."""
        return self._ask({"wait": pids})

    def _ask(self, request: dict[str, object]) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.log.read_text()[-3000:]
        return json.loads(answer)


def serve(log: Path) -> int:
    """Answer requests until they end; the processes of a run return here to leave."""
    with suppress(ImportError):
        import medvlp.training.cli  # noqa: F401  # what takes long
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "wait" in request:
            statuses = [os.waitpid(pid, 0)[1] for pid in request["wait"]]
            told = [os.waitstatus_to_exitcode(status) for status in statuses]
        else:
            told = []
            port = _free_port()
            for rank in range(request["ranks"]):
                pid = os.fork()
                if not pid:
                    os.setpgid(0, told[0] if told else 0)
                    return run(request["words"], rank, request["ranks"], port, log)
                with suppress(ProcessLookupError, PermissionError):
                    os.setpgid(pid, told[0] if told else pid)
                told.append(pid)
        answers.write(json.dumps(told) + "\n")
        answers.flush()
    return 0


def run(words: list[str], rank: int, ranks: int, port: int, log: Path) -> int:
    """Run the command line as one of several processes."""
    if ranks > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
        os.environ |= {"MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, own in ((0, nothing), (1, target), (2, target)):
        os.dup2(own, number)
    from medvlp.cli.main import main

    return main(words)


def wait_until(is_so: Any, seconds: float, what: str) -> None:
    """Look every two milliseconds until something is so."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.002)


def _free_port() -> int:
    with socket.socket() as entry:
        entry.bind(("127.0.0.1", 0))
        return int(entry.getsockname()[1])


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
