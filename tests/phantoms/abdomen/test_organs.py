"""Organs around the kidneys."""

import numpy as np
import pytest
from scipy import ndimage

from medvlp.phantoms.abdomen.names import LABEL_NAMES, LABELS
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.label_names import label_names
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import read_volume

WHOLE = {"shape_zyx": (110, 72, 92), "spacing_mm": (4.0, 4.5, 4.5), "centre_mm": (0, -40, -20)}


@pytest.fixture(scope="module")
def abdomen():
    return make_phantom_scan(PhantomScanSpec(seed=8, patient=draw_patient(8), **WHOLE))


def test_labels__are_those_of_totalsegmentator_and_two_more():
    known = label_names("totalsegmentator")
    others = {number: name for number, name in LABEL_NAMES.items() if known.get(number) != name}
    assert others == {118: "kidney_tumor_left", 119: "kidney_tumor_right"}


def test_organs__have_their_usual_sizes(abdomen):
    voxel_ml = 4.0 * 4.5 * 4.5 / 1000
    usual = {
        "liver": (1100, 2300),
        "spleen": (120, 350),
        "gallbladder": (15, 60),
        "stomach": (100, 500),
        "pancreas": (12, 110),
        "colon": (200, 1200),
        "small_bowel": (150, 1100),
        "aorta": (40, 160),
        "inferior_vena_cava": (40, 160),
    }
    for name, (least, most) in usual.items():
        found = np.count_nonzero(abdomen.labels == LABELS[name]) * voxel_ml
        assert least < found < most, (name, found)


def test_organs__shine_in_the_venous_phase_as_they_should(abdomen):
    def mean(name):
        core = ndimage.binary_erosion(abdomen.labels == LABELS[name])
        return float(abdomen.hu[core].mean())

    dose = abdomen.patient.build.dose
    assert mean("liver") == pytest.approx(56 + 56 * dose, abs=12)
    assert mean("spleen") == pytest.approx(48 + 72 * dose, abs=12)
    assert mean("aorta") == pytest.approx(42 + 113 * dose, abs=15)
    assert mean("gallbladder") == pytest.approx(8, abs=12)


def test_bowel__holds_gas(abdomen):
    for name in ("colon", "stomach"):
        assert (abdomen.hu[abdomen.labels == LABELS[name]] < -600).mean() > 0.05


def test_organs__differ_from_patient_to_patient():
    spec = PhantomScanSpec(seed=8, patient=draw_patient(9), **WHOLE)
    one = make_phantom_scan(spec).labels == LABELS["small_bowel"]
    spec = PhantomScanSpec(seed=8, patient=draw_patient(10), **WHOLE)
    other = make_phantom_scan(spec).labels == LABELS["small_bowel"]
    assert (one & other).sum() < 0.7 * one.sum()


def test_organs__without_contrast_are_as_bright_as_in_a_real_scan(real_data):
    folder = real_data / "ct" / "totalsegmentator" / "abdomen_3mm"
    volume = read_volume(folder / "ct.nii.gz")
    mask = read_mask(folder / "seg_total.nii.gz", like=volume.geometry, names="totalsegmentator")
    spec = PhantomScanSpec(seed=8, patient=draw_patient(8), phase="N", **WHOLE)
    phantom = make_phantom_scan(spec)
    for name in ("liver", "spleen", "gallbladder", "aorta", "kidney_left", "autochthon_left"):
        real = volume.hu[ndimage.binary_erosion(mask.select(name))]
        made = phantom.hu[ndimage.binary_erosion(phantom.labels == LABELS[name])]
        assert abs(float(real.mean()) - float(made.mean())) < 25, name
        assert 0.4 < float(made.std()) / float(real.std()) < 2, name
    bone = [
        volume.hu[mask.select("vertebrae_L1")].mean(),
        phantom.hu[phantom.labels == LABELS["vertebrae_L1"]].mean(),
    ]
    assert abs(bone[0] - bone[1]) < 120
