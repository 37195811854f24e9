"""Every search finds the pairs that a full table of cosines holds."""

import numpy as np
import pytest

from medvlp.pipelines.pairing import neighbours
from medvlp.pipelines.pairing.neighbours import build_search


def planted(seed: int, count: int = 600, dim: int = 24) -> np.ndarray:
    """Unit vectors, a third of them near copies of others."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count, dim))
    copies = count // 3
    base[-copies:] = base[:copies] + rng.normal(size=(copies, dim)) * 0.05
    base = base[rng.permutation(count)]
    return (base / np.linalg.norm(base, axis=1, keepdims=True)).astype(np.float32)


def full_table(features: np.ndarray, rows: np.ndarray, cosine: float) -> set[tuple[int, int]]:
    table = features.astype(np.float64) @ features.astype(np.float64).T
    return {(i, j) for i in rows for j in range(i + 1, len(features)) if table[i, j] > cosine}


@pytest.mark.parametrize("kind", ["exact", "flat", "ivf", "hnsw"])
def test_search__finds_the_pairs_of_a_full_table(kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_COLUMNS", 100)
    features = planted(0)
    rows = np.sort(np.random.default_rng(1).choice(600, 250, replace=False))
    i, j = build_search(features, kind).later(rows, 0.95)
    found = list(zip(i.tolist(), j.tolist(), strict=True))
    assert found == sorted(found)
    expected = full_table(features, rows, 0.95)
    assert len(expected) > 50
    if kind in {"exact", "flat"}:
        assert set(found) == expected
    else:
        assert set(found) <= expected
        assert len(found) >= 0.95 * len(expected)


def test_exact_search__of_no_rows_finds_nothing() -> None:
    i, j = build_search(planted(2), "exact").later(np.zeros(0, np.int64), 0.9)
    assert len(i) == len(j) == 0
