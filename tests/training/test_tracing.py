"""The trace of a run: one line a step, the loss in every bit, closed at the end."""

import json
from types import SimpleNamespace

import torch

from medvlp.training.tracing import TraceSteps


def trainer(step: int) -> SimpleNamespace:
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(total_batch_idx=step))
    return SimpleNamespace(global_rank=1, fit_loop=loop)


def test_trace_steps__writes_a_line_for_each_step_and_goes_on_where_it_ended(tmp_path) -> None:
    for first in (0, 2):
        trace = TraceSteps(tmp_path)
        trace.on_train_start(trainer(first), None)
        for step in (first, first + 1):
            batch = SimpleNamespace(sample_id=torch.tensor([step, 7]))
            trace.on_train_batch_end(trainer(step), None, {"loss": torch.tensor(0.1)}, batch, 0)
        trace.teardown(trainer(0), None, "fit")
    lines = (tmp_path / "trace" / "rank_1.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [entry["step"] for entry in found] == [0, 1, 2, 3]
    assert found[3]["samples"] == [3, 7]
    assert float.fromhex(found[0]["loss"]) == float(torch.tensor(0.1))


def test_trace_steps__drops_the_line_in_which_its_process_was_killed(tmp_path) -> None:
    path = tmp_path / "trace" / "rank_1.jsonl"
    path.parent.mkdir()
    for left, kept in (('{"step": 0}\n{"step": 1', '{"step": 0}\n'), ('{"st', ""), ("a\n", "a\n")):
        path.write_text(left)
        trace = TraceSteps(tmp_path)
        trace.on_train_start(trainer(0), None)
        trace.teardown(trainer(0), None, "fit")
        assert path.read_text() == kept
