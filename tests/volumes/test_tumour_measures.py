import itertools
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass
from medvlp.phantoms.abdomen.names import LABEL_NAMES
from medvlp.phantoms.abdomen.patients import make_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.geometry import AxisOrder, VolumeGeometry
from medvlp.volumes.kidney_labels import KidneyLabels
from medvlp.volumes.masks import LabelMap, read_mask
from medvlp.volumes.tumour_measures import measure_tumours
from medvlp.volumes.tumour_records import KidneyTumours, TumourMeasures
from tests.volumes.kidney_shapes import KITS, LEFT, RIGHT, Drawn, ball, draw, upright_grid
from tests.volumes.scans import write_nifti

PHANTOM = KidneyLabels("kidney", "kidney_tumor", "kidney_cyst")
Vector = tuple[float, float, float]


def only(found: KidneyTumours) -> TumourMeasures:
    assert len(found.tumours) == 1
    return found.tumours[0]


def cap_share(height: float) -> float:
    """Share of a ball's volume that a plane cuts off; height as a share of the diameter."""
    return 3 * height**2 - 2 * height**3


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (5.0, 0.9, 0.9), (3.0, 1.6, 1.1)])
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (8.0, -6.0, 5.0)])
def test_measure_tumours__knows_a_ball_on_any_grid(spacing: Vector, tilt: Vector) -> None:
    shape = tuple(int(mm / step) for mm, step in zip((170, 110, 230), spacing, strict=True))
    geometry = upright_grid((shape[0], shape[1], shape[2]), spacing, tilt_deg=tilt)
    tumour = only(measure_tumours(draw([RIGHT, LEFT, ball((86, 0, 42), 44)], geometry)))
    assert tumour.axial_diameter_mm == pytest.approx(44, abs=max(spacing[1:]))
    assert tumour.largest_diameter_mm == pytest.approx(44, abs=max(spacing))
    assert tumour.extent_lps_mm == pytest.approx((44, 44, 44), abs=max(spacing) + 1e-6)
    assert tumour.volume_ml == pytest.approx(np.pi / 6 * 4.4**3, rel=0.03)
    assert tumour.centre_lps_mm == pytest.approx((86, 0, 42), abs=0.5)
    assert (tumour.side, tumour.polar_location, tumour.gap_mm) == ("left", "upper pole", 0.0)
    assert tumour.growth == "mostly exophytic"
    assert (tumour.renal.radius, tumour.renal.exophytic) == (2, 1)
    assert tumour.cut_sides == ()


def test_measure_tumours__tells_diameters_of_a_lying_ellipsoid() -> None:
    tumour = only(measure_tumours(draw([RIGHT, LEFT, ((62, 0, 6), (10, 12, 25), 2)])))
    assert tumour.axial_diameter_mm == pytest.approx(24, abs=2)
    assert tumour.largest_diameter_mm == pytest.approx(50, abs=2)
    assert tumour.extent_lps_mm == pytest.approx((20, 24, 50), abs=2)


