import json

import numpy as np
import pytest
from sklearn import metrics as sk

from medvlp.config.run_tables import write_run_tables
from medvlp.config.runs import PredictionRow
from medvlp.errors import MedvlpError, UsageError
from medvlp.probing.evaluation import EvaluationSettings, evaluate_run
from tests.probing.probe_samples import write_rows

QUICK = {"draws": 5}
CLASSES = ("oncocytoma", "normal", "clear cell")


def write_run(folder, num=60, *, classes=("tumour", "normal"), task="detection", seed=0):
    """Write a run whose probabilities lean to the truth; return the truth per case."""
    rng = np.random.default_rng(seed)
    truth, rows = {}, []
    for i in range(num):
        label = classes[rng.integers(len(classes))]
        scores = rng.random(len(classes)) + 0.5 * (np.array(classes) == label)
        chances = dict(zip(classes, scores / scores.sum(), strict=True))
        truth[f"s{i}.svs"] = label
        rows.append(
            PredictionRow(
                case_id=f"s{i}.svs",
                model="m",
                task=task,
                modality="slide",
                status="diagnosed",
                prediction=max(chances, key=chances.get),
                confidence=max(chances.values()),
                probabilities=chances,
            )
        )
    rows.append(
        PredictionRow(case_id="empty", model="m", task=task, modality="slide", status="no-tissue")
    )
    write_run_tables(folder, rows, [], [])
    (folder / "run.json").write_text(json.dumps({"tasks": [{"name": task, "normal": "normal"}]}))
    return truth, rows


def labels_of(path, truth, **cells):
    return write_rows(
        path,
        [
            {"case_id": n, "label": label, "site": "AB"[i % 2], **cells}
            for i, (n, label) in enumerate(truth.items())
        ],
    )


def test_evaluate_run__of_two_classes_has_the_other_than_normal_as_positive(tmp_path):
    truth, rows = write_run(tmp_path)
    labels = labels_of(tmp_path / "labels.csv", {**truth, "empty": "normal", "gone": "normal"})
    (found,) = evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK))
    assert found["positive"] == "tumour"
    truths = np.array([truth[row.case_id] == "tumour" for row in rows[:-1]])
    scores = np.array([row.probabilities["tumour"] for row in rows[:-1]])
    guesses = np.array([row.prediction == "tumour" for row in rows[:-1]])
    (tn, fp), (fn, tp) = sk.confusion_matrix(truths, guesses)
    value = {name: figure["value"] for name, figure in found["figures"].items()}
    assert value["auroc"] == pytest.approx(sk.roc_auc_score(truths, scores))
    assert value["specificity"] == pytest.approx(tn / (tn + fp))
    assert value["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert value["npv"] == pytest.approx(tn / (tn + fn))
    assert found["notes"] == {
        "cases that the run could not judge": 1,
        "rows of the table without a prediction": 1,
    }
    keep = np.arange(60) % 2 == 0
    at_a = found["by_site"]["A"]["figures"]["auroc"]["value"]
    assert at_a == pytest.approx(sk.roc_auc_score(truths[keep], scores[keep]))


def test_evaluate_run__of_several_classes_and_of_one_against_all(tmp_path):
    truth, rows = write_run(tmp_path, classes=CLASSES)
    labels = labels_of(tmp_path / "labels.csv", truth)
    (found,) = evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK))
    assert found["classes"] == ["normal", "oncocytoma", "clear cell"]
    guesses = [row.prediction for row in rows[:-1]]
    expected = sk.balanced_accuracy_score(list(truth.values()), guesses)
    assert found["figures"]["balanced_accuracy"]["value"] == pytest.approx(expected)
    (one,) = evaluate_run(tmp_path, labels, EvaluationSettings(positive="clear cell", **QUICK))
    truths = [label == "clear cell" for label in truth.values()]
    scores = [row.probabilities["clear cell"] for row in rows[:-1]]
    value = one["figures"]["auroc"]["value"]
    assert value == pytest.approx(sk.roc_auc_score(truths, scores))
    assert one["classes"] == ["not clear cell", "clear cell"]


