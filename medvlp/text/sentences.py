"""Cut captions and reports into sentences of words and marks."""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

_WORD = re.compile(r"w/o|r/o|[^\W_]+(?:[-'\u2019](?!(?:negative|free)\b)[^\W_]+)*|[^\w\s]")
_SENTENCE_MARKS = frozenset(".!;\n")
_NO_SENTENCE_END = frozenset("e.g i.e vs fig figs dr al approx ca cf no st".split())


def split_sentences(text: str) -> list[list[re.Match[str]]]:
    """Cut a text into sentences of words and marks, in time linear in its length.

    A sentence ends at a full stop, exclamation mark, semicolon or line break, but not at the full
    stop of a number or of a known short form. ``HIV-negative`` is three words, ``non-small`` one.

    Args:
        text: Any text.

    Returns:
        Matches of words and single marks, by sentence; no sentence is empty.
    """
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
    if len(before) == 1 and words[-3:-2] and words[-3].group() == ".":
        return False  # "e.g."
    is_number = before == "no" and following[0].isdigit()
    return not is_number and (before == "no" or before not in _NO_SENTENCE_END)
