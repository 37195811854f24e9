"""A sample depends on seed, epoch and index only, and batches hold what the manifest says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medvlp.data.augment import AugmentSettings
from medvlp.data.concepts import ConceptNumbers
from medvlp.data.dataset import PairCollator, PairsDataset
from medvlp.data.ignore import ConceptRelation
from medvlp.data.pairs import read_pairs
from medvlp.data.sampler import BatchShare, Draw
from medvlp.data.shards import ShardReader
from medvlp.errors import DataError, MedvlpError
from medvlp.losses.relations import unpack_related
from medvlp.pixels import prepare_image
from medvlp.text.tokenizer import train_tokenizer
from medvlp.types import ImagePreprocessing

INPUT = ImagePreprocessing(
    input_px=12, resize_px=12, interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3
)


def build(folder, *, augment=None, seed=0, split="train", cache_bytes=0) -> PairsDataset:
    manifest = read_pairs(folder)
    return PairsDataset(manifest, split, INPUT, augment=augment, seed=seed, cache_bytes=cache_bytes)


def test_dataset__without_augmentation_gives_the_prepared_image_and_first_caption(
    pairs_folder, records
):
    sample = build(pairs_folder)[Draw(0, 4)]
    np.testing.assert_array_equal(sample.image, prepare_image(records[4].image, INPUT))
    assert sample.caption == records[4].captions[0]


def test_dataset__draws_by_seed_epoch_and_index_only(pairs_folder):
    def run(seed, epoch, *, before=()):
        dataset = build(pairs_folder, augment=AugmentSettings(), seed=seed)
        for index in before:
            dataset[Draw(0, index)]
        sample = dataset[Draw(epoch, 2)]
        return sample.image.tobytes(), sample.caption

    assert run(0, 1) == run(0, 1, before=(5, 2, 1))
    assert run(0, 1)[0] != run(0, 2)[0]
    assert run(0, 1)[0] != run(1, 1)[0]
    captions = {run(0, epoch)[1] for epoch in range(12)}
    assert len(captions) == 2


def test_dataset__cache_changes_nothing_but_the_reading(pairs_folder):
    plain, cached = build(pairs_folder), build(pairs_folder, cache_bytes=3 * 12 * 12 * 3)
    for index in (0, 1, 2, 3, 4):
        cached[Draw(0, index)]
    (pairs_folder / "000000.tar").unlink()
    for index in (0, 1, 2):
        np.testing.assert_array_equal(cached[Draw(0, index)].image, cached[Draw(1, index)].image)
    with pytest.raises(MedvlpError, match=r"000000\.tar"):
        plain[Draw(0, 0)]


def test_collator__makes_a_batch_of_what_the_manifest_says(pairs_folder, records):
    dataset = build(pairs_folder)
    tokenizer = train_tokenizer([c for r in records for c in r.captions], 100)
    collate = PairCollator(tokenizer, 16, ConceptNumbers({"DOID:4450": 0, "DOID:4451": 1}))
    batch = collate([dataset[Draw(0, index)] for index in (0, 1, 2, 3)])
    assert batch.image.shape == (4, 12, 12, 3)
    assert batch.image.dtype == torch.uint8
    assert batch.group_id.tolist() == [0, 1, 2, 0]
    assert batch.concept_id.tolist() == [0, 1, -1, 0]
    assert batch.sample_id == ("tile_000", "tile_001", "tile_002", "tile_003")
    assert batch.weight.tolist() == [1.0] * 4
    expected = tokenizer.encode([r.captions[0] for r in records[:4]], 16)
    np.testing.assert_array_equal(batch.text.ids.numpy(), expected.ids)
    np.testing.assert_array_equal(batch.text.mask.numpy(), expected.mask)


def test_collator__builds_the_table_of_related_concepts(pairs_folder, records):
    dataset = build(pairs_folder)
    tokenizer = train_tokenizer([c for r in records for c in r.captions], 100)
    samples = [dataset[Draw(0, index)] for index in (0, 1, 2, 3)]
    number = {"DOID:4450": 0, "DOID:4451": 1}
    parents = ConceptRelation.from_parents(np.array([0, 0, 1]), np.array([0]))
    batch = PairCollator(tokenizer, 16, ConceptNumbers(number, parents))(samples)
    rows = torch.arange(2)
    table = unpack_related(batch.related, rows)[:, :2]
    assert batch.concept_id.tolist() == [0, 1, -1, 0]
    assert table.tolist() == [[True, True], [True, True]]
    strangers = ConceptRelation.from_pairs(2, np.array([], np.int64), np.array([], np.int64))
    apart = PairCollator(tokenizer, 16, ConceptNumbers(number, strangers))(samples)
    assert unpack_related(apart.related, rows)[:, :2].tolist() == [[True, False], [False, True]]
    assert apart.relation().related is apart.related


def test_dataset__cuts_the_input_from_any_place_of_the_resized_image(pairs_folder, records):
    plain = {"turns": False, "contrast": 0.0, "tint": 0.0, "brightness": 0.0}
    crop = AugmentSettings(random_crop=True, **plain)
    wanted = replace(INPUT, resize_px=14)
    dataset = PairsDataset(read_pairs(pairs_folder), "train", wanted, augment=crop, seed=0)
    whole = prepare_image(records[3].image, replace(INPUT, resize_px=14, input_px=14))
    places = {whole[i : i + 12, j : j + 12].tobytes() for i in range(3) for j in range(3)}
    seen = {dataset[Draw(epoch, 3)].image.tobytes() for epoch in range(100)}
    assert seen == places


def test_dataset__hands_captions_and_concepts_to_the_augmenter_with_the_samples_own_generator(
    pairs_folder, records
):
    seen = []

    def augmenter(captions, concept_ids, rng):
        seen.append((captions, concept_ids))
        return f"text {rng.integers(10**9)}"

    manifest = read_pairs(pairs_folder)
    options = {"augment": AugmentSettings(), "seed": 0, "captions": augmenter}
    first = PairsDataset(manifest, "train", INPUT, **options)
    again = PairsDataset(manifest, "train", INPUT, **options)
    again[Draw(0, 5)]
    texts = [
        (d[Draw(e, 2)].caption, d[Draw(e, 2, 1)].caption) for d in (first, again) for e in (0, 1)
    ]
    assert texts[:2] == texts[2:]
    assert len(set(texts[0] + texts[1])) == 4
    assert seen[1] == (records[2].captions, ())
    plain = PairsDataset(manifest, "train", INPUT, **{**options, "augment": None})
    assert plain[Draw(0, 2)].caption == records[2].captions[0]


def test_dataset__refuses_a_split_that_is_not_there(pairs_folder):
    with pytest.raises(MedvlpError, match="no pairs in split 'test'"):
        build(pairs_folder, split="test")


def test_collator__gives_every_rank_the_table_of_the_whole_batch(pairs_folder):
    dataset = build(pairs_folder)
    concepts = sorted({concept for row in dataset.rows for concept in row.concept_ids})
    numbers = {concept: number for number, concept in enumerate(concepts)}
    first, second = np.arange(len(concepts) - 1), np.arange(1, len(concepts))
    relation = ConceptRelation.from_pairs(len(concepts), first, second)
    tokenizer = train_tokenizer([row.captions[0] for row in dataset.rows], 100)
    collate = PairCollator(tokenizer, 8, ConceptNumbers(numbers, relation))
    batch = np.arange(len(dataset))

    def share(rows: slice):
        draws = [Draw(0, int(index)) for index in batch[rows]]
        return collate(dataset.__getitems__(BatchShare(draws, batch, rows)))

    whole = share(slice(0, len(batch)))
    for rows in (slice(0, 2), slice(2, len(batch))):
        found = share(rows)
        assert torch.equal(found.related, whole.related)
        assert torch.equal(found.concept_id, whole.concept_id[rows])
        assert found.sample_id == whole.sample_id[rows]


def test_dataset__leaves_out_what_is_damaged_but_nothing_that_the_network_withholds(
    pairs_folder, monkeypatch
):
    manifest = read_pairs(pairs_folder)
    dataset = PairsDataset(manifest, "train", INPUT, augment=None, seed=0, leave_out=True)
    share = BatchShare([Draw(0, index) for index in range(3)], np.arange(3), slice(0, 3))
    damaged = DataError("MV1813", "altered")
    monkeypatch.setattr(ShardReader, "read_many", lambda self, places: [damaged] * len(places))
    assert [bad.code for bad in dataset.__getitems__(share).absent] == ["MV1813"] * 3

    def fail(*_):
        raise DataError("MV1820", "no answer")

    monkeypatch.setattr(ShardReader, "read", fail)
    with pytest.raises(DataError, match=r"MV1820: sample tile_000: no answer"):
        dataset.__getitems__(share)
