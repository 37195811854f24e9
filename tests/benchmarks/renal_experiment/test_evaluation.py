"""What is asked of a trained network, on features that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from benchmarks.renal_experiment.evaluation import patient_features


def test_patient_features__join_both_kidneys_of_a_patient() -> None:
    rows = [SimpleNamespace(patient=name) for name in ("a", "b", "a", "b")]
    features = np.array([[1.0, 5.0], [0.0, 0.0], [3.0, 1.0], [2.0, -2.0]])
    joined, first = patient_features(rows, features)
    assert joined.tolist() == [[3, 5, 2, 3], [2, 0, 1, -1]]
    assert first == rows[:2]
