"""Files made to exhaust memory or time end as coded refusals, in a worker with real limits."""

from __future__ import annotations

import gzip
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.jobs.workers import WorkerLimits, run_in_worker
from medvlp.volumes.masks import read_mask
from medvlp.volumes.reader import read_volume
from tests.volumes.scans import (
    nested_sequences,
    slice_data_set,
    stored_values,
    write_nifti,
    write_series,
)

GIB = 2**30
LIMITS = WorkerLimits(memory_bytes=4 * GIB, stall_s=60.0, total_s=60.0)


def zeros_deflated(count_bytes: int) -> bytes:
    """Blocks of a deflate stream that inflate to so many zeros; made in no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(1 << 20))
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (count_bytes >> 20)


def zeros_crc(start: bytes, count_bytes: int) -> int:
    crc, chunk = zlib.crc32(start), bytes(1 << 22)
    for _ in range(count_bytes >> 22):
        crc = zlib.crc32(chunk, crc)
    return crc


def gzip_bomb(path: Path, shape_zyx: tuple[int, int, int]) -> Path:
    """A NIfTI file of zeros, a thousandth of its inflated size."""
    write_nifti(path.with_suffix(".nii"), np.zeros((2, 2, 2), np.int16))
    head = bytearray(path.with_suffix(".nii").read_bytes()[:352])
    head[42:48] = struct.pack("<3h", *shape_zyx[::-1])
    count = int(np.prod(shape_zyx)) * 2
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = first.compress(bytes(head)) + first.flush(zlib.Z_FULL_FLUSH)
    body += zeros_deflated(count) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    tail = struct.pack("<II", zeros_crc(bytes(head), count), (count + 352) % 2**32)
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + tail)
    return path


def deflated_dicom(path: Path) -> Path:
    """A deflated DICOM file of 1 MB that holds 1 GiB of zeros in a private element."""
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    data.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    end = 132 + 12 + struct.unpack_from("<I", raw, 140)[0]
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = first.compress(
        b"\x09\x00\x10\x00LO\x04\x00TEST\x09\x00\x01\x10OB\0\0" + struct.pack("<I", GIB)
    ) + first.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(raw[:end] + body + zeros_deflated(GIB) + zlib.compressobj(9, 8, -15).flush())
    return path


def slip_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "evil")
    return path


def bomb_zip(path: Path, count_mib: int = 80) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros.nii", "w") as out,
    ):
        for _ in range(count_mib):
            out.write(bytes(1 << 20))
    return path


def many_frames(path: Path) -> Path:
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.NumberOfFrames = 2**31 - 1
    data.save_as(path, enforce_file_format=True)
    return path


def huge_slices(path: Path) -> Path:
    def grow(data: object, _z: int) -> None:
        data.Rows = data.Columns = 65535

    return write_series(path, stored_values(), edit=grow)


def long_element(path: Path) -> Path:
    """An element whose length is nearly 4 GiB, in a file of a kilobyte."""
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.add_new(0x00091001, "OB", b"1234")
    data.add_new(0x00090010, "LO", "TEST")
    data.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"OB\0\0\x04\0\0\x001234", b"OB\0\0\xf0\xff\xff\xff1234"))
    return path


def wide_nifti(path: Path) -> Path:
    raw = bytearray(write_nifti(path.with_suffix(".nii"), np.zeros((2, 2, 2), "i2")).read_bytes())
    raw[40:48] = struct.pack("<4h", 3, 32767, 32767, 32767)
    path.write_bytes(bytes(raw))
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nested sequences": (nested_sequences, "MV2207"),
    "deflated, 1 GiB inside": (deflated_dicom, "MV2203"),
    "gzip, 1 GiB inside": (lambda path: gzip_bomb(path, (512, 1024, 1024)), "MV2203"),
    "gzip, 3 GiB inside": (lambda path: gzip_bomb(path, (1536, 1024, 1024)), "MV2203"),
    "zip slip": (slip_zip, "MV2204"),
    "zip, 80 MiB inside": (bomb_zip, "MV2203"),
    "two thousand million frames": (many_frames, "MV2203"),
    "slices of 65535 x 65535": (huge_slices, "MV2203"),
    "an element of 4 GiB": (long_element, "MV2202"),
    "NIfTI of 32767 cubed": (wide_nifti, "MV2203"),
}


def judge(path: Path) -> tuple[str, float, float]:
    """The code of the refusal, the seconds it took, and the peak memory in MiB."""
    start, code = time.monotonic(), ""
    try:
        read_volume(path)
    except VolumeError as error:
        code = error.code
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return code, time.monotonic() - start, peak_mib


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file__is_refused_within_memory_and_time(tmp_path: Path, name: str) -> None:
    make, expected = HOSTILE[name]
    path = make(tmp_path / "hostile")
    code, seconds, peak_mib = run_in_worker(judge, path, limits=LIMITS)
    assert code == expected
    assert seconds < 60
    assert peak_mib < 1024
    assert sorted(entry.name for entry in tmp_path.parent.glob("evil*")) == []


@pytest.mark.slow
def test_zip_bomb__is_refused_within_memory(tmp_path: Path) -> None:
    code, seconds, peak_mib = run_in_worker(judge, bomb_zip(tmp_path / "z", 512), limits=LIMITS)
    assert code == "MV2203"
    assert seconds < 60
    assert peak_mib < 1024


@pytest.mark.slow
def test_gzip_bomb__is_an_empty_mask_within_memory(tmp_path: Path) -> None:
    """Masks may compress a thousandfold: the bomb is read plane by plane and found empty."""
    path = gzip_bomb(tmp_path / "mask.nii.gz", (512, 1024, 1024))
    with pytest.raises(VolumeError, match="MV2241"):
        run_in_worker(read_mask, path, limits=LIMITS)


def test_bombs__are_as_small_as_they_should_be(tmp_path: Path) -> None:
    assert deflated_dicom(tmp_path / "a.dcm").stat().st_size < 1_200_000
    bomb = gzip_bomb(tmp_path / "b.nii.gz", (64, 1024, 1024))
    assert bomb.stat().st_size < 200_000
    assert len(gzip.decompress(bomb.read_bytes())) == 352 + 64 * 2**21
