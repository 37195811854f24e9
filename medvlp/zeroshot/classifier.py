"""The text classifier: one unit vector per class, made of the embeddings of its prompts.

Letters: D embedding, C classes, n names, T templates, P prompt sets, U distinct prompts.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.config.task import PAIR_HEADS
from medvlp.errors import ConfigError, ModelError
from medvlp.zeroshot.prompt_choice import choose_class_prompts, choose_pair_prompts
from medvlp.zeroshot.prompt_columns import FindingPairs, PromptColumns
from medvlp.zeroshot.screening import PromptCandidates, sum_prompt_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.task import Task
    from medvlp.text.prompts import PromptSet

    _Vector = NDArray[np.float64]

__all__ = ["EmbedText", "TextClassifier", "build_classifier", "class_columns"]

EmbedText = Callable[[list[str]], "ArrayLike"]
"""Texts to embeddings of shape ``(number of texts, D)``, of any length, on the CPU."""

_NORM_FLOOR = 1e-12


@dataclass(frozen=True)
class TextClassifier:
    """Class columns with everything needed to use them and to say where they come from.

    Attributes:
        weights: Class columns of unit length, shape ``(D, C)``, float64.
        class_names: Names of the columns, in the order of the task; the findings alone where no
            head compares classes with each other.
        logit_scale: Multiplier of the cosines before the softmax (1/temperature), > 0.
        prompts: Class name to the prompts that went into its column, or may; under ``<finding>:
            absent`` those against a finding.
        candidates: Prompt sets that are screened for every slide; then ``weights`` holds the sum of
            all of them, and a slide is judged with its own columns.
        rule: How the prompts became columns, in words.
        nearest: All prompts of each class, where a class is as near as the nearest of them.
        pairs: Columns for and against each finding, where findings are judged one by one.
    """

    weights: NDArray[np.float64]
    class_names: tuple[str, ...]
    logit_scale: float
    prompts: Mapping[str, tuple[str, ...]]
    candidates: PromptCandidates | None = None
    rule: str = ""
    nearest: PromptColumns | None = None
    pairs: FindingPairs | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides a verdict: columns, names, scale, candidates, pairs."""
        digest = hashlib.sha256(repr((self.class_names, float(self.logit_scale))).encode())
        digest.update(np.ascontiguousarray(self.weights).tobytes())
        if self.candidates is not None:
            digest.update(repr(self.candidates.keep).encode())
            digest.update(np.ascontiguousarray(self.candidates.bank).tobytes())
            digest.update(np.ascontiguousarray(self.candidates.sets).tobytes())
        for columns in (self.nearest, self.pairs):
            if columns is not None:
                digest.update(columns.fingerprint.encode())
        return digest.hexdigest()


