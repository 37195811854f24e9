"""Made-up patients whose hazard is known."""

import numpy as np

from medvlp.probing.survival_targets import SurvivalTargets


def survival_cohort(seed, num=120, *, is_tied=False):
    """Return features, times with events, and groups; the first two features matter."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((num, 3)) * [1, 2, 0.5] + [0, 5, -1]
    hazard = np.exp(0.8 * features[:, 0] - 0.4 * (features[:, 1] - 5)) / 20
    death, leaving = rng.exponential(1 / hazard), rng.uniform(2, 60, num)
    months = np.minimum(death, leaving) + 0.05
    if is_tied:
        months = np.ceil(months / 4) * 4
    events = (death <= leaving).astype(np.int64)
    return features, SurvivalTargets(months, events), np.arange(num).astype(str)
