"""Masks go with their pictures, wherever these are moved; what is damaged is refused."""

import json

import numpy as np
import pytest

from medvlp.data.radiograph_augment import RadiographAugmentSettings, change_picture, draw_change
from medvlp.data.radiograph_masks import (
    MASKS_FILE,
    MASKS_INFO_FILE,
    MaskedRadiographs,
    change_mask,
    collate_masks,
    read_masks_info,
    write_radiograph_masks,
)
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.data.sampler import Draw
from medvlp.errors import DataError
from tests.data.radiograph_samples import SIZE, make_records, write_samples


@pytest.fixture
def folder(tmp_path):
    """A folder whose masks mark the bright square of each picture."""
    path = write_samples(tmp_path / "radiographs")
    masks = []
    for record in make_records():
        mask = np.zeros((SIZE, SIZE), np.uint8)
        r0, r1, c0, c1 = (int(edge) for edge in record.places[0].box)
        mask[r0:r1, c0:c1] = 1
        masks.append(mask)
    write_radiograph_masks(path, masks, ("background", "nodule"))
    return path


def masked(folder, augment=None, split="train"):
    manifest = read_radiograph_pairs(folder)
    return MaskedRadiographs(manifest, read_masks_info(folder, manifest), split, augment, 3)


def test_masked__gives_each_picture_its_own_mask(folder):
    data = masked(folder)
    for index in range(len(data)):
        name, image, mask = data[Draw(0, index)]
        assert name == data.rows[index].sample_id
        assert np.array_equal(image > 0.8, mask == 1)


def test_masked__changes_both_alike(folder):
    augment = RadiographAugmentSettings(noise=0.0, gamma_probability=0.0, crop=1.0)
    data = masked(folder, augment)
    _, still, _ = masked(folder)[Draw(0, 1)]
    _, image, mask = data[Draw(5, 1)]
    assert not np.array_equal(image, still)
    lit = image > 0.5 * image.max()
    assert (lit & (mask == 1)).sum() > 0.7 * (lit | (mask == 1)).sum()
    assert set(np.unique(mask).tolist()) == {0, 1}
    again = data[Draw(5, 1)]
    assert np.array_equal(again[1], image)
    assert np.array_equal(again[2], mask)


def test_change_mask__follows_the_picture():
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 9:12] = 2
    settings = RadiographAugmentSettings(noise=0, gamma_probability=0, intensity_scale=0)
    settings = settings.model_copy(update={"intensity_shift": 0.0})
    for seed in range(5):
        change = draw_change(settings, np.random.default_rng(seed))
        moved = change_mask(mask, change)
        picture = change_picture((mask == 2).astype(np.float32), change)
        assert ((picture > 0.5) == (moved == 2)).mean() > 0.97
        assert set(np.unique(moved).tolist()) <= {0, 2}


def test_collate_masks__stacks(folder):
    data = masked(folder)
    batch = collate_masks([data[Draw(0, 0)], data[Draw(0, 1)]])
    assert batch.image.shape == (2, 1, SIZE, SIZE)
    assert batch.mask.shape == (2, SIZE, SIZE)
    assert len(batch) == 2


def test_write__refuses_a_class_without_a_name(folder):
    masks = [np.full((SIZE, SIZE), 255, np.uint8) for _ in make_records()]
    write_radiograph_masks(folder, masks, ("background", "nodule"))
    masks[4][0, 0] = 2
    with pytest.raises(DataError, match="mask 4 has class 2 of 2") as caught:
        write_radiograph_masks(folder, masks, ("background", "nodule"))
    assert caught.value.code == "MV1836"


def test_read__refuses_masks_of_other_pictures_and_damage(folder, tmp_path):
    manifest = read_radiograph_pairs(folder)
    described = json.loads((folder / MASKS_INFO_FILE).read_text())
    other = {**described, "samples_sha256": "0" * 64}
    (folder / MASKS_INFO_FILE).write_text(json.dumps(other))
    with pytest.raises(DataError, match="another table of pictures") as caught:
        read_masks_info(folder, manifest)
    assert caught.value.code == "MV1837"
    (folder / MASKS_INFO_FILE).write_text(json.dumps({**described, "checksums": [1]}))
    with pytest.raises(DataError, match="1 masks of 10 pictures"):
        read_masks_info(folder, manifest)
    (folder / MASKS_INFO_FILE).write_text(json.dumps(described))
    (folder / MASKS_FILE).write_bytes(b"no array")
    with pytest.raises(DataError) as caught:
        masked(folder)[Draw(0, 0)]
    assert caught.value.code == "MV1837"
    (folder / MASKS_INFO_FILE).unlink()
    with pytest.raises(DataError, match="has no masks"):
        read_masks_info(folder, manifest)
