"""One, two and four gloo processes, with and without accumulation, agree with a single process."""

from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import normalize

from medvlp.errors import LossError
from medvlp.losses.accumulate import GradCache
from medvlp.losses.contrastive import info_nce_loss
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation
from medvlp.losses.temperature import Temperature
from tests.losses.contrastive_cases import CASES, make_batch, prepared
from tests.worlds import run_in_worlds

NUM_ROWS = 12
SPLITS = {1: {"uneven": [12]}, 2: {"even": [6, 6], "uneven": [7, 5]}, 4: {"uneven": [5, 0, 4, 3]}}
WIDE, NARROW = torch.float64, torch.float32
EVERY_ACCUMULATION = [(dtype, k) for dtype in (WIDE, NARROW) for k in (1, 2, 4)]
TOLERANCE = {WIDE: 1e-12, NARROW: 2e-6}
ACCUMULATIONS = {1: [(NARROW, 4)], 2: EVERY_ACCUMULATION, 4: [(WIDE, 4), (NARROW, 2)]}
TILED = EngineSettings(path="tiled", row_block=4, column_block=5)
DENSE = EngineSettings(path="dense")
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


def train_with_ddp(rank, start, end):
    """Gradients of one accumulated step of a model inside DistributedDataParallel."""
    inputs = batch_of("outside", torch.float64, start, end)
    torch.manual_seed(0)
    image, text = nn.Linear(6, 5), nn.Linear(6, 5)
    model = nn.ModuleDict({"image": image, "text": text, "temperature": Temperature()}).double()
    model.forward = lambda x, y: (normalize(model["image"](x)), normalize(model["text"](y)))
    ddp = nn.parallel.DistributedDataParallel(model) if dist.is_initialized() else model
    no_sync = ddp.no_sync if dist.is_initialized() else nullcontext
    shared = model["temperature"].parameters()
    cache = GradCache(lambda chunk: ddp(*chunk), shared=shared, no_sync=no_sync)
    parts = [torch.tensor_split(inputs[tower].detach(), 3) for tower in ("image", "text")]
    relation = PairRelation(group=inputs["group"])

    def loss(*embeddings):
        return info_nce_loss(*embeddings, model["temperature"](), relation, settings=TILED)

    cache.step(list(zip(*parts, strict=True)), loss)
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def refusals(start, end, rank):
    """Errors that a fault on the last rank causes, as this rank sees them."""
    is_last = rank == dist.get_world_size() - 1
    inputs = batch_of("outside", torch.float64, start, end)
    rows = end - start
    table = torch.zeros(2, 1, dtype=torch.uint8) + is_last
    ids = torch.zeros(rows, dtype=torch.int32 if is_last else torch.int64)
    concepts = torch.zeros(rows, dtype=torch.int64)
    broken = {
        "nan": (inputs["image"] * (torch.nan if is_last else 1.0), PairRelation()),
        "ids": (inputs["image"], PairRelation(group=ids)),
        "table": (inputs["image"], PairRelation(concept=concepts, related=table)),
        "weights": (inputs["image"], PairRelation(weight=torch.ones(rows) - 2 * is_last)),
    }
    messages = {}
    for name, (image, relation) in broken.items():
        try:
            info_nce_loss(image, inputs["text"], inputs["scale"], relation)
            messages[name] = "no error"
        except LossError as error:
            messages[name] = str(error)
    return messages


def work(rank, world_size, folder):
    results = {}
    for split, sizes in SPLITS[world_size].items():
        span = sum(sizes[:rank]), sum(sizes[: rank + 1])
        settings = DENSE if split == "even" else TILED
        for name in CASES:
            results[name, WIDE, split] = run_loss(name, WIDE, *span, settings)
            if split == "uneven":
                results[name, NARROW, split] = run_loss(name, NARROW, *span, TILED)
                accumulate(results, name, span, ACCUMULATIONS[world_size])
    results["ddp"] = train_with_ddp(rank, *span)
    results["refusals"] = refusals(*span, rank)
    torch.save(results, folder / f"world{world_size}_rank{rank}.pt")


