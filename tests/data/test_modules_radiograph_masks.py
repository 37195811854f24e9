"""Loaders of pictures and masks: whole splits, in order or by chance."""

import numpy as np
import pytest

from medvlp.data.modules_radiograph_masks import RadiographMasksDataModule
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.radiograph_masks import write_radiograph_masks
from medvlp.errors import UsageError
from tests.data.radiograph_samples import SIZE, make_records, write_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = write_samples(tmp_path_factory.mktemp("masks") / "radiographs")
    masks = [np.full((SIZE, SIZE), n % 2, np.uint8) for n in range(len(make_records()))]
    write_radiograph_masks(path, masks, ("background", "nodule"))
    return path


def test_loader__gives_every_picture_of_a_split_once(folder):
    data = RadiographMasksDataModule(folder=folder, batch_size=4, augment=None)
    data.setup("fit")
    names = [name for batch in data.loader("train") for name in batch.sample_id]
    assert names == [row.sample_id for row in data.manifest.rows("train")]
    seen = [name for batch in data.train_dataloader() for name in batch.sample_id]
    assert set(seen) <= set(names)
    assert data.masks.classes == ("background", "nodule")
    assert data.input_px == SIZE
    (validation,) = data.val_dataloader()
    assert len(validation) == 2


def test_module__refuses_to_turn_masks_over(folder):
    turning = RadiographAugmentSettings(flip="swap-sides")
    with pytest.raises(UsageError, match="flip: never") as caught:
        RadiographMasksDataModule(folder=folder, batch_size=4, augment=turning)
    assert caught.value.code == "MV1835"


def test_setup__refuses_a_batch_that_cannot_be_filled(folder):
    data = RadiographMasksDataModule(folder=folder, batch_size=40)
    with pytest.raises(UsageError, match="more than the 6 training pictures"):
        data.setup("fit")
