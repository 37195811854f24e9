"""Probe survival: fit a Cox head on training patients, judge on others, for each kind of input.

Letters: N samples, T times, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics import harrell_concordance
from medvlp.probing.cox import fit_cox_linear
from medvlp.probing.cox_network import fit_cox_network
from medvlp.probing.figures import Figure, Resampling, figure_of, figures_by
from medvlp.probing.folds import plan_parts
from medvlp.probing.inputs import EMBEDDING, ProbeInput, probe_inputs
from medvlp.probing.settings import ProbeSettings, site_columns, split_column
from medvlp.probing.survival_figures import (
    SurvivalPredictions,
    concordance_figures,
    survival_checks,
    survival_figures,
)
from medvlp.probing.survival_targets import SurvivalTargets, survival_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from medvlp.probing.folds import Part
    from medvlp.probing.label_table import LabelTable
    from medvlp.probing.samples import ProbeSamples

__all__ = ["SurvivalProbe", "probe_survival"]


@dataclass(frozen=True, eq=False)
class SurvivalProbe:
    """A judged Cox head.

    Attributes:
        samples: The judged samples, N of them.
        parts: Which part judged each, N names.
        predictions: Per input.
        horizons: Months at which survival was judged.
        metrics: What ``metrics.json`` holds.
    """

    samples: ProbeSamples
    parts: tuple[str, ...]
    predictions: dict[str, SurvivalPredictions]
    horizons: tuple[float, ...]
    metrics: dict[str, object]


def probe_survival(
    samples: ProbeSamples, table: LabelTable, settings: ProbeSettings
) -> SurvivalProbe:
    """Fit and judge a Cox head.

    Over folds, log hazards are those relative to an average patient of the own training part, risk
    groups are cut at its median, and curves rest on its baseline; concordance compares patients of
    one fold.

    Args:
        samples: Features joined to labels with ``months`` and ``event``.
        table: The labels.
        settings: How.

    Raises:
        DataError: MV2320 for missing columns and values; MV2324 where nobody has an event; MV2325
            for times not above 0; MV2326 for fewer patients than folds; MV2327 for patients in
            train and test; MV1777 for a table of radiomics that does not fit.
    """
    column, by = split_column(table, settings.split), site_columns(table, settings.by)
    labelled, _ = survival_targets(samples, table)
    kept, inputs, radiomics = probe_inputs(labelled, settings.radiomics)
    kept, targets = survival_targets(kept, table)
    split = kept.column(column) if column else None
    plan = plan_parts(targets.events, kept.groups, split, folds=settings.folds, seed=settings.seed)
    judged = np.concatenate([part.test for part in plan])
    months = targets.months[judged]
    horizons = tuple(h for h in settings.horizons if h < months.max())
    fits = {given.name: _predict(given, targets, kept.groups, plan, settings) for given in inputs}
    found = {name: predictions for name, (predictions, _) in fits.items()}
    told = kept.select(judged)
    resampling = Resampling(told.groups, settings.draws, settings.seed)
    metrics: dict[str, object] = {
        "target": "survival",
        "head": settings.head,
        "num_samples": len(judged),
        "num_events": int(targets.events[judged].sum()),
        "horizons_months": list(horizons),
        "horizons_beyond_follow_up": [h for h in settings.horizons if h not in horizons],
        "parts": _tell_parts(plan, targets, kept.groups),
        "setting": {name: setting for name, (_, setting) in fits.items()},
        "radiomics": radiomics,
        "results": {
            name: {k: f.record() for k, f in survival_figures(p, horizons, resampling).items()}
            for name, p in found.items()
        },
        "checks": {name: survival_checks(p, horizons) for name, p in found.items()},
        "differences": _differences(found, resampling),
    }
    for site in by:
        metrics[f"by_{site}"] = {
            name: figures_by(told.column(site), _concordance(p, resampling))
            for name, p in found.items()
        }
    where = {int(i): part.name for part in plan for i in part.test}
    return SurvivalProbe(told, tuple(where[int(i)] for i in judged), found, horizons, metrics)


def _predict(
    given: ProbeInput,
    targets: SurvivalTargets,
    groups: NDArray[np.str_],
    plan: Sequence[Part],
    settings: ProbeSettings,
) -> tuple[SurvivalPredictions, list[float]]:
    """Return the predictions of judged samples, in the order of the parts, and what was chosen."""
    fit = fit_cox_linear if settings.head == "linear" else fit_cox_network
    judged = np.concatenate([part.test for part in plan])
    grid = np.unique(targets.months)
    risks, curves, high, chosen = [], [], [], []
    for part in plan:
        own = SurvivalTargets(targets.months[part.train], targets.events[part.train])
        inside, outside = given.features[part.train], given.features[part.test]
        head = fit(inside, own, groups[part.train], blocks=given.blocks, seed=settings.seed)
        risks.append(head.log_hazard(outside))
        high.append(risks[-1] > np.median(head.log_hazard(inside)))
        curves.append(head.survival(outside, grid))
        chosen.append(head.setting)
    predictions = SurvivalPredictions(
        months=targets.months[judged],
        events=targets.events[judged],
        log_hazard=np.concatenate(risks),
        grid=grid,
        curves=np.concatenate(curves, axis=1),
        is_high_risk=np.concatenate(high),
        parts=np.repeat([part.name for part in plan], [len(part.test) for part in plan]),
    )
    return predictions, chosen


def _differences(
    found: dict[str, SurvivalPredictions], resampling: Resampling
) -> dict[str, object]:
    """Compare Harrell's index of each other input with that of the embedding, on the same draws."""

    def difference(*arrays: ArrayLike) -> float:
        months, events, one, other, parts = arrays
        of_one = harrell_concordance(months, events, one, strata=parts).index
        return of_one - harrell_concordance(months, events, other, strata=parts).index

    base = found[EMBEDDING]
    return {
        f"harrell of {name} minus {EMBEDDING}": figure_of(
            difference,
            [base.months, base.events, predictions.log_hazard, base.log_hazard, base.parts],
            resampling,
        ).record()
        for name, predictions in found.items()
        if name != EMBEDDING
    }


def _concordance(
    found: SurvivalPredictions, resampling: Resampling
) -> Callable[[NDArray[np.bool_]], dict[str, Figure]]:
    return lambda keep: concordance_figures(found.select(keep), resampling.select(keep))


def _tell_parts(
    plan: Sequence[Part], targets: SurvivalTargets, groups: NDArray[np.str_]
) -> list[dict[str, object]]:
    return [
        {
            "name": part.name,
            **{
                side: {
                    "num_samples": len(places),
                    "num_groups": len(np.unique(groups[places])),
                    "num_events": int(targets.events[places].sum()),
                }
                for side, places in (("train", part.train), ("test", part.test))
            },
        }
        for part in plan
    ]
