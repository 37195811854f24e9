"""Zero-shot classifiers and heads on embeddings; no Lightning."""

from medvlp.zeroshot.classifier import EmbedText, TextClassifier, build_classifier, class_columns
from medvlp.zeroshot.heads import SlideVerdict, judge_slide

__all__ = [
    "EmbedText",
    "SlideVerdict",
    "TextClassifier",
    "build_classifier",
    "class_columns",
    "judge_slide",
]
