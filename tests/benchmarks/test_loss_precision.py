import json

import pytest

pytest.importorskip("benchmarks.report")
from benchmarks import loss_precision


@pytest.mark.slow
def test_main__reports_and_meets_its_target(tmp_path, capsys):
    path = tmp_path / "out.json"
    assert loss_precision.main(["--rows", "512", "--json", str(path), "--check"]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "target 0.5 %: met" in last
    rows = json.loads(path.read_text())["figures"]["rows"]
    errors = {(row["scale"], row["method"]): row["embeddings_error"] for row in rows}
    assert errors[100.0, "ours tiled"] < 0.005 < errors[100.0, "ClipLoss, bf16 logits"]
