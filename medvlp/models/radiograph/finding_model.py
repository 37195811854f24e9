"""Judge findings of radiographs: what each model of radiographs answers, whatever it is inside.

Letters: B images, S side in pixels, C findings, N texts, R texts of reference, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import torch

from medvlp.knowledge.facets import FACET_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.knowledge.facets import FindingFacets

__all__ = [
    "FindingModel",
    "FindingQueries",
    "FindingScores",
    "JudgeMode",
    "check_pixels",
    "facet_texts",
    "mean_over_facets",
]

JudgeMode = Literal["decoder", "similarity"]


@dataclass(frozen=True, eq=False)
class FindingQueries:
    """Findings made ready to be asked for.

    Attributes:
        findings: The C findings.
        queries: What the decoder is asked, findings on axis 0; None for a model without a decoder.
        texts: Unit vectors of the texts about them, shape ``(N, D)``, float32; None for a model
            whose images and texts share no space.
        class_index: Finding of each text, shape ``(N,)``, int64.
        references: Unit vectors of what each text is compared with, shape ``(N, R, D)``, float32.
    """

    findings: tuple[FindingFacets, ...]
    queries: torch.Tensor | None
    texts: torch.Tensor | None
    class_index: torch.Tensor
    references: torch.Tensor | None

    @property
    def names(self) -> tuple[str, ...]:
        """The findings' names."""
        return tuple(finding.name for finding in self.findings)


@dataclass(frozen=True, eq=False)
class FindingScores:
    """What a model says about findings of images.

    Attributes:
        probabilities: Between 0 and 1, not calibrated, shape ``(B, C)``, float32.
        attention: Where the decoder looked for each finding, mean over heads and layers, sums to 1
            over the grid, shape ``(B, C, h, w)``, float32; None for a model without a decoder.
        mode: What judged: the decoder, or the similarity of image and texts.
    """

    probabilities: NDArray[np.float32]
    attention: NDArray[np.float32] | None
    mode: JudgeMode


class FindingModel(Protocol):
    """A model of radiographs, ready to use.

    ``NetworkFindings`` and ``DualFindings`` say what each part does.

    Attributes:
        dim: Length D of an embedding.
        modes: How it can judge, the one it takes by itself first.
        precision: Arithmetic of the encoder of images.
        logit_scale: Multiplier of cosines of images and texts; None where they share no space.
    """

    dim: int
    modes: tuple[JudgeMode, ...]
    precision: str
    logit_scale: float | None

    def embed_images(self, pixels: NDArray[np.float32] | torch.Tensor) -> NDArray[np.float32]:
        """Embed images ``(B, S, S)`` as vectors ``(B, D)``."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts as unit vectors ``(n, D)``."""
        ...

    def queries(self, findings: Sequence[FindingFacets]) -> FindingQueries:
        """Make findings ready to be asked for."""
        ...

    def judge(
        self,
        pixels: NDArray[np.float32] | torch.Tensor,
        queries: FindingQueries,
        *,
        mode: JudgeMode | None = None,
        with_attention: bool = True,
    ) -> FindingScores:
        """Judge each finding of each image."""
        ...


def mean_over_facets(images: torch.Tensor, queries: FindingQueries, scale: float) -> torch.Tensor:
    """Return the mean of ``sigmoid(scale * (cos(v, f) - cos(v, r)))`` over texts and references.

    Args:
        images: Unit vectors, shape ``(B, D)``.
        queries: Findings with texts and references.
        scale: Multiplier of the difference of cosines.

    Returns:
        Shape ``(B, C)``.
    """
    texts, references = queries.texts, queries.references
    if texts is None or references is None:
        msg = "the queries hold no texts: they were made by a model without a shared space"
        raise ValueError(msg)
    against = torch.einsum("bd,nrd->bnr", images, references)
    for_it = (images @ texts.T).unsqueeze(-1)
    answers = (scale * (for_it - against)).sigmoid().mean(-1)
    count = len(queries.findings)
    sums = answers.new_zeros(len(images), count).index_add(1, queries.class_index, answers)
    return sums / torch.bincount(queries.class_index, minlength=count)


def facet_texts(
    findings: Sequence[FindingFacets],
) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Return all texts about findings, with the finding and the kind of each.

    Args:
        findings: C findings, C >= 1.

    Returns:
        N texts; the finding of each, shape ``(N,)``, int64; and the position of its kind in
        ``FACET_KINDS``, shape ``(N,)``, int64.

    Raises:
        ValueError: If there is no finding.
    """
    if not findings:
        msg = "findings is empty: there is nothing to ask for"
        raise ValueError(msg)
    rows = [
        (text, index, FACET_KINDS.index(kind))
        for index, finding in enumerate(findings)
        for kind, text in finding.texts()
    ]
    texts, class_index, kinds = zip(*rows, strict=True)
    return list(texts), torch.tensor(class_index), torch.tensor(kinds)


def check_pixels(pixels: NDArray[np.float32] | torch.Tensor, input_px: int) -> torch.Tensor:
    """Return images as a tensor of the size that a model takes.

    Args:
        pixels: Values in [0, 1], shape ``(B, S, S)``, float32.
        input_px: The S.

    Raises:
        ValueError: If the shape or the type is another.
    """
    images = torch.as_tensor(pixels)
    if images.ndim != 3 or tuple(images.shape[1:]) != (input_px, input_px):
        msg = f"pixels must have shape (B, {input_px}, {input_px}), got {tuple(images.shape)}"
        raise ValueError(msg)
    if images.dtype is not torch.float32:
        msg = f"pixels must be float32 in [0, 1], got {images.dtype}"
        raise ValueError(msg)
    return images
