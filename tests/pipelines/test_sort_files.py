"""Files of a tree become cases, masks, or something that is told with a reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.io.pixel_layout import PixelLayout
from medvlp.pipelines.sniff import Sniffed
from medvlp.pipelines.sort_files import SortedFiles, sort_files
from medvlp.volumes.dicom_slices import SliceHeader
from medvlp.volumes.series import FileLook

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ROOT = Path("/in")

PIXELS = PixelLayout(
    rows=8,
    columns=8,
    samples=1,
    photometric="MONOCHROME2",
    bits_allocated=16,
    bits_stored=16,
    high_bit=15,
    is_signed=True,
    transfer_syntax="1.2.840.10008.1.2.1",
    is_little_endian=True,
    is_inflated=False,
    offset=1000,
    count_bytes=128,
    frames=1,
)


def image(name: str, z_mm: float = 0.0, **changes: object) -> Sniffed:
    path = ROOT / name
    header = SliceHeader(
        path=path,
        frame=0,
        pixels=PIXELS,
        sop_class=CT,
        instance_uid=f"{name}{z_mm}",
        study_uid="1",
        series_uid="1.1",
        frame_of_reference_uid="1.9",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        is_converted=False,
        position_mm=(0.0, 0.0, z_mm),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(1.0, 1.0),
        slope=1.0,
        intercept=-1024.0,
        rescale_type="HU",
        has_lookup_table=False,
        is_lossy=False,
        instance_number=1,
        repeats=(),
        phase="",
    )
    header = replace(header, **changes)
    return Sniffed(path, look=FileLook(path, "dicom", (header,)))


def stack(folder: str, **changes: object) -> list[Sniffed]:
    return [image(f"{folder}/{n}.dcm", 2.0 * n, **changes) for n in range(3)]


def why(result: SortedFiles) -> dict[str, str]:
    return {entry.name: entry.why for entry in result.skipped}


def test_sort_files__makes_one_case_of_a_series() -> None:
    (case,) = sort_files(stack("p/s1"), ROOT).cases
    assert (case.case_id, case.modality, case.path.name) == ("p/s1", "ct", "0.dcm")
    assert [path.name for path in case.companions] == ["1.dcm", "2.dcm"]
    assert case.place is not None
    assert case.place.frame_uid == "1.9"


def test_sort_files__names_series_of_one_folder_by_number() -> None:
    files = [*stack("p"), *[image(f"p/b{n}.dcm", 2.0 * n, series_uid="1.2") for n in range(3)]]
    assert [case.case_id for case in sort_files(files, ROOT).cases] == ["p#1", "p#2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modality": "MR", "sop_class": MR}, "a series of modality MR (3 images), no CT"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "a localizer, no volume"),
        ({"sop_class": CAPTURE}, "a secondary capture, no slices of a body"),
        (
            {"image_type": ("DERIVED", "SECONDARY", "MIP")},
            "a projection computed from a scan (3 images), no original slices",
        ),
        ({"modality": "X\ny"}, "a series of modality unknown (3 images), no CT"),
    ],
)
def test_sort_files__sets_other_series_aside(changes: dict[str, object], reason: str) -> None:
    if "modality" in changes:
        changes = {"sop_class": MR, **changes}
    result = sort_files(stack("p/s1", **changes), ROOT)
    assert not result.cases
    assert why(result) == {"p/s1": reason}


def test_sort_files__hands_a_damaged_slice_to_its_series() -> None:
    broken = Sniffed(ROOT / "p/s1/3.dcm", is_damaged=True, why="MV2202: cut off")
    (case,) = sort_files([*stack("p/s1"), broken], ROOT).cases
    assert broken.path in case.companions


def test_sort_files__makes_a_damaged_scan_a_case_that_will_fail() -> None:
    broken = Sniffed(ROOT / "q/3.dcm", is_damaged=True, why="MV2202: cut off")
    result = sort_files([*stack("p/s1"), broken], ROOT)
    assert [(case.case_id, case.modality) for case in result.cases] == [
        ("p/s1", "ct"),
        ("q/3.dcm", "ct"),
    ]


def test_sort_files__tells_of_an_index() -> None:
    index = Sniffed(ROOT / "DICOMDIR", look=FileLook(ROOT / "DICOMDIR", "dicom"))
    assert why(sort_files([index], ROOT)) == {"DICOMDIR": "an index of other DICOM files"}


def test_sort_files__knows_segmentations_by_their_coordinate_system() -> None:
    seg = image("p/seg.dcm", modality="SEG", sop_class="1.2.840.10008.5.1.4.1.1.66.4")
    (mask,) = sort_files([*stack("p/s1"), seg], ROOT).masks
    assert (mask.path, mask.frame_uid) == (ROOT / "p/seg.dcm", "1.9")


def test_sort_files__tells_the_passes_of_one_file_apart() -> None:
    path = ROOT / "p/multi.dcm"
    pixels = replace(PIXELS, frames=6)
    headers = tuple(
        replace(
            image("p/multi.dcm", 2.0 * (n % 3)).look.headers[0],
            frame=n,
            pixels=pixels,
            repeats=(("acquisition", str(n // 3)),),
        )
        for n in range(6)
    )
    result = sort_files([Sniffed(path, look=FileLook(path, "dicom", headers))], ROOT)
    assert [(case.case_id, case.series) for case in result.cases] == [
        ("p/multi.dcm#1", "multi.dcm#1"),
        ("p/multi.dcm#2", "multi.dcm#2"),
    ]
