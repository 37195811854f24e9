from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest

from medvlp.errors import ConfigError, VolumeError
from medvlp.volumes import organ_finders
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.nifti_reader import open_nifti
from medvlp.volumes.organ_finders import find_organs
from medvlp.volumes.volume import Volume
from tests.volumes.scans import stored_values

VALUES = stored_values((5, 6, 7)) - 1024
GEOMETRY = VolumeGeometry(VALUES.shape, (2.0, 0.8, 0.7), np.diag([1.0, -1.0, 1.0]), (1.0, 2.0, 3.0))


def test_find_organs__names_a_tool_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"MV2251.*pip install TotalSegmentator"):
        find_organs("totalsegmentator", Volume(VALUES, GEOMETRY), tmp_path)
    with pytest.raises(ConfigError, match=r"MV1003.*'other'"):
        find_organs("other", Volume(VALUES, GEOMETRY), tmp_path)


def test_find_organs__reads_what_the_tool_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment(scan: Path, out: Path, *, ml: bool, roi_subset: list[str], quiet: bool) -> None:
        assert ml
        assert quiet
        assert "kidney_left" in roi_subset
        image = nibabel.load(scan)
        labels = (np.asarray(image.dataobj) > 0).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(labels, image.affine), out)

    tool = ModuleType("totalsegmentator.python_api")
    tool.totalsegmentator = segment
    monkeypatch.setitem(sys.modules, "totalsegmentator", ModuleType("totalsegmentator"))
    monkeypatch.setitem(sys.modules, "totalsegmentator.python_api", tool)
    monkeypatch.setattr(organ_finders, "find_spec", lambda _name: object())
    mask = find_organs("totalsegmentator", Volume(VALUES, GEOMETRY), tmp_path)
    assert np.array_equal(VALUES > 0, mask.labels == 1)
    written = open_nifti(tmp_path / "scan.nii.gz")
    assert not GEOMETRY.difference(written.geometry, tolerance_mm=1e-3)
