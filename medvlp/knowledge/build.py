"""Build a graph of one or several ontologies: read, check, merge, count."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medvlp.errors import KnowledgeError
from medvlp.knowledge.checks import (
    check_acyclic,
    check_ids,
    dangling_error,
    levels_below_roots,
    parent_indices,
)
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.merge import (
    MergeReport,
    alternative_owners,
    merge_terms,
    merging_references,
)
from medvlp.knowledge.parsers.sniff import read_source, sniff_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medvlp.knowledge.parsers.records import ParsedSource
    from medvlp.knowledge.terms import Term

__all__ = ["BuildReport", "SourceCounts", "build_graph", "graph_of_sources"]


@dataclass(frozen=True)
class SourceCounts:
    """What one source holds, as it was read.

    Attributes:
        name: Name of the ontology or file.
        version: Version that it states.
        terms: Terms, obsolete ones too.
        obsolete: Terms that the source has withdrawn; none of them is in the graph.
        resolved: Obsolete terms whose id now means the term that replaced them.
        is_a: Direct parents.
        synonyms: Synonyms of any scope.
        definitions: Definitions, those of kinds of relationship too.
        relation_definitions: Definitions of kinds of relationship.
        xrefs: Cross-references.
        dropped_parents: Parents that do not exist or are obsolete, left out.
        notes: What was left out or mended, in words.
    """

    name: str
    version: str
    terms: int
    obsolete: int
    resolved: int
    is_a: int
    synonyms: int
    definitions: int
    relation_definitions: int
    xrefs: int
    dropped_parents: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BuildReport:
    """What a build read, merged and made; all counts but those of ``sources`` are of the graph.

    Attributes:
        sources: What each source holds.
        merges: What became of each source but the first.
        terms: Terms of the graph.
        is_a: Direct parents.
        synonyms: Synonyms of any scope.
        definitions: Definitions.
        xrefs: Cross-references.
        with_several_parents: Terms with two or more parents.
        roots: Terms without a parent.
        depth: Length of the longest way from a root down.
        holds_umls: Whether the graph holds text of the UMLS.
        content_sha256: Hash of the terms.
    """

    sources: tuple[SourceCounts, ...]
    merges: tuple[MergeReport, ...]
    terms: int
    is_a: int
    synonyms: int
    definitions: int
    xrefs: int
    with_several_parents: int
    roots: tuple[str, ...]
    depth: int
    holds_umls: bool
    content_sha256: str

    def to_plain(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def build_graph(
    paths: Sequence[Path | str], *, drop_dangling: bool = False, equal_names: bool = False
) -> tuple[KnowledgeGraph, BuildReport]:
    """Read ontologies and merge them into one graph; the first one rules.

    Of a UMLS folder beside other sources only the concepts that these refer to are read.

    Args:
        paths: Files and folders, the most trusted first.
        drop_dangling: Leave out parents that do not exist, and count them, instead of refusing.
        equal_names: Also merge terms that are called the same without a shared reference.

    Raises:
        KnowledgeError: MV2002 or MV2006 for a source that cannot be read, MV2003 to MV2005 for
            circles, repeated ids and parents that do not exist.
    """
    if not paths:
        raise ValueError("build_graph needs at least one source")
    files = [Path(path) for path in paths]
    kinds = {path: sniff_source(path) for path in files}
    parsed = {path: read_source(path, kinds[path]) for path in files if kinds[path] != "umls"}
    wanted = None
    if parsed:
        terms = (term for source in parsed.values() for term in source.terms)
        references = (key for term in terms for key in (term.id, *merging_references(term)))
        wanted = {key for key in references if key.startswith("UMLS_CUI:")}
    for path in files:
        if path not in parsed:
            parsed[path] = read_source(path, "umls", wanted=wanted)
    sources = [parsed[path] for path in files]
    return graph_of_sources(sources, drop_dangling=drop_dangling, equal_names=equal_names)


def graph_of_sources(
    sources: Sequence[ParsedSource], *, drop_dangling: bool = False, equal_names: bool = False
) -> tuple[KnowledgeGraph, BuildReport]:
    """Merge sources that were read into one graph.

    Args:
        sources: The sources, the most trusted first.
        drop_dangling: As for :func:`build_graph`.
        equal_names: As for :func:`build_graph`.

    Raises:
        KnowledgeError: MV2003 to MV2005 as for :func:`build_graph`.
    """
    merged: dict[str, Term] = {}
    merges: list[MergeReport] = []
    counts: list[SourceCounts] = []
    for number, source in enumerate(sources):
        live, resolved = _live_terms(source)
        live, dropped = _settle_parents(source, live, merged, drop_dangling=drop_dangling)
        counts.append(_counts(source, resolved, dropped))
        live.sort(key=lambda term: term.id)
        if number == 0:
            merged = {term.id: term for term in live}
        else:
            merged, report = merge_terms(merged, live, source.record.name, equal_names=equal_names)
            merges.append(report)
    graph = KnowledgeGraph(merged.values(), [source.record for source in sources])
    return graph, _report(graph, counts, merges)


def _live_terms(source: ParsedSource) -> tuple[list[Term], int]:
    """Drop obsolete terms; their ids become those of what replaced them. Count the resolved."""
    check_ids([term.id for term in source.terms], source.place)
    live = {term.id: term for term in source.terms if not term.is_obsolete}
    gone = {term.id: term for term in source.terms if term.is_obsolete}
    meant = alternative_owners(live.values()) | {id_: id_ for id_ in live}
    resolved = 0
    for id_, old in sorted(gone.items()):
        target = _replacement(id_, gone, meant)
        if target is not None:
            resolved += 1
            term = live[target]
            names = dict.fromkeys((*term.alternative_ids, id_, *old.alternative_ids))
            live[target] = replace(term, alternative_ids=tuple(names))
    return list(live.values()), resolved


def _replacement(id_: str, gone: dict[str, Term], meant: dict[str, str]) -> str | None:
    """Follow ``replaced_by`` to a live term; None where it ends or turns in a circle."""
    seen: set[str] = set()
    while id_ in gone and id_ not in seen:
        seen.add(id_)
        if len(gone[id_].replaced_by) != 1:
            return None
        id_ = gone[id_].replaced_by[0]
    return meant.get(id_)


def _settle_parents(
    source: ParsedSource,
    live: list[Term],
    merged: dict[str, Term],
    *,
    drop_dangling: bool,
) -> tuple[list[Term], int]:
    """Give every parent its own id, drop or refuse those that do not exist, refuse circles."""
    known = alternative_owners(live)
    known |= {term.id: term.id for term in live}
    outside = alternative_owners(merged.values())
    outside |= {id_: id_ for id_ in merged}
    places = {term.id: row for row, term in enumerate(source.terms)}
    missing = [
        (term.id, above)
        for term in live
        for above in term.parents
        if above not in known and above not in outside
    ]
    if missing and not drop_dangling:
        child, parent = missing[0]
        where = source.place(places[child])
        raise dangling_error(child, parent, len(missing), [*known, *outside], where=where)
    settled = [
        replace(
            term,
            parents=tuple(
                dict.fromkeys(
                    known.get(above) or outside[above]
                    for above in term.parents
                    if above in known or above in outside
                )
            ),
        )
        for term in live
    ]
    ids = [term.id for term in settled]
    inside = [[above for above in term.parents if above in known] for term in settled]
    indptr, indices = parent_indices(ids, inside, {})
    levels = levels_below_roots(indptr, indices)[0]
    check_acyclic(ids, indptr, indices, levels, lambda row: source.place(places[ids[row]]))
    return settled, len(missing)


def _counts(source: ParsedSource, resolved: int, dropped: int) -> SourceCounts:
    totals = _totals(source.terms)
    totals["definitions"] += source.num_relation_definitions
    return SourceCounts(
        name=source.record.name,
        version=source.record.version,
        terms=len(source.terms),
        obsolete=sum(term.is_obsolete for term in source.terms),
        resolved=resolved,
        relation_definitions=source.num_relation_definitions,
        dropped_parents=dropped,
        notes=source.notes,
        **totals,
    )


def _totals(terms: Iterable[Term]) -> dict[str, int]:
    rows = [
        (len(term.parents), len(term.synonyms), len(term.definitions), len(term.xrefs))
        for term in terms
    ]
    sums = [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * 4
    return dict(zip(("is_a", "synonyms", "definitions", "xrefs"), sums, strict=True))


def _report(
    graph: KnowledgeGraph, counts: Sequence[SourceCounts], merges: Sequence[MergeReport]
) -> BuildReport:
    if not len(graph):
        raise KnowledgeError(
            "MV2010", "no term is left in the graph", expected="a term that is not obsolete"
        )
    return BuildReport(
        sources=tuple(counts),
        merges=tuple(merges),
        terms=len(graph),
        with_several_parents=sum(len(term.parents) > 1 for term in graph),
        roots=graph.roots,
        depth=int(graph.levels.max()),
        holds_umls=graph.holds_umls,
        content_sha256=graph.content_sha256,
        **_totals(graph),
    )
