"""``medvlp knowledge``: build a graph, show and search its terms, write prompts."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.knowledge.build import BuildReport
    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["GRAPH_VARIABLE", "app", "build", "open_graph", "prompts", "search", "show"]

GRAPH_VARIABLE = "MEDVLP_GRAPH"
"""Environment variable that names the graph where ``--graph`` is not given."""

_DEFAULT_GRAPH = "graph.parquet"
_MAX_CONFLICTS = 20
_UMLS = "Holds text of the UMLS, whose licence forbids passing it on."

# Name -> (where the function is, one line of help).
_COMMANDS = {
    "build": ("knowledge:build", "Build a graph of ontologies, merging them."),
    "show": ("knowledge:show", "Show a term: lineage, children, synonyms, definition."),
    "search": ("knowledge:search", "Find terms in spite of spelling."),
    "link": ("knowledge_link:link", "Link captions, reports or labels to terms."),
    "prompts": ("knowledge:prompts", "Write a zero-shot task from terms."),
}

app = App(
    name="knowledge",
    help="Build, show and search the disease knowledge graph; write prompts from it.",
    result_action="return_value",
)
for _name, (_target, _text) in _COMMANDS.items():
    app.command(f"medvlp.cli.commands.{_target}", name=_name, help=_text)

Json = Annotated[bool, Parameter(name="--json")]


def build(
    *sources: Path,
    out: Path,
    drop_dangling: bool = False,
    merge_equal_names: bool = False,
    json_output: Json = False,
) -> int:
    """Build a knowledge graph of one or several ontologies; the first one rules.

    Args:
        sources: OBO, JSON lines, OncoTree's JSON, KEEP's JSON, or the folder of your own UMLS
            release. Disease Ontology: https://disease-ontology.org
        out: The graph, a .parquet file.
        drop_dangling: Leave out parents that do not exist, and count them, instead of refusing.
        merge_equal_names: Also merge terms that are called the same without a shared reference.
        json_output: Print JSON for programs.
    """
    from medvlp.errors import UsageError
    from medvlp.knowledge.build import build_graph
    from medvlp.knowledge.store import write_graph

    if not sources:
        raise UsageError(
            "MV1003",
            "no source is given",
            expected="at least one ontology",
            hint="for example: medvlp knowledge build doid.obo --out graph.parquet",
        )
    graph, report = build_graph(sources, drop_dangling=drop_dangling, equal_names=merge_equal_names)
    path = write_graph(graph, out)
    if json_output:
        sys.stdout.write(json.dumps({"out": str(path), **report.to_plain()}) + "\n")
    else:
        _print_report(report, path)
    return 0


def show(
    term: str,
    /,
    *more_words: str,
    graph: Path | None = None,
    max_children: int = 30,
    json_output: Json = False,
) -> int:
    """Show a term below its ancestors and above its children, with all its words.

    Args:
        term: An id, a name or an exact synonym.
        more_words: The other words of a name that is not in quotation marks.
        graph: The graph; $MEDVLP_GRAPH or ./graph.parquet by default.
        max_children: How many children are listed at most.
        json_output: Print JSON for programs.
    """
    from rich.console import Console

    from medvlp.errors import UsageError
    from medvlp.knowledge.drawing import draw_term, term_record
    from medvlp.knowledge.search import resolve_term

    if max_children < 0:
        raise UsageError(
            "MV1002", f"--max-children {max_children} is not valid", expected="at least 0"
        )
    opened = open_graph(graph)
    id_ = resolve_term(opened, " ".join((term, *more_words)))
    if json_output:
        sys.stdout.write(json.dumps(term_record(opened, id_), ensure_ascii=False) + "\n")
    else:
        console = Console(file=sys.stdout, markup=False, highlight=False, soft_wrap=False)
        console.print(draw_term(opened, id_, max_children=max_children))
    return 0


def search(
    query: str,
    /,
    *more_words: str,
    graph: Path | None = None,
    limit: Annotated[int, Parameter(name=["--limit", "-n"])] = 10,
    json_output: Json = False,
) -> int:
    """Find terms whose names or synonyms are nearest to a query.

    Args:
        query: Words in any order; faults of spelling do not matter much.
        more_words: Further words, where they are not in quotation marks.
        graph: The graph; $MEDVLP_GRAPH or ./graph.parquet by default.
        limit: How many terms at most.
        json_output: Print JSON for programs.
    """
    from dataclasses import asdict

    from medvlp.errors import UsageError
    from medvlp.knowledge.search import search_terms

    if limit < 1:
        raise UsageError("MV1002", f"--limit {limit} is not valid", expected="at least 1")
    query = " ".join((query, *more_words))
    hits = search_terms(open_graph(graph), query, limit=limit)
    if json_output:
        record = [asdict(hit) for hit in hits]
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
        return 0
    for hit in hits:
        as_ = "" if hit.matched == hit.name else f"  ({hit.matched})"
        sys.stdout.write(f"{hit.score:5.1f}  {hit.id:16}  {hit.name}{as_}\n")
    if not hits:
        sys.stderr.write(f"nothing is near {query[:100]!r}\n")
    return 0


def prompts(
    *selection: str,
    out: Path | None = None,
    graph: Path | None = None,
    name: str | None = None,
    depth: Literal["self", "children", "leaves", "all"] | None = None,
    normal: bool = True,
    include_synonyms: bool = True,
    mpp: float = 0.5,
    tile_px: int = 256,
    overlap: float = 0.0,
    threshold: float | None = None,
    logit_scale: float | None = None,
) -> int:
    """Write a zero-shot task whose classes are terms, with their synonyms as prompts.

    Args:
        selection: Terms (ids or names), or expressions such as 'leaves of brain cancer' or
            'children of lung cancer but not lung lymphoma'.
        out: The TASK.yaml; standard output by default.
        graph: The graph; $MEDVLP_GRAPH or ./graph.parquet by default.
        name: Name of the task; made of the selection by default.
        depth: Classes are the chosen terms themselves, their children, the leaves below them, or
            all below them. By default the children of a single term, otherwise the terms.
        normal: Add a class of normal tissue.
        include_synonyms: Use exact synonyms beside the names.
        mpp: Micrometres per tile pixel (0.5 is what is called 20x).
        tile_px: Side of a tile in pixels.
        overlap: Share of a tile's side that the next tile repeats.
        threshold: Probability above which a tile is positive, where a single term is looked for;
            0.5 by default.
        logit_scale: Multiplier of the cosines; the model's own by default (KEEP uses 10).
    """
    from medvlp.knowledge.tasks import expand_terms, task_from_terms, task_yaml

    opened = open_graph(graph)
    if depth is None and not _is_one_term(opened, selection):
        depth = "self"
    ids = expand_terms(opened, _selected(opened, selection), depth)
    values = task_from_terms(
        opened,
        ids,
        name=name or _task_name(selection),
        normal=normal,
        synonyms=include_synonyms,
        mpp=mpp,
        tile_px=tile_px,
        overlap=overlap,
        threshold=threshold,
        logit_scale=logit_scale,
    )
    comment = (
        f"Written by: medvlp knowledge prompts {' '.join(map(repr, selection))}\n"
        f"Graph:      {opened.content_sha256[:16]}, "
        f"{', '.join(f'{s.name} {s.version}'.strip() for s in opened.sources)}\n"
        f"Command:    medvlp zero-shot SLIDES --model MODEL --task {out or 'TASK.yaml'} --out RUN\n"
        "For research use only."
    )
    if opened.holds_umls:
        comment += f"\n{_UMLS}"
    text = task_yaml(values, comment=comment.replace("\r", " "))
    if out is None:
        sys.stdout.write(text)
        return 0
    from medvlp.io import publish_file

    with publish_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(values['classes'])} classes are in {out}\n")
    return 0


def open_graph(path: Path | None) -> KnowledgeGraph:
    """Read the graph that a command asks for.

    Args:
        path: What ``--graph`` gave; ``$MEDVLP_GRAPH`` or ``./graph.parquet`` where it is None.

    Raises:
        KnowledgeError: MV2000 if there is none, MV2008 if it is damaged.
    """
    from medvlp.errors import KnowledgeError
    from medvlp.knowledge.store import read_graph

    if path is not None:
        return read_graph(path)
    named = os.environ.get(GRAPH_VARIABLE)
    if named:
        return read_graph(named)
    if not Path(_DEFAULT_GRAPH).is_file():
        raise KnowledgeError(
            "MV2000",
            f"no knowledge graph is given, and there is no {_DEFAULT_GRAPH} here",
            expected=f"--graph PATH, or the variable {GRAPH_VARIABLE}",
            hint="build one with: medvlp knowledge build SOURCE... --out graph.parquet",
        )
    return read_graph(_DEFAULT_GRAPH)


def _selected(graph: KnowledgeGraph, selection: Sequence[str]) -> list[str]:
    from medvlp.errors import KnowledgeError
    from medvlp.knowledge.selection import select

    found = [id_ for expression in selection for id_ in select(graph, expression)]
    if not found:
        raise KnowledgeError(
            "MV2012",
            f"the selection {' '.join(selection)!r:.200} holds no term",
            expected="at least one term",
            hint="look at the term with medvlp knowledge show",
        )
    return found


def _is_one_term(graph: KnowledgeGraph, selection: Sequence[str]) -> bool:
    """Tell whether the selection is the name or id of a term, not an expression."""
    from medvlp.knowledge.search import id_of

    if len(selection) != 1:
        return False
    return id_of(graph, selection[0]) is not None or bool(graph.find(selection[0]))


def _task_name(selection: Sequence[str]) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(selection)).strip("-").lower()
    return words[:60].strip("-") or "task"


def _print_report(report: BuildReport, path: Path) -> None:
    """Print what was read, merged and made."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(file=sys.stdout, markup=False, highlight=False)
    table = Table(
        Column("", overflow="fold"), "terms", "obsolete", "is_a", "synonyms", "definitions", "xrefs"
    )
    for source in report.sources:
        table.add_row(
            source.name,
            *(
                f"{count:,}"
                for count in (
                    source.terms,
                    source.obsolete,
                    source.is_a,
                    source.synonyms,
                    source.definitions,
                    source.xrefs,
                )
            ),
        )
    made = (report.is_a, report.synonyms, report.definitions, report.xrefs)
    table.add_row("graph", f"{report.terms:,}", "", *(f"{count:,}" for count in made))
    console.print(table)
    for line in _report_lines(report):
        console.print(line, soft_wrap=True)
    if report.holds_umls:
        console.print(_UMLS, soft_wrap=True)
    console.print(f"graph {report.content_sha256[:16]} is in {path}", soft_wrap=True)


