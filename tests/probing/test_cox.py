"""The linear Cox head against lifelines, reference numbers and hand-made cases."""

import json

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from medvlp.errors import DataError
from medvlp.metrics import antolini_concordance, harrell_concordance, last_step_before
from medvlp.probing.cox import CoxHead, close_head, fit_cox_linear
from medvlp.probing.scaling import Scaling
from medvlp.probing.survival_targets import SurvivalTargets
from tests.probing.survival_samples import survival_cohort


def fitted_by_lifelines(features, targets, penalizer=0.0):
    table = pd.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])])
    table["months"], table["event"] = targets.months, targets.events
    return CoxPHFitter(penalizer=penalizer).fit(table, "months", "event")


def raw_weights(head, num_features):
    """Weights on the features as given: the head is linear, so unit vectors tell them."""
    return head.log_hazard(np.eye(num_features)) - head.log_hazard(np.zeros((1, num_features)))


@pytest.mark.parametrize("is_tied", [False, True], ids=["distinct times", "ties"])
def test_fit_cox_linear__equals_lifelines_without_penalty(is_tied):
    features, targets, groups = survival_cohort(0, is_tied=is_tied)
    expected = fitted_by_lifelines(features, targets).params_.to_numpy()
    head = fit_cox_linear(features, targets, groups, strengths=(1e-13,))
    np.testing.assert_allclose(raw_weights(head, 3), expected, rtol=0, atol=2e-5)


def test_fit_cox_linear__equals_lifelines_with_ridge():
    # lifelines: loss per subject + penalizer/2 |b|^2 on features over their sample deviation.
    # Ours: per event, on population deviations, each feature over sqrt(D).
    features, targets, groups = survival_cohort(1)
    num, size = features.shape
    features = (features - features.mean(0)) / features.std(0, ddof=1)
    expected = fitted_by_lifelines(features, targets, penalizer=0.3).params_.to_numpy()
    strength = 0.3 * num / targets.events.sum() / size * (num / (num - 1))
    head = fit_cox_linear(features, targets, groups, strengths=(strength,))
    np.testing.assert_allclose(raw_weights(head, size), expected, rtol=0, atol=2e-4)
    unpenalised = fitted_by_lifelines(features, targets).params_.to_numpy()
    assert np.abs(unpenalised - expected).max() > 0.05


def test_survival__equals_lifelines():
    features, targets, groups = survival_cohort(2)
    fitter = fitted_by_lifelines(features, targets)
    head = fit_cox_linear(features, targets, groups, strengths=(1e-13,))
    # Between its steps lifelines interpolates; at times of the training part both are exact.
    months = np.sort(targets.months)[[5, 40, 90]]
    new = features[:7]
    table = pd.DataFrame(new, columns=["x0", "x1", "x2"])
    expected = fitter.predict_survival_function(table, times=months).to_numpy()
    np.testing.assert_allclose(head.survival(new, months), expected, rtol=0, atol=1e-6)


def test_close_head__gives_the_reference_curves(vectors):
    case = np.load(vectors / "cox_surv_pipeline__c01.npz")
    assert json.loads(str(case["meta"]))["family"] == "cox_surv_pipeline"
    targets = SurvivalTargets(
        case["train_durations"].astype(float), case["train_events"].astype(np.int64)
    )
    same = Scaling(np.zeros(1), np.zeros(1), np.ones(1))
    head = close_head(same, lambda x: x[:, 0], case["train_log_hazard"], targets, 0.0)
    new = case["test_log_hazard"]
    found = head.survival(new, case["surv_times"])
    np.testing.assert_allclose(found, case["surv"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        head.survival(new, case["report_times"]), case["report_surv"], rtol=1e-5, atol=1e-7
    )
    durations, events = case["test_durations"].astype(float), case["test_events"].astype(int)
    rows = last_step_before(case["surv_times"], durations)
    assert antolini_concordance(durations, events, found, rows, ties="none") == pytest.approx(
        float(case["antolini"])
    )
    harrell = harrell_concordance(durations, events, head.log_hazard(new))
    assert harrell.index == pytest.approx(float(case["harrell_sksurv"]))


def test_fit_cox_linear__chooses_a_strong_penalty_for_noise_and_a_weak_one_for_signal():
    features, targets, groups = survival_cohort(3, num=150)
    noise = np.random.default_rng(0).standard_normal((150, 40))
    signal = fit_cox_linear(features, targets, groups).setting
    assert fit_cox_linear(noise, targets, groups).setting > signal


def test_fit_cox_linear__judges_the_penalty_on_groups_left_out():
    # Copies of a patient under one group must not vouch for each other: with copies torn apart the
    # noise would look like signal.
    rng = np.random.default_rng(1)
    _, targets, _ = survival_cohort(4, num=30)
    noise = rng.standard_normal((30, 20))
    twice = SurvivalTargets(np.tile(targets.months, 2), np.tile(targets.events, 2))
    copies = np.vstack([noise, noise])
    patients = np.tile(np.arange(30).astype(str), 2)
    kept = fit_cox_linear(copies, twice, patients).setting
    torn = fit_cox_linear(copies, twice, np.arange(60).astype(str)).setting
    assert kept > torn


def test_cox_head__does_not_depend_on_scale_or_shift_of_the_features():
    features, targets, groups = survival_cohort(5)
    one = fit_cox_linear(features, targets, groups)
    other = fit_cox_linear(features * [1e3, 1e-3, 5] + 7, targets, groups)
    np.testing.assert_allclose(
        one.log_hazard(features),
        other.log_hazard(features * [1e3, 1e-3, 5] + 7),
        rtol=0,
        atol=1e-5,
    )
    assert isinstance(one, CoxHead)
    assert one.log_hazard(features).mean() == pytest.approx(0, abs=1e-12)


def test_fit_cox_linear__refuses_a_part_without_an_event():
    features, targets, groups = survival_cohort(6)
    none = SurvivalTargets(targets.months, 0 * targets.events)
    with pytest.raises(DataError, match=r"MV2324.*all 120 samples are censored"):
        fit_cox_linear(features, none, groups)
