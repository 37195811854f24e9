"""A batch of crops holds one of each for every crop, of the right kind."""

from dataclasses import replace

import pytest
import torch

from medvlp.data.batch import Embeddings, TextTokens
from medvlp.data.scan_batch import ScanBatch
from medvlp.errors import DataError


def batch(**changes: object) -> ScanBatch:
    fields = {
        "volume": torch.zeros(2, 4, 8, 8),
        "text": None,
        "report_group": torch.tensor([4, 4]),
        "attributes": torch.tensor([[0, -1, 2], [1, 0, -1]]),
        "malignant": torch.tensor([-1, 1]),
        "months": torch.tensor([3.0, float("nan")]),
        "event": torch.tensor([1, -1]),
        "patient": torch.tensor([0, 5]),
        "sample_id": ("a", "b"),
        "side": ("left", "right"),
        "phase": ("A", "V"),
    }
    return ScanBatch(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"volume": torch.zeros(3, 4, 8, 8)}, "MV1755"),
        ({"volume": torch.zeros(2, 1, 4, 8, 8)}, "MV1755"),
        ({"volume": torch.zeros(2, 4, 8, 8, dtype=torch.int16)}, "MV1756"),
        ({"report_group": torch.tensor([1.0, 2.0])}, "MV1756"),
        ({"attributes": torch.tensor([0, 1])}, "MV1755"),
        ({"side": ("left",)}, "MV1755"),
        ({"text": Embeddings(vectors=torch.zeros(3, 5))}, "MV1755"),
    ],
)
def test_scan_batch__refuses_what_does_not_fit(changes: dict[str, object], code: str) -> None:
    with pytest.raises(DataError) as caught:
        batch(**changes)
    assert caught.value.code == code


def test_scan_batch__gives_its_text_as_tokens_or_vectors() -> None:
    tokens = TextTokens(ids=torch.ones(2, 3, dtype=torch.int64), mask=torch.ones(2, 3) > 0)
    vectors = torch.rand(2, 5)
    assert batch(text=tokens).tokens is tokens
    assert batch(text=Embeddings(vectors=vectors)).text_features is vectors
    with pytest.raises(TypeError, match="Embeddings"):
        _ = batch(text=Embeddings(vectors=vectors)).tokens
    with pytest.raises(TypeError, match="NoneType"):
        _ = batch().text_features


def test_relation__makes_identical_reports_positives_where_asked() -> None:
    assert batch().relation().group.tolist() == [4, 4]
    assert batch().relation(identical_reports=False).group is None


def test_scan_batch__moves_as_one() -> None:
    vectors = Embeddings(vectors=torch.rand(2, 5))
    moved = replace(batch(), text=vectors).to("meta")
    assert moved.volume.device.type == moved.text_features.device.type == "meta"
    assert moved.sample_id == ("a", "b")
    assert len(moved) == 2
