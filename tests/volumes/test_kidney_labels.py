import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.kidney_labels import (
    CYST,
    KIDNEYS,
    TUMOUR,
    KidneyLabels,
    box_geometry,
    find_scene,
)
from medvlp.volumes.masks import LabelMap
from tests.volumes.kidney_shapes import KITS, LEFT, RIGHT, Drawn, ball, draw, upright_grid

PLACE = {side: place for place, side in KIDNEYS.items()}


def centre_x_mm(mask: LabelMap, place: int) -> float:
    scene = find_scene(mask, KidneyLabels())
    at = np.argwhere(scene.classes == place)
    return float(scene.geometry.index_to_lps(at)[:, 0].mean())


def test_find_scene__parts_kidneys_by_where_they_lie() -> None:
    mask = draw([RIGHT, LEFT])
    scene = find_scene(mask, KidneyLabels())
    assert scene.evidence == "both kidneys"
    assert centre_x_mm(mask, PLACE["right"]) == pytest.approx(-62, abs=1)
    assert centre_x_mm(mask, PLACE["left"]) == pytest.approx(62, abs=1)


@pytest.mark.parametrize("orientation", ["LPS", "RAI", "IPL", "SLA", "PSR"])
def test_find_scene__cuts_the_same_voxels_out_in_every_orientation(orientation: str) -> None:
    size = {"L": 130, "R": 130, "P": 40, "A": 40, "S": 80, "I": 80}
    shape = tuple(size[letter] for letter in orientation[::-1])
    geometry = upright_grid((shape[0], shape[1], shape[2]), orientation=orientation)
    scene = find_scene(draw([RIGHT, LEFT, ball((70, -20, 30), 30)], geometry), KidneyLabels())
    usual = find_scene(
        draw([RIGHT, LEFT, ball((70, -20, 30), 30)], upright_grid((80, 40, 130))), KidneyLabels()
    )
    np.testing.assert_array_equal(scene.classes, usual.classes)
    assert not scene.geometry.difference(usual.geometry, 1e-6)
    assert scene.geometry.axis_codes == "LPS"


def test_find_scene__says_where_the_scan_ends() -> None:
    geometry = upright_grid((80, 40, 130), orientation="LPI")
    scene = find_scene(draw([RIGHT, ((62, 0, 40), (24, 27, 54), 1)], geometry), KidneyLabels())
    assert scene.scan_ends == ((False, True), (False, False), (False, False))


def test_find_scene__takes_sides_from_names_whatever_the_place() -> None:
    names = {1: "kidney_left", 2: "kidney_tumor", 3: "kidney_right"}
    labels = KidneyLabels("kidney", "kidney_tumor", None)
    right = (*RIGHT[:2], 3)
    alone = find_scene(draw([LEFT], names=names), labels)
    both = find_scene(draw([LEFT, right, ball((60, 0, 0), 20)], names=names), labels)
    assert alone.evidence == both.evidence == "names"
    assert set(np.unique(alone.classes)) == {0, PLACE["left"]}
    assert set(np.unique(both.classes)) == {0, TUMOUR, PLACE["left"], PLACE["right"]}


def test_find_scene__does_not_guess_the_side_of_a_kidney_alone() -> None:
    scene = find_scene(draw([LEFT]), KidneyLabels())
    assert scene.evidence == "none"
    assert set(np.unique(scene.classes)) == {0, PLACE[""]}


def test_find_scene__counts_a_kidney_that_a_tumour_replaced() -> None:
    scene = find_scene(draw([LEFT, ball((-60, 0, 0), 60)]), KidneyLabels())
    assert scene.evidence == "both kidneys"
    assert set(np.unique(scene.classes)) == {0, TUMOUR, PLACE["left"]}


def test_find_scene__does_not_take_halves_of_one_kidney_for_two() -> None:
    scene = find_scene(draw([LEFT, ((62, 0, 6), (30, 30, 6), 0)]), KidneyLabels())
    assert scene.evidence == "none"


def test_find_scene__gives_both_halves_of_a_kidney_its_side() -> None:
    scene = find_scene(draw([LEFT, RIGHT, ((62, 0, 6), (30, 30, 6), 0)]), KidneyLabels())
    assert scene.evidence == "both kidneys"
    z = np.argwhere(scene.classes == PLACE["left"])[:, 0]
    assert np.ptp(z) * 2 > 100


