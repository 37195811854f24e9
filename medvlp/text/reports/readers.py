"""Read one attribute from the parts of a report that speak of one side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from medvlp.text.reports.phrases import PhraseBook, Span
from medvlp.text.reports.schema import (
    FINDING_CLASSES,
    NOT_STATED,
    ChoiceAttribute,
    FindingAttribute,
    SizeAttribute,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from medvlp.text.negation import Assertions, Status
    from medvlp.text.reports.measurements import Measurement
    from medvlp.text.reports.sides import SidePart

__all__ = ["AttributeReader", "AttributeValue", "Evidence", "ReportContext", "build_reader"]

_GOING_ON = frozenset({"it", "its", "this", "measures", "measuring"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Characters of a report that speak for an answer."""

    start: int
    end: int
    answer: str


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """The answer of one attribute.

    Attributes:
        value: A class of the attribute, or ``not stated``.
        evidence: What states an answer, this or a contradicting one, in the order of the text.
        is_contradicted: Whether the report also states another answer.
        is_doubtful: Whether all that speaks for the answer is hedged.
    """

    value: str
    evidence: tuple[Evidence, ...] = ()
    is_contradicted: bool = False
    is_doubtful: bool = False


class ReportContext(NamedTuple):
    """What is known of a whole report: where it denies and doubts, and its lengths."""

    assertions: Assertions
    lengths: Sequence[Measurement]


class _Match(NamedTuple):
    """A phrase in a part: what it is for, what is said of it, and its characters."""

    key: str
    status: Status
    spans: tuple[Span, ...]


class _Statement(NamedTuple):
    """An answer, how surely it is given, and the characters that give it."""

    answer: str
    status: Status
    spans: tuple[Span, ...]


class AttributeReader:
    """Reads one attribute; the kinds differ in :meth:`statements`.

    Args:
        answers: Its answers, the gravest first.
        phrases: What a phrase is for -> phrases.
    """

    def __init__(self, answers: Sequence[str], phrases: Mapping[str, Sequence[str]]) -> None:
        self.answers = answers
        self._keys = [key for key, texts in phrases.items() for _ in texts]
        self._book = PhraseBook([text for texts in phrases.values() for text in texts])

    def read(self, parts: Sequence[SidePart], context: ReportContext) -> AttributeValue:
        """Return the answer that the parts state.

        Args:
            parts: What the report says of one side.
            context: The report that they come from.
        """
        return _decide(self.answers, list(dict.fromkeys(self.statements(parts, context))))

    def statements(self, parts: Sequence[SidePart], context: ReportContext) -> Iterator[_Statement]:
        """Yield what the parts state, in their order."""
        raise NotImplementedError

    def matches(self, part: SidePart, context: ReportContext) -> list[_Match]:
        """Return the phrases of a part with what is said of them."""
        return [
            _Match(self._keys[m.phrase], _status(context.assertions, m.runs), m.spans)
            for m in self._book.find(part.words)
        ]


class _FindingReader(AttributeReader):
    def __init__(self, attribute: FindingAttribute) -> None:
        super().__init__(
            FINDING_CLASSES[::-1],
            {
                "named": attribute.phrases,
                "normal": attribute.normal,
                "denied": attribute.when_absent,
                "unless": attribute.unless,
            },
        )

    def statements(self, parts: Sequence[SidePart], context: ReportContext) -> Iterator[_Statement]:
        for part in parts:
            matches = self.matches(part, context)
            unless = _spans(matches, "unless")
            for key, status, spans in matches:
                if not _outside(spans, unless):
                    continue
                if key == "named":
                    yield _Statement(status, "present", spans)
                elif key != "unless" and status == ("present" if key == "normal" else "absent"):
                    yield _Statement("absent", "present", spans)


