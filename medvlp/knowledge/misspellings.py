"""Find the known words that one slip of a finger away from an unknown one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Misspellings"]

_MIN_LETTERS = 3
_MAX_LETTERS = 40
_MAX_CACHED = 200_000
# A word this rare in the sources may itself be a slip of one that is many times as common there.
_RARE, _TIMES_AS_COMMON = 3, 10
# Endings of adjectives that are one letter from the noun: arthritis/arthritic, anemia/anemic.
_ADJECTIVES = (("c", "a"), ("c", "s"), ("l", "a"), ("l", "s"), ("d", "s"), ("d", "a"), ("e", "a"))


class Misspellings:
    """Index of words by what is left when one letter is deleted.

    Two words differ by one substitution, insertion, deletion or swap of neighbours only if they
    share such a remainder, so that a look-up costs as many steps as the word has letters.

    Args:
        words: Word as written -> its key; words under three letters or with digits are left out.
        counts: How often words stand in the sources.
        common: Words that are right as they are and are never corrected.
    """

    def __init__(
        self, words: Mapping[str, str], counts: Mapping[str, int], common: Iterable[str]
    ) -> None:
        self._common = frozenset(common)
        self._counts = counts
        self._all = words
        self._remainders: dict[str, list[str]] = {}
        self._keys = {word: key for word, key in words.items() if _can_be_misspelt(word)}
        for word in self._keys:
            for part in _remainders(word):
                self._remainders.setdefault(part, []).append(word)
        self._cache: dict[str, tuple[str, ...]] = {}

    def is_known(self, word: str) -> bool:
        """Tell whether a word stands in the sources or is a common one."""
        return word in self._common or word in self._counts or word in self._all

    def corrections(self, word: str) -> tuple[str, ...]:
        """Return the keys of the words one slip away, in alphabetical order.

        Args:
            word: A word in lower case.

        Returns:
            Keys; empty for a common word, for one with digits, and for one of fewer than three or
            more than forty letters. For a word that stands in the sources once or a few times,
            only much commoner words: the sources have slips too.
        """
        if word in self._common or self._counts.get(word, 0) > _RARE or not _can_be_misspelt(word):
            return ()
        if word not in self._cache:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[word] = self._look_up(word)
        return self._cache[word]

    def _look_up(self, word: str) -> tuple[str, ...]:
        near = {other for part in _remainders(word) for other in self._remainders.get(part, ())}
        if self.is_known(word):
            least = _TIMES_AS_COMMON * max(self._counts.get(word, 0), 1)
            near = {other for other in near if self._counts.get(other, 0) >= least}
        return tuple(
            sorted(
                {
                    self._keys[other]
                    for other in near
                    if OSA.distance(word, other, score_cutoff=1) == 1
                    and not _is_adjective_of(word, other)
                }
            )
        )


def _can_be_misspelt(word: str) -> bool:
    return _MIN_LETTERS - 1 < len(word) <= _MAX_LETTERS and word.isalpha()


def _remainders(word: str) -> set[str]:
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


def _is_adjective_of(word: str, noun: str) -> bool:
    return word[:-1] == noun[:-1] and (word[-1], noun[-1]) in _ADJECTIVES
