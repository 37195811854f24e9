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

from medvlp.config.task import PromptSource
from medvlp.errors import ConfigError, ModelError
from medvlp.text.prompts import PromptSet, load_prompt_sets
from medvlp.zeroshot.screening import PromptCandidates, draw_prompt_sets, sum_prompt_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.task import Task

__all__ = ["EmbedText", "TextClassifier", "build_classifier", "class_columns"]

EmbedText = Callable[[list[str]], "ArrayLike"]
"""Texts to embeddings of shape ``(number of texts, D)``, of any length, on the CPU."""

_NORM_FLOOR = 1e-12
_MAX_CANDIDATES = 10_000
_RULES = {
    "all": "mean over all names and templates",
    "first-name": "mean over all templates of the first name",
    "first-prompt": "the first name in the first template",
}


@dataclass(frozen=True)
class TextClassifier:
    """Class columns with everything needed to use them and to say where they come from.

    Attributes:
        weights: Class columns of unit length, shape ``(D, C)``, float64.
        class_names: Names of the columns, in the order of the task.
        logit_scale: Multiplier of the cosines before the softmax (1/temperature), > 0.
        prompts: Class name to the prompts that went into its column, or may.
        candidates: Prompt sets that are screened for every slide; then ``weights`` holds the sum of
            all of them, and a slide is judged with its own columns.
        rule: How the prompts became columns, in words.
    """

    weights: NDArray[np.float64]
    class_names: tuple[str, ...]
    logit_scale: float
    prompts: Mapping[str, tuple[str, ...]]
    candidates: PromptCandidates | None = None
    rule: str = ""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides a verdict: columns, names, scale, candidates."""
        digest = hashlib.sha256(repr((self.class_names, float(self.logit_scale))).encode())
        digest.update(np.ascontiguousarray(self.weights).tobytes())
        if self.candidates is not None:
            digest.update(repr(self.candidates.keep).encode())
            digest.update(np.ascontiguousarray(self.candidates.bank).tobytes())
            digest.update(np.ascontiguousarray(self.candidates.sets).tobytes())
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
    prompt_sets, rule = _prompt_sets(task)
    prompts = {
        name: tuple(dict.fromkeys(text for found in prompt_sets for text in found.listed(name)))
        for name in task.classes
    }
    vectors = _embed(embed_text, itertools.chain.from_iterable(prompts.values()))
    bank, sets = _prompt_bank(prompt_sets, task.class_names, vectors)
    screen = getattr(task.prompts.ensemble, "screen", None)
    candidates = None if screen is None else PromptCandidates(bank, sets, screen)
    return TextClassifier(
        weights=sum_prompt_sets(bank, sets),
        class_names=task.class_names,
        logit_scale=scale,
        prompts=prompts,
        candidates=candidates,
        rule=rule,
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


def _prompt_sets(task: Task) -> tuple[tuple[PromptSet, ...], str]:
    """Return the prompt sets that make the classifier, or are screened for it, and the rule."""
    ensemble = task.prompts.ensemble
    if isinstance(ensemble, PromptSource):
        return _sets_of_source(task, ensemble)
    names = {name: spec.names for name, spec in task.classes.items()}
    if ensemble != "all":
        names = {name: texts[:1] for name, texts in names.items()}
    templates = task.templates[:1] if ensemble == "first-prompt" else task.templates
    return (PromptSet(names, templates),), _RULES[ensemble]


def _sets_of_source(task: Task, source: PromptSource) -> tuple[tuple[PromptSet, ...], str]:
    names = {name: spec.names for name, spec in task.classes.items()}
    if source.file is not None:
        sets = _sets_of_file(task, source.file)
        origin = f"{len(sets)} prompt sets of {source.file.name}"
    else:
        sets = _all_combinations(task.name, PromptSet(names, task.templates))
        origin = f"{len(sets)} combinations of names and templates"
    if source.random is not None:
        sets = tuple(sets[index] for index in draw_prompt_sets(len(sets), source.random))
        return sets, f"sum of {source.random} draws with replacement from {origin}"
    if source.screen is None:
        return sets, f"sum of {origin}"
    kept = min(source.screen, len(sets))
    return sets, (
        f"the {kept} of {origin} that part the classes best on the tiles of the slide that is "
        "judged, without labels; this choice is transductive: it looks at the slide itself"
    )


def _sets_of_file(task: Task, path: Path) -> tuple[PromptSet, ...]:
    sets = load_prompt_sets(path)
    if set(sets[0].names) != set(task.classes):
        raise ConfigError(
            "MV1510",
            f"{path}: its classes are {sorted(sets[0].names)}",
            expected=f"the classes of task {task.name}, {sorted(task.classes)}",
        )
    return sets


def _all_combinations(task_name: str, prompts: PromptSet) -> tuple[PromptSet, ...]:
    """Return the sets of one name per class with one template, in every combination."""
    count = len(prompts.templates) * math.prod(len(texts) for texts in prompts.names.values())
    if count > _MAX_CANDIDATES:
        raise ConfigError(
            "MV1515",
            f"task {task_name}: its names and templates make {count} prompt sets to screen",
            expected=f"at most {_MAX_CANDIDATES}",
            hint="shorten the lists, or give the sets in a prompt file",
        )
    return tuple(
        PromptSet(dict(zip(prompts.names, ((text,) for text in texts), strict=True)), (template,))
        for texts in itertools.product(*prompts.names.values())
        for template in prompts.templates
    )


def _prompt_bank(
    prompt_sets: Sequence[PromptSet],
    class_names: Sequence[str],
    vectors: Mapping[str, NDArray[np.float64]],
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


def _embed(embed_text: EmbedText, texts: Iterable[str]) -> dict[str, NDArray[np.float64]]:
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
