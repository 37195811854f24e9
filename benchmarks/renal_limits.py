"""What the crops of ``renal_recipe`` show of malignancy, beside what its networks learn of it.

AUROC of malignancy among kidneys with a mass, of the seed that the recipe was chosen on: by the
phantom's own probability, which no reader can beat, and by a random forest on 24 figures of the
brightness around the middle of the recipe's crops, taught on the masses of the recipe's 20 % of the
patients, or of all.

Command: OMP_NUM_THREADS=1 python -m benchmarks.renal_limits \
    --json benchmarks/results/renal_limits.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from benchmarks.renal_experiment.crops import make_crops
from benchmarks.renal_experiment.settings import load_recipe
from benchmarks.report import write_report
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.sampler import Draw
from medvlp.metrics.ranking import auroc
from medvlp.phantoms.abdomen.findings import SIDES
from medvlp.phantoms.abdomen.outcomes import malignancy_probability
from medvlp.phantoms.abdomen.patients import draw_patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.data.scan_dataset import ScanPairsDataset

    Floats = NDArray[np.float64]

_SHELLS = ((0, 1.5), (0, 2.5), (1.5, 3), (3, 4.5), (4.5, 6), (6, 8))
_PATIENTS = 4000


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/renal_limits"))
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    data = load_recipe().data
    make_crops(options.out / f"seed{options.seed}", data, options.seed)
    figures: dict[str, float] = {"of the findings": _of_findings(options.seed)}
    for name, share in (("20 %", data.few_share), ("all", 1.0)):
        module = ScanPairsDataModule(
            folder=options.out / f"seed{options.seed}",
            batch_size=1,
            text="none",
            augment=None,
            phases=data.phases,
            train_share=share,
            share_seed=options.seed,
        )
        known, is_malignant = _masses(module.dataset("train"))
        asked, truth = _masses(module.dataset("test"))
        forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=0)
        forest.fit(known, is_malignant)
        figures[f"of brightness, {name}"] = auroc(truth, forest.predict_proba(asked)[:, 1])
        figures[f"masses, {name}"] = len(known)
    figures["masses, test"] = len(asked)
    for name, value in figures.items():
        print(f"{name:<24}{value:.3f}" if value <= 1 else f"{name:<24}{value:.0f}")
    if options.json:
        write_report(options.json, "renal_limits", {"seed": options.seed}, figures)
    return 0


def _of_findings(seed: int) -> float:
    """Return the AUROC of the probability that malignancy was drawn with."""
    pairs = [
        (patient.is_malignant[side], malignancy_probability(patient.kidneys[side].mass))
        for patient in map(draw_patient, range(seed * 100_000, seed * 100_000 + _PATIENTS))
        for side in SIDES
        if patient.kidneys[side].mass is not None
    ]
    label, chance = np.array(pairs, np.float64).T
    return auroc(label.astype(np.int64), chance)


def _masses(dataset: ScanPairsDataset) -> tuple[Floats, NDArray[np.int64]]:
    """Return figures of brightness ``(K, 24)`` and malignancy ``(K,)`` of kidneys with a mass."""
    figures, labels = [], []
    for place, rows in enumerate(dataset.kidneys):
        if rows[0].malignant < 0:
            continue
        hu = dataset[Draw(0, place)].volume.astype(np.float64)
        middle = (np.array(hu.shape) - 1) / 2
        away = np.linalg.norm(np.moveaxis(np.indices(hu.shape), 0, -1) - middle, axis=-1)
        shells = [hu[(away >= low) & (away < high)] for low, high in _SHELLS]
        figures.append(
            [v for s in shells for v in (s.mean(), s.std(), *np.percentile(s, (10, 90)))]
        )
        labels.append(rows[0].malignant)
    return np.array(figures), np.array(labels, np.int64)


if __name__ == "__main__":
    sys.exit(main())
