"""Two and four gloo processes agree with a single one on value and gradients, for every loss."""

import pytest
import torch
import torch.distributed as dist

from medvlp.data.sampler import rank_slice
from medvlp.errors import LossError
from medvlp.losses.accumulate import GradCache
from medvlp.losses.report import LossReport
from tests.losses.supervised_cases import CASES, make_batch, with_gradients
from tests.worlds import run_in_worlds

NUM_ROWS = 8
SPLITS = {
    (2, "even"): [4, 4],
    (2, "uneven"): [5, 3],
    (4, "uneven"): [3, 0, 4, 1],
}
RUNS = [
    (2, "even", torch.float64),
    (2, "uneven", torch.float64),
    (4, "uneven", torch.float64),
    (4, "uneven", torch.float32),
]
ACCUMULATED = [(2, "even", 4), (4, "uneven", 2)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}


def run_loss(name, dtype, start, end):
    """Value and gradients of one loss on some rows of the batch."""
    case = CASES[name]
    rows, shared = make_batch(case, 5, NUM_ROWS)
    rows = with_gradients(case, {key: x[start:end] for key, x in rows.items()}, dtype)
    if "num_words" in rows:
        longest = max(rows["num_words"].tolist(), default=0)
        rows = with_gradients(case, {**rows, "words": rows["words"][:, :longest]}, dtype)
    shared = with_gradients(case, shared, dtype)
    value = case.loss({**rows, **shared})
    value.backward()
    return {
        "value": value.detach(),
        "rows": {key: x.grad for key, x in rows.items() if x.requires_grad},
        "shared": {key: x.grad for key, x in shared.items() if x.requires_grad},
    }


def run_in_chunks(name, start, end, num_chunks):
    """The same through accumulation: rows of this rank encoded in micro-batches, loss once."""
    case = CASES[name]
    rows, shared = make_batch(case, 5, NUM_ROWS)
    rows = with_gradients(case, {key: x[start:end] for key, x in rows.items()}, torch.float64)
    shared = with_gradients(case, shared, torch.float64)
    trained = [key for key, x in rows.items() if x.requires_grad]
    cache = GradCache(
        lambda part: [rows[key][part] for key in trained],
        shared=[x for x in shared.values() if x.requires_grad],
    )
    report = cache.step(
        [rank_slice(end - start, number, num_chunks) for number in range(num_chunks)],
        lambda *x: LossReport(case.loss({**rows, **dict(zip(trained, x, strict=True)), **shared})),
    )
    return {
        "value": report.total.detach(),
        "rows": {key: rows[key].grad for key in trained},
        "shared": {key: x.grad for key, x in shared.items() if x.requires_grad},
    }


def refusal(name, start, end, rank):
    """The error that a NaN on the last rank causes, as this rank sees it."""
    case = CASES[name]
    rows, shared = make_batch(case, 5, NUM_ROWS)
    rows = {key: x[start:end] for key, x in rows.items()}
    if rank == dist.get_world_size() - 1:
        leaf = next(k for k, x in rows.items() if x.is_floating_point() and k not in case.constants)
        rows[leaf] = torch.full_like(rows[leaf], torch.nan)
    try:
        case.loss({**rows, **shared})
    except LossError as error:
        return str(error)
    return "no error"


def work(rank, num_ranks, folder):
    results = {}
    for (size, split), counts in SPLITS.items():
        if size != num_ranks:
            continue
        rows = sum(counts[:rank]), sum(counts[: rank + 1])
        for name in CASES:
            for dtype in [d for n, s, d in RUNS if (n, s) == (size, split)]:
                results[split, name, dtype] = run_loss(name, dtype, *rows)
            for num_chunks in [c for n, s, c in ACCUMULATED if (n, s) == (size, split)]:
                results[split, name, num_chunks] = run_in_chunks(name, *rows, num_chunks)
            if split == "even":
                results["refusal", name] = refusal(name, *rows, rank)
    torch.save(results, folder / f"world{num_ranks}_rank{rank}.pt")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    run_in_worlds(work, [2, 4], folder)
    return {
        num_ranks: [
            torch.load(folder / f"world{num_ranks}_rank{rank}.pt", weights_only=True)
            for rank in range(num_ranks)
        ]
        for num_ranks in (2, 4)
    }


def assert_near(actual, expected, dtype, what):
    scale = max(float(expected.abs().max()), 1e-3)
    error = float((actual - expected).abs().max()) / scale
    assert error <= TOLERANCE[dtype], f"{what}: {error:.2e}"


def padded(part, like):
    """Words are as many on each rank as its longest text has; the joined batch pads to the most."""
    if part.ndim < 3 or part.shape[1] == like.shape[1]:
        return part
    return torch.nn.functional.pad(part, (0, 0, 0, like.shape[1] - part.shape[1]))


def assert_joined(shares, expected, dtype):
    for share in shares:
        assert torch.equal(share["value"], shares[0]["value"])
        assert_near(share["value"], expected["value"], dtype, "value")
    for key, grad in expected["rows"].items():
        parts = [padded(share["rows"][key], grad) for share in shares]
        assert_near(torch.cat(parts) / len(shares), grad, dtype, f"gradient of {key}")
    for key, grad in expected["shared"].items():
        averaged = torch.stack([share["shared"][key] for share in shares]).mean(0)
        assert_near(averaged, grad, dtype, f"gradient of {key}")


@pytest.mark.distributed
@pytest.mark.parametrize(("num_ranks", "split", "dtype"), RUNS)
@pytest.mark.parametrize("name", CASES)
def test_loss__of_several_ranks_equals_the_joined_batch(worlds, name, num_ranks, split, dtype):
    expected = run_loss(name, dtype, 0, NUM_ROWS)
    assert_joined([rank[split, name, dtype] for rank in worlds[num_ranks]], expected, dtype)


@pytest.mark.distributed
@pytest.mark.parametrize(("num_ranks", "split", "num_chunks"), ACCUMULATED)
@pytest.mark.parametrize("name", CASES)
def test_loss__accumulated_on_several_ranks_equals_the_joined_batch(
    worlds, name, num_ranks, split, num_chunks
):
    expected = run_loss(name, torch.float64, 0, NUM_ROWS)
    shares = [rank[split, name, num_chunks] for rank in worlds[num_ranks]]
    assert_joined(shares, expected, torch.float64)


@pytest.mark.parametrize("num_chunks", [1, 2, 4])
@pytest.mark.parametrize("name", CASES)
def test_loss__accumulated_on_one_rank_equals_the_whole_batch(name, num_chunks):
    expected = run_loss(name, torch.float64, 0, NUM_ROWS)
    assert_joined([run_in_chunks(name, 0, NUM_ROWS, num_chunks)], expected, torch.float64)


@pytest.mark.distributed
@pytest.mark.parametrize("name", CASES)
def test_loss__refuses_nan_on_every_rank_and_names_the_rank(worlds, name):
    messages = {rank["refusal", name] for rank in worlds[2]}
    assert len(messages) == 1
    assert "holds NaN or Inf on rank 1;" in messages.pop()
