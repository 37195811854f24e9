"""Train on a small disk until it is full, and tell what is left on it."""

import json
import shutil
import sys
from pathlib import Path

from medvlp.errors import OutputError
from medvlp.training.checkpoints.folder import newest_checkpoint
from medvlp.training.quiet import quiet_libraries
from tests.training.checkpoints.tiny_run import Line, Points, keep_state, trainer_with


def train(folder: Path, **settings: int) -> None:
    """Train four epochs with a state after each step."""
    keep = keep_state(folder, **settings)
    trainer_with(keep, folder, max_epochs=4).fit(Line(), datamodule=Points())


def facts(folder: Path) -> tuple[list[str], int]:
    """Return what lies among the checkpoints, and the step of the newest that is whole."""
    found = newest_checkpoint(folder / "checkpoints")
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    return names, found[1] if found else -1


def main(folder: Path) -> None:
    """Train, fill the disk but for two blocks, and train once more from the beginning."""
    train(folder)
    before, step_before = facts(folder)
    free = shutil.disk_usage(folder).free
    (folder / "ballast").write_bytes(b"x" * (free - 8192))
    code = ""
    try:
        train(folder)
    except OutputError as error:
        code = error.code
    after, step_after = facts(folder)
    told = {"code": code, "before": before, "after": after}
    told |= {"step_before": step_before, "step_after": step_after}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    with quiet_libraries():
        main(Path(sys.argv[1]))
