"""Build the table of related diseases of a batch: time per step.

Target: at most 3 ms (median) for 4096 pairs over 1,024 distinct of 12,000 diseases, one thread.

    python -m benchmarks.ignore_table [--obo FILE] [--json PATH] [--check]

Beside it, on the same batches, each in a fresh process: a gather from a K x K bit table, and a walk
over the graph in Python at every step. All must give the same table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp import __version__
from medvlp.data.ignore import ConceptRelation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Build = Callable[[Ints], NDArray[np.uint8]]

TARGET_MS = 3.0
NUM_CONCEPTS, NUM_PAIRS, NUM_DISTINCT = 12_000, 4_096, 1_024
METHODS = ("sorted lists (ours)", "bit table, gathered", "walk in Python")
NUM_STEPS = {METHODS[0]: 300, METHODS[1]: 100, METHODS[2]: 20}


def synthetic_parents(num: int) -> tuple[Ints, Ints]:
    """Return is_a lists of a graph like the Disease Ontology: a few levels, some second parents."""
    rng = np.random.default_rng(0)
    node = np.arange(1, num)
    first = (node - 1) // 4
    second = rng.integers(0, node)
    has_second = (rng.random(num - 1) < 0.1) & (second != first)
    child = np.concatenate([node, node[has_second]])
    parent = np.concatenate([first, second[has_second]])
    order = np.argsort(child, kind="stable")
    return np.searchsorted(child[order], np.arange(num + 1)), parent[order]


def obo_parents(path: Path) -> tuple[Ints, Ints]:
    """Return is_a lists of the terms of an OBO file that are not obsolete."""
    terms = {}
    for stanza in path.read_text(encoding="utf-8").split("\n[")[1:]:
        name = re.search(r"^id: (\S+)", stanza, re.MULTILINE)
        if stanza.startswith("Term]") and name and "\nis_obsolete: true" not in stanza:
            terms[name[1]] = re.findall(r"^is_a: (\S+)", stanza, re.MULTILINE)
    number = {term: i for i, term in enumerate(terms)}
    rows = [[number[p] for p in parents if p in number] for parents in terms.values()]
    starts = np.cumsum([0, *map(len, rows)])
    return starts, np.array([parent for row in rows for parent in row], dtype=np.int64)


def make_batches(num_concepts: int, count: int) -> list[Ints]:
    """Return batches of 4096 concepts with exactly 1,024 distinct ones."""
    rng = np.random.default_rng(1)
    batches = []
    for _ in range(count):
        distinct = rng.choice(num_concepts, NUM_DISTINCT, replace=False)
        repeats = rng.choice(distinct, NUM_PAIRS - NUM_DISTINCT)
        batches.append(rng.permutation(np.concatenate([distinct, repeats])))
    return batches


def make_builder(method: str, parents: tuple[Ints, Ints]) -> Build:
    """Return the function from a batch to its packed table."""
    relation = ConceptRelation.from_parents(*parents)
    if method == METHODS[0]:
        return lambda concepts: relation.table(concepts).related
    if method == METHODS[1]:
        return _gather_builder(relation)
    return _walk_builder(*parents)


def _gather_builder(relation: ConceptRelation) -> Build:
    num = relation.num_concepts
    table = np.zeros((num, num), dtype=bool)
    table[np.repeat(np.arange(num), np.diff(relation.indptr)), relation.indices] = True
    np.fill_diagonal(table, 1)
    bits = np.packbits(table, axis=1, bitorder="little")

    def build(concepts: Ints) -> NDArray[np.uint8]:
        labels = np.unique(concepts)
        mask = (1 << (labels & 7)).astype(np.uint8)
        return np.packbits((bits[labels][:, labels >> 3] & mask) > 0, axis=1, bitorder="little")

    return build


def _walk_builder(indptr: Ints, indices: Ints) -> Build:
    parents = [indices[a:b].tolist() for a, b in pairwise(indptr)]

    def build(concepts: Ints) -> NDArray[np.uint8]:
        labels = sorted(set(concepts.tolist()))
        place = {label: row for row, label in enumerate(labels)}
        table = np.eye(len(labels), dtype=np.uint8)
        for row, label in enumerate(labels):
            seen, left = set(), [label]
            while left:
                for parent in parents[left.pop()]:
                    if parent not in seen:
                        seen.add(parent)
                        left.append(parent)
            for ancestor in seen:
                if ancestor in place:
                    table[row, place[ancestor]] = table[place[ancestor], row] = 1
        return np.packbits(table, axis=1, bitorder="little")

    return build


def measure(method: str, obo: Path | None) -> dict[str, Any]:
    """Time one method in this process."""
    parents = synthetic_parents(NUM_CONCEPTS) if obo is None else obo_parents(obo)
    begin = time.perf_counter()
    build = make_builder(method, parents)
    prepared = time.perf_counter() - begin
    num_steps = NUM_STEPS[method]
    seconds, digest = [], hashlib.sha256()
    for number, batch in enumerate(make_batches(len(parents[0]) - 1, num_steps)):
        begin = time.perf_counter()
        table = build(batch)
        seconds.append(time.perf_counter() - begin)
        if number < min(NUM_STEPS.values()):
            digest.update(table.tobytes())
    return {
        "method": method,
        "concepts": len(parents[0]) - 1,
        "prepare_s": prepared,
        "median_ms": float(np.median(seconds) * 1e3),
        "p95_ms": float(np.percentile(seconds, 95) * 1e3),
        "tables_sha256": digest.hexdigest(),
    }


def measure_in_a_fresh_process(method: str, obo: Path | None) -> dict[str, Any]:
    """Time one method in a process of its own, with one thread."""
    command = [sys.executable, "-m", "benchmarks.ignore_table", "--measure", method]
    command += ["--obo", str(obo)] if obo else []
    found = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    row: dict[str, Any] = json.loads(found.stdout)
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="ignore_table", description=__doc__.splitlines()[0])
    parser.add_argument("--obo", type=Path, metavar="FILE", help="an ontology to use instead")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--measure", choices=METHODS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.obo)))
        return 0
    rows = [measure_in_a_fresh_process(method, chosen.obo) for method in METHODS]
    agree = len({row["tables_sha256"] for row in rows}) == 1
    print(f"{NUM_PAIRS} pairs, {NUM_DISTINCT} distinct of {rows[0]['concepts']} diseases")
    print(f"{'method':22} {'median ms':>10} {'95 % ms':>10} {'prepare s':>10}")
    for row in rows:
        figures = f"{row['median_ms']:10.2f} {row['p95_ms']:10.2f} {row['prepare_s']:10.2f}"
        print(f"{row['method']:22} {figures}")
    print("all methods give the same tables" if agree else "THE TABLES DIFFER")
    ours = rows[0]["median_ms"]
    is_met = ours <= TARGET_MS and agree
    print(f"ignore table: {ours:.2f} ms, target {TARGET_MS} ms: {'met' if is_met else 'MISSED'}")
    if chosen.json is not None:
        record = {
            "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
            "versions": {
                "medvlp": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "settings": {"pairs": NUM_PAIRS, "distinct": NUM_DISTINCT, "target_ms": TARGET_MS},
            "rows": rows,
            "met": is_met,
        }
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 1 if chosen.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