def work_accumulated(rank, world_size, folder):
    results = {}
    sizes = SPLITS[world_size]["uneven"]
    for name in CASES:
        span = sum(sizes[:rank]), sum(sizes[: rank + 1])
        accumulate(results, name, span, EVERY_ACCUMULATION)
    torch.save(results, folder / f"world{world_size}_rank{rank}.pt")


def accumulate(results, name, span, accumulations):
    for dtype, num_chunks in accumulations:
        results[name, dtype, num_chunks] = run_accumulated(name, dtype, *span, num_chunks)


def load_ranks(folder, world_size):
    return [
        torch.load(folder / f"world{world_size}_rank{rank}.pt", weights_only=True)
        for rank in range(world_size)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    run_in_worlds(work, tuple(SPLITS), folder)
    return folder


@pytest.fixture(scope="module", params=SPLITS)
def ranks(request, folder):
    return load_ranks(folder, request.param)


def assert_near(actual, expected, dtype, what):
    error = float((actual - expected).abs().max() / expected.abs().max())
    assert error <= TOLERANCE[dtype], f"{what}: {error:.2e}"


@pytest.mark.distributed
@pytest.mark.parametrize("name", CASES)
def test_loss__of_several_ranks_equals_the_joined_batch(ranks, name):
    for split in SPLITS[len(ranks)]:
        for dtype in (WIDE, NARROW) if split == "uneven" else (WIDE,):
            expected = run_loss(name, dtype, 0, NUM_ROWS, DENSE)
            shares = [rank[name, dtype, split] for rank in ranks]
            for share in shares:
                assert torch.equal(share["value"], shares[0]["value"])
            assert_near(shares[0]["value"], expected.pop("value"), dtype, "value")
            for leaf, grad in expected.items():
                parts = [share[leaf] for share in shares]
                joined = torch.cat(parts) / len(ranks) if grad.ndim else torch.stack(parts).mean()
                assert_near(joined, grad, dtype, f"gradient of {leaf}, {split}")


def assert_accumulated(ranks, name, dtype, num_chunks):
    expected = run_accumulated(name, dtype, 0, NUM_ROWS, 1)
    for key, want in expected.items():
        actual = torch.stack([rank[name, dtype, num_chunks][key] for rank in ranks]).mean(0)
        assert_near(actual, want, dtype, f"{name}, {num_chunks} micro-batches: {key}")


@pytest.mark.distributed
@pytest.mark.parametrize("name", CASES)
def test_grad_cache__of_several_ranks_equals_the_joined_batch(ranks, name):
    for dtype, num_chunks in ACCUMULATIONS[len(ranks)]:
        assert_accumulated(ranks, name, dtype, num_chunks)


@pytest.mark.slow
@pytest.mark.distributed
def test_grad_cache__of_uneven_ranks_equals_the_joined_batch_at_every_accumulation(tmp_path):
    run_in_worlds(work_accumulated, tuple(SPLITS), tmp_path)
    for world_size in SPLITS:
        ranks = load_ranks(tmp_path, world_size)
        for name in CASES:
            for dtype, num_chunks in EVERY_ACCUMULATION:
                assert_accumulated(ranks, name, dtype, num_chunks)


@pytest.mark.distributed
def test_grad_cache__gives_ddp_the_gradient_of_the_joined_batch(ranks):
    expected = train_with_ddp(0, 0, NUM_ROWS)
    for rank in ranks:
        for name, grad in rank["ddp"].items():
            assert_near(grad, expected[name], WIDE, name)


@pytest.mark.distributed
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nan", "MV1852: x holds NaN or Inf{where} - look for"),
        ("weights", "MV1803: a weight is negative or not finite{where} -"),
        ("ids", "MV1803: rank {last} refused its batch"),
        ("table", "MV1802: ranks differ in related concepts: [0, "),
    ],
)
def test_loss__refuses_on_every_rank_what_is_wrong_on_one(ranks, fault, message):
    last = len(ranks) - 1
    if last == 0:
        pytest.skip("one rank has nobody to wait for it")
    expected = message.format(last=last, where=f" on rank {last}")
    messages = [rank["refusals"][fault] for rank in ranks]
    assert all(expected in each for each in messages[:last])
    assert messages[last].startswith(expected[:7])
