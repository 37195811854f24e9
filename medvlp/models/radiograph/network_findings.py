"""Judge findings of radiographs by a network with a query decoder.

Letters: B images, S side in pixels, C findings, N texts, R references, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.knowledge.facets import FindingFacets
from medvlp.models.radiograph.finding_model import (
    FindingQueries,
    FindingScores,
    check_pixels,
    facet_texts,
    mean_over_facets,
)
from medvlp.models.radiograph.network import RadiographNetwork, TextFeatures
from medvlp.models.vision import check_device, check_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.models.radiograph.finding_model import JudgeMode
    from medvlp.models.radiograph.network import ImageFeatures
    from medvlp.models.radiograph.released import ReleasedNetwork
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["REFERENCES", "NetworkFindings"]

REFERENCES = (FindingFacets("normal"), FindingFacets("clear"))
"""What findings are compared with in mode ``similarity``, as in MAVL."""
_TEXTS_PER_BATCH = 256
_KEPT_QUERIES = 8


class NetworkFindings:
    """Findings by a network with a query decoder.

    Mode ``decoder``: the probability is the sigmoid of the decoder's logit of presence (of two
    logits, the softmax's second column). Mode ``similarity``: ``mean over the texts f of a finding
    and the references r of sigmoid(scale * (cos(v, f) - cos(v, r)))``, where v is the image as it
    is compared with descriptions; it needs a space shared by images and texts.

    Args:
        name: The model's name, for messages.
        network: The network; put into evaluation mode.
        tokenizer: The tokenizer of its text tower.
        max_tokens: Largest number of tokens of one text.
        input_px: Side S of an image.
        device: Where the network runs.
        precision: ``bf16`` runs the network for images under autocast; results are float32.
        references: What texts are compared with in mode ``similarity``.

    Attributes:
        dim: Length D of an embedding.
        modes: How it can judge.
        logit_scale: Multiplier of the cosines of images and reports, where the network learned one.

    Raises:
        UsageError: If the device or the precision does not exist (MV1415).

    Source:
        Phan et al. 2024 (MAVL), arXiv:2403.07636, zero-shot by features and by texts. MAVL's scale
        is 1; a learned one is used where the network has one for descriptions, which is a
        reconstruction.
    """

    def __init__(
        self,
        name: str,
        network: RadiographNetwork | ReleasedNetwork,
        tokenizer: CaptionTokenizer,
        *,
        max_tokens: int,
        input_px: int,
        device: str = "cpu",
        precision: str = "fp32",
        references: tuple[FindingFacets, ...] = REFERENCES,
    ) -> None:
        self.name = name
        self.device = check_device(device)
        self.precision: str = check_precision(precision)
        self.modes: tuple[JudgeMode, ...] = ("decoder",)
        if network.has_shared_space:
            self.modes = ("decoder", "similarity")
        self._network = network.eval().to(self.device)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._input_px = input_px
        self._references = references
        self._kept: dict[tuple[FindingFacets, ...], FindingQueries] = {}
        self.dim: int = network.dim
        self.logit_scale: float | None = None
        if isinstance(network, RadiographNetwork):
            self.logit_scale = float(network.scales["global"]().detach())

    @torch.inference_mode()
    def embed_images(self, pixels: NDArray[np.float32] | torch.Tensor) -> NDArray[np.float32]:
        """Embed images.

        Args:
            pixels: Values in [0, 1], shape ``(B, S, S)``, float32.

        Returns:
            Unit vectors, shape ``(B, D)``, float32.

        Raises:
            ValueError: If the pixels have another shape or type.
        """
        pooled = self._encode(pixels).pooled
        return _numpy(functional.normalize(pooled.float(), dim=-1))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: n texts, n >= 1.

        Returns:
            Unit vectors, shape ``(n, D)``, float32.

        Raises:
            ModelError: If images and texts share no space (MV1472).
            ValueError: If there is no text.
        """
        self._require("similarity")
        return _numpy(functional.normalize(self._read(texts).sentence.float(), dim=-1))

    @torch.inference_mode()
    def queries(self, findings: Sequence[FindingFacets]) -> FindingQueries:
        """Read all texts about findings once; asking for the same findings again reads none.

        Args:
            findings: C findings, C >= 1; each has a name at least.

        Raises:
            ModelError: If a finding has no text to ask with (MV1462).
            ValueError: If there is no finding.
        """
        key = tuple(findings)
        if key not in self._kept:
            while len(self._kept) >= _KEPT_QUERIES:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._make_queries(key)
        return self._kept[key]

    @torch.inference_mode()
    def judge(
        self,
        pixels: NDArray[np.float32] | torch.Tensor,
        queries: FindingQueries,
        *,
        mode: JudgeMode | None = None,
        with_attention: bool = True,
    ) -> FindingScores:
        """Judge each finding of each image.

        Args:
            pixels: Values in [0, 1], shape ``(B, S, S)``, float32.
            queries: The C findings, made by this model.
            mode: What judges; None for the model's own.
            with_attention: Whether to say where the decoder looked.

        Raises:
            ModelError: If the model cannot judge so (MV1472).
            ValueError: If the pixels have another shape or type.
        """
        mode = self._require(mode or self.modes[0])
        if queries.queries is None:
            msg = "the queries hold nothing to ask a decoder: another model made them"
            raise ValueError(msg)
        features = self._encode(pixels)
        attention = None
        if mode == "decoder" or with_attention:
            judged = self._network.decode(
                queries.queries, features.patches.float(), with_attention=with_attention
            )
            answers = judged.logits.sigmoid()
            if judged.attention is not None:
                shape = (*judged.attention.shape[:2], *features.grid)
                attention = _numpy(judged.attention.reshape(shape))
        if mode == "similarity":
            answers = self._compare(features.pooled.float(), queries)
        return FindingScores(_numpy(answers), attention, mode)

    def _require(self, mode: JudgeMode) -> JudgeMode:
        if mode not in self.modes:
            raise ModelError(
                "MV1472",
                f"model {self.name!r} cannot compare images with texts: they share no space in it",
                expected=f"mode {self.modes[0]!r}",
            )
        return mode

    def _encode(self, pixels: NDArray[np.float32] | torch.Tensor) -> ImageFeatures:
        images = check_pixels(pixels, self._input_px).to(self.device).unsqueeze(1)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            return self._network.encode_image(images)

    def _read(self, texts: Sequence[str]) -> TextFeatures:
        """Read texts, padded alike, so that their words can stand side by side."""
        if not texts:
            msg = "texts is empty: there is nothing to read"
            raise ValueError(msg)
        tokens = self._tokenizer.encode(texts, self._max_tokens)
        ids, mask = (torch.from_numpy(part).to(self.device) for part in (tokens.ids, tokens.mask))
        parts = [
            self._network.encode_text(ids[start:end], mask[start:end])
            for start, end in _chunks(len(ids))
        ]
        words = [part.words for part in parts if part.words is not None]
        return TextFeatures(
            torch.cat(words) if words else None,
            torch.cat([part.mask for part in parts]),
            torch.cat([part.sentence for part in parts]),
        )

    def _make_queries(self, findings: tuple[FindingFacets, ...]) -> FindingQueries:
        """Read the findings and, where they are compared with any, the references behind them."""
        asked = (*findings, *self._references) if "similarity" in self.modes else findings
        texts, class_index, kind = facet_texts(asked)
        unique = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        read = self._read(list(unique))
        rows = torch.tensor([unique[text] for text in texts], device=self.device)
        about = TextFeatures(
            None if read.words is None else read.words[rows], read.mask[rows], read.sentence[rows]
        )
        class_index, kind = class_index.to(self.device), kind.to(self.device)
        queries = self._network.queries_of(about, class_index, kind, len(asked))
        count = len(findings)
        if count == len(asked):
            return FindingQueries(findings, queries, None, class_index, None)
        own = class_index < count
        if queries.ndim == 3:  # a vector for each aspect, compared with that of the references
            unit = functional.normalize(queries.float(), dim=-1)
            aspects = unit.shape[1]
            class_index = torch.arange(count, device=self.device).repeat_interleave(aspects)
            against = unit[count:].transpose(0, 1).repeat(count, 1, 1)
            return FindingQueries(
                findings, queries[:count], unit[:count].flatten(0, 1), class_index, against
            )
        unit = functional.normalize(about.sentence.float(), dim=-1)
        means = unit.new_zeros(len(asked), self.dim).index_add(0, class_index, unit)
        against = functional.normalize(means[count:], dim=-1).expand(int(own.sum()), -1, -1)
        return FindingQueries(findings, queries[:count], unit[own], class_index[own], against)

    def _compare(self, pooled: torch.Tensor, queries: FindingQueries) -> torch.Tensor:
        scale = 1.0
        if isinstance(self._network, RadiographNetwork):
            pooled = self._network.describe(pooled)
            scale = float(self._network.scales["knowledge"]())
        images = functional.normalize(pooled.float(), dim=-1)
        return mean_over_facets(images, queries, scale)


def _chunks(count: int) -> list[tuple[int, int]]:
    return [(start, start + _TEXTS_PER_BATCH) for start in range(0, count, _TEXTS_PER_BATCH)]


def _numpy(values: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(values.float().cpu().numpy(), dtype=np.float32)
