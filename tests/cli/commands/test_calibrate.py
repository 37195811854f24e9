"""What ``medvlp calibrate`` prints and writes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.cli.main import main
from tests.pipelines.run_samples import write_labels, write_run

SHARES = np.asarray([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])


def calibrate(folder: Path, labels: list[str], *more: str) -> int:
    write_run(folder / "run", SHARES)
    table = write_labels(folder / "labels.csv", labels)
    return main(
        ["calibrate", str(folder / "run"), str(table), "--out", str(folder / "c.json"), *more]
    )


def test_calibrate__prints_what_the_calibration_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(tmp_path, ["CC", "PAP", "PAP", "Normal"], "--alpha", "0.4") == 0
    text = capsys.readouterr().out
    for words in (
        *("rcc with tiny: 4 cases of 4 groups", "temperature", "accuracy 0.750"),
        *("on left-out folds", "prediction sets (lac) hold the true class in", "wanted 0.6"),
    ):
        assert words in text
    assert json.loads((tmp_path / "c.json").read_text())["sets"]["alpha"] == 0.4


def test_calibrate__measures_how_often_nodes_are_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(tmp_path, ["CC", "PAP", "PAP", "Normal"], "--confidence", "0.6") == 0
    assert "nodes at confidence 0.6 hold the true class in" in capsys.readouterr().out
    nodes = json.loads((tmp_path / "c.json").read_text())["nodes"]
    assert nodes["graph_sha256"] == ""
    assert nodes["share_at_class"] + nodes["share_at_root"] == pytest.approx(1)


def test_calibrate__says_where_cases_are_too_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(tmp_path, ["CC", "PAP", "CC", "Normal"]) == 0
    text = capsys.readouterr().out
    assert "need 9 cases and there are 4: every set will hold all classes" in text
    assert "every case is right" in text
    assert json.loads((tmp_path / "c.json").read_text())["sets"]["threshold"] is None


def test_calibrate__prints_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(tmp_path, ["CC", "PAP", "PAP", "Normal"], "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "c.json").read_text())


def test_calibrate__fits_a_threshold_of_tiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", SHARES, head="segmentation")
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    table = write_labels(tmp_path / "masks.csv", ["m.png"], column="mask")
    words = ["calibrate", str(tmp_path / "run"), str(table), "--out", str(tmp_path / "t.json")]
    assert main([*words, "--fit", "threshold"]) == 0
    text = capsys.readouterr().out
    assert "threshold 0.4500 for CC: sensitivity + specificity - 1 is 1.000" in text
    assert "left out: 3 predictions without a row" in text


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--alpha", "0"], 2, "MV1002: --alpha is 0"),
        (["--model", "other"], 2, "MV1522"),
        (["--fit", "threshold"], 1, "MV1524"),
        (["--fit", "threshold", "--alpha", "0.1"], 2, "--alpha has no effect with --fit"),
        (["--confidence", "1.5"], 2, "MV1002: --confidence is 1.5"),
    ],
)
def test_calibrate__refuses_what_cannot_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, words: str
) -> None:
    assert calibrate(tmp_path, ["CC", "PAP", "PAP", "Normal"], *more) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "c.json").exists()
