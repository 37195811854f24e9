import numpy as np
import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.checks import check_acyclic, check_ids, levels_below_roots, parent_indices


def test_check_ids__lists_a_few_of_many():
    ids = [f"X:{number}" for number in range(8)]
    check_ids(ids)
    with pytest.raises(
        KnowledgeError, match=r"MV2004: row 0 and row 8: X:0, X:1, X:2, X:3, X:4 and 3 mor"
    ):
        check_ids(ids * 2, lambda row: f"row {row}")


def test_parent_indices__resolves_alternative_ids():
    starts, parents = parent_indices(["X:1", "X:2"], [[], ["X:9"]], {"X:9": 0})
    assert (starts.tolist(), parents.tolist()) == ([0, 0, 1], [0])


def test_levels_below_roots__are_longest_ways_and_stop_at_circles():
    # 0 root; 1 under 0; 2 under 0 and 1; 3 and 4 in a circle; 5 under 4.
    starts, parents = parent_indices(
        list("abcdef"), [[], ["a"], ["a", "b"], ["e"], ["d"], ["e"]], {}
    )
    levels, child_starts, children = levels_below_roots(starts, parents)
    assert levels.tolist() == [0, 1, 2, -1, -1, -1]
    assert children[child_starts[0] : child_starts[1]].tolist() == [1, 2]
    with pytest.raises(KnowledgeError, match=r"MV2003.*d is_a e is_a d"):
        check_acyclic(list("abcdef"), starts, parents, levels)


def test_check_acyclic__shows_the_beginning_of_a_long_circle():
    num = 30
    ids = [f"X:{row:02d}" for row in range(num)]
    indptr, indices = np.arange(num + 1), np.roll(np.arange(num), -1)
    with pytest.raises(KnowledgeError, match=r"X:00 is_a .*X:09 \.\.\.;"):
        check_acyclic(ids, indptr, indices, levels_below_roots(indptr, indices)[0])
