from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.laterality import (
    USUAL_PLACES_MM,
    _centres_mm,
    check_laterality,
    require_upright_sides,
)
from medvlp.volumes.masks import LabelMap, read_mask

TURNS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def turned(mask: LabelMap, axes: tuple[int, ...], flips: tuple[int, ...]) -> LabelMap:
    """Swap and flip the voxels and leave the header as it was, but for the shape."""
    labels = mask.labels.transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
    return replace(mask, labels=labels, geometry=replace(mask.geometry, shape_zyx=labels.shape))


def mirrors(axes: tuple[int, ...], flips: tuple[int, ...]) -> bool:
    return bool(np.linalg.det(np.eye(3)[list(axes)]) * np.prod(flips) < 0)


@pytest.fixture(scope="module")
def abdomen(real_data: Path) -> LabelMap:
    return read_mask(real_data / "ct/totalsegmentator/abdomen_3mm/seg_total.nii.gz")


@pytest.mark.parametrize(("axes", "flips"), TURNS)
def test_check_laterality__catches_every_mirror_of_the_real_abdomen_and_nothing_else(
    abdomen: LabelMap, axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    assert len(TURNS) == 48
    found = check_laterality(turned(abdomen, axes, flips))
    assert found.is_mirrored is mirrors(axes, flips)
    assert found.clearness > 0.1
    assert found.evidence == "organs"


@pytest.mark.parametrize("gone", ["liver", "spleen", "stomach", "colon", "aorta", "kidney_left"])
def test_check_laterality__does_not_hang_on_one_organ(abdomen: LabelMap, gone: str) -> None:
    names = {number: name for number, name in abdomen.names.items() if name != gone}
    fewer = replace(abdomen, names=names)
    for flips in ((1, 1, 1), (1, 1, -1), (-1, -1, -1)):
        assert check_laterality(turned(fewer, (0, 1, 2), flips)).is_mirrored is mirrors(
            (0, 1, 2), flips
        )


def test_check_laterality__is_right_on_a_thin_slab(real_data: Path) -> None:
    mask = read_mask(real_data / "ct/totalsegmentator/abdomen_dicom_jpeg2000/seg_total.nii.gz")
    assert check_laterality(mask).is_mirrored is False
    assert check_laterality(turned(mask, (0, 1, 2), (1, 1, -1))).is_mirrored is True


def test_check_laterality__is_not_misled_by_sides_in_names(abdomen: LabelMap) -> None:
    """A tool that labels a mirrored scan may name each kidney by the side it sees it on."""
    swap = {
        name: name.replace("left", "#").replace("right", "left").replace("#", "right")
        for name in abdomen.names.values()
    }
    names = {number: swap[name] for number, name in abdomen.names.items()}
    seen = replace(turned(abdomen, (0, 1, 2), (1, 1, -1)), names=names)
    assert check_laterality(seen).is_mirrored is True


def test_check_laterality__is_silent_where_too_little_is_labelled(real_data: Path) -> None:
    spine = read_mask(
        real_data / "ct/totalsegmentator/torso_3mm/seg_vertebrae.nii.gz", names="totalsegmentator"
    )
    assert check_laterality(spine).is_mirrored is None
    kidneys = read_mask(real_data / "ct/kits_nc/case_00004_segmentation.nii.gz", names="kits")
    assert check_laterality(kidneys).is_mirrored is None


def test_check_laterality__uses_names_where_only_they_tell() -> None:
    pairs = ("autochthon", "scapula", "clavicula")
    known = [f"{pair}_{side}" for pair in pairs for side in ("left", "right")]
    names = dict(enumerate(known, start=1))
    labels = np.zeros((75, 61, 61), np.uint8)
    geometry = VolumeGeometry(labels.shape, (5.0, 5.0, 5.0), np.eye(3), (-150.0, -150.0, -30.0))
    for number, name in names.items():
        z, y, x = np.rint(geometry.lps_to_index([USUAL_PLACES_MM[name]])[0]).astype(int)
        labels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = number
    found = check_laterality(LabelMap(labels, geometry, names))
    assert (found.is_mirrored, found.evidence) == (False, "labels")
    assert check_laterality(LabelMap(labels[:, :, ::-1], geometry, names)).is_mirrored is True


def test_require_upright_sides__refuses_a_mirror(abdomen: LabelMap) -> None:
    assert require_upright_sides("scan", abdomen).is_mirrored is False
    with pytest.raises(VolumeError, match=r"MV2245.*scan is mirrored: 21 structures"):
        require_upright_sides("scan", turned(abdomen, (0, 1, 2), (1, 1, -1)))


def test_usual_places__mirror_pairs_about_the_midline() -> None:
    for name, (x, y, z) in USUAL_PLACES_MM.items():
        if name.endswith("_left") and name.replace("left", "right") in USUAL_PLACES_MM:
            other = USUAL_PLACES_MM[name.replace("left", "right")]
            assert x > 0 > other[0], name
            assert abs(y - other[1]) + abs(z - other[2]) < 40, name


def test_check_laterality__passes_over_labels_beyond_those_it_knows(abdomen: LabelMap) -> None:
    expected = check_laterality(abdomen)
    labels = abdomen.labels.astype(np.uint16)
    labels[:, :5, :5] = 65535
    found = check_laterality(replace(abdomen, labels=labels))
    assert found.is_mirrored is expected.is_mirrored
    assert found.clearness == pytest.approx(expected.clearness, rel=0.05)


def test_centres__are_those_of_scipy(abdomen: LabelMap) -> None:
    found = _centres_mm(abdomen)
    numbers = {name: number for number, name in abdomen.names.items()}
    assert len(found) > 10
    for name, place in found.items():
        centre = ndimage.center_of_mass(abdomen.labels == numbers[name])
        np.testing.assert_allclose(place, abdomen.geometry.index_to_lps([centre])[0], atol=1e-6)