def test_find_scene__drops_specks_of_kidneys_and_keeps_cysts() -> None:
    speck = ball((0, 0, 0), 8, 1)
    scene = find_scene(draw([LEFT, RIGHT, speck, ball((80, 0, 0), 20, 3)]), KidneyLabels())
    usual = find_scene(draw([LEFT, RIGHT]), KidneyLabels())
    is_right = PLACE["right"]
    assert (scene.classes == is_right).sum() == (usual.classes == is_right).sum()
    assert (scene.classes == CYST).sum() > 300


def test_find_scene__reads_16_bits() -> None:
    mask = draw([LEFT, RIGHT])
    wide = LabelMap(
        mask.labels.astype(np.uint16) * 700,
        mask.geometry,
        {700: "kidney", 701: "tumor", 702: "cyst"},
    )
    np.testing.assert_array_equal(
        find_scene(wide, KidneyLabels()).classes, find_scene(mask, KidneyLabels()).classes
    )


def test_find_scene__keeps_the_volume_of_a_sheared_grid() -> None:
    affine = np.diag([1.5, 2.0, 2.5, 1.0])
    affine[0, 2] = 1.0
    affine[:3, 3] = -60.0, -40.0, -60.0
    geometry = VolumeGeometry.from_affine((48, 40, 80), affine)
    scene = find_scene(draw([((0, 0, 0), (25, 25, 50), 1)], geometry), KidneyLabels())
    found = float((scene.classes > 0).sum()) * scene.voxel_ml
    assert found == pytest.approx(4 / 3 * np.pi * 25 * 25 * 50 / 1000, rel=0.02)


@pytest.mark.parametrize(
    ("shapes", "names", "labels", "code"),
    [
        ([ball((0, 0, 0), 40)], KITS, KidneyLabels(), "MV2241"),
        ([], KITS, KidneyLabels(), "MV2241"),
        ([LEFT], {}, KidneyLabels(), "MV2243"),
        ([LEFT], KITS, KidneyLabels(tumour="mass"), "MV2243"),
        ([LEFT], KITS, KidneyLabels(1, 1, None), "MV2330"),
        ([LEFT], KITS, KidneyLabels(1, 2, ("cyst", 2)), "MV2330"),
        ([ball((0, 0, 0), 24, 1)], KITS, KidneyLabels(), "MV2331"),
    ],
)
def test_find_scene__refuses_what_has_no_kidneys(
    shapes: list[Drawn], names: dict[int, str], labels: KidneyLabels, code: str
) -> None:
    with pytest.raises(VolumeError, match=code):
        find_scene(draw(shapes, names=names), labels)


def test_find_scene__refuses_a_body_whose_other_organs_are_mirrored() -> None:
    names = {1: "kidney_right", 2: "kidney_left", 3: "liver", 4: "spleen", 5: "aorta", 6: "stomach"}
    names |= {7: "pancreas", 8: "spinal_cord", 9: "kidney_tumor", 10: "gallbladder"}
    places = {1: (-60, 10, -15), 2: (60, 10, 0), 3: (-65, -40, 40), 4: (90, 20, 40)}
    places |= {5: (10, -25, 30), 6: (45, -65, 30), 7: (15, -50, 0), 8: (0, 38, 20)}
    places |= {10: (-50, -75, 0)}
    geometry = upright_grid((90, 100, 130))
    shapes = [ball(places[label], 38 if label < 3 else 20, label) for label in places]
    labels = KidneyLabels("kidney", "kidney_tumor", None)
    assert find_scene(draw(shapes, geometry, names), labels).evidence == "names"
    swapped = [((-x, y, z), radii, label) for (x, y, z), radii, label in shapes]
    with pytest.raises(VolumeError, match="MV2245"):
        find_scene(draw(swapped, geometry, names), labels)


def test_box_geometry__places_the_box_where_the_array_has_it() -> None:
    geometry = upright_grid((20, 30, 40), (3.0, 1.0, 2.0), "IPR", (10.0, 5.0, -3.0))
    box = (slice(4, 9), slice(7, 8), slice(30, 40))
    part = box_geometry(geometry, box)
    assert part.shape_zyx == (5, 1, 10)
    np.testing.assert_allclose(
        part.index_to_lps([[1, 0, 3]]), geometry.index_to_lps([[5, 7, 33]]), atol=1e-9
    )
