"""Merge a source into a graph: terms that are the same by id or cross-reference become one.

The source that comes first rules: its hierarchy stays, and a later source adds names, definitions
and references to its terms, and terms that it lacks below them. Cross-references count only in
vocabularies whose concepts are as narrow as diseases. Where they point to several terms, the name
decides, and where it does not, nothing is merged and the conflict is reported. A term of the graph
becomes one with a single term of the source, or with several concepts that it refers to itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.knowledge.normalize import normalize_term
from medvlp.knowledge.terms import Synonym, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "MERGING_VOCABULARIES",
    "MergeConflict",
    "MergeReport",
    "alternative_owners",
    "merge_terms",
    "merging_references",
]

MERGING_VOCABULARIES = frozenset({"NCI", "UMLS_CUI"})
"""Vocabularies whose references make two terms one."""
_ALIASES = {"NCIT": "NCI", "NCI_THESAURUS": "NCI", "UMLS": "UMLS_CUI"}


@dataclass(frozen=True)
class MergeConflict:
    """A term that was not merged although references or its name ask for it.

    Attributes:
        id: The term of the later source.
        name: Its name.
        others: The terms that it might be, or that share its target.
        why: The reason, in words.
    """

    id: str
    name: str
    others: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class MergeReport:
    """What became of the terms of a later source.

    Attributes:
        source: Its name.
        same_id: Terms merged because the graph has their id.
        by_reference: Terms merged through cross-references.
        by_name: Terms merged because exactly one term is called the same, where asked for.
        added: Terms that the graph lacked.
        conflicts: Terms that were added although they might be terms of the graph.
        differing_is_a: Parents of merged terms that the graph does not have above them.
    """

    source: str
    same_id: int
    by_reference: int
    by_name: int
    added: int
    conflicts: tuple[MergeConflict, ...]
    differing_is_a: int


@dataclass(frozen=True)
class _Match:
    target: str
    how: str


def merge_terms(
    base: Mapping[str, Term],
    incoming: Sequence[Term],
    source: str,
    *,
    equal_names: bool = False,
) -> tuple[dict[str, Term], MergeReport]:
    """Merge the terms of a later source into those of a graph.

    Args:
        base: The terms so far, by id.
        incoming: Live terms of the later source, each id once.
        source: Its name, kept with its synonyms.
        equal_names: Whether terms without a match by reference are merged with the only term that
            is called the same.

    Returns:
        All terms by id, and the report.
    """
    finder = _Finder(base, incoming)
    matches, conflicts = finder.match_all(equal_names=equal_names)
    merged = dict(base)
    for term in incoming:
        match = matches.get(term.id)
        if match is not None:
            merged[match.target] = _united(merged[match.target], term, source)
    added = [term for term in incoming if term.id not in matches]
    translate = {name: match.target for name, match in matches.items()}
    for term in added:
        parents = tuple(dict.fromkeys(translate.get(above, above) for above in term.parents))
        merged[term.id] = replace(term, parents=parents)
    how = Counter(match.how for match in matches.values())
    report = MergeReport(
        source=source,
        same_id=how["id"],
        by_reference=how["reference"],
        by_name=how["name"],
        added=len(added),
        conflicts=tuple(conflicts),
        differing_is_a=_count_differing(base, incoming, translate),
    )
    return merged, report


def merging_references(term: Term) -> tuple[str, ...]:
    """Return the cross-references of a term that make it one with another, in one spelling.

    Args:
        term: A term.
    """
    keys = map(_key, term.xrefs)
    return tuple(key for key in keys if key.partition(":")[0] in MERGING_VOCABULARIES)


def alternative_owners(terms: Iterable[Term]) -> dict[str, str]:
    """Return the id of the term that each alternative id means; of several the lowest.

    Args:
        terms: The terms, in any order.
    """
    lowest_last = sorted(terms, key=lambda term: term.id, reverse=True)
    return {other: term.id for term in lowest_last for other in term.alternative_ids}


class _Finder:
    """Finds which term of the graph a term of a later source is."""

    def __init__(self, base: Mapping[str, Term], incoming: Sequence[Term]) -> None:
        self._base = base
        self._incoming = {term.id: term for term in incoming}
        self._alternatives = alternative_owners(base.values())
        self._by_reference: dict[str, dict[str, None]] = {}
        self._by_name: dict[str, dict[str, None]] = {}
        for term in base.values():
            for reference in (_key(term.id), *merging_references(term)):
                self._by_reference.setdefault(reference, {})[term.id] = None
            for name in term.exact_names:
                self._by_name.setdefault(normalize_term(name), {})[term.id] = None

    def match_all(self, *, equal_names: bool) -> tuple[dict[str, _Match], list[MergeConflict]]:
        matches: dict[str, _Match] = {}
        conflicts: list[MergeConflict] = []
        claims: dict[str, list[Term]] = {}
        left: list[Term] = []
        for term in self._incoming.values():
            if (target := self._same_id(term)) is not None:
                matches[term.id] = _Match(target, "id")
                continue
            candidates = self._candidates(term)
            if len(candidates) > 1:
                why = "its references point to several terms"
                conflicts.append(MergeConflict(term.id, term.name, candidates, why))
            elif not candidates:
                left.append(term)
            elif _key(term.id) in merging_references(self._base[candidates[0]]):
                matches[term.id] = _Match(candidates[0], "reference")
            else:
                claims.setdefault(candidates[0], []).append(term)
        conflicts += self._settle(claims, "reference", matches)
        claims.clear()
        for term in left:
            called = tuple(self._called(term.name))
            if equal_names and len(called) == 1:
                claims.setdefault(called[0], []).append(term)
            elif called:
                why = "called the same, without a shared reference"
                conflicts.append(MergeConflict(term.id, term.name, called, why))
        conflicts += self._settle(claims, "name", matches)
        return matches, sorted(conflicts, key=lambda conflict: conflict.id)

    def _settle(
        self, claims: Mapping[str, Sequence[Term]], how: str, matches: dict[str, _Match]
    ) -> list[MergeConflict]:
        """Give each target that is still free to one of those that claim it; list the others."""
        taken = {match.target for match in matches.values()}
        conflicts: list[MergeConflict] = []
        for target, terms in claims.items():
            winner = None if target in taken else self._winner(target, terms)
            for term in terms:
                if term is winner:
                    matches[term.id] = _Match(target, how)
                    continue
                others = (target, *(other.id for other in terms if other is not term))
                why = "several terms point to the same one"
                if target in taken:
                    others, why = (target,), "its source has another term for the same one"
                conflicts.append(MergeConflict(term.id, term.name, others, why))
        return conflicts

    def _same_id(self, term: Term) -> str | None:
        if term.id in self._base:
            return term.id
        return self._alternatives.get(term.id)

    def _candidates(self, term: Term) -> tuple[str, ...]:
        """Return the terms that share a reference or, of several, the one of the same name."""
        shared = dict.fromkeys(
            target
            for reference in (_key(term.id), *merging_references(term))
            for target in self._by_reference.get(reference, ())
        )
        if len(shared) > 1:
            named = [target for target in shared if target in self._called(term.name)]
            if len(named) == 1:
                return tuple(named)
        return tuple(shared)

    def _called(self, name: str) -> dict[str, None]:
        return self._by_name.get(normalize_term(name), {})

    def _winner(self, target: str, terms: Sequence[Term]) -> Term | None:
        """Return the term that has the best right to a target, if one stands out."""
        named = [term for term in terms if target in self._called(term.name)]
        if len(named) == 1:
            return named[0]
        highest = [
            term
            for term in terms
            if all(term.id in self._above(other) for other in terms if other is not term)
        ]
        return highest[0] if highest else None

    def _above(self, term: Term) -> set[str]:
        seen: set[str] = set()
        left = list(term.parents)
        while left:
            here = left.pop()
            if here not in seen:
                seen.add(here)
                left += self._incoming[here].parents if here in self._incoming else ()
        return seen


def _united(term: Term, other: Term, source: str) -> Term:
    """Return a term with the names, definitions and references of another added."""
    known = {normalize_term(name) for name in (term.name, *(s.text for s in term.synonyms))}
    added: list[Synonym] = []
    for synonym in (Synonym(other.name, "EXACT"), *other.synonyms):
        key = normalize_term(synonym.text)
        if key and key not in known:
            known.add(key)
            added.append(replace(synonym, source=synonym.source or source))
    texts = {definition.text for definition in term.definitions}
    definitions = (d for d in other.definitions if d.text not in texts)
    alternatives = dict.fromkeys((*term.alternative_ids, other.id, *other.alternative_ids))
    return replace(
        term,
        synonyms=(*term.synonyms, *added),
        definitions=(*term.definitions, *definitions),
        xrefs=tuple(dict.fromkeys((*term.xrefs, *other.xrefs))),
        alternative_ids=tuple(name for name in alternatives if name != term.id),
    )


def _key(reference: str) -> str:
    prefix, _, local = reference.partition(":")
    return f"{_ALIASES.get(prefix.upper(), prefix)}:{local}"


def _count_differing(
    base: Mapping[str, Term], incoming: Iterable[Term], translate: Mapping[str, str]
) -> int:
    """Count parents of merged terms that are merged too, but are not above them in the graph."""
    count = 0
    for term in incoming:
        target = translate.get(term.id)
        wanted = {translate[above] for above in term.parents if above in translate} - {target}
        if target is not None and wanted:
            count += len(wanted - _ancestors(base, target))
    return count


def _ancestors(base: Mapping[str, Term], id_: str) -> set[str]:
    seen: set[str] = set()
    left = [id_]
    while left:
        here = base.get(left.pop())
        fresh = [above for above in here.parents if above not in seen] if here else []
        seen.update(fresh)
        left += fresh
    return seen
