"""One model with one task: from an X-ray to its verdict, by findings or by prompts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from medvlp.config.runs import ModelRecord
from medvlp.errors import ConfigError, ModelError, nearest_name
from medvlp.io import content_sha256, json_sha256
from medvlp.knowledge.facets import (
    FindingBook,
    FindingFacets,
    free_finding,
    load_finding_book,
)
from medvlp.pipelines.judge import CaseJudge, Certainty, JudgingModel, PromptJudge
from medvlp.pipelines.radiograph_folder import (
    FindingTarget,
    RadiographFinding,
    radiograph_notes,
)
from medvlp.zeroshot.model_findings import IMAGE_UNIT, judge_findings
from medvlp.zeroshot.units import judge_units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from medvlp.config.task import Task
    from medvlp.models.radiograph.bundle import RadiographBundle
    from medvlp.models.radiograph.finding_model import FindingQueries
    from medvlp.pipelines.radiograph_desk import RadiographDesk
    from medvlp.types import Case

__all__ = ["FindingJudge", "FindingQuestions", "ImageJudge", "radiograph_judge"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FindingQuestions:
    """What a task asks a model of findings for.

    Attributes:
        targets: The classes, in order.
        facets: What is known of each.
        queries: The same, as the model reads them.
        book_sha256: Hash of the book of findings.
    """

    targets: tuple[FindingTarget, ...]
    facets: tuple[FindingFacets, ...]
    queries: FindingQueries
    book_sha256: str

    @property
    def fingerprint(self) -> str:
        """Hash of all texts; thresholds decide no score, and are among the settings of the task."""
        told = [{**asdict(target), "threshold": None} for target in self.targets]
        return json_sha256([told, [list(f.texts()) for f in self.facets]])

    @property
    def logit_scale(self) -> float | None:
        """None: the task compares no cosines."""
        return None

    @property
    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Class to all texts that the model reads of it."""
        pairs = zip(self.targets, self.facets, strict=True)
        return {target.name: tuple(text for _, text in facets.texts()) for target, facets in pairs}

    @property
    def rule(self) -> str:
        """How the texts are used, in words."""
        return "names, definition and appearances of each finding, read by the model itself"


class _RadiographSettings:
    """What both kinds of judges say of reading X-rays."""

    desk: RadiographDesk

    def content_sha256(self, case: Case) -> str:
        """Return the hash of an X-ray as it lies there now."""
        return content_sha256(case.path, companions=False)

    def deciding_settings(self) -> dict[str, object]:
        """Return how X-rays are brought to the model's input."""
        return {
            "preprocessing": asdict(self.desk.model.preprocessing),
            "window": self.desk.settings.window,
        }

    def other_settings(self) -> dict[str, object]:
        """Return limits."""
        return {"limits": asdict(self.desk.settings.limits)}


class FindingJudge(_RadiographSettings, CaseJudge):
    """A model that is asked for findings by name, definition and appearance.

    Args:
        desk: The model, and the X-ray at hand.
        task: A task with head ``findings``.
        certainty: What turns verdicts into confidences.

    Raises:
        ConfigError: MV1140 if the book of findings has no such finding; and as :class:`CaseJudge`.
        KnowledgeError: If the book cannot be read (MV205x).
    """

    def __init__(
        self, desk: RadiographDesk, task: Task, certainty: Certainty | None = None
    ) -> None:
        self.desk = desk
        self.questions = ask_findings(task, desk.model)
        super().__init__(_judging_model(desk.model), task, self.questions, certainty)

    def deciding_settings(self) -> dict[str, object]:
        """Return how X-rays are read, and which findings are seen and unseen."""
        told = {
            target.name: {"finding": target.finding, "knowledge": target.kind}
            for target in self.questions.targets
        }
        return {
            **super().deciding_settings(),
            "book_sha256": self.questions.book_sha256,
            "findings": told,
        }

    def judge(
        self, case: Case, folder: str, note_stage: Callable[[str], None]
    ) -> RadiographFinding:
        """Read and judge one X-ray.

        Args:
            case: The X-ray.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open image")
        framed = self.desk.read(case)
        note_stage("judge image")
        scores = self.desk.model.judge(framed.square[None], self.questions.queries)
        verdict = judge_findings(scores.probabilities[0], self.task)
        maps = (
            dict(zip(verdict.class_names, scores.attention[0], strict=True))
            if (scores.attention is not None)
            else {}
        )
        row, notes = self.report(
            case,
            verdict,
            n_units=1,
            n_failed=0,
            content_sha256=framed.content_sha256,
            findings=verdict.findings,
        )
        return RadiographFinding(
            case=case,
            row=row,
            framed=framed,
            verdict=verdict,
            targets=self.questions.targets,
            attention=maps,
            notes=(*notes, *radiograph_notes(framed, self.questions.targets)),
            folder=folder,
        )


class ImageJudge(_RadiographSettings, PromptJudge):
    """A model whose embeddings of X-rays are compared with those of prompts.

    Args:
        desk: The model, and the X-ray at hand.
        task: A task with heads that compare with prompts.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        ConfigError: As :class:`PromptJudge`.
        ModelError: MV1472 if images and texts share no space in the model.
    """

    def __init__(
        self, desk: RadiographDesk, task: Task, certainty: Certainty | None = None
    ) -> None:
        self.desk = desk
        if not desk.model.is_projected:
            raise ModelError(
                "MV1472",
                f"task {task.name} compares images with prompts, and model {desk.model.name!r} has "
                "no space that both share",
                expected="head: findings",
                hint="such a model is asked for findings by name",
            )
        super().__init__(_judging_model(desk.model), task, desk.model.embed_texts, certainty)

    def judge(
        self, case: Case, folder: str, note_stage: Callable[[str], None]
    ) -> RadiographFinding:
        """Read, encode and judge one X-ray.

        Args:
            case: The X-ray.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open image")
        framed = self.desk.read(case)
        features = self.desk.load_or_embed(case, note_stage)
        note_stage("judge image")
        verdict = judge_units(features.features, (IMAGE_UNIT,), self.classifier, self.task)
        row, notes = self.report(
            case,
            verdict,
            n_units=1,
            n_failed=0,
            content_sha256=framed.content_sha256,
            findings=verdict.findings,
        )
        return RadiographFinding(
            case=case,
            row=row,
            framed=framed,
            verdict=verdict,
            targets=(),
            attention={},
            notes=(*notes, *radiograph_notes(framed, ())),
            folder=folder,
        )


