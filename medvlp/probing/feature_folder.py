"""Read a folder of feature files, of slides or of scans, through one function.

Letters: U units, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.config.run_tables import read_case_rows
from medvlp.config.runs import RunFolder
from medvlp.errors import DataError
from medvlp.io.hdf5_checks import open_checked, read_attributes
from medvlp.slides.features import read_features
from medvlp.volumes.feature_meta import FORMAT as SCAN_FORMAT
from medvlp.volumes.features import read_volume_features

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.slides.features import FeatureMeta
    from medvlp.volumes.features import VolumeFeatureMeta

__all__ = ["CaseFeatures", "FeatureFolder", "read_case_features", "read_feature_folder"]

CaseKind = Literal["slide", "scan"]


@dataclass(frozen=True, eq=False)
class CaseFeatures:
    """What an encoder made of one case.

    Attributes:
        key: Name of the file without its suffix.
        kind: Whether it is a slide or a scan.
        units: Names of the vectors: ``slide``, or the boxes of a scan such as ``kidney_left``.
        vectors: One row per unit, shape ``(U, D)``, float64; of a slide the mean of its tiles.
            Without rows where nothing was encoded.
        encoder: Name, weights and space of the encoder, in words.
        content_sha256: Hash of the case's bytes.
    """

    key: str
    kind: CaseKind
    units: tuple[str, ...]
    vectors: NDArray[np.float64]
    encoder: str
    content_sha256: str


@dataclass(frozen=True)
class FeatureFolder:
    """The features of many cases, all of one encoder.

    Attributes:
        path: The folder.
        kind: Slides or scans.
        encoder: The encoder, in words.
        cases: Features by case id; by the name of the file where the folder has no ``cases.csv``.
    """

    path: Path
    kind: CaseKind
    encoder: str
    cases: Mapping[str, CaseFeatures]


def read_case_features(path: Path) -> CaseFeatures:
    """Read one feature file, whatever it holds features of.

    Args:
        path: The file.

    Raises:
        FeatureError: If the file is damaged, unsafe or of another program.
    """
    with open_checked(path) as file:
        is_scan = read_attributes(file).get("format") == SCAN_FORMAT
    if is_scan:
        scan = read_volume_features(path)
        vectors = scan.features.astype(np.float64)
        told = _tell_encoder(scan.meta, vectors.shape[1])
        return CaseFeatures(path.stem, "scan", scan.units, vectors, told, scan.meta.scan_sha256)
    slide = read_features(path)
    vectors = _mean_row(slide.features)
    units = ("slide",) if len(vectors) else ()
    told = _tell_encoder(slide.meta, vectors.shape[1])
    return CaseFeatures(path.stem, "slide", units, vectors, told, slide.meta.slide_sha256)


def read_feature_folder(path: Path) -> FeatureFolder:
    """Read all feature files of a folder.

    Args:
        path: ``OUT/features/<model>``, or the ``OUT`` of 'medvlp embed' where it holds one model.

    Raises:
        DataError: MV2328 if there are no feature files, several models to choose from, or files of
            several encoders.
        FeatureError: If a file is damaged, unsafe or of another program.
    """
    folder = _folder_of_model(path)
    found = [read_case_features(file) for file in sorted(folder.glob("*.h5"))]
    encoders: dict[str, str] = {}
    for case in found:
        encoders.setdefault(case.encoder, case.key)
    if len(encoders) > 1:
        told = "; ".join(f"{case} by {encoder}" for encoder, case in list(encoders.items())[:3])
        raise _refusal(folder, f"files of {len(encoders)} encoders: {told}", "one encoder")
    ids = _ids_of_keys(folder)
    cases = {ids.get(case.key, case.key): case for case in found}
    return FeatureFolder(folder, found[0].kind, found[0].encoder, cases)


def _tell_encoder(meta: FeatureMeta | VolumeFeatureMeta, size: int) -> str:
    space = "projected" if meta.is_projected else "before projection"
    return f"{meta.encoder} ({meta.weights_sha256[:12]}, {space}, {size} numbers)"


def _mean_row(tiles: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = tiles.astype(np.float64)
    return rows.mean(axis=0, keepdims=True) if len(rows) else rows


def _folder_of_model(path: Path) -> Path:
    if any(path.glob("*.h5")):
        return path
    below = sorted({file.parent for file in path.glob("features/*/*.h5")})
    if len(below) == 1:
        return below[0]
    if below:
        names = ", ".join(f"features/{folder.name}" for folder in below)
        raise _refusal(path, f"features of several models: {names}", "the folder of one model")
    raise _refusal(path, "no feature files (*.h5)", "a folder that 'medvlp embed' has written")


def _ids_of_keys(folder: Path) -> dict[str, str]:
    """Return the case id of each file name, where ``cases.csv`` tells it."""
    out = folder.parent.parent
    if not RunFolder(out).cases_csv.is_file():
        return {}
    return {row.case_key: row.case_id for row in read_case_rows(out)}


def _refusal(folder: Path, what: str, expected: str) -> DataError:
    return DataError("MV2328", f"{folder} holds {what}", expected=expected)
