"""A sample depends on seed, epoch and index only, and what turns over turns as a whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.radiograph_batch import NOT_MENTIONED
from medvlp.data.radiograph_dataset import (
    RadiographCollator,
    RadiographDataset,
    SampleSettings,
    may_turn,
)
from medvlp.data.radiograph_manifest import IMAGES_FILE, RadiographPairsManifest
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.data.sampler import Draw
from medvlp.errors import DataError
from medvlp.text.tokenizer import train_tokenizer
from tests.data.radiograph_samples import FINDINGS, SIZE, make_images, make_records, write_samples

CHANGED = SampleSettings(augment=RadiographAugmentSettings(), sentences="subset")
TURNED = SampleSettings(augment=RadiographAugmentSettings(flip="swap-sides", flip_probability=1.0))


@pytest.fixture
def manifest(tmp_path: Path) -> RadiographPairsManifest:
    return read_radiograph_pairs(write_samples(tmp_path))


def build(manifest: RadiographPairsManifest, **more: object) -> RadiographDataset:
    return RadiographDataset(manifest, "train", FINDINGS, **more)


def test_dataset__gives_pictures_and_reports_as_they_are(
    manifest: RadiographPairsManifest,
) -> None:
    dataset = build(manifest)
    sample = dataset[Draw(3, 1)]
    record = make_records()[1]
    expected = make_images(make_records())[1] / np.float32(255)
    np.testing.assert_allclose(sample.image, expected, rtol=0, atol=1e-7)
    assert sample.text == record.report
    assert sample.labels.tolist() == [1, NOT_MENTIONED, 0, -1]
    assert sample.places == record.places
    assert not sample.turned
    assert len(dataset) == 6


def test_dataset__draws_by_seed_epoch_index_and_repeat_only(
    manifest: RadiographPairsManifest,
) -> None:
    def sample(seed: int, *draw: int, warm: bool = False):
        dataset = build(manifest, training=CHANGED, seed=seed)
        if warm:
            _ = [dataset[Draw(0, n)] for n in (3, 1, 2)]
        return dataset[Draw(*draw)]

    first, again = sample(0, 2, 1), sample(0, 2, 1, warm=True)
    np.testing.assert_array_equal(first.image, again.image)
    assert first.text == again.text
    for other in (sample(1, 2, 1), sample(0, 3, 1), sample(0, 2, 1, 1)):
        assert not np.array_equal(first.image, other.image)


def test_dataset__reads_a_picture_once_where_it_may_keep_it(
    manifest: RadiographPairsManifest,
) -> None:
    kept, other = build(manifest, cache_bytes=10**6), build(manifest, cache_bytes=SIZE)
    first = kept[Draw(0, 0)].image
    _ = other[Draw(0, 0)]
    (manifest.folder / IMAGES_FILE).write_bytes(b"gone")
    np.testing.assert_array_equal(kept[Draw(1, 0)].image, first)
    with pytest.raises(DataError, match="MV1792"):
        build(manifest)[Draw(0, 0)]


def test_dataset__brings_picture_and_places_to_a_smaller_input(
    manifest: RadiographPairsManifest,
) -> None:
    sample = build(manifest, input_px=16)[Draw(0, 0)]
    assert sample.image.shape == (16, 16)
    assert sample.places[0].box == (5.0, 8.0, 10.0, 13.0)
    assert sample.image[5:8, 10:13].min() > 0.7


def test_dataset__turns_picture_report_labels_places_and_group(
    manifest: RadiographPairsManifest,
) -> None:
    sample = build(manifest, training=TURNED)[Draw(0, 0)]
    assert sample.turned
    assert "in the right lung" in sample.text
    assert sample.labels.tolist() == [1, NOT_MENTIONED, 0, 0]
    assert sample.places[0].side == "right"
    assert sample.report_group == sample.row.turned_group != sample.row.report_group


def test_may_turn__keeps_pictures_without_a_counterpart(manifest: RadiographPairsManifest) -> None:
    row, known = manifest.rows("train")[0], frozenset(FINDINGS)
    assert may_turn(row, known)
    for changes in (
        {"view": "LATERAL"},
        {"view": ""},
        {"report": "Dextrocardia."},
        {"labels": {"left pleural effusion": 1, "left nodule": 0}},
        {"labels": {"dextrocardia": 0}},
    ):
        assert not may_turn(replace(row, **changes), known | {"left nodule", "dextrocardia"})
    assert not may_turn(row, known, frozenset({"nodule"}))
    absent = replace(row, labels={"nodule": 0})
    assert may_turn(absent, known, frozenset({"nodule"}))


def test_dataset__takes_a_share_of_the_patients(manifest: RadiographPairsManifest) -> None:
    half, most = build(manifest, share=0.5), build(manifest, share=0.9)
    assert len(half) == 3
    kept, more = ({row.sample_id for row in part.rows} for part in (half, most))
    assert kept < more


def test_collator__puts_samples_into_a_batch(manifest: RadiographPairsManifest) -> None:
    dataset = build(manifest, training=TURNED)
    numbers = {name: place for place, name in enumerate(manifest.patients)}
    tokenizer = train_tokenizer(manifest.reports("train"), 100)
    samples = [dataset[Draw(0, index)] for index in (2, 0)]
    batch = RadiographCollator(numbers, tokenizer=tokenizer, max_tokens=7)(samples)
    assert batch.image.shape == (2, 1, SIZE, SIZE)
    assert batch.tokens.ids.shape == (2, 7)
    assert batch.patient_id.tolist() == [2, 0]
    assert batch.turned.tolist() == [True, True]
    assert batch.sample_id == ("p02", "p00")
    assert RadiographCollator(numbers)(samples).text is None
