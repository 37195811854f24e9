"""KAD: names of findings ask a residual network's patches, in the space of Med-KEBERT.

Letters: B images, T patches, N texts, C findings, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medvlp.losses.precision import in_full_precision
from medvlp.models.radiograph.facet_fusion import FacetFusion
from medvlp.models.radiograph.network import ImageFeatures, Judged, TextFeatures
from medvlp.models.radiograph.query_decoder import FindingHead
from medvlp.models.radiograph.released import ReleasedNetwork, project_patches
from medvlp.models.radiograph.settings import FacetSettings

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KadNetwork"]


class KadNetwork(ReleasedNetwork):
    """KAD: the disease query network over patches, and a space shared with texts.

    Queries are names, the mean where a finding has several. One normalisation serves image tokens,
    queries and outputs. A text's vector as a memory of length one, ``decode(queries,
    sentence[:, None])``, gives the logits of the text that are part of KAD's loss.

    Source:
        Zhang et al. 2023 (KAD), arXiv:2302.14042.
    """

    has_shared_space = True
    mlp_head: FindingHead

    def _build_parts(self) -> None:
        width, dim = self.image_tower.dim, self.dim
        self.res_l1 = nn.Linear(width, width)
        self.res_l2 = nn.Linear(width, dim)
        self.mlp_embed = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.mlp_head = FindingHead("binary", dim)
        self.facet_fusion = FacetFusion(FacetSettings(kinds=("name",), fusion="mean"), dim)

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images; ``pooled`` is the mean of the patches."""
        features = self.image_features(pixels)
        patches = project_patches(features.patches, self.res_l1, self.res_l2)
        return ImageFeatures(patches, in_full_precision(patches.mean(1)), features.grid)

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts by BERT's pooler and two layers, shape ``(N, D)``; words are not given."""
        sentence = self.mlp_embed(self.text_tower(ids, mask))
        return TextFeatures(None, mask, in_full_precision(sentence))

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Return the mean of the names of each finding, shape ``(C, D)``."""
        queries: Tensor = self.facet_fusion(text.sentence, class_index, kind, num_classes)
        return queries

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge findings; see the base class. Queries are of shape ``(C, D)``."""
        decoded = self.decoder(queries, patches, with_attention=with_attention)
        pair = self.mlp_head(self.dropout(decoded.outputs))
        attention = None if decoded.attention is None else decoded.attention.mean(0)
        return Judged(self.mlp_head.presence(pair), decoded.outputs, attention)
