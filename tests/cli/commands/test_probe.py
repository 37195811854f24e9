import json

import pytest

from medvlp.cli.commands.probe import figure_line
from medvlp.cli.main import main
from tests.probing.probe_samples import cohort, write_cohort, write_rows, write_scan


def test_probe__of_a_class_tells_figures_and_where_they_are(tmp_path, capsys):
    features, labels = write_cohort(tmp_path, 30)
    words = ["probe", str(features), str(labels), "--target", "tumour", "--draws", "5"]
    assert main([*words, "--out", str(tmp_path / "out"), "--by", "site"]) == 0
    told = capsys.readouterr().out
    assert "tumour: 30 samples of 30 patients, judged on 5 folds" in told
    assert "auroc" in told
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_probe__of_survival_prints_json(tmp_path, capsys):
    features, labels = write_cohort(tmp_path, 30)
    words = ["probe", str(features), str(labels), "--target", "survival", "--draws", "2"]
    words += ["--horizons", "6", "12", "--folds", "3", "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["horizons_months"] == [6, 12]
    assert record == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert main([*words[:-1]]) == 0
    told = capsys.readouterr().out
    assert "calibration slope" in told
    assert "log-rank p" in told
    assert "by 6 months" in told


def test_probe__of_scans_shows_radiomics_beside_the_embedding(tmp_path, capsys):
    vectors, rows = cohort(24)
    (tmp_path / "features").mkdir()
    for vector, row in zip(vectors, rows, strict=True):
        write_scan(tmp_path / "features", row["case_id"], [vector], ["kidney_left"])
    labels = write_rows(tmp_path / "labels.csv", rows)
    words = ["probe", str(tmp_path / "features"), str(labels), "--target", "tumour"]
    words += ["--draws", "2", "--folds", "2", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "no radiomics to compare with" in capsys.readouterr().out
    sizes = [{"case_id": row["case_id"], "volume": place} for place, row in enumerate(rows)]
    table = write_rows(tmp_path / "radiomics.csv", sizes)
    assert main([*words, "--radiomics", str(table)]) == 0
    told = capsys.readouterr().out
    for name in ("embedding\n", "radiomics\n", "fusion\n", "auroc of fusion minus embedding"):
        assert name in told


def test_probe__refuses_with_the_code(tmp_path, capsys):
    features, labels = write_cohort(tmp_path, 12)
    words = ["probe", str(features), str(labels), "--out", str(tmp_path / "out")]
    assert main([*words, "--target", "tumor"]) == 1
    assert "MV2320" in capsys.readouterr().err
    assert main([*words, "--target", "tumour", "--head", "mlp"]) == 2
    assert "MV1002" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ({"value": 0.5, "low": 0.25, "high": 0.75}, "0.500 (0.250 to 0.750)"),
        ({"value": 0.5, "low": None, "high": None}, "0.500\n"),
        ({"value": None, "low": None, "high": None, "why": "one class"}, "no value: one class"),
    ],
)
def test_figure_line__shows_what_is_known(figure, words):
    assert words in figure_line("auroc", figure)
