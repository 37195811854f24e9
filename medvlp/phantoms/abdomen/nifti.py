"""Write a phantom scan and its label map as NIfTI files."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Extension, Nifti1Header

from medvlp.io import publish_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.scan import PhantomScan

__all__ = ["write_phantom_mask", "write_phantom_nifti"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_BLOCK_PLANES = 16


def write_phantom_nifti(path: Path, scan: PhantomScan) -> None:
    """Write the Hounsfield units of a scan, int16 without rescale.

    Args:
        path: Where to, ``<name>.nii`` or ``<name>.nii.gz``.
        scan: The scan.
    """
    _write(path, scan.hu, scan.affine_lps)


def write_phantom_mask(path: Path, scan: PhantomScan) -> None:
    """Write the label map of a scan, with the names of its labels inside as TotalSegmentator does.

    Args:
        path: Where to, ``<name>.nii`` or ``<name>.nii.gz``.
        scan: The scan.
    """
    _write(path, scan.labels, scan.affine_lps, scan.label_names)


def _write(
    path: Path,
    values: NDArray[np.int16] | NDArray[np.uint8],
    affine_lps: NDArray[np.float64],
    names: Mapping[int, str] | None = None,
) -> None:
    header = Nifti1Header()
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape[::-1])
    affine = _LPS_TO_RAS @ affine_lps
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner")
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    if names:
        header.extensions.append(Nifti1Extension("ignore", _names_xml(names)))
    header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
    with publish_file(path) as temporary:
        if path.suffix == ".gz":
            packed = gzip.open(temporary, "wb", compresslevel=1)
            with packed as file:
                _write_body(cast("BinaryIO", file), header, values)
        else:
            with temporary.open("wb") as file:
                _write_body(file, header, values)


def _write_body(
    file: BinaryIO, header: Nifti1Header, values: NDArray[np.int16] | NDArray[np.uint8]
) -> None:
    header.write_to(file)
    file.write(b"\0" * (int(header["vox_offset"]) - file.tell()))
    for start in range(0, len(values), _BLOCK_PLANES):
        file.write(np.ascontiguousarray(values[start : start + _BLOCK_PLANES]).tobytes())


def _names_xml(names: Mapping[int, str]) -> bytes:
    labels = "".join(
        f'<Label Key="{number}" Red="0" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>'
        for number, name in sorted(names.items())
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{labels}</LabelTable><VolumeType><![CDATA[Label]]></VolumeType>"
        "</VolumeInformation></CaretExtension>"
    )
    return text.encode()
