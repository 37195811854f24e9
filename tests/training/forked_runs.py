"""Start runs from a process that has done the imports, so that a start costs no ten seconds.

What is forked runs the command line as a new process would from there on: own processes, own
group, killed as one. ``python -m tests.training.forked_runs`` reads a request a line and answers.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "configs" / "smoke" / "clip.yaml"
STEPS_OF_EPOCH = 12
PATIENCE_S = 300
GRACE_S = 60


class ForkedRuns:
    """The process that has done the imports; use it in a ``with`` block.

    Args:
        log: What the runs say goes there.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._groups: list[int] = []

    def __enter__(self) -> "ForkedRuns":
        found = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.forked_runs", str(self.log)],
            env=os.environ | {"PYTHONPATH": ":".join(found), "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            for group in self._groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            self._process.kill()
            self._process.communicate()

    def start(self, words: list[str], *, ranks: int = 1) -> list[int]:
        """Start a run and return its processes by rank; the first one leads their group."""
        pids = self._ask({"words": words, "ranks": ranks})
        self._groups.append(pids[0])
        return pids

    def wait(self, pids: list[int]) -> list[int]:
        """Wait for processes and return their exit codes; minus the signal where one ended them."""
        codes = self._ask({"wait": pids})
        if pids[0] in self._groups:
            self._groups.remove(pids[0])
        return codes

    def _ask(self, request: dict[str, object]) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.log.read_text()[-3000:]
        return json.loads(answer)


def words_of_run(pairs: Path, epochs: int, ranks: int) -> list[str]:
    """Return the command line of a small run that keeps its state often, but for its folder."""
    return [
        *("train", "fit", f"--config={SMOKE}", f"--data.folder={pairs}"),
        "--model.encoder.image.architecture=test_vit",
        *("--trainer.accelerator=cpu", f"--trainer.devices={ranks}", "--trainer.max_steps=-1"),
        *(f"--trainer.max_epochs={epochs}", "--run.trace=true", "--run.progress=false"),
        "--run.checkpoints.every_steps=2",
    ]


def trace(folder: Path) -> dict[tuple[int, int], tuple[list[str], str]]:
    """Return samples and loss by step and rank; a step that was done again must be as it was."""
    steps: dict[tuple[int, int], tuple[list[str], str]] = {}
    for path in (folder / "trace").iterdir():
        rank = int(path.stem.removeprefix("rank_"))
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            told = (entry["samples"], entry["loss"])
            assert steps.setdefault((entry["step"], rank), told) == told, entry["step"]
    return steps


def num_steps(folder: Path) -> int:
    """Return how many steps the first rank has traced, those that were done again too."""
    path = folder / "trace" / "rank_0.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def half_written(folder: Path) -> set[str]:
    """Return the states that are being written, or were when their process was killed."""
    return {path.name for path in (folder / "checkpoints").glob(".tmp-*")}


def bundle(folder: Path) -> dict[str, bytes]:
    """Return the files of a run's bundle."""
    return {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}


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


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Look every two milliseconds until something is so."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.002)


def _free_port() -> int:
    with socket.socket() as entry:
        entry.bind(("127.0.0.1", 0))
        return int(entry.getsockname()[1])


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
