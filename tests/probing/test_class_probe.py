import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medvlp.errors import DataError
from medvlp.probing.class_probe import order_classes, probe_class
from medvlp.probing.label_table import read_label_table
from medvlp.probing.logistic import fit_logistic_probe
from medvlp.probing.samples import join_samples
from medvlp.probing.settings import ProbeSettings
from tests.probing.probe_samples import cohort, folder_of, write_rows

QUICK = ProbeSettings(draws=5)


def joined(tmp_path, vectors, rows):
    table = read_label_table(write_rows(tmp_path / "labels.csv", rows))
    return join_samples(folder_of(vectors, [row["case_id"] for row in rows]), table, None), table


def test_probe_class__judges_each_patient_once_by_a_fit_on_others(tmp_path):
    vectors, rows = cohort(60, seed=1)
    found = probe_class(*joined(tmp_path, vectors, rows), "tumour", QUICK)
    assert sorted(found.samples.case_ids) == [row["case_id"] for row in rows]
    assert found.classes == ("benign", "malignant")
    chances = found.probabilities["embedding"][:, 1]
    auroc = found.metrics["results"]["embedding"]["auroc"]["value"]
    assert auroc == pytest.approx(roc_auc_score(found.labels, chances))
    assert auroc > 0.75
    assert len(found.metrics["parts"]) == 5


def test_probe_class__of_a_split_is_the_fit_on_train_and_val(tmp_path):
    vectors, rows = cohort(60)
    for place, row in enumerate(rows):
        row["split"] = ("train", "val", "test")[place % 3]
    samples, table = joined(tmp_path, vectors, rows)
    found = probe_class(samples, table, "tumour", QUICK)
    is_test = np.arange(60) % 3 == 2
    labels = np.array([row["tumour"] == "malignant" for row in rows]).astype(np.int64)
    probe = fit_logistic_probe(
        vectors[~is_test], labels[~is_test], samples.groups[~is_test], num_classes=2
    )
    np.testing.assert_allclose(
        found.probabilities["embedding"], probe.probabilities(vectors[is_test])
    )
    assert found.parts == ("test",) * 20


def test_probe_class__finds_nothing_in_noise_that_copies_of_patients_repeat(tmp_path):
    # Each patient has four equal samples and a random class: a probe that tore patients apart
    # would remember them and reach an AUROC near 1.
    rng = np.random.default_rng(0)
    vectors, rows = [], []
    for patient in range(40):
        vector, label = rng.standard_normal(20), rng.integers(0, 2)
        for copy in range(4):
            vectors.append(vector)
            rows.append(
                {
                    "case_id": f"{patient}_{copy}",
                    "patient_id": f"p{patient}",
                    "label": str(label),
                }
            )
    samples, table = joined(tmp_path, vectors, rows)
    auroc = probe_class(samples, table, "label", QUICK).metrics["results"]["embedding"]["auroc"]
    assert auroc["value"] < 0.7


def test_probe_class__compares_radiomics_on_the_same_cases(tmp_path):
    vectors, rows = cohort(80, strength=0.8)
    rng = np.random.default_rng(4)
    table = write_rows(
        tmp_path / "radiomics.csv",
        [
            {"case_id": row["case_id"], "x": 2.0 * (row["tumour"] == "malignant") + rng.normal()}
            for row in rows[5:]
        ],
    )
    settings = ProbeSettings(draws=5, radiomics=table)
    found = probe_class(*joined(tmp_path, vectors, rows), "tumour", settings)
    results = found.metrics["results"]
    assert list(results) == ["embedding", "radiomics", "fusion"]
    assert len(found.labels) == 75
    value = {name: figures["auroc"]["value"] for name, figures in results.items()}
    assert value["fusion"] > value["embedding"] + 0.1
    assert value["radiomics"] > value["embedding"] + 0.1
    difference = found.metrics["differences"]["auroc of fusion minus embedding"]
    assert difference["value"] == pytest.approx(value["fusion"] - value["embedding"])
    assert difference["low"] < difference["high"]


def test_probe_class__gives_figures_by_site_and_for_three_classes(tmp_path):
    vectors, rows = cohort(90)
    for place, row in enumerate(rows):
        row["grade"] = str(place % 3)
        vectors[place, 1] += 2 * (place % 3)
    found = probe_class(*joined(tmp_path, vectors, rows), "grade", QUICK)
    figures = found.metrics["results"]["embedding"]
    assert figures["auroc_macro"]["value"] > 0.8
    assert figures["npv[2]"]["value"] is not None
    by_site = found.metrics["by_site"]["embedding"]
    assert {site: told["num_samples"] for site, told in by_site.items()} == {"A": 45, "B": 45}


def test_order_classes__puts_numbers_by_value_and_the_positive_last(tmp_path):
    _, table = joined(tmp_path, *cohort(2))
    assert order_classes(["10", "9", "2"], None, table) == ["2", "9", "10"]
    assert order_classes(["tumour", "normal"], "tumour", table) == ["normal", "tumour"]
    assert order_classes(["cancer", "normal"], "cancer", table) == ["normal", "cancer"]
    with pytest.raises(DataError, match=r"MV2320.*did you mean 'normal'"):
        order_classes(["cancer", "normal"], "norms", table)
    with pytest.raises(DataError, match=r"MV2323.*all 2 samples are of the class 'a'"):
        order_classes(["a", "a"], None, table)
