"""Load a model of radiographs: proved whole, and ready to judge findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medvlp.errors import ModelError
from medvlp.models.bundle import Bundle, load_bundle_folder
from medvlp.models.bundle_files import check_bundle_files
from medvlp.models.bundle_schema import (
    BUNDLE_FILE,
    FINDING_MODEL,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleMeta,
    read_bundle_document,
)
from medvlp.models.folders import FolderLayout, model_folder, model_layout
from medvlp.models.hub import HUB_PREFIX
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle_schema import RadiographBundleMeta, read_radiograph_bundle_meta
from medvlp.models.radiograph.dual_findings import DualFindings
from medvlp.models.radiograph.network_findings import NetworkFindings
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors, weights_sha256
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.types import RadiographPreprocessing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.knowledge.facets import FindingFacets
    from medvlp.models.radiograph.finding_model import (
        FindingModel,
        FindingQueries,
        FindingScores,
        JudgeMode,
    )

__all__ = [
    "RadiographBundle",
    "is_finding_model",
    "load_radiograph_bundle",
    "radiograph_towers",
]


@dataclass(frozen=True, kw_only=True)
class RadiographBundle:
    """A model of radiographs ready to use.

    Attributes:
        name: The name under which it was asked for.
        meta: The description: of a network that judges findings, or of a pair of towers.
        preprocessing: How radiographs are brought to its input.
        weights_sha256: Hash of the content of all weights.
        model: What answers.
        is_random: Whether its weights were never trained.
        is_normalized: Whether embeddings are unit vectors: always.
    """

    name: str
    meta: RadiographBundleMeta | BundleMeta
    preprocessing: RadiographPreprocessing
    weights_sha256: str
    model: FindingModel
    is_random: bool = False
    is_normalized: bool = True

    @property
    def is_projected(self) -> bool:
        """Whether embeddings of images lie in a space shared with text."""
        return "similarity" in self.modes

    @property
    def findings_seen(self) -> tuple[str, ...]:
        """Names of the findings it was trained with; none are known of a pair of towers."""
        return self.meta.findings_seen if isinstance(self.meta, RadiographBundleMeta) else ()

    @property
    def precision(self) -> str:
        """Arithmetic of the encoder of images, ``fp32`` or ``bf16``."""
        return self.model.precision

    @property
    def logit_scale(self) -> float | None:
        """Multiplier of cosines of images and texts; None where they share no space."""
        return self.model.logit_scale

    @property
    def dim(self) -> int:
        """Length D of an embedding."""
        return self.model.dim

    @property
    def modes(self) -> tuple[JudgeMode, ...]:
        """How it can judge, the one it takes by itself first."""
        return self.model.modes

    def embed_images(self, pixels: NDArray[np.float32] | torch.Tensor) -> NDArray[np.float32]:
        """Embed images.

        Args:
            pixels: Values in [0, 1], shape ``(B, S, S)``, float32, S the preprocessing's
                ``input_px``.

        Returns:
            Unit vectors, shape ``(B, D)``, float32.
        """
        return self.model.embed_images(pixels)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts as unit vectors ``(n, D)``, float32.

        Raises:
            ModelError: If images and texts share no space in the model (MV1472).
        """
        return self.model.embed_texts(texts)

    def queries(self, findings: Sequence[FindingFacets]) -> FindingQueries:
        """Make findings ready to be asked for; their texts are read once."""
        return self.model.queries(findings)

    def judge(
        self,
        pixels: NDArray[np.float32] | torch.Tensor,
        queries: FindingQueries,
        *,
        mode: JudgeMode | None = None,
        with_attention: bool = True,
    ) -> FindingScores:
        """Judge each finding of each image; see :class:`NetworkFindings`.

        Args:
            pixels: Values in [0, 1], shape ``(B, S, S)``, float32.
            queries: The C findings, made by this bundle.
            mode: What judges; None for the model's own.
            with_attention: Whether to say where the model looked.

        Raises:
            ModelError: If the model cannot judge so (MV1472).
        """
        return self.model.judge(pixels, queries, mode=mode, with_attention=with_attention)