def class_columns(embeddings: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Average the prompt embeddings of each class on the unit sphere.

    ``column_c = normalise(mean over names and templates of normalise(e_c,name,template))``.

    Args:
        embeddings: One array per class, shape ``(n, T, D)``, vectors of any length; the number of
            names may differ between classes. One name gives MI-Zero's form of the classifier, one
            name and one template KEEP's.

    Returns:
        Unit columns in the order of the classes, shape ``(D, C)``.

    Source:
        CONCH, Lu et al. 2024, doi:10.1038/s41591-024-02856-4, prompt ensembling.
    """
    vectors = [np.asarray(found, dtype=np.float64) for found in embeddings]
    return np.stack([_unit(_unit(found).mean(axis=(0, 1))) for found in vectors], axis=1)


def build_classifier(
    embed_text: EmbedText, task: Task, logit_scale: float | None
) -> TextClassifier:
    """Embed the prompts of a task and make its classifier.

    Every distinct prompt is embedded once, all in one call. Several prompt sets, of a file or
    drawn, are added up and brought to unit length; a set that is drawn twice counts twice.

    Args:
        embed_text: The text tower.
        task: The task; its prompt file, if it names one, is read here.
        logit_scale: The model's own multiplier of the cosines, or None if it has none.

    Raises:
        ConfigError: MV1509 if neither task nor model gives a logit scale, MV1510 if a prompt file
            does not fit, MV1515 if there are too many prompt sets to screen.
        ModelError: MV1514 if the text tower returns unusable embeddings.
    """
    scale = _effective_scale(task, logit_scale)
    words = _choose_words(task)
    vectors = _embed(embed_text, words.texts())
    stack = _nearest_columns if task.prompt_pooling == "max" else _mean_columns
    candidates = None
    screen = getattr(task.prompts.ensemble, "screen", None)
    if screen is not None:
        class_sets = words.classes[task.class_names[0]].sets
        candidates = PromptCandidates(*_prompt_bank(class_sets, task.class_names, vectors), screen)
    pairs = None
    if words.findings:
        present = stack(words.findings.values(), vectors)
        pairs = FindingPairs(tuple(words.findings), present, stack(words.against.values(), vectors))
    classes = words.classes.values()
    return TextClassifier(
        weights=_mean_columns(classes, vectors).vectors.T,
        class_names=tuple(words.classes),
        logit_scale=scale,
        prompts=words.prompts(),
        candidates=candidates,
        rule=words.rule,
        nearest=stack(classes, vectors) if task.prompt_pooling == "max" else None,
        pairs=pairs,
    )


@dataclass(frozen=True)
class _Words:
    """Prompt sets, and which of their classes is meant."""

    sets: tuple[PromptSet, ...]
    key: str

    def texts(self) -> tuple[str, ...]:
        """Return the distinct prompts."""
        return tuple(dict.fromkeys(text for one in self.sets for text in one.listed(self.key)))


@dataclass(frozen=True)
class _TaskWords:
    """The words for each class, for each finding and against each finding."""

    classes: dict[str, _Words]
    findings: dict[str, _Words]
    against: dict[str, _Words]
    rule: str

    def texts(self) -> list[str]:
        """Return all prompts, some of them more than once."""
        parts = (self.classes, self.findings, self.against)
        return [text for part in parts for found in part.values() for text in found.texts()]

    def prompts(self) -> dict[str, tuple[str, ...]]:
        """Return the distinct prompts of each class, then those against the findings."""
        prompts = {name: found.texts() for name, found in self.classes.items()}
        for name, found in self.findings.items():
            prompts[name] = tuple(dict.fromkeys((*prompts[name], *found.texts())))
        for name, found in self.against.items():
            prompts.setdefault(f"{name}: absent", found.texts())
        return prompts


def _choose_words(task: Task) -> _TaskWords:
    pairs = choose_pair_prompts(task)
    findings = {name: _Words(sets, name) for name, sets in pairs.present.items()}
    against = {name: _Words(sets, name) for name, sets in pairs.absent.items()}
    classes, rule = findings, pairs.rule
    if not set(task.heads) <= set(PAIR_HEADS):
        class_sets, rule = choose_class_prompts(task)
        classes = {name: _Words(class_sets, name) for name in task.class_names}
    return _TaskWords(classes, findings, against, rule)


def _mean_columns(words: Iterable[_Words], vectors: Mapping[str, _Vector]) -> PromptColumns:
    """Return one unit vector per class, made of all its prompts."""
    columns = []
    for found in words:
        bank, sets = _prompt_bank(found.sets, (found.key,), vectors)
        columns.append(sum_prompt_sets(bank, sets).T)
    return PromptColumns.stack(columns)


def _nearest_columns(words: Iterable[_Words], vectors: Mapping[str, _Vector]) -> PromptColumns:
    """Return the unit vectors of all distinct prompts of each class."""
    return PromptColumns.stack(
        [_unit(np.stack([vectors[text] for text in found.texts()])) for found in words]
    )


def _effective_scale(task: Task, model_scale: float | None) -> float:
    scale = model_scale if task.logit_scale == "model" else task.logit_scale
    if scale is None or not 0 < scale < math.inf:
        raise ConfigError(
            "MV1509",
            f"task {task.name}: logit_scale={task.logit_scale!r}, and the model has {model_scale}",
            expected="a positive number",
            hint="write a number under logit_scale in the task",
        )
    return float(scale)


def _prompt_bank(
    prompt_sets: Sequence[PromptSet],
    class_names: Sequence[str],
    vectors: Mapping[str, _Vector],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distinct class columns, shape ``(U, D)``, and their rows per set, ``(P, C)``."""
    row_of: dict[tuple[tuple[str, ...], ...], int] = {}
    columns: list[NDArray[np.float64]] = []
    for found, name in itertools.product(prompt_sets, class_names):
        prompts = found.expand(name)
        if prompts not in row_of:
            row_of[prompts] = len(columns)
            embedded = np.stack([[vectors[text] for text in row] for row in prompts])
            columns.append(class_columns([embedded])[:, 0])
    sets = [[row_of[found.expand(name)] for name in class_names] for found in prompt_sets]
    return np.stack(columns), np.asarray(sets, dtype=np.int64)


def _embed(embed_text: EmbedText, texts: Iterable[str]) -> dict[str, _Vector]:
    """Return the embedding of every distinct text, after checking what the tower returned."""
    distinct = list(dict.fromkeys(texts))
    rows = np.asarray(embed_text(distinct), dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(distinct) or rows.shape[1] == 0:
        raise ModelError(
            "MV1514",
            f"the text tower returned an array of shape {rows.shape} for {len(distinct)} prompts",
            expected="one row per prompt",
        )
    bad = ~np.isfinite(rows).all(axis=1) | (np.linalg.norm(rows, axis=1) == 0)
    if bad.any():
        raise ModelError(
            "MV1514",
            f"the embedding of {int(bad.sum())} of {len(rows)} prompts is not finite or zero, the "
            f"first one of {distinct[int(bad.argmax())]!r}",
            expected="finite vectors",
            hint="check the weights of the text tower",
        )
    return dict(zip(distinct, rows, strict=True))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, _NORM_FLOOR))
