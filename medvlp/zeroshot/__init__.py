"""Zero-shot classifiers and heads on embeddings; no Lightning."""

from medvlp.zeroshot.classifier import EmbedText, TextClassifier, build_classifier, class_columns
from medvlp.zeroshot.heads import SlideVerdict, judge_slide
from medvlp.zeroshot.units import CaseVerdict, judge_units

__all__ = [
    "CaseVerdict",
    "EmbedText",
    "SlideVerdict",
    "TextClassifier",
    "build_classifier",
    "class_columns",
    "judge_slide",
    "judge_units",
]