class _ChoiceReader(AttributeReader):
    def __init__(self, attribute: ChoiceAttribute) -> None:
        phrases: dict[str, Sequence[str]] = {"about": attribute.about, "unless": attribute.unless}
        for name, choice in attribute.classes.items():
            phrases[f"+{name}"] = choice.phrases
            phrases[f"-{name}"] = choice.unless
            phrases[f"!{name}"] = choice.when_absent
        super().__init__(attribute.class_names, phrases)
        self._has_about = bool(attribute.about)
        self._order = {f"+{name}": place for place, name in enumerate(attribute.class_names)}

    def statements(self, parts: Sequence[SidePart], context: ReportContext) -> Iterator[_Statement]:
        for part in parts:
            matches = self.matches(part, context)
            # What lies within the words of a class listed before says nothing of its own.
            matches.sort(key=lambda match: self._order.get(match.key, len(self._order)))
            unless = _spans(matches, "unless")
            is_about = not self._has_about or any(
                match.key == "about" and _outside(match.spans, unless) for match in matches
            )
            taken: list[Span] = []
            for key, status, spans in matches:
                sign, name = key[0], key[1:]
                if not _outside(spans, _spans(matches, f"-{name}")):
                    continue
                if sign == "+" and is_about and status != "absent" and _outside(spans, taken):
                    taken += spans
                    yield _Statement(name, status, spans)
                elif sign == "!" and status == "absent":
                    yield _Statement(name, "present", spans)


class _SizeReader(AttributeReader):
    def __init__(self, attribute: SizeAttribute) -> None:
        super().__init__(
            attribute.class_names[::-1], {"about": attribute.about, "unless": attribute.unless}
        )
        self._attribute = attribute

    def statements(self, parts: Sequence[SidePart], context: ReportContext) -> Iterator[_Statement]:
        before: Status | None = None
        for part in parts:
            matches = self.matches(part, context)
            unless = _spans(matches, "unless")
            named = [
                match.status
                for match in matches
                if match.key == "about"
                and match.status != "absent"
                and _outside(match.spans, unless)
            ]
            # "A mass in the lower pole; it measures 24 mm": the subject stands in the part before.
            goes_on = bool(part.words) and part.words[0].text in _GOING_ON
            before = named[0] if named else before if goes_on else None
            if before is not None:
                yield from self._sizes(part, context.lengths, before)

    def _sizes(
        self, part: SidePart, lengths: Sequence[Measurement], status: Status
    ) -> Iterator[_Statement]:
        for length in lengths:
            is_inside = any(start <= length.start < end for start, end in part.spans)
            if is_inside and length.largest_mm is not None:
                name = self._attribute.class_of(length.largest_mm)
                yield _Statement(name, status, ((length.start, length.end),))


def build_reader(attribute: FindingAttribute | ChoiceAttribute | SizeAttribute) -> AttributeReader:
    """Return the reader of an attribute."""
    if isinstance(attribute, FindingAttribute):
        return _FindingReader(attribute)
    if isinstance(attribute, ChoiceAttribute):
        return _ChoiceReader(attribute)
    return _SizeReader(attribute)


def _spans(matches: Sequence[_Match], key: str) -> list[Span]:
    return [span for match in matches if match.key == key for span in match.spans]


def _outside(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    """Tell whether none of the spans lies within one of the others."""
    return not any(low <= start and end <= high for start, end in spans for low, high in others)


def _status(assertions: Assertions, spans: Sequence[Span]) -> Status:
    """Return what is said of a phrase: denied if one of its parts is, else in doubt if one is."""
    found = {assertions.status(start, end) for start, end in spans}
    return "absent" if "absent" in found else "uncertain" if "uncertain" in found else "present"


def _contradict(answers: set[str]) -> bool:
    """Tell whether answers exclude each other; doubt goes with either."""
    return len(answers - {"uncertain"}) > 1


def _decide(answers: Sequence[str], stated: Sequence[_Statement]) -> AttributeValue:
    """Return the gravest answer among the surest statements."""
    sure = [statement for statement in stated if statement.status == "present"]
    counted = sure or stated
    if not counted:
        return AttributeValue(NOT_STATED)
    value = next(answer for answer in answers if any(s[0] == answer for s in counted))
    evidence = [Evidence(start, end, name) for name, _, spans in stated for start, end in spans]
    evidence.sort(key=lambda item: (item.start, item.end))
    return AttributeValue(
        value,
        tuple(evidence),
        is_contradicted=_contradict({name for name, *_ in counted}),
        is_doubtful=not sure,
    )
