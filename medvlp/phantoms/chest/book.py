"""The book of the made-up findings: a definition and sentences on their looks, as a YAML text.

The format is that of the book of chest findings that the package ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SYNONYMS
from medvlp.phantoms.chest.wording import noun_words, trait_words

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["phantom_appearances", "phantom_definition", "phantom_findings_yaml"]

_DEFINITIONS = {
    "single": (
        "A {count}, {shape} {noun} of the {zone}, {brightness}, with a {border} border and"
        " {texture} texture."
    ),
    "several": (
        "{Count} {shape} {noun} of the {zone}, {brightness}, with a {border} border and"
        " {texture} texture."
    ),
}
_SENTENCES = (
    (0, "The shape is {shape} and the brightness is {brightness}."),
    (1, "The {noun} looks {shape}; it is {brightness}, {texture} and {border}."),
    (2, "Seen as {shape}, {brightness} against the lung, with {border} edges."),
    (0, "The border is {border} and the texture inside is {texture}."),
    (1, "It lies in the {zone} and is {count} in number."),
    (2, "Found in the {zone}, {count}, with a {texture} interior."),
)


def phantom_definition(name: str) -> str:
    """Say what a finding is, in one sentence without its name.

    Args:
        name: Name of the finding.
    """
    traits = PHANTOM_FINDINGS[name]
    words = trait_words(traits, 0)
    return _DEFINITIONS[traits.count].format(
        **words, Count=words["count"].capitalize(), noun=noun_words(traits, 0)
    )


def phantom_appearances(name: str) -> tuple[str, ...]:
    """Say how a finding looks, in six sentences without its name.

    Args:
        name: Name of the finding.
    """
    traits = PHANTOM_FINDINGS[name]
    return tuple(
        text.format(**trait_words(traits, way), noun=noun_words(traits, way))
        for way, text in _SENTENCES
    )


def phantom_findings_yaml(names: Sequence[str] = tuple(PHANTOM_FINDINGS)) -> str:
    """Write the book.

    Args:
        names: Which findings it holds.

    Returns:
        YAML text: the name of the book, and ``findings``, name -> synonyms, definition,
        appearances, sided, region.
    """
    findings = {
        name: {
            "synonyms": [SYNONYMS[name]],
            "definition": phantom_definition(name),
            "appearances": list(phantom_appearances(name)),
            "sided": True,
            "region": "lung",
        }
        for name in names
    }
    book = {"name": "made-up findings of phantom chest X-rays", "findings": findings}
    return yaml.safe_dump(book, sort_keys=False, width=100)
