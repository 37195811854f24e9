"""One, two and four gloo processes, with and without accumulation, agree with a single process."""

import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import normalize

from medvlp.errors import LossError
from medvlp.losses.accumulate import GradCache
from medvlp.losses.engine.settings import EngineSettings
from tests.losses.contrastive_cases import CASES, make_batch, prepared
from tests.worlds import run_in_worlds

NUM_ROWS = 12
SPLITS = {
    1: {"even": [12], "uneven": [12]},
    2: {"even": [6, 6], "uneven": [7, 5]},
    4: {"even": [3, 3, 3, 3], "uneven": [5, 0, 4, 3]},
}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6}
TILED = EngineSettings(path="tiled", row_block=2, column_block=5)
DENSE = EngineSettings(path="dense", row_block=4, column_block=3)
ENCODED = ("image", "text", "knowledge")


def batch_of(name, dtype, start, end):
    """Rows of one rank and what all ranks share."""
    rows, shared = make_batch(7, NUM_ROWS)
    return prepared(CASES[name], {**{k: x[start:end] for k, x in rows.items()}, **shared}, dtype)


def run_loss(name, dtype, start, end, settings):
    """Value and gradients by the embeddings of this rank, temperature and bias."""
    case, inputs = CASES[name], batch_of(name, dtype, start, end)
    report = case.loss(inputs, settings)
    report.total.backward()
    return {"value": report.total.detach(), **{leaf: inputs[leaf].grad for leaf in case.leaves}}


def run_accumulated(name, dtype, start, end, num_chunks):
    """Value and gradients by the parameters of encoders, temperature and bias."""
    case, inputs = CASES[name], batch_of(name, dtype, start, end)
    towers = [leaf for leaf in case.leaves if leaf in ENCODED]
    shared = [inputs[leaf] for leaf in case.leaves if leaf not in ENCODED]
    generator = torch.Generator().manual_seed(8)
    matrices = [
        torch.randn(6, 6, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        for _ in towers
    ]

    def encode(chunk):
        return [normalize(rows @ matrix) for rows, matrix in zip(chunk, matrices, strict=True)]

    def loss(*embeddings):
        return case.loss({**inputs, **dict(zip(towers, embeddings, strict=True))}, TILED)

    parts = [torch.tensor_split(inputs[tower].detach(), num_chunks) for tower in towers]
    report = GradCache(encode, shared=shared).step(list(zip(*parts, strict=True)), loss)
    grads = {f"encoder of {tower}": m.grad for tower, m in zip(towers, matrices, strict=True)}
    rest = {leaf: inputs[leaf].grad for leaf in case.leaves if leaf not in ENCODED}
    return {"value": report.total, **grads, **rest}


def refusal(name, start, end, rank):
    """The error that a NaN on the last rank causes, as this rank sees it."""
    inputs = batch_of(name, torch.float64, start, end)
    if rank == dist.get_world_size() - 1:
        inputs["image"] = torch.full_like(inputs["image"], torch.nan)
    try:
        CASES[name].loss(inputs, TILED)
    except LossError as error:
        return str(error)
    return "no error"


def work(rank, world_size, folder):
    results = {}
    for split, sizes in SPLITS[world_size].items():
        span = sum(sizes[:rank]), sum(sizes[: rank + 1])
        for name in CASES:
            settings = DENSE if split == "even" else TILED
            results[name, torch.float64, split] = run_loss(name, torch.float64, *span, settings)
            if split == "uneven":
                results[name, torch.float32, split] = run_loss(name, torch.float32, *span, TILED)
                continue
            results[name, "refusal"] = refusal(name, *span, rank)
            for dtype in TOLERANCE:
                for num_chunks in (1, 2, 4):
                    key = name, dtype, num_chunks
                    results[key] = run_accumulated(name, dtype, *span, num_chunks)
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
    error = float((actual - expected).abs().max() / expected.abs().max())
    assert error <= TOLERANCE[dtype], f"{what}: {error:.2e}"


@pytest.mark.distributed
@pytest.mark.parametrize(
    ("dtype", "split"),
    [(torch.float64, "even"), (torch.float64, "uneven"), (torch.float32, "uneven")],
)
@pytest.mark.parametrize("name", CASES)
def test_loss__of_several_ranks_equals_the_joined_batch(ranks, name, dtype, split):
    expected = run_loss(name, dtype, 0, NUM_ROWS, DENSE)
    shares = [rank[name, dtype, split] for rank in ranks]
    for share in shares:
        assert torch.equal(share["value"], shares[0]["value"])
    assert_near(shares[0]["value"], expected.pop("value"), dtype, "value")
    for leaf, grad in expected.items():
        parts = [share[leaf] for share in shares]
        actual = torch.cat(parts) / len(ranks) if grad.ndim else torch.stack(parts).mean()
        assert_near(actual, grad, dtype, f"gradient of {leaf}")


@pytest.mark.distributed
@pytest.mark.parametrize("num_chunks", [1, 2, 4])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_grad_cache__of_several_ranks_equals_the_joined_batch(ranks, name, dtype, num_chunks):
    expected = run_accumulated(name, dtype, 0, NUM_ROWS, 1)
    for key, want in expected.items():
        actual = torch.stack([rank[name, dtype, num_chunks][key] for rank in ranks]).mean(0)
        assert_near(actual, want, dtype, key)


@pytest.mark.distributed
@pytest.mark.parametrize("name", CASES)
def test_loss__refuses_nan_on_every_rank_and_names_the_rank(ranks, name):
    messages = {rank[name, "refusal"] for rank in ranks}
    where = f" on rank {len(ranks) - 1}" if len(ranks) > 1 else ""
    assert len(messages) == 1
    assert f"MV1852: x holds NaN or Inf{where} - look for" in messages.pop()
