"""Tasks, text towers and slides that the tests of this folder start from."""

from typing import Any

import numpy as np

from medvlp.config.task import Task, parse_task
from medvlp.zeroshot.classifier import TextClassifier

NAMES = ("CCRCC", "PRCC", "Normal")


def slide_task(**changes: Any) -> Task:
    """Return a subtyping task of three classes with top-level keys changed."""
    document: dict[str, Any] = {
        "name": "rcc",
        "modality": "slide",
        "scale": {"mpp": 0.5, "tile_px": 256},
        "head": "subtype-ratio",
        "normal": "Normal",
        "classes": {
            "CCRCC": {"names": ["clear cell", "ccRCC"]},
            "PRCC": {"names": ["papillary"]},
            "Normal": {"names": ["normal"]},
        },
        "templates": ["an image of {}.", "{}."],
    }
    merged = document | changes
    return parse_task({k: v for k, v in merged.items() if v is not ...}, source="test")


def embed_words(texts: list[str]) -> np.ndarray:
    """Embed texts reproducibly: each text has its own random direction in 6 dimensions."""
    return np.stack([np.random.default_rng([*text.encode()]).normal(size=6) for text in texts])


def axis_classifier(task: Task, *, logit_scale: float = 10.0) -> TextClassifier:
    """Return a classifier whose columns are axes, so that the entries of a feature are cosines."""
    count = len(task.class_names)
    weights = np.eye(count + 1, count)
    return TextClassifier(weights, task.class_names, logit_scale, {n: (n,) for n in task.classes})


def features_with_cosines(cosines: Any) -> np.ndarray:
    """Return unit features whose first entries are the given cosines; the last one fills up."""
    rows = np.asarray(cosines, dtype=np.float64)
    rest = np.sqrt(np.maximum(0, 1 - (rows**2).sum(axis=1, keepdims=True)))
    return np.hstack([rows, rest]).astype(np.float32)
