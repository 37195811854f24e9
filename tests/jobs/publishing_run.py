"""A process of a run over many items, started by tests: publish one file per item.

Usage: python -m tests.jobs.publishing_run FOLDER NUM_ITEMS SECONDS_PER_ITEM [hang KEY]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from medvlp.io import publish_file
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobItem, LeaseSettings, run_items


def say(text: str) -> None:
    """Tell the test, which reads standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(folder: Path, num_items: int, seconds: float, hanging_key: str = "") -> None:
    """Publish the files ``<key>.txt`` of items ``item_000`` and so on."""
    outputs = folder / "out"

    def work(item: JobItem[float], note_stage: Callable[[str], None]) -> None:
        note_stage("publish")
        with publish_file(outputs / f"{item.key}.txt", replace=False) as temporary:
            temporary.write_text(item.key)
            if item.key == hanging_key:
                say("hanging")
                time.sleep(3600)
            time.sleep(item.payload)

    items = [JobItem(f"item_{i:03}", f"case {i}", seconds) for i in range(num_items)]
    report = run_items(
        items,
        work,
        is_done=lambda item: (outputs / f"{item.key}.txt").exists(),
        state_folder=folder / "state",
        progress=NullProgress(),
        lease=LeaseSettings(heartbeat_s=0.5, stale_s=2.0),
    )
    say(",".join(f"{outcome.key}:{outcome.status}" for outcome in report.outcomes))
    raise SystemExit(report.exit_code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[5:6])
