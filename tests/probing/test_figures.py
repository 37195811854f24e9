import numpy as np
import pytest
from sklearn import metrics as sk

from medvlp.metrics import softmax_report
from medvlp.probing.figures import Resampling, binary_figures, class_figures, figure_of, figures_by


def cases(seed=0, num=80):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, num)
    scores = np.clip(rng.random(num) * 0.7 + 0.3 * labels, 0, 1)
    groups = rng.integers(0, 30, num).astype(str)
    return labels, (scores > 0.5).astype(np.int64), scores, Resampling(groups, draws=20)


def test_binary_figures__equal_scikit_learn():
    labels, guesses, scores, resampling = cases()
    found = {
        name: f.value for name, f in binary_figures(labels, guesses, scores, resampling).items()
    }
    (tn, fp), (fn, tp) = sk.confusion_matrix(labels, guesses)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, scores))
    assert found["specificity"] == pytest.approx(tn / (tn + fp))
    assert found["npv"] == pytest.approx(tn / (tn + fn))
    assert found["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert found["ppv"] == pytest.approx(tp / (tp + fp))
    assert found["f1"] == pytest.approx(sk.f1_score(labels, guesses))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, guesses))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(labels, scores))


def test_binary_figures__have_the_true_specificity_of_the_reference(vectors):
    case = np.load(vectors / "renalclip_metrics__c01.npz")
    known = case["labels"] >= 0
    logits, labels = case["logits"][known].astype(float), case["labels"][known]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    resampling = Resampling(np.arange(len(labels)).astype(str), draws=5)
    found = binary_figures(labels, logits.argmax(axis=1), chances[:, 1], resampling)
    assert found["specificity"].value == pytest.approx(float(case["specificity_true"]))
    assert found["npv"].value == pytest.approx(float(case["npv"]))
    assert found["specificity"].value != pytest.approx(float(case["specificity"]))
    for ours, theirs in (("auroc", "roc_auc"), ("pr_auc", "pr_auc"), ("f1", "f1_score")):
        assert found[ours].value == pytest.approx(float(case[theirs]))


def test_class_figures__equal_the_report_for_four_classes(vectors):
    case = np.load(vectors / "renalclip_metrics__c02.npz")
    known = case["labels"] >= 0
    logits, labels = case["logits"][known].astype(float), case["labels"][known]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    resampling = Resampling(np.arange(len(labels)).astype(str), draws=5)
    names = ["a", "b", "c", "d"]
    found = class_figures(labels, logits.argmax(axis=1), chances, names, resampling)
    assert found["auroc_macro"].value == pytest.approx(float(case["roc_auc"]))
    assert found["f1_macro"].value == pytest.approx(float(case["f1_score"]))
    report = softmax_report(logits, labels)
    mean = np.mean([found[f"specificity[{name}]"].value for name in names])
    assert mean == pytest.approx(report.specificity)
    assert mean == pytest.approx(float(case["specificity"]))


def test_figure_of__draws_patients_not_samples():
    # Twenty copies of six patients: samples as units would make the interval far too narrow.
    values = np.repeat([0.0, 1, 2, 3, 4, 5], 20)
    patients = np.repeat(np.arange(6), 20).astype(str)

    def mean(x):
        return float(np.mean(x))

    by_patient = figure_of(mean, [values], Resampling(patients, draws=400))
    by_sample = figure_of(mean, [values], Resampling(np.arange(120).astype(str), draws=400))
    assert by_patient.value == by_sample.value == 2.5
    assert by_patient.high - by_patient.low > 3 * (by_sample.high - by_sample.low)


def test_figure_of__states_why_there_is_no_value_or_interval():
    labels, guesses, scores, resampling = cases()
    found = binary_figures(0 * labels, guesses, scores, resampling)
    assert found["auroc"].value is None
    assert "one class" in found["auroc"].why
    assert found["sensitivity"].record() == {
        "value": None,
        "low": None,
        "high": None,
        "why": "sensitivity has an empty denominator",
    }
    assert found["specificity"].value is not None
    alone = Resampling(np.full(len(labels), "p"), draws=5)
    figure = binary_figures(labels, guesses, scores, alone)["auroc"]
    assert (figure.low, figure.value is not None) == (None, True)
    assert "one patient" in figure.why


def test_figures_by__parts_sites_and_names_the_missing():
    labels, guesses, scores, resampling = cases()
    sites = ["A", "B", "", "A"] * 20

    def measure(keep):
        return binary_figures(labels[keep], guesses[keep], scores[keep], resampling.select(keep))

    found = figures_by(sites, measure)
    assert {name: told["num_samples"] for name, told in found.items()} == {
        "(not stated)": 20,
        "A": 40,
        "B": 20,
    }
    keep = np.array(sites) == "A"
    expected = sk.roc_auc_score(labels[keep], scores[keep])
    assert found["A"]["figures"]["auroc"]["value"] == pytest.approx(expected)
