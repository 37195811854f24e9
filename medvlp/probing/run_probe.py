"""Probe a folder of features with a table of labels, and write what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import UsageError
from medvlp.probing.class_probe import probe_class
from medvlp.probing.feature_folder import read_feature_folder
from medvlp.probing.label_table import read_label_table
from medvlp.probing.outputs import probe_record, write_class_probe, write_survival_probe
from medvlp.probing.samples import join_samples
from medvlp.probing.survival_probe import probe_survival

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.probing.settings import ProbeSettings

__all__ = ["SURVIVAL", "run_probe"]

SURVIVAL = "survival"
"""The target that stands for the columns ``months`` and ``event``."""


def run_probe(
    features: Path, labels: Path, target: str, out: Path, settings: ProbeSettings
) -> dict[str, object]:
    """Fit, judge and write a probe.

    Args:
        features: Folder of feature files of one encoder.
        labels: Table of labels.
        target: Column of classes, or ``survival``.
        out: Folder to write to.
        settings: How.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: MV1153 for judged cases that the encoder was chosen on.
        MedvlpError: MV1777, MV2320 to MV2328 and those of files, see the parts.
        UsageError: MV1002 where a setting has no effect with this target.
    """
    _check_settings(target, settings)
    table = read_label_table(labels)
    folder = read_feature_folder(features)
    samples = join_samples(folder, table, settings.group)
    if target == SURVIVAL:
        survival = probe_survival(samples, table, settings)
        record = probe_record(folder, table, survival.samples, settings, survival.metrics)
        write_survival_probe(out, survival, record)
        return record
    probed = probe_class(samples, table, target, settings)
    record = probe_record(folder, table, probed.samples, settings, probed.metrics)
    write_class_probe(out, probed, record)
    return record


def _check_settings(target: str, settings: ProbeSettings) -> None:
    if target == SURVIVAL:
        given = {"--balanced": settings.balanced, "--positive": settings.positive is not None}
    else:
        given = {"--head": settings.head != "linear"}
    unused = [name for name, is_given in given.items() if is_given]
    if unused:
        raise UsageError(
            "MV1002",
            f"{', '.join(unused)} has no effect with --target {target}",
            hint="leave it out",
        )
    for name, value, least in (("--folds", settings.folds, 2), ("--draws", settings.draws, 1)):
        if value < least:
            raise UsageError("MV1002", f"{name} is {value}", expected=f"{least} at least")
    if any(not horizon > 0 for horizon in settings.horizons):
        raise UsageError("MV1002", f"--horizons {settings.horizons}", expected="months above 0")
