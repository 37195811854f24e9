"""The keys of a task file, each with its unit and range; ``task_rules`` says what goes together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from medvlp.config.calibrations import FindingThresholds, TileThreshold
from medvlp.config.strict import OneOrMany, StrictModel, matching, rule_error
from medvlp.types import Modality

__all__ = [
    "FINDING_HEADS",
    "PAIR_HEADS",
    "PLACEHOLDER",
    "ClassSpec",
    "CtScale",
    "FittedThreshold",
    "Head",
    "PromptSettings",
    "PromptSource",
    "SlideScale",
    "TaskFields",
    "ThresholdSource",
]

PLACEHOLDER = "{}"
"""Where a template takes the name of a class."""

Head = Literal[
    "detection-ratio",
    "subtype-ratio",
    "top-j",
    "mean",
    "segmentation",
    "present-absent",
    "multi-label",
    "findings",
]

PAIR_HEADS = ("present-absent", "multi-label")
"""Heads that judge every finding by itself: words for it against words for something else."""

FINDING_HEADS = (*PAIR_HEADS, "findings")
"""Heads that judge every finding by itself; ``findings`` leaves the answer to a model that was made
for it, which reads what is known of the finding."""

Positive = Annotated[float, Field(gt=0)]
Words = Annotated[
    str,
    matching(
        r"(?=.*\S)[^\n\r\t\x00]{1,2000}", "one line of text, not blank, at most 2000 characters"
    ),
]


class SlideScale(StrictModel):
    """How slides are cut into tiles."""

    mpp: Annotated[float, Field(gt=0, le=100)]
    """Micrometres per pixel of the tiles that the encoder sees."""
    tile_px: Annotated[int, Field(gt=0, le=16384)]
    """Side of a tile in pixels at ``mpp``."""
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a tile that the next tile of its row or column repeats."""


class CtScale(StrictModel):
    """How CT volumes are resampled and cropped; axes (z, y, x)."""

    spacing_mm: tuple[Positive, Positive, Positive]
    """Voxel spacing after resampling, in mm, order (z, y, x)."""
    window_hu: tuple[float, float]
    """Lower and upper end of the intensity window, in Hounsfield units."""
    region: Words | None = None
    """Organ that the crops are centred on; the whole volume where absent."""
    box_mm: tuple[Positive, Positive, Positive] | None = None
    """Size of a crop in mm, order (z, y, x)."""

    @model_validator(mode="after")
    def _check(self) -> CtScale:
        lower, upper = self.window_hu
        if lower >= upper:
            raise rule_error(
                "MV1002",
                f"the window {lower:g} to {upper:g} HU is empty",
                expected="the lower end first",
                at="window_hu",
            )
        if self.box_mm is not None and self.region is None:
            raise rule_error(
                "MV1506",
                "a crop has a size but nothing to be centred on",
                expected="region beside box_mm",
                at="box_mm",
            )
        return self


def _scale_kind(value: object) -> str:
    """Tell which scale a mapping means by the keys that only one of them has."""
    if isinstance(value, CtScale):
        return "ct"
    keys = set(value) if isinstance(value, dict) else set()
    return "ct" if keys & set(CtScale.model_fields) else "slide"


Scale = Annotated[
    Annotated[SlideScale, Tag("slide")] | Annotated[CtScale, Tag("ct")],
    Discriminator(_scale_kind),
]


class ClassSpec(StrictModel):
    """One class: the words that stand for it."""

    names: OneOrMany[Words] = ()
    """Names and synonyms; the classifier averages over them."""
    concept: Annotated[str, matching(r"[A-Za-z]\w*:\S+", "a node id such as DOID:4467")] | None = (
        None
    )
    """Node of the knowledge graph, such as ``DOID:4467``."""
    finding: Words | None = None
    """Name or synonym of a finding in the book of findings; head ``findings``. Without it the class
    name and ``names`` are looked up there, and stand for themselves where the book lacks them."""
    absent_names: OneOrMany[Words] = ()
    """Names of the absence of the finding, put into the templates; head ``present-absent``."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability above which this finding is there, where findings are judged one by one; the
    threshold of the task where absent."""


class PromptSource(StrictModel):
    """Prompt sets from a file or of all combinations: all of them, some drawn, or screened."""

    file: Path | None = None
    """JSON of prompt sets (KEEP, MI-Zero, CONCH layouts), below the folder of the task file."""
    screen: Annotated[int, Field(gt=0)] | None = None
    """How many of the candidate prompt sets are kept for a slide, by its own tiles."""
    random: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """How many prompt sets are drawn with replacement, draw i by Python's generator seeded i."""

    @model_validator(mode="after")
    def _check(self) -> PromptSource:
        if self.file is None and self.screen is None and self.random is None:
            raise rule_error(
                "MV1002", "neither file, screen nor random is given", expected="one of them"
            )
        if self.screen is not None and self.random is not None:
            raise rule_error("MV1506", "prompt sets are screened or drawn, not both", at="random")
        return self


def _ensemble_kind(value: object) -> str:
    return "source" if isinstance(value, dict | PromptSource) else "name"


class PromptSettings(StrictModel):
    """Which of the prompts make the classifier."""

    ensemble: Annotated[
        Annotated[Literal["all", "first-name", "first-prompt"], Tag("name")]
        | Annotated[PromptSource, Tag("source")],
        Discriminator(_ensemble_kind),
    ] = "all"
    """All names and templates, the first name in all templates, the first of both, or a source."""

    @model_validator(mode="before")
    @classmethod
    def _accept_short_form(cls, value: object) -> object:
        """Read ``{file: x}`` as ``{ensemble: {file: x}}``, and likewise the other keys."""
        if isinstance(value, dict) and value and set(value) <= set(PromptSource.model_fields):
            return {"ensemble": value}
        return value


