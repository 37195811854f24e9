"""NIfTI files of phantom scans."""

import nibabel as nib
import numpy as np
import pytest

from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.hounsfield import check_hounsfield
from medvlp.volumes.laterality import require_upright_sides
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import read_volume


@pytest.fixture(
    scope="module", params=[("LPS", (0, 0, 0)), ("RIA", (0, 0, 0)), ("RAS", (6, -4, 9))]
)
def turned(request, patient):
    orientation, tilt = request.param
    return make_phantom_scan(
        PhantomScanSpec(
            seed=2,
            patient=patient,
            shape_zyx=(36, 44, 52),
            spacing_mm=(7.1, 6.3, 6.9),
            orientation=orientation,
            tilt_deg=tilt,
        )
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti__is_read_with_identical_values_and_geometry(turned, suffix, tmp_path):
    path, mask_path = tmp_path / f"scan{suffix}", tmp_path / f"mask{suffix}"
    write_phantom_nifti(path, turned)
    write_phantom_mask(mask_path, turned)
    volume = read_volume(path)
    made = VolumeGeometry.from_affine(turned.hu.shape, turned.affine_lps)
    assert volume.geometry.difference(made, tolerance_mm=1e-3) == ""
    assert np.array_equal(volume.hu, turned.hu)
    assert volume.findings == ()
    assert check_hounsfield(volume) is None
    mask = read_mask(mask_path, like=volume.geometry)
    assert np.array_equal(mask.labels, turned.labels)
    assert mask.names == turned.label_names
    assert require_upright_sides("scan", mask).is_mirrored is False


def test_nifti__is_what_nibabel_reads(turned, tmp_path):
    write_phantom_nifti(tmp_path / "scan.nii.gz", turned)
    image = nib.load(tmp_path / "scan.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj), turned.hu.transpose(2, 1, 0))
    expected = np.diag([-1, -1, 1, 1]) @ turned.affine_lps
    np.testing.assert_allclose(image.affine, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(image.get_qform(), expected, rtol=0, atol=1e-3)
    assert image.get_data_dtype() == np.int16
