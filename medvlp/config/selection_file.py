"""The file beside features that says what their encoder was chosen on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from medvlp.config.documents import read_text_file
from medvlp.config.selection import SelectionRecord
from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError
from medvlp.io import write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SELECTION_FILE", "read_selection_file", "write_selection_file"]

SELECTION_FILE = "selection.json"
_MAX_BYTES = 2**26


def write_selection_file(folder: Path, record: SelectionRecord) -> None:
    """Write what the encoder of a folder of features was chosen on.

    Args:
        folder: The folder of one encoder.
        record: The choice.

    Raises:
        OutputError: If the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SELECTION_FILE, record.model_dump(mode="json"))


def read_selection_file(path: Path) -> SelectionRecord:
    """Read such a file.

    Args:
        path: The file.

    Raises:
        ConfigError: MV1004 if it cannot be read, MV1001 or MV1002 if it holds no choice.
    """
    try:
        document = json.loads(read_text_file(path, max_bytes=_MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise ConfigError("MV1002", f"{path} is not valid JSON ({error})") from error
    return parse_model(document, SelectionRecord, source=str(path))
