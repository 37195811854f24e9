"""Cases that something was chosen on are refused by content, or judged with a flag that stays."""

import json
from pathlib import Path

import numpy as np
import pytest

from medvlp.cli.main import main
from medvlp.config.run_selections import run_selection
from medvlp.config.selection import SelectionRecord, case_id_sha256
from medvlp.errors import ConfigError, DataError, MedvlpError
from medvlp.io import content_sha256
from medvlp.probing.chosen_cases import check_chosen, read_run_choices
from medvlp.probing.evaluation import EvaluationSettings, evaluate_run
from tests.pipelines.run_samples import FINDINGS, slide_sha256, write_labels, write_run

LABELS = ["CC", "PAP", "CC", "Normal", "PAP", "CC"]
QUICK = EvaluationSettings(draws=5)
ALLOWED = EvaluationSettings(draws=5, allow_selection_on_test=True)


def shares() -> np.ndarray:
    own = np.eye(3)[["CC PAP Normal".split().index(label) for label in LABELS]]
    return 0.6 * own + 0.4 / 3


def choice(**changes) -> SelectionRecord:
    values = {
        "chosen": "temperature",
        "rule": "smallest",
        "metric": "nll",
        "mode": "min",
        "split": "validation",
        "number": 2,
    }
    return SelectionRecord(**(values | changes))


def selected(*records: SelectionRecord, task: str = "rcc", source: str = "c.json"):
    return tuple(run_selection(one, model="tiny", task=task, source=source) for one in records)


def write(folder: Path, *records: SelectionRecord, **places) -> tuple[Path, Path]:
    write_run(folder / "run", shares(), selections=selected(*records, **places))
    return folder / "run", write_labels(folder / "labels.csv", LABELS)


def test_evaluate_run__refuses_cases_that_something_was_chosen_on(tmp_path):
    record = choice(content_sha256=(slide_sha256(1), slide_sha256(4), "e" * 64))
    run, labels = write(tmp_path, record)
    with pytest.raises(DataError, match=r"2 of the 6 cases .*: s1\.svs, s4\.svs") as caught:
        evaluate_run(run, labels, QUICK)
    assert caught.value.code == "MV1153"
    assert "temperature: smallest by nll on 2 cases of validation" in str(caught.value)
    kept = write_labels(tmp_path / "kept.csv", ["CC", "", "CC", "Normal", "", "CC"])
    (found,) = evaluate_run(run, kept, QUICK)
    assert found["selection"]["warnings"] == []
    assert found["selection"]["chosen"][0]["num_judged_here"] == 0


def test_evaluate_run__judges_them_with_a_flag_that_stands_in_the_record(tmp_path):
    run, labels = write(tmp_path, choice(content_sha256=(slide_sha256(1),)))
    (found,) = evaluate_run(run, labels, ALLOWED)
    told = found["selection"]
    assert told["allowed_on_test"] is True
    assert told["chosen"][0]["case_ids"] == ["s1.svs"]
    (warning,) = told["warnings"]
    assert warning.startswith("1 of 6 cases are among those that this was chosen on")
    assert found["num_cases"] == 6


def test_evaluate_run__looks_at_the_choices_of_its_own_model_and_task(tmp_path):
    record = choice(content_sha256=(slide_sha256(1),))
    run, labels = write(tmp_path, record, task="other")
    (found,) = evaluate_run(run, labels, QUICK)
    assert found["selection"]["chosen"] == []
    run, labels = write(tmp_path / "all", record, task="")
    with pytest.raises(DataError, match="1 of the 6 cases"):
        evaluate_run(run, labels, QUICK)


