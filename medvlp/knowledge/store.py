"""A graph as one Parquet file whose content is checked by hash when it is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.errors import KnowledgeError
from medvlp.io import publish_file
from medvlp.knowledge.columns import LIST_COLUMNS, TEXT_COLUMNS, TermColumns
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.terms import SourceRecord

__all__ = ["GRAPH_FILE", "read_graph", "write_graph"]

GRAPH_FILE = "graph.parquet"
"""Name of the file inside a folder."""

_FORMAT = 1
_KEY = b"medvlp.knowledge"


def write_graph(graph: KnowledgeGraph, path: Path | str) -> Path:
    """Publish a graph.

    Args:
        graph: The graph.
        path: A ``.parquet`` file, or a folder that gets ``graph.parquet``.

    Returns:
        The file.

    Raises:
        OutputError: MV1104 to MV1106 where the file cannot be written.
    """
    path = _graph_file(Path(path))
    columns = graph.columns
    arrays: dict[str, pa.Array] = {
        name: pa.array(columns.texts[name], pa.string()) for name in TEXT_COLUMNS
    }
    for name in LIST_COLUMNS:
        starts = pa.array(columns.starts[name], pa.int32())
        arrays[name] = pa.ListArray.from_arrays(starts, pa.array(columns.lists[name], pa.string()))
    sources = [asdict(source) for source in graph.sources]
    record = {
        "format": _FORMAT,
        "content_sha256": graph.content_sha256,
        "sources": sources,
        "sha256": _record_sha256(graph.content_sha256, sources),
    }
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(record)})
    with publish_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def read_graph(path: Path | str) -> KnowledgeGraph:
    """Read a graph; its terms are made when they are asked for.

    Args:
        path: A file that :func:`write_graph` wrote, or the folder that holds it.

    Raises:
        KnowledgeError: MV2000 if there is no such file, MV2008 if it is no graph or its content is
            not what was written.
    """
    path = _graph_file(Path(path))
    if not path.is_file():
        raise KnowledgeError(
            "MV2000",
            f"there is no knowledge graph {path}",
            hint="build one with: medvlp knowledge build SOURCE... --out graph.parquet",
        )
    try:
        # One thread and no memory map: a few megabytes, and no pool of threads in the process.
        table = pq.ParquetFile(path).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    record = _record(path, table)
    columns, digest = _columns(path, table)
    if digest != record["content_sha256"]:
        raise _damaged(path, f"its terms hash to {digest[:12]}, not to what it states")
    sources = [SourceRecord(**source) for source in record["sources"]]
    return KnowledgeGraph.from_columns(columns, sources, content_sha256=digest)


def _graph_file(path: Path) -> Path:
    return path if path.suffix == ".parquet" and not path.is_dir() else path / GRAPH_FILE


def _record(path: Path, table: pa.Table) -> dict[str, Any]:
    text = (table.schema.metadata or {}).get(_KEY)
    if text is None:
        raise _damaged(path, "it is a Parquet file, but not one of a knowledge graph")
    try:
        record: dict[str, Any] = json.loads(text)
        is_whole = record["sha256"] == _record_sha256(record["content_sha256"], record["sources"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "the record of its sources is unreadable") from error
    if record.get("format") != _FORMAT:
        raise _damaged(
            path, f"its format is {record.get('format')!r}, this version reads {_FORMAT}"
        )
    if not is_whole:
        raise _damaged(path, "the record of its sources was changed")
    return record


def _record_sha256(content_sha256: str, sources: list[dict[str, Any]]) -> str:
    text = json.dumps([content_sha256, sources], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _columns(path: Path, table: pa.Table) -> tuple[TermColumns, str]:
    """Take the columns out of a table and hash them as ``columns_sha256`` does."""
    digest = hashlib.sha256()
    texts: dict[str, list[str]] = {}
    lists: dict[str, list[str]] = {}
    starts: dict[str, Any] = {}
    for name in (*TEXT_COLUMNS, *LIST_COLUMNS):
        wanted = pa.string() if name in TEXT_COLUMNS else pa.list_(pa.string())
        if name not in table.column_names or table.schema.field(name).type != wanted:
            raise _damaged(path, f"it has no column {name!r} of texts")
        array = table.column(name).combine_chunks()
        flat = array if name in TEXT_COLUMNS else array.flatten()
        if array.null_count or flat.null_count:
            raise _damaged(path, f"column {name!r} has empty cells")
        digest.update(f"{name} {len(flat)}\n".encode())
        if name in LIST_COLUMNS:
            offsets = array.offsets.to_numpy().astype(np.int64)
            starts[name] = offsets - offsets[0]
            digest.update(starts[name].astype("<i8").tobytes())
        lengths, content = _text_bytes(flat)
        digest.update(lengths)
        digest.update(content)
        try:
            (texts if name in TEXT_COLUMNS else lists)[name] = flat.to_pylist()
        except UnicodeDecodeError as error:
            raise _damaged(path, f"column {name!r} is not UTF-8") from error
    return TermColumns(texts, lists, starts), digest.hexdigest()


def _text_bytes(array: pa.StringArray) -> tuple[bytes, memoryview | bytes]:
    """Return the lengths of texts as int64 and their bytes, end to end."""
    if len(array) == 0:
        return b"", b""
    _, offsets_buffer, data = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32, len(array) + 1, array.offset * 4)
    content = memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""
    return np.diff(offsets).astype("<i8").tobytes(), content


def _damaged(path: Path, why: str) -> KnowledgeError:
    return KnowledgeError(
        "MV2008",
        f"{path} cannot be used as a knowledge graph: {why}",
        expected="a file that medvlp knowledge build wrote",
        hint="build it again from its sources",
    )
