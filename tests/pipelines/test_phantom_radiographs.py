"""Phantom radiographs become a folder that trains: labels, sides and places agree."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_pairs import open_images, read_radiograph_pairs
from medvlp.errors import PhantomError
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, UNSEEN
from medvlp.pipelines.phantom_radiographs import write_phantom_radiograph_pairs

OPTIONS = {"seed": 3, "n_train": 14, "n_val": 8, "size_px": 64, "prevalence": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "pairs"
    write_phantom_radiograph_pairs(folder, lateral_share=0.3, **OPTIONS)
    return folder


def test_phantoms__have_unseen_findings_after_training_only(folder: Path) -> None:
    manifest = read_radiograph_pairs(folder, verify_images=True)
    assert manifest.info.findings == tuple(PHANTOM_FINDINGS)
    assert {row.patient for row in manifest.rows("train")}.isdisjoint(
        {row.patient for row in manifest.rows("validation")}
    )
    for row in manifest.rows("train"):
        assert set(row.labels) <= set(SEEN)
    for row in manifest.rows("validation"):
        assert set(row.labels) == set(PHANTOM_FINDINGS)
    assert any(row.labels[name] for row in manifest.rows("validation") for name in UNSEEN)
    assert "LATERAL" in {row.view for row in manifest.rows("train")}


def test_phantoms__places_and_present_labels_agree(folder: Path) -> None:
    manifest = read_radiograph_pairs(folder)
    for row in manifest.rows("validation"):
        present = {name for name, value in row.labels.items() if value}
        assert {place.finding for place in row.places} <= present
        for place in row.places:
            column = (place.box[2] + place.box[3]) / 2
            if row.view != "LATERAL":
                assert (column > 32) == (place.side == "left")


def test_phantoms__are_the_same_again_and_others_with_another_seed(
    folder: Path, tmp_path: Path
) -> None:
    one = write_phantom_radiograph_pairs(tmp_path / "again", lateral_share=0.3, **OPTIONS)
    first = read_radiograph_pairs(folder)
    assert one.images_sha256 == first.info.images_sha256
    assert one.samples_sha256 == first.info.samples_sha256
    other = write_phantom_radiograph_pairs(tmp_path / "other", **OPTIONS | {"seed": 4})
    assert other.images_sha256 != one.images_sha256


def test_phantoms__fill_the_gray_levels(folder: Path) -> None:
    manifest = read_radiograph_pairs(folder)
    row = manifest.rows("train")[0]
    image = open_images(manifest).read(row.image, row.image_crc32)
    assert image.shape == (64, 64)
    assert np.ptp(image) > 150


def test_phantoms__train_on_their_own_book(folder: Path) -> None:
    module = RadiographDataModule(folder=folder, batch_size=4, findings=SEEN, max_tokens=200)
    module.setup("fit")
    assert module.facets.names == SEEN
    batch = next(iter(module.train_dataloader()))
    assert batch.labels.shape == (4, 40)
    assert set(batch.labels.unique().tolist()) <= {1, 0, -1, -2}


def test_phantoms__refuse_unknown_findings(tmp_path: Path) -> None:
    with pytest.raises(PhantomError, match="MV1905"):
        write_phantom_radiograph_pairs(
            tmp_path, seed=1, n_train=1, n_val=0, train_findings=("cough",)
        )
