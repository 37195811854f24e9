"""Files are told apart by content, then by suffix."""

import os
import signal
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medvlp.pipelines import sniff
from medvlp.pipelines.sniff import sniff_file, sniff_tree

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
DIGITAL_XRAY = "1.2.840.10008.5.1.4.1.1.1.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def write_dicom(
    path: Path, class_uid: str, *, series: str = "1.2.3", flavour: str = "VOLUME"
) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = class_uid
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.SOPClassUID = class_uid
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = series
    dataset.ImageType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
    dataset.PatientName = "Doe^Jane"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_nifti(path: Path, values: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    return path


@pytest.mark.parametrize(
    ("name", "content", "modality"),
    [
        ("a.tif", b"II*\0rest", "slide"),
        ("renamed.dat", b"MM\0*rest", "slide"),
        ("big.dat", b"II+\0rest", "slide"),
        ("empty.svs", b"", "slide"),
        ("pointer.ndpi", b"version https://git-lfs", "slide"),
        ("a.mrxs", b"\xff\xd8\xff\xe0", "slide"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "radiograph"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "radiograph"),
        ("a.gif", b"GIF89a", "radiograph"),
        ("labels.csv", b"path,label\n", None),
        ("report.pdf", b"%PDF-1.4", None),
        ("empty.txt", b"", None),
    ],
)
def test_sniff_file__knows(tmp_path: Path, name: str, content: bytes, modality: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = sniff_file(path)
    assert (found.modality, found.is_damaged) == (modality, False)


@pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz", "a.nrrd", "a.b2nd"])
def test_sniff_file__calls_a_scan_damaged_that_only_its_name_promises(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    found = sniff_file(tmp_path / name)
    assert found.is_damaged
    assert found.why.startswith("MV2201: ")


def test_sniff_file__goes_by_content_where_the_name_says_otherwise(tmp_path: Path) -> None:
    scan = np.random.default_rng(0).integers(-1000, 400, (8, 8, 4)).astype(np.int16)
    write_nifti(tmp_path / "a.nii.gz", scan).rename(tmp_path / "scan.dat")
    write_nifti(tmp_path / "b.nii", (scan > 0).astype(np.uint8)).rename(tmp_path / "mask.txt")
    assert sniff_file(tmp_path / "scan.dat").modality == "ct"
    mask = sniff_file(tmp_path / "mask.txt")
    assert (mask.modality, mask.is_mask) == (None, True)


def test_sniff_file__keeps_the_header_of_dicom_and_no_text_of_it(tmp_path: Path) -> None:
    found = sniff_file(write_dicom(tmp_path / "a", DIGITAL_XRAY))
    assert found.look is not None
    assert found.look.headers[0].sop_class == DIGITAL_XRAY
    assert "Doe" not in repr(found.look.headers)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["pipe.nii.gz", "pipe.svs", "pipe"])
def test_sniff_file__never_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (found,) = sniff_tree([tmp_path / name])
    assert found.modality is None
    assert not found.is_damaged
    assert "pipe" in found.why


def test_sniff_file__looks_into_archives_of_scans_only(tmp_path: Path) -> None:
    scan = np.random.default_rng(0).integers(-1000, 400, (8, 8, 4)).astype(np.int16)
    inside = write_nifti(tmp_path / "ct.nii.gz", scan)
    for name, entry in (("a.zip", "x/ct.nii.gz"), ("notes.zip", "notes.txt"), ("b.docx", "ct.nii")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            if entry == "notes.txt":
                archive.writestr(entry, "hello")
            else:
                archive.write(inside, entry)
    assert sniff_file(tmp_path / "a.zip").inner == ("x/ct.nii.gz",)
    assert sniff_file(tmp_path / "notes.zip").why == "an archive without a scan"
    assert sniff_file(tmp_path / "b.docx").why == "not an image of a known kind"
    (tmp_path / "broken.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:200])
    assert sniff_file(tmp_path / "broken.zip").why.startswith("MV2202: ")


def break_on_bad(path: Path) -> sniff.Sniffed:
    if path.name.startswith("bad"):
        os.kill(os.getpid(), signal.SIGKILL)
    return sniff.Sniffed(path, "ct")


def break_on_bad_chunks(files: list[Path]):
    for start in range(0, len(files), 2):
        yield [break_on_bad(path) for path in files[start : start + 2]]


def test_sniff_tree__blames_the_file_that_breaks_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sniff, "sniff_file", break_on_bad)
    monkeypatch.setattr(sniff, "sniff_files", break_on_bad_chunks)
    monkeypatch.setattr(sniff, "_CHUNK", 2)
    names = ["a", "b", "c", "bad1", "d", "bad2", "e"]
    found = sniff_tree([Path(name) for name in names])
    assert [item.path.name for item in found] == names
    assert [item.path.name for item in found if item.is_damaged] == ["bad1", "bad2"]
    assert found[3].why.startswith("MV1601: ")
