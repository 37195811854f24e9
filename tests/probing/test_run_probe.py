"""What a probe answers to labels that are wrong: an error with a code, or a stated outcome."""

import json

import numpy as np
import pytest

from medvlp.errors import MedvlpError, UsageError
from medvlp.probing.run_probe import run_probe
from medvlp.probing.settings import ProbeSettings
from tests.probing.probe_samples import cohort, write_rows, write_slide

QUICK = {"draws": 5, "folds": 3}


def change(rows, **cells):
    return [{**row, **cells} for row in rows]


def first(rows, **cells):
    return [{**rows[0], **cells}, *rows[1:]]


BAD = {
    "censoring only": ("survival", lambda rows: change(rows, event=0), "MV2324", "all 24"),
    "one event in one patient": (
        "survival",
        lambda rows: first(change(rows, event=0), event=1),
        "MV2324",
        "training part: all 16",
    ),
    "time of zero": ("survival", lambda rows: first(rows, months=0), "MV2325", "months '0'"),
    "negative time": ("survival", lambda rows: first(rows, months=-2), "MV2325", "months '-2'"),
    "event that is none": ("survival", lambda rows: first(rows, event=3), "MV2325", "event '3'"),
    "no times at all": ("survival", lambda rows: change(rows, months=""), "MV2320", "no row"),
    "one class only": ("tumour", lambda rows: change(rows, tumour="benign"), "MV2323", "all 24"),
    "a class of one patient": (
        "tumour",
        lambda rows: first(change(rows, tumour="benign"), tumour="malignant"),
        "MV2323",
        "training part",
    ),
    "no class at all": ("tumour", lambda rows: change(rows, tumour=""), "MV2320", "no row"),
    "a case labelled twice": ("tumour", lambda rows: [*rows, rows[0]], "MV2321", "c000 with 2"),
    "a case labelled twice, differently": (
        "tumour",
        lambda rows: [*rows, {**rows[0], "tumour": "other"}],
        "MV2321",
        "differ in tumour",
    ),
    "ids that match nothing": (
        "tumour",
        lambda rows: [{**row, "case_id": f"x{i}"} for i, row in enumerate(rows)],
        "MV2322",
        "none of its 24 rows",
    ),
    "fewer patients than folds": (
        "tumour",
        lambda rows: [{**row, "patient_id": f"p{i % 2}"} for i, row in enumerate(rows)],
        "MV2326",
        "2 groups",
    ),
    "a patient in train and test": (
        "tumour",
        lambda rows: [
            {**row, "patient_id": f"p{i // 2}", "split": ("train", "test")[i % 2]}
            for i, row in enumerate(rows)
        ],
        "MV2327",
        "12 groups",
    ),
    "a target that is no column": ("tumor", lambda rows: rows, "MV2320", "did you mean 'tumour'"),
}


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    for vector, row in zip(*cohort(24), strict=True):
        write_slide(folder, row["case_id"], [vector])
    return folder


@pytest.mark.parametrize("name", BAD)
def test_run_probe__refuses_with_a_code_and_writes_nothing(name, features, tmp_path):
    target, spoil, code, words = BAD[name]
    labels = write_rows(tmp_path / "labels.csv", spoil(cohort(24)[1]))
    with pytest.raises(MedvlpError, match=words) as caught:
        run_probe(features, labels, target, tmp_path / "out", ProbeSettings(**QUICK))
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def told(features, tmp_path, rows, target="tumour", **settings):
    labels = write_rows(tmp_path / "labels.csv", rows)
    out = tmp_path / "out"
    run_probe(features, labels, target, out, ProbeSettings(**QUICK | settings))
    return json.loads((out / "metrics.json").read_text())


def test_run_probe__takes_several_scans_of_a_patient_as_one_unit(features, tmp_path):
    rows = [{**row, "patient_id": f"p{i // 2}"} for i, row in enumerate(cohort(24)[1])]
    assert told(features, tmp_path, rows)["num_groups"] == 12


def test_run_probe__counts_copies_of_a_file_as_one_patient(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    for vector, row in zip(*cohort(24), strict=True):
        copy_of = "c000" if row["case_id"] == "c001" else row["case_id"]
        write_slide(folder, row["case_id"], [vector], slide_sha256=copy_of.ljust(64, "0"))
    record = told(folder, tmp_path, cohort(24)[1])
    assert record["num_groups"] == 23
    assert any("same content" in note for note in record["notes"])


def test_run_probe__leaves_out_what_has_no_label_and_says_so(features, tmp_path):
    record = told(features, tmp_path, first(cohort(24)[1], tumour=""))
    assert record["notes"] == {"samples without tumour": 1}
    assert record["num_samples"] == 23


def test_run_probe__states_a_site_with_one_class(features, tmp_path):
    rows = cohort(24)[1]
    for row in rows:
        row["site"] = row["tumour"]
    sites = told(features, tmp_path, rows)["by_site"]["embedding"]
    auroc = sites["benign"]["figures"]["auroc"]
    assert auroc["value"] is None
    assert "one class" in auroc["why"]
    assert sites["benign"]["figures"]["specificity"]["value"] is not None


def test_run_probe__states_what_everyone_had(features, tmp_path):
    record = told(features, tmp_path, change(cohort(24)[1], event=1), "survival")
    assert record["num_events"] == 24
    assert np.isfinite(record["results"]["embedding"]["harrell"]["value"])


@pytest.mark.parametrize(
    ("target", "settings", "words"),
    [
        ("survival", {"balanced": True}, "--balanced has no effect"),
        ("survival", {"positive": "x"}, "--positive has no effect"),
        ("tumour", {"head": "mlp"}, "--head has no effect"),
        ("tumour", {"folds": 1}, "--folds is 1"),
        ("tumour", {"draws": 0}, "--draws is 0"),
        ("survival", {"horizons": (0.0,)}, "months above 0"),
    ],
)
def test_run_probe__refuses_settings_without_effect(tmp_path, target, settings, words):
    with pytest.raises(UsageError, match=words):
        run_probe(tmp_path, tmp_path, target, tmp_path / "out", ProbeSettings(**settings))
