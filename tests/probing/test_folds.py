import numpy as np
import pytest

from medvlp.errors import DataError
from medvlp.probing.folds import group_folds, inner_folds, plan_parts


def test_group_folds__never_tear_a_group_and_deal_classes_evenly():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.arange(150) % 40).astype(str)
    labels = (groups.astype(int) % 4 == 0).astype(np.int64)
    seen = []
    for train, held in group_folds(labels, groups, 5, seed=1):
        assert not set(groups[train]) & set(groups[held])
        seen += held.tolist()
        positives = {g for g in groups[held] if int(g) % 4 == 0}
        assert len(positives) == 2
    assert sorted(seen) == list(range(150))


def test_group_folds__depend_on_the_seed_only():
    labels, groups = np.arange(30) % 3, np.arange(30).astype(str)
    one, two = (group_folds(labels, groups, 3, seed=4) for _ in range(2))
    other = group_folds(labels, groups, 3, seed=5)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(one, two, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True))


def test_group_folds__refuse_fewer_groups_than_folds():
    with pytest.raises(DataError, match=r"MV2326: 2 groups \(patients\).*3 folds"):
        group_folds(np.zeros(6, np.int64), np.array(list("aaabbb")), 3, seed=0)


def test_inner_folds__are_as_many_as_groups_at_most():
    assert len(inner_folds(np.zeros(3, np.int64), np.array(list("abc")), seed=0)) == 3
    assert len(inner_folds(np.zeros(9, np.int64), np.array(list("abcdefghi")), seed=0)) == 5
    with pytest.raises(DataError, match="MV2326: 1 groups"):
        inner_folds(np.zeros(3, np.int64), np.array(list("aaa")), seed=0)


def test_plan_parts__takes_the_words_of_a_split():
    words = ["train", "Test", "val", "", "test"]
    (part,) = plan_parts(np.zeros(5, np.int64), np.array(list("abcde")), words, folds=5, seed=0)
    assert (part.train.tolist(), part.test.tolist(), part.name) == ([0, 2], [1, 4], "test")


@pytest.mark.parametrize(
    ("words", "groups", "code", "message"),
    [
        (["train", "tst"], "ab", "MV2320", "'tst' is unknown"),
        (["train", "train"], "ab", "MV2320", "no sample is of the split 'test'"),
        (["test", "test"], "ab", "MV2320", "no sample is of the split 'train'"),
        (["train", "test", "test"], "aab", "MV2327", "1 groups are in train and in test.*'a'"),
    ],
)
def test_plan_parts__refuses(words, groups, code, message):
    names = np.array(list(groups))
    with pytest.raises(DataError, match=message) as caught:
        plan_parts(np.zeros(len(words), np.int64), names, words, folds=5, seed=0)
    assert caught.value.code == code
