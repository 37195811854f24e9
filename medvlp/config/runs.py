"""The run folder: its files, the rows of its tables and the record of the run.

``run_schema.json`` beside this module describes them; :mod:`medvlp.config.run_tables` writes and
reads the tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from medvlp.config.described import about
from medvlp.config.run_selections import RunSelection
from medvlp.io import is_safe_key, write_json
from medvlp.types import Modality

__all__ = [
    "PROBABILITY_PREFIX",
    "SCORE_PREFIX",
    "CalibrationRecord",
    "CaseRow",
    "FailureRow",
    "ModelRecord",
    "PredictionRow",
    "PredictionStatus",
    "RunFolder",
    "RunRecord",
    "TaskRecord",
    "without_local_names",
    "write_run_record",
]

PredictionStatus = Literal["diagnosed", "no-tissue"]
"""``diagnosed``: the rule of the task gave an answer. ``no-tissue``: there was nothing to judge."""

PROBABILITY_PREFIX = "prob_"
SCORE_PREFIX = "score_"
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class PredictionRow:
    """What one model said about one case under one task: a row of ``predictions``.

    Raises:
        ValueError: If a number is not finite or outside of its range, or counts contradict.
    """

    case_id: str = field(metadata=about("Name of the case: manifest column or path below INPUT."))
    model: str = field(metadata=about("Name of the model."))
    task: str = field(metadata=about("Name of the task."))
    modality: Modality = field(metadata=about("What kind of case it is."))
    status: PredictionStatus = field(
        metadata=about("diagnosed, or the reason why there is nothing to predict.")
    )
    prediction: str | None = field(
        default=None,
        metadata=about(
            "Predicted class. Where several findings can be there at once: those that are, joined "
            "with '; ', else the normal class of the task, else none."
        ),
    )
    findings: tuple[str, ...] | None = field(
        default=None,
        metadata=about(
            "Findings that are there, as a JSON list of names; empty list for none of them; null "
            "where the task chooses one class."
        ),
    )
    confidence: float | None = field(
        default=None,
        metadata=about(
            "Score of the prediction, 0 to 1; a calibrated probability only where run.json names a "
            "calibration of this model and task. With findings, that of the least sure of the "
            "answers yes and no."
        ),
    )
    n_units: int = field(default=0, metadata=about("Tiles, boxes or images planned for the case."))
    n_used: int = field(default=0, metadata=about("Units that the prediction rests on."))
    n_failed: int = field(default=0, metadata=about("Units that could not be read."))
    probabilities: Mapping[str, float] = field(
        default_factory=dict,
        metadata=about(
            "Score of each class of the task for the case, 0 to 1; calibrated as the confidence. "
            "They sum to 1 where the task chooses one class; a finding has its own."
        ),
    )
    scores: Mapping[str, float] = field(
        default_factory=dict, metadata=about("Value of each rule (head) of the task.")
    )
    interval_low: float | None = field(
        default=None, metadata=about("Lower end of the interval of the deciding score.")
    )
    interval_high: float | None = field(
        default=None, metadata=about("Upper end of the interval of the deciding score.")
    )
    node: str | None = field(
        default=None,
        metadata=about(
            "Node of the knowledge graph that the case is reported at; without --graph and "
            "--confidence that of the prediction."
        ),
    )
    node_path: tuple[str, ...] | None = field(
        default=None,
        metadata=about(
            "Names from the top of the task's part of the graph down to the node that the case is "
            "reported at, as a JSON list; empty where no node is certain enough."
        ),
    )
    node_confidence: float | None = field(
        default=None, metadata=about("Probability of the node that the case is reported at.")
    )
    prediction_set: tuple[str, ...] | None = field(
        default=None, metadata=about("Classes that cannot be excluded, as a JSON list of names.")
    )

    def __post_init__(self) -> None:
        """Refuse numbers that no correct run can give."""
        if self.status not in get_args(PredictionStatus):
            raise ValueError(f"status must be one of {get_args(PredictionStatus)}: {self.status!r}")
        shares = {f"{PROBABILITY_PREFIX}{name}": p for name, p in self.probabilities.items()}
        shares["confidence"] = 0.0 if self.confidence is None else self.confidence
        shares["node_confidence"] = 0.0 if self.node_confidence is None else self.node_confidence
        for name, share in shares.items():
            if not -_ROUNDING <= share <= 1.0 + _ROUNDING:
                raise ValueError(f"{self.case_id}: {name} must lie in 0 to 1, got {share}")
        unknown = [n for n in self.findings or () if n not in self.probabilities]
        if unknown:
            raise ValueError(f"{self.case_id}: findings {unknown} have no probability")
        others = {**self.scores, "low": self.interval_low, "high": self.interval_high}
        for name, value in others.items():
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{self.case_id}: {name} must be finite, got {value}")
        if min(self.n_used, self.n_failed) < 0 or self.n_used + self.n_failed > self.n_units:
            raise ValueError(
                f"{self.case_id}: n_used {self.n_used} and n_failed {self.n_failed} do not fit "
                f"into n_units {self.n_units}"
            )


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """Why a case has no prediction: a row of ``failures.csv``."""

    case_id: str = field(metadata=about("Name of the case."))
    stage: str = field(metadata=about("What was being done."))
    code: str = field(metadata=about("Code of the error; 'medvlp explain CODE' says more."))
    reason: str = field(metadata=about("What was wrong, with the value."))
    hint: str = field(default="", metadata=about("What helps."))


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """Where a case lies on this machine: a row of ``cases.csv``, not meant to be shared."""

    case_id: str = field(metadata=about("Name of the case."))
    case_key: str = field(metadata=about("Folder of the case below cases/."))
    path: str = field(metadata=about("Local path of the file."))


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of a run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def predictions_csv(self) -> Path:
        """Predictions as text, for people and spreadsheets."""
        return self.path / "predictions.csv"

    @property
    def predictions_parquet(self) -> Path:
        """Predictions with types, texts exact."""
        return self.path / "predictions.parquet"

    @property
    def failures_csv(self) -> Path:
        """Cases without a prediction, and why."""
        return self.path / "failures.csv"

    @property
    def cases_csv(self) -> Path:
        """Local paths of the cases; the one file that may name more than the case id."""
        return self.path / "cases.csv"

    @property
    def run_json(self) -> Path:
        """Settings, versions, hashes and timings."""
        return self.path / "run.json"

    @property
    def report_html(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def case_folder(self, case_key: str) -> Path:
        """Return the folder of a case.

        Raises:
            ValueError: If the key could leave the run folder.
        """
        if not is_safe_key(case_key):
            raise ValueError(f"case_key {case_key!r} is not safe as the name of a folder")
        return self.path / "cases" / case_key


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A model that a run used."""

    name: str = field(metadata=about("Name of the model in the tables."))
    modality: Modality = field(metadata=about("What kind of cases it takes."))
    weights_sha256: str = field(metadata=about("Hash of the weights."))
    source: str = field(default="", metadata=about("What the user gave after --model."))
    embedding_dim: int | None = field(default=None, metadata=about("Length of an embedding."))
    logit_scale: float | None = field(
        default=None, metadata=about("The model's own multiplier of cosines.")
    )
    licence: str = field(default="", metadata=about("Licence of the weights."))


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A task that a run answered, with all prompts."""

    name: str = field(metadata=about("Name of the task in the tables."))
    modality: Modality = field(metadata=about("What kind of cases it takes."))
    heads: tuple[str, ...] = field(metadata=about("Rules; the first one decides."))
    settings_sha256: str = field(metadata=about("Hash of the task with all its settings."))
    scale: Mapping[str, object] = field(
        default_factory=dict, metadata=about("Physical scale, as in the task file.")
    )
    logit_scale: float | None = field(
        default=None, metadata=about("Multiplier of cosines that was used.")
    )
    normal: str | None = field(default=None, metadata=about("Class that stands for nothing found."))
    prompts: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata=about("All prompts of each class, classes in order.")
    )
    prompt_rule: str = field(
        default="", metadata=about("How the prompts became a classifier, in words.")
    )
    threshold: Mapping[str, object] = field(
        default_factory=dict,
        metadata=about(
            "Probability above which a tile is positive, or a finding without a threshold of its "
            "own is there, and where it comes from."
        ),
    )
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=about("All settings of the task, files by their content.")
    )


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """What made the confidences and prediction sets of one model with one task."""

    model: str = field(metadata=about("Name of the model."))
    task: str = field(metadata=about("Name of the task."))
    source_sha256: str = field(metadata=about("Hash of the calibration file."))
    temperature: float = field(metadata=about("Divisor of the logits of a case."))
    alpha: float = field(metadata=about("Error rate of the prediction sets."))
    method: str = field(metadata=about("How prediction sets are made: lac or aps."))
    num_cases: int = field(metadata=about("Cases that the calibration was fitted on."))
    coverage: float = field(metadata=about("Share of left-out calibration cases in their set."))
    ece_left_out: float = field(
        metadata=about("Expected calibration error on left-out calibration cases.")
    )


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What was done, with what: ``run.json``."""

    medvlp_version: str = field(metadata=about("Version of this package."))
    started_at: str = field(metadata=about("Start, ISO 8601 in UTC; empty where not recorded."))
    models: tuple[ModelRecord, ...] = field(metadata=about("Models in the order given."))
    tasks: tuple[TaskRecord, ...] = field(metadata=about("Tasks in the order given."))
    calibrations: tuple[CalibrationRecord, ...] = field(
        default=(), metadata=about("Calibrations in use; the other confidences are not calibrated.")
    )
    selections: tuple[RunSelection, ...] | None = field(
        default=None,
        metadata=about(
            "What was chosen on which cases: checkpoints, thresholds, temperatures; null in runs "
            "of versions that kept no record of it."
        ),
    )
    configuration: Mapping[str, object] = field(
        default_factory=dict, metadata=about("Every setting of the run, defaults included.")
    )
    versions: Mapping[str, str] = field(
        default_factory=dict, metadata=about("Versions of Python and of the libraries.")
    )
    hashes: Mapping[str, str] = field(
        default_factory=dict, metadata=about("Hashes of what the run read, by name.")
    )
    counts: Mapping[str, int] = field(
        default_factory=dict, metadata=about("How many cases had which outcome.")
    )
    timings_s: Mapping[str, float] = field(
        default_factory=dict, metadata=about("Seconds spent, by stage.")
    )
    intended_use: Literal["research only"] = field(
        default="research only", metadata=about("What the run may be used for.")
    )


def without_local_names(text: str, case: CaseRow) -> str:
    """Put the case id where a message names the file of the case, by its path or by its name.

    Case ids may be pseudonyms; only ``cases.csv`` may tell what is behind one.

    Args:
        text: A message about the case.
        case: The case.
    """
    # the longest first, and the id itself among them: it may hold the name of the file
    names = sorted((case.case_id, case.path, Path(case.path).name), key=len, reverse=True)
    pattern = "|".join(re.escape(name) for name in names if name)
    return re.sub(pattern, lambda _: case.case_id, text) if pattern else text


def write_run_record(folder: Path, record: RunRecord) -> Path:
    """Write ``run.json``.

    Args:
        folder: The run folder.
        record: What was done.

    Returns:
        The path of the file.

    Raises:
        ValueError: If a number is NaN or infinite.
        OutputError: If the file cannot be written.
    """
    path = RunFolder(folder).run_json
    write_json(path, asdict(record))
    return path
