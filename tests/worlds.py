"""Run a function on several ranks, joined by gloo, for tests of what ranks do together.

One fresh process imports everything once and forks the ranks of each world from itself, which costs
one import of torch in place of one per rank.
"""

import multiprocessing
import time

import torch
import torch.distributed as dist


def run_in_worlds(function, world_sizes, folder, *, patience_s=120):
    """Call ``function(rank, world_size, folder)`` on every rank of every world; fail if one fails.

    ``function`` must be importable: defined at the top level of a module. The ranks of a world have
    ``patience_s`` seconds together.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=_run_worlds, args=(function, world_sizes, folder, patience_s)
    )
    process.start()
    process.join()
    assert process.exitcode == 0, "a rank failed; its traceback is above"


def _run_worlds(function, world_sizes, folder, patience_s):
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    for world_size in world_sizes:
        ranks = [
            context.Process(target=_run_rank, args=(function, rank, world_size, folder))
            for rank in range(world_size)
        ]
        for process in ranks:
            process.start()
        until = time.monotonic() + patience_s
        for process in ranks:
            process.join(max(until - time.monotonic(), 0))
        failed = [rank for rank, process in enumerate(ranks) if process.exitcode != 0]
        for process in ranks:
            process.kill()
        assert not failed, f"ranks {failed} of {world_size} failed"


def _run_rank(function, rank, world_size, folder):
    store = f"file://{folder}/store{world_size}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world_size)
    function(rank, world_size, folder)
    dist.destroy_process_group()
