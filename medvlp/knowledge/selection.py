"""Choose terms by an expression such as ``descendants of brain cancer but not brain glioma``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medvlp.errors import KnowledgeError
from medvlp.knowledge.hierarchy import leaves_below
from medvlp.knowledge.search import resolve_term

if TYPE_CHECKING:
    from collections.abc import Callable

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["select"]

_TOKEN = re.compile(r"\"[^\"]*\"|[()\"]|[^\s()\"]+")
_LINKS = ("or", "and", "but", "not", "except")
_MAX_TOKENS = 1000
_MAX_DEPTH = 50
_MAX_NAME_WORDS = 50


def select(graph: KnowledgeGraph, expression: str) -> tuple[str, ...]:
    """Return the terms that an expression names.

    An expression is a name or an id of a term; ``descendants of``, ``children of``, ``parents of``,
    ``ancestors of`` or ``leaves of`` before one; ``X and Y`` (in both), ``X and not Y`` (in the
    first only), ``X or Y`` (in either), ``X but not Y`` or ``X except Y`` (in the first only); and
    parentheses. ``and`` and ``and not`` bind closer than ``or``, and ``but not`` and ``except``
    least, so that they take away from all before them. The longest words that name a term are taken
    as the term, so that ``head and neck cancer`` is one; quotation marks keep words together in
    doubt.

    Args:
        graph: The graph.
        expression: The words.

    Returns:
        Ids, sorted.

    Raises:
        KnowledgeError: MV2011 if the expression is malformed, MV2001 or MV2013 if a name in it is
            unknown or that of several terms.
    """
    reader = _Reader(graph, expression)
    found = reader.difference()
    if reader.left:
        raise reader.error(f"{reader.left[0]!r} is left over")
    return tuple(sorted(found))


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, graph: KnowledgeGraph, expression: str) -> None:
        self._graph = graph
        self._expression = expression
        self.left = _TOKEN.findall(expression)
        if not self.left:
            raise self.error("it is empty")
        if '"' in self.left:
            raise self.error("a closing quotation mark is missing")
        self._depth = 0
        if len(self.left) > _MAX_TOKENS:
            raise self.error(f"it has more than {_MAX_TOKENS} words")
        self._walks: dict[str, Callable[[str], tuple[str, ...] | frozenset[str]]] = {
            "descendants": graph.descendants,
            "ancestors": graph.ancestors,
            "children": graph.children,
            "parents": graph.parents,
            "leaves": lambda id_: leaves_below(graph, id_),
        }

    def error(self, why: str) -> KnowledgeError:
        return KnowledgeError(
            "MV2011",
            f"the selection {self._expression[:200]!r} cannot be read: {why}",
            expected="for example: descendants of brain cancer but not brain glioma",
            hint="put a name in quotation marks where its words could mean something else",
        )

    def difference(self) -> frozenset[str]:
        found = self._union()
        while True:
            if self._take("but", "not") or self._take("except"):
                found -= self._union()
            else:
                return found

    def _union(self) -> frozenset[str]:
        found = self._intersection()
        while self._take("or"):
            found |= self._intersection()
        return found

    def _intersection(self) -> frozenset[str]:
        found = self._operand()
        while True:
            if self._take("and", "not"):
                found -= self._operand()
            elif self._take("and"):
                found &= self._operand()
            else:
                return found

    def _operand(self) -> frozenset[str]:
        if not self.left:
            raise self.error("a term is missing at its end")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.error(f"it is nested more than {_MAX_DEPTH} deep")
        found = self._inner_operand()
        self._depth -= 1
        return found

    def _inner_operand(self) -> frozenset[str]:
        if self._take("("):
            found = self.difference()
            if not self._take(")"):
                raise self.error("a closing parenthesis is missing")
            return found
        for word, walk in self._walks.items():
            if self._take(word, "of"):
                return frozenset(id_ for start in self._operand() for id_ in walk(start))
        return frozenset({self._term()})

    def _term(self) -> str:
        """Take the longest words that name a term."""
        if self.left[0].startswith('"'):
            return resolve_term(self._graph, self.left.pop(0).strip('"'))
        for num in range(self._words_inside(), 0, -1):
            text = " ".join(self.left[:num])
            if text in self._graph or self._graph.find(text):
                del self.left[:num]
                return resolve_term(self._graph, text)
        words: list[str] = []
        while self.left and self.left[0].casefold() not in (*_LINKS, "(", ")"):
            words.append(self.left.pop(0))
        if not words:
            raise self.error(f"a term is missing before {self.left[0]!r}")
        return resolve_term(self._graph, " ".join(words))

    def _words_inside(self) -> int:
        """Return how many words may be of one name: none in quotation marks or behind a bracket."""
        depth = 0
        words = self.left[:_MAX_NAME_WORDS]
        for number, word in enumerate(words):
            depth += (word == "(") - (word == ")")
            if depth < 0 or word.startswith('"'):
                return number
        return len(words)

    def _is_next(self, *words: str) -> bool:
        return tuple(word.casefold() for word in self.left[: len(words)]) == words

    def _take(self, *words: str) -> bool:
        if self._is_next(*words):
            del self.left[: len(words)]
            return True
        return False
