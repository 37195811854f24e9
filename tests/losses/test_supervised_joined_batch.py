"""One, two and four gloo processes agree with a single process on value and gradients."""

import pytest
import torch
import torch.distributed as dist

from medvlp.errors import LossError
from tests.losses.supervised_cases import CASES, make_batch, with_gradients
from tests.worlds import run_in_worlds

NUM_ROWS = 8
SPLITS = {
    1: {"even": [8], "uneven": [8]},
    2: {"even": [4, 4], "uneven": [5, 3]},
    4: {"even": [2, 2, 2, 2], "uneven": [3, 0, 4, 1]},
}
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


def work(rank, world_size, folder):
    results = {}
    for split, sizes in SPLITS[world_size].items():
        start = sum(sizes[:rank])
        end = start + sizes[rank]
        for name in CASES:
            results[name, torch.float64, split] = run_loss(name, torch.float64, start, end)
            if split == "uneven":
                results[name, torch.float32, split] = run_loss(name, torch.float32, start, end)
            else:
                results[name, "refusal"] = refusal(name, start, end, rank)
    torch.save(results, folder / f"world{world_size}_rank{rank}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    run_in_worlds(work, tuple(SPLITS), folder)
    return folder


@pytest.fixture(scope="module", params=SPLITS)
def ranks(request, folder):
    return [
        torch.load(folder / f"world{request.param}_rank{rank}.pt", weights_only=True)
        for rank in range(request.param)
    ]


def assert_near(actual, expected, dtype, what):
    scale = max(float(expected.abs().max()), 1e-3)
    error = float((actual - expected).abs().max()) / scale
    assert error <= TOLERANCE[dtype], f"{what}: {error:.2e}"


def padded(part, like):
    """Words are as many on each rank as its longest text has; the joined batch pads to the most."""
    if part.ndim < 3 or part.shape[1] == like.shape[1]:
        return part
    return torch.nn.functional.pad(part, (0, 0, 0, like.shape[1] - part.shape[1]))


@pytest.mark.distributed
@pytest.mark.parametrize(
    ("dtype", "split"),
    [(torch.float64, "even"), (torch.float64, "uneven"), (torch.float32, "uneven")],
)
@pytest.mark.parametrize("name", CASES)
def test_loss__of_several_ranks_equals_the_joined_batch(ranks, name, dtype, split):
    expected = run_loss(name, dtype, 0, NUM_ROWS)
    shares = [rank[name, dtype, split] for rank in ranks]
    for share in shares:
        assert torch.equal(share["value"], shares[0]["value"])
        assert_near(share["value"], expected["value"], dtype, "value")
    for key, grad in expected["rows"].items():
        parts = [padded(share["rows"][key], grad) for share in shares]
        assert_near(torch.cat(parts) / len(ranks), grad, dtype, f"gradient of {key}")
    for key, grad in expected["shared"].items():
        averaged = torch.stack([share["shared"][key] for share in shares]).mean(0)
        assert_near(averaged, grad, dtype, f"gradient of {key}")


@pytest.mark.distributed
@pytest.mark.parametrize("name", CASES)
def test_loss__refuses_nan_on_every_rank_and_names_the_rank(ranks, name):
    messages = {rank[name, "refusal"] for rank in ranks}
    assert len(messages) == 1
    where = f" on rank {len(ranks) - 1}" if len(ranks) > 1 else ""
    assert f"holds NaN or Inf{where};" in messages.pop()
