from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from benchmarks.keep_experiment.phantom_arms import (
    ARMS,
    CaptionBatches,
    classify,
    label_of_region,
)
from benchmarks.keep_experiment.phantom_tiles import (
    TISSUES,
    PhantomTiles,
    make_tiles,
    write_captions,
)
from benchmarks.keep_experiment.settings import Recipe
from medvlp.data.batch import Batch
from medvlp.models.dual_encoder import DualEncoder
from medvlp.text.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tiles() -> PhantomTiles:
    return make_tiles(3, slides=3, regions=2, views=4)


def batches(tiles: PhantomTiles, arm: str) -> list[Batch]:
    captions, told = write_captions(tiles, 3, 0.4)
    tokenizer = train_tokenizer(captions, 300)
    return list(islice(CaptionBatches(tiles, captions, told, tokenizer, arm=arm, seed=0), 2))


def test_make_tiles__is_a_function_of_the_seed(tiles: PhantomTiles) -> None:
    again = make_tiles.__wrapped__(3, slides=3, regions=2, views=4)
    assert np.array_equal(tiles.images, again.images)
    assert not np.array_equal(tiles.images, make_tiles(4, slides=3, regions=2, views=4).images)


def test_make_tiles__views_of_a_region_are_near_duplicates(tiles: PhantomTiles) -> None:
    assert tiles.images.shape == (3 * len(TISSUES) * 2 * 4, 64, 64, 3)
    colours = tiles.images.reshape(len(tiles.region), -1, 3).mean(axis=1)
    for region in np.unique(tiles.region):
        rows = np.flatnonzero(tiles.region == region)
        assert len(rows) == 4
        assert len(set(tiles.tissue[rows])) == len(set(tiles.slide[rows])) == 1
        assert np.ptp(colours[rows], axis=0).max() < 25


def test_write_captions__are_wrong_as_often_as_asked(tiles: PhantomTiles) -> None:
    many = PhantomTiles(
        images=tiles.images[:1],
        tissue=np.arange(3000) % 7,
        region=np.arange(3000) // 4,
        slide=np.zeros(3000, dtype=np.int64),
    )
    captions, told = write_captions(many, 0, 0.4)
    assert len(captions) == 3000
    assert np.mean(told != many.tissue) == pytest.approx(0.4, abs=0.03)
    assert np.array_equal(write_captions(many, 0, 0.0)[1], many.tissue)
    alike = write_captions(many, 0, 0.4, "alike")[1]
    assert len({(a, b) for a, b in zip(many.tissue, alike, strict=True) if a != b}) == 7
    away = (told - many.tissue)[told != many.tissue] % 7
    assert np.bincount(away, minlength=7)[1:].min() > 120


def test_label_of_region__is_what_most_captions_say(tiles: PhantomTiles) -> None:
    told = tiles.tissue.copy()
    told[0] = (told[0] + 1) % 7
    assert np.array_equal(label_of_region(tiles, told), tiles.tissue)
    told[1] = told[0]
    assert (label_of_region(tiles, told)[:4] == -1).all()


def test_caption_batches__arms_see_the_same_pairs_but_for_the_shuffled(tiles: PhantomTiles) -> None:
    first = batches(tiles, "clip")
    for arm in ("supcon", "keep", "keep-labelled"):
        for expected, actual in zip(first, batches(tiles, arm), strict=True):
            assert expected.sample_id == actual.sample_id
            assert torch.equal(expected.pixels, actual.pixels)
    _, counts = torch.unique(first[0].group_id, return_counts=True)
    assert set(counts.tolist()) == {4}
    assert batches(tiles, "clip-shuffled")[0].sample_id != first[0].sample_id


def test_caption_batches__only_the_labelled_arm_is_told_tissues(tiles: PhantomTiles) -> None:
    for arm in ARMS:
        batch = batches(tiles, arm)[0]
        assert (batch.related is not None) == (arm == "keep-labelled")


def test_caption_batches__merged_captions_tell_of_what_most_of_a_region_tell(
    tiles: PhantomTiles,
) -> None:
    captions, told = write_captions(tiles, 3, 0.4)
    tokenizer = train_tokenizer(captions, 300)
    merged = next(iter(CaptionBatches(tiles, captions, told, tokenizer, arm="keep-merged", seed=0)))
    counts = [np.bincount(told[tiles.region == region], minlength=7) for region in tiles.region]
    texts = [
        caption
        for caption, told_of, count in zip(captions, told, counts, strict=True)
        if count[told_of] == count.max()
    ]
    kept = {tuple(ids[ids > 0]) for ids in tokenizer.encode(texts, Recipe().max_tokens).ids}
    assert {tuple(ids[ids > 0]) for ids in merged.tokens.ids.numpy()} <= kept


def test_classify__names_a_tissue_for_every_tile(tiles: PhantomTiles) -> None:
    captions, _ = write_captions(tiles, 3, 0.0)
    tokenizer = train_tokenizer(captions, 300)
    model = DualEncoder(Recipe().encoder(ARMS["clip"]), tokenizer.vocab_size, seed=0)
    guess = classify(model, tokenizer, tiles)
    assert guess.shape == tiles.tissue.shape
    assert set(guess) <= set(range(len(TISSUES)))
