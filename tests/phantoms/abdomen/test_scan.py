"""What a phantom scan shows, where, and on which grid."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.laterality import check_laterality
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.regions import find_regions

SMALL = {"shape_zyx": (64, 100, 112), "spacing_mm": (4.5, 3.5, 3.5)}


def label_map(scan):
    geometry = VolumeGeometry.from_affine(scan.hu.shape, scan.affine_lps)
    return LabelMap(scan.labels, geometry, scan.label_names)


def mean_hu(scan, name):
    return float(scan.hu[scan.labels == LABELS[name]].mean())


def test_scan__has_the_brightness_of_an_abdomen(scan):
    assert scan.hu.dtype == np.int16
    assert scan.labels.dtype == np.uint8
    assert np.median(scan.hu) < -90  # air and fat take more than half
    assert 90 < mean_hu(scan, "liver") < 130
    assert mean_hu(scan, "aorta") > mean_hu(scan, "liver")
    assert mean_hu(scan, "kidney_left") > mean_hu(scan, "liver")
    assert abs(mean_hu(scan, "gallbladder") - 10) < 25
    assert mean_hu(scan, "lung_lower_lobe_right") < -700
    assert mean_hu(scan, "vertebrae_L1") > 150
    assert scan.hu.min() >= -1024


def test_scan__lays_organs_where_the_laterality_guard_looks_for_them(scan):
    verdict = check_laterality(label_map(scan))
    assert verdict.is_mirrored is False
    assert verdict.evidence == "organs"
    mirrored = LabelMap(scan.labels[:, :, ::-1], label_map(scan).geometry, scan.label_names)
    assert check_laterality(mirrored).is_mirrored is True


def test_scan__is_called_mirrored_in_24_of_its_48_turns_and_flips(patient):
    spec = PhantomScanSpec(
        seed=5, patient=patient, shape_zyx=(36, 36, 42), spacing_mm=(8.0, 9.0, 9.0)
    )
    scan = make_phantom_scan(spec)
    cubic = VolumeGeometry((36, 36, 42), (8.0, 9.0, 9.0), np.eye(3), (0.0, 0.0, 0.0))
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            labels = scan.labels.transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
            spacing = tuple(spec.spacing_mm[axis] for axis in axes)
            geometry = replace(cubic, shape_zyx=labels.shape, spacing_zyx_mm=spacing)
            is_odd = np.linalg.det(np.eye(3)[list(axes)]) * np.prod(flips) < 0
            verdict = check_laterality(LabelMap(labels, geometry, scan.label_names))
            assert verdict.is_mirrored is bool(is_odd), (axes, flips)


def test_scan__has_two_kidneys_of_usual_size(scan):
    right, left = find_regions(label_map(scan), "kidney")
    assert right.name == "kidney_right"
    assert right.centre_lps_mm[0] < scan.patient.build.shift_mm[0] < left.centre_lps_mm[0]
    for region in (right, left):
        assert 60 < region.volume_ml < 260
        assert region.cut_sides == ()


def test_scan__of_equal_seed_is_equal_and_of_another_is_not(patient, scan):
    again = make_phantom_scan(scan.spec)
    assert np.array_equal(again.hu, scan.hu)
    other = make_phantom_scan(PhantomScanSpec(seed=6, patient=patient, **SMALL))
    assert np.array_equal(other.labels, scan.labels)  # the body is the patient's
    assert not np.array_equal(other.hu, scan.hu)  # the noise is the scan's


@pytest.mark.parametrize("pixel_mm", [0.8, 3.5])
def test_scan__has_the_noise_that_was_asked_for(patient, pixel_mm):
    settings = {
        "seed": 5,
        "patient": patient,
        "shape_zyx": (16, 64, 64),
        "spacing_mm": (3.0, pixel_mm, pixel_mm),
        "centre_mm": (-80.0, -40.0, 60.0),
    }
    noisy = make_phantom_scan(PhantomScanSpec(noise_hu=20.0, **settings)).hu.astype(float)
    noise = noisy - make_phantom_scan(PhantomScanSpec(noise_hu=0.0, **settings)).hu
    noise = noise[noisy > -900]
    assert noise.std() == pytest.approx(20, rel=0.03)
    assert abs(noise.mean()) < 0.6


def test_scan__shows_each_phase_in_its_own_way(patient):
    found = {}
    for phase in "NAVD":
        spec = PhantomScanSpec(seed=5, patient=patient, phase=phase, noise_hu=0, **SMALL)
        scan = make_phantom_scan(spec)
        found[phase] = {
            name: mean_hu(scan, name)
            for name in ("aorta", "liver", "kidney_right", "kidney_tumor_left", "kidney_cyst_right")
        }
    assert found["N"]["aorta"] < 60
    assert found["A"]["aorta"] > 250
    assert found["V"]["liver"] > found["A"]["liver"] > found["N"]["liver"]
    assert found["V"]["kidney_right"] > found["A"]["kidney_right"] > found["N"]["kidney_right"]
    assert found["A"]["kidney_tumor_left"] > found["V"]["kidney_tumor_left"] + 15  # washes out
    cyst = [found[phase]["kidney_cyst_right"] for phase in "NAVD"]
    assert max(cyst) - min(cyst) < 25


@pytest.mark.parametrize("orientation", ["RAS", "SLP", "PIR", "LAI"])
def test_scan__is_the_same_body_on_every_grid(patient, scan, orientation):
    axes = ["LR", "PA", "SI"]
    order = [next(i for i, pair in enumerate(axes) if letter in pair) for letter in orientation]
    shape = [SMALL["shape_zyx"][::-1][axis] for axis in order][::-1]
    spacing = [SMALL["spacing_mm"][::-1][axis] for axis in order][::-1]
    spec = PhantomScanSpec(
        seed=5,
        patient=patient,
        shape_zyx=tuple(shape),
        spacing_mm=tuple(spacing),
        orientation=orientation,
        noise_hu=0,
    )
    turned = make_phantom_scan(spec)
    geometry = label_map(turned).geometry
    assert geometry.axis_codes == orientation
    straight = geometry.axis_order("LPS")
    assert geometry.reordered(straight).difference(label_map(scan).geometry, 1e-3) == ""
    assert np.mean(straight.apply(turned.labels) != scan.labels) < 1e-3


def test_scan__on_a_tilted_grid_finds_organs_at_the_same_places(patient, scan):
    spec = PhantomScanSpec(seed=5, patient=patient, tilt_deg=(8.0, -5.0, 10.0), **SMALL)
    tilted = label_map(make_phantom_scan(spec))
    assert tilted.geometry.obliqueness > 0.1
    for one, other in zip(
        find_regions(tilted, "kidney"), find_regions(label_map(scan), "kidney"), strict=True
    ):
        assert np.allclose(one.centre_lps_mm, other.centre_lps_mm, rtol=0, atol=8)
        assert abs(one.volume_ml / other.volume_ml - 1) < 0.03


def test_scan__does_not_depend_on_how_it_is_cut_into_slabs(patient, scan, monkeypatch):
    monkeypatch.setattr("medvlp.phantoms.abdomen.scan._SLAB_VOXELS", 100_000)
    change = np.abs(make_phantom_scan(scan.spec).hu.astype(int) - scan.hu)
    assert np.mean(change > 1) < 1e-4  # positions are rounded from another corner


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"phase": "X"}, "phase='X'"),
        ({"shape_zyx": (4, 50, 50)}, "shape_zyx"),
        ({"spacing_mm": (3.0, 0.01, 2.0)}, "spacing_mm"),
        ({"orientation": "LRS"}, "orientation='LRS'"),
        ({"orientation": "LPSX"}, "orientation"),
        ({"tilt_deg": (0.0, 90.0, 0.0)}, "tilt_deg"),
        ({"noise_hu": -1.0}, "noise_hu"),
    ],
)
def test_spec__refuses_what_makes_no_scan(setting, words):
    with pytest.raises(PhantomError, match=words) as caught:
        PhantomScanSpec(**{"seed": 1, **setting})
    assert caught.value.code == "MV1904"
