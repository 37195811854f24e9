"""One spelling for many: the key under which two writings of a disease name are the same.

Case, width, accents of Latin letters, hyphens, punctuation, apostrophes and possessives, British
spelling and plurals do not tell two names apart; the sign behind a marker (``HER2-``) does. The key
is for comparing only, never for showing: it is made word by word and need not be a word of any
language.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["NormalWord", "normalize_term", "normalize_word", "split_words"]

# Whatever stands between words; all other characters, of any script, belong to words.
_WORD = re.compile(
    r"[^\s\-\u00ad\u2010-\u2015\u2212_,;:.()\[\]{}<>/\\|\"\u201c-\u201f\u00ab\u00bb!?&*=~]+"
)
# The minus behind a marker, as in ``HER2- breast cancer``: without it the name means the opposite.
_MARKER = re.compile(r"ER|PR|HR|MYC|ALK|EBV|HPV|HIV|[A-Z][A-Z0-9]{0,6}\d")
_MINUS = re.compile(r"[-\u2010\u2011\u2013\u2212](?=$|[ /,;)])(?! (?:and|or) )")
_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc\u00b4`]")
_POSSESSIVE = re.compile(r"(?<=\w\w)['\u2018\u2019\u02bc\u00b4`]s?$")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_GREEK = {
    "\u03b1": "alpha",
    "\u03b2": "beta",
    "\u03b3": "gamma",
    "\u03b4": "delta",
    "\u03b5": "epsilon",
    "\u03ba": "kappa",
    "\u03bb": "lambda",
    "\u03bc": "mu",
}
_BRITISH = tuple(
    (re.compile(pattern), american)
    for pattern, american in (
        ("haem", "hem"),
        ("aemi", "emi"),
        ("oedem", "edem"),
        ("oesoph", "esoph"),
        ("oestr", "estr"),
        ("^foet", "fet"),
        ("paed", "ped"),
        ("gynaec", "gynec"),
        ("anaes", "anes"),
        ("^aeti", "eti"),
        ("^caec", "cec"),
        ("coel(?=i|o)", "cel"),
        ("rrhoea", "rrhea"),
        ("pnoea", "pnea"),
        ("amoeb", "ameb"),
        ("faec", "fec"),
        ("naev", "nev"),
        ("phaeo", "pheo"),
        ("^homoeo", "homeo"),
        ("sulph", "sulf"),
        ("^(tum|col|hum|behavi|lab|vap)our", r"\1or"),
        ("^(fib|cent|goit|tit|lit)re(?=s?$)", r"\1er"),
        ("is(?=(ation|ations|ed|ing)$)", "iz"),
        ("^grey", "gray"),
        ("^mould", "mold"),
    )
)
_PLURALS = tuple(
    (re.compile(pattern), singular)
    for pattern, singular in (
        ("(?<=ma)ta$", ""),
        ("(?<=ta)ses$", "sis"),
        ("(?<=..[^aeiou]o)ses$", "sis"),
        ("(?<=..[ey])ses$", "sis"),
        ("(?<=ss)es$", ""),
        ("(?<=[^a]us)es$", ""),
        ("(x|ch|sh)es$", r"\1"),
        ("(?<=...)ies$", "y"),
        ("(?<=..a)e$", ""),
        ("(^nev|embol|thromb|bacill|bronch)i$", r"\1us"),
        ("(?<=..[^sui])s$", ""),
    )
)


@dataclass(frozen=True, slots=True)
class NormalWord:
    """One word of a text.

    Attributes:
        start: Place of its first character in the text.
        end: Place after its last character.
        key: Its normal form; never empty.
    """

    start: int
    end: int
    key: str


def normalize_term(text: str) -> str:
    """Return the key under which a name of a disease is compared.

    Args:
        text: A name, in any script.

    Returns:
        Normal forms of its words, joined by single spaces; empty where the text has no word.
    """
    return " ".join(word.key for word in split_words(text))


def split_words(text: str) -> tuple[NormalWord, ...]:
    """Cut a text into words and normalise each, keeping their places in the text.

    Args:
        text: Any text. Hyphens, slashes and punctuation part words, apostrophes do not; a minus
            behind a marker such as ``HER2`` or ``ER`` belongs to it.

    Returns:
        The words in order, without those that normalise to nothing.
    """
    words: list[NormalWord] = []
    for match in _WORD.finditer(text):
        start, end, key = match.start(), match.end(), normalize_word(match.group())
        if _MARKER.fullmatch(match.group()) and _MINUS.match(text, end):
            end, key = end + 1, f"{key}-"
        if key:
            words.append(NormalWord(start, end, key))
    return tuple(words)


@lru_cache(maxsize=65536)
def normalize_word(word: str) -> str:
    """Return the normal form of one word.

    Args:
        word: A text without spaces.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", _POSSESSIVE.sub("", folded)))
    key = _APOSTROPHES.sub("", folded)
    if not key.isascii():
        key = "".join(_GREEK.get(letter, letter) for letter in key)
    for pattern, american in _BRITISH:
        key = pattern.sub(american, key)
    if not key.isalpha():
        return key
    for pattern, singular in _PLURALS:
        key, changed = pattern.subn(singular, key)
        if changed:
            break
    return key
