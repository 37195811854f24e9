"""Scans, masks, their features and folders of series are told what they are."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.embedding.volumes import ScanSettings
from medvlp.errors import VolumeError
from medvlp.pipelines.embed_scans import ScanEmbedder
from medvlp.pipelines.identify import identify
from tests.volumes.bodies import make_body, make_encoder, save_scan, save_series, write_body


def test_identify__knows_a_scan_and_its_mask(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    scan, mask = identify(case.path), identify(tmp_path / "seg.nii.gz")
    assert (scan.kind, mask.kind) == ("scan", "mask")
    for found in (scan, mask):
        assert found.facts["voxels (z, y, x)"] == "40 x 56 x 56"
        assert found.facts["spacing (z, y, x)"] == "6 x 7 x 7 mm"
    assert scan.facts["findings"] == []
    assert mask.facts["labels"][2] == "kidney_right"


def test_identify__tells_what_is_odd_about_a_scan(tmp_path: Path) -> None:
    volume, _ = make_body()
    volume.hu[:] = volume.hu - np.int16(1024)
    (told,) = identify(save_scan(tmp_path / "ct.nii.gz", volume)).facts["findings"]
    assert told.startswith("MV2237: ")


def test_identify__lists_the_series_of_a_folder(tmp_path: Path) -> None:
    volume, _ = make_body()
    save_series(tmp_path / "a", volume)
    write_body(tmp_path / "b", mask=None)
    found = identify(tmp_path)
    assert (found.kind, found.facts["series"]) == ("scans", 2)
    assert found.facts["found"][0] == "a: CT, volume, dicom, 40 images"


def test_identify__tells_which_series_would_be_refused_and_what_is_a_mask(tmp_path: Path) -> None:
    save_series(tmp_path / "gap", make_body()[0], keep=[0, 1, 2, 4, 5])
    write_body(tmp_path / "grid")
    gap, scan, mask = identify(tmp_path).facts["found"]
    assert "5 images; refused: MV2216: " in gap
    assert ", volume, nifti" in scan
    assert ", label map, nifti" in mask


def test_identify__knows_features_of_a_scan(tmp_path: Path) -> None:
    made = ScanEmbedder(make_encoder(), ScanSettings(), tmp_path / "f" / "pool")
    case = write_body(tmp_path)
    made.embed(case, lambda stage: None)
    found = identify(made.feature_path(case))
    assert found.kind == "features of a scan"
    assert found.facts["units"] == ["kidney_right", "kidney_left"]
    assert found.facts["features"] == "2 x 8"


def test_identify__says_what_is_wrong_with_a_scan(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(VolumeError, match="MV22"):
        identify(tmp_path / "a.dcm")
