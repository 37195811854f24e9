"""A loader gives each rank its share of one order, which can be taken up again."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from torch.utils.data import Dataset

from medvlp.data.loading import ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.data.sampler import Draw
from medvlp.errors import DataError


@dataclass(frozen=True)
class Trainer:
    global_rank: int
    world_size: int


class Names(Dataset):
    def __getitem__(self, draw: Draw) -> str:
        return f"{draw.epoch}:{draw.index}"


def load(trainer: Trainer | None = None, *, batch_size: int = 4, data_hash: str = "a"):
    order = OrderSettings(seed=3, batch_size=batch_size)
    return ordered_loader(
        Names(), order, list, num_samples=10, data_hash=data_hash, num_workers=0, trainer=trainer
    )


def test_ordered_loader__gives_ranks_the_parts_of_the_batches_of_one_process() -> None:
    whole = list(load())
    assert [len(batch) for batch in whole] == [4, 4]
    parts = [list(load(Trainer(rank, 2))) for rank in (0, 1)]
    assert [one + two for one, two in zip(*parts, strict=True)] == whole


def test_ordered_loader__goes_on_where_a_state_stands_on_the_same_data_only() -> None:
    first = load().batch_sampler
    first.advance(1)
    resumed = load()
    resumed.batch_sampler.load_state(first.state())
    assert list(resumed) == list(load())[1:]
    with pytest.raises(DataError, match="MV1752"):
        load(data_hash="b").batch_sampler.load_state(first.state())


def test_ordered_loader__says_where_it_stands_and_is_as_long_as_an_epoch() -> None:
    first = load()
    first.order.advance(1)
    state = json.loads(json.dumps(first.state_dict()))
    assert (state["epoch"], state["samples_consumed"]) == (0, 4)
    resumed = load(Trainer(1, 2))
    resumed.load_state_dict(state)
    assert len(resumed) == 2
    assert list(resumed) == [batch[2:] for batch in list(load())[1:]]
    resumed.order.advance(1)
    assert resumed.order.epoch == 1
    assert len(list(resumed)) == len(resumed) == 2


def test_ordered_loader__refuses_ranks_that_do_not_divide_a_batch() -> None:
    with pytest.raises(DataError, match="MV1750"):
        load(Trainer(0, 3))


FAILING = """
from medvlp.data.loading import OrderedLoader
from medvlp.data.order import OrderSettings
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.errors import DataError

class Names:
    def __getitem__(self, draw):
        if draw.index == list(ORDER)[1][0].index:
            raise DataError("MV1812", "bad", expected="good", hint="mend")
        return draw.index

def collate(samples):
    if samples[0] == list(ORDER)[1][0].index + 100:
        raise DataError("MV1812", "bad", expected="good", hint="mend")
    return samples

class Later(Names):
    def __getitem__(self, draw):
        return draw.index + 100

ORDER = GlobalOrderSampler(8, OrderSettings(seed=1, batch_size=2))

if __name__ == "__main__":
    for names in (Names(), Later()):
        batches = iter(OrderedLoader(names, ORDER, collate, num_workers=1))
        next(batches)
        try:
            next(batches)
        except DataError as error:
            print(error)
"""


def test_ordered_loader__keeps_the_code_of_what_fails_in_a_worker(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FAILING)
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    expected = ["MV1812: bad; expected good - mend"] * 2
    assert found.stdout.splitlines() == expected, found.stderr[-2000:]


SIGNALLED = """
import multiprocessing.forkserver as server, os, signal
from medvlp.data.loading import OrderedLoader
from medvlp.data.order import OrderSettings
from medvlp.data.sampler import GlobalOrderSampler

class Names:
    def __getitem__(self, draw):
        return draw.index

if __name__ == "__main__":
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    order = GlobalOrderSampler(24, OrderSettings(seed=1, batch_size=2))
    loader = OrderedLoader(Names(), order, list, num_workers=1)
    batches = iter(loader)
    first = next(batches) + next(batches)
    for pid in (loader._iterator._workers[0].pid, server._forkserver._forkserver_pid, os.getpid()):
        os.kill(pid, signal.SIGUSR1)
    print(len(first) + sum(len(batch) for batch in batches), len(seen))
"""


def test_ordered_loader__goes_on_when_all_its_processes_are_signalled(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SIGNALLED)
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert found.stdout.split() == ["24", "1"], found.stderr[-2000:]
