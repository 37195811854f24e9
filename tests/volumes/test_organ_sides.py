"""Each side of an organ is found with its lesions, and cut where it lies."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.types import Case
from medvlp.volumes.crops import CropSpec
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.organ_sides import OrganPlan, cut_sides, find_sides
from tests.pipelines.scan_samples import scan_case, write_scans

GEOMETRY = VolumeGeometry((20, 30, 60), (5.0, 4.0, 4.0), np.eye(3), (-120.0, -60.0, 0.0))
SIDED = {1: "kidney_right", 2: "kidney_left", 3: "kidney_tumor_left"}
KITS = {1: "kidney", 2: "tumor"}
ORGAN = ("kidney", "kidney_tumor", "tumor")


def label_map(names: dict[int, str], **boxes: tuple[int, tuple[slice, slice, slice]]) -> LabelMap:
    labels = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    for number, box in boxes.values():
        labels[box] = number
    return LabelMap(labels, GEOMETRY, names)


def box(z: int, y: int, x: int, size: int = 8) -> tuple[slice, slice, slice]:
    return slice(z, z + size), slice(y, y + size), slice(x, x + size)


def sided() -> LabelMap:
    return label_map(SIDED, a=(1, box(2, 5, 5)), b=(2, box(4, 5, 40)), c=(3, box(4, 5, 48, size=4)))


def kits() -> LabelMap:
    return label_map(KITS, a=(1, box(2, 5, 5)), b=(1, box(4, 5, 40)), c=(2, box(4, 5, 48, size=4)))


@pytest.mark.parametrize("mask", [sided(), kits()], ids=["sided", "kits"])
def test_find_sides__takes_organ_and_lesion_together(mask: LabelMap) -> None:
    found = find_sides(mask, ORGAN)
    assert list(found) == ["left", "right"]
    # Left: x voxels 40 to 51, 4 mm each from -120 mm; right: 5 to 12.
    assert found["left"].centre_lps_mm == pytest.approx((-120 + 4 * 45.5, -60 + 4 * 8.5, 37.5))
    assert found["right"].centre_lps_mm == pytest.approx((-120 + 4 * 8.5, -60 + 4 * 8.5, 27.5))
    assert found["left"].volume_ml == pytest.approx((8**3 + 4**3) * 0.08)
    assert {side: region.side for side, region in found.items()} == {
        "left": "left",
        "right": "right",
    }


@pytest.mark.parametrize("mask", [sided(), kits()], ids=["sided", "kits"])
def test_find_sides__centres_on_a_lesion_where_there_is_one(mask: LabelMap) -> None:
    found = find_sides(mask, ORGAN, ("kidney_tumor", "tumor"))
    assert list(found) == ["left"]
    assert found["left"].centre_lps_mm == pytest.approx((-120 + 4 * 49.5, -60 + 4 * 6.5, 27.5))


def test_find_sides__takes_the_largest_lesion_of_each_side() -> None:
    mask = label_map(
        KITS,
        a=(1, box(2, 5, 5)),
        b=(1, box(4, 5, 40)),
        c=(2, box(4, 5, 48, size=4)),
        d=(2, box(14, 5, 44, size=2)),
        e=(2, box(2, 14, 6, size=3)),
    )
    found = find_sides(mask, ORGAN, ("tumor",))
    assert found["left"].volume_ml == pytest.approx(4**3 * 0.08)
    assert found["right"].volume_ml == pytest.approx(3**3 * 0.08)


def refusal(*arguments: object) -> str:
    with pytest.raises(VolumeError) as caught:
        find_sides(*arguments)
    return caught.value.code


def test_find_sides__refuses_what_it_cannot_tell() -> None:
    alone = label_map(KITS, a=(1, box(2, 5, 5)))
    assert refusal(alone, ORGAN) == "MV1729"
    assert refusal(sided(), ("spleen",)) == "MV2243"
    without = label_map(SIDED, a=(1, box(2, 5, 5)))
    assert list(find_sides(without, ORGAN)) == ["right"]
    assert refusal(without, ORGAN, ("kidney_tumor",)) in {"MV2241", "MV2243"}


def plan(**changes: object) -> OrganPlan:
    spec = CropSpec(box_mm=(60.0, 64.0, 80.0), spacing_mm=(5.0, 4.0, 4.0))
    return OrganPlan(
        **{"structures": ("kidney", "kidney_tumor", "kidney_cyst"), "spec": spec} | changes
    )


def test_cut_sides__cuts_each_kidney_of_a_scan(tmp_path: Path) -> None:
    write_scans(tmp_path, ("one",))
    found = cut_sides(scan_case(tmp_path), plan())
    assert found.sides == ("left", "right")
    assert found.hu.shape == (2, 12, 16, 20)
    assert all(80 < volume < 900 for volume in found.volume_ml)
    # Kidneys are brighter than fat and air: the middle of a box is tissue.
    assert (found.hu[:, 4:8, 6:10, 7:13].mean(axis=(1, 2, 3)) > -120).all()
    assert len(found.scan_sha256) == len(found.mask_sha256) == 64


def test_cut_sides__refuses_a_mirrored_scan(tmp_path: Path) -> None:
    write_scans(tmp_path, ("one",))
    for part in ("scans", "masks"):
        path = tmp_path / part / "one.nii.gz"
        image = nibabel.load(path)
        values = np.asarray(image.dataobj)[::-1].copy()
        extensions = image.header.extensions
        flipped = nibabel.Nifti1Image(values, image.affine, image.header)
        flipped.header.extensions[:] = extensions
        nibabel.save(flipped, path)
    with pytest.raises(VolumeError, match="MV2245"):
        cut_sides(scan_case(tmp_path), plan())


def test_cut_sides__wants_a_mask(tmp_path: Path) -> None:
    write_scans(tmp_path, ("one",))
    with pytest.raises(ValueError, match="no mask"):
        cut_sides(scan_case(tmp_path, with_mask=False), plan())


def test_cut_sides__cuts_a_real_scan_where_its_kidneys_are(real_data: Path) -> None:
    folder = real_data / "ct/totalsegmentator/abdomen_3mm"
    scan, mask = folder / "ct.nii.gz", folder / "seg_total.nii.gz"
    case = Case(case_id="a", case_key="a", path=scan, modality="ct", mask=mask)
    values, labels = (nibabel.as_closest_canonical(nibabel.load(p)) for p in (scan, mask))
    step = values.header.get_zooms()[0]
    spec = CropSpec(box_mm=(step * 12,) * 3, spacing_mm=(step,) * 3, orientation="RAS")
    found = cut_sides(case, plan(spec=spec, structures=("kidney",), mask_names="totalsegmentator"))
    assert found.sides == ("left", "right")
    for side, label, hu in zip(found.sides, (3, 2), found.hu, strict=True):
        places = np.argwhere(np.asarray(labels.dataobj) == label)
        middle = (places.min(axis=0) + places.max(axis=0)) / 2
        starts = np.rint(middle).astype(int) - 6
        box = np.asarray(values.dataobj)[tuple(slice(n, n + 12) for n in starts)].T
        assert np.abs(hu - box).max() < 0.5, side
    assert found.volume_ml[0] == pytest.approx(
        (np.asarray(labels.dataobj) == 3).sum() * step**3 / 1000, rel=1e-3
    )
