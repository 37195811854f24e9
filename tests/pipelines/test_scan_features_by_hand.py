"""Features of a scan, from its file to the vector, equal what nibabel, SciPy and torch compute.

Nothing of the package is used on the side of the expectation: nibabel reads the scan and turns its
axes, SciPy interpolates, and the network is written with torch's functions on the tensors of the
release.
"""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.ndimage import map_coordinates

from medvlp.cli.main import main
from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.features import VolumeFeatures, read_volume_features
from tests.models.importers.volume_releases import renalclip_embedding, renalclip_tensors

SPACING_MM = (4.0, 1.0, 1.0)
SHAPE_ZYX = (32, 128, 128)
WINDOW_HU = (-200.0, 300.0)
KIDNEYS = {"kidney_right": 2, "kidney_left": 3}  # numbers that TotalSegmentator gives them


def turned(image: nibabel.Nifti1Image, codes: str) -> nibabel.Nifti1Image:
    """Return the same body with axes that run as nibabel's codes say."""
    change = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes)))
    return image.as_reoriented(change)


def by_hand(scan: Path, mask: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a kidney's box, all of it in the scan.

    Returns:
        Its Hounsfield units, shape ``(z, y, x)``, and its middle as ``(z, y, x)`` in LPS, in mm.
    """
    image, labels = (turned(nibabel.load(path), "LPS") for path in (scan, mask))
    values = np.asarray(image.dataobj, np.float64).transpose(2, 1, 0)
    places = np.argwhere(np.asarray(labels.dataobj).transpose(2, 1, 0) == number)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    steps = SPACING_MM / np.round(image.header.get_zooms()[::-1], 5)
    grid = [
        (np.round(centre / step) - size // 2 + np.arange(size)) * step
        for centre, step, size in zip(middle, steps, SHAPE_ZYX, strict=True)
    ]
    for along, size in zip(grid, values.shape, strict=True):
        assert along[0] >= 0
        assert along[-1] <= size - 1
    centre = [along.mean() for along in grid[::-1]]
    x_ras, y_ras, z = nibabel.affines.apply_affine(image.affine, centre)
    box = map_coordinates(values, np.meshgrid(*grid, indexing="ij"), order=1)
    return box, np.array([z, -y_ras, -x_ras])


def embedded(hu: np.ndarray, order: str = "zxy") -> np.ndarray:
    """Return the release's embedding of a box."""
    shown = (hu.clip(*WINDOW_HU) - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])
    axes = shown.transpose(["zyx".index(axis) for axis in order])
    voxels = torch.from_numpy(np.ascontiguousarray(axes)).float()[None, None]
    return renalclip_embedding(renalclip_tensors(), voxels)[0].numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One body in two orders of axes, its label maps, and a model with known weights."""
    folder = tmp_path_factory.mktemp("hand")
    spec = PhantomScanSpec(
        seed=5, shape_zyx=(60, 104, 150), spacing_mm=(4.1, 2.9, 2.3), orientation="LPS"
    )
    made = make_phantom_scan(spec)
    write_phantom_nifti(folder / "scan.nii.gz", made)
    write_phantom_mask(folder / "mask.nii.gz", made)
    for codes in ("RAS", "LPI"):
        for part in ("scan", "mask"):
            (folder / part).mkdir(exist_ok=True)
            image = nibabel.load(folder / f"{part}.nii.gz")
            nibabel.save(turned(image, codes), folder / part / f"{codes}.nii.gz")
    torch.save({"model": renalclip_tensors()}, folder / "release.pt")
    words = ["import", "renalclip", str(folder / "release.pt")]
    assert main([*words, "--out", str(folder / "model")]) == 0
    return folder


@pytest.fixture(scope="module")
def features(folder: Path) -> dict[str, VolumeFeatures]:
    words = ["embed", str(folder / "scan"), "--model", str(folder / "model"), "--device", "cpu"]
    words += ["--masks", str(folder / "mask"), "--mask-names", "totalsegmentator"]
    assert main([*words, "--out", str(folder / "out")]) == 0
    found = (folder / "out" / "features").rglob("*.h5")
    return {path.stem: read_volume_features(path) for path in found}


@pytest.mark.parametrize("codes", ["RAS", "LPI"])
def test_embed__equals_nibabel_scipy_and_torch(
    folder: Path, features: dict[str, VolumeFeatures], codes: str
) -> None:
    found = features[codes]
    assert found.units == tuple(KIDNEYS)
    assert found.padded_share.tolist() == [0, 0]
    files = folder / "scan" / f"{codes}.nii.gz", folder / "mask" / f"{codes}.nii.gz"
    for row, place, number in zip(found.features, found.coords_mm, KIDNEYS.values(), strict=True):
        hu, centre_mm = by_hand(*files, number)
        np.testing.assert_allclose(row, embedded(hu), rtol=0, atol=1e-4)
        np.testing.assert_allclose(place, centre_mm, rtol=0, atol=1e-3)


def test_embed__does_not_depend_on_the_order_of_axes(features: dict[str, VolumeFeatures]) -> None:
    assert features.keys() == {"RAS", "LPI"}
    one, other = features["RAS"], features["LPI"]
    assert one.meta.scan_axes != other.meta.scan_axes
    np.testing.assert_allclose(one.features, other.features, rtol=0, atol=1e-5)
    np.testing.assert_allclose(one.coords_mm, other.coords_mm, rtol=0, atol=1e-3)


def test_by_hand__would_tell_a_mirrored_or_turned_box(folder: Path) -> None:
    """The tolerance is far below what a wrong side, axis, window or voxel would change."""
    files = folder / "scan" / "RAS.nii.gz", folder / "mask" / "RAS.nii.gz"
    hu, _ = by_hand(*files, 2)
    right = embedded(hu)
    wrong = {
        "mirrored": embedded(hu[:, :, ::-1]),
        "upside down": embedded(hu[::-1]),
        "rows and columns": embedded(hu, "zyx"),
        "other kidney": embedded(by_hand(*files, 3)[0]),
        "window": embedded(hu + 5),
        "one voxel": embedded(np.roll(hu, 1, axis=2)),
    }
    off = {name: float(np.abs(row - right).max()) for name, row in wrong.items()}
    assert min(off.values()) > 3e-4, off
