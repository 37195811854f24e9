"""The YAML file of a book of findings: its schema, and what makes a text of it usable.

A finding is keyed by its name. Its texts may be plain, or say where they come from::

    findings:
      pleural effusion:
        synonyms: [fluid in the pleural space]
        definition: Fluid between the two layers of the pleura.
        appearances:
          - The angle between diaphragm and chest wall is blunted.
          - {text: The upper edge curves upwards to the side., from: [lecture, atlas]}
        sided: true
        region: pleura
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import ConfigError

if TYPE_CHECKING:
    from typing import Self

    from medvlp.config.documents import PlainValue

__all__ = [
    "MAX_DESCRIPTION",
    "MAX_NAME",
    "FacetText",
    "FindingBookFile",
    "FindingEntry",
    "FindingRegion",
    "TextProblem",
    "check_keys",
    "fold_name",
    "text_problem",
]

MAX_NAME = 80
MAX_DESCRIPTION = 600
MAX_TEXTS = 40
_ONCE = "every name and synonym once in the book, whatever its case, spaces and hyphens"
_JOIN = "join the two findings, or take the name away from one of them"

FindingRegion = Literal[
    "lung",
    "airway",
    "pleura",
    "mediastinum",
    "heart",
    "vessel",
    "diaphragm",
    "bone",
    "soft tissue",
    "abdomen",
    "device",
    "chest",
]
"""Where a finding lies; ``chest`` where it lies in several places or anywhere."""


class TextProblem(NamedTuple):
    """Why a text cannot stand in a book."""

    code: str
    what: str
    expected: str


def fold_name(text: str) -> str:
    """Return a name for comparing: lower case, one space for any spaces, hyphens, underscores."""
    return re.sub(r"[\s_\-\u2010-\u2014]+", " ", text.casefold()).strip()


def text_problem(text: str, max_characters: int) -> TextProblem | None:
    """Return why a text cannot be used, None if it can.

    Args:
        text: The text.
        max_characters: The longest it may be.
    """
    if not any(character.isalnum() for character in text):
        return TextProblem("MV2052", f"{text[:40]!r} says nothing", "letters or digits")
    if len(text) > max_characters:
        return TextProblem(
            "MV2053",
            f"{text[:40]!r}... has {len(text):,} characters",
            f"at most {max_characters}",
        )
    if not text.isprintable():
        return TextProblem("MV2054", f"{text[:40]!r} has control characters", "printable text")
    return None


def _text_of(max_characters: int) -> AfterValidator:
    def check(text: str) -> str:
        joined = " ".join(text.split())
        problem = text_problem(joined, max_characters)
        if problem is not None:
            raise rule_error(problem.code, problem.what, expected=problem.expected)
        return joined

    return AfterValidator(check)


def _concept(text: str) -> str:
    if re.fullmatch(r"DOID:[0-9]{1,10}", text) is None:
        raise rule_error(
            "MV2055",
            f"{text[:40]!r} is no identifier of the Disease Ontology",
            expected="DOID: and digits, such as DOID:1673, or no concept",
        )
    return text


def _kind_of(value: object) -> str:
    return "sourced" if isinstance(value, dict | FacetText) else "plain"


NameText = Annotated[str, _text_of(MAX_NAME)]
DescriptionText = Annotated[str, _text_of(MAX_DESCRIPTION)]


class FacetText(StrictModel):
    """A sentence, or the definition, and where it comes from.

    Attributes:
        text: The text.
        sources: Names of the sources; none where the book's author wrote it.
    """

    text: DescriptionText
    sources: tuple[NameText, ...] = Field(default=(), alias="from", max_length=MAX_TEXTS)


SourcedText = Annotated[
    Annotated[DescriptionText, Tag("plain")] | Annotated[FacetText, Tag("sourced")],
    Discriminator(_kind_of),
]
"""A text, with or without its sources."""


class FindingEntry(StrictModel):
    """What a book says of one finding.

    Attributes:
        synonyms: Other names of the same finding.
        definition: What it is, in one or two sentences.
        appearances: What is seen on the image, a sentence each.
        concept: The disease in the Disease Ontology, if it is one.
        sided: Whether left and right differ, so that a report names the side.
        region: Where it lies.
    """

    synonyms: tuple[NameText, ...] = Field(default=(), max_length=MAX_TEXTS)
    definition: SourcedText | None = None
    appearances: tuple[SourcedText, ...] = Field(default=(), max_length=MAX_TEXTS)
    concept: Annotated[str, AfterValidator(_concept)] | None = None
    sided: bool = False
    region: FindingRegion = "chest"


class FindingBookFile(StrictModel):
    """A book of findings, as its YAML file holds it.

    Attributes:
        name: Name of the book.
        findings: Name -> what is said of it, in the order of the book.
    """

    name: NameText
    findings: Annotated[dict[NameText, FindingEntry], Field(min_length=1, max_length=2000)]

    @model_validator(mode="after")
    def _check_synonyms(self) -> Self:
        """Refuse a synonym that is also another name, whatever its case and spaces."""
        owners = {fold_name(name): name for name in self.findings}
        for name, entry in self.findings.items():
            for place, synonym in enumerate(entry.synonyms):
                folded = fold_name(synonym)
                if folded in owners:
                    at = f"findings.{name}.synonyms[{place}]"
                    raise rule_error(
                        "MV2050",
                        _already(synonym, owners[folded]),
                        expected=_ONCE,
                        hint=_JOIN,
                        at=at,
                    )
                owners[folded] = name
        return self


def check_keys(document: PlainValue, *, source: str) -> None:
    """Refuse two findings of one name, before a dictionary makes one of them.

    Args:
        document: The values of a book's file.
        source: Name of the file, for messages.

    Raises:
        ConfigError: MV2050.
    """
    findings = document.get("findings") if isinstance(document, dict) else None
    known: dict[str, str] = {}
    for key in findings if isinstance(findings, dict) else ():
        first = known.setdefault(fold_name(key), key)
        if first != key:
            raise ConfigError(
                "MV2050",
                f"{source}: findings.{key}: {_already(key, first)}",
                expected=_ONCE,
                hint=_JOIN,
            )


def _already(name: str, owner: str) -> str:
    return f"{name!r} already names the finding {owner!r}"
