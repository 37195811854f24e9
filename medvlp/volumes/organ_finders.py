"""Label the organs of a scan with a tool that is installed beside this package.

Finders are plugged in by name. Each takes the file of a scan and the folder to work in, and returns
the label map that it made; the tools themselves are no dependency.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

import nibabel
import numpy as np

from medvlp.errors import VolumeError
from medvlp.registry import Registry
from medvlp.volumes.geometry import affine_ras_to_lps
from medvlp.volumes.masks import LabelMap, read_mask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.volumes.volume import Volume

__all__ = ["ORGAN_FINDERS", "OrganFinder", "find_organs"]

_DEFAULT_ORGANS = ("kidney_left", "kidney_right", "liver", "spleen", "stomach", "aorta")
"""The kidneys, and what tells the sides of the body apart."""


class OrganFinder(Protocol):
    """A tool that labels organs."""

    def __call__(self, scan: Path, folder: Path, organs: Sequence[str]) -> Path:
        """Label a NIfTI scan and return the file of the label map, written into ``folder``."""


ORGAN_FINDERS: Registry[OrganFinder] = Registry("organ finder")
"""Finders by name; plug in one with ``@ORGAN_FINDERS.register("name")``."""


def find_organs(
    name: str, volume: Volume, folder: Path, organs: Sequence[str] = _DEFAULT_ORGANS
) -> LabelMap:
    """Label the organs of a scan.

    Args:
        name: Name of the finder.
        volume: The scan.
        folder: An existing folder for the tool's files.
        organs: Names of the organs, as TotalSegmentator names them.

    Raises:
        ConfigError: MV1003 if no finder has the name.
        VolumeError: MV2251 if the tool is not installed, or what reading its answer raises.
    """
    finder = ORGAN_FINDERS.get(name)
    scan = folder / "scan.nii.gz"
    affine = affine_ras_to_lps(volume.geometry.affine_lps)  # the same turn leads back
    nibabel.save(nibabel.Nifti1Image(np.asarray(volume.hu).T, affine), scan)
    answer = finder(scan, folder, organs)
    return read_mask(answer, like=volume.geometry)


@ORGAN_FINDERS.register("totalsegmentator")
def _totalsegmentator(scan: Path, folder: Path, organs: Sequence[str]) -> Path:
    """Run TotalSegmentator's task "total" on some organs."""
    tool = cast("Any", _installed("totalsegmentator", "pip install TotalSegmentator"))
    out = folder / "organs.nii.gz"
    tool.totalsegmentator(scan, out, ml=True, roi_subset=list(organs), quiet=True)
    return out


def _installed(package: str, install: str) -> object:
    if find_spec(package) is None:
        raise VolumeError(
            "MV2251",
            f"the organ finder {package!r} is not installed",
            expected="an installed tool, or a mask for each scan",
            hint=f"install it with '{install}', or give masks in the manifest",
        )
    return import_module(f"{package}.python_api")
