"""Tell whether a text asserts, denies or leaves open what a span of it names.

A sentence is cut into words. Cues (:mod:`medvlp.text.negation_cues`) open a scope before or after
themselves; the scope ends with the sentence, at a contrast (``but``, ``although``, ``secondary
to``), or where a list turns into a clause of its own (``no effusion, there is oedema``). A denial
weighs more than a hedge, a cue inside a longer phrase that is no denial (``no change``) is none,
and a denial that is itself denied (``cannot be excluded``) leaves the finding open.

The idea of triggers with a direction and an end is that of NegEx and ConText; words and rules are
our own.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

from medvlp.text import negation_cues as cues

__all__ = ["Assertions", "Status", "assess", "find_negated", "span_status"]

Status = Literal["present", "absent", "uncertain"]

MAX_SCOPE_WORDS = 40

_Kind = tuple[Status, bool, int]
"""Status, whether the cue works forwards, and the most words it reaches over."""

_WORD = re.compile(r"w/o|r/o|[^\W_]+(?:[-'\u2019](?!(?:negative|free)\b)[^\W_]+)*|[^\w\s]")
_SENTENCE_MARKS = frozenset(".!;\n")
_NO_SENTENCE_END = frozenset("e.g i.e vs fig figs dr al approx ca cf no st".split())


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue in the words of one sentence; ``first`` and ``last`` are numbers of words."""

    first: int
    last: int
    status: Status
    is_forward: bool
    num_words: int


@dataclass(frozen=True, slots=True)
class _Scope:
    """Characters that a cue covers, and those of the cue itself."""

    start: int
    end: int
    cue_start: int
    cue_end: int
    status: Status


class Assertions:
    """The scopes of one text; made by :func:`assess`.

    Args:
        scopes: Covered characters, in the order of the text.
    """

    def __init__(self, scopes: list[_Scope]) -> None:
        self._scopes = sorted(scopes, key=lambda scope: scope.start)
        self._starts = [scope.start for scope in self._scopes]
        self._longest = max((scope.end - scope.start for scope in scopes), default=0)

    def status(self, start: int, end: int) -> Status:
        """Return what the text says about the characters ``start`` to ``end``.

        A scope that covers a part of the span covers it all. Cues that lie inside the span belong
        to its own name (``anaemia without iron deficiency``) and do not count.
        """
        found: Status = "present"
        low = bisect_left(self._starts, start - self._longest)
        for scope in self._scopes[low : bisect_left(self._starts, end)]:
            is_own_word = scope.cue_start < end and scope.cue_end > start
            if scope.end <= start or is_own_word:
                continue
            if scope.status == "absent":
                return "absent"
            found = "uncertain"
        return found

    @property
    def negated(self) -> tuple[tuple[int, int], ...]:
        """Character spans in which findings are denied, in the order of the text."""
        return tuple((s.start, s.end) for s in self._scopes if s.status == "absent")


def find_negated(text: str) -> tuple[tuple[int, int], ...]:
    """Return the character spans ``(start, end)`` in which a text denies what it names."""
    return assess(text).negated


def span_status(text: str, start: int, end: int) -> Status:
    """Return what a text says about its characters ``start`` to ``end``."""
    return assess(text).status(start, end)


def assess(text: str) -> Assertions:
    """Find the scopes of denial and doubt in a text, in time linear in its length.

    Args:
        text: A caption or report in English, any length.

    Returns:
        The scopes; ask them for the status of a span.
    """
    scopes: list[_Scope] = []
    for words in _sentences(text):
        tokens = [match.group().lower() for match in words]
        for cue in _cues(tokens):
            low, high = _reach(tokens, cue)
            if low <= high:
                scopes.append(
                    _Scope(
                        words[low].start(),
                        words[high].end(),
                        words[cue.first].start(),
                        words[cue.last].end(),
                        cue.status,
                    )
                )
    return Assertions(scopes)


def _sentences(text: str) -> list[list[re.Match[str]]]:
    """Cut a text into sentences of words and marks."""
    sentences: list[list[re.Match[str]]] = [[]]
    previous_end = 0
    for match in _WORD.finditer(text):
        if "\n" in text[previous_end : match.start()] and sentences[-1]:
            sentences.append([])
        sentences[-1].append(match)
        previous_end = match.end()
        if match.group() in _SENTENCE_MARKS and _ends_sentence(text, sentences[-1]):
            sentences.append([])
    return [words for words in sentences if words]


def _ends_sentence(text: str, words: list[re.Match[str]]) -> bool:
    mark = words[-1]
    if mark.group() != ".":
        return True
    following = text[mark.end() : mark.end() + 2].lstrip()
    if mark.end() < len(text) and not text[mark.end()].isspace():
        # A number such as 6.7, or a full stop without its space: "valve.The".
        return text[mark.end()].isupper() and text[mark.start() - 1].islower()
    if len(words) < 2 or not following:
        return True
    before = words[-2].group().lower()
    is_number = before == "no" and following[0].isdigit()
    return not is_number and (before == "no" or before not in _NO_SENTENCE_END)


def _cues(tokens: list[str]) -> list[_Cue]:
    """Return the cues of a sentence, longest phrase first at every word, without overlap."""
    table, longest = _cue_table()
    found: list[_Cue] = []
    place = 0
    while place < len(tokens):
        known = min(longest.get(tokens[place], 0), len(tokens) - place)
        for length in range(known, 0, -1):
            kinds = table.get(tuple(tokens[place : place + length]))
            if kinds is not None:
                if not _is_number_sign(tokens, place):
                    found += _directed(tokens, place, place + length - 1, kinds)
                place += length
                break
        else:
            place += 1
    return found


