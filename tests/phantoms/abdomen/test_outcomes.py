"""Rules of malignancy and survival."""

import numpy as np
import pytest
from scipy.special import expit

from medvlp.metrics.survival import harrell_concordance
from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass
from medvlp.phantoms.abdomen.outcomes import draw_survival, log_hazard, malignancy_probability
from medvlp.phantoms.abdomen.patients import draw_patient

LATERAL = (0.0, -1.0, 0.0)


def mass(**settings):
    given = {"kind": "solid", "size_mm": 35.0, "exophytic": 0.3, "direction": LATERAL}
    return Mass(**{**given, "enhancement": "weak", **settings})


@pytest.mark.parametrize(
    ("settings", "odds"),
    [
        ({}, -1.3),
        ({"size_mm": 50.0}, -0.5),
        ({"size_mm": 200.0}, 1.1),
        ({"enhancement": "avid"}, -0.3),
        ({"necrosis": "partial"}, 0.2),
        ({"necrosis": "extensive", "margin": "irregular"}, 3.2),
        ({"has_fat": True}, -7.3),
        ({"kind": "complex cyst"}, -2.2),
        ({"kind": "complex cyst", "septa": "thick", "size_mm": 50.0}, 1.4),
    ],
)
def test_malignancy_probability__is_the_stated_rule(settings, odds):
    assert malignancy_probability(mass(**settings)) == pytest.approx(expit(odds), abs=1e-12)
    assert malignancy_probability(None) == 0


@pytest.mark.parametrize(
    ("settings", "hazard"),
    [
        ({}, 0.0),
        ({"size_mm": 50.0}, 0.6),
        ({"necrosis": "extensive"}, 1.4),
        ({"margin": "irregular", "exophytic": 0.5}, 1.2),
        ({"has_fat": True}, -1.0),
        ({"kind": "complex cyst"}, -0.8),
    ],
)
def test_log_hazard__is_the_stated_rule(settings, hazard):
    assert log_hazard(KidneyFindings(mass=mass(**settings))) == pytest.approx(hazard, abs=1e-12)
    assert log_hazard(KidneyFindings(stones_mm=(4.0,))) == -1.5


def test_survival__follows_the_stated_weibull():
    rng = np.random.default_rng(0)
    hazard = 0.7
    drawn = [draw_survival(rng, hazard) for _ in range(4000)]
    # Before 12 months nobody leaves the study: the share of events is that of the distribution.
    early = np.mean([one.event and one.months <= 12 for one in drawn])
    expected = 1 - np.exp(-((12 / 90) ** 1.2) * np.exp(hazard))
    assert early == pytest.approx(expected, abs=0.02)
    censored = [one.months for one in drawn if not one.event]
    assert min(censored) >= 12
    assert max(censored) <= 96


def test_outcomes__of_drawn_patients_can_be_told_from_their_findings():
    patients = [draw_patient(seed) for seed in range(800)]
    concordance = harrell_concordance(
        [one.survival.months for one in patients],
        [one.survival.event for one in patients],
        [one.log_hazard for one in patients],
    )
    assert 0.75 < concordance.index < 0.9
    assert 0.3 < np.mean([one.survival.event for one in patients]) < 0.6
