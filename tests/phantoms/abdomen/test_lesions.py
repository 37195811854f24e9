"""Lesions show what their attributes say."""

import numpy as np
import pytest
from scipy import ndimage

from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass, SimpleCyst
from medvlp.phantoms.abdomen.kidneys import place_kidney
from medvlp.phantoms.abdomen.lesions import lesion_shape
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.patients import make_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan

FRONT = (0.0, -0.82, -0.572)


def mass(**settings):
    given = {"kind": "solid", "size_mm": 40.0, "exophytic": 0.5, "direction": FRONT, "seed": 5}
    return Mass(**{**given, **settings})


def scanned(findings, phase="V", noise_hu=0.0):
    """The left kidney's scan around its lesion, and the voxels of the main lesion."""
    patient = make_patient(21, left=findings, right=KidneyFindings())
    place = place_kidney(patient, "left")
    spec = PhantomScanSpec(
        seed=1,
        patient=patient,
        phase=phase,
        shape_zyx=(50, 50, 50),
        spacing_mm=(2.0, 2.0, 2.0),
        centre_mm=lesion_shape(place, findings.lesions[-1]).centre_mm,
        noise_hu=noise_hu,
    )
    scan = make_phantom_scan(spec)
    return scan, scan.labels == LABELS["kidney_tumor_left"]


@pytest.mark.parametrize("size_mm", [20.0, 40.0, 60.0])
@pytest.mark.parametrize("margin", ["smooth", "irregular"])
def test_mass__has_its_size(size_mm, margin):
    _, inside = scanned(KidneyFindings(mass=mass(size_mm=size_mm, margin=margin)))
    diameter = (6 * inside.sum() * 8 / np.pi) ** (1 / 3)
    assert diameter == pytest.approx(size_mm, rel=0.04 if margin == "smooth" else 0.12)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8])
def test_mass__stands_out_by_its_exophytic_share(share):
    patient = make_patient(21, left=KidneyFindings(), right=KidneyFindings())
    place = place_kidney(patient, "left")
    shape = lesion_shape(place, mass(exophytic=share))
    way = np.asarray(shape.centre_mm) - place.centre_mm
    surface = np.linalg.norm(np.asarray(place.beyond(FRONT, 0.0)) - place.centre_mm)
    outside = np.linalg.norm(way) + 20 - surface
    assert outside / 40 == pytest.approx(share, abs=1e-9)


def test_mass__enhances_and_washes_out_if_avid():
    found = {}
    for enhancement in ("weak", "avid"):
        for phase in "NAV":
            scan, inside = scanned(KidneyFindings(mass=mass(enhancement=enhancement)), phase)
            found[enhancement, phase] = scan.hu[inside].mean()
    assert found["avid", "A"] > found["avid", "V"] + 20 > found["avid", "N"] + 60
    assert found["weak", "V"] > found["weak", "A"] > found["weak", "N"]
    assert found["avid", "V"] > found["weak", "V"] + 25


def test_mass__is_dead_inside_by_its_necrosis():
    shares = []
    for necrosis in ("none", "partial", "extensive"):
        scan, inside = scanned(KidneyFindings(mass=mass(necrosis=necrosis)))
        shares.append((scan.hu[inside] < 35).mean())
    assert shares[0] < 0.04
    assert 0.08 < shares[1] < 0.35
    assert 0.4 < shares[2] < 0.8


def test_mass__holds_fat_only_if_it_says_so():
    scan, inside = scanned(KidneyFindings(mass=mass(has_fat=True)))
    assert (scan.hu[inside] < -20).mean() > 0.2
    scan, inside = scanned(KidneyFindings(mass=mass()))
    assert (scan.hu[ndimage.binary_erosion(inside)] < -20).mean() < 0.01


def test_mass__of_irregular_margin_has_more_surface():
    def roughness(margin):
        _, inside = scanned(KidneyFindings(mass=mass(margin=margin)))
        rim = inside.sum() - ndimage.binary_erosion(inside).sum()
        return rim / inside.sum() ** (2 / 3)

    assert roughness("irregular") > 1.08 * roughness("smooth")


def test_complex_cyst__has_fluid_and_septa():
    found = {}
    for septa in ("thin", "thick"):
        scan, inside = scanned(KidneyFindings(mass=mass(kind="complex cyst", septa=septa)))
        core = scan.hu[ndimage.binary_erosion(inside, iterations=2)]
        assert np.percentile(core, 5) < 25
        found[septa] = (core > 40).mean()
    assert 0.01 < found["thin"] < 0.5 * found["thick"]


def test_simple_cyst__is_water_in_every_phase():
    cyst = SimpleCyst(size_mm=24.0, exophytic=0.5, direction=(0.7, -0.714, 0.0))
    for phase in "NAVD":
        scan, _ = scanned(KidneyFindings(cysts=(cyst,)), phase)
        inside = scan.labels == LABELS["kidney_cyst_left"]
        assert np.median(scan.hu[inside]) == pytest.approx(4, abs=1)
        diameter = (6 * inside.sum() * 8 / np.pi) ** (1 / 3)
        assert diameter == pytest.approx(24, rel=0.06)


def test_lesions__lie_in_fat_and_not_in_the_spleen():
    scan, inside = scanned(KidneyFindings(mass=mass(direction=(0.2, -0.98, 0.0))))
    rim = ndimage.binary_dilation(inside) & ~inside
    assert not (scan.labels[rim] == LABELS["spleen"]).any()
