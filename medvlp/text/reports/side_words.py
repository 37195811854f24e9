"""Swap left and right in a text, as a picture that is turned over needs.

Swapped are words and short forms of sides (``left``, ``right-sided``, ``Rt.``, ``LLL``, a single
``L``). These outcomes are fixed:

- ``bilateral``, ``both``, ``contralateral`` and the like stay: they are true of both pictures.
- Chambers and vessels of the heart stay (``left ventricle``, ``right atrial``, ``LAD``), and so
  does the direction of a shunt: these are names of parts and not places, wherever the part lies.
- ``left-handed``, ``left in place``, ``right away``, ``at a right angle`` stay: no side of the
  picture is meant.
- A text has no counterpart, and is not swapped at all, if it speaks of what only one side has or
  names the side in another way: ``dextrocardia``, ``levoscoliosis``, ``situs inversus``, the
  lingula, the middle lobe, the minor fissure, an azygos lobe, a turn of the clock.

Organs without a word of side (heart, liver, stomach, aortic arch) change place in the picture and
not in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["names_side", "swap_sides", "unswappable_words"]

_PAIRS = (
    ("left", "right"),
    ("leftward", "rightward"),
    ("leftwards", "rightwards"),
    ("leftmost", "rightmost"),
    ("lt", "rt"),
    *((f"l{rest}", f"r{rest}") for rest in "ul ll uq lq ij sc ao po ld pa mb msb ua".split()),
    ("l", "r"),
)
_OTHER = {one: two for pair in _PAIRS for one, two in (pair, pair[::-1])}

_SIDE = r"(?:left|right)"
_AND = rf"(?:[\s/,-]+(?:and|or|to|{_SIDE}))*[\s/-]+"
_PARTS = (
    r"(?:ventric\w*|biventric\w*|atri(?:um|a|al)\b|bundle|anterior\s+descending|"
    r"(?:main\s+)?coronary|circumflex|"
    r"heart\b(?!\s+(?:border|margin|contour|silhouette|edge|outline|side))"
    r"|sided\s+(?:heart|cardiac)\s+(?:fail|strain|pressure)|hand(?:ed|edness|er)\b)"
)
_KEPT = re.compile(
    rf"""
      \b{_SIDE}(?={_AND}{_PARTS})                            # a chamber, a vessel, a hand
    | \b{_SIDE}[\s-]+to[\s-]+{_SIDE}(?=[\s-]+shunt)
    | \ball\s+right\b
    | \bright(?=\s+(?:away|now)\b) | \bat\s+(?:a\s+)?right\s+angles?\b
    | \b(?:that|what)\s+is\s+left\b
    | \bleft(?=\s+(?:in\s+(?:place|situ)|untreated|alone|behind|over|ama
                   |against\s+(?:medical|advice)|the\s+(?:hospital|hospitals|department|ward|room|country|emergency))\b)
    | \bR/O\b
    | (?<=\d)\s*L\b | (?<=\d\s)L\b | \bL/(?:min|m|h)\b       # litres
    | \b[Rr][Tt](?=[\s-]*PCR)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLACES = (
    r"(?:sided?|lungs?|upper|mid|middle|lower|base|basal|basilar|lobe|apex|apical|hil\w*|pleura\w*|"
    r"hemi\w*|chest|costo\w*|lateral|effusion|pneumothora\w*|ptx|atelecta\w*|rib\w*|shoulder|ij|"
    r"picc|subclavian|clavic\w*|jugular|para\w*|peri\w*|retro\w*|infra\w*|supra\w*|breast|arm)"
)
_WORDS = re.compile(
    rf"""
      \b(?i:{_SIDE}(?:ward|wards|most)?)\b
    | \b(?:[Ll]t|[Rr]t)\b
    | \b(?:LT|RT)(?=\.|[\s-]+(?i:{_PLACES})\b)
    | \b(?:[LR](?:UL|LL|UQ|LQ|IJ|SC|AO|PO|LD|PA|MB|MSB|UA))\b
    | (?<![\w./'-])[LR](?![\w'])(?!/[^LR])
    | (?<=\b[LR]/)[LR]\b
    """,
    re.VERBOSE,
)
_NO_COUNTERPART = re.compile(
    r"""
      \b(?:dextro|la?evo)[\s-]?(?:cardi|posi|scolio|conv|conc|rota|vers|curv|apex|gastr|trans)\w*
    | \bsitus\b | \bheterotax\w* | \bsinistr\w* | \bkartagener\w*
    | \blingul\w* | \bmiddle[\s-]+lob\w* | \b(?:RML|LML)\b
    | \b(?:minor|horizontal)\s+fissure\w* | \bazygos\s+(?:lobe|fissure)\w*
    | \b(?:counter|anti)?-?clockwise\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def unswappable_words(text: str) -> tuple[str, ...]:
    """Return the words for which a text has no counterpart of the other side, as written.

    Args:
        text: A report, a sentence or a name.
    """
    return tuple(found.group() for found in _NO_COUNTERPART.finditer(text))


def names_side(text: str) -> bool:
    """Say whether a text speaks of one side, so that it is another text of a turned picture.

    Args:
        text: A report, a sentence or a name.
    """
    return swap_sides(text) != text


@lru_cache(maxsize=200_000)
def swap_sides(text: str) -> str | None:
    """Return a text with left and right swapped; all else is as it was, letter by letter.

    Swapping twice gives the text back.

    Args:
        text: A report, a sentence or a name.

    Returns:
        The text; None if it has no counterpart, see :func:`unswappable_words`.
    """
    if _NO_COUNTERPART.search(text):
        return None
    kept = [(found.start(), found.end()) for found in _KEPT.finditer(text)]

    def other(found: re.Match[str]) -> str:
        start, end = found.span()
        if any(low <= start and end <= high for low, high in kept):
            return found.group()
        return _in_the_case_of(found.group(), _OTHER[found.group().lower()])

    return _WORDS.sub(other, text)


def _in_the_case_of(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
