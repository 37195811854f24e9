"""What ``medvlp calibrate`` prints and writes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.cli.main import main
from tests.pipelines.run_samples import FINDINGS, write_labels, write_run

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


def test_calibrate__fits_a_threshold_for_each_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", SHARES, **FINDINGS)
    table = tmp_path / "labels.csv"
    table.write_text("case_id,fluid,nodule,split\ns0.svs,1,1,val\ns1.svs,0,1,val\ns3.svs,,-1,val\n")
    words = ["calibrate", str(tmp_path / "run"), str(table), "--out", str(tmp_path / "t.json")]
    assert main([*words, "--thresholds", "max-f1"]) == 0
    text = capsys.readouterr().out
    assert "fluid: 0.45, max-f1 1.000 on these cases, 1.000 before (1 present, 1 absent, 1" in text
    assert "left out: 1 rows without a finding with a label" in text
    assert "nodule: stays at 0.5, labelled present only (2 present, 0 absent, 1 uncertain)" in text
    assert "coin: stays at 0.5, the table has no column for it" in text
    assert json.loads((tmp_path / "t.json").read_text())["cases"]["split"] == "val"
    for more in (["--fit", "threshold"], ["--alpha", "0.1"]):
        assert main([*words, "--thresholds", "mcc", *more]) == 2
        assert "has no effect with --thresholds" in capsys.readouterr().err


@pytest.mark.parametrize("fit", [["--thresholds", "mcc"], ["--alpha", "0.4"]])
def test_calibrate__refuses_the_test_set_without_the_flag_that_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fit: list[str]
) -> None:
    changes = FINDINGS if "--thresholds" in fit else {}
    write_run(tmp_path / "run", SHARES, **changes)
    table = tmp_path / "labels.csv"
    rows = ("s0.svs,CC,1,validation", "s1.svs,PAP,0,test", "s2.svs,CC,1,test")
    table.write_text("\n".join(["case_id,label,fluid,split", *rows]) + "\n")
    out = tmp_path / "c.json"
    words = ["calibrate", str(tmp_path / "run"), str(table), "--out", str(out), *fit]
    assert main(words) == 2
    assert "MV1150: " in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--allow-selection-on-test"]) == 0
    assert "fitted on the test set, as was allowed" in capsys.readouterr().out
    assert json.loads(out.read_text())["cases"]["on_test"] is True
