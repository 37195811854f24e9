"""Columns of several vectors, against loops over the vectors."""

import numpy as np

from medvlp.zeroshot.prompt_columns import FindingPairs, PromptColumns


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 4))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


GROUPS = [unit_rows(3, 1), unit_rows(1, 2), unit_rows(2, 3)]


def test_cosines__are_those_of_the_nearest_vector_of_each_column() -> None:
    features = np.random.default_rng(4).normal(size=(5, 4))
    expected = [
        [max(float(x @ v) / np.sqrt(float(x @ x)) for v in group) for group in GROUPS]
        for x in features
    ]
    columns = PromptColumns.stack(GROUPS)
    np.testing.assert_allclose(columns.cosines(features), expected, rtol=0, atol=1e-12)
    assert columns.starts.tolist() == [0, 3, 4]


def test_cosines__never_fall_when_a_prompt_is_added() -> None:
    features = unit_rows(20, 5)
    fewer = PromptColumns.stack([group[:1] for group in GROUPS]).cosines(features)
    assert (PromptColumns.stack(GROUPS).cosines(features) >= fewer - 1e-12).all()


def test_differences__are_cosine_for_minus_cosine_against() -> None:
    features, towards, against = unit_rows(6, 6), unit_rows(2, 7), unit_rows(2, 8)
    pairs = FindingPairs(
        ("a", "b"),
        PromptColumns.stack([towards[:1], towards[1:]]),
        PromptColumns.stack([against[:1], against[1:]]),
    )
    expected = features @ towards.T - features @ against.T
    np.testing.assert_allclose(pairs.differences(features), expected, rtol=0, atol=1e-12)
    swapped = FindingPairs(("a", "b"), pairs.absent, pairs.present)
    np.testing.assert_allclose(swapped.differences(features), -expected, rtol=0, atol=1e-12)


def test_fingerprint__changes_with_vectors_grouping_names_and_sides() -> None:
    columns = PromptColumns.stack(GROUPS)
    others = [
        PromptColumns.stack([np.concatenate(GROUPS[:2]), GROUPS[2]]),
        PromptColumns.stack([-GROUPS[0], *GROUPS[1:]]),
    ]
    assert len({found.fingerprint for found in (columns, *others)}) == 3
    assert PromptColumns.stack(GROUPS).fingerprint == columns.fingerprint
    pairs = [
        FindingPairs(("a", "b", "c"), columns, others[1]),
        FindingPairs(("a", "b", "d"), columns, others[1]),
        FindingPairs(("a", "b", "c"), others[1], columns),
    ]
    assert len({found.fingerprint for found in pairs}) == 3
