"""What the networks for radiographs that others released have in common.

Letters: B images, T patches, N texts, L words, C findings, D width of the decoder, W width of the
image network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from medvlp.models.radiograph.image_tower import build_radiograph_tower
from medvlp.models.radiograph.network import normalize_pixels
from medvlp.models.radiograph.query_decoder import QueryDecoder
from medvlp.models.text_tower import TextTower
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.image_tower import TowerFeatures
    from medvlp.models.radiograph.network import ImageFeatures, Judged, TextFeatures
    from medvlp.models.radiograph.released_settings import ReleasedSettings

__all__ = ["ReleasedNetwork", "project_patches"]


class ReleasedNetwork(nn.Module, ABC):
    """An image tower, a BERT and the query decoder; a subclass adds the parts of its own.

    Parts outside the towers bear the names of the released programs.

    Args:
        settings: The parts.
        vocab_size: Number of pieces of the text tower's tokenizer.
        seed: Fixes the random weights; the program's random state is left as it was.
    """

    has_shared_space: bool
    text_tower: TextTower
    decoder: QueryDecoder
    dropout: nn.Dropout

    def __init__(self, settings: ReleasedSettings, vocab_size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.dim = settings.decoder.dim
        self._mean, self._std = settings.mean, settings.std
        self.image_tower = build_radiograph_tower(settings.image, settings.input_px, 3, seed=seed)

        def build() -> None:
            self.text_tower = TextTower(settings.text, vocab_size)
            self.decoder = QueryDecoder(settings.decoder)
            self.dropout = nn.Dropout(settings.decoder.dropout)
            self._build_parts()

        self.settings = settings
        with_local_seed(build, seed)

    @abstractmethod
    def _build_parts(self) -> None:
        """Add the parts that only this network has."""

    def image_features(self, pixels: Tensor) -> TowerFeatures:
        """Run the image tower on pixels in [0, 1], shape ``(B, 1 or 3, S, S)``."""
        features: TowerFeatures = self.image_tower(
            normalize_pixels(pixels, 3, self._mean, self._std)
        )
        return features

    @abstractmethod
    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Embed images ``(B, 1 or 3, S, S)``, values in [0, 1], not yet normalised."""

    @abstractmethod
    def encode_text(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Embed texts; ids and mask of shape ``(N, L)``."""

    @abstractmethod
    def queries_of(
        self, text: TextFeatures, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Make the queries of findings from texts about them; findings are axis 0.

        Args:
            text: The texts, in any order.
            class_index: Finding of each text, shape ``(N,)``, int64 in ``[0, C)``.
            kind: Position of each text's kind among name, definition, appearance, ``(N,)``, int64.
            num_classes: The C.

        Raises:
            ModelError: If a finding has no text to ask with (MV1462).
        """

    @abstractmethod
    def decode(self, queries: Tensor, patches: Tensor, *, with_attention: bool = False) -> Judged:
        """Judge each finding of each image.

        Args:
            queries: What :meth:`queries_of` gave.
            patches: What :meth:`encode_image` gave, shape ``(B, T, D)``.
            with_attention: Whether to return where each finding was looked for.
        """


def project_patches(patches: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """Return ``second(relu(first(patches)))``."""
    projected: Tensor = second(functional.relu(first(patches)))
    return projected
