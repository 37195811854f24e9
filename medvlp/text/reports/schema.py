"""Schemas of attributes: what is asked of a report, and the phrases that answer.

A schema is a YAML file. An attribute is one of three kinds:

- ``finding``: absent, uncertain or present, from phrases and what is said of them;
- ``choice``: the first of its classes whose phrases are stated;
- ``size``: a class by the largest length in mm beside its phrases.

Every attribute has the further answer :data:`NOT_STATED`. Phrases: see
:mod:`medvlp.text.reports.phrases`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from medvlp.config.documents import parse_yaml
from medvlp.config.strict import StrictModel, load_yaml_model, matching, parse_model, rule_error
from medvlp.errors import ConfigError, nearest_name
from medvlp.text.reports.phrases import parse_phrase

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

__all__ = [
    "FINDING_CLASSES",
    "NOT_STATED",
    "Attribute",
    "AttributeSchema",
    "ChoiceAttribute",
    "ChoiceClass",
    "FindingAttribute",
    "SizeAttribute",
    "built_in_schemas",
    "load_schema",
]

NOT_STATED = "not stated"
FINDING_CLASSES = ("absent", "uncertain", "present")
_SUFFIX = ".yaml"


def _checked_phrase(phrase: str) -> str:
    try:
        parse_phrase(phrase)
    except ValueError as error:
        raise rule_error(
            "MV2304", str(error), expected="words, alternatives, stems, gaps"
        ) from error
    return phrase


PhraseText = Annotated[str, Field(min_length=1), AfterValidator(_checked_phrase)]
Phrases = tuple[PhraseText, ...]


def _some(phrases: Phrases) -> Phrases:
    if not phrases:
        raise rule_error("MV1002", "there is no phrase", expected="at least 1 of them")
    return phrases


SomePhrases = Annotated[Phrases, AfterValidator(_some)]
Cues = tuple[
    Annotated[str, matching(r"[a-zA-Z]+( [a-zA-Z]+)*", "words of letters, one space between")],
    ...,
]
ClassName = Annotated[str, Field(min_length=1, max_length=60)]
AttributeName = Annotated[str, matching(r"[a-z][a-z0-9_]*", "lower-case letters, digits and _")]


class FindingAttribute(StrictModel):
    """Whether something is there.

    Attributes:
        title: Its name for people.
        phrases: What names it.
        normal: Phrases that deny it where they are asserted (``heart size is normal``).
        when_absent: Phrases that deny it where they are denied (``no abnormality``).
        unless: What lies within one of these does not count.
    """

    kind: Literal["finding"]
    title: str
    phrases: SomePhrases
    normal: Phrases = ()
    when_absent: Phrases = ()
    unless: Phrases = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The answers, apart from ``not stated``."""
        return FINDING_CLASSES


class ChoiceClass(StrictModel):
    """One answer of a choice.

    Attributes:
        phrases: What states it, asserted or in doubt.
        unless: What lies within one of these does not count.
        when_absent: What states it where it is denied.
    """

    phrases: SomePhrases
    unless: Phrases = ()
    when_absent: Phrases = ()


