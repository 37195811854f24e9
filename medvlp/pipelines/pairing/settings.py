"""What a run that groups pairs can be told; every field has the value of the published recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medvlp.config.strict import OneOrMany, StrictModel, rule_error
from medvlp.data.image_codec import Encoding
from medvlp.types import Modality

__all__ = [
    "THUMBNAIL",
    "CaptionMerging",
    "CaptionQuality",
    "ContentCheck",
    "GroupLabels",
    "ImageDuplicates",
    "ImageQuality",
    "PairingSettings",
    "PairsOutput",
    "SourceColumns",
    "SplitRule",
]

THUMBNAIL = "thumbnail"
Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class SourceColumns(StrictModel):
    """Names of the source's columns; those that keep their name here may be absent.

    Attributes:
        image: Path of the image, relative to the source's folder or to ``images``.
        caption: Its caption.
        group: Semantic group that is known already.
        scope: Where near-duplicates are looked for, such as the video or the article.
        patient: Patient, slide or source image.
        source: Where the image comes from.
        split: train, validation or test.
        licence: Licence of the image.
        labels: Concepts such as DOID:3910, several parted by ``;``; ``normal`` or ``unknown``.
    """

    image: str = "image"
    caption: str = "caption"
    group: str = "group"
    scope: str = "scope"
    patient: str = "patient"
    source: str = "source"
    split: str = "split"
    licence: str = "licence"
    labels: str = "labels"


class ContentCheck(StrictModel):
    """Whether an image shows what it should, judged by a dual encoder.

    Attributes:
        keep: Texts of what is wanted, such as "an H&E image".
        drop: Texts of what is not, such as "a portrait of a person".
        min_margin: Largest cosine with ``keep`` less the largest with ``drop``, at least this.
    """

    keep: OneOrMany[str] = Field(min_length=1)
    drop: OneOrMany[str] = Field(min_length=1)
    min_margin: float = 0.0


class ImageQuality(StrictModel):
    """Which images are kept.

    Attributes:
        min_side_px: Least length of the shorter side, in pixels.
        max_aspect: Largest ratio of the longer to the shorter side.
        min_std: Least standard deviation of the brightness, in grey values of 0 to 255.
        max_empty: Largest share of pixels that are nearly white or nearly black.
        content: Judges what the image shows; needs a dual encoder as ``duplicates.encoder``.
    """

    min_side_px: Count = 64
    max_aspect: Annotated[float, Field(ge=1)] = 4.0
    min_std: Annotated[float, Field(ge=0)] = 4.0
    max_empty: Share = 0.95
    content: ContentCheck | None = None


class CaptionQuality(StrictModel):
    """Which captions are kept.

    Attributes:
        min_words: Least number of words.
        max_characters: Largest number of characters.
        scripts: Scripts of letters, as Unicode names them.
        min_script_share: Least share of letters that are of these scripts.
    """

    min_words: Count = 2
    max_characters: Count = 5000
    scripts: OneOrMany[str] = ("LATIN", "GREEK")
    min_script_share: Share = 0.9


class ImageDuplicates(StrictModel):
    """How near-duplicate images are found.

    Attributes:
        encoder: Name of an image encoder, or ``thumbnail``: colours of a coarse grid, which needs
            no model and finds copies that were compressed or scaled again, but no crops.
        features: A .npz file with ``names`` and ``features`` in place of an encoder.
        cosine: Images above this similarity are near-duplicates.
        rule: ``star``: each image not yet taken takes all later ones that are like it (published);
            ``components``: whatever is joined by a chain of such pairs; ``none``.
        search: ``exact``, or ``flat``, ``ivf``, ``hnsw`` of faiss; ``auto`` is exact up to
            ``exact_up_to`` images of a scope and ivf above.
        exact_up_to: See ``search``.
        batch_size: Number of images that are encoded together.
        device: Where the encoder runs.
        precision: fp32 or bf16.
    """

    encoder: str | None = THUMBNAIL
    features: Path | None = None
    cosine: Cosine = 0.95
    rule: Literal["star", "components", "none"] = "star"
    search: Literal["auto", "exact", "flat", "ivf", "hnsw"] = "auto"
    exact_up_to: Count = 100_000
    batch_size: Count = 64
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if self.features is not None and "encoder" in self.model_fields_set and self.encoder:
            raise rule_error(
                "MV1002", "encoder and features are both given", expected="one of the two"
            )
        if self.rule != "none" and self.encoder is None and self.features is None:
            raise rule_error(
                "MV1002",
                f"rule {self.rule} has nothing to compare images by",
                expected="an encoder or a file of features",
            )
        return self


class CaptionMerging(StrictModel):
    """Which groups are joined through their captions, and which captions a group keeps.

    Attributes:
        merge: ``similar`` joins groups that share a caption or have near-duplicate ones,
            ``identical`` those that share one, ``none`` neither.
        rule: What near-duplicate captions are: ``iou`` of their sets of words above ``min_iou``
            (paper), or ``difference``: they share a word and one has exactly two words that the
            other lacks (published code, without the shared word); it joins much, and is meant for
            scopes of few captions.
        min_iou: See ``rule``.
        across_scopes: Whether captions join groups of different scopes.
        text_model: Dual encoder that ranks captions; by words where there is none.
        per_group: Number of captions that a group keeps, the most representative first; null for
            all different ones.
    """

    merge: Literal["similar", "identical", "none"] = "similar"
    rule: Literal["iou", "difference"] = "iou"
    min_iou: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    across_scopes: bool = False
    text_model: str | None = None
    per_group: Count | None = 1


class GroupLabels(StrictModel):
    """How groups get concepts of the knowledge graph.

    Attributes:
        graph: The graph; without one labels come from the column alone.
        link_captions: Whether captions are linked to the graph.
        min_confidence: Least confidence of a link.
        conflict: What becomes of a group with several labels: ``majority`` of the confidence,
            ``ancestor``: the lowest that all share, ``keep`` all, or ``refuse`` the group.
        normal_phrases: A caption that names no disease and has one of these says normal.
    """

    graph: Path | None = None
    link_captions: bool = True
    min_confidence: Share = 0.5
    conflict: Literal["majority", "ancestor", "keep", "refuse"] = "majority"
    normal_phrases: OneOrMany[str] = (
        "normal",
        "non-cancerous",
        "non-tumor",
        "non-tumour",
        "no evidence of malignancy",
        "unremarkable",
    )


class SplitRule(StrictModel):
    """How pairs are split where the source does not say.

    Attributes:
        validation: Share of the images.
        test: Share of the images.
        keep_together: Columns whose values never cross splits. Clusters of near-duplicates, which
            lie within a scope, and copies of one file never do; by rule ``star`` two images may be
            alike and yet in different clusters.
        crossing: What becomes of images whose given splits cross: ``refuse`` the source, or
            ``drop`` those that are in train or validation beside a more held-out one.
        seed: Seed of the choice.
    """

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    keep_together: OneOrMany[Literal["patient", "source", "scope", "group"]] = ("patient", "source")
    crossing: Literal["refuse", "drop"] = "refuse"
    seed: int = 0

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.validation + self.test >= 1:
            raise rule_error(
                "MV1002",
                f"validation={self.validation} and test={self.test} leave nothing to train on",
                expected="a sum below 1",
            )
        return self


class PairsOutput(StrictModel):
    """How the pairs are written.

    Attributes:
        modality: What the images are.
        mpp: Micrometres per pixel of the images as they are, where all have the same.
        longest_px: Larger images are scaled down to this longer side; null leaves them.
        encoding: jpg, or png without loss.
        samples_per_shard: Number of images in one tar.
        group_prefix: Begins the names of groups.
    """

    modality: Modality = "slide"
    mpp: Annotated[float, Field(gt=0)] | None = None
    longest_px: Annotated[int, Field(ge=32)] | None = 512
    encoding: Encoding = "jpg"
    samples_per_shard: Count = 2000
    group_prefix: str = "pairs"


class PairingSettings(StrictModel):
    """All steps of a run.

    Attributes:
        columns: Names of the source's columns.
        images: Quality of images.
        captions: Quality of captions.
        duplicates: Near-duplicate images.
        merging: Groups that share captions.
        labels: Concepts of groups.
        splits: Training, validation and test.
        output: How pairs are written.
    """

    columns: SourceColumns = SourceColumns()
    images: ImageQuality = ImageQuality()
    captions: CaptionQuality = CaptionQuality()
    duplicates: ImageDuplicates = ImageDuplicates()
    merging: CaptionMerging = CaptionMerging()
    labels: GroupLabels = GroupLabels()
    splits: SplitRule = SplitRule()
    output: PairsOutput = PairsOutput()
