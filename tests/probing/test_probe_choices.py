"""A probe says where its penalty was chosen, and judges no case that its encoder was chosen on."""

import json
from pathlib import Path

import pytest

from medvlp.cli.main import main
from medvlp.config.selection import SelectionRecord
from medvlp.config.selection_file import write_selection_file
from medvlp.errors import DataError
from medvlp.probing.run_probe import run_probe
from medvlp.probing.settings import ProbeSettings
from tests.probing.probe_samples import write_cohort, write_rows


def choice(*cases: str, **changes) -> SelectionRecord:
    values = {
        "chosen": "checkpoint",
        "rule": "largest",
        "metric": "validation/auroc",
        "mode": "max",
        "split": "validation",
        "content_sha256": tuple(name.ljust(64, "0") for name in cases),
    }
    return SelectionRecord(**(values | changes))


def probe(place, out: Path, target: str = "tumour", **settings):
    quick = {"draws": 2, "folds": 3} | settings
    return run_probe(*place, target, out, ProbeSettings(**quick))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), 30)


def test_run_probe__says_that_penalties_are_chosen_on_inner_folds(place, tmp_path):
    told = probe(place, tmp_path / "out")["selection"]
    assert told["known"] is False
    assert told["warnings"] == []
    assert [found["split"] for found in told["chosen"]] == [
        f"training part of fold {k}" for k in (1, 2, 3)
    ]
    first = told["chosen"][0]
    assert (first["chosen"], first["metric"], first["number"]) == ("penalty", "cross-entropy", 20)
    assert "judged samples were not looked at" in first["rule"]
    assert first["on_test"] is False


@pytest.mark.parametrize(("head", "chosen"), [("linear", "penalty"), ("mlp", "steps")])
def test_run_probe__says_the_same_of_survival(place, tmp_path, head, chosen):
    told = probe(place, tmp_path / "out", "survival", head=head, horizons=(6.0,))["selection"]
    assert {found["chosen"] for found in told["chosen"]} == {chosen}
    assert told["chosen"][0]["metric"] == "partial likelihood"


def test_run_probe__refuses_cases_that_the_encoder_was_chosen_on(tmp_path):
    features, labels = write_cohort(tmp_path, 30)
    write_selection_file(features, choice("c003", "c011", "dddd"))
    with pytest.raises(DataError, match=r"2 of the 30 cases .*: ") as caught:
        probe((features, labels), tmp_path / "out")
    assert caught.value.code == "MV1153"
    assert not (tmp_path / "out").exists()
    told = probe((features, labels), tmp_path / "out", allow_selection_on_test=True)["selection"]
    assert told["allowed_on_test"] is True
    assert told["chosen"][0]["case_ids"] == ["c003", "c011"]
    stored = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert stored["selection"] == told


def test_run_probe__judges_the_others_where_such_cases_are_fitted_only(tmp_path):
    features, labels = write_cohort(tmp_path, 30)
    rows = [
        dict(zip(labels.read_text().splitlines()[0].split(","), line.split(","), strict=True))
        for line in labels.read_text().splitlines()[1:]
    ]
    rows = [{**row, "split": "val" if i < 20 else "test"} for i, row in enumerate(rows)]
    split = write_rows(tmp_path / "split.csv", rows)
    write_selection_file(features, choice("c003"))
    told = probe((features, split), tmp_path / "out")["selection"]
    assert told["chosen"][0]["num_judged_here"] == 0
    assert told["chosen"][1]["split"] == "training part of test"
    write_selection_file(features, choice("c025"))
    with pytest.raises(DataError, match=r"1 of the 10 cases .*: c025"):
        probe((features, split), tmp_path / "other")


def test_probe__prints_that_the_encoder_was_chosen_on_a_test_set(tmp_path, capsys):
    features, labels = write_cohort(tmp_path, 30)
    write_selection_file(features, choice("dddd", split="test", on_test=True))
    words = ["probe", str(features), str(labels), "--target", "tumour", "--draws", "2"]
    assert main([*words, "--folds", "2", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "chosen on the test set, as was allowed: checkpoint: largest by" in text


def test_run_probe__finds_the_choice_in_the_run_that_made_the_features(tmp_path):
    features, labels = write_cohort(tmp_path, 30)
    record = choice("c003").model_dump(mode="json") | {"task": "", "source": "the model"}
    record["model"] = features.name
    (tmp_path / "run.json").write_text(json.dumps({"selections": [record]}))
    with pytest.raises(DataError, match=r"1 of the 30 cases .*: c003"):
        probe((features, labels), tmp_path / "out")
