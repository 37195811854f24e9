"""What a network for scans is made of: settings that a training file and a bundle both hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error

__all__ = [
    "CtVitSettings",
    "InflatedResNetSettings",
    "InflatedVitSettings",
    "MonaiResNetSettings",
    "ResNet3dSettings",
    "SegResNetSettings",
    "Shortcut",
    "SwinUnetrSettings",
    "VolumeHeadSettings",
    "VolumeTowerSettings",
]

Shortcut = Literal["A", "B"]
Width = Annotated[int, Field(ge=1, le=65536)]
Depth = Annotated[int, Field(ge=1, le=64)]
Heads = Annotated[int, Field(ge=1, le=256)]


class ResNet3dSettings(StrictModel):
    """A 3D residual network of two-convolution blocks; RenalCLIP's image encoder by default.

    Attributes:
        architecture: Always ``resnet3d``.
        depth: Number of layers.
        shortcut: What goes past a block that halves the grid: every second voxel with channels of
            zeros behind (A), or a strided 1 x 1 x 1 convolution and batch norm (B).
        cut_shortcut_gradient: Whether no gradient flows through shortcuts of type A, as in the
            program that RenalCLIP was trained with; the features do not depend on it.
        width: Channels of the first stage; each further one has twice as many.
    """

    architecture: Literal["resnet3d"] = "resnet3d"
    depth: Literal[10, 18, 34] = 18
    shortcut: Shortcut = "A"
    cut_shortcut_gradient: bool = False
    width: Annotated[int, Field(ge=1, le=1024)] = 64

    @model_validator(mode="after")
    def _check_cut(self) -> ResNet3dSettings:
        if self.cut_shortcut_gradient and self.shortcut != "A":
            raise rule_error(
                "MV1002",
                "has no effect on shortcuts of type B",
                expected="false, or shortcut: A",
                at="cut_shortcut_gradient",
            )
        return self


class MonaiResNetSettings(StrictModel):
    """MONAI's 3D residual network with a 7 x 7 x 7 first convolution of stride 2, as MedicalNet's.

    Attributes:
        architecture: Always ``monai-resnet``.
        depth: Number of layers; from 50 on, blocks have three convolutions.
        shortcut: As for ``resnet3d``; MONAI's shortcuts of type A let no gradient through.
        widen: Factor of all widths, the first stage's being 64.
    """

    architecture: Literal["monai-resnet"] = "monai-resnet"
    depth: Literal[10, 18, 34, 50, 101, 152, 200] = 50
    shortcut: Shortcut = "B"
    widen: Annotated[float, Field(ge=0.03125, le=8)] = 1.0


class SwinUnetrSettings(StrictModel):
    """The encoder of MONAI's SwinUNETR; every side of its input is a multiple of 32 voxels.

    Attributes:
        architecture: Always ``swin-unetr``.
        feature_size: Channels behind the patch embedding, a multiple of 12; the features have 16
            times as many.
        blocks: Number of blocks of each stage.
        heads: Number of attention heads of each stage; divides the channels of the stage.
        window: Side of an attention window, in tokens.
        use_v2: Whether each stage starts with a convolution block.
    """

    architecture: Literal["swin-unetr"] = "swin-unetr"
    feature_size: Annotated[int, Field(ge=12, le=384, multiple_of=12)] = 48
    blocks: tuple[Depth, Depth, Depth, Depth] = (2, 2, 2, 2)
    heads: tuple[Heads, Heads, Heads, Heads] = (3, 6, 12, 24)
    window: Annotated[int, Field(ge=1, le=32)] = 7
    use_v2: bool = False

    @model_validator(mode="after")
    def _check_heads(self) -> SwinUnetrSettings:
        for stage, heads in enumerate(self.heads):
            channels = self.feature_size * 2**stage
            if channels % heads:
                raise rule_error(
                    "MV1002",
                    f"{heads} heads do not divide the {channels} channels of stage {stage + 1}",
                    at="heads",
                )
        return self


class SegResNetSettings(StrictModel):
    """The encoder of MONAI's SegResNet; CT-FM's sizes by default.

    Attributes:
        architecture: Always ``segresnet``.
        init_filters: Channels of the first level; each further one has twice as many.
        blocks: Number of residual blocks of each level.
        norm: Kind of normalisation.
    """

    architecture: Literal["segresnet"] = "segresnet"
    init_filters: Annotated[int, Field(ge=1, le=256)] = 32
    blocks: Annotated[tuple[Depth, ...], Field(min_length=1, max_length=7)] = (1, 2, 2, 4, 4)
    norm: Literal["batch", "instance"] = "batch"


class InflatedVitSettings(StrictModel):
    """A vision transformer of timm whose patches and positions are made three-dimensional.

    Attributes:
        architecture: Always ``vit``.
        model: Name of timm's architecture, without a tag.
        patch_zyx: Sides of a patch in voxels, along the axes in the order in which the network
            takes them.
        inflation: How a 2D kernel becomes a 3D one: all in the middle slice (``centre``), or spread
            evenly over the slices (``mean``).
        global_pool: How tokens become a vector; None for the architecture's own way.
    """

    architecture: Literal["vit"] = "vit"
    model: Annotated[str, Field(min_length=1, max_length=200)] = "vit_small_patch16_224"
    patch_zyx: tuple[
        Annotated[int, Field(ge=1, le=256)],
        Annotated[int, Field(ge=1, le=256)],
        Annotated[int, Field(ge=1, le=256)],
    ] = (4, 16, 16)
    inflation: Literal["centre", "mean"] = "centre"
    global_pool: Literal["avg", "token"] | None = None


class InflatedResNetSettings(StrictModel):
    """A residual network of three-convolution blocks inflated from 2D; Merlin's by default.

    Attributes:
        architecture: Always ``inflated-resnet``.
        depth: Number of layers.
        width: Channels inside the blocks of the first stage; they give four times as many, and each
            further stage has twice as many.
    """

    architecture: Literal["inflated-resnet"] = "inflated-resnet"
    depth: Literal[50, 101, 152] = 152
    width: Annotated[int, Field(ge=1, le=1024)] = 64


class CtVitSettings(StrictModel):
    """A transformer over patches of slices and then over slices, with a codebook; CT-CLIP's.

    Attributes:
        architecture: Always ``ct-vit``.
        width: Width of a token.
        heads: Number of attention heads.
        head_width: Width of a head.
        patch_zyx: Sides of a patch in voxels, along the axes in the order in which the network
            takes them.
        plane_depth: Number of blocks within slices.
        axial_depth: Number of blocks across slices.
        codes: Number of vectors in the codebook.
    """

    architecture: Literal["ct-vit"] = "ct-vit"
    width: Annotated[int, Field(ge=1, le=4096)] = 512
    heads: Heads = 8
    head_width: Annotated[int, Field(ge=1, le=512)] = 32
    patch_zyx: tuple[
        Annotated[int, Field(ge=1, le=256)],
        Annotated[int, Field(ge=1, le=256)],
        Annotated[int, Field(ge=1, le=256)],
    ] = (10, 20, 20)
    plane_depth: Depth = 4
    axial_depth: Depth = 4
    codes: Annotated[int, Field(ge=1, le=1_000_000)] = 8192


VolumeTowerSettings = Annotated[
    ResNet3dSettings
    | MonaiResNetSettings
    | SwinUnetrSettings
    | SegResNetSettings
    | InflatedVitSettings
    | InflatedResNetSettings
    | CtVitSettings,
    Field(discriminator="architecture"),
]
"""A network for scans; ``architecture`` says which."""


class VolumeHeadSettings(StrictModel):
    """The head that maps pooled features of a volume tower into a space shared with text.

    Attributes:
        projection: ``linear``; ``mlp`` (linear, batch norm, ReLU, linear, batch norm without
            weights); ``none`` keeps the tower's features.
        dim: Length D of an embedding; None exactly without a projection.
        hidden: Width inside an ``mlp``; None for the others.
        bias: Whether a ``linear`` head has a bias.
    """

    projection: Literal["none", "linear", "mlp"] = "linear"
    dim: Width | None = None
    hidden: Width | None = None
    bias: bool = True

    @model_validator(mode="after")
    def _check_widths(self) -> VolumeHeadSettings:
        for name, is_needed in (
            ("dim", self.projection != "none"),
            ("hidden", self.projection == "mlp"),
        ):
            if (getattr(self, name) is not None) != is_needed:
                raise rule_error(
                    "MV1002",
                    f"is {'missing' if is_needed else 'given'} with projection: {self.projection}",
                    expected="a width" if is_needed else "no value",
                    at=name,
                )
        if not self.bias and self.projection != "linear":
            raise rule_error(
                "MV1002",
                f"has no effect with projection: {self.projection}",
                expected="true, or projection: linear",
                at="bias",
            )
        return self
