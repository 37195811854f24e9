"""Write a phantom scan as a DICOM series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import imagecodecs
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    generate_uid,
)

from medvlp.errors import PhantomError, nearest_name
from medvlp.io import publish_folder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.scan import PhantomScan

__all__ = ["SYNTAXES", "Syntax", "write_phantom_dicom"]

Syntax = Literal["explicit", "deflated", "rle", "jpeg-2000"]

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-2000": JPEG2000Lossless,
}
"""Name of an encoding -> its UID; all are lossless."""

_INTERCEPT = -1024
_DESCRIPTIONS = {
    "N": "Abdomen non-contrast",
    "A": "Abdomen arterial",
    "V": "Abdomen venous",
    "D": "Abdomen delayed",
}


def write_phantom_dicom(folder: Path, scan: PhantomScan, *, syntax: Syntax = "explicit") -> None:
    """Write a scan as one file per slice, slices along the array's z.

    Slices of a series have no order of their own; a reader sorts them by position. It so reads
    the array as it was, except that z runs the other way where the array's axes are left-handed
    (as in ``LPI`` or ``RPS``). Phases of one patient share study and frame of reference.

    Args:
        folder: Where to; it must not exist, or be empty.
        scan: The scan.
        syntax: How pixels are encoded.

    Raises:
        PhantomError: MV1904 for an unknown encoding.
    """
    if syntax not in SYNTAXES:
        raise PhantomError(
            "MV1904",
            f"encoding {syntax!r} is unknown{nearest_name(syntax, SYNTAXES)}",
            expected=f"one of {', '.join(SYNTAXES)}",
        )
    with publish_folder(folder) as temporary:
        for index in range(len(scan.hu)):
            data = _slice(scan, index)
            stored = (scan.hu[index].astype(np.int32) - _INTERCEPT).astype("<u2")
            _encode(data, stored, syntax)
            data.save_as(temporary / f"slice_{index:04d}.dcm", enforce_file_format=True)


def _uid(*words: object) -> UID:
    return generate_uid(entropy_srcs=["phantom abdomen", *map(str, words)])


def _slice(scan: PhantomScan, index: int) -> FileDataset:
    spec, affine = scan.spec, scan.affine_lps
    series = (scan.patient.seed, spec)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(*series, index)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = _uid(scan.patient.seed, "study")
    data.SeriesInstanceUID = _uid(*series, "series")
    data.FrameOfReferenceUID = _uid(scan.patient.seed, "frame")
    data.PatientName, data.PatientID = "PHANTOM", f"PHANTOM-{scan.patient.seed}"
    data.Modality, data.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesDescription = _DESCRIPTIONS[spec.phase]
    data.KVP, data.InstanceNumber = "120", index + 1
    z_mm, y_mm, x_mm = spec.spacing_mm
    position = affine[:3, :3] @ (0, 0, index) + affine[:3, 3]
    axes = [affine[:3, 0] / x_mm, affine[:3, 1] / y_mm]
    data.ImagePositionPatient = [f"{value:.6f}" for value in position]
    data.ImageOrientationPatient = [f"{value:.10f}" for axis in axes for value in axis]
    data.PixelSpacing = [f"{y_mm:.6f}", f"{x_mm:.6f}"]
    data.SliceThickness = f"{z_mm:.6f}"
    data.Rows, data.Columns = scan.hu.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", str(_INTERCEPT), "HU"
    return data


def _encode(data: FileDataset, stored: NDArray[np.uint16], syntax: Syntax) -> None:
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax == "jpeg-2000":
        packed = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="j2k")
        data.PixelData = encapsulate([bytes(packed)])
        data["PixelData"].is_undefined_length = True
    else:
        data.PixelData = stored.tobytes()
    data["PixelData"].VR = "OW"
    if syntax == "rle":
        data.compress(RLELossless)
    data.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
