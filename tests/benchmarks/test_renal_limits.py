"""What crops show of malignancy: figures of the masses only, and a limit that holds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from benchmarks import renal_limits


def test_of_findings__is_between_chance_and_certainty(monkeypatch) -> None:
    monkeypatch.setattr(renal_limits, "_PATIENTS", 300)
    assert 0.8 < renal_limits._of_findings(100) < 0.97


class Boxes:
    """Three kidneys, the second without a mass; brightness 10 around the middle, 0 elsewhere."""

    kidneys = tuple((SimpleNamespace(malignant=label),) for label in (1, -1, 0))

    def __getitem__(self, draw: object) -> SimpleNamespace:
        volume = np.zeros((18, 18, 18), np.float32)
        volume[8:10, 8:10, 8:10] = 10
        return SimpleNamespace(volume=volume)


def test_masses__measures_shells_around_the_middle() -> None:
    figures, labels = renal_limits._masses(Boxes())
    assert figures.shape == (2, 24)
    assert labels.tolist() == [1, 0]
    mean, spread = figures[0, :2]
    assert (mean, spread) == (10, 0), "the innermost shell is the middle"
    assert figures[0, 16:20].tolist() == [0, 0, 0, 0]
