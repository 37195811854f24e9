"""``medvlp inspect FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["inspect"]


def inspect(
    path: Path, /, *, json_output: Annotated[bool, Parameter(name="--json")] = False
) -> int:
    """Tell what a file or folder is: slide, feature file, model, task, manifest or run.

    Args:
        path: The file or folder.
        json_output: Print JSON for programs.
    """
    from medvlp.pipelines.identify import identify

    found = identify(path)
    if json_output:
        record = {"kind": found.kind, **found.facts}
        sys.stdout.write(json.dumps(record, indent=1, default=str) + "\n")
        return 0
    sys.stdout.write(f"{path.name}: {found.kind}\n")
    width = max(map(len, found.facts), default=0)
    for name, value in found.facts.items():
        text = json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else value
        sys.stdout.write(f"  {name:<{width}}  {text}\n")
    return 0
