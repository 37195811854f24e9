"""Probe a class: fit on training patients, judge on others, for each kind of input.

Letters: N samples, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import nearest_name
from medvlp.metrics import auroc, auroc_macro
from medvlp.probing.figures import (
    Figure,
    Resampling,
    class_figures,
    figure_of,
    figures_by,
    main_figure,
)
from medvlp.probing.folds import plan_parts
from medvlp.probing.inputs import EMBEDDING, ProbeInput, probe_inputs
from medvlp.probing.label_table import LabelTable, bad_labels
from medvlp.probing.logistic import fit_logistic_probe
from medvlp.probing.settings import ProbeSettings, site_columns, split_column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from medvlp.probing.folds import Part
    from medvlp.probing.samples import ProbeSamples

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["ClassProbe", "order_classes", "probe_class"]


@dataclass(frozen=True, eq=False)
class ClassProbe:
    """A judged probe.

    Attributes:
        classes: Names; the last of two is the positive one.
        samples: The judged samples, N of them.
        parts: Which part judged each, N names.
        labels: Class of each, shape ``(N,)``, int64.
        probabilities: Per input, shape ``(N, C)``.
        metrics: What ``metrics.json`` holds.
    """

    classes: tuple[str, ...]
    samples: ProbeSamples
    parts: tuple[str, ...]
    labels: Ints
    probabilities: dict[str, Floats]
    metrics: dict[str, object]


def order_classes(values: Sequence[str], positive: str | None, table: LabelTable) -> list[str]:
    """Put the classes in order: numbers by value, texts by the alphabet, the positive one last.

    Args:
        values: Class of each sample.
        positive: Positive one of two classes.
        table: Where they come from, for messages.

    Raises:
        DataError: MV2323 if there is one class only; MV2320 if the positive class is none of two.
    """
    names = sorted(set(values))
    if all(name.lstrip("-").isdigit() for name in names):
        names.sort(key=int)
    if len(names) < 2:
        raise bad_labels(
            table.path,
            f"all {len(values)} samples are of the class {names[0]!r}",
            code="MV2323",
            expected="two classes at least",
        )
    if positive is None:
        return names
    if positive not in names or len(names) != 2:
        raise bad_labels(
            table.path,
            f"{positive!r} cannot be the positive class{nearest_name(positive, names)}",
            expected=f"one of two classes; there are {names[:8]}",
        )
    return sorted(names, key=lambda name: name == positive)


def probe_class(
    samples: ProbeSamples, table: LabelTable, target: str, settings: ProbeSettings
) -> ClassProbe:
    """Fit and judge a logistic probe.

    Figures over folds pool the probabilities of the folds' fits, as one threshold for all would;
    that makes ranking figures a little too small rather than too large.

    Args:
        samples: Features joined to labels.
        table: The labels.
        target: Column of classes; samples where it is empty are left out and noted.
        settings: How.

    Raises:
        DataError: MV2320 for missing columns and values; MV2323 for one class only; MV2326 for
            fewer patients than folds; MV2327 for patients in train and test; MV1777 for a table of
            radiomics that does not fit.
    """
    table.require(target)
    column, by = split_column(table, settings.split), site_columns(table, settings.by)
    keep = [place for place, row in enumerate(samples.rows) if row[target]]
    if not keep:
        raise bad_labels(table.path, f"no row with features has a {target}")
    labelled = samples.select(keep, f"samples without {target}")
    kept, inputs, radiomics = probe_inputs(labelled, settings.radiomics)
    names = order_classes(kept.column(target), settings.positive, table)
    labels = np.asarray([names.index(value) for value in kept.column(target)], dtype=np.int64)
    split = kept.column(column) if column else None
    plan = plan_parts(labels, kept.groups, split, folds=settings.folds, seed=settings.seed)
    judged = np.concatenate([part.test for part in plan])
    found = {
        given.name: _predict(
            given, labels, kept.groups, plan, num_classes=len(names), settings=settings
        )
        for given in inputs
    }
    probabilities = {name: rows[judged] for name, (rows, _) in found.items()}
    told = kept.select(judged)
    resampling = Resampling(told.groups, settings.draws, settings.seed)
    metrics: dict[str, object] = {
        "target": target,
        "classes": names,
        "positive": names[-1] if len(names) == 2 else None,
        "num_samples": len(judged),
        "num_per_class": dict(zip(names, _counts(labels[judged], len(names)), strict=True)),
        "parts": _tell_parts(plan, labels, kept.groups, names),
        "penalty": {name: strengths for name, (_, strengths) in found.items()},
        "radiomics": radiomics,
        "results": {
            name: _records(class_figures(labels[judged], p.argmax(axis=1), p, names, resampling))
            for name, p in probabilities.items()
        },
        "differences": _differences(labels[judged], probabilities, resampling, len(names)),
    }
    for site in by:
        metrics[f"by_{site}"] = _by_site(
            told.column(site), labels[judged], probabilities, names, resampling
        )
    where = {int(i): part.name for part in plan for i in part.test}
    return ClassProbe(
        classes=tuple(names),
        samples=told,
        parts=tuple(where[int(i)] for i in judged),
        labels=labels[judged],
        probabilities=probabilities,
        metrics=metrics,
    )


def _predict(
    given: ProbeInput,
    labels: Ints,
    groups: NDArray[np.str_],
    plan: Sequence[Part],
    *,
    num_classes: int,
    settings: ProbeSettings,
) -> tuple[Floats, list[float]]:
    """Return the probabilities of judged samples, shape ``(N, C)``, and the chosen penalties."""
    rows = np.zeros((len(labels), num_classes))
    strengths = []
    for part in plan:
        probe = fit_logistic_probe(
            given.features[part.train],
            labels[part.train],
            groups[part.train],
            num_classes=num_classes,
            blocks=given.blocks,
            balanced=settings.balanced,
            seed=settings.seed,
        )
        rows[part.test] = probe.probabilities(given.features[part.test])
        strengths.append(probe.strength)
    return rows, strengths


def _differences(
    labels: Ints, probabilities: dict[str, Floats], resampling: Resampling, num_classes: int
) -> dict[str, object]:
    """Compare each other input with the embedding, on the same draws."""
    name = main_figure(num_classes)
    metric = _positive_auroc if num_classes == 2 else auroc_macro

    def difference(truth: ArrayLike, one: ArrayLike, other: ArrayLike) -> float:
        return metric(truth, one) - metric(truth, other)

    return {
        f"{name} of {other} minus {EMBEDDING}": figure_of(
            difference, [labels, rows, probabilities[EMBEDDING]], resampling
        ).record()
        for other, rows in probabilities.items()
        if other != EMBEDDING
    }


def _by_site(
    values: Sequence[str],
    labels: Ints,
    probabilities: dict[str, Floats],
    names: Sequence[str],
    resampling: Resampling,
) -> dict[str, object]:
    def measure(rows: Floats) -> Callable[[NDArray[np.bool_]], dict[str, Figure]]:
        return lambda keep: class_figures(
            labels[keep], rows[keep].argmax(axis=1), rows[keep], names, resampling.select(keep)
        )

    return {name: figures_by(values, measure(rows)) for name, rows in probabilities.items()}


def _tell_parts(
    plan: Sequence[Part], labels: Ints, groups: NDArray[np.str_], names: Sequence[str]
) -> list[dict[str, object]]:
    return [
        {
            "name": part.name,
            **{
                side: {
                    "num_samples": len(places),
                    "num_groups": len(np.unique(groups[places])),
                    "num_per_class": dict(
                        zip(names, _counts(labels[places], len(names)), strict=True)
                    ),
                }
                for side, places in (("train", part.train), ("test", part.test))
            },
        }
        for part in plan
    ]


def _positive_auroc(labels: ArrayLike, probabilities: ArrayLike) -> float:
    return auroc(labels, np.asarray(probabilities)[:, 1])


def _counts(labels: Ints, num_classes: int) -> list[int]:
    return [int(count) for count in np.bincount(labels, minlength=num_classes)]


def _records(figures: dict[str, Figure]) -> dict[str, dict[str, object]]:
    return {name: figure.record() for name, figure in figures.items()}
