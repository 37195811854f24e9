"""A small ontology of what phantoms show, in the layout of the Disease Ontology's JSON lines.

It gives the demo and the tests what a real run takes from the Disease Ontology: names, synonyms,
definitions and is_a of every tissue, and the terms above them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from medvlp.io import publish_file
from medvlp.phantoms.classes import CLASSES, find_class
from medvlp.phantoms.vocabulary import TRAITS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["concept_of", "ontology_records", "write_ontology"]

_PREFIX = "PHANTOM"
_ROOT, _TISSUE, _NEOPLASM, _CARCINOMA, _PALE, _DARK = (100, 110, 120, 130, 131, 132)

# Number -> (name, synonyms, definition, number of the parent).
_UPPER: dict[int, tuple[str, tuple[str, ...], str, int | None]] = {
    _ROOT: ("phantom finding", (), "Anything that a phantom slide shows.", None),
    _TISSUE: (
        "phantom tissue without tumor",
        ("non-cancerous phantom tissue",),
        "A phantom finding that is no growth of tumor cells.",
        _ROOT,
    ),
    _NEOPLASM: (
        "phantom neoplasm",
        ("phantom tumor", "phantom growth"),
        "A phantom finding that is made of tumor cells.",
        _ROOT,
    ),
    _CARCINOMA: (
        "phantom carcinoma",
        ("phantom epithelial cancer",),
        "A phantom neoplasm whose cells are epithelial.",
        _NEOPLASM,
    ),
    _PALE: (
        "phantom carcinoma of renal kind",
        ("renal phantom cancer",),
        "A phantom carcinoma of clear cells or of papillae.",
        _CARCINOMA,
    ),
    _DARK: (
        "phantom carcinoma of bronchial kind",
        ("bronchial phantom cancer",),
        "A phantom carcinoma of small cells or of glands.",
        _CARCINOMA,
    ),
}
_PARENT_OF_CLASS = {
    "clear-cell": _PALE,
    "papillary": _PALE,
    "small-cell": _DARK,
    "glandular": _DARK,
    "normal": _TISSUE,
    "stroma": _TISSUE,
    "fat": _TISSUE,
    "glass": _ROOT,
}


def concept_of(key: str) -> str:
    """Return the id of a tissue in the ontology, such as ``PHANTOM:0001``.

    Args:
        key: ``TissueClass.key``.

    Raises:
        PhantomError: MV1901 when no class has this key.
    """
    return _identifier(find_class(key).code)


def ontology_records() -> list[dict[str, Any]]:
    """Return one record per term: id, name, definition, synonyms, parents, xrefs."""
    records = [
        _record(number, name, synonyms, definition, parent)
        for number, (name, synonyms, definition, parent) in _UPPER.items()
    ]
    for item in CLASSES:
        architecture, nuclei, ground = (group[0] for group in TRAITS[item.key])
        definition = f"A phantom finding with {architecture}, {nuclei} and {ground}."
        parent = _PARENT_OF_CLASS[item.key]
        records.append(_record(item.code, item.names[0], item.names[1:], definition, parent))
    return sorted(records, key=lambda record: str(record["id"]))


def write_ontology(path: Path) -> None:
    """Write the ontology as JSON lines.

    Args:
        path: The file; replaced where it exists.
    """
    with publish_file(path) as partial:
        lines = (json.dumps(record, ensure_ascii=False) for record in ontology_records())
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _identifier(number: int) -> str:
    return f"{_PREFIX}:{number:04d}"


def _record(
    number: int, name: str, synonyms: tuple[str, ...], definition: str, parent: int | None
) -> dict[str, Any]:
    return {
        "id": _identifier(number),
        "name": name,
        "definition": definition,
        "synonyms": [[synonym, "EXACT"] for synonym in synonyms],
        "parents": [] if parent is None else [_identifier(parent)],
        "xrefs": [],
    }