def test_evaluate_run__takes_findings_one_by_one(tmp_path):
    rng = np.random.default_rng(1)
    rows, table = [], []
    for i in range(40):
        there = rng.integers(0, 2, 2)
        chances = np.clip(rng.random(2) * 0.6 + 0.4 * there, 0, 1)
        names = ("cyst", "stone")
        rows.append(
            PredictionRow(
                case_id=f"c{i}",
                model="m",
                task="t",
                modality="ct",
                status="diagnosed",
                prediction="none",
                findings=tuple(n for n, p in zip(names, chances, strict=True) if p > 0.5),
                probabilities=dict(zip(names, chances.tolist(), strict=True)),
            )
        )
        table.append({"case_id": f"c{i}", "cyst": there[0] if i else -1})
    write_run_tables(tmp_path, rows, [], [])
    labels = write_rows(tmp_path / "labels.csv", table)
    (found,) = evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK))
    told = found["findings"]["cyst"]
    truths, scores = ([r["cyst"] for r in table[1:]], [r.probabilities["cyst"] for r in rows[1:]])
    expected = sk.roc_auc_score(truths, scores)
    assert told["figures"]["auroc"]["value"] == pytest.approx(expected)
    assert (told["num_cases"], found["findings_without_a_column"]) == (39, ["stone"])
    assert found["auroc_mean_of_findings"] == pytest.approx(expected)
    bad = write_rows(tmp_path / "bad.csv", [{"case_id": "c1", "label": "x"}])
    with pytest.raises(MedvlpError, match=r"MV2320.*no column for any finding"):
        evaluate_run(tmp_path, bad, EvaluationSettings(**QUICK))
    bad = write_rows(tmp_path / "bad.csv", [{"case_id": "c1", "cyst": "maybe"}])
    with pytest.raises(MedvlpError, match=r"MV2320.*cyst 'maybe'"):
        evaluate_run(tmp_path, bad, EvaluationSettings(**QUICK))


def test_evaluate_run__draws_patients(tmp_path):
    truth, _ = write_run(tmp_path)
    rows = [
        {"case_id": n, "label": label, "patient_id": f"p{i // 10}"}
        for i, (n, label) in enumerate(truth.items())
    ]
    labels = write_rows(tmp_path / "labels.csv", rows)
    (found,) = evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK))
    assert found["num_groups"] == 6


BAD = {
    "ids that match nothing": ({"x": "normal"}, {}, "MV2322", "none of its 1 cases"),
    "a class that is none": ({"s1.svs": "tumor"}, {}, "MV2320", "did you mean 'tumour'"),
    "no labels": ({"s1.svs": ""}, {}, "MV2320", "no case of the run has a label"),
    "another label column": ({"s1.svs": "normal"}, {"label": "dx"}, "MV2320", "no column 'dx'"),
    "a positive that is none": (
        {"s1.svs": "normal"},
        {"positive": "tumr"},
        "MV2320",
        "did you mean 'tumour'",
    ),
    "a task that is none": ({"s1.svs": "normal"}, {"task": "zz"}, "MV1522", "m with detection"),
    "a group that is none": ({"s1.svs": "normal"}, {"group": "p"}, "MV2320", "no column 'p'"),
}


@pytest.mark.parametrize("name", BAD)
def test_evaluate_run__refuses_with_a_code(name, tmp_path):
    truth, settings, code, words = BAD[name]
    write_run(tmp_path)
    labels = labels_of(tmp_path / "labels.csv", truth)
    with pytest.raises(MedvlpError, match=words) as caught:
        evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK, **settings))
    assert caught.value.code == code
    assert isinstance(caught.value, UsageError) == (code == "MV1522")


def test_evaluate_run__refuses_a_case_with_two_sides(tmp_path):
    write_run(tmp_path)
    rows = [{"case_id": "s1.svs", "side": side, "label": "normal"} for side in "LR"]
    with pytest.raises(MedvlpError, match=r"MV2321.*one per side"):
        evaluate_run(
            tmp_path, write_rows(tmp_path / "labels.csv", rows), EvaluationSettings(**QUICK)
        )


def test_evaluate_run__states_one_class_only(tmp_path):
    truth, _ = write_run(tmp_path)
    labels = labels_of(tmp_path / "labels.csv", dict.fromkeys(truth, "normal"))
    (found,) = evaluate_run(tmp_path, labels, EvaluationSettings(**QUICK))
    assert found["figures"]["auroc"]["value"] is None
    assert "one class" in found["figures"]["auroc"]["why"]
    assert found["figures"]["specificity"]["value"] is not None
