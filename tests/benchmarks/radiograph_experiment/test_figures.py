"""Figures of a cell by hand, and draws that are the same for both arms."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.radiograph_experiment.figures import (
    by_finding,
    difference,
    draw_pictures,
    estimate,
    measure,
)
from medvlp.metrics.ranking import auroc
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN

_NUM, _SEEN = len(PHANTOM_FINDINGS), len(SEEN)


def judged(seed: int, pictures: int = 30, skill: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=(pictures, _NUM)) < 0.3).astype(np.int64)
    scores = np.round(skill * labels + rng.normal(size=labels.shape), 1)
    hits = np.where(labels == 1, rng.integers(0, 2, labels.shape), -1)
    return {"labels": labels, "scores": scores, "hits": hits}


def test_by_finding__is_the_auroc_of_the_library_with_ties() -> None:
    arrays = judged(0)
    expected = [auroc(arrays["labels"][:, c], arrays["scores"][:, c]) for c in range(_NUM)]
    np.testing.assert_allclose(by_finding(arrays), expected, rtol=0, atol=1e-12)


def test_by_finding__has_no_value_where_a_label_is_missing() -> None:
    arrays = judged(0)
    arrays["labels"][:, 3] = 0
    found = by_finding(arrays)
    assert np.isnan(found[3])
    assert np.isfinite(found[[2, 4]]).all()


def test_measure__parts_seen_from_unseen() -> None:
    arrays = judged(1)
    arrays["hits"][:, :_SEEN] = np.where(arrays["labels"][:, :_SEEN] == 1, 1, -1)
    arrays["hits"][:, _SEEN:] = np.where(arrays["labels"][:, _SEEN:] == 1, 0, -1)
    found = measure(arrays)
    areas = by_finding(arrays)
    assert found["auroc seen"] == pytest.approx(areas[:_SEEN].mean())
    assert found["auroc unseen"] == pytest.approx(areas[_SEEN:].mean())
    assert found["pointing seen"] == 1
    assert found["pointing unseen"] == 0
    assert found["pointing all"] == pytest.approx(
        arrays["labels"][:, :_SEEN].sum() / arrays["labels"].sum()
    )


def test_measure__takes_pictures_as_often_as_they_were_drawn() -> None:
    arrays = judged(2)
    drawn = np.array([0, 0, 5, 7, 7, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18])
    again = {name: values[drawn] for name, values in arrays.items()}
    assert measure(arrays, drawn) == pytest.approx(measure(again), nan_ok=True)


def test_difference__is_paired() -> None:
    cells = [judged(3), judged(4)]
    draws = draw_pictures([30, 30], 50)
    found = estimate(cells, draws)["auroc seen"]
    zero = difference(found, found)
    assert (zero.value, zero.low, zero.high) == (0, 0, 0)
    better = estimate([judged(3, skill=3.0), judged(4, skill=3.0)], draws)["auroc seen"]
    gain = difference(better, found)
    assert gain.low > 0
    assert gain.value == pytest.approx(better[0].value - found[0].value, abs=0.02)


def test_draw_pictures__is_the_same_for_equal_counts() -> None:
    one, two = draw_pictures([5, 6], 3), draw_pictures([5, 6], 3)
    for first, second in zip(one, two, strict=True):
        assert [place for place, _ in first] == [place for place, _ in second]
        for (_, mine), (_, other) in zip(first, second, strict=True):
            assert np.array_equal(mine, other)