def _directed(tokens: list[str], first: int, last: int, kinds: list[_Kind]) -> list[_Cue]:
    """Make the cues of a phrase; where it could work both ways, of the way it does here.

    ``excluded pneumonia`` works forwards, ``pneumonia excluded by CT`` backwards.
    """
    if len({is_forward for _, is_forward, _ in kinds}) > 1:
        following = tokens[last + 1] if last + 1 < len(tokens) else "."
        stands_last = not following[0].isalnum() or following in cues.AFTER_LAST
        kinds = [kind for kind in kinds if kind[1] != stands_last]
    return [_Cue(first, last, *kind) for kind in kinds]


def _is_number_sign(tokens: list[str], place: int) -> bool:
    following = tokens[place + 1 : place + 3]
    return tokens[place] == "no" and len(following) == 2 and following[0] == "."


def _reach(tokens: list[str], cue: _Cue) -> tuple[int, int]:
    """Return the first and last word that a cue covers (first above last: none)."""
    if cue.is_forward:
        last = min(cue.last + cue.num_words, len(tokens) - 1)
        return cue.last + 1, _forward_end(tokens, cue, last)
    first = max(cue.first - cue.num_words, 0)
    return _backward_start(tokens, cue, first), cue.first - 1


def _forward_end(tokens: list[str], cue: _Cue, last: int) -> int:
    """Walk on to the end of the sentence, to a contrast or to the next clause."""
    cut = None
    for place in range(cue.last + 1, last + 1):
        if _stops_forward(tokens, place, cue):
            return place - 1
        word = tokens[place]
        if word in {",", "and", ":"}:
            cut = place
        elif cut is not None and _starts_clause(tokens, place, cue):
            return cut - 1
    return last


def _stops_forward(tokens: list[str], place: int, cue: _Cue) -> bool:
    word = tokens[place]
    if _is_stopper(tokens, place) or word in cues.FORWARD_STOPPERS:
        return True
    if word in {"(", ")"}:
        return word == ")" and "(" not in tokens[cue.last : place]
    if place == cue.last + 1:
        return False
    is_other_than = word == "other" and tokens[place + 1 : place + 2] == ["than"]
    is_shown = cue.status == "uncertain" and word in cues.SHOWING
    return is_other_than or is_shown or word in cues.PATIENT_WORDS


def _is_stopper(tokens: list[str], place: int) -> bool:
    word = tokens[place]
    if word in cues.STOPPERS_BEFORE_TO:
        return tokens[place + 1 : place + 2] == ["to"]
    return word in cues.STOPPERS


def _starts_clause(tokens: list[str], place: int, cue: _Cue) -> bool:
    """Tell whether the words since the last comma or ``and`` are a clause of their own."""
    word = tokens[place]
    if word == "there":
        return True
    if word in cues.HEDGES and cue.status == "absent":
        return True
    if word not in cues.FINITE_VERBS:
        return False
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    beyond = tokens[place + 2] if place + 2 < len(tokens) else ""
    # "No A, B and C were seen": the verb belongs to the list that is denied.
    return not (word in {*cues.BE, "has", "have"} and {following, beyond} & _participles())


def _backward_start(tokens: list[str], cue: _Cue, first: int) -> int:
    """Walk back to the start of the sentence, to a contrast or to the clause before."""
    cut = None
    for place in range(cue.first - 1, first - 1, -1):
        word = tokens[place]
        if _is_stopper(tokens, place) or (word == "(" and ")" not in tokens[place : cue.first]):
            return place + 1
        if word == ",":
            cut = place
        elif word == "and" and (cut is None or tokens[cut] == "and"):
            cut = place
        elif word in cues.FINITE_VERBS and place < cue.first - 1:
            return place + 1 if cut is None else cut + 1
    return first


@cache
def _participles() -> frozenset[str]:
    return cues.DECIDED.union(cues.PERCEIVED)


@cache
def _cue_table() -> tuple[dict[tuple[str, ...], list[_Kind]], dict[str, int]]:
    """Return phrase -> (status, works forward, words), and the longest phrase by first word."""
    table: dict[tuple[str, ...], list[_Kind]] = {}
    sources: tuple[tuple[str, Status, bool, int], ...] = (
        (cues.ABSENT_BEFORE, "absent", True, MAX_SCOPE_WORDS),
        (cues.ABSENT_AFTER, "absent", False, MAX_SCOPE_WORDS),
        (cues.ABSENT_WORD_BEFORE, "absent", False, 1),
        (cues.UNCERTAIN_BEFORE, "uncertain", True, MAX_SCOPE_WORDS),
        (cues.UNCERTAIN_AFTER, "uncertain", False, MAX_SCOPE_WORDS),
    )
    for lines, status, is_forward, num_words in sources:
        for phrase in _phrases(lines):
            table.setdefault(phrase, []).append((status, is_forward, num_words))
    for phrase in _phrases(cues.PSEUDO):
        table[phrase] = []
    longest: dict[str, int] = {}
    for phrase in table:
        longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
    return table, longest


def _phrases(text: str) -> list[tuple[str, ...]]:
    choices = {"BE": cues.BE, "SEEN": cues.PERCEIVED}
    return [
        phrase
        for pattern in text.split(";")
        for phrase in product(*(choices.get(word, (word,)) for word in pattern.split()))
    ]
