"""A network that judges the findings of a radiograph from texts about them (DeViDe's parts).

Letters: B images, S side in pixels, T patches, N texts, L words, C findings, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import nn

from medvlp.errors import ModelError
from medvlp.losses.precision import in_full_precision
from medvlp.losses.temperature import Temperature, clamp_learned_scales
from medvlp.models.radiograph.facet_fusion import FacetFusion
from medvlp.models.radiograph.image_tower import build_radiograph_tower
from medvlp.models.radiograph.match_head import MatchHead
from medvlp.models.radiograph.query_decoder import FindingHead, QueryDecoder
from medvlp.models.text_tower import TextTower, build_projection
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.settings import RadiographModelSettings

__all__ = [
    "CONTRASTS",
    "FindingNetwork",
    "ImageFeatures",
    "Judged",
    "RadiographNetwork",
    "TextFeatures",
    "normalize_pixels",
]

CONTRASTS = ("global", "knowledge")
"""Contrasts with a learned logit scale each."""


class ImageFeatures(NamedTuple):
    """Images in the shared space.

    Attributes:
        patches: What queries ask, rows of the grid one after another, shape ``(B, T, D)``.
        pooled: Not normalised, shape ``(B, D)``, fp32 or wider.
        grid: Rows and columns of patches.
    """

    patches: Tensor
    pooled: Tensor
    grid: tuple[int, int]


class TextFeatures(NamedTuple):
    """Texts in the shared space.

    Attributes:
        words: Word pieces, shape ``(N, L, D)``; None where the network is to give none.
        mask: True where a word piece is real, shape ``(N, L)``, bool.
        sentence: Not normalised, shape ``(N, D)``, fp32 or wider.
    """

    words: Tensor | None
    mask: Tensor
    sentence: Tensor


class Judged(NamedTuple):
    """What a network says about findings.

    Attributes:
        logits: Logit of presence, shape ``(B, C)``, fp32 or wider.
        outputs: The decoder's vector of each finding, shape ``(B, C, D)``.
        attention: Where the finding was looked for, mean over heads and layers, rows of the grid
            one after another, shape ``(B, C, h * w)``; None where it was not asked for.
    """

    logits: Tensor
    outputs: Tensor
    attention: Tensor | None


class FindingNetwork(Protocol):
    """What every network for radiographs does: this one and the released ones."""

    @property
    def has_shared_space(self) -> bool:
        """Whether images and texts can be compared by the cosine of their vectors."""
        ...

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images ``(B, 1 or 3, S, S)``, values in [0, 1]."""
        ...

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts, ids and mask ``(N, L)``."""
        ...

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Make the queries of findings from the texts about them; findings are axis 0."""
        ...

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge each finding of each image."""
        ...


def normalize_pixels(
    pixels: Tensor, channels: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Bring pixels to the channels and the range that a network was trained with.

    Args:
        pixels: Values in [0, 1], shape ``(B, 1 or 3, S, S)``, float.
        channels: Channels wanted: one is repeated for three, three are averaged for one.
        mean: Subtracted, per channel or one for all.
        std: What is then divided by.

    Returns:
        Shape ``(B, channels, S, S)``.

    Raises:
        ModelError: If the pixels have another shape (MV1461).
    """
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise ModelError(
            "MV1461",
            f"pixels have the shape {tuple(pixels.shape)}",
            expected="(images, 1 or 3 channels, rows, columns)",
        )
    if pixels.shape[1] == 3 and channels == 1:
        pixels = pixels.mean(1, keepdim=True)
    centre, spread = (pixels.new_tensor(v).view(1, -1, 1, 1) for v in (mean, std))
    return ((pixels - centre) / spread).expand(-1, channels, -1, -1)


