import pytest
import torch

pytest.importorskip("benchmarks.report")
from benchmarks import loss_memory


def row(num_rows, method, seconds, peak_mib):
    return {"rows": num_rows, "method": method, "seconds": seconds, "peak_mib": peak_mib}


def test_ratios__take_the_worst_time_and_the_memory_at_the_largest_size():
    rows = []
    for num_rows, tiled_s in ((10, 1.0), (20, 3.0)):
        rows += [
            row(num_rows, loss_memory.CLIP, 2.0, 100.0),
            row(num_rows, loss_memory.CLIP_DENSE, 1.0, 50.0),
            row(num_rows, loss_memory.CLIP_TILED, tiled_s, num_rows / 10),
            row(num_rows, loss_memory.GROUPED, 3.6, 3.0),
            row(num_rows, loss_memory.SIGLIP, 4.0, 80.0),
            row(num_rows, loss_memory.SIGMOID, 2.0, 8.0),
        ]
    found = loss_memory.ratios(rows)
    assert found["tiled time / ClipLoss"] == 1.5
    assert found["dense time / ClipLoss"] == 0.5
    assert found["groups time / tiled"] == 3.6
    assert found["tiled peak / ClipLoss"] == 0.02
    assert found["sigmoid time / SigLipLoss"] == 0.5
    assert found["sigmoid peak / SigLipLoss"] == 0.1


def test_make_relation__has_60_groups_per_1000_rows_and_ignores_5_percent():
    relation = loss_memory.make_relation(1000)
    group, counts = torch.unique(relation.group, return_counts=True)
    assert group.numel() == 60
    assert counts.max() - counts.min() <= 1
    assert not torch.equal(relation.group, relation.group.sort().values)
    from medvlp.losses.relations import unpack_related

    table = unpack_related(relation.related, group)[:, :60]
    ignored = table[relation.concept][:, relation.concept] & (
        relation.group[:, None] != relation.group
    )
    assert 0.03 <= ignored.double().mean() <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("method", loss_memory.METHODS)
def test_measure__runs_every_method_in_a_fresh_process(method):
    found = loss_memory.measure_in_a_fresh_process(method, 256, 1)
    assert found["seconds"] > 0
    assert found["peak_mib"] >= 0
    assert found["loss"] > 0
