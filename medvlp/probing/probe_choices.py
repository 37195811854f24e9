"""What was chosen for a probe on which cases: its penalty on inner folds, its encoder elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.config.run_selections import RunSelection, run_selection
from medvlp.config.selection import SelectionRecord
from medvlp.config.selection_file import SELECTION_FILE, read_selection_file
from medvlp.io import case_keys
from medvlp.probing.chosen_cases import RunChoices, check_chosen, read_run_choices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.probing.feature_folder import FeatureFolder
    from medvlp.probing.samples import ProbeSamples

__all__ = ["probe_choices"]

_INNER = "inner folds by patient, within the training part; judged samples were not looked at"


def probe_choices(
    folder: FeatureFolder,
    samples: ProbeSamples,
    metrics: Mapping[str, Any],
    *,
    labels_sha256: str,
    is_allowed: bool,
) -> dict[str, object]:
    """Say what was chosen on what, and refuse judged cases that the encoder was chosen on.

    Penalties and numbers of steps are chosen by cross-validation within each training part (nested
    folds), so no judged sample takes part in the choice.

    Args:
        folder: The features.
        samples: The judged samples.
        metrics: The figures, with ``parts`` and what was chosen for each.
        labels_sha256: Hash of the table of labels.
        is_allowed: Whether cases that the encoder was chosen on are judged all the same.

    Returns:
        As :func:`medvlp.probing.chosen_cases.check_chosen`, the choices of each part among them;
        ``known`` says whether anything is on record of the encoder.

    Raises:
        DataError: MV1153 naming the cases.
    """
    encoder = _encoder_choice(folder)
    found = () if encoder is None else (encoder,)
    contents = {name: case.content_sha256 for name, case in folder.cases.items()}
    keys = {case.key: case.content_sha256 for case in folder.cases.values()}
    names = list(dict.fromkeys(samples.case_ids))
    own = {name: contents.get(name) or keys.get(case_keys([name])[name], "") for name in names}
    told = check_chosen(
        RunChoices(found, own),
        "" if encoder is None else encoder.model,
        str(metrics["target"]),
        names,
        labels_sha256=labels_sha256,
        is_allowed=is_allowed,
    )
    inner = [record.told() for record in _inner_choices(metrics, labels_sha256)]
    chosen = told["chosen"]
    listed = list(chosen) if isinstance(chosen, list) else []
    return {**told, "known": encoder is not None, "chosen": [*listed, *inner]}


def _inner_choices(metrics: Mapping[str, Any], labels_sha256: str) -> list[SelectionRecord]:
    """Return the choice within each training part."""
    is_survival = metrics["target"] == "survival" and "setting" in metrics
    is_network = is_survival and metrics.get("head") == "mlp"
    return [
        SelectionRecord(
            chosen="steps" if is_network else "penalty",
            rule=f"{'largest' if is_survival else 'smallest'} over {_INNER}",
            metric="partial likelihood" if is_survival else "cross-entropy",
            mode="max" if is_survival else "min",
            split=f"training part of {part['name']}",
            data_sha256=labels_sha256,
            number=part["train"]["num_samples"],
            num_groups=part["train"]["num_groups"],
        )
        for part in metrics["parts"]
    ]


def _encoder_choice(folder: FeatureFolder) -> RunSelection | None:
    """Return what the encoder was chosen on, as its folder of features or its run says."""
    path = folder.path / SELECTION_FILE
    name = folder.encoder.split(" (", maxsplit=1)[0]
    if path.is_file():
        record = read_selection_file(path)
        return run_selection(record, model=name, task="", source="the model")
    for found in read_run_choices(folder.path.parent.parent).selections or ():
        if not found.task and case_keys([found.model])[found.model] == folder.path.name:
            return found
    return None
