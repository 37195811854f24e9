"""Texts about diseases as training batches: which disease each is of, and which are names.

Letters: B texts, T tokens.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from medvlp.data.batch import TextTokens
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.data.sampler import Draw
    from medvlp.knowledge.attributes import Attribute
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["AttributeBatch", "AttributeCollator", "AttributeTexts", "AttributesDataset", "hold_out"]

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class AttributeBatch:
    """Texts about diseases.

    Attributes:
        text: The texts.
        group_id: Disease of each text, shape ``(B,)``, int64.
        is_name: Whether a text is its disease's name, shape ``(B,)``, bool.
        sample_id: Row of each text, shape ``(B,)``, int64.
    """

    text: TextTokens
    group_id: torch.Tensor
    is_name: torch.Tensor
    sample_id: torch.Tensor

    def __len__(self) -> int:
        """Return the number of texts B."""
        return len(self.group_id)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> AttributeBatch:
        """Return a copy on a device."""
        return AttributeBatch(
            text=self.text.to(device, non_blocking=non_blocking),
            group_id=self.group_id.to(device, non_blocking=non_blocking),
            is_name=self.is_name.to(device, non_blocking=non_blocking),
            sample_id=self.sample_id.to(device, non_blocking=non_blocking),
        )


class AttributeTexts:
    """Attributes with the numbers of their diseases.

    Args:
        attributes: The attributes; every disease among them has one name.

    Attributes:
        attributes: As given.
        group_id: Disease of each attribute, numbered as they come, shape ``(N,)``, int64.
        is_name: Whether an attribute is a name, shape ``(N,)``, bool.

    Raises:
        DataError: If a disease has no name or several (MV2044).
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self.attributes = tuple(attributes)
        number: dict[str, int] = {}
        self.group_id: NDArray[np.int64] = np.array(
            [number.setdefault(a.concept_id, len(number)) for a in attributes], dtype=np.int64
        )
        self.is_name: NDArray[np.bool_] = np.array([a.kind == "name" for a in attributes], bool)
        names = np.bincount(self.group_id[self.is_name], minlength=len(number))
        wrong = [concept for concept, place in number.items() if names[place] != 1]
        if wrong:
            raise DataError(
                "MV2044",
                f"{len(wrong)} diseases have no name or several, such as {wrong[:_SHOWN]}",
                expected="one attribute of kind 'name' for every disease",
            )

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(self.attributes)

    def content_hash(self) -> str:
        """Return 16 hex digits of the SHA-256 of all attributes in their order."""
        digest = hashlib.sha256()
        for a in self.attributes:
            digest.update(f"{a.concept_id}\0{a.kind}\0{a.text}\0".encode())
        return digest.hexdigest()[:16]


def hold_out(
    attributes: Sequence[Attribute], share: float, seed: int
) -> tuple[list[Attribute], list[Attribute]]:
    """Part attributes into those to train on and those to validate on.

    Names are always trained on. A disease's other texts are held out by a hash of their words, so
    that the choice does not depend on what else there is.

    Args:
        attributes: The attributes.
        share: Share to hold out of those that are no names, in ``[0, 1)``.
        seed: Part of the hash.

    Returns:
        Those to train on, and those held out, each in their order.
    """
    parts: tuple[list[Attribute], list[Attribute]] = ([], [])
    for a in attributes:
        words = f"{seed}\0{a.concept_id}\0{a.text}".encode()
        draw = int.from_bytes(hashlib.sha256(words).digest()[:8], "big") / 2**64
        parts[a.kind != "name" and draw < share].append(a)
    return parts


class AttributesDataset(Dataset[int]):
    """The rows of attributes; a sample is its row.

    Args:
        texts: The attributes.
    """

    def __init__(self, texts: AttributeTexts) -> None:
        self.texts = texts

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(self.texts)

    def __getitem__(self, draw: Draw) -> int:
        """Return the row that a draw asks for."""
        return draw.index


class AttributeCollator:
    """Puts rows of attributes into a batch.

    Args:
        texts: The attributes.
        tokenizer: Turns them into tokens.
        max_tokens: Largest number of tokens of a text.
    """

    def __init__(self, texts: AttributeTexts, tokenizer: CaptionTokenizer, max_tokens: int) -> None:
        self._texts = texts
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def __call__(self, rows: Sequence[int]) -> AttributeBatch:
        """Return the batch of some rows.

        Args:
            rows: B rows.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        words = [self._texts.attributes[row].text for row in rows]
        tokens = self._tokenizer.encode(words, self._max_tokens)
        return AttributeBatch(
            text=TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask)),
            group_id=torch.from_numpy(self._texts.group_id[chosen]),
            is_name=torch.from_numpy(self._texts.is_name[chosen]),
            sample_id=torch.from_numpy(chosen),
        )
