import json

from medvlp.cli.main import main
from tests.probing.probe_samples import write_rows
from tests.probing.test_evaluation import labels_of, write_run


def test_evaluate__prints_figures_by_site_and_writes_them(tmp_path, capsys):
    truth, _ = write_run(tmp_path)
    labels = labels_of(tmp_path / "labels.csv", truth)
    words = ["evaluate", str(tmp_path), str(labels), "--draws", "5"]
    assert main([*words, "--out", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "detection with m: 60 cases" in told
    assert "specificity" in told
    assert "site A: 30" in told
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "out.json").read_text())


def test_evaluate__refuses_with_the_code(tmp_path, capsys):
    write_run(tmp_path)
    labels = write_rows(tmp_path / "labels.csv", [{"case_id": "x", "label": "normal"}])
    assert main(["evaluate", str(tmp_path), str(labels)]) == 1
    assert "MV2322" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), str(labels), "--draws", "0"]) == 2
    assert "MV1002" in capsys.readouterr().err