class ChoiceAttribute(StrictModel):
    """Which of several it is; where a report states two, the first listed wins.

    Attributes:
        title: Its name for people.
        about: A sentence must have one of these; none: every sentence counts.
        unless: What lies within one of these makes no sentence count.
        classes: Answer -> what states it.
    """

    kind: Literal["choice"]
    title: str
    about: Phrases = ()
    unless: Phrases = ()
    classes: Annotated[dict[ClassName, ChoiceClass], Field(min_length=2)]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The answers, apart from ``not stated``."""
        return tuple(self.classes)


class SizeAttribute(StrictModel):
    """How large it is.

    Attributes:
        title: Its name for people.
        about: The length stands in a sentence with one of these.
        unless: What lies within one of these does not count.
        up_to_mm: Class -> largest length in mm that belongs to it, ascending; None for the last.
    """

    kind: Literal["size"]
    title: str
    about: SomePhrases
    unless: Phrases = ()
    up_to_mm: Annotated[dict[ClassName, float | None], Field(min_length=2)]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The answers, apart from ``not stated``."""
        return tuple(self.up_to_mm)

    def class_of(self, length_mm: float) -> str:
        """Return the class of a length in mm."""
        return next(
            name for name, most in self.up_to_mm.items() if most is None or length_mm <= most
        )

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        *limits, last = self.up_to_mm.values()
        numbers = [limit for limit in limits if limit is not None]
        if last is not None or numbers != sorted(set(limits), key=lambda x: x or 0.0):
            raise rule_error(
                "MV2304",
                f"the limits {list(self.up_to_mm.values())} do not part all lengths",
                expected="ascending limits in mm, and null for the last class",
                at="up_to_mm",
            )
        return self


Attribute = Annotated[
    FindingAttribute | ChoiceAttribute | SizeAttribute, Field(discriminator="kind")
]


class AttributeSchema(StrictModel):
    """A schema, as its YAML file holds it.

    Attributes:
        name: Name of the schema.
        organ: The paired organ whose sides are told apart; None for the whole report at once.
        absent_before: Words that deny what follows, beside those of
            :mod:`medvlp.text.negation_cues`, such as ``removal of``.
        absent_after: Words that deny what stands before them, such as ``has been removed``.
        attributes: Name -> attribute, in the order of the heads that learn them.
    """

    name: str
    organ: Literal["kidney"] | None = None
    absent_before: Cues = ()
    absent_after: Cues = ()
    attributes: Annotated[dict[AttributeName, Attribute], Field(min_length=1)]

    def class_index(self, attribute: str, value: str) -> int:
        """Return the number of an answer of an attribute; -1 for ``not stated``.

        Args:
            attribute: Name of the attribute.
            value: The answer.

        Raises:
            ConfigError: MV2305 if the schema has no such attribute or answer.
        """
        if attribute not in self.attributes:
            raise ConfigError(
                "MV2305",
                f"schema {self.name} has no attribute {attribute!r}"
                f"{nearest_name(attribute, self.attributes)}",
                expected=f"one of {list(self.attributes)}",
            )
        if value == NOT_STATED:
            return -1
        names = self.attributes[attribute].class_names
        if value not in names:
            raise ConfigError(
                "MV2305",
                f"{value!r} is no answer of {attribute}{nearest_name(value, names)}",
                expected=f"one of {[*names, NOT_STATED]}",
            )
        return names.index(value)


def built_in_schemas() -> tuple[str, ...]:
    """Return the names of the schemas that come with the package."""
    folder = files(__package__) / "schemas"
    return tuple(
        sorted(f.name.removesuffix(_SUFFIX) for f in folder.iterdir() if f.name.endswith(_SUFFIX))
    )


def load_schema(schema: str | Path) -> AttributeSchema:
    """Read a schema.

    Args:
        schema: Name of a built-in one (``kidney``, ``chest-ct``), or a path of a YAML file.

    Raises:
        ConfigError: MV2305 if there is no built-in schema of this name, MV2304 if a phrase or a
            limit is wrong, or a code of :func:`medvlp.config.strict.load_yaml_model`.
    """
    if not isinstance(schema, str):
        return load_yaml_model(schema, AttributeSchema)
    names = built_in_schemas()
    if schema not in names:
        raise ConfigError(
            "MV2305",
            f"there is no schema {schema!r}{nearest_name(schema, names)}",
            expected=f"one of {list(names)}, or a path of a YAML file",
        )
    source = f"{schema}{_SUFFIX}"
    text = (files(__package__) / "schemas" / source).read_text(encoding="utf-8")
    return parse_model(parse_yaml(text, source=source), AttributeSchema, source=source)