class ThresholdSource(StrictModel):
    """Thresholds that were fitted on labelled cases, in a file of their own."""

    file: Annotated[Path, Field(alias="from")]
    """JSON that ``medvlp calibrate`` wrote, below the folder of the task file."""


class FittedThreshold(ThresholdSource):
    """The same with what the file holds; made when a task is loaded, not written in one."""

    fitted: Annotated[TileThreshold | FindingThresholds, Field(discriminator="kind")]
    """The content of the file: the threshold of tiles, or one for each finding."""


def _threshold_kind(value: object) -> str:
    return "source" if isinstance(value, dict | ThresholdSource) else "number"


Threshold = Annotated[
    Annotated[float, Field(gt=0, lt=1), Tag("number")] | Annotated[ThresholdSource, Tag("source")],
    Discriminator(_threshold_kind),
]


class TaskFields(StrictModel):
    """The keys of a task, each valid in itself."""

    name: Annotated[
        str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "letters, digits, '.', '_' and '-'")
    ]
    """Name of the task in outputs."""
    modality: Modality
    """What kind of cases it judges."""
    scale: Scale | None = None
    """Physical scale; required for slides and CT."""
    heads: Annotated[OneOrMany[Head], Field(alias="head", min_length=1)]
    """Rules from tile or crop scores to a case; the first one decides, the others add scores."""
    normal: str | None = None
    """Class of normal tissue: left out of the subtype ratio, the negative class of detection."""
    positive: str | None = None
    """Class that detection and segmentation look for."""
    top_j: OneOrMany[int] = ()
    """How many of the highest scores per class are pooled; the first one decides."""
    aggregate: Literal["mean", "sum"] = "mean"
    """How the top j scores are pooled."""
    threshold: Threshold = 0.5
    """Probability above which a tile counts as positive, or a finding without a threshold of its
    own is there: a number, or ``{from: FILE}``."""
    min_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of positive tiles above which a case is called positive; not calibrated."""
    undecided: Literal["second-choice", "first-class"] = "second-choice"
    """Subtype ratio where all tiles are normal or subtypes tie: every tile votes with its best
    subtype, or the first of the largest counts wins even where all are 0."""
    logit_scale: Literal["model"] | Positive = "model"
    """Multiplier of the cosines before the softmax: the model's own, or a number."""
    classes: dict[
        Annotated[str, matching(r"\S(.{0,98}\S)?", "one line, no spaces around, at most 100")],
        ClassSpec,
    ]
    """Classes in order."""
    templates: OneOrMany[Words] = ()
    """Sentences with ``{}`` where a name goes."""
    absent_templates: OneOrMany[Words] = ()
    """Sentences that deny the name, for findings without absent_names; head ``present-absent``."""
    prompt_pooling: Literal["mean", "max"] = "mean"
    """CT and radiographs: a class is the mean of its prompts, or as near as the nearest of them."""
    unit_pooling: Literal["max", "mean"] = "max"
    """Findings judged one by one: there if in any box of a scan, or in the mean of all boxes."""
    book: Path | None = None
    """Book of findings (YAML) below the folder of the task file; medvlp's own where absent; head
    ``findings``."""
    prompts: PromptSettings = PromptSettings()
    """How names and templates become a classifier."""

    @field_validator("classes", mode="before")
    @classmethod
    def _check_some_classes(cls, value: object) -> object:
        if value is None or value in ({}, []):
            raise rule_error(
                "MV1501", "there are no classes", hint="list at least one class with its names"
            )
        return value

    @property
    def tile_threshold(self) -> float:
        """Probability above which a tile counts as positive.

        Raises:
            ValueError: If the file that holds it has not been read, or holds one for each finding.
        """
        if isinstance(self.threshold, FittedThreshold):
            fitted = self.threshold.fitted
            if isinstance(fitted, FindingThresholds):
                raise ValueError(f"{self.threshold.file} holds a threshold for each finding")
            return fitted.threshold
        if isinstance(self.threshold, ThresholdSource):
            raise ValueError(f"load the task from its file to read {self.threshold.file}")
        return self.threshold

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return tuple(self.classes)

    @property
    def finding_names(self) -> tuple[str, ...]:
        """Classes that are judged one by one, in order; none without a head that does so."""
        if not set(self.heads) & set(FINDING_HEADS):
            return ()
        return tuple(name for name in self.classes if name != self.normal)

    @property
    def finding_thresholds(self) -> FindingThresholds | None:
        """What was fitted for each finding, of a task that names a file of it."""
        if not isinstance(self.threshold, FittedThreshold):
            return None
        fitted = self.threshold.fitted
        return fitted if isinstance(fitted, FindingThresholds) else None

    def finding_threshold(self, name: str) -> float:
        """Return the probability above which a finding is there.

        Args:
            name: One of ``finding_names``.
        """
        own = self.classes[name].threshold
        if own is not None:
            return own
        fitted = self.finding_thresholds
        return self.tile_threshold if fitted is None else fitted.findings[name].threshold

    @property
    def classifier_classes(self) -> tuple[str, ...]:
        """Classes that are compared with each other, in order, else the findings."""
        is_paired_only = set(self.heads) <= set(FINDING_HEADS)
        return self.finding_names if is_paired_only else self.class_names
