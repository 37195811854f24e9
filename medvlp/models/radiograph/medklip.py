"""MedKLIP: descriptions of findings ask a residual network's patches.

Letters: B images, T patches, N texts, C findings, D width of the decoder, E width of the texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from medvlp.losses.precision import in_full_precision
from medvlp.models.radiograph.facet_fusion import FacetFusion
from medvlp.models.radiograph.network import ImageFeatures, Judged, TextFeatures
from medvlp.models.radiograph.query_decoder import in_fp32
from medvlp.models.radiograph.released import ReleasedNetwork, project_patches
from medvlp.models.radiograph.settings import FacetSettings

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MedklipNetwork"]


class MedklipNetwork(ReleasedNetwork):
    """MedKLIP: presence of findings and, in training, their location.

    Queries are descriptions: the definition of a finding, its names where it has none. Patches come
    from ``res_l2 relu(res_l1 x)``. Images and texts have no space in common.

    Source:
        Wu et al. 2023 (MedKLIP), arXiv:2301.02228.
    """

    has_shared_space = False

    def _build_parts(self) -> None:
        width, texts = self.image_tower.dim, self.settings.text.width
        self.res_l1 = nn.Linear(width, width)
        self.res_l2 = nn.Linear(width, self.dim)
        self.disease_embedding_layer = nn.Linear(texts, self.dim)
        self.cl_fc = nn.Linear(self.dim, texts)
        self.classifier = nn.Linear(self.dim, 2)
        facets = FacetSettings(kinds=("definition",), fusion="mean")
        self.facet_fusion = FacetFusion(facets, self.dim)

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images; ``pooled`` is the mean of the patches and compares with no text."""
        features = self.image_features(pixels)
        patches = project_patches(features.patches, self.res_l1, self.res_l2)
        return ImageFeatures(patches, in_full_precision(patches.mean(1)), features.grid)

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts as queries ``(N, D)``: the first token, projected; words are not given."""
        query = self.disease_embedding_layer(self.text_tower(ids, mask))
        return TextFeatures(None, mask, in_full_precision(query))

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Return the mean of the descriptions of each finding, shape ``(C, D)``."""
        queries: Tensor = self.facet_fusion(text.sentence, class_index, kind, num_classes)
        return queries

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge findings; see the base class. Queries are of shape ``(C, D)``."""
        decoded = self.decoder(queries, patches, with_attention=with_attention)
        pair = self.presence_pair(decoded.outputs)
        attention = None if decoded.attention is None else decoded.attention.mean(0)
        return Judged(pair[..., 1] - pair[..., 0], decoded.outputs, attention)

    def presence_pair(self, outputs: Tensor) -> Tensor:
        """Return the logits of absence and presence, ``(B, C, D)`` to ``(B, C, 2)``."""
        return in_fp32(self.dropout(outputs), self.classifier)

    def locate(self, outputs: Tensor) -> Tensor:
        """Project outputs to the space of location texts, ``(B, C, D)`` to ``(B, C, E)``.

        The location loss compares them with the text tower's own vectors of the locations.
        """
        return in_fp32(self.dropout(outputs), self.cl_fc)
