"""A batch of radiographs holds one of each for every picture, of the right kind."""

import pytest
import torch

from medvlp.data.batch import TextTokens
from medvlp.data.radiograph_batch import FacetTexts, RadiographBatch
from medvlp.errors import DataError


def tokens(rows: int) -> TextTokens:
    return TextTokens(ids=torch.ones(rows, 3, dtype=torch.int64), mask=torch.ones(rows, 3) > 0)


def batch(**changes: object) -> RadiographBatch:
    fields = {
        "image": torch.zeros(2, 1, 8, 8),
        "text": tokens(2),
        "labels": torch.tensor([[1, 0, -1], [-2, -2, 1]]),
        "report_group": torch.tensor([4, 4]),
        "patient_id": torch.tensor([0, 5]),
        "sample_id": ("a", "b"),
        "view": ("PA", ""),
        "turned": torch.tensor([False, True]),
    }
    return RadiographBatch(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"image": torch.zeros(3, 1, 8, 8)}, "MV1755"),
        ({"image": torch.zeros(2, 8, 8)}, "MV1755"),
        ({"image": torch.zeros(2, 1, 8, 8, dtype=torch.uint8)}, "MV1756"),
        ({"labels": torch.zeros(2, 3)}, "MV1756"),
        ({"labels": torch.tensor([1, 0])}, "MV1755"),
        ({"turned": torch.tensor([0, 1])}, "MV1756"),
        ({"view": ("PA",)}, "MV1755"),
        ({"text": tokens(3)}, "MV1755"),
    ],
)
def test_radiograph_batch__refuses_what_does_not_fit(changes: dict, code: str) -> None:
    with pytest.raises(DataError) as caught:
        batch(**changes)
    assert caught.value.code == code


def test_radiograph_batch__gives_its_tokens_and_says_where_there_are_none() -> None:
    assert batch().tokens.num_rows == len(batch()) == 2
    with pytest.raises(TypeError, match="NoneType"):
        _ = batch(text=None).tokens


def test_relation__makes_identical_reports_positives_where_asked() -> None:
    assert batch().relation().group.tolist() == [4, 4]
    assert batch().relation(identical_reports=False).group is None


def test_facet_texts__refuse_a_finding_without_a_text() -> None:
    fields = {"tokens": tokens(3), "kind": torch.tensor([0, 1, 0]), "names": ("a", "b")}
    assert FacetTexts(class_index=torch.tensor([0, 0, 1]), **fields).names == ("a", "b")
    with pytest.raises(DataError, match="MV1755"):
        FacetTexts(class_index=torch.tensor([0, 0, 0]), **fields)
    with pytest.raises(DataError, match="MV1756"):
        FacetTexts(class_index=torch.tensor([0.0, 0.0, 1.0]), **fields)
