import numpy as np
import pytest

from medvlp.metrics import pair_retrieval
from medvlp.metrics.pair_retrieval import first_hits
from medvlp.metrics.retrieval import score_retrieval


def test_first_hits__hand_worked():
    # Query 0 points along x: items by cosine are x (group 0), xy (1), y (2), -x (0).
    # Query 1 points along y: y (2), then xy (1).
    gallery = [[1, 0], [1, 1], [0, 1], [-1, 0]]
    found = first_hits([[5, 0.1], [0.1, 5], [1, 0]], [0, 1, 9], gallery, [0, 1, 2, 0])
    assert found.tolist() == [0, 1, -1]


def test_first_hits__counts_equal_cosines_against_the_query():
    assert first_hits([[1, 0]], [1], [[1, 0], [2, 0], [3, 0]], [0, 1, 2]).tolist() == [2]


@pytest.mark.parametrize("seed", range(3))
def test_first_hits__equals_a_loop_and_the_recall_of_labels(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.standard_normal((20, 5)), rng.standard_normal((30, 5))
    own, theirs = rng.integers(0, 8, 20), rng.integers(0, 8, 30)
    expected = []
    for vector, group in zip(queries, own, strict=True):
        order = sorted(
            range(30),
            key=lambda i: -(gallery[i] @ vector / np.linalg.norm(gallery[i])),
        )
        foreign = 0
        for item in order:
            if theirs[item] == group:
                break
            foreign += 1
        expected.append(foreign)
    monkeypatch.setattr(pair_retrieval, "ROWS_AT_A_TIME", 7)
    found = first_hits(queries, own, gallery, theirs)
    assert found.tolist() == expected
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, gallery)]
    scores = score_retrieval(unit[0], own, unit[1], theirs)
    for k in (1, 5, 10):
        assert scores.cmc[k] == pytest.approx(np.mean(found < k))


@pytest.mark.parametrize(
    ("queries", "groups", "words"),
    [([[0, 0]], [0], "zero"), ([[1, np.nan]], [0], "finite"), ([[1, 0]], [0, 1], "do not fit")],
)
def test_first_hits__refuses(queries, groups, words):
    with pytest.raises(ValueError, match=words):
        first_hits(queries, groups, [[1, 0]], [0])
