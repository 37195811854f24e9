"""Kidneys without lesions."""

import numpy as np
import pytest

from medvlp.phantoms.abdomen.findings import KidneyFindings
from medvlp.phantoms.abdomen.kidneys import place_kidney
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.patients import draw_patient, make_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan

NORMAL = KidneyFindings()


def left_kidney(findings, phase="V", side="left"):
    """Hounsfield units, labels and the share of fluid around the left kidney."""
    patient = make_patient(21, left=findings, right=NORMAL)
    centre = place_kidney(patient, side).centre_mm
    spec = PhantomScanSpec(
        seed=1,
        patient=patient,
        phase=phase,
        shape_zyx=(90, 70, 70),
        spacing_mm=(1.5, 1.2, 1.2),
        centre_mm=centre,
        noise_hu=0,
    )
    return make_phantom_scan(spec)


def test_place__is_on_its_side_with_the_hilum_inwards():
    for seed in range(20):
        patient = draw_patient(seed)
        for side, sign in (("left", 1), ("right", -1)):
            place = place_kidney(patient, side)
            up, inward, back = np.asarray(place.axes)
            assert 45 < sign * place.centre_mm[0] < 75
            assert sign * inward[0] < -0.6
            assert up[2] > 0.9
            assert sign * up[0] < -0.1  # upper poles lean to the spine
            assert back[1] > 0.5
            np.testing.assert_allclose(
                np.asarray(place.axes) @ np.asarray(place.axes).T, np.eye(3), atol=1e-9
            )


def test_place__measures_beyond_its_surface():
    place = place_kidney(draw_patient(1), "left")
    surface = np.asarray(place.beyond((0.0, -1.0, 0.0), 0.0))
    np.testing.assert_allclose(surface, place.point(0, -1, 0), rtol=0, atol=1e-9)
    beyond = np.asarray(place.beyond((0.0, -1.0, 0.0), 7.0))
    assert np.linalg.norm(beyond - surface) == pytest.approx(7.0)


def test_kidney__has_cortex_and_medulla_in_the_arterial_phase_only():
    def spread(phase):
        scan = left_kidney(NORMAL, phase)
        low, high = np.percentile(scan.hu[scan.labels == LABELS["kidney_left"]], (15, 85))
        return high - low

    assert spread("A") > 70
    assert spread("N") < 20


def test_kidney__excretes_in_the_delayed_phase():
    assert (left_kidney(NORMAL, "D").hu > 330).sum() > 50
    assert (left_kidney(NORMAL, "V").hu[20:70, 10:60, 30:60] > 330).sum() == 0


def test_hydronephrosis__widens_the_collecting_system_and_thins_the_parenchyma():
    fluid, tissue = [], []
    for grade in ("none", "mild", "marked"):
        scan = left_kidney(KidneyFindings(hydronephrosis=grade))
        fluid.append(np.count_nonzero(np.abs(scan.hu - 8) < 6))
        tissue.append(np.count_nonzero(scan.labels == LABELS["kidney_left"]))
    assert fluid[1] - fluid[0] > 2000
    assert fluid[2] - fluid[1] > 5000
    assert tissue[0] > tissue[1] > 1.15 * tissue[2]


def test_stones__are_bright_specks_of_their_size():
    plain = left_kidney(NORMAL, "N").hu
    scan = left_kidney(KidneyFindings(stones_mm=(10.0, 6.0)), "N").hu
    stone_mm3 = np.count_nonzero((scan > 450) & (plain < 300)) * 1.5 * 1.2 * 1.2
    expected = np.pi / 6 * (10**3 + 6**3) * 0.85 * 1.1
    assert stone_mm3 == pytest.approx(expected, rel=0.35)
