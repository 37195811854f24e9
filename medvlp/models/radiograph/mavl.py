"""MAVL: each visual aspect of a finding asks a residual network's patches.

Letters: B images, T patches, N texts, C findings, K aspects, D width of the decoder, E width of the
texts, W width of the image network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

from medvlp.losses.precision import in_full_precision
from medvlp.models.radiograph.attention_pool import AttentionPool
from medvlp.models.radiograph.facet_fusion import fill_slots
from medvlp.models.radiograph.network import ImageFeatures, Judged, TextFeatures
from medvlp.models.radiograph.query_decoder import in_fp32
from medvlp.models.radiograph.released import ReleasedNetwork
from medvlp.models.radiograph.settings import ResNetTowerSettings

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.released_settings import MavlSettings

__all__ = ["MavlNetwork", "text_scores"]

_TEMPERATURE = 0.07


class MavlNetwork(ReleasedNetwork):
    """MAVL: K queries per finding, judged together; whole images compare with each aspect, too.

    The first query of a finding is its definition (its names where it has none), the others are
    its appearances in the order in which they are given, from the front again where they are fewer
    than the aspects. The released weights were trained with one text for each of eight fixed
    aspects (opacity, shape, texture, border, location, patterns, fluid, other).

    Source:
        Phan et al. 2024 (MAVL), arXiv:2403.07636.
    """

    has_shared_space = True

    def _build_parts(self) -> None:
        settings = cast("MavlSettings", self.settings)
        width, texts = self.image_tower.dim, settings.text.width
        self.num_aspects = count = settings.num_aspects
        self.res_l1 = nn.Sequential(nn.Conv2d(width, width, 1), nn.PReLU())
        self.res_l2 = nn.Conv2d(width, self.dim, 1)
        self.pool: nn.Module | None = None
        self.global_l: nn.Module | None = None
        if isinstance(settings.image, ResNetTowerSettings):
            side = math.ceil(settings.input_px / 2 ** (settings.image.stage + 1))
            self.pool = AttentionPool(side, width, self.dim)
        elif width != self.dim:
            self.global_l = nn.Linear(width, self.dim)
        self.disease_embedding_layer = nn.Linear(texts, self.dim)
        self.location_emb = nn.Conv1d(self.dim, texts, count, stride=count)
        self.classifier = nn.Linear(self.dim * count, 2)
        self.temp = nn.Parameter(torch.full((count,), -math.log(_TEMPERATURE)))

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images; ``pooled`` is attention over the raw map, or the class token."""
        features = self.image_features(pixels)
        rows, columns = features.grid
        raw = features.patches.transpose(1, 2).reshape(len(pixels), -1, rows, columns)
        patches = self.res_l2(self.res_l1(raw)).flatten(2).transpose(1, 2)
        pooled = features.pooled if self.pool is None else self.pool(raw)
        if self.global_l is not None:
            pooled = self.global_l(pooled)
        return ImageFeatures(patches, in_full_precision(pooled), features.grid)

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts as queries ``(N, D)``: the first token, projected; words are not given."""
        query = self.disease_embedding_layer(self.text_tower(ids, mask))
        return TextFeatures(None, mask, in_full_precision(query))

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Return the K queries of each finding, shape ``(C, K, D)``."""
        return fill_slots(text.sentence, class_index, kind, num_classes, self.num_aspects)

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge findings; see the base class.

        Queries are of shape ``(C, K, D)``, the outputs ``(B, C, K, D)``; attention is the mean over
        aspects.
        """
        decoded = self.decoder(queries.flatten(0, 1), patches, with_attention=with_attention)
        shape = (len(patches), *queries.shape[:2])
        outputs = decoded.outputs.reshape(*shape, -1)
        pair = self.presence_pair(outputs)
        attention = decoded.attention
        if attention is not None:
            attention = attention.mean(0).reshape(*shape, -1).mean(2)
        return Judged(pair[..., 1] - pair[..., 0], outputs, attention)

    def presence_pair(self, outputs: Tensor) -> Tensor:
        """Return the logits of absence and presence, ``(B, C, K, D)`` to ``(B, C, 2)``."""
        return in_fp32(self.dropout(outputs).flatten(2), self.classifier)

    def contributions(self, outputs: Tensor) -> Tensor:
        """Return what each aspect adds to the logit of presence, ``(B, C, K, D)`` to ``(B, C, K)``.

        With the bias they add up to that logit.
        """
        weight = self.classifier.weight[1].reshape(self.num_aspects, -1)
        return in_fp32(outputs, lambda x: (x * weight).sum(-1))

    def locate(self, outputs: Tensor) -> Tensor:
        """Merge the aspects in the space of location texts, ``(B, C, K, D)`` to ``(B, C, E)``."""
        merged = self.dropout(outputs).flatten(0, 1).transpose(1, 2)
        return in_fp32(merged, self.location_emb).reshape(*outputs.shape[:2], -1)

    def cosines(self, pooled: Tensor, queries: Tensor) -> Tensor:
        """Compare whole images with each aspect, without temperature.

        Args:
            pooled: Shape ``(B, D)``.
            queries: Shape ``(C, K, D)``.

        Returns:
            Shape ``(B, K, C)``.
        """
        image, aspects = (
            functional.normalize(in_full_precision(x), dim=-1) for x in (pooled, queries)
        )
        return torch.einsum("bd,ckd->bkc", image, aspects)


def text_scores(cosines: Tensor, references: tuple[int, ...] = (0, 1)) -> Tensor:
    """Judge findings by their texts alone, against findings that mean health.

    The mean over references r and aspects of ``sigmoid(c_q - c_r)``. Cosines have no temperature
    here, so scores stay near one half: they rank, they are no probabilities.

    Args:
        cosines: Shape ``(B, K, C)``.
        references: Findings to compare with; MAVL's first two are normal and clear.

    Returns:
        Shape ``(B, C)``, in (0, 1).

    Source:
        Phan et al. 2024 (MAVL), arXiv:2403.07636, the mode for findings that were not trained.
    """
    against = cosines[..., list(references)]
    gaps = cosines.unsqueeze(-1) - against.unsqueeze(-2)
    return gaps.sigmoid().mean(-1).mean(1)
