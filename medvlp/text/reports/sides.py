"""Tell which sentences of a report speak of the left, and which of the right of a paired organ.

A sentence belongs to the organ if it names it, or follows one that does and names no other organ.
Its side is written in it, or else that of the sentence before. A sentence about both sides is cut
where one ends (``a cyst on the right and a stone on the left``); a second part that only says where
(``and in the left kidney``) shares the beginning of the first.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from medvlp.errors import DataError
from medvlp.text import negation_cues as cues
from medvlp.text.reports.cleaning import clean_report, compose_report
from medvlp.text.reports.sections import find_sections, report_body
from medvlp.text.reports.sentences import ReportWord, report_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "KIDNEY",
    "SIDES",
    "PairedOrgan",
    "Side",
    "SidePart",
    "SideParts",
    "check_side",
    "empty_side_sentence",
    "find_side_parts",
    "side_texts",
]

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
_BOTH = frozenset(SIDES)
_SIDE_WORDS: dict[str, frozenset[Side]] = {
    "left": frozenset({"left"}),
    "right": frozenset({"right"}),
    **dict.fromkeys(("bilateral", "bilaterally", "both", "each", "either"), _BOTH),
}
_SEPARATORS = frozenset({",", ";", "and", "while", "whereas", "but", "with"})
_COMPARING = frozenset({"than", "compared"})
_PLACES = frozenset(
    """and in the a an on at of , ; ( ) - ~ . side sided another one other also upper middle mid
    lower pole third half level part anterior posterior cortex mm cm x approximately measuring as
    well is up to""".split()
)


@dataclass(frozen=True, slots=True)
class PairedOrgan:
    """An organ that there is one of on each side.

    Attributes:
        name: Its name in the singular.
        words: Words that name it or a part of it; the first letters count (``nephr``).
        plurals: Words that speak of both.
        others: First letters of words for other organs.
    """

    name: str
    words: tuple[str, ...]
    plurals: frozenset[str]
    others: tuple[str, ...]


KIDNEY = PairedOrgan(
    "kidney",
    tuple(
        """kidney renal nephr hydroneph hydrouret perineph periren pararen pelvicaly pyelocal
        calyceal calix calyx ureter angiomyolip collecting staghorn""".split()
    ),
    frozenset({"kidneys", "ureters"}),
    tuple(
        """liver hepat spleen splen pancrea gallbl biliar adrenal suprarenal lung pulmon lobe pleur
        heart cardi pericard thyroid breast ovar uter adnex prostat bladder bowel colon stomach
        gastr appendi esophag hip femor iliac inguin rib vertebra thora aort axill bronch
        trachea mediastin testi psoas bone osteo osseous lytic skelet spin disc scolio divertic
        chole pneumon periton retroperiton intraabdom ascit oment mesent duoden free""".split()
    ),
)


@dataclass(frozen=True, slots=True)
class SidePart:
    """What one sentence says of one side.

    Attributes:
        spans: Characters of the report, in order; two where a beginning is shared.
        words: The words of these.
    """

    spans: tuple[tuple[int, int], ...]
    words: tuple[ReportWord, ...]


@dataclass(slots=True)
class SideParts:
    """What a report says of each side, and what it says without naming one."""

    left: list[SidePart] = field(default_factory=list)
    right: list[SidePart] = field(default_factory=list)
    unsided: list[SidePart] = field(default_factory=list)

    def of(self, side: Side) -> list[SidePart]:
        """Return the parts about one side."""
        return self.left if side == "left" else self.right


@dataclass(frozen=True, slots=True)
class _Mention:
    """A side that is named in a sentence, by the number of the word."""

    place: int
    sides: frozenset[Side]


def find_side_parts(text: str, organ: PairedOrgan = KIDNEY) -> SideParts:
    """Find what a report says of the left and of the right organ.

    Args:
        text: A report; sections of background are passed over.
        organ: The organ.
    """
    found = SideParts()
    topic: frozenset[Side] | None = None
    starts = [section.start for section in find_sections(text)]
    section = 0
    for sentence in report_sentences(report_body(text)):
        if bisect_right(starts, sentence.start) != section:
            section, topic = bisect_right(starts, sentence.start), None
        names_organ = any(_names(word, organ) for word in sentence.words)
        names_other = any(_names_other(word, organ) for word in sentence.words)
        if not names_organ and (names_other or topic is None):
            topic = None
            continue
        mentions = _mentions(sentence.words, organ, names_other=names_other)
        if mentions:
            topic = frozenset[Side]().union(*(m.sides for m in mentions))
            for sides, part in _pieces(sentence.words, mentions, organ):
                _keep(found, sides, part)
        else:
            is_both = any(word.text in organ.plurals for word in sentence.words)
            topic = _BOTH if is_both else topic or frozenset()
            _keep(found, topic, _part([sentence.words]))
    return found


def side_texts(
    text: str, organ: PairedOrgan = KIDNEY, *, abnormal: frozenset[Side] | None = None
) -> dict[Side, str]:
    """Return one cleaned text for each side, with the headings of findings and impression.

    Without such headings in the report there are none in the texts. A side of which nothing is said
    gets the sentence of :func:`empty_side_sentence`.

    Args:
        text: A report.
        organ: The organ.
        abnormal: Sides that are known to be abnormal, which an empty text must not call normal.

    Returns:
        Side -> its text.
    """
    parts = find_side_parts(text, organ)
    sections = find_sections(text)
    impressions = [(s.start, s.end) for s in sections if s.kind == "impression"]
    has_headings = any(s.kind in {"findings", "impression"} for s in sections)
    found: dict[Side, str] = {}
    for side in SIDES:
        findings: list[str] = []
        impression: list[str] = []
        for part in parts.of(side):
            piece = clean_report(" ".join(text[start:end] for start, end in part.spans))
            is_impression = any(low <= part.spans[0][0] < high for low, high in impressions)
            (impression if is_impression else findings).append(piece)
        if not parts.of(side):
            is_abnormal = abnormal is not None and side in abnormal
            found[side] = empty_side_sentence(side, organ, is_abnormal=is_abnormal)
        elif has_headings:
            found[side] = compose_report(" ".join(findings), " ".join(impression))
        else:
            found[side] = " ".join(findings)
    return found


def empty_side_sentence(
    side: Side, organ: PairedOrgan = KIDNEY, *, is_abnormal: bool = False
) -> str:
    """Return what stands for a side of which a report says nothing.

    Args:
        side: The side.
        organ: The organ.
        is_abnormal: Whether the side is known to be abnormal from elsewhere.

    Source:
        RenalCLIP (arXiv:2508.16569), its texts for empty sides.
    """
    if is_abnormal:
        return f"{side.capitalize()} {organ.name} assessment unavailable."
    return f"No abnormalities in the {side} {organ.name}."


def check_side(text: str, side: Side, organ: PairedOrgan = KIDNEY) -> None:
    """Refuse a report that speaks of the other side only.

    Args:
        text: A report that was given for one side.
        side: The side.
        organ: The organ.

    Raises:
        DataError: MV2303 if only the other side is named.
    """
    parts = find_side_parts(text, organ)
    other: Side = "right" if side == "left" else "left"
    if parts.of(other) and not parts.of(side) and not parts.unsided:
        raise DataError(
            "MV2303",
            f"a report given for the {side} {organ.name} speaks of the {other} one only",
            expected=f"a report that names the {side} {organ.name}, both, or no side",
            hint="check that report and scan belong together, and that no axis was mirrored",
        )


def _keep(found: SideParts, sides: frozenset[Side], part: SidePart) -> None:
    for side in sorted(sides):
        found.of(side).append(part)
    if not sides:
        found.unsided.append(part)


def _names(word: ReportWord, organ: PairedOrgan) -> bool:
    return word.text.startswith(organ.words)


def _names_other(word: ReportWord, organ: PairedOrgan) -> bool:
    return word.text.startswith(organ.others)


def _mentions(
    words: Sequence[ReportWord], organ: PairedOrgan, *, names_other: bool
) -> list[_Mention]:
    found: list[_Mention] = []
    for place, word in enumerate(words):
        sides = _SIDE_WORDS.get(word.text)
        before = {w.text for w in words[max(0, place - 5) : place]}
        if sides is None or before & _COMPARING:
            continue
        if names_other and not _leads_to_organ(words, place, organ):
            continue
        if found and all(w.text in {"and", "or", ","} for w in words[found[-1].place + 1 : place]):
            found[-1] = _Mention(found[-1].place, found[-1].sides | sides)
        else:
            found.append(_Mention(place, sides))
    return found


def _leads_to_organ(words: Sequence[ReportWord], place: int, organ: PairedOrgan) -> bool:
    """Tell ``left kidney`` from ``left lobe`` in a sentence that names both organs."""
    for word in words[place + 1 : place + 6]:
        if _names(word, organ):
            return True
        if _names_other(word, organ) or word.text in {",", ";"}:
            return False
    return False


def _pieces(
    words: Sequence[ReportWord], mentions: Sequence[_Mention], organ: PairedOrgan
) -> list[tuple[frozenset[Side], SidePart]]:
    """Cut the words of a sentence at the changes of side."""
    cuts = [(0, mentions[0].sides)]
    for before, after in pairwise(mentions):
        if before.sides == after.sides:
            continue
        places = [i for i in range(before.place + 1, after.place) if words[i].text in _SEPARATORS]
        if not places:
            sides = cuts[-1][1] | after.sides
            cuts[-1] = (cuts[-1][0], sides)
        else:
            cuts.append((places[-1], after.sides))
    ends = [start for start, _ in cuts[1:]] + [len(words)]
    head = words[: mentions[0].place]
    found = []
    for number, ((start, sides), end) in enumerate(zip(cuts, ends, strict=True)):
        piece = words[start:end]
        shared = [head] if number and head and _says_only_where(piece, organ) else []
        found.append((sides, _part([*shared, piece])))
    return found


def _says_only_where(piece: Sequence[ReportWord], organ: PairedOrgan) -> bool:
    return all(
        word.text in _PLACES
        or word.text in _SIDE_WORDS
        or word.text[0].isdigit()
        or (_names(word, organ) and word.text[:4] in {"kidn", "rena"})
        for word in piece
    ) and not any(word.text in cues.FINITE_VERBS - {"is"} for word in piece)


def _part(groups: Sequence[Sequence[ReportWord]]) -> SidePart:
    groups = [group for group in groups if group]
    spans = tuple((group[0].start, group[-1].end) for group in groups)
    return SidePart(spans, tuple(word for group in groups for word in group))
