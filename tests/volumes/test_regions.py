from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.crops import CropSpec
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.masks import LabelMap, read_mask
from medvlp.volumes.nifti_reader import open_nifti
from medvlp.volumes.regions import crop_regions, find_regions
from medvlp.volumes.volume import Volume

LABELS = np.zeros((20, 40, 60), np.uint8)
LABELS[5:15, 10:20, 5:15] = 1
LABELS[0:12, 12:22, 40:52] = 2
GEOMETRY = VolumeGeometry(LABELS.shape, (5.0, 2.0, 2.0), np.eye(3), (-60.0, -40.0, 0.0))
NAMES = {1: "kidney_right", 2: "kidney_left", 3: "liver"}


def test_find_regions__gives_each_side_of_a_pair() -> None:
    right, left = find_regions(LabelMap(LABELS, GEOMETRY, NAMES), "kidney")
    assert (right.name, right.side, left.name, left.side) == (
        "kidney_right",
        "right",
        "kidney_left",
        "left",
    )
    # Voxels 5 to 14 along x start at -60 mm and are 2 mm apart: their middle is at -41 mm.
    assert right.centre_lps_mm == pytest.approx((-60 + 9.5 * 2, -40 + 14.5 * 2, 9.5 * 5))
    assert right.extent_mm == (50, 20, 20)
    assert right.volume_ml == pytest.approx(1000 * 20 / 1000)
    assert right.cut_sides == ()
    assert left.cut_sides == ("I",)


def test_find_regions__parts_a_label_without_sides() -> None:
    one = LabelMap((LABELS > 0).astype(np.uint8), GEOMETRY, {1: "kidney"})
    assert [region.name for region in find_regions(one, "kidney")] == ["kidney"]
    parts = find_regions(one, "kidney", by_side=True)
    assert [region.name for region in parts] == ["kidney_right", "kidney_left"]
    alone = LabelMap((LABELS == 1).astype(np.uint8), GEOMETRY, {1: "kidney"})
    assert [region.side for region in find_regions(alone, 1, by_side=True)] == [""]


def test_find_regions__keeps_the_side_that_a_lone_label_names() -> None:
    """After a nephrectomy the other kidney stays what it is, also where its label is in pieces."""
    labels = np.where(LABELS == 2, LABELS, 0)
    labels[15:20, 12:22, 5:15] = 2  # 20 ml of the left kidney's label, far from it
    mask = LabelMap(labels, GEOMETRY, NAMES)
    (region,) = find_regions(mask, "kidney", by_side=True)
    assert (region.name, region.side) == ("kidney_left", "left")


def test_find_regions__does_not_part_pieces_of_one_side() -> None:
    labels = np.zeros_like(LABELS)
    labels[0:8, 10:22, 5:15] = 1
    labels[12:20, 10:22, 8:18] = 1
    mask = LabelMap(labels, GEOMETRY, {1: "kidney"})
    (region,) = find_regions(mask, "kidney", by_side=True)
    assert (region.name, region.side) == ("kidney", "")
    assert region.volume_ml == pytest.approx(2 * 8 * 12 * 10 * 20 / 1000)


@pytest.mark.parametrize("number", ["00004", "00041", "00108"])
def test_real_kidneys_with_their_tumours__are_parted_by_side(real_data: Path, number: str) -> None:
    mask = read_mask(real_data / f"ct/kits_nc/case_{number}_segmentation.nii.gz", names="kits")
    parts = find_regions(mask, ("kidney", "tumor"), by_side=True)
    assert [part.name for part in parts] == ["kidney_right", "kidney_left"]
    assert parts[0].centre_lps_mm[0] + 60 < parts[1].centre_lps_mm[0]
    whole = mask.select(("kidney", "tumor")).sum() * np.prod(mask.geometry.spacing_zyx_mm) / 1000
    assert sum(part.volume_ml for part in parts) > 0.98 * whole
    (tumour,) = find_regions(mask, "tumor")
    assert tumour.volume_ml < whole / 2


@pytest.mark.parametrize(
    ("part", "sides"),
    [
        ((slice(0, 20), slice(5, 9), slice(5, 9)), ("I", "S")),
        ((slice(5, 9), slice(0, 3), slice(5, 9)), ("A",)),
        ((slice(5, 9), slice(38, 40), slice(0, 9)), ("P", "R")),
        ((slice(5, 9), slice(5, 9), slice(50, 60)), ("L",)),
    ],
)
def test_cut_sides__are_sides_of_the_body(part: tuple[slice, ...], sides: tuple[str, ...]) -> None:
    labels = np.zeros_like(LABELS)
    labels[part] = 1
    (region,) = find_regions(LabelMap(labels, GEOMETRY), 1)
    assert region.cut_sides == sides


def test_find_regions__refuses_an_absent_label() -> None:
    with pytest.raises(VolumeError, match="MV2241"):
        find_regions(LabelMap(LABELS, GEOMETRY, NAMES), "liver")


def test_crop_regions__cuts_an_organ_at_the_edge_and_says_so() -> None:
    values = np.where(LABELS > 0, 40, -100).astype(np.int16)
    spec = CropSpec(box_mm=(160, 60, 60), spacing_mm=(5, 2, 2))
    (_, right), (region, left) = crop_regions(
        Volume(values, GEOMETRY), LabelMap(LABELS, GEOMETRY, NAMES), "kidney", spec
    )
    assert region.cut_sides == ("I",)
    assert left.padded_sides == ("I", "L", "S")
    assert set(np.unique(left.values)) >= {-1024.0, -100.0, 40.0}
    assert right.values[16, 15, 15] == 40


def test_crop_regions__refuses_a_mask_of_another_grid() -> None:
    moved = VolumeGeometry(LABELS.shape, (5.0, 2.0, 2.0), np.eye(3), (-60.0, -40.0, 30.0))
    spec = CropSpec(box_mm=(40, 40, 40), spacing_mm=(5, 2, 2))
    with pytest.raises(VolumeError, match="MV2240"):
        crop_regions(Volume(LABELS.astype(np.int16), moved), LabelMap(LABELS, GEOMETRY), 1, spec)


def test_real_kidneys__lie_in_their_crops_and_are_flagged_as_cut(real_data: Path) -> None:
    folder = real_data / "ct/totalsegmentator/abdomen_3mm"
    scan = open_nifti(folder / "ct.nii.gz")
    mask = read_mask(folder / "seg_total.nii.gz", like=scan.geometry)
    spec = CropSpec(box_mm=(160, 140, 140), spacing_mm=(5, 1, 1))
    (right_region, right), (left_region, left) = crop_regions(scan, mask, "kidney", spec)
    assert (right_region.side, left_region.side) == ("right", "left")
    assert right_region.centre_lps_mm[0] < 0 < left_region.centre_lps_mm[0]
    for region, crop in ((right_region, right), (left_region, left)):
        assert crop.values.shape == (32, 140, 140)
        # Both kidneys reach the lowest slice of this scan; the box is padded there and above.
        assert region.cut_sides == ("I",)
        assert crop.padded_sides == ("I", "S")
        assert (crop.values[0] == -1024).all()
        middle = crop.values[16, 60:80, 60:80]
        assert -200 < np.median(middle) < 300
