"""Judge findings of radiographs by a pair of towers: present against absent, in words.

Letters: B images, S side in pixels, N names, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medvlp.errors import ModelError
from medvlp.models.radiograph.finding_model import (
    FindingQueries,
    FindingScores,
    check_pixels,
    mean_over_facets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.knowledge.facets import FindingFacets
    from medvlp.models.bundle import Bundle
    from medvlp.models.radiograph.finding_model import JudgeMode

__all__ = ["ABSENT", "DualFindings"]

ABSENT = "no {}"
"""What stands for a name in a text against a finding."""


class DualFindings:
    """Findings by a pair of towers that embed images and texts in one space.

    The probability is the mean, over the names of a finding and the bundle's caption templates (the
    bare name where it has none), of the softmax of the logit scale times the cosines with the text
    for and the text against it. Definitions and appearances are not used: they have no text against
    them.

    Args:
        bundle: The pair of towers.
        absent: What stands for a name in a text against a finding.

    Attributes:
        dim: Length D of an embedding.
        modes: ``similarity`` alone.
        precision: Arithmetic of the encoder of images.
        logit_scale: Multiplier of the cosines of images and texts.
    """

    modes: tuple[JudgeMode, ...] = ("similarity",)

    def __init__(self, bundle: Bundle, *, absent: str = ABSENT) -> None:
        self.dim = bundle.image_encoder.dim
        self.precision: str = bundle.image_encoder.precision
        self.logit_scale: float | None = bundle.logit_scale
        self._bundle = bundle
        self._templates = (bundle.meta.templates if bundle.meta else ()) or ("{}",)
        self._absent = absent

    def embed_images(self, pixels: NDArray[np.float32] | torch.Tensor) -> NDArray[np.float32]:
        """Embed images ``(B, S, S)``, values in [0, 1], as unit vectors ``(B, D)``, float32.

        Raises:
            ValueError: If the pixels have another shape or type.
        """
        encoder = self._bundle.image_encoder
        images = check_pixels(pixels, encoder.preprocessing.input_px)
        grey = images.mul(255).round().clamp(0, 255).to(torch.uint8)
        features = encoder.embed(grey.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous())
        return np.asarray(features.cpu().numpy(), dtype=np.float32)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts as unit vectors ``(n, D)``, float32."""
        return self._bundle.text_encoder.embed(texts)

    def queries(self, findings: Sequence[FindingFacets]) -> FindingQueries:
        """Embed the texts for and against each name of each finding.

        Raises:
            ValueError: If there is no finding.
        """
        asked = [
            (template, name, index)
            for index, finding in enumerate(findings)
            for name in finding.names
            for template in self._templates
        ]
        if not asked:
            msg = "findings is empty: there is nothing to ask for"
            raise ValueError(msg)
        texts = [template.replace("{}", name) for template, name, _ in asked]
        texts += [t.replace("{}", self._absent.replace("{}", name)) for t, name, _ in asked]
        present, against = torch.from_numpy(self.embed_texts(texts)).chunk(2)
        class_index = torch.tensor([index for _, _, index in asked])
        return FindingQueries(tuple(findings), None, present, class_index, against.unsqueeze(1))

    def judge(
        self,
        pixels: NDArray[np.float32] | torch.Tensor,
        queries: FindingQueries,
        *,
        mode: JudgeMode | None = None,
        with_attention: bool = True,
    ) -> FindingScores:
        """Judge each finding of each image; there is no attention.

        Raises:
            ModelError: If it is asked for another mode (MV1472).
            ValueError: If the pixels have another shape or type.
        """
        if mode not in (None, "similarity"):
            raise ModelError(
                "MV1472",
                f"model {self._bundle.name!r} has no decoder that could judge findings",
                expected="mode 'similarity'",
            )
        images = torch.from_numpy(self.embed_images(pixels))
        answers = mean_over_facets(images, queries, self._bundle.logit_scale)
        return FindingScores(answers.numpy(), None, "similarity")
