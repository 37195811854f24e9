"""Metrics of classification, segmentation, retrieval and survival, and their intervals."""

from medvlp.metrics.bootstrap import Bootstrap, bootstrap_clusters, bootstrap_keep, draw_keep
from medvlp.metrics.classification import (
    BinaryRates,
    accuracy,
    balanced_accuracy,
    binary_rates,
    confusion,
    f1,
    kappa,
)
from medvlp.metrics.kaplan_meier import KaplanMeier, LogRank, kaplan_meier, log_rank
from medvlp.metrics.pair_retrieval import first_hits
from medvlp.metrics.ranking import (
    auroc,
    auroc_macro,
    pr_auc,
    sensitivity_at_specificity,
    youden_point,
)
from medvlp.metrics.reliability import binomial_interval, expected_calibration_error
from medvlp.metrics.samples import UndefinedMetricError
from medvlp.metrics.segmentation import dice, nearest_level, paint_tiles, shrink_mask, tile_truth
from medvlp.metrics.softmax_report import SoftmaxReport, softmax_report
from medvlp.metrics.survival import (
    Concordance,
    antolini_concordance,
    breslow_baseline,
    harrell_concordance,
    last_step_before,
    read_curves,
    survival_curves,
)
from medvlp.metrics.survival_calibration import (
    DCalibration,
    ObservedExpected,
    brier_score,
    d_calibration,
    integrated_brier_score,
    observed_expected,
)

__all__ = [
    "BinaryRates",
    "Bootstrap",
    "Concordance",
    "DCalibration",
    "KaplanMeier",
    "LogRank",
    "ObservedExpected",
    "SoftmaxReport",
    "UndefinedMetricError",
    "accuracy",
    "antolini_concordance",
    "auroc",
    "auroc_macro",
    "balanced_accuracy",
    "binary_rates",
    "binomial_interval",
    "bootstrap_clusters",
    "bootstrap_keep",
    "breslow_baseline",
    "brier_score",
    "confusion",
    "d_calibration",
    "dice",
    "draw_keep",
    "expected_calibration_error",
    "f1",
    "first_hits",
    "harrell_concordance",
    "integrated_brier_score",
    "kaplan_meier",
    "kappa",
    "last_step_before",
    "log_rank",
    "nearest_level",
    "observed_expected",
    "paint_tiles",
    "pr_auc",
    "read_curves",
    "sensitivity_at_specificity",
    "shrink_mask",
    "softmax_report",
    "survival_curves",
    "tile_truth",
    "youden_point",
]
