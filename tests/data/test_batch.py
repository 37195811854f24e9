from dataclasses import replace

import pytest
import torch

from medvlp.data.batch import Batch, Embeddings, TextTokens, TileBags, Volumes
from medvlp.errors import DataError


def make_batch(**changes):
    values = {
        "image": torch.zeros(2, 8, 8, 3, dtype=torch.uint8),
        "text": TextTokens(ids=torch.ones(2, 4).long(), mask=torch.ones(2, 4).bool()),
        "group_id": torch.tensor([0, 1]),
        "concept_id": torch.tensor([2, -1]),
        "sample_id": ("a", "b"),
        "weight": torch.ones(2),
        "related": torch.zeros(3, 1, dtype=torch.uint8),
    }
    return Batch(**{**values, **changes})


def test_batch__moves_all_tensors_and_leaves_the_rest():
    batch = make_batch()
    moved = batch.to("meta", non_blocking=True)
    tensors = [moved.image, moved.text.ids, moved.text.mask, moved.group_id, moved.concept_id]
    assert {x.device.type for x in [*tensors, moved.weight, moved.related]} == {"meta"}
    assert moved.sample_id == ("a", "b")
    assert batch.image.device.type == "cpu"


def test_batch__keeps_what_is_none():
    assert make_batch(related=None).to("meta").related is None


@pytest.mark.parametrize(
    "image",
    [
        Volumes(voxels=torch.zeros(2, 1, 4, 8, 8, dtype=torch.int16)),
        TileBags(features=torch.zeros(5, 7), starts=torch.tensor([0, 3, 5])),
        Embeddings(vectors=torch.zeros(2, 7)),
    ],
    ids=["volumes", "bags", "embeddings"],
)
def test_batch__takes_every_modality(image):
    batch = make_batch(image=image, text=Embeddings(vectors=torch.zeros(2, 16)))
    assert len(batch) == 2
    with pytest.raises(TypeError, match=f"the batch holds {type(image).__name__}, not pixels"):
        _ = batch.pixels
    with pytest.raises(TypeError, match="the batch holds Embeddings, not tokens"):
        _ = batch.tokens
    assert type(batch.to("cpu").image) is type(image)


def test_batch__gives_pixels_and_tokens():
    batch = make_batch()
    assert batch.pixels is batch.image
    assert batch.tokens is batch.text


def test_batch__tells_the_losses_what_belongs_together():
    batch = make_batch()
    relation = batch.relation()
    assert relation.group is batch.group_id
    assert relation.concept is batch.concept_id
    assert relation.related is batch.related
    assert relation.weight is batch.weight


def test_batch__without_a_table_ignores_nothing():
    assert make_batch(related=None).relation().concept is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": torch.zeros(3, 8, 8, 3)}, "MV1755: the batch has 3 images, 2 texts and 2 names"),
        ({"sample_id": ("a",)}, "MV1755: the batch has 2 images, 2 texts and 1 names"),
        (
            {"group_id": torch.zeros(3).long()},
            r"MV1755: group_id has shape \(3,\); expected \(2,\)",
        ),
        ({"weight": torch.ones(2, 1)}, r"MV1755: weight has shape \(2, 1\)"),
        ({"group_id": torch.zeros(2)}, r"MV1756: group_id has dtype torch\.float32; expected tor"),
        ({"concept_id": torch.zeros(2).int()}, r"MV1756: concept_id has dtype torch\.int32"),
        ({"weight": torch.ones(2).double()}, r"MV1756: weight has dtype torch\.float64"),
        ({"related": torch.zeros(3, 3).bool()}, r"MV1756: related has shape \(3, 3\) and dtype"),
    ],
)
def test_batch__refuses_what_does_not_fit(changes, message):
    with pytest.raises(DataError, match=message):
        make_batch(**changes)


def test_batch__cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign to field 'weight'"):
        make_batch().weight = torch.zeros(2)
    assert replace(make_batch(), weight=torch.zeros(2)).weight.sum() == 0


@pytest.mark.gpu
def test_batch__is_pinned_for_a_gpu():
    assert make_batch().pin_memory().text.ids.is_pinned()