def test_measure_tumours__is_the_same_in_all_48_orders_of_the_axes() -> None:
    mask = draw(
        [RIGHT, LEFT, ball((80, -8, 30), 33), ball((-70, 10, -40), 22), ball((40, 0, 0), 15, 3)],
        upright_grid((34, 40, 70), (5.0, 2.6, 3.1), tilt_deg=(6.0, 4.0, -8.0)),
    )
    usual = measure_tumours(mask)
    assert len(usual.tumours) == 2
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            order = AxisOrder((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
            labels = order.apply(mask.labels).astype(np.uint8, copy=False)
            turned = LabelMap(labels, mask.geometry.reordered(order), KITS)
            found = measure_tumours(turned)
            for one, other in zip(found.tumours, usual.tumours, strict=True):
                assert one.side == other.side
                assert one.renal == other.renal
                for name in ("axial_diameter_mm", "largest_diameter_mm", "volume_ml"):
                    assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
                assert one.centre_lps_mm == pytest.approx(other.centre_lps_mm, abs=1e-9)
                assert one.exophytic_share == pytest.approx(other.exophytic_share, abs=1e-3)
                assert one.thirds == pytest.approx(other.thirds, abs=1e-9)


def test_measure_tumours__swaps_sides_where_the_header_is_mirrored() -> None:
    mask = draw([RIGHT, LEFT, ball((80, 0, 0), 30)])
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored = VolumeGeometry.from_affine(mask.labels.shape, flip @ mask.geometry.affine_lps)
    assert only(measure_tumours(mask)).side == "left"
    assert only(measure_tumours(LabelMap(mask.labels, mirrored, KITS))).side == "right"


@pytest.mark.parametrize(
    ("up_mm", "location", "points"),
    [(-46, "lower pole", 1), (-14, "interpolar", 3), (0, "interpolar", 3), (46, "upper pole", 1)],
)
def test_measure_tumours__places_a_tumour_along_the_kidney(
    up_mm: float, location: str, points: int
) -> None:
    tumour = only(measure_tumours(draw([RIGHT, LEFT, ball((-80, 0, up_mm), 22)])))
    assert tumour.side == "right"
    assert tumour.polar_location == location
    assert tumour.renal.polar == points
    assert tumour.thirds is not None
    assert sum(tumour.thirds) == pytest.approx(1)
    assert int(np.argmax(tumour.thirds)) == ["upper pole", "interpolar", "lower pole"].index(
        location
    )


@pytest.mark.parametrize("height", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_measure_tumours__knows_the_share_outside_a_kidney(height: float) -> None:
    radius = 12.0
    surface = 62 + 24.0
    centre = surface + radius * (2 * height - 1)
    tumour = only(
        measure_tumours(draw([RIGHT, LEFT, ball((centre, 0, 6), 2 * radius)]), least_ml=0.5)
    )
    # the surface bends away from the tumour, so that more than a plane's cap stands out
    assert tumour.exophytic_share is not None
    assert cap_share(height) - 0.03 <= tumour.exophytic_share <= cap_share(height) + 0.16
    if height in {0.0, 1.0}:
        assert tumour.growth == ("endophytic" if height == 0 else "mostly exophytic")


def test_measure_tumours__counts_the_sinus_as_inside() -> None:
    sinus: Drawn = ((44, 0, 6), (14, 14, 26), 0)
    tumour = only(measure_tumours(draw([RIGHT, LEFT, sinus, ball((52, 0, 6), 18)])))
    assert tumour.growth == "endophytic"
    assert tumour.renal.exophytic == 3


def test_measure_tumours__orders_several_by_volume_and_counts_specks() -> None:
    found = measure_tumours(
        draw([RIGHT, LEFT, ball((80, 0, 40), 20), ball((-80, 0, -40), 34), ball((20, 0, 0), 4)])
    )
    assert [tumour.side for tumour in found.tumours] == ["right", "left"]
    assert found.num_specks == 1
    assert [kidney.side for kidney in found.kidneys] == ["right", "left"]
    for kidney in found.kidneys:
        assert kidney.length_mm == pytest.approx(108, abs=4)
        assert kidney.upward_lps == pytest.approx((0, 0, 1), abs=0.2)


def test_measure_tumours__keeps_tumours_that_touch_no_kidney() -> None:
    found = measure_tumours(draw([RIGHT, LEFT, ball((108, 0, 0), 28), ball((0, 0, -60), 20)]))
    near, far = found.tumours
    assert near.side == "left"
    assert near.gap_mm == pytest.approx(8, abs=2)
    assert (near.exophytic_share, near.renal.exophytic) == (1.0, 1)
    assert (far.side, far.gap_mm, far.growth, far.polar_location) == ("", None, None, None)
    assert (far.renal.radius, far.renal.exophytic, far.renal.polar) == (1, None, None)


def test_measure_tumours__gives_a_tumour_of_both_kidneys_to_the_one_it_touches_most() -> None:
    found = measure_tumours(draw([RIGHT, LEFT, ((5, 0, 0), (45, 20, 20), 2)]))
    assert found.evidence == "both kidneys"
    assert only(found).side == "left"
    assert only(found).gap_mm == 0.0


def test_measure_tumours__does_not_guess_the_side_of_a_kidney_alone() -> None:
    found = measure_tumours(draw([LEFT, ball((80, 0, 44), 30)]))
    assert found.evidence == "none"
    assert only(found).side == ""
    assert only(found).polar_location == "upper pole"


def test_measure_tumours__is_content_without_a_tumour() -> None:
    found = measure_tumours(draw([RIGHT, LEFT]))
    assert found.tumours == ()
    assert len(found.kidneys) == 2


def test_measure_tumours__says_where_the_scan_cuts_a_tumour() -> None:
    geometry = upright_grid((70, 60, 94), orientation="RPI")
    tumour = only(measure_tumours(draw([RIGHT, LEFT, ball((84, 0, 60), 40)], geometry)))
    assert tumour.cut_sides == ("S", "L")


def test_measure_tumours__measures_a_kidney_that_lies_across_from_head_to_foot() -> None:
    across: Drawn = ((62, 0, 0), (50, 24, 26), 1)
    kidney = measure_tumours(draw([across, ball((62, 0, 30), 20)])).kidneys[0]
    assert kidney.upward_lps == (0.0, 0.0, 1.0)
    assert kidney.length_mm == pytest.approx(52, abs=2)


def test_measure_tumours__refuses_labels_of_another_scheme() -> None:
    with pytest.raises(VolumeError, match="MV2243"):
        measure_tumours(draw([RIGHT, LEFT], names=dict(LABEL_NAMES)))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("size_mm", "exophytic", "direction", "growth", "pole"),
    [
        (20.0, 0.0, (0.0, -0.5, 0.87), "endophytic", "interpolar"),
        (24.0, 0.75, (0.72, -0.69, 0.0), "mostly exophytic", "upper pole"),
        (36.0, 0.3, (-0.72, -0.69, 0.0), "partly exophytic", "lower pole"),
        (48.0, 0.6, (0.0, -1.0, 0.0), "mostly exophytic", "interpolar"),
    ],
)
def test_measure_tumours__agrees_with_phantoms(
    side: str, size_mm: float, exophytic: float, direction: Vector, growth: str, pole: str
) -> None:
    mass = Mass(kind="solid", size_mm=size_mm, exophytic=exophytic, direction=direction)
    healthy, ill = KidneyFindings(), KidneyFindings(mass=mass)
    patient = make_patient(
        4, left=ill if side == "left" else healthy, right=ill if side == "right" else healthy
    )
    scan = make_phantom_scan(
        PhantomScanSpec(
            seed=4,
            patient=patient,
            shape_zyx=(140, 110, 70),
            spacing_mm=(1.7, 1.5, 2.4),
            orientation="SAR",
            centre_mm=(0.0, 0.0, -10.0),
            noise_hu=0.0,
        )
    )
    geometry = VolumeGeometry.from_affine(scan.labels.shape, scan.affine_lps)
    found = measure_tumours(LabelMap(scan.labels, geometry, LABEL_NAMES), PHANTOM)
    tumour = only(found)
    assert found.evidence == "names"
    assert tumour.side == side
    # within a voxel; a phantom's smooth mass swells by some 2 % of its radius
    assert tumour.axial_diameter_mm == pytest.approx(size_mm, abs=2.4)
    assert tumour.largest_diameter_mm == pytest.approx(1.02 * size_mm, abs=2.4)
    assert (tumour.growth, tumour.polar_location) == (growth, pole)


def test_measure_tumours__reads_a_file_in_the_order_of_kits(tmp_path: Path) -> None:
    mask = draw([RIGHT, LEFT, ball((82, 0, -40), 36)], upright_grid((90, 60, 130), (2, 2, 2)))
    order = mask.geometry.axis_order("IPL")
    turned = mask.geometry.reordered(order)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ turned.affine_lps
    path = write_nifti(tmp_path / "m.nii.gz", order.apply(mask.labels).astype(np.uint16), ras)
    read = read_mask(path, names="kits")
    assert read.geometry.axis_codes == "IPL"
    found, usual = only(measure_tumours(read)), only(measure_tumours(mask))
    assert found.side == usual.side == "left"
    assert found.polar_location == usual.polar_location == "lower pole"
    assert found.axial_diameter_mm == pytest.approx(usual.axial_diameter_mm, abs=1e-3)


@pytest.mark.slow
def test_measure_tumours__measures_a_large_mask() -> None:
    geometry = upright_grid((600, 512, 512), (0.8, 0.75, 0.75))
    small = upright_grid((150, 128, 128), (3.2, 3.0, 3.0))
    coarse = draw([RIGHT, LEFT, ball((95, 0, 0), 90)], small).labels
    labels = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)
    tumour = only(measure_tumours(LabelMap(labels, geometry, KITS)))
    assert tumour.axial_diameter_mm == pytest.approx(90, abs=3)
