"""Small scans made on the spot: DICOM series and NIfTI files with known voxels and places."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    generate_uid,
)

__all__ = [
    "AXIAL",
    "SYNTAXES",
    "deflated_bomb",
    "nested_sequences",
    "slice_data_set",
    "stored_values",
    "write_directory",
    "write_enhanced",
    "write_nifti",
    "write_series",
]

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
Edit = Callable[[Dataset, int], None]


def stored_values(
    shape_zyx: tuple[int, int, int] = (5, 12, 16), seed: int = 0
) -> NDArray[np.int16]:
    """Stored values of 12 bits whose every voxel differs, as far as 12 bits reach."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4096, shape_zyx).astype(np.int16)


def slice_data_set(
    pixels: NDArray[np.generic],
    position: Sequence[float],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (0.8, 0.7),
    series: str = "1.2.3",
    number: int = 1,
    intercept: float = -1024,
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2", series
    data.FrameOfReferenceUID = "1.2.9"
    data.Modality, data.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.InstanceNumber = number
    data.ImagePositionPatient = [f"{value:.6f}" for value in position]
    data.ImageOrientationPatient = [f"{value:.10f}"[:16] for value in orientation]
    data.PixelSpacing = [f"{value:.6f}" for value in spacing]
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept = 1, intercept
    data.PixelData = pixels.astype("<u2").tobytes()
    return data


def write_series(
    folder: Path,
    stored: NDArray[np.int16],
    *,
    origin: Sequence[float] = (-50.0, -40.0, 100.0),
    step_mm: float = 2.0,
    orientation: Sequence[float] = AXIAL,
    syntax: str = "explicit",
    edit: Edit | None = None,
    keep: Sequence[int] | None = None,
    series: str = "1.2.3",
    **more: object,
) -> Path:
    """Write one file per slice, in an order that is not that of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for z in range(len(stored)) if keep is None else keep:
        position = np.asarray(origin) + z * step_mm * normal
        data = slice_data_set(
            stored[z], position, orientation=orientation, series=series, number=z + 1, **more
        )
        if edit is not None:
            edit(data, z)
        uid = SYNTAXES[syntax]
        if syntax in {"rle", "jpeg-ls", "jpeg-2000"}:
            data.compress(uid)
        else:
            data.file_meta.TransferSyntaxUID = uid
        data.save_as(folder / f"{(z * 7) % 100:03d}-{z}.dcm", enforce_file_format=True)
    return folder


def write_enhanced(path: Path, stored: NDArray[np.int16], *, step_mm: float = 2.0) -> Path:
    """Write an enhanced multi-frame CT whose frames run from the last slice to the first."""
    data = slice_data_set(stored[0], (0, 0, 0))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    for name in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(data, name)
    data.NumberOfFrames = len(stored)
    shared, plane, measures, rescale = Dataset(), Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = list(AXIAL)
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.7], step_mm
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
    shared.PlaneOrientationSequence = [plane]
    shared.PixelMeasuresSequence = [measures]
    shared.PixelValueTransformationSequence = [rescale]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for z in reversed(range(len(stored))):
        frame, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-50.0, -40.0, 100.0 + z * step_mm]
        content.FrameAcquisitionNumber = 1
        frame.PlanePositionSequence, frame.FrameContentSequence = [place], [content]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = stored[::-1].astype("<u2").tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def write_nifti(
    path: Path,
    values: NDArray[np.generic],
    affine: NDArray[np.float64] | None = None,
    edit: Callable[[object], None] | None = None,
) -> Path:
    """Write ``(z, y, x)`` values; the affine maps (x, y, z) to RAS."""
    import nibabel

    affine = np.diag([0.7, 0.8, 2.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(values.T, affine)
    if edit is not None:
        edit(image.header)
    nibabel.save(image, path)
    return path


def write_directory(path: Path, listed: list[list[str]]) -> Path:
    """Write a DICOMDIR that lists files by the parts of their names."""
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    meta = data.file_meta
    directory = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    records = []
    for parts in listed:
        record = Dataset()
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", parts
        records.append(record)
    directory.DirectoryRecordSequence = [Dataset(), *records]
    directory.save_as(path, enforce_file_format=True)
    return path


def nested_sequences(path: Path, depth: int = 300) -> Path:
    """A DICOM file whose sequences of undefined length nest deeply."""
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.save_as(path, enforce_file_format=True)
    body = path.read_bytes()
    start = b"\x08\x00\x12\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    at = body.index(b"\x20\x00\x0d\x00")
    path.write_bytes(body[:at] + start * depth + end * depth + body[at:])
    return path


def deflated_bomb(path: Path, inflated_bytes: int) -> Path:
    """A deflated DICOM file whose data set is a private element of so many zero bytes."""
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    meta_end = (
        132 + 12 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    with path.open("r+b") as stream:
        stream.seek(meta_end)
        stream.truncate()
        head = b"\x09\x00\x10\x00LO\x04\x00TEST\x09\x00\x01\x10OB\0\0" + struct.pack(
            "<I", inflated_bytes
        )
        stream.write(packer.compress(head))
        zeros = bytes(1 << 20)
        for _ in range(inflated_bytes >> 20):
            stream.write(packer.compress(zeros))
        stream.write(packer.flush())
    return path
