"""A small body with labelled organs in their usual places, and the files it is kept in."""

from pathlib import Path

import nibabel
import numpy as np
import torch

from medvlp.models.volume.volume_encoder import VolumeEncoder
from medvlp.types import Case, VolumePreprocessing
from medvlp.volumes.geometry import VolumeGeometry, affine_ras_to_lps
from medvlp.volumes.label_names import label_names
from medvlp.volumes.laterality import USUAL_PLACES_MM
from medvlp.volumes.mask_writing import write_label_map
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.volume import Volume
from tests.volumes.scans import write_series

ORGANS = ("kidney_right", "kidney_left", "liver", "spleen", "stomach", "aorta")
KIDNEYS = VolumePreprocessing(
    spacing_mm=(8.0, 6.0, 6.0),
    shape_zyx=(10, 12, 14),
    orientation="LPS",
    axes="zyx",
    window_hu=(-200.0, 300.0),
    region="kidney",
)
WINDOWS = VolumePreprocessing(
    spacing_mm=(10.0, 12.0, 12.0),
    shape_zyx=(8, 6, 6),
    orientation="LPS",
    axes="zyx",
    window_hu=(-1000.0, 1000.0),
)
GEOMETRY = VolumeGeometry((40, 56, 56), (6.0, 7.0, 7.0), np.eye(3), (-192.5, -192.5, -120.0))


def make_body(*, mirrored: bool = False, seed: int = 0) -> tuple[Volume, LabelMap]:
    """Return a scan, 240 x 392 x 392 mm, and its label map with TotalSegmentator's numbers."""
    z, y, x = np.indices(GEOMETRY.shape_zyx)
    index = np.stack([z, y, x], axis=-1).reshape(-1, 3)
    places = GEOMETRY.index_to_lps(index).reshape(*GEOMETRY.shape_zyx, 3)
    noise = np.random.default_rng(seed).normal(0, 12, GEOMETRY.shape_zyx)
    radius = np.hypot(places[..., 0] / 170, places[..., 1] / 130)
    hu = np.where(radius < 1, -100, -1000) + noise
    hu[radius < 0.9] += 140
    labels = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    numbers = {name: number for number, name in label_names("totalsegmentator").items()}
    for name in ORGANS:
        centre = np.asarray(USUAL_PLACES_MM[name])
        inside = np.linalg.norm(places - centre, axis=-1) < 24
        labels[inside] = numbers[name]
        hu[inside] += numbers[name] * 3
    if mirrored:
        hu, labels = hu[:, :, ::-1], labels[:, :, ::-1]
    names = {number: name for name, number in numbers.items() if name in ORGANS}
    volume = Volume(np.ascontiguousarray(hu).astype(np.int16), GEOMETRY)
    return volume, LabelMap(np.ascontiguousarray(labels), GEOMETRY, names)


def save_scan(path: Path, volume: Volume) -> Path:
    """Write a scan as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = affine_ras_to_lps(volume.geometry.affine_lps)
    nibabel.save(nibabel.Nifti1Image(volume.hu.T, affine), path)
    return path


def save_series(folder: Path, volume: Volume, **more: object) -> Path:
    """Write a scan as a DICOM series."""
    return write_series(
        folder,
        (volume.hu + 1024).clip(0, 4095).astype(np.int16),
        origin=volume.geometry.origin_lps_mm,
        step_mm=6.0,
        spacing=(7.0, 7.0),
        **more,
    )


def save_organs(folder: Path, mask: LabelMap) -> Path:
    """Write one file for each organ, as TotalSegmentator does."""
    folder.mkdir(parents=True)
    for number, name in mask.names.items():
        part = LabelMap((mask.labels == number).astype(np.uint8), mask.geometry)
        affine = affine_ras_to_lps(mask.geometry.affine_lps)
        nibabel.save(nibabel.Nifti1Image(part.labels.T, affine), folder / f"{name}.nii.gz")
    return folder


def write_body(
    folder: Path, *, name: str = "ct.nii.gz", mask: str | None = "seg.nii.gz", **more: object
) -> Case:
    """Write a scan and its mask, and return them as a case."""
    volume, labels = make_body(**more)
    path = save_scan(folder / name, volume)
    if mask is not None:
        write_label_map(folder / mask, labels)
    return Case(
        case_id=name,
        case_key=name.partition(".")[0],
        path=path,
        modality="ct",
        mask=None if mask is None else folder / mask,
    )


class Pool(torch.nn.Module):
    """A network without weights worth the name: eight means over the octants of a box."""

    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor([2.0]))

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the means of the octants of ``(B, 1, a, b, c)``, shape ``(B, 8)``."""
        return torch.nn.functional.adaptive_avg_pool3d(volume, 2).flatten(1) * self.gain


def make_encoder(
    preprocessing: VolumePreprocessing = KIDNEYS, *, name: str = "pool", gain: float = 2.0
) -> VolumeEncoder:
    """Return a fast encoder whose embeddings a test can compute by itself."""
    tower = Pool()
    tower.gain.data[:] = gain
    return VolumeEncoder(
        name=name,
        tower=tower,
        dim=tower.dim,
        weights=tower.state_dict(),
        preprocessing=preprocessing,
        is_projected=False,
        is_normalized=False,
    )
