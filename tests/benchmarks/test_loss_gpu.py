import pytest
import torch

pytest.importorskip("benchmarks.report")
from benchmarks import loss_gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_main__without_a_gpu_says_so_and_fails_only_a_check(capsys):
    assert loss_gpu.main([]) == 0
    assert capsys.readouterr().out == "no GPU is present: nothing was measured\n"
    assert loss_gpu.main(["--check"]) == 1


def row(method, *, milliseconds=1.0, peak_mib=1.0, out_of_memory=False):
    found = {"method": method, "rows": loss_gpu.JUDGED_ROWS, "out_of_memory": out_of_memory}
    return found if out_of_memory else {**found, "milliseconds": milliseconds, "peak_mib": peak_mib}


def test_judge__compares_at_the_judged_size_and_takes_a_peer_out_of_memory_as_a_result():
    ours = row(loss_gpu.TILED, milliseconds=9.0, peak_mib=4.0)
    text, is_met = loss_gpu.judge([ours, row(loss_gpu.PEER, milliseconds=10.0, peak_mib=100.0)])
    assert is_met
    assert "0.90 times ClipLoss's time, 0.040 of its memory" in text
    _, is_met = loss_gpu.judge([ours, row(loss_gpu.PEER, milliseconds=10.0, peak_mib=79.0)])
    assert not is_met
    text, is_met = loss_gpu.judge([ours, row(loss_gpu.PEER, out_of_memory=True)])
    assert is_met
    assert "ClipLoss is out of memory" in text
    assert loss_gpu.judge([])[1] is False
