"""Rows of a validation: in the order of the samples, whoever saw them."""

import torch

from medvlp.training import validating
from medvlp.training.validating import SeenRows


def test_seen_rows__are_joined_once_in_the_order_of_the_batches():
    seen = SeenRows()
    assert seen.join() == {}
    for number, rows in ((1, [3, 4]), (0, [0, 1, 2]), (2, [])):
        x = torch.tensor(rows, dtype=torch.float32)
        seen.add(number, x=x.unsqueeze(1).expand(-1, 2), is_odd=x % 2 == 1)
    joined = seen.join()
    assert joined["x"].tolist() == [[float(i)] * 2 for i in range(5)]
    assert joined["is_odd"].tolist() == [False, True, False, True, False]
    assert seen.join() == {}


def test_seen_rows__of_the_ranks_alternate_batch_by_batch(monkeypatch):
    first, second = SeenRows(), SeenRows()
    first.add(0, x=torch.tensor([0, 1]))
    first.add(1, x=torch.tensor([4]))
    second.add(0, x=torch.tensor([2, 3]))
    kept = []
    monkeypatch.setattr(validating, "gather_rows", lambda columns: kept.append(columns) or {})
    assert second.join() == {}
    of_second = kept.pop()
    monkeypatch.setattr(
        validating,
        "gather_rows",
        lambda columns: {name: torch.cat([x, of_second[name]]) for name, x in columns.items()},
    )
    assert first.join()["x"].tolist() == [0, 1, 2, 3, 4]