def _report_lines(report: BuildReport) -> list[str]:
    roots = ", ".join(report.roots[:5]) + (" ..." if len(report.roots) > 5 else "")
    lines = [
        f"roots: {len(report.roots)} ({roots}); depth {report.depth}; "
        f"{report.with_several_parents:,} terms with two or more parents"
    ]
    for source in report.sources:
        notes = list(source.notes)
        if source.obsolete:
            notes.append(
                f"{source.obsolete:,} obsolete terms left out, {source.resolved:,} of "
                "them replaced by a term"
            )
        if source.relation_definitions:
            notes.append(
                f"{source.relation_definitions} of the definitions are of kinds of "
                "relationship, not of terms"
            )
        if source.dropped_parents:
            notes.append(f"{source.dropped_parents} parents that do not exist left out")
        lines += [f"{source.name}: {note}" for note in notes]
    for merge in report.merges:
        lines.append(
            f"{merge.source}: merged {merge.same_id:,} by id, {merge.by_reference:,} by "
            f"cross-reference, {merge.by_name:,} by name; added {merge.added:,}; "
            f"{len(merge.conflicts):,} conflicts; {merge.differing_is_a:,} is_a that the graph "
            "does not have"
        )
        for conflict in merge.conflicts[:_MAX_CONFLICTS]:
            others = ", ".join(conflict.others)
            lines.append(f"  not merged: {conflict.id} {conflict.name}: {conflict.why} ({others})")
        if len(merge.conflicts) > _MAX_CONFLICTS:
            rest = len(merge.conflicts) - _MAX_CONFLICTS
            lines.append(f"  and {rest} more; --json lists all of them")
        if merge.conflicts and not merge.by_name:
            lines.append("  build with --merge-equal-names to merge also by name alone")
    return lines
