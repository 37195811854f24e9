"""A batch moves as a whole and never changes in place."""

import dataclasses

import pytest
import torch

from medvlp.data.batch import Batch, TextTokens


@pytest.fixture
def batch() -> Batch:
    return Batch(
        image=torch.zeros(2, 4, 4, 3, dtype=torch.uint8),
        text=TextTokens(ids=torch.ones(2, 3, dtype=torch.int64), mask=torch.ones(2, 3).bool()),
        group_id=torch.tensor([1, 2]),
        concept_id=torch.tensor([-1, 0]),
        sample_id=("a", "b"),
        weight=torch.ones(2),
    )


def test_to__moves_every_tensor(batch):
    moved = batch.to("meta")
    tensors = [moved.image, moved.text.ids, moved.text.mask, moved.group_id, moved.concept_id]
    assert {tensor.device.type for tensor in [*tensors, moved.weight]} == {"meta"}
    assert moved.sample_id == ("a", "b")
    assert batch.image.device.type == "cpu"


def test_batch__has_a_length_and_is_frozen(batch):
    assert len(batch) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.weight = torch.zeros(2)