class RadiographNetwork(nn.Module):
    """Image tower, text tower, facet fusion and query decoder in one space.

    Args:
        settings: The parts.
        vocab_size: Number of pieces of the text tower's tokenizer.
        seed: Fixes the random weights; the program's random state is left as it was.
        image_tag: Trained weights of timm for the image tower; empty for random ones.

    Attributes:
        scales: A learned logit scale for each of ``CONTRASTS``.

    Raises:
        ModelError: If the image network cannot be built (MV1402, MV1407, MV1412, MV1460,
            MV1463).

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618, whose program is not public: the parts are the
        paper's, their form is a reconstruction after MedKLIP, KAD, MAVL and CARZero.
    """

    has_shared_space = True

    def __init__(
        self,
        settings: RadiographModelSettings,
        vocab_size: int,
        *,
        seed: int = 0,
        image_tag: str = "",
    ) -> None:
        super().__init__()
        self.settings = settings
        self.vocab_size = vocab_size
        self.dim = settings.dim
        self.image_tower = build_radiograph_tower(
            settings.image, settings.input_px, settings.channels, tag=image_tag, seed=seed
        )
        with_local_seed(self._build_parts, seed)

    def _build_parts(self) -> None:
        settings, width, dim = self.settings, self.image_tower.dim, self.settings.dim
        kind, text = settings.image_projection, settings.text
        self.patch_projection = build_projection(kind, width, dim, "image")
        self.image_projection = build_projection(kind, width, dim, "image")
        self.text_tower = TextTower(text, self.vocab_size)
        self.text_projection = build_projection(text.projection, text.width, dim, "text")
        self.text_norm = nn.BatchNorm1d(dim) if settings.text_norm else nn.Identity()
        self.word_projection = (
            build_projection(text.projection, text.width, dim, "text")
            if settings.word_features
            else None
        )
        self.facet_fusion = FacetFusion(settings.facets, dim)
        self.decoder = QueryDecoder(settings.decoder)
        self.dropout = nn.Dropout(settings.decoder.dropout)
        head, dropout = settings.decoder.head, settings.decoder.dropout
        self.head = MatchHead(dim) if head == "match" else FindingHead(head, dim, dropout)
        self.description_projection = build_projection(
            settings.multi_label_projection, dim, dim, "image"
        )
        self.scales = nn.ModuleDict(
            {name: Temperature(1 / settings.temperature) for name in CONTRASTS}
        )

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images.

        Args:
            pixels: Values in [0, 1], not yet normalised, shape ``(B, 1 or 3, S, S)``, float.

        Raises:
            ModelError: If the shape is another (MV1461).
        """
        settings = self.settings
        x = normalize_pixels(pixels, settings.channels, settings.mean, settings.std)
        features = self.image_tower(x)
        return ImageFeatures(
            self.patch_projection(features.patches),
            in_full_precision(self.image_projection(features.pooled)),
            features.grid,
        )

    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts and their word pieces.

        Args:
            ids: Token ids, shape ``(N, L)``, int64.
            mask: True where a token is real, shape ``(N, L)``, bool.
        """
        words, pooled = self.text_tower.encode(ids, mask)
        projected = None if self.word_projection is None else self.word_projection(words)
        sentence = self.text_norm(in_full_precision(self.text_projection(pooled)))
        return TextFeatures(projected, mask, sentence)

    def facet_queries(
        self, sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Fuse the texts about each finding into its query.

        Args:
            sentence: Vectors of all texts, in any order, shape ``(N, D)``, float.
            class_index: Finding of each text, shape ``(N,)``, int64 in ``[0, C)``.
            kind: Position of each text's kind among name, definition, appearance, ``(N,)``, int64.
            num_classes: The C.

        Returns:
            Shape ``(C, D)``.

        Raises:
            ModelError: If a finding has no text to ask with (MV1462).
        """
        queries: Tensor = self.facet_fusion(sentence, class_index, kind, num_classes)
        return queries

    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Make queries ``(C, D)`` from encoded texts; see :meth:`facet_queries`."""
        return self.facet_queries(text.sentence, class_index, kind, num_classes)

    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge each finding of each image.

        Args:
            queries: Shape ``(C, D)``, or each image's own, ``(B, C, D)``.
            patches: Shape ``(B, T, D)``; one vector of a text, ``(B, 1, D)``, serves too (KAD).
            with_attention: Whether to return where each finding was looked for.
        """
        decoded = self.decoder(queries, patches, with_attention=with_attention)
        attention = None if decoded.attention is None else decoded.attention.mean(0)
        outputs, head = self.dropout(decoded.outputs), self.head
        if isinstance(head, MatchHead):
            return Judged(head(outputs, queries), decoded.outputs, attention)
        return Judged(head.presence(head(outputs)), decoded.outputs, attention)

    def describe(self, pooled: Tensor) -> Tensor:
        """Project images to the space in which they are compared with many descriptions.

        A head of its own, so that an image may be near several descriptions without these falling
        together.

        Args:
            pooled: Shape ``(B, D)``.

        Returns:
            Shape ``(B, D)``, not normalised, fp32 or wider.

        Source:
            A reconstruction of the projection that arXiv:2404.03618 names for the multi-label
            setting.
        """
        return in_full_precision(self.description_projection(pooled))

    def clamp_logit_scales(self) -> None:
        """Keep every learned logit scale in [1, 100]; to be called after each optimiser step."""
        clamp_learned_scales(self.scales)
