"""Files of a probe: ``metrics.json``, ``predictions`` as CSV and Parquet, pictures."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from medvlp import __version__
from medvlp.io import check_output_folder, content_sha256, publish_file, write_json, write_table
from medvlp.probing.inputs import EMBEDDING
from medvlp.probing.probe_choices import probe_choices
from medvlp.reporting.probe_plots import (
    SurvivalGroup,
    draw_calibration,
    draw_kaplan_meier,
    draw_roc,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.probing.class_probe import ClassProbe
    from medvlp.probing.feature_folder import FeatureFolder
    from medvlp.probing.label_table import LabelTable
    from medvlp.probing.samples import ProbeSamples
    from medvlp.probing.settings import ProbeSettings
    from medvlp.probing.survival_figures import SurvivalPredictions
    from medvlp.probing.survival_probe import SurvivalProbe

__all__ = ["probe_record", "write_class_probe", "write_survival_probe"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "lifelines")


def probe_record(
    folder: FeatureFolder,
    table: LabelTable,
    samples: ProbeSamples,
    settings: ProbeSettings,
    metrics: Mapping[str, object],
) -> dict[str, object]:
    """Return what ``metrics.json`` holds: the figures, and what they were made from.

    Args:
        folder: The features.
        table: The labels.
        samples: The judged samples.
        settings: How the probe was fitted.
        metrics: The figures.

    Raises:
        DataError: MV1153 for judged cases that the encoder was chosen on.
    """
    labels_sha256 = content_sha256(table.path)
    selection = probe_choices(
        folder,
        samples,
        metrics,
        labels_sha256=labels_sha256,
        is_allowed=settings.allow_selection_on_test,
    )
    return {
        "medvlp_version": __version__,
        "encoder": folder.encoder,
        "kind": folder.kind,
        **metrics,
        "selection": selection,
        "num_groups": len(np.unique(samples.groups)),
        "group_column": samples.group_column or "none: each case is a group",
        "notes": samples.notes,
        "settings": {
            name: value if not hasattr(value, "name") else value.name
            for name, value in vars(settings).items()
        },
        "labels_sha256": labels_sha256,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        "intended_use": "research only",
    }


def write_class_probe(out: Path, probe: ClassProbe, record: Mapping[str, object]) -> None:
    """Write the files of a probed class.

    Columns of ``predictions``: ``case_id``, ``unit``, ``group``, ``part``, ``label``,
    ``prediction`` and, for each class, ``prob_<class>``, all of the embedding; those of other
    inputs have their name in front, such as ``fusion:prob_<class>``.

    Args:
        out: The folder.
        probe: The probe.
        record: What ``metrics.json`` holds.

    Raises:
        OutputError: If a file cannot be written.
    """
    check_output_folder(out)
    rows = _case_rows(probe.samples, probe.parts)
    for place, row in enumerate(rows):
        row["label"] = probe.classes[probe.labels[place]]
        for name, found in probe.probabilities.items():
            row[_named(name, "prediction")] = probe.classes[int(found[place].argmax())]
            for index, label in enumerate(probe.classes):
                row[_named(name, f"prob_{label}")] = float(found[place, index])
    write_table(out / "predictions", rows, list(rows[0]))
    own = probe.probabilities[EMBEDDING]
    right = own.argmax(axis=1) == probe.labels
    if len(probe.classes) == 2:
        curves = {name: (probe.labels, found[:, 1]) for name, found in probe.probabilities.items()}
        stated, came_true = own[:, 1], probe.labels
    else:
        curves = {
            label: ((probe.labels == index).astype(int), own[:, index])
            for index, label in enumerate(probe.classes)
        }
        stated, came_true = own.max(axis=1), right.astype(np.int64)
    title = f"{probe.metrics['target']}, {len(rows)} samples"
    _write_png(out / "roc.png", draw_roc(curves, title=title))
    _write_png(out / "calibration.png", draw_calibration(stated, came_true, title=title))
    write_json(out / "metrics.json", record)


def write_survival_probe(out: Path, probe: SurvivalProbe, record: Mapping[str, object]) -> None:
    """Write the files of a probed survival.

    Columns of ``predictions``: ``case_id``, ``unit``, ``group``, ``part``, ``months``, ``event``,
    ``log_hazard``, ``risk_group`` and ``survival_<months>`` for each horizon, all of the embedding;
    those of other inputs have their name in front.

    Args:
        out: The folder.
        probe: The probe.
        record: What ``metrics.json`` holds.

    Raises:
        OutputError: If a file cannot be written.
    """
    check_output_folder(out)
    rows = _case_rows(probe.samples, probe.parts)
    for name, found in probe.predictions.items():
        at = {f"survival_{horizon:g}": found.at(horizon) for horizon in probe.horizons}
        for place, row in enumerate(rows):
            row["months"] = float(found.months[place])
            row["event"] = int(found.events[place])
            row[_named(name, "log_hazard")] = float(found.log_hazard[place])
            row[_named(name, "risk_group")] = "high" if found.is_high_risk[place] else "low"
            row |= {_named(name, key): float(values[place]) for key, values in at.items()}
    write_table(out / "predictions", rows, list(rows[0]))
    for name, found in probe.predictions.items():
        suffix = "" if name == EMBEDDING else f"_{name}"
        _write_png(out / f"kaplan_meier{suffix}.png", _kaplan_meier(name, found, probe.metrics))
    for horizon in probe.horizons:
        found = probe.predictions[EMBEDDING]
        known = (found.months >= horizon) | (found.events == 1)
        died = (found.months <= horizon) & (found.events == 1)
        picture = draw_calibration(
            1 - found.at(horizon)[known],
            died[known].astype(np.int64),
            title=f"event by {horizon:g} months, without {int((~known).sum())} censored before",
        )
        _write_png(out / f"calibration_{horizon:g}.png", picture)
    write_json(out / "metrics.json", record)


def _case_rows(samples: ProbeSamples, parts: tuple[str, ...]) -> list[dict[str, object]]:
    return [
        {"case_id": case_id, "unit": unit, "group": str(group), "part": part}
        for case_id, unit, group, part in zip(
            samples.case_ids, samples.units, samples.groups, parts, strict=True
        )
    ]


def _named(name: str, column: str) -> str:
    return column if name == EMBEDDING else f"{name}:{column}"


def _kaplan_meier(name: str, found: SurvivalPredictions, metrics: Mapping[str, object]) -> bytes:
    groups = [
        SurvivalGroup(f"{word} risk", found.months[keep], found.events[keep])
        for word, keep in (("low", ~found.is_high_risk), ("high", found.is_high_risk))
    ]
    checks = metrics["checks"]
    assert isinstance(checks, dict)  # noqa: S101 - made by probe_survival
    test = checks[name]["log_rank_of_risk_groups"]
    note = f"log-rank p = {test['p_value']:.2g}" if "p_value" in test else test["why"]
    return draw_kaplan_meier(groups, title=f"risk groups by {name}", note=note)


def _write_png(path: Path, image: bytes | None) -> None:
    if image is None:
        return
    with publish_file(path) as temporary:
        temporary.write_bytes(image)
