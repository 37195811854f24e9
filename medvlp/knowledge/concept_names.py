"""The texts that stand for a concept: its name and synonyms, without those held out on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import ConfigError, KnowledgeError
from medvlp.knowledge.normalize import normalize_term

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["NORMAL", "NORMAL_NAMES", "UNKNOWN", "ConceptNames", "read_held_out"]

NORMAL, UNKNOWN = "normal", "unknown"
"""Labels that stand for no concept of a graph: tissue without disease, and no label at all."""

NORMAL_NAMES = ("normal tissue", "non-cancerous tissue", "non-tumor tissue")
"""What tissue without disease is called, as published."""

_MAX_FILE_BYTES = 64 * 2**20


class ConceptNames:
    """Looks up what a concept is called.

    Args:
        graph: The knowledge graph.
        use_synonyms: Whether synonyms stand beside the name.
        scopes: Scopes of the synonyms that count.
        held_out: Texts that never stand for a concept, compared after normalisation, so that no
            spelling of them comes through.
        extra: Concepts that the graph does not have, each with its name and then its synonyms.
            Tissue without disease is one unless given here.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        *,
        use_synonyms: bool = True,
        scopes: Sequence[str] = ("EXACT",),
        held_out: Iterable[str] = (),
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.graph = graph
        self._use_synonyms = use_synonyms
        self._scopes = frozenset(scopes)
        self._held_out = frozenset(normalize_term(text) for text in held_out)
        self._extra = {NORMAL: NORMAL_NAMES, **{k: tuple(v) for k, v in (extra or {}).items()}}
        self._known: dict[str, tuple[str, ...]] = {}

    def is_extra(self, concept: str) -> bool:
        """Return whether a concept is described beside the graph and so has no lineage."""
        return concept in self._extra

    def is_held_out(self, text: str) -> bool:
        """Return whether a text is one that must not be used, in whatever spelling."""
        return bool(self._held_out) and normalize_term(text) in self._held_out

    def of(self, concept: str) -> tuple[str, ...]:
        """Return the texts that stand for a concept, its name first; at least one.

        Raises:
            KnowledgeError: If neither the graph nor the extra concepts have it (MV2001), or every
                text is held out (MV2040).
        """
        if concept not in self._known:
            self._known[concept] = self._collect(concept)
        return self._known[concept]

    def _collect(self, concept: str) -> tuple[str, ...]:
        if concept in self._extra:
            name, *synonyms = self._extra[concept]
        else:
            term = self.graph[concept]
            name = term.name
            synonyms = [s.text for s in term.synonyms if s.scope in self._scopes]
        texts = [name, *(synonyms if self._use_synonyms else ())]
        kept = {" ".join(text.split()): None for text in texts if not self.is_held_out(text)}
        kept.pop("", None)
        if not kept:
            raise KnowledgeError(
                "MV2040",
                f"every text for {concept} ({name!r}) is held out",
                expected="a name or a synonym that may be used",
                hint="hold out synonyms only, or leave the concept out of the data",
            )
        return tuple(kept)


def read_held_out(path: Path) -> tuple[str, ...]:
    """Read texts to hold out, one a line; blank lines do not count.

    Raises:
        ConfigError: If the file cannot be read as UTF-8 (MV1004).
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError("MV1004", f"{path} is larger than {_MAX_FILE_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "MV1004", f"{path} cannot be read ({error})", expected="texts to hold out, one a line"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
