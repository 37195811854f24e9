"""CARZero: a prompt asks the image and the image asks the prompt.

Letters: B images, T patches, N texts, L pieces of a text, S slots for words, C findings, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from medvlp.losses.precision import in_full_precision
from medvlp.models.radiograph.facet_fusion import chosen_facets
from medvlp.models.radiograph.network import ImageFeatures, Judged, TextFeatures
from medvlp.models.radiograph.query_decoder import FindingHead
from medvlp.models.radiograph.released import ReleasedNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from medvlp.models.radiograph.released_settings import CarzeroSettings

__all__ = ["CarzeroNetwork", "sum_word_pieces"]


def sum_word_pieces(pieces: Tensor, mask: Tensor, continues: Tensor, num_slots: int) -> Tensor:
    """Add up the pieces of each word.

    Args:
        pieces: Shape ``(N, L, D)``.
        mask: True where a piece is real, shape ``(N, L)``, bool.
        continues: True where a piece goes on with the word before it, shape ``(N, L)``, bool.
        num_slots: Places for words.

    Returns:
        Words in order, zeros behind them, shape ``(N, S, D)``.
    """
    word = ((~continues).cumsum(1) - 1).clamp(min=0, max=num_slots - 1)
    words = pieces.new_zeros(len(pieces), num_slots, pieces.shape[-1])
    real = pieces * mask.unsqueeze(-1)
    return words.scatter_add(1, word.unsqueeze(-1).expand_as(real), real)


class CarzeroNetwork(ReleasedNetwork):
    """CARZero: similarity by cross-attention in both directions, one number for each.

    ``s_i2t`` asks ``[image; patches]`` with the text, ``s_t2i`` asks ``[text; words]`` with the
    image; the score of a prompt is their mean, without temperature. All pairs of B images and C
    prompts are two calls of the decoder, each memory being projected once a layer.

    Attributes:
        continues: True for pieces of the tokenizer that go on with a word, shape ``(vocab_size,)``;
            see :meth:`set_pieces`; without it every piece is a word.

    Source:
        Lai et al. 2024 (CARZero), arXiv:2402.17417.
    """

    has_shared_space = False
    mlp_head: FindingHead
    continues: Tensor

    def _build_parts(self) -> None:
        self.mlp_head = FindingHead("score", self.dim)
        self.register_buffer("continues", torch.zeros(self.vocab_size, dtype=torch.bool))

    def set_pieces(self, vocabulary: Mapping[str, int]) -> None:
        """Learn from a WordPiece vocabulary which pieces go on with a word.

        Args:
            vocabulary: Piece to id; such pieces begin with ``##``.
        """
        ids = [number for piece, number in vocabulary.items() if piece.startswith("##")]
        self.continues.zero_()
        self.continues[ids] = True

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images; ``patches`` begin with the whole image, so there are ``h * w + 1``."""
        features = self.image_features(pixels)
        memory = torch.cat([features.pooled.unsqueeze(1), features.patches], dim=1)
        return ImageFeatures(memory, in_full_precision(features.pooled), features.grid)

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts: words are sums of their pieces and of the last layers.

        Returns:
            ``words`` and ``mask`` have S places, the empty ones zero; ``sentence`` is the sum of
            the words over S, as in the released program.
        """
        settings = cast("CarzeroSettings", self.settings)
        output = self.text_tower.bert(
            input_ids=ids, attention_mask=mask.long(), output_hidden_states=True
        )
        pieces = torch.stack(output.hidden_states[-settings.last_layers :]).sum(0)
        words = sum_word_pieces(pieces, mask, self.continues[ids], settings.num_slots)
        counts = (mask & ~self.continues[ids]).sum(1, keepdim=True)
        places = torch.arange(settings.num_slots, device=ids.device) < counts
        return TextFeatures(words, places, in_full_precision(words.mean(1)))

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Return ``[text; words]`` of the first name of each finding, shape ``(C, 1 + S, D)``."""
        chosen = chosen_facets(class_index, kind, num_classes, ("name",)).nonzero().squeeze(1)
        first = torch.full((num_classes,), len(class_index), device=chosen.device)
        first = first.scatter_reduce(0, class_index[chosen], chosen, "amin")
        if text.words is None:
            return text.sentence[first].unsqueeze(1)
        return self.text_memory(text.sentence[first], text.words[first])

    def text_memory(self, sentence: Tensor, words: Tensor) -> Tensor:
        """Return what images ask of texts, ``(N, D)`` and ``(N, S, D)`` to ``(N, 1 + S, D)``."""
        return torch.cat([sentence.unsqueeze(1), words.to(sentence.dtype)], dim=1)

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge prompts by the mean of both directions.

        Args:
            queries: ``[text; words]`` of each prompt, shape ``(C, 1 + S, D)``; or the texts only,
                ``(C, D)``, which then ask the image but are not asked by it.
            patches: ``[image; patches]``, shape ``(B, 1 + T, D)``.
            with_attention: Whether to return where each prompt looks among the patches.
        """
        asking = queries if queries.ndim == 2 else queries[:, 0]
        decoded = self.decoder(asking, patches, with_attention=with_attention)
        logits = self.score(decoded.outputs)
        if queries.ndim == 3:
            answers = self.decoder(patches[:, 0], queries)
            logits = (logits + self.score(answers.outputs).T) / 2
        attention = None if decoded.attention is None else decoded.attention.mean(0)[..., 1:]
        return Judged(logits, decoded.outputs, attention)

    def score(self, outputs: Tensor) -> Tensor:
        """Return the number of each pair, ``(..., D)`` to ``(...)``."""
        return self.mlp_head.presence(self.mlp_head(self.dropout(outputs)))
