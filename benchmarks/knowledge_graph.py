"""Build and load the disease knowledge graph: seconds, counts and what was merged.

Target: the whole Disease Ontology builds in under 5 s, from JSON lines and from OBO, and loads in
under 0.3 s (medians of wall time, imports not counted; processor time stands beside it).

    python -m benchmarks.knowledge_graph DATA [--runs 3] [--peer-python PYTHON] [--json PATH]
        [--check]

DATA holds doid_2016-09-01_full.obo, oncotree_2025_10_03.json and do_2026-07-31/. Each run is a
process of its own: build is reading, checking, merging and writing; load is reading the Parquet
file, checking its hash and looking up one name's term. Beside them fastobo and pronto read what
they can of the same files: --peer-python is a Python where pronto is installed (python -m venv;
pip install pronto); without it pronto is named as absent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILD_TARGET_S, LOAD_TARGET_S = 5.0, 0.3
OBO_2016, SLIM = "doid_2016-09-01_full.obo", "do_2026-07-31/NCIthesaurus.obo"
JSONL, ONCOTREE = "do_2026-07-31/doid_rebuilt_full.jsonl", "oncotree_2025_10_03.json"
BUILDS = {
    "DO 2026, JSON lines": (JSONL,),
    "DO 2016, OBO": (OBO_2016,),
    "DO slim, OBO": (SLIM,),
    "DO 2026 + OncoTree + slim": (JSONL, ONCOTREE, SLIM),
}
_PEER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
name, path = sys.argv[1:]
module = __import__(name)
wall, cpu = time.perf_counter(), time.process_time()
try:
    found = module.load(path) if name == "fastobo" else module.Ontology(path)
except Exception as error:
    print(json.dumps({"refused": " ".join(str(error).split())[:100]}))
    raise SystemExit
figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
terms = len(found) if name == "fastobo" else sum(1 for _ in found.terms())
version = getattr(module, "__version__", "?")
print(json.dumps({**figures, "terms": terms, "version": version}))
"""


def build(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Build and write a graph in this process; imports come first and are not timed."""
    from medvlp.knowledge.build import build_graph  # noqa: PLC0415 - only the child pays for it
    from medvlp.knowledge.store import write_graph  # noqa: PLC0415

    wall, cpu = time.perf_counter(), time.process_time()
    graph, report = build_graph(paths)
    write_graph(graph, out)
    figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    record = report.to_plain()
    for merge in record["merges"]:
        whys = [conflict["why"] for conflict in merge.pop("conflicts")]
        merge["conflicts"] = {why: whys.count(why) for why in sorted(set(whys))}
    return {**figures, "terms": record["terms"], "report": record}


def load(path: Path) -> dict[str, Any]:
    """Load a graph in this process and look up one term."""
    from medvlp.knowledge.store import read_graph  # noqa: PLC0415 - only the child pays for it

    wall, cpu = time.perf_counter(), time.process_time()
    graph = read_graph(path)
    graph.ancestors(graph[graph.ids[-1]].id)
    figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return {**figures, "terms": len(graph)}


def run_apart(command: Sequence[str], runs: int) -> dict[str, Any]:
    """Run a command several times and return its last answer with the median seconds."""
    answers = []
    for _ in range(runs):
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        if found.returncode:
            return {"refused": found.stderr.strip().splitlines()[-1][:100]}
        answers.append(json.loads(found.stdout.splitlines()[-1]))
        if "refused" in answers[-1]:
            return answers[-1]
    medians = {key: statistics.median(a[key] for a in answers) for key in ("wall_s", "cpu_s")}
    return {**answers[-1], **medians}


def peer_rows(data: Path, python: str | None, runs: int) -> list[dict[str, Any]]:
    """Let fastobo and pronto read the OBO files."""
    rows = []
    for peer, interpreter in (("fastobo", sys.executable), ("pronto", python)):
        for source in (OBO_2016, SLIM):
            row = {"what": f"{peer} reads {Path(source).stem}", "kind": "peer"}
            if interpreter is None:
                rows.append(row | {"refused": "not installed; give --peer-python"})
                continue
            command = [interpreter, "-c", _PEER, peer, str(data / source)]
            rows.append(row | run_apart(command, runs))
    return rows


def our_rows(data: Path, runs: int) -> list[dict[str, Any]]:
    """Build every graph, then load it."""
    this = [sys.executable, "-m", "benchmarks.knowledge_graph"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, names) in enumerate(BUILDS.items()):
            out = f"{folder}/{number}.parquet"
            paths = [str(data / name) for name in names]
            command = [*this, *paths, "--measure", "build", "--out", out]
            rows.append({"what": f"build {title}", "kind": "build"} | run_apart(command, runs))
            command = [*this, out, "--measure", "load"]
            rows.append({"what": f"load {title}", "kind": "load"} | run_apart(command, runs))
    return rows


def is_met(rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether every build and load stays below its target."""
    targets = {"build": BUILD_TARGET_S, "load": LOAD_TARGET_S}
    ours = [row for row in rows if row["kind"] in targets]
    return all(row.get("wall_s", float("inf")) < targets[row["kind"]] for row in ours)


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table, what was merged, and the headline."""
    print(f"{'':36} {'wall s':>8} {'cpu s':>8} {'terms':>8}")
    for row in rows:
        if "refused" in row:
            print(f"{row['what']:36} {row['refused']}")
            continue
        print(f"{row['what']:36} {row['wall_s']:8.3f} {row['cpu_s']:8.3f} {row['terms']:8,}")
    for row in rows:
        for merge in row.get("report", {}).get("merges", ()):
            print(
                f"{merge['source']}: {merge['same_id']} merged by id, {merge['by_reference']} by "
                f"cross-reference, {merge['added']} added, not merged: {merge['conflicts']}"
            )
    worst = {
        kind: max(row.get("wall_s", float("inf")) for row in rows if row["kind"] == kind)
        for kind in ("build", "load")
    }
    print(
        f"knowledge graph: slowest build {worst['build']:.2f} s (target {BUILD_TARGET_S}), slowest "
        f"load {worst['load']:.3f} s (target {LOAD_TARGET_S}): "
        f"{'met' if is_met(rows) else 'MISSED'}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="knowledge_graph", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-python", metavar="PYTHON")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--measure", choices=("build", "load"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        figures = build(chosen.data, chosen.out) if chosen.out else load(chosen.data[0])
        print(json.dumps(figures))
        return 0
    (data,) = chosen.data
    rows = our_rows(data, chosen.runs) + peer_rows(data, chosen.peer_python, chosen.runs)
    print_rows(rows)
    if chosen.json is not None:
        settings = {"runs": chosen.runs, "build_s": BUILD_TARGET_S, "load_s": LOAD_TARGET_S}
        write_report(chosen.json, "knowledge_graph", settings, {"rows": rows, "met": is_met(rows)})
    return 1 if chosen.check and not is_met(rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
