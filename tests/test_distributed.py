import pytest
import torch

from medvlp.distributed import (
    all_gather_with_grad,
    all_reduce_max,
    all_reduce_sum,
    any_rank,
    gather_objects,
    gather_rows,
    of_first_rank,
    preceding_rows,
    rank,
    row_counts,
    world_size,
)
from tests.worlds import run_in_worlds

SIZES = [2, 0, 3]


def work(rank_, world_size_, folder):
    mine = torch.arange(6.0).view(3, 2)[: SIZES[rank_]] + 10 * rank_
    mine.requires_grad_()
    weight = torch.arange(1.0, 11.0).view(5, 2)
    joined = all_gather_with_grad(mine)
    total = all_reduce_sum(mine.sum())
    ((rank_ + 1) * (weight * joined).sum() + total).backward()
    results = {
        "place": (rank(), world_size()),
        "counts": row_counts(SIZES[rank_], torch.device("cpu")),
        "joined": joined.detach(),
        "grad": mine.grad,
        "total": total.detach(),
        "flags": all_gather_with_grad(torch.tensor([rank_ == 1])),
        "ids": all_gather_with_grad(torch.full((SIZES[rank_],), rank_)),
        "any": (any_rank(rank_ == 2), any_rank(False)),
        "objects": gather_objects(["a", "b"][:rank_]),
        "first": of_first_rank(0.1 * (rank_ + 1)),
        "rows": gather_rows(columns(rank_)),
        "none": gather_rows(None),
        "before": preceding_rows(mine.detach()[:, :1], SIZES),
        "largest": all_reduce_max(torch.tensor([float(rank_), -float(rank_)])),
    }
    torch.save(results, folder / f"rank{rank_}.pt")


def columns(rank_):
    """Return rows of several types, of which one has an odd number of bytes."""
    mine = torch.arange(SIZES[rank_]) + 10 * rank_
    wide = mine.double().view(-1, 1, 1).expand(-1, 2, 3) / 7
    return {"id": mine, "is_odd": mine % 2 == 1, "wide": wide, "half": mine.to(torch.bfloat16)}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    run_in_worlds(work, [3], folder)
    return [torch.load(folder / f"rank{i}.pt", weights_only=True) for i in range(3)]


pytestmark = pytest.mark.distributed


def test_collectives__know_their_place_and_the_rows_of_all(ranks):
    assert [results["place"] for results in ranks] == [(0, 3), (1, 3), (2, 3)]
    assert all(results["counts"] == SIZES for results in ranks)


def test_all_gather_with_grad__joins_uneven_rows_in_the_order_of_ranks(ranks):
    expected = torch.tensor([[0, 1], [2, 3], [20, 21], [22, 23], [24, 25.0]])
    for results in ranks:
        assert torch.equal(results["joined"], expected)
        assert results["ids"].tolist() == [0, 0, 2, 2, 2]
        assert results["flags"].tolist() == [False, True, False]


def test_all_gather_with_grad__sums_what_all_ranks_derive(ranks):
    # Rank r weighs the joined rows by r + 1, so each row collects 1 + 2 + 3 = 6 times its weight;
    # the sum adds the world size, 3.
    expected = 6 * torch.arange(1.0, 11.0).view(5, 2) + 3
    actual = torch.cat([results["grad"] for results in ranks])
    assert torch.equal(actual, expected)


def test_gather_rows__joins_columns_of_all_types_in_one_exchange(ranks):
    ids = torch.tensor([0, 1, 20, 21, 22])
    for results in ranks:
        rows = results["rows"]
        assert torch.equal(rows["id"], ids)
        assert rows["is_odd"].tolist() == [False, True, False, True, False]
        assert torch.equal(rows["wide"], (ids.double() / 7).view(-1, 1, 1).expand(-1, 2, 3))
        assert torch.equal(rows["half"], ids.to(torch.bfloat16))
        assert results["none"] == {}


def test_preceding_rows__pass_over_ranks_without_rows(ranks):
    found = torch.cat([results["before"] for results in ranks]).flatten()
    assert found.tolist() == [24.0, 0.0, 2.0, 20.0, 22.0]


def test_of_first_rank_and_gather_objects__are_equal_on_every_rank(ranks):
    for results in ranks:
        assert results["first"] == 0.1
        assert results["objects"] == [[], ["a"], ["a", "b"]]


def test_all_reduce__agrees_on_every_rank(ranks):
    for results in ranks:
        assert results["total"].item() == 0 + 1 + 2 + 3 + sum(range(20, 26))
        assert results["largest"].tolist() == [2, 0]


def test_collectives__are_the_identity_without_a_process_group():
    x = torch.ones(2, requires_grad=True)
    assert (rank(), world_size()) == (0, 1)
    assert row_counts(2, x.device) == [2]
    assert all_gather_with_grad(x) is x
    assert (of_first_rank(0.5), gather_objects("a")) == (0.5, ["a"])
    assert gather_rows({"x": x})["x"].tolist() == [1, 1]
    assert gather_rows({"x": x[:0]}) == gather_rows(None) == {}
    assert preceding_rows(torch.tensor([1, 2, 3]), [3]).tolist() == [3, 1, 2]
    assert all_reduce_sum(x) is x
    assert torch.equal(all_reduce_max(x), x.detach())
    assert not all_reduce_max(x).requires_grad


def test_any_rank__gives_all_ranks_the_same_answer(ranks):
    assert [result["any"] for result in ranks] == [(True, False)] * 3
    assert any_rank(True)
    assert not any_rank(False)
