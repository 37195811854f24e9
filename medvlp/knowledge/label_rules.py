"""What the short names of classes in data sets stand for: ``lung_aca``, ``ColonSCC``, ``n``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.errors import ConfigError, KnowledgeError
from medvlp.io import read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["LabelLink", "expand_label", "is_normal_label", "read_label_map"]

LabelMatch = Literal["mapping", "name", "synonym", "abbreviation", "fuzzy", "normal", "none"]

_MAX_LETTERS = 200
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_LABEL_WORDS: dict[str, str] = {
    "aca": "adenocarcinoma",
    "adca": "adenocarcinoma",
    "adc": "adenocarcinoma",
    "scc": "squamous cell carcinoma",
    "bcc": "basal cell carcinoma",
    "tcc": "transitional cell carcinoma",
    "ca": "carcinoma",
    "carc": "carcinoma",
    "mets": "metastasis",
    "neo": "neoplasm",
    "pna": "pneumonia",
    "ptx": "pneumothorax",
    "tb": "tuberculosis",
    "dm": "diabetes mellitus",
}
_NORMAL_WORDS = frozenset(
    """n nl nor norm normal healthy control negative none background bg nofinding nontumor
    nontumour nondisease unremarkable""".split()
)
_DENIED = frozenset({"finding", "findings", "tumor", "tumour", "disease", "lesion", "cancer"})


@dataclass(frozen=True, slots=True)
class LabelLink:
    """The term that a label stands for.

    Attributes:
        label: The label.
        concept_id: Id of the term; None where the label is normal or names no term.
        confidence: How surely, in [0, 1]; 0 where it names none.
        match: What it was recognised by; ``normal`` for a label of healthy tissue.
        alternatives: Other terms that bear the same words.
    """

    label: str
    concept_id: str | None
    confidence: float
    match: LabelMatch
    alternatives: tuple[str, ...] = ()


def expand_label(label: str) -> tuple[str, ...]:
    """Return the texts that a label may be short for, the most literal first.

    Underscores and capitals part words (``LungAca``); known short words are written out; a short
    form is also tried in capitals.

    Args:
        label: Name of a class; cut after 200 characters.
    """
    label = label[:_MAX_LETTERS].strip()
    spaced = re.sub(r"[_\s]+", " ", label)
    parts = _PARTS.findall(label)
    words = " ".join(part if part.isupper() else part.lower() for part in parts)
    long = " ".join(_LABEL_WORDS.get(part.lower(), part.lower()) for part in parts)
    return tuple(dict.fromkeys(text for text in (spaced, words, long, spaced.upper()) if text))


def is_normal_label(label: str) -> bool:
    """Tell whether a label stands for tissue or a case without disease."""
    parts = [part.lower() for part in _PARTS.findall(label[:_MAX_LETTERS])]
    is_denied = len(parts) == 2 and parts[0] in {"no", "non"} and parts[1] in _DENIED
    normal = [part for part in parts if part in _NORMAL_WORDS]
    return is_denied or (bool(normal) and len(parts) - len(normal) <= 1)


def read_label_map(path: Path, graph: KnowledgeGraph) -> dict[str, str | None]:
    """Read which term each label stands for.

    Args:
        path: A CSV file with the columns ``label`` and ``concept``: an id, a name, or nothing for a
            label that stands for no disease.
        graph: The graph that has the terms.

    Raises:
        ConfigError: MV2033 if a column is missing, a label stands for two terms, or a term is not
            in the graph.
    """
    rows = read_csv(path)
    if rows and not {"label", "concept"} <= rows[0].keys():
        raise ConfigError(
            "MV2033",
            f"{path} has the columns {', '.join(rows[0])}",
            expected="the columns label and concept",
        )
    found: dict[str, str | None] = {}
    for row in rows:
        label, concept = row["label"].strip(), _concept(path, row, graph)
        if found.setdefault(label, concept) != concept:
            raise ConfigError("MV2033", f"{path}: label {label!r} stands for two terms")
    return found


def _concept(path: Path, row: Mapping[str, str], graph: KnowledgeGraph) -> str | None:
    written = row["concept"].strip()
    if not written:
        return None
    named = graph.find(written)
    if named:
        return named[0]
    try:
        return graph[written].id
    except KnowledgeError as error:
        raise ConfigError(
            "MV2033",
            f"{path}: label {row['label']!r}: {error.what}",
            expected="an id or name of a term of the graph, or nothing",
        ) from error
