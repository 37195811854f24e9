"""DICOM files of phantom X-rays, read back by pydicom."""

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi_lut

from medvlp.errors import PhantomError
from medvlp.phantoms.chest.dicom import write_phantom_dicom
from medvlp.phantoms.chest.picture import paint_chest


@pytest.mark.parametrize("contrast", ["window", "voi-lut", "none"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom__shows_the_pixels(tmp_path, phantom, photometric, contrast):
    path = tmp_path / "x.dcm"
    write_phantom_dicom(path, phantom, photometric=photometric, contrast=contrast)
    data = pydicom.dcmread(path)
    shown = apply_voi_lut(data.pixel_array, data) if contrast != "none" else data.pixel_array
    shown = 4095 - shown if photometric == "MONOCHROME1" else shown
    assert np.abs(shown - phantom.pixels).max() < 0.01
    assert data.Modality == "DX"
    assert data.PhotometricInterpretation == photometric
    assert ("WindowCenter" in data, "VOILUTSequence" in data) == (
        contrast == "window",
        contrast == "voi-lut",
    )


@pytest.mark.parametrize(("view", "words"), [("PA", "PA"), ("AP", "AP"), ("LATERAL", "LL")])
def test_dicom__tells_view_orientation_and_spacing(tmp_path, view, words):
    phantom = paint_chest(3, {"fesgit": "left"}, size_px=(96, 96), view=view)
    write_phantom_dicom(tmp_path / "x.dcm", phantom, burned_in=True)
    data = pydicom.dcmread(tmp_path / "x.dcm")
    assert data.ViewPosition == words
    assert list(data.PatientOrientation) == (["P", "F"] if view == "LATERAL" else ["L", "F"])
    assert data.BurnedInAnnotation == "YES"
    assert float(data.ImagerPixelSpacing[0]) == phantom.spacing_mm[0]
    assert data.PatientID == phantom.patient_id


def test_dicom__may_be_silent(tmp_path, phantom):
    write_phantom_dicom(tmp_path / "x.dcm", phantom, burned_in=None, with_view=False)
    data = pydicom.dcmread(tmp_path / "x.dcm")
    assert "BurnedInAnnotation" not in data
    assert "ViewPosition" not in data
    assert "PatientOrientation" not in data


def test_dicom__is_the_same_bytes_each_time(tmp_path, phantom):
    for name in ("a.dcm", "b.dcm"):
        write_phantom_dicom(tmp_path / name, phantom)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_dicom__of_an_unknown_kind_is_refused(tmp_path, phantom):
    with pytest.raises(PhantomError, match="MV1908"):
        write_phantom_dicom(tmp_path / "x.dcm", phantom, photometric="RGB")
    with pytest.raises(PhantomError, match="MV1908"):
        write_phantom_dicom(tmp_path / "x.dcm", phantom, contrast="lut")
