"""Hide tokens of texts for masked language modelling, as BERT's own training data was made.

Letters: B texts, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.data.randomness import random_below
from medvlp.errors import ConfigError
from medvlp.text.file_tokenizer import FileTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.text.file_tokenizer import ReportTokenizer

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["NOT_HIDDEN", "HiddenTokens", "MaskingSettings", "TokenMasker"]

NOT_HIDDEN: Final = -100
_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORD_MARKS = ("\u0120", "\u2581", "\u010a")
"""What begins a piece that begins a word: a space or line break in byte-pair vocabularies."""
Share = Annotated[float, Field(ge=0, le=1)]


class MaskingSettings(StrictModel):
    """Which tokens are hidden, and what stands in their place.

    Attributes:
        rate: Share of a text's tokens that are hidden; of a text with tokens, at least one.
        mask_share: Share of these that become the mask piece.
        random_share: Share of these that become any other piece; what is left stays as it is.
        whole_words: Hide all pieces of a word or none.
        mask_piece: The mask piece; decoders such as Llama have none, and ``_`` serves them.
    """

    rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    mask_share: Share = 0.8
    random_share: Share = 0.1
    whole_words: bool = False
    mask_piece: str = "[MASK]"

    @model_validator(mode="after")
    def _check_shares(self) -> MaskingSettings:
        if self.mask_share + self.random_share > 1 + 1e-9:
            raise rule_error(
                "MV1002",
                f"mask_share {self.mask_share} and random_share {self.random_share} make more "
                "than 1",
                expected="a sum of at most 1",
                at="random_share",
            )
        return self


@dataclass(frozen=True, kw_only=True)
class HiddenTokens:
    """Texts with some tokens hidden.

    Attributes:
        ids: What the tower reads, shape ``(B, T)``, int64.
        targets: What stood at hidden places, -100 elsewhere, shape ``(B, T)``, int64.
    """

    ids: Ints
    targets: Ints


class TokenMasker:
    """Hides tokens; the same seed and text hide the same.

    Special pieces are never hidden, nor is a text's first token, which a decoder cannot predict.

    Args:
        tokenizer: Whose ids these are.
        settings: What is hidden.

    Raises:
        ConfigError: If the tokenizer has no such mask piece (MV1002).

    Source:
        Devlin et al. 2019, arXiv:1810.04805, section 3.1 and A.1 (a fixed number of places in
        each text, 80/10/10); whole words as in the authors' later release.
    """

    def __init__(self, tokenizer: ReportTokenizer, settings: MaskingSettings) -> None:
        vocabulary = tokenizer.vocabulary
        if settings.mask_piece not in vocabulary:
            raise ConfigError(
                "MV1002",
                f"data.masking.mask_piece={settings.mask_piece!r} is no piece of the tokenizer",
                expected="[MASK] for BERT's vocabularies, _ for those of Llama",
            )
        self._settings = settings
        self._mask_id = vocabulary[settings.mask_piece]
        self._is_special = np.zeros(tokenizer.vocab_size, dtype=np.bool_)
        self._is_special[list(_special_ids(tokenizer))] = True
        known = np.zeros_like(self._is_special)
        known[list(vocabulary.values())] = True
        ordinary = known & ~self._is_special
        ordinary[self._mask_id] = False
        self._ordinary = np.flatnonzero(ordinary)
        self._continues = _continuations(vocabulary, tokenizer.vocab_size)

    def __call__(self, ids: Ints, mask: Bools, seeds: Sequence[int]) -> HiddenTokens:
        """Hide tokens of texts.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.
            seeds: One for each text.
        """
        hidden, targets = ids.copy(), np.full_like(ids, NOT_HIDDEN)
        for row, seed in enumerate(seeds):
            places = np.flatnonzero(mask[row])[1:]
            places = places[~self._is_special[ids[row, places]]]
            if not len(places):
                continue
            chosen, words = self._choose(ids[row], places, seed)
            targets[row, chosen] = ids[row, chosen]
            hidden[row, chosen] = self._replace(ids[row, chosen], words)
        return HiddenTokens(ids=hidden, targets=targets)

    def _choose(self, ids: Ints, places: Ints, seed: int) -> tuple[Ints, NDArray[np.uint64]]:
        """Return the hidden places, and two random words for each."""
        starts = np.ones(len(places), dtype=np.bool_)
        if self._settings.whole_words:
            starts[1:] = ~self._continues[ids[places[1:]]] | (np.diff(places) > 1)
        unit = np.cumsum(starts) - 1
        lengths = np.bincount(unit)
        words = np.random.Philox(seed).random_raw(len(lengths) + 2 * len(places))
        budget = max(1, round(self._settings.rate * len(places)))
        taken = np.zeros(len(lengths), dtype=np.bool_)
        left = budget
        for candidate in np.argsort(words[: len(lengths)], kind="stable"):
            # a first word longer than all that may be hidden is taken: no text goes without
            if lengths[candidate] <= left or left == budget:
                taken[candidate] = True
                left -= lengths[candidate]
            if left <= 0:
                break
        return places[taken[unit]], words[len(lengths) :].reshape(-1, 2)

    def _replace(self, ids: Ints, words: NDArray[np.uint64]) -> Ints:
        settings, (kind, piece) = self._settings, words[: len(ids)].T
        draw = kind.astype(np.float64) / 2.0**64
        bounds = np.full(len(ids), len(self._ordinary), dtype=np.int64)
        others = self._ordinary[random_below(piece, bounds)]
        kept = np.where(draw < settings.mask_share + settings.random_share, others, ids)
        return np.where(draw < settings.mask_share, self._mask_id, kept)


def _special_ids(tokenizer: ReportTokenizer) -> frozenset[int]:
    if isinstance(tokenizer, FileTokenizer):
        return tokenizer.special_ids
    return frozenset(tokenizer.vocabulary[piece] for piece in _BERT_SPECIAL)


def _continuations(vocabulary: dict[str, int], size: int) -> Bools:
    """Tell which pieces go on with the word of the piece before: letters without a mark."""
    is_wordpiece = any(piece.startswith("##") for piece in vocabulary)
    continues = np.zeros(size, dtype=np.bool_)
    for piece, number in vocabulary.items():
        if is_wordpiece:
            continues[number] = piece.startswith("##")
        else:
            continues[number] = not piece.startswith(_WORD_MARKS) and piece[:1].isalpha()
    return continues