def is_finding_model(folder: Path) -> bool:
    """Whether a bundle's folder holds a network that judges findings of radiographs.

    Raises:
        ModelError: If its description is missing (MV1403), no table (MV1407) or of another version
            (MV1408).
    """
    document = read_bundle_document(folder)
    return document.get("modality") == "radiograph" and document.get("kind") == FINDING_MODEL


def load_radiograph_bundle(
    name: str | Path, *, device: str = "cpu", precision: str = "fp32"
) -> RadiographBundle:
    """Load a model of radiographs: a network that judges findings, or a pair of towers.

    A local bundle is called in outputs what its description calls it, never by its path.

    Args:
        name: A bundle's folder, or ``hf-hub:owner/name``.
        device: Where the networks run.
        precision: ``fp32`` or ``bf16``, of the network for images.

    Raises:
        ModelError: If a file is missing (MV1403), changed (MV1404), of another version (MV1408),
            of a model of another modality (MV1470), or does not fit the description (MV14xx).
    """
    text = str(name)
    folder = model_folder(text)
    if model_layout(folder) is not FolderLayout.BUNDLE:
        raise ModelError(
            "MV1470",
            f"model {text!r} is no bundle, so that it does not say that it takes radiographs",
            expected=f"a folder with {BUNDLE_FILE}",
        )
    if not is_finding_model(folder) and read_bundle_document(folder).get("modality") == (
        "radiograph"
    ):
        return radiograph_towers(
            load_bundle_folder(text, folder, device=device, precision=precision)
        )
    meta = read_radiograph_bundle_meta(folder)
    check_bundle_files(folder, meta.files)
    called = text if text.startswith(HUB_PREFIX) else meta.name
    tokenizer = _load_tokenizer(folder, meta)
    weights = read_safetensors(folder / WEIGHTS_FILE)
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(build_finding_network(meta.architecture, meta.vocab_size), weights, str(folder))
    network = build_finding_network(meta.architecture, meta.vocab_size)
    load_weights_into(network, weights, str(folder))
    model = NetworkFindings(
        called,
        network,
        tokenizer,
        max_tokens=meta.architecture.text.max_tokens,
        input_px=meta.preprocessing.input_px,
        device=device,
        precision=precision,
    )
    return RadiographBundle(
        name=called,
        meta=meta,
        preprocessing=meta.preprocessing.to_preprocessing(),
        weights_sha256=weights_sha256(weights),
        model=model,
    )


def radiograph_towers(bundle: Bundle) -> RadiographBundle:
    """Make a pair of towers judge findings.

    Args:
        bundle: The towers, whose description says that they take radiographs.

    Raises:
        ValueError: If the towers were loaded without their description.
    """
    if bundle.meta is None:
        msg = "a pair of towers was loaded without its description"
        raise ValueError(msg)
    encoder = bundle.image_encoder
    return RadiographBundle(
        name=bundle.name,
        meta=bundle.meta,
        preprocessing=RadiographPreprocessing(
            input_px=encoder.preprocessing.input_px,
            channels=3,
            mean=encoder.preprocessing.mean,
            std=encoder.preprocessing.std,
        ),
        weights_sha256=encoder.weights_sha256,
        model=DualFindings(bundle),
        is_random=encoder.is_random,
    )


def _load_tokenizer(folder: Path, meta: RadiographBundleMeta) -> CaptionTokenizer:
    tokenizer = CaptionTokenizer.load(folder / TOKENIZER_FILE)
    if tokenizer.vocab_size != meta.vocab_size:
        raise ModelError(
            "MV1410",
            f"{folder / TOKENIZER_FILE} has {tokenizer.vocab_size} pieces",
            expected=f"{meta.vocab_size}, as {BUNDLE_FILE} says",
        )
    return tokenizer
