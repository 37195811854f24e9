"""Metrics of classification and segmentation, and their intervals."""

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

__all__ = [
    "BinaryRates",
    "Bootstrap",
    "Concordance",
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
    "confusion",
    "dice",
    "draw_keep",
    "expected_calibration_error",
    "f1",
    "harrell_concordance",
    "kappa",
    "last_step_before",
    "nearest_level",
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