def radiograph_judge(
    desk: RadiographDesk, task: Task, certainty: Certainty | None = None
) -> FindingJudge | ImageJudge:
    """Return the judge that the head of a task wants.

    Args:
        desk: The model, and the X-ray at hand.
        task: A task for radiographs.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        MedvlpError: As the two judges.
    """
    kind = FindingJudge if task.heads == ("findings",) else ImageJudge
    return kind(desk, task, certainty)


def ask_findings(task: Task, model: RadiographBundle) -> FindingQuestions:
    """Look the classes of a task up in its book, and let the model read what is known of them.

    Args:
        task: A task with head ``findings``.
        model: The model.

    Raises:
        ConfigError: MV1140 if the book has no finding of a name that the task takes from it.
        KnowledgeError: If the book cannot be read (MV205x).
    """
    book = load_finding_book(task.book)
    seen = {name.casefold() for name in model.findings_seen}
    targets, facets = [], []
    for name in task.finding_names:
        known, found = _facets_of(task, name, book)
        is_seen = any(own.casefold() in seen for own in found.names) if seen else None
        targets.append(
            FindingTarget(
                name=name,
                finding=found.name,
                is_known=known,
                is_seen=is_seen,
                threshold=task.finding_threshold(name),
            )
        )
        facets.append(found)
    return FindingQuestions(
        targets=tuple(targets),
        facets=tuple(facets),
        queries=model.queries(facets),
        book_sha256=book.content_sha256,
    )


def _facets_of(task: Task, name: str, book: FindingBook) -> tuple[bool, FindingFacets]:
    """Return what is known of a class, and whether the book knows it."""
    spec = task.classes[name]
    if spec.finding is not None:
        found = book.find(spec.finding)
        if found is None:
            raise ConfigError(
                "MV1140",
                f"classes.{name}.finding={spec.finding!r} is in no entry of the book of findings "
                f"{book.name!r}{nearest_name(spec.finding, book.names)}",
                expected=f"one of its {len(book)} findings, or one of their synonyms",
                hint="for a finding in words of your own, write names: in place of finding:",
            )
        return True, found
    words = spec.names or (name,)
    for text in words:
        found = book.find(text)
        if found is not None:
            return True, found
    free = free_finding(words[0])
    if len(words) > 1:
        free = FindingFacets(name=free.name, synonyms=tuple(words[1:]))
    return False, free


def _judging_model(model: RadiographBundle) -> JudgingModel:
    return JudgingModel(
        record=ModelRecord(
            name=model.name,
            modality="radiograph",
            weights_sha256=model.weights_sha256,
            embedding_dim=model.dim,
            logit_scale=model.logit_scale,
            licence=model.meta.license,
        ),
        precision=model.precision,
        is_random=model.is_random,
        choice=model.meta.provenance.selection,
    )
