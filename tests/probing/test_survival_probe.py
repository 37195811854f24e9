import numpy as np
import pytest
from lifelines.utils import concordance_index

from medvlp.probing.cox import fit_cox_linear
from medvlp.probing.label_table import read_label_table
from medvlp.probing.samples import join_samples
from medvlp.probing.settings import ProbeSettings
from medvlp.probing.survival_probe import probe_survival
from medvlp.probing.survival_targets import SurvivalTargets
from tests.probing.probe_samples import cohort, folder_of, write_rows


def joined(tmp_path, vectors, rows):
    table = read_label_table(write_rows(tmp_path / "labels.csv", rows))
    return join_samples(folder_of(vectors, [row["case_id"] for row in rows]), table, None), table


def test_probe_survival__of_a_split_is_the_head_fitted_on_train(tmp_path):
    vectors, rows = cohort(80)
    is_test = np.arange(80) % 4 == 0
    for row, judged in zip(rows, is_test, strict=True):
        row["split"] = "test" if judged else "train"
    samples, table = joined(tmp_path, vectors, rows)
    found = probe_survival(samples, table, ProbeSettings(draws=10, horizons=(12.0, 24.0, 999.0)))
    months = np.array([row["months"] for row in rows])
    events = np.array([row["event"] for row in rows])
    train = SurvivalTargets(months[~is_test], events[~is_test])
    head = fit_cox_linear(vectors[~is_test], train, samples.groups[~is_test])
    told = found.predictions["embedding"]
    np.testing.assert_allclose(told.log_hazard, head.log_hazard(vectors[is_test]))
    np.testing.assert_allclose(told.at(12.0), head.survival(vectors[is_test], [12.0])[0])
    expected = concordance_index(months[is_test], -told.log_hazard, events[is_test])
    results = found.metrics["results"]["embedding"]
    assert results["harrell"]["value"] == pytest.approx(expected)
    # Curves of one Cox head never cross, so both indices agree.
    assert results["antolini"]["value"] == pytest.approx(expected, abs=0.02)
    assert found.horizons == (12.0, 24.0)
    assert found.metrics["horizons_beyond_follow_up"] == [999.0]


def test_probe_survival__over_folds_reaches_what_the_truth_reaches(tmp_path):
    vectors, rows = cohort(150)
    found = probe_survival(*joined(tmp_path, vectors, rows), ProbeSettings(draws=5))
    results = found.metrics["results"]["embedding"]
    truth = concordance_index(
        [row["months"] for row in rows], -vectors[:, 0], [row["event"] for row in rows]
    )
    assert results["harrell"]["value"] == pytest.approx(truth, abs=0.05)
    assert results["antolini"]["value"] == pytest.approx(results["harrell"]["value"], abs=0.03)
    assert sorted(found.samples.case_ids) == [row["case_id"] for row in rows]
    slope = found.metrics["checks"]["embedding"]["calibration_slope"]
    assert slope["low"] < 1 < slope["high"]


def test_probe_survival__compares_radiomics_and_gives_figures_by_site(tmp_path):
    vectors, rows = cohort(70)
    rng = np.random.default_rng(0)
    radiomics = write_rows(
        tmp_path / "radiomics.csv",
        [{"case_id": row["case_id"], "x": rng.normal()} for row in rows],
    )
    settings = ProbeSettings(draws=30, radiomics=radiomics, horizons=(), folds=2)
    found = probe_survival(*joined(tmp_path, vectors, rows), settings)
    assert list(found.metrics["results"]) == ["embedding", "radiomics", "fusion"]
    difference = found.metrics["differences"]["harrell of radiomics minus embedding"]
    assert difference["high"] < 0
    assert set(found.metrics["by_site"]["fusion"]) == {"A", "B"}


def test_probe_survival__states_a_test_part_without_an_event(tmp_path):
    vectors, rows = cohort(40)
    for place, row in enumerate(rows):
        row["split"] = "test" if place < 8 else "train"
        row["event"] = 0 if place < 8 else row["event"]
    found = probe_survival(*joined(tmp_path, vectors, rows), ProbeSettings(draws=5))
    figures = found.metrics["results"]["embedding"]
    assert figures["harrell"]["value"] is None
    assert "nobody outlived an event" in figures["harrell"]["why"]
