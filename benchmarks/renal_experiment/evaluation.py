"""What a trained network says of the test patients: arrays that figures are computed of.

Letters: K kidneys, P patients, A attributes, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.renal_experiment.settings import TASK_FILE
from medvlp.config.task import load_task
from medvlp.data.sampler import Draw
from medvlp.metrics.pair_retrieval import first_hits
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.models.volume.tower_folder import load_image_tower
from medvlp.models.volume.volume_encoder import window_volume
from medvlp.probing.cox import fit_cox_linear
from medvlp.probing.survival_targets import SurvivalTargets
from medvlp.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.modules_scans import ScanPairsDataModule
    from medvlp.data.scan_dataset import ScanPairsDataset
    from medvlp.data.scan_manifest import ScanRow

    Arrays = dict[str, NDArray[np.generic]]
    Floats = NDArray[np.float64]

__all__ = ["judge_alignment", "judge_attributes", "patient_features"]

_AT_A_TIME = 64


def judge_attributes(folder: Path, data: ScanPairsDataModule, seed: int) -> Arrays:
    """Name the attributes of the test kidneys, and rank the test patients by risk.

    Args:
        folder: What the first stage left.
        data: The crops that it was trained on.
        seed: Seed of the folds of the survival head.

    Returns:
        ``patient`` ``(K,)``, ``labels`` and ``guesses`` ``(K, A)``, ``majority`` ``(A,)``: the most
        frequent class of the training kidneys; and what :func:`_survival` returns.
    """
    network, meta = load_image_tower(folder)
    preprocessing = meta.preprocessing.to_preprocessing()

    def features(hu: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = network.volume_tower(window_volume(hu, preprocessing))
        return pooled

    train, test = data.dataset("train"), data.dataset("test")
    rows = _rows(test)
    with torch.inference_mode():
        seen = {"train": _embed(train, features), "test": _embed(test, features)}
        logits = network.heads(torch.from_numpy(seen["test"]).float())
    widths = [len(classes) for classes in network.attributes.values()]
    guesses = np.stack([part.argmax(dim=1).numpy() for part in logits.split(widths, dim=1)], axis=1)
    taught = np.array([row.attributes for row in _rows(train)])
    majority = [
        int(np.bincount(column[column >= 0], minlength=1).argmax()) if (column >= 0).any() else 0
        for column in taught.T
    ]
    return {
        "patient": _patients(rows),
        "labels": np.array([row.attributes for row in rows]),
        "guesses": guesses,
        "majority": np.array(majority),
        **_survival(train, test, seen, seed),
    }


def judge_alignment(folder: Path, data: ScanPairsDataModule, seed: int) -> Arrays:
    """Tell malignant from benign masses by words, find reports of kidneys and kidneys of reports.

    Args:
        folder: The bundle.
        data: The crops that it was trained on.
        seed: Seed of the folds of the survival head.

    Returns:
        ``patient``, ``malignant`` (-1 without a mass), ``score``, ``group`` (number of the report),
        ``image_to_text`` and ``text_to_image`` (foreign items before the first own one; equal
        reports are own), each ``(K,)``; and what :func:`_survival` returns.
    """
    bundle = load_volume_bundle(folder)
    encoder, words = bundle.volume_encoder, bundle.require_text()
    train, test = data.dataset("train"), data.dataset("test")
    rows = _rows(test)
    with torch.inference_mode():
        seen = {"train": _embed(train, encoder.embed), "test": _embed(test, encoder.embed)}
    images, texts = seen["test"], words.embed([row.report for row in rows])
    classifier = build_classifier(words.embed, load_task(TASK_FILE), bundle.logit_scale)
    benign, malignant = (classifier.class_names.index(name) for name in ("benign", "malignant"))
    cosines = images @ classifier.weights
    group = np.array([row.report_group for row in rows])
    return {
        "patient": _patients(rows),
        "malignant": np.array([row.malignant for row in rows]),
        "score": cosines[:, malignant] - cosines[:, benign],
        "group": group,
        "image_to_text": first_hits(images, group, texts, group),
        "text_to_image": first_hits(texts, group, images, group),
        **_survival(train, test, seen, seed),
    }


def patient_features(rows: Sequence[ScanRow], features: Floats) -> tuple[Floats, list[ScanRow]]:
    """Put both kidneys of each patient together: the larger value and the mean of each feature.

    Args:
        rows: The kidneys.
        features: Their features, shape ``(K, D)``.

    Returns:
        Shape ``(P, 2 D)``, and the first row of each patient, in order of appearance.
    """
    members: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        members.setdefault(row.patient, []).append(place)
    own = [features[places] for places in members.values()]
    joined = np.stack([np.concatenate([part.max(axis=0), part.mean(axis=0)]) for part in own])
    return joined, [rows[places[0]] for places in members.values()]


def _survival(
    train: ScanPairsDataset, test: ScanPairsDataset, seen: dict[str, Floats], seed: int
) -> Arrays:
    """Fit a linear Cox head on the training patients and rank the test patients.

    Returns:
        ``months``, ``event`` and ``risk`` of the test patients, each ``(P,)``.
    """
    known, taught = patient_features(_rows(train), seen["train"])
    wanted, asked = patient_features(_rows(test), seen["test"])
    head = fit_cox_linear(
        known, _targets(taught), np.array([row.patient for row in taught]), seed=seed
    )
    targets = _targets(asked)
    return {"months": targets.months, "event": targets.events, "risk": head.log_hazard(wanted)}


def _targets(rows: Sequence[ScanRow]) -> SurvivalTargets:
    months, events = [row.months for row in rows], [row.event for row in rows]
    return SurvivalTargets(np.array(months, np.float64), np.array(events, np.int64))


def _rows(dataset: ScanPairsDataset) -> list[ScanRow]:
    return [rows[0] for rows in dataset.kidneys]


def _patients(rows: Sequence[ScanRow]) -> NDArray[np.int64]:
    _, number = np.unique([row.patient for row in rows], return_inverse=True)
    return np.asarray(number, np.int64)


def _embed(dataset: ScanPairsDataset, embed: Callable[[torch.Tensor], torch.Tensor]) -> Floats:
    parts = []
    for start in range(0, len(dataset), _AT_A_TIME):
        places = range(start, min(start + _AT_A_TIME, len(dataset)))
        boxes = np.stack([dataset[Draw(0, place)].volume for place in places])
        parts.append(embed(torch.from_numpy(boxes)).double().numpy())
    return np.concatenate(parts)
