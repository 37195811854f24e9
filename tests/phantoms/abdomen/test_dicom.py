"""DICOM series of phantom scans."""

import numpy as np
import pydicom
import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.abdomen.dicom import SYNTAXES, write_phantom_dicom
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.reader import read_volume
from medvlp.volumes.series import find_series

SMALL = {"shape_zyx": (24, 40, 48), "spacing_mm": (10.0, 7.5, 8.25)}


def small(patient, **settings):
    return make_phantom_scan(
        PhantomScanSpec(**{"seed": 2, "patient": patient, **SMALL, **settings})
    )


@pytest.mark.parametrize("syntax", list(SYNTAXES))
@pytest.mark.parametrize("tilt", [(0, 0, 0), (7, 3, -5)])
def test_dicom__is_read_with_identical_values_and_geometry(patient, syntax, tilt, tmp_path):
    scan = small(patient, tilt_deg=tilt)
    write_phantom_dicom(tmp_path / "series", scan, syntax=syntax)
    volume = read_volume(tmp_path / "series")
    made = VolumeGeometry.from_affine(scan.hu.shape, scan.affine_lps)
    assert volume.geometry.difference(made, tolerance_mm=1e-3) == ""
    assert np.array_equal(volume.hu, scan.hu)
    assert volume.findings == ()
    one = pydicom.dcmread(tmp_path / "series" / "slice_0003.dcm")
    assert one.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
    assert np.array_equal(one.pixel_array - 1024.0, scan.hu[3])


def test_dicom__of_left_handed_axes_is_the_same_scan_from_its_other_end(patient, tmp_path):
    scan = small(patient, orientation="LPI")
    write_phantom_dicom(tmp_path / "series", scan)
    volume = read_volume(tmp_path / "series")
    made = VolumeGeometry.from_affine(scan.hu.shape, scan.affine_lps)
    order = made.axis_order(volume.geometry.axis_codes)
    assert volume.geometry.difference(made.reordered(order), tolerance_mm=1e-3) == ""
    assert np.array_equal(volume.hu, order.apply(scan.hu))


def test_dicom__phases_of_a_patient_are_series_of_one_study(patient, tmp_path):
    for phase in "NA":
        write_phantom_dicom(tmp_path / phase, small(patient, phase=phase))
    found = find_series(tmp_path).series
    assert len(found) == 2
    headers = [pydicom.dcmread(tmp_path / phase / "slice_0000.dcm") for phase in "NA"]
    assert headers[0].StudyInstanceUID == headers[1].StudyInstanceUID
    assert headers[0].FrameOfReferenceUID == headers[1].FrameOfReferenceUID
    assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID
    assert headers[0].SOPInstanceUID != headers[1].SOPInstanceUID


def test_dicom__refuses_an_unknown_encoding(patient, tmp_path):
    with pytest.raises(PhantomError, match="'jpeg2000' is unknown") as caught:
        write_phantom_dicom(tmp_path / "series", small(patient), syntax="jpeg2000")
    assert caught.value.code == "MV1904"
