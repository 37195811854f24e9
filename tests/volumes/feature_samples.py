"""Features of a scan to write and read in tests."""

from dataclasses import asdict

import numpy as np

from medvlp.types import VolumePreprocessing
from medvlp.volumes.features import VolumeFeatureMeta, VolumeFeatures
from medvlp.volumes.volume import Finding

BOX = VolumePreprocessing(
    spacing_mm=(4.0, 2.0, 2.0),
    shape_zyx=(8, 16, 16),
    orientation="LPS",
    axes="zyx",
    window_hu=(-200.0, 300.0),
    region="kidney",
)


def make_features(num_units: int = 2, dim: int = 6) -> VolumeFeatures:
    """Return features with values that differ in every place."""
    rng = np.random.default_rng(3)
    return VolumeFeatures(
        features=rng.normal(size=(num_units, dim)).astype(np.float32),
        coords_mm=rng.normal(size=(num_units, 3)) * 100,
        units=tuple(f"kidney_{n}" for n in range(num_units)),
        padded_share=np.linspace(0, 0.5, num_units, dtype=np.float32),
        padded_sides=tuple("IR" if n else "" for n in range(num_units)),
        cut_sides=tuple("I" if n else "" for n in range(num_units)),
        meta=VolumeFeatureMeta(
            case_key="case_1",
            encoder="volume:resnet3d10",
            weights_sha256="a" * 64,
            is_projected=False,
            is_normalized=True,
            precision="fp32",
            preprocessing=asdict(BOX),
            scan_format="dicom",
            scan_sha256="b" * 64,
            scan_shape_zyx=(20, 64, 48),
            scan_spacing_mm=(3.0, 0.75, 0.75),
            scan_axes="LPS",
            geometry_sha256="c" * 64,
            mask_source="file",
            mask_sha256="d" * 64,
            num_air=1,
            findings=(Finding("MV2221", "states no rescale; values are taken as HU"),),
            params_sha256="e" * 64,
            medvlp_version="0.1",
        ),
    )
