"""Embeddings of given texts, for models whose text tower runs elsewhere.

Letters: n texts, D embedding.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from medvlp.errors import ModelError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["StoredTexts", "read_stored_texts"]

_EMBEDDINGS = "embeddings"
_TEXTS = "texts"
_SHOWN = 3


class StoredTexts:
    """Gives the embeddings of texts that were embedded beforehand, and of no others.

    Args:
        name: The model's name.
        texts: The texts; each is found by exactly the same letters.
        embeddings: Their vectors, shape ``(n, D)``, float; normalised here.

    Attributes:
        texts: The texts, in the order in which they were given.
        dim: Length D of an embedding.

    Raises:
        ModelError: If a text stands twice, a vector is zero or no number, or there is not one
            vector for each text (MV1446).
    """

    def __init__(self, name: str, texts: Sequence[str], embeddings: NDArray[np.floating]) -> None:
        self.name = name
        self.texts = tuple(texts)
        if embeddings.ndim != 2 or len(embeddings) != len(self.texts) or not self.texts:
            raise ModelError(
                "MV1446",
                f"texts of {name}: {len(self.texts)} texts with vectors of shape "
                f"{embeddings.shape}",
                expected="one vector for each text",
            )
        if len(set(self.texts)) < len(self.texts):
            twice = next(text for text in self.texts if self.texts.count(text) > 1)
            raise ModelError("MV1446", f"texts of {name}: {twice!r} stands more than once")
        values = np.asarray(embeddings, dtype=np.float32)
        lengths = np.linalg.norm(values, axis=1)
        for index in np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))[:1]:
            raise ModelError(
                "MV1446",
                f"texts of {name}: the vector of {self.texts[index]!r} has length {lengths[index]}",
                expected="numbers that are not all zero",
            )
        self.dim = values.shape[1]
        self._embeddings: NDArray[np.float32] = (values / lengths[:, None]).astype(np.float32)
        self._rows = {text: row for row, text in enumerate(self.texts)}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Look up texts.

        Args:
            texts: n texts, n >= 1.

        Returns:
            Unit vectors, shape ``(n, D)``, float32.

        Raises:
            ModelError: If the embedding of a text is not stored (MV1447, with the nearest one).
            ValueError: If there is no text.
        """
        if not texts:
            msg = "texts is empty: there is nothing to look up"
            raise ValueError(msg)
        missing = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if missing:
            shown = "; ".join(f"{t!r}{nearest_name(t, self.texts)}" for t in missing[:_SHOWN])
            raise ModelError(
                "MV1447",
                f"model {self.name!r} has no embedding of {len(missing)} of {len(set(texts))} "
                f"texts: {shown}{'; ...' if len(missing) > _SHOWN else ''}",
                expected=f"texts among the {len(self.texts)} that were embedded beforehand",
                hint="embed these texts with the model's own text encoder and import again with "
                "--texts, or use the names and templates that are stored",
            )
        return np.asarray(self._embeddings[[self._rows[text] for text in texts]])

    def write(self, path: Path) -> None:
        """Write texts and unit vectors as one safetensors file."""
        content = {_EMBEDDINGS: np.ascontiguousarray(self._embeddings)}
        safetensors.numpy.save_file(content, path, metadata={_TEXTS: json.dumps(self.texts)})


def read_stored_texts(path: Path, name: str) -> StoredTexts:
    """Read what :meth:`StoredTexts.write` wrote.

    Args:
        path: The file.
        name: The model's name.

    Raises:
        ModelError: If the file is damaged (MV1414) or its texts and vectors do not go together
            (MV1446).
    """
    try:
        with safe_open(path, framework="numpy") as content:
            texts = json.loads((content.metadata() or {})[_TEXTS])
            embeddings = content.get_tensor(_EMBEDDINGS)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            "MV1414",
            f"{path} cannot be read as embeddings of texts ({error})",
            hint="copy the whole model folder again",
        ) from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ModelError("MV1446", f"{path} does not list its texts", expected="a list of texts")
    return StoredTexts(name, texts, embeddings)
