"""Find planted near-duplicates among random vectors: recall, precision, seconds.

Target: the search in use above 100,000 images (faiss ivf) finds at least 0.99 of the pairs that the
exact search finds, with nothing wrong.

    python -m benchmarks.near_duplicates [--count N] [--dim D] [--clumps C] [--json PATH] [--check]

Vectors have random directions, or crowd around C of them at cosines of 0.85 to each other, as
encoders of one organ and stain do; a third of them are near copies of another at cosines of 0.90
to 1.00. Pairs above 0.95 are asked for. Every search runs in a fresh process with one thread, on
the same vectors: ours in blocks, and faiss with a flat, an ivf and an hnsw index. Seconds are those
of the processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import write_report
from medvlp.pipelines.pairing.clusters import joined_clusters, star_clusters
from medvlp.pipelines.pairing.neighbours import build_search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TARGET_RECALL = 0.99
COSINE = 0.95
CLUMPED = 0.85
SEARCHES = ("exact", "flat", "ivf", "hnsw")
SETTINGS = ("count", "dim", "seed", "clumps")
BLOCK = 256


def planted_vectors(count: int, dim: int, seed: int, clumps: int = 0) -> NDArray[np.float32]:
    """Return unit vectors ``(count, dim)``, a third near copies of others, in random order."""
    rng = np.random.default_rng(seed)
    features = _unit(rng.normal(size=(count, dim)))
    if clumps:
        centers = _unit(rng.normal(size=(clumps, dim)))[rng.integers(clumps, size=count)]
        features = _unit(CLUMPED**0.5 * centers + (1 - CLUMPED) ** 0.5 * features)
    copies = count // 3
    noise = rng.normal(size=(copies, dim))
    noise -= (noise * features[:copies]).sum(axis=1, keepdims=True) * features[:copies]
    cosine = rng.uniform(0.9, 1.0, size=(copies, 1))
    features[-copies:] = cosine * features[:copies] + np.sqrt(1 - cosine**2) * _unit(noise)
    return features[rng.permutation(count)].astype(np.float32)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def true_pairs(features: NDArray[np.float32]) -> set[tuple[int, int]]:
    """Return all pairs above the threshold, computed in float64, block by block."""
    wide = features.astype(np.float64)
    found: set[tuple[int, int]] = set()
    for start in range(0, len(wide), BLOCK):
        rows, columns = np.nonzero(wide[start : start + BLOCK] @ wide.T > COSINE)
        later = columns > rows + start
        found.update(zip((rows[later] + start).tolist(), columns[later].tolist(), strict=True))
    return found


def measure(kind: str, count: int, dim: int, seed: int, clumps: int) -> dict[str, Any]:
    """Time one search in this process, and compare its pairs with the true ones."""
    features = planted_vectors(count, dim, seed, clumps)
    begin = time.process_time()
    search = build_search(features, kind)  # type: ignore[arg-type]  # one of SEARCHES
    built = time.process_time()
    found: set[tuple[int, int]] = set()
    for start in range(0, count, BLOCK):
        rows, columns = search.later(np.arange(start, min(start + BLOCK, count)), COSINE)
        found.update(zip(rows.tolist(), columns.tolist(), strict=True))
    searched = time.process_time()
    star_clusters(search, count, COSINE)
    starred = time.process_time()
    joined_clusters(search, count, COSINE)
    joined = time.process_time()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    expected = true_pairs(features)
    return {
        "search": kind,
        "pairs": len(expected),
        "recall": len(found & expected) / len(expected),
        "precision": len(found & expected) / max(1, len(found)),
        "build_s": built - begin,
        "pairs_s": searched - built,
        "star_s": starred - searched,
        "components_s": joined - starred,
        "peak_mib": peak_mib,
    }


def measure_in_a_fresh_process(kind: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Time one search in a process of its own, with one thread."""
    command = [sys.executable, "-m", "benchmarks.near_duplicates", "--measure", kind]
    for name in SETTINGS:
        command += [f"--{name}", str(getattr(chosen, name))]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **threads}
    )
    row: dict[str, Any] = json.loads(found.stdout)
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="near_duplicates", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="number of vectors")
    parser.add_argument("--dim", type=int, default=256, help="length of a vector")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clumps", type=int, default=0, help="crowds of vectors; 0 for none")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--measure", choices=SEARCHES, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        asked = [getattr(chosen, name) for name in SETTINGS]
        print(json.dumps(measure(chosen.measure, *asked)))
        return 0
    rows = [measure_in_a_fresh_process(kind, chosen) for kind in SEARCHES]
    print(f"{chosen.count} vectors of {chosen.dim}, {rows[0]['pairs']} pairs above {COSINE}")
    print("search  recall  precision  build s  pairs s  star s  components s  peak MiB")
    for row in rows:
        print(
            f"{row['search']:6} {row['recall']:7.4f} {row['precision']:10.4f} {row['build_s']:8.2f}"
            f" {row['pairs_s']:8.2f} {row['star_s']:7.2f} {row['components_s']:13.2f}"
            f" {row['peak_mib']:9.0f}"
        )
    used = rows[SEARCHES.index("ivf")]
    is_met = used["recall"] >= TARGET_RECALL and used["precision"] >= TARGET_RECALL
    if chosen.json is not None:
        settings = {name: getattr(chosen, name) for name in SETTINGS}
        settings |= {"cosine": COSINE, "threads": 1, "target_recall": TARGET_RECALL}
        write_report(chosen.json, "near_duplicates", settings, {"searches": rows, "met": is_met})
    verdict = "met" if is_met else "MISSED"
    print(f"ivf recall {used['recall']:.4f}, target {TARGET_RECALL}: {verdict}")
    return 1 if chosen.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
