"""A run says what its model and thresholds were chosen on, and judges no case by itself."""

import json
from pathlib import Path

import pytest
import yaml

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.config.selection import SelectionRecord
from medvlp.config.selection_file import SELECTION_FILE, read_selection_file
from medvlp.io import content_sha256, read_csv
from medvlp.models.bundle_schema import Provenance
from medvlp.phantoms.chest.files import write_phantom_png
from tests.config.task_documents import finding_task
from tests.pipelines.radiograph_samples import CLASSES, chest, write_model

CHOSEN = SelectionRecord(
    chosen="checkpoint",
    rule="largest of the validated steps",
    metric="validation/auroc",
    mode="max",
    value=0.8,
    step=12,
    split="test",
    number=3,
    content_sha256=("ab" * 32,),
    on_test=True,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("choices")
    (root / "in").mkdir()
    for seed in range(3):
        write_phantom_png(root / "in" / f"{'abc'[seed]}.png", chest(seed))
    write_model(root / "model", provenance=Provenance(medvlp_version="0", selection=CHOSEN))
    write_task(root / "task.yaml")
    assert zero_shot(root, "task.yaml", "first") == 0
    return root


def write_task(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump(finding_task(classes=CLASSES, **changes)))


def zero_shot(root: Path, task: str, out: str) -> int:
    words = ["zero-shot", str(root / "in"), "--model", str(root / "model")]
    return main([*words, "--task", str(root / task), "--out", str(root / out)])


def record(root: Path, out: str) -> dict:
    return json.loads((root / out / "run.json").read_text())


def test_run__says_what_its_checkpoint_was_chosen_on(place):
    (told,) = record(place, "first")["selections"]
    assert (told["model"], told["task"], told["source"]) == ("tiny-chest", "", "the model")
    assert (told["metric"], told["split"], told["on_test"]) == ("validation/auroc", "test", True)
    assert (
        "Chosen on the test set, as a user has allowed"
        in (place / "first" / "report.html").read_text()
    )


def test_run__takes_thresholds_of_findings_and_refuses_the_cases_they_are_from(place, capsys):
    shares = {
        row.case_id: row.probabilities["effusion"] for row in read_predictions(place / "first")
    }
    low, high = sorted(("a.png", "b.png"), key=shares.__getitem__)
    (place / "labels.csv").write_text(
        f"case_id,effusion,nodule,coin\n{low},0,1,-1\n{high},1,1,\n", encoding="utf-8"
    )
    words = ["calibrate", str(place / "first"), str(place / "labels.csv"), "--thresholds", "mcc"]
    assert main([*words, "--out", str(place / "t.json")]) == 0
    text = capsys.readouterr().out
    assert "mcc 1.000 on these cases" in text
    assert "nodule: stays at 0.5, labelled present only" in text
    assert "coin: stays at 0.5, no case has a label (0 present, 0 absent, 1 uncertain" in text

    write_task(place / "fitted.yaml", threshold={"from": "t.json"})
    assert zero_shot(place, "fitted.yaml", "second") == 1
    codes = {row["case_id"]: row["code"] for row in read_csv(place / "second" / "failures.csv")}
    assert codes == {"a.png": "MV1523", "b.png": "MV1523"}
    (judged,) = read_predictions(place / "second")
    fitted = json.loads((place / "t.json").read_text())["findings"]["effusion"]["threshold"]
    assert min(shares[low], shares[high]) < fitted < max(shares[low], shares[high])
    assert ("effusion" in judged.findings) == (shares["c.png"] > fitted)
    told = record(place, "second")
    assert told["tasks"][0]["threshold"]["values"]["effusion"] == fitted
    checkpoint, threshold = told["selections"]
    assert checkpoint["chosen"] == "checkpoint"
    assert (threshold["chosen"], threshold["task"]) == ("threshold", "chest-findings")
    hashes = [content_sha256(place / "in" / name) for name in ("a.png", "b.png")]
    assert threshold["content_sha256"] == sorted(hashes)


def test_run__refuses_thresholds_that_lack_a_finding(place, capsys):
    document = json.loads((place / "t.json").read_text())
    del document["findings"]["coin"]
    (place / "u.json").write_text(json.dumps(document))
    write_task(place / "other.yaml", threshold={"from": "u.json"})
    assert zero_shot(place, "other.yaml", "third") == 2
    assert "MV1521" in capsys.readouterr().err


def test_run__refuses_thresholds_that_were_fitted_for_another_model(place, capsys):
    document = json.loads((place / "t.json").read_text())
    document["model"]["weights_sha256"] = "0" * 64
    (place / "v.json").write_text(json.dumps(document))
    write_task(place / "foreign.yaml", threshold={"from": "v.json"})
    assert zero_shot(place, "foreign.yaml", "fourth") == 2
    assert "the weights have hash 000000000000 there" in capsys.readouterr().err


def test_inspect__says_what_models_and_runs_were_chosen_on(place, capsys):
    assert main(["inspect", str(place / "model")]) == 0
    text = capsys.readouterr().out
    words = (
        "checkpoint: largest of the validated steps by validation/auroc 0.8 on 3 cases of test "
        "(the test set, as was allowed)"
    )
    assert words in text
    assert "abab" not in text
    assert main(["inspect", str(place / "first")]) == 0
    assert words in capsys.readouterr().out


def test_embed__writes_what_the_encoder_was_chosen_on_beside_the_features(place):
    words = ["embed", str(place / "in"), "--model", str(place / "model"), "--device", "cpu"]
    assert main([*words, "--out", str(place / "embedded")]) == 0
    assert read_selection_file(place / "embedded" / "features" / "tiny-chest" / SELECTION_FILE) == (
        CHOSEN
    )
