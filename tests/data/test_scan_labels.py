"""Kidneys with a label: the others are left out, classes are drawn alike, draws are repeatable."""

import pickle
from collections import Counter

import pytest

from medvlp.data.sampler import Draw
from medvlp.data.scan_labels import LabelledScans

LABELS = [0, -1, 0, 0, 0, 1, -1, 0, 0, 0, 2]


class Kidneys:
    """Stands for the kidneys of a split; a sample is its draw."""

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, draw: Draw) -> Draw:
        return draw


def scans(**options) -> LabelledScans:
    return LabelledScans(Kidneys(), LABELS, **{"is_balanced": False, "seed": 3} | options)


def test_labelled__are_taken_in_order_once_each():
    data = scans()
    assert len(data) == 9
    drawn = [data[Draw(5, index, 1)] for index in range(9)]
    assert [draw.index for draw in drawn] == [i for i, label in enumerate(LABELS) if label >= 0]
    assert {(draw.epoch, draw.repeat) for draw in drawn} == {(5, 1)}


def test_balanced__draws_every_class_alike_and_all_its_members():
    data = scans(is_balanced=True)
    drawn = [data[Draw(epoch, index)].index for epoch in range(300) for index in range(9)]
    classes = Counter(LABELS[index] for index in drawn)
    assert set(classes) == {0, 1, 2}
    assert all(abs(count - 900) < 4 * (2700 * 2 / 9) ** 0.5 for count in classes.values())
    members = [count for index, count in Counter(drawn).items() if LABELS[index] == 0]
    assert len(members) == 7
    assert min(members) > 80


def test_balanced__is_repeatable_and_changes_a_kidney_anew_when_drawn_twice():
    data = scans(is_balanced=True)
    asked = [Draw(2, index) for index in range(9)]
    drawn = [data[draw] for draw in asked]
    assert [pickle.loads(pickle.dumps(data))[draw] for draw in asked] == drawn  # noqa: S301
    assert len(set(drawn)) == len(drawn)
    assert [data[Draw(3, index)].index for index in range(9)] != [d.index for d in drawn]
    assert [scans(is_balanced=True, seed=4)[draw] for draw in asked] != drawn


def test_labelled__needs_one_label_each():
    with pytest.raises(ValueError, match="11 kidneys and 1 labels"):
        LabelledScans(Kidneys(), [0], is_balanced=False, seed=0)
