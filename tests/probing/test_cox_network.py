"""The network as Cox head: learns, is reproducible, leaves the global generator alone."""

import numpy as np
import pytest
import torch

from medvlp.errors import DataError
from medvlp.metrics import harrell_concordance
from medvlp.probing.cox import fit_cox_linear
from medvlp.probing.cox_network import CoxNetworkSettings, fit_cox_network
from medvlp.probing.survival_targets import SurvivalTargets
from tests.probing.survival_samples import survival_cohort

SMALL = CoxNetworkSettings(hidden=(16,), learning_rate=1e-2, max_steps=60)


def index(head, features, targets):
    risk = head.log_hazard(features)
    return harrell_concordance(targets.months, targets.events, risk).index


def test_fit_cox_network__learns_what_is_not_linear():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, 2))
    death = rng.exponential(20 * np.exp(-2 * (np.abs(features[:, 0]) - 0.8)))
    leaving = rng.uniform(5, 60, 300)
    targets = SurvivalTargets(
        np.minimum(death, leaving) + 0.01, (death <= leaving).astype(np.int64)
    )
    groups = np.arange(200).astype(str)
    train = SurvivalTargets(targets.months[:200], targets.events[:200])
    test = SurvivalTargets(targets.months[200:], targets.events[200:])
    network = fit_cox_network(features[:200], train, groups, settings=SMALL)
    linear = fit_cox_linear(features[:200], train, groups)
    assert index(network, features[200:], test) > index(linear, features[200:], test) + 0.1
    curves = network.survival(features[200:], [0.0, 6.0, 24.0])
    assert (curves[0] == 1).all()
    assert (np.diff(curves, axis=0) <= 0).all()


def test_fit_cox_network__is_reproducible_and_leaves_the_generator_alone():
    features, targets, groups = survival_cohort(1)
    before = torch.get_rng_state()
    one = fit_cox_network(features, targets, groups, settings=SMALL, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    two = fit_cox_network(features, targets, groups, settings=SMALL, seed=3)
    assert np.array_equal(one.log_hazard(features), two.log_hazard(features))
    assert 1 <= one.setting <= SMALL.max_steps
    # 0 is an average patient of the training part.
    assert one.log_hazard(features).mean() == pytest.approx(0, abs=1e-6)


def test_fit_cox_network__stops_early_on_noise():
    _, targets, groups = survival_cohort(2)
    noise = np.random.default_rng(3).standard_normal((120, 30))
    assert fit_cox_network(noise, targets, groups, settings=SMALL).setting < 10


def test_fit_cox_network__refuses_a_part_without_an_event():
    features, targets, groups = survival_cohort(3)
    none = SurvivalTargets(targets.months, 0 * targets.events)
    with pytest.raises(DataError, match="MV2324"):
        fit_cox_network(features, none, groups, settings=SMALL)
