"""Show a term to a person (its lineage as a tree) or to a program (as plain data)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from medvlp.knowledge.hierarchy import depth, path_to_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.knowledge.terms import Synonym, Term

__all__ = ["draw_term", "term_record"]

_MAX_CHILDREN = 30


def draw_term(graph: KnowledgeGraph, id_: str, *, max_children: int = _MAX_CHILDREN) -> Group:
    """Draw a term below its ancestors and above its children, with its words underneath.

    Args:
        graph: The graph.
        id_: The term.
        max_children: How many children are listed at most.

    Returns:
        What rich prints.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    path = path_to_root(graph, id_)
    top = here = Tree(_label(graph[path[0]], is_wanted=len(path) == 1), guide_style="dim")
    for step in path[1:]:
        here = here.add(_label(graph[step], is_wanted=step == path[-1]))
    children = graph.children(id_)
    for child in children[:max_children]:
        num = len(graph.descendants(child))
        below = f"  (+{num} below)" if num else ""
        here.add(_label(graph[child]).append(below, style="dim"))
    if len(children) > max_children:
        here.add(Text(f"and {len(children) - max_children} more", style="dim"))
    term = graph[id_]
    others = [name for name in graph.parents(id_) if name not in path]
    facts = (
        ("also is a", (f"{name} {graph[name].name}" for name in others)),
        ("definition", (f"{item.text} [{item.source}]" for item in term.definitions)),
        ("synonyms", (_synonym_text(item) for item in term.synonyms)),
        ("references", term.xrefs),
        ("other ids", term.alternative_ids),
    )
    blocks = [block for title, texts in facts for block in _blocks(title, texts)]
    return Group(top, *blocks)


def term_record(graph: KnowledgeGraph, id_: str) -> dict[str, Any]:
    """Return all that is known of a term as plain data.

    Args:
        graph: The graph.
        id_: The term.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    term = graph[id_]

    def named(ids: Iterable[str]) -> list[dict[str, str]]:
        return [{"id": name, "name": graph[name].name} for name in ids]

    return {
        "id": term.id,
        "name": term.name,
        "definitions": [{"text": d.text, "source": d.source} for d in term.definitions],
        "synonyms": [{"text": s.text, "scope": s.scope, "source": s.source} for s in term.synonyms],
        "path": named(path_to_root(graph, id_)),
        "depth": depth(graph, id_),
        "parents": named(graph.parents(id_)),
        "children": named(graph.children(id_)),
        "num_descendants": len(graph.descendants(id_)),
        "xrefs": list(term.xrefs),
        "alternative_ids": list(term.alternative_ids),
    }


def _label(term: Term, *, is_wanted: bool = False) -> Text:
    return Text(term.name, style="bold" if is_wanted else "").append(f"  {term.id}", style="dim")


def _synonym_text(synonym: Synonym) -> str:
    return synonym.text if synonym.scope == "EXACT" else f"{synonym.text} ({synonym.scope.lower()})"


def _blocks(title: str, texts: Iterable[str]) -> list[Text | Padding]:
    shown = list(texts)
    if not shown:
        return []
    separator = "\n" if title in {"definition", "also is a"} else "; "
    return [Text(title, style="bold"), Padding(Text(separator.join(shown)), (0, 0, 0, 2))]
