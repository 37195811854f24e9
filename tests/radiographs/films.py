"""X-rays made on the spot: DICOM files and pictures whose every stored value is known."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

__all__ = [
    "SHAPE",
    "encode",
    "film_data_set",
    "gray_png_16",
    "lookup_item",
    "png_chunk",
    "stored_film",
    "write_film",
]

SHAPE = (48, 40)
Edit = Callable[[Dataset], None]


def stored_film(bits: int = 12, shape: tuple[int, int] = SHAPE, seed: int = 0) -> NDArray[np.int64]:
    """Stored values of a smooth picture with noise that use nearly all of the bits."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    slope = (rows / shape[0] + columns / shape[1]) / 2
    full = (1 << bits) - 1
    noise = rng.normal(0, 0.02, shape)
    return np.clip(np.rint((0.02 + 0.96 * slope + noise) * full), 0, full).astype(np.int64)


def film_data_set(
    stored: NDArray[np.integer],
    *,
    bits: int = 12,
    allocated: int = 16,
    photometric: str = "MONOCHROME2",
    is_signed: bool = False,
    syntax: str = ExplicitVRLittleEndian,
    **elements: object,
) -> FileDataset:
    """A digital X-ray; further elements by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    data = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=False,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Modality = "DX"
    data.Rows, data.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        data.NumberOfFrames = len(stored)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, bits, bits - 1
    data.PixelRepresentation = int(is_signed)
    kind = f"<{'i' if is_signed else 'u'}{allocated // 8}"
    raw = stored.astype(kind).tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OW" if allocated > 8 else "OB"
    return data


def write_film(
    path: Path, stored: NDArray[np.integer], *, edit: Edit | None = None, **more
) -> Path:
    """Write a digital X-ray; see :func:`film_data_set`."""
    data = film_data_set(stored, **more)
    if edit is not None:
        edit(data)
    data.save_as(path, enforce_file_format=True)
    return path


def encode(data: FileDataset, uid: str) -> FileDataset:
    """Compress the pixels with a coder of pydicom."""
    data.compress(uid, generate_instance_uid=False)
    return data


def lookup_item(entries: NDArray[np.integer], first: int, bits: int, **more: object) -> Dataset:
    """One item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.asarray(entries).astype("<u2").tobytes())
    for name, value in more.items():
        setattr(item, name, value)
    return item


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gray_png_16(stored: NDArray[np.integer]) -> bytes:
    """A PNG of 16 bits a pixel."""
    sink = io.BytesIO()
    Image.fromarray(stored.astype(np.uint16)).save(sink, "PNG")
    return sink.getvalue()


IMPLICIT = ImplicitVRLittleEndian
