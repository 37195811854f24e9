"""Steps after the survey: what shows something else goes, groups are refused, splits hold."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import ConfigError, DataError
from medvlp.pipelines.pairing.embedders import ThumbnailEmbedder
from medvlp.pipelines.pairing.images import images_of
from medvlp.pipelines.pairing.labels import Labeller
from medvlp.pipelines.pairing.ledger import RowLedger
from medvlp.pipelines.pairing.settings import PairingSettings
from medvlp.pipelines.pairing.source import SourceRow
from medvlp.pipelines.pairing.steps import PairingTools, find_groups, load_texts
from medvlp.pipelines.pairing.survey import ImageSurvey

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


class Texts:
    """A text tower that knows two directions."""

    def embed(self, texts):
        return np.array([EAST if "tissue" in text else NORTH for text in texts], dtype=np.float32)


def run(rows, features, graph=None, judge=None, reasons=None, **document):
    settings = PairingSettings.model_validate_json(json.dumps(document))
    ledger = RowLedger(rows)
    images = images_of(rows)
    count = len(images)
    survey = ImageSurvey(
        content_sha256=[f"hash{image.name}" for image in images],
        sizes_px=np.full((count, 2), 96),
        reasons=reasons or [""] * count,
        details=[""] * count,
        features=np.array(features, dtype=np.float32),
    )
    tools = PairingTools(
        embedder=ThumbnailEmbedder(),
        judge=judge,
        ranker=None,
        graph=graph,
        labeller=Labeller(settings.labels, graph),
    )
    pairs, summary = find_groups(ledger, images, survey, settings, tools)
    return pairs, summary, ledger


def row(number: int, caption: str, **fields) -> SourceRow:
    return SourceRow(number=number, image=f"i{number}", path=Path("x"), caption=caption, **fields)


def test_find_groups__drops_what_shows_something_else() -> None:
    content = {"keep": "tissue", "drop": ["a face"], "min_margin": 0.1}
    rows = [row(1, "a b"), row(2, "c d")]
    pairs, summary, ledger = run(rows, [EAST, NORTH], judge=Texts(), images={"content": content})
    assert [item.image.name for item in pairs.images] == ["i1"]
    assert ledger.counts() == {"images": {"image shows something else": 1}}
    assert summary["rows"] == {"read": 2, "kept": 1, "dropped": 1}


def test_find_groups__refuses_groups_with_several_labels_and_numbers_the_rest(graph) -> None:
    rows = [
        row(1, "a b", labels=("DOID:11",)),
        row(2, "a b", labels=("DOID:2",)),
        row(3, "c d", labels=("DOID:2",)),
    ]
    pairs, summary, ledger = run(rows, np.eye(3), graph, labels={"conflict": "refuse"})
    assert [(item.image.name, item.group_id) for item in pairs.images] == [("i3", 0)]
    assert pairs.labels[0].concepts == ("DOID:2",)
    assert ledger.counts() == {"labels": {"group with several labels": 2}}
    assert summary["labels"] == {"refused": 1, "given": 1}
    details = {record["detail"] for record in ledger.table()}
    assert details == {"DOID:11, DOID:2"}


def test_find_groups__keeps_near_duplicates_and_patients_in_one_split() -> None:
    rows = [row(n, f"caption number {n}", patient="p" if n < 3 else "") for n in range(1, 21)]
    features = np.eye(20)
    features[10] = features[9]
    splits = {"validation": 0.4}
    merging = {"merge": "none"}
    pairs, summary, _ = run(rows, features, splits=splits, merging=merging)
    split = {item.image.name: item.split for item in pairs.images}
    names = sorted(split)
    assert split["i1"] == split["i2"]
    assert split[names[9]] == split[names[10]]
    assert summary["splits"] == {"train": 12, "validation": 8}


def test_find_groups__drops_given_splits_that_cross() -> None:
    rows = [
        row(1, "a b", patient="p", split="train"),
        row(2, "c d", patient="p", split="test"),
        row(3, "e f", split="train"),
    ]
    with pytest.raises(DataError, match="given to test and train"):
        run(rows, np.eye(3))
    pairs, _, ledger = run(rows, np.eye(3), splits={"crossing": "drop"})
    assert {item.image.name: item.split for item in pairs.images} == {"i2": "test", "i3": "train"}
    assert [(r["row"], r["detail"]) for r in ledger.table()] == [(1, "train beside test")]


def test_find_groups__lets_no_caption_of_a_test_speak_in_training() -> None:
    rows = [row(n, "train words here", split="train") for n in (1, 2)]
    rows += [row(3, "shared words here", split="train")]
    rows += [row(n, "shared words here", split="test") for n in (4, 5, 6)]
    ties = [replace(r, group="g") for r in rows]
    pairs, _, _ = run(ties, np.eye(6))
    assert [(i.split, i.group_id) for i in pairs.images] == [("train", 0)] * 3 + [("test", 1)] * 3
    assert pairs.captions == (("train words here",), ("shared words here",))
    assert pairs.names == ("g", "g_000001")


def test_find_groups__keeps_names_of_given_groups() -> None:
    rows = [row(1, "a b", group="video_000007"), row(2, "c d", group="video_000007"), row(3, "e f")]
    pairs, _, _ = run(rows, np.eye(3), output={"group_prefix": "my"})
    assert pairs.names == ("video_000007", "my_group_000001")


def test_find_groups__says_why_nothing_is_left() -> None:
    rows = [row(1, "a b"), row(2, "c d")]
    with pytest.raises(DataError, match="none of 2 rows is left: 2 image too small"):
        run(rows, np.eye(2), reasons=["image too small"] * 2)


def test_load_texts__needs_a_dual_encoder() -> None:
    for name in (None, "thumbnail"):
        with pytest.raises(ConfigError, match="cannot judge what images show"):
            load_texts(name)
