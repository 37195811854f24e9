"""``medvlp explain CODE``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from medvlp.error_catalog import load_catalog
from medvlp.errors import UsageError, nearest_name

__all__ = ["explain"]


def explain(code: str, /, *, json_output: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Explain an error code: what the program found, and what helps.

    Args:
        code: The code, for example MV1203.
        json_output: Print JSON for programs.
    """
    catalog = load_catalog()
    wanted = code.upper()
    if wanted not in catalog:
        raise UsageError(
            "MV1003",
            f"error code {code!r} is unknown{nearest_name(wanted, catalog)}",
            expected=f"one of {len(catalog)} codes from {min(catalog)} to {max(catalog)}",
        )
    text = catalog[wanted]
    if json_output:
        sys.stdout.write(json.dumps({"code": wanted, **asdict(text)}) + "\n")
    else:
        sys.stdout.write(f"{wanted}: {text.title}\n\n{text.meaning}\n\nWhat helps: {text.remedy}\n")
    return 0