def test_evaluate_run__knows_cases_by_name_within_the_same_table(tmp_path):
    labels = write_labels(tmp_path / "labels.csv", LABELS)
    own = content_sha256(labels)
    record = choice(case_id_sha256=(case_id_sha256("s2.svs"),), data_sha256=own)
    run, _ = write(tmp_path / "a", record)
    with pytest.raises(DataError, match=r"1 of the 6 cases .*: s2\.svs"):
        evaluate_run(run, labels, QUICK)
    other = choice(case_id_sha256=(case_id_sha256("s2.svs"),), data_sha256="0" * 64)
    run, _ = write(tmp_path / "b", other)
    assert evaluate_run(run, labels, QUICK)


def test_evaluate_run__counts_only_cases_with_a_label_of_a_finding(tmp_path):
    record = choice(content_sha256=(slide_sha256(0), slide_sha256(1)))
    place = selected(record, task="chest")
    write_run(tmp_path / "run", shares(), selections=place, **FINDINGS)
    table = tmp_path / "labels.csv"
    table.write_text("case_id,fluid,coin\ns0.svs,-1,\ns2.svs,1,\ns3.svs,0,\n")
    assert evaluate_run(tmp_path / "run", table, QUICK)
    table.write_text("case_id,fluid,coin\ns0.svs,-1,0\ns2.svs,1,\ns3.svs,0,1\n")
    with pytest.raises(DataError, match=r"1 of the 3 cases .*: s0\.svs"):
        evaluate_run(tmp_path / "run", table, QUICK)


def test_evaluate__prints_what_was_chosen_on_the_test_set(tmp_path, capsys):
    record = choice(chosen="checkpoint", rule="largest", metric="validation/auroc", mode="max",
                    split="test", on_test=True, content_sha256=(slide_sha256(1),))  # fmt: skip
    run, labels = write(tmp_path, record, task="", source="the model")
    words = ["evaluate", str(run), str(labels), "--draws", "5"]
    assert main(words) == 1
    assert "MV1153" in capsys.readouterr().err
    assert main([*words, "--allow-selection-on-test"]) == 0
    text = capsys.readouterr().out
    assert "1 of 6 cases are among those that this was chosen on, as was allowed" in text
    assert "chosen on the test set, as was allowed: checkpoint: largest by validation/auroc" in text
    kept = write_labels(tmp_path / "kept.csv", ["CC", "", "CC", "Normal", "PAP", "CC"])
    assert main(["evaluate", str(run), str(kept), "--draws", "5"]) == 0
    assert "chosen on the test set, as was allowed" in capsys.readouterr().out


def test_read_run_choices__says_where_nothing_is_on_record(tmp_path):
    write_run(tmp_path / "run", shares())
    choices = read_run_choices(tmp_path / "run")
    assert choices.selections is None
    told = check_chosen(choices, "tiny", "rcc", ["s0.svs"], labels_sha256="", is_allowed=False)
    assert told["known"] is False
    assert "not known what was chosen" in told["warnings"][0]
    lone = tmp_path / "predictions.csv"
    lone.write_bytes((tmp_path / "run" / "predictions.csv").read_bytes())
    assert read_run_choices(lone).selections is None


def test_read_run_choices__refuses_a_record_that_is_none(tmp_path):
    run, _ = write(tmp_path, choice())
    path = run / "run.json"
    document = json.loads(path.read_text())
    document["selections"][0]["chosen"] = "weather"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"run\.json"):
        read_run_choices(run)
    document["selections"] = ["x"]
    path.write_text(json.dumps(document))
    with pytest.raises(MedvlpError, match="is no choice") as caught:
        read_run_choices(run)
    assert caught.value.code == "MV1102"


def test_check_chosen__names_ten_cases_and_counts_the_rest(tmp_path):
    record = choice(content_sha256=tuple(slide_sha256(n) for n in range(6)))
    run, _ = write(tmp_path, record)
    choices = read_run_choices(run)
    many = {f"c{n}": slide_sha256(n % 6) for n in range(13)}
    choices = type(choices)(choices.selections, many)
    with pytest.raises(DataError, match=r"13 of the 13 .* c9 and 3 more"):
        check_chosen(choices, "tiny", "rcc", list(many), labels_sha256="", is_allowed=False)
