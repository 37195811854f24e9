"""What a network for radiographs is made of: settings that a training file and a bundle hold.

The defaults of the decoder are those that MedKLIP, KAD, MAVL and CARZero share; DeViDe's own sizes
are not published (see :class:`RadiographModelSettings`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.models.architecture import Projection, TextTowerSettings

__all__ = [
    "FacetKind",
    "FacetSettings",
    "Head",
    "PlainTowerSettings",
    "QueryDecoderSettings",
    "RadiographModelSettings",
    "RadiographTowerSettings",
    "ResNetTowerSettings",
    "TimmTowerSettings",
]

Head = Literal["binary", "score", "logit", "match"]
FacetKind = Literal["name", "definition", "appearance"]
Width = Annotated[int, Field(ge=1, le=16384)]
Depth = Annotated[int, Field(ge=1, le=128)]
Heads = Annotated[int, Field(ge=1, le=256)]
Share = Annotated[float, Field(ge=0, lt=1)]
_TIMM_NAMES = {"width": "embed_dim", "heads": "num_heads"}


class QueryDecoderSettings(StrictModel):
    """A transformer decoder whose queries are findings and whose memory is an image.

    Attributes:
        dim: Width D of queries and memory.
        layers: Number of layers.
        heads: Number of attention heads; divides ``dim``.
        ffn: Width inside a layer's feed-forward part.
        dropout: Probability of dropping a value in training.
        self_attention: Whether queries see one another (CARZero: no).
        shared_norm: Whether the last normalisation is also applied to queries and memory before
            the first layer (KAD and CARZero: yes).
        head: What judges a query: ``binary`` two logits, absent and present (MedKLIP, KAD, MAVL);
            ``score`` a network of four layers to one number (CARZero); ``logit`` one linear layer
            to one number; ``match`` the product of question and answer (ours; it learns in far
            fewer steps).
    """

    dim: Width = 256
    layers: Depth = 4
    heads: Heads = 4
    ffn: Width = 1024
    dropout: Share = 0.1
    self_attention: bool = True
    shared_norm: bool = False
    head: Head = "logit"

    @model_validator(mode="after")
    def _check_heads(self) -> QueryDecoderSettings:
        if self.dim % self.heads:
            raise rule_error(
                "MV1002",
                f"{self.heads} heads do not divide dim {self.dim}",
                expected="a divisor of dim",
                at="heads",
            )
        return self


class TimmTowerSettings(StrictModel):
    """An image network of timm: a vision transformer of any size, or one that gives a feature map.

    Attributes:
        architecture: Always ``timm``.
        name: Name of timm's architecture, without a tag.
        pooling: How an image becomes one vector: the class token (``token``) or the ``mean`` over
            patches; None for the class token where there is one.
        patch_size: Side of a patch in pixels, where it is not the architecture's own; this and the
            next four are of vision transformers only.
        width: Width of a token, where it is not the architecture's own.
        depth: Number of blocks, likewise.
        heads: Number of attention heads, likewise.
        mlp_ratio: Width inside a block's feed-forward part over ``width``, likewise.
    """

    architecture: Literal["timm"] = "timm"
    name: Annotated[str, Field(min_length=1, max_length=200)] = "vit_base_patch16_224"
    pooling: Literal["token", "mean"] | None = None
    patch_size: Annotated[int, Field(ge=1, le=256)] | None = None
    width: Width | None = None
    depth: Depth | None = None
    heads: Heads | None = None
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] | None = None

    def options(self) -> dict[str, object]:
        """Return the arguments for timm, without those left to the architecture."""
        own = {"architecture", "name", "pooling"}
        values = self.model_dump(exclude=own, exclude_none=True)
        return {_TIMM_NAMES.get(name, name): value for name, value in values.items()}


class ResNetTowerSettings(StrictModel):
    """A residual network, cut behind a stage; its patches are the places of the last map.

    Attributes:
        architecture: ``resnet18`` or ``resnet50``.
        stage: The last stage that is kept: 3 (grid of a sixteenth of the image) or 4 (of a
            thirty-second).
        width: Channels of the first stage, 64 as published; each further one has twice as many.
    """

    architecture: Literal["resnet18", "resnet50"]
    stage: Literal[3, 4] = 4
    width: Annotated[int, Field(ge=1, le=1024)] = 64


class PlainTowerSettings(StrictModel):
    """A plain stack of convolutions, for little data and small images.

    Attributes:
        architecture: Always ``plain``.
        widths: Channels of each block.
        strides: Stride of each block, 1 or 2; their product is the side of a patch in pixels.
        kernels: Side of each block's kernel; last ones of 1 keep small what a patch sees.
    """

    architecture: Literal["plain"]
    widths: Annotated[tuple[Width, ...], Field(min_length=2, max_length=32)]
    strides: Annotated[tuple[Literal[1, 2], ...], Field(min_length=2, max_length=32)]
    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=2, max_length=32)]

    @model_validator(mode="after")
    def _check_lengths(self) -> PlainTowerSettings:
        for name, numbers in (("strides", self.strides), ("kernels", self.kernels)):
            if len(self.widths) != len(numbers):
                raise rule_error(
                    "MV1002",
                    f"has {len(numbers)} numbers for {len(self.widths)} blocks",
                    expected="one for each width",
                    at=name,
                )
        return self


RadiographTowerSettings = Annotated[
    TimmTowerSettings | ResNetTowerSettings | PlainTowerSettings,
    Field(discriminator="architecture"),
]
"""A network for radiographs; ``architecture`` says which."""


class FacetSettings(StrictModel):
    """How the texts about a finding become one query.

    Attributes:
        kinds: The kinds of texts that are used; a finding without any of them falls back on its
            names.
        fusion: ``mean`` over kinds of the mean over their texts; ``concat``: these means side by
            side through one linear layer, a learned vector standing in for a missing kind;
            ``attention`` over all texts of the finding.
    """

    kinds: Annotated[tuple[FacetKind, ...], Field(min_length=1, max_length=3)] = (
        "name",
        "definition",
        "appearance",
    )
    fusion: Literal["mean", "concat", "attention"] = "concat"

    @model_validator(mode="after")
    def _check_kinds(self) -> FacetSettings:
        if len(set(self.kinds)) < len(self.kinds):
            raise rule_error("MV1002", f"{list(self.kinds)} names a kind twice", at="kinds")
        return self


class RadiographModelSettings(StrictModel):
    """A network that judges findings of a radiograph from their texts, as DeViDe describes it.

    DeViDe published no program and no sizes: that these parts exist is the paper's word; how they
    are built is a reconstruction after its ancestors MedKLIP, KAD, MAVL and CARZero. Every choice
    is a setting for that reason.

    Attributes:
        architecture: Always ``facet-queries``.
        dim: Width D of the space shared by patches, images, words, texts and queries.
        input_px: Side of the square input in pixels.
        channels: Channels the image network takes; a grey image is repeated for 3.
        mean: Subtracted from pixels in [0, 1], per channel or one for all.
        std: What they are then divided by.
        image: The image network.
        image_projection: Maps its features to D: ``linear``; ``mlp`` (linear, GELU, linear);
            ``none`` keeps them.
        text: The text tower; its ``projection`` maps to D, too.
        text_norm: Whether vectors of texts are batch-normalised (ours): descriptions of findings
            share most words, so that the vectors of an untrained text tower are all but equal.
        word_features: Whether words are given beside the vector of a text, for local alignment.
        decoder: The query decoder.
        facets: How texts about a finding become its query.
        multi_label_projection: What stands between an image's vector and the space in which it is
            compared with many descriptions at once.
        temperature: First value of 1 / logit scale of each contrast; the scales are learned.

    Source:
        Luo et al. 2024 (DeViDe), arXiv:2404.03618: three facets, a projection for the multi-label
        setting, alignment at several granularities.
    """

    architecture: Literal["facet-queries"] = "facet-queries"
    dim: Width = 256
    input_px: Annotated[int, Field(ge=16, le=4096)] = 224
    channels: Literal[1, 3] = 1
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0.5,)
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3)] = (
        0.25,
    )
    image: RadiographTowerSettings
    image_projection: Projection = "linear"
    text: TextTowerSettings = TextTowerSettings()
    text_norm: bool = False
    word_features: bool = True
    decoder: QueryDecoderSettings = QueryDecoderSettings()
    facets: FacetSettings = FacetSettings()
    multi_label_projection: Projection = "linear"
    temperature: Annotated[float, Field(ge=0.01, le=1)] = 0.07

    @model_validator(mode="after")
    def _check_widths(self) -> RadiographModelSettings:
        if self.decoder.dim != self.dim:
            raise rule_error(
                "MV1002",
                f"the decoder is {self.decoder.dim} wide, the shared space {self.dim}",
                expected=f"dim: {self.dim}",
                at="decoder",
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise rule_error(
                    "MV1002",
                    f"has {len(values)} numbers for {self.channels} channels",
                    expected=f"1 or {self.channels}",
                    at=name,
                )
        return self
