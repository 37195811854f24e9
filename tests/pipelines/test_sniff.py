"""Files are told apart by content, then by suffix."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medvlp.pipelines.sniff import read_dicom_heads, sniff_file

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


@pytest.mark.parametrize(
    ("name", "content", "modality"),
    [
        ("a.tif", b"II*\0rest", "slide"),
        ("renamed.dat", b"MM\0*rest", "slide"),
        ("big.dat", b"II+\0rest", "slide"),
        ("empty.svs", b"", "slide"),
        ("pointer.ndpi", b"version https://git-lfs", "slide"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "radiograph"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "radiograph"),
        ("a.gif", b"GIF89a", "radiograph"),
        ("a.nii.gz", b"\x1f\x8b", "ct"),
        ("labels.csv", b"path,label\n", None),
        ("report.pdf", b"%PDF-1.4", None),
    ],
)
def test_sniff_file__knows(tmp_path: Path, name: str, content: bytes, modality: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert sniff_file(path).modality == modality


@pytest.mark.parametrize(
    ("class_uid", "modality"),
    [(WHOLE_SLIDE, "slide"), (CT_IMAGE, "ct"), (DIGITAL_XRAY, "radiograph"), (SEGMENTATION, None)],
)
def test_read_dicom_heads__sorts_by_class(
    tmp_path: Path, class_uid: str, modality: str | None
) -> None:
    path = write_dicom(tmp_path / "a", class_uid)
    assert sniff_file(path).is_dicom
    (head,) = read_dicom_heads([path])
    assert head.modality == modality
    assert "Doe" not in head.why


def test_read_dicom_heads__keeps_an_unreadable_file_as_a_case(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (head,) = read_dicom_heads([path])
    assert head.modality == "slide"
    assert "unreadable" in head.why
