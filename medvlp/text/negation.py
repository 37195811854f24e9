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

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

from medvlp.text import negation_cues as cues
from medvlp.text.sentences import split_sentences

__all__ = ["Assertions", "Status", "assess", "find_negated", "span_status"]

Status = Literal["present", "absent", "uncertain"]

MAX_SCOPE_WORDS = 40
FURTHER_SCOPE_WORDS = 8

_Kind = tuple[Status, bool, int]
"""Status, whether the cue works forwards, and the most words it reaches over."""
_CueTable = tuple[dict[tuple[str, ...], list[_Kind]], dict[str, int]]


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


def assess(
    text: str, *, absent_before: tuple[str, ...] = (), absent_after: tuple[str, ...] = ()
) -> Assertions:
    """Find the scopes of denial and doubt in a text, in time linear in its length.

    Args:
        text: A caption or report in English, any length.
        absent_before: Further phrases that stand before a finding and deny it, such as
            ``removal of``; they reach over few words.
        absent_after: Further phrases that stand after a finding and deny it.

    Returns:
        The scopes; ask them for the status of a span.
    """
    scopes: list[_Scope] = []
    table = _cue_table(absent_before, absent_after)
    for words in split_sentences(text):
        tokens = [match.group().lower().replace("\u2019", "'") for match in words]
        for cue in _cues(tokens, table):
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


def _cues(tokens: list[str], cue_table: _CueTable) -> list[_Cue]:
    """Return the cues of a sentence, longest phrase first at every word, without overlap."""
    table, longest = cue_table
    places = [place for place, word in enumerate(tokens) if not _is_idle_adverb(word)]
    words = [tokens[place] for place in places]
    found: list[_Cue] = []
    first = 0
    while first < len(words):
        known = min(longest.get(words[first], 0), len(words) - first)
        for length in range(known, 0, -1):
            kinds = table.get(tuple(words[first : first + length]))
            if kinds is not None:
                if not _is_number_sign(words, first):
                    last = places[first + length - 1]
                    found += _directed(tokens, places[first], last, kinds)
                first += length
                break
        else:
            first += 1
    return found


def _is_idle_adverb(word: str) -> bool:
    """Tell an adverb that says how and not whether: ``clearly``, ``any``, ``even``."""
    if word in {"any", "even", "also", "yet", "ever"}:
        return True
    return word.endswith("ly") and len(word) > 4 and word not in cues.TELLING_ADVERBS


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
    is_reason = word == "as" and tokens[place - 1] == ","
    is_other_than = word == "other" and tokens[place + 1 : place + 2] == ["than"]
    is_shown = cue.status == "uncertain" and word in cues.SHOWING
    return is_reason or is_other_than or is_shown or _is_background(tokens, place, cue)


def _is_background(tokens: list[str], place: int, cue: _Cue) -> bool:
    """Tell ``in a patient with`` from ``not a case of``."""
    return (
        tokens[place] in cues.PATIENT_WORDS
        and not cues.BACKGROUND_OPENERS.isdisjoint(tokens[max(cue.last + 1, place - 5) : place])
        and not cues.BACKGROUND_LINKS.isdisjoint(tokens[place + 1 : place + 2])
    )


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
    place = cue.first - 1
    while place > first and (tokens[place] in cues.SAME_SUBJECT or _is_idle_adverb(tokens[place])):
        place -= 1
    # "X was considered but has been ruled out": the verb before has the same subject.
    spared_verbs = int(place < cue.first - 1)
    cut = None
    while place >= first:
        word = tokens[place]
        if _is_stopper(tokens, place) or (word == "(" and ")" not in tokens[place : cue.first]):
            return place + 1
        if word == "," or (word == "and" and (cut is None or tokens[cut] == "and")):
            cut = place
        elif word in cues.FINITE_VERBS and place < cue.first - 1:
            if not spared_verbs:
                return place + 1 if cut is None else cut + 1
            spared_verbs -= 1
        place -= 1
    return first


@cache
def _participles() -> frozenset[str]:
    return cues.DECIDED.union(cues.PERCEIVED)


@cache
def _cue_table(absent_before: tuple[str, ...], absent_after: tuple[str, ...]) -> _CueTable:
    """Return phrase -> (status, works forward, words), and the longest phrase by first word."""
    table: dict[tuple[str, ...], list[_Kind]] = {}
    sources: tuple[tuple[str, Status, bool, int], ...] = (
        (cues.ABSENT_BEFORE, "absent", True, MAX_SCOPE_WORDS),
        (cues.ABSENT_AFTER, "absent", False, MAX_SCOPE_WORDS),
        (cues.ABSENT_WORD_BEFORE, "absent", False, 1),
        (cues.UNCERTAIN_BEFORE, "uncertain", True, MAX_SCOPE_WORDS),
        (cues.UNCERTAIN_AFTER, "uncertain", False, MAX_SCOPE_WORDS),
        (";".join(absent_before), "absent", True, FURTHER_SCOPE_WORDS),
        (";".join(absent_after), "absent", False, FURTHER_SCOPE_WORDS),
    )
    for lines, status, is_forward, num_words in sources:
        for phrase in _phrases(lines):
            table.setdefault(phrase, []).append((status, is_forward, num_words))
    table.pop((), None)
    for phrase in _phrases(cues.PSEUDO):
        table[phrase] = []
    longest: dict[str, int] = {}
    for phrase in table:
        longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
    return table, longest


def _phrases(text: str) -> list[tuple[str, ...]]:
    """Return the phrases of a list with every choice of words, contracted too (``wasn't``)."""
    whole = [
        tuple(" ".join(words).split())
        for pattern in text.split(";")
        for words in product(*(cues.CHOICES.get(word, (word,)) for word in pattern.split()))
    ]
    return whole + [short for phrase in whole for short in _contracted(phrase)]


def _contracted(phrase: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = []
    for place in range(1, len(phrase)):
        verb = phrase[place - 1]
        if phrase[place] == "not" and verb in cues.CONTRACTED:
            found.append((*phrase[: place - 1], cues.CONTRACTED[verb], *phrase[place + 1 :]))
    return found
