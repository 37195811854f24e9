from __future__ import annotations

import shutil
from pathlib import Path

from medvlp.volumes.dicom_slices import SliceHeader, read_slice_headers
from medvlp.volumes.grouping import drop_copies, group_slices
from tests.volumes.scans import stored_values, write_series


def headers_of(folder: Path) -> list[SliceHeader]:
    return [header for path in sorted(folder.rglob("*.dcm")) for header in read_slice_headers(path)]


def test_group_slices__parts_series_sizes_and_spacings(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_values((3, 8, 8)))
    write_series(tmp_path / "b", stored_values((4, 8, 8)), series="1.2.4")
    write_series(tmp_path / "c", stored_values((5, 9, 8)))
    write_series(tmp_path / "d", stored_values((6, 8, 8)), spacing=(0.9, 0.9))
    assert [len(group) for _, group in group_slices(headers_of(tmp_path))] == [3, 4, 5, 6]


def test_group_slices__keeps_passes_that_nothing_tells_apart(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_values((3, 8, 8)))
    write_series(tmp_path / "b", stored_values((3, 8, 8), seed=1))
    assert [(by, len(group)) for by, group in group_slices(headers_of(tmp_path))] == [("", 6)]


def test_group_slices__does_not_tear_bolus_tracking_into_single_slices(tmp_path: Path) -> None:
    def track(data: object, z: int) -> None:
        data.ImagePositionPatient = [0, 0, 5]
        data.AcquisitionNumber = z

    write_series(tmp_path / "a", stored_values((4, 8, 8)), edit=track)
    assert [(by, len(group)) for by, group in group_slices(headers_of(tmp_path))] == [("", 4)]


def test_drop_copies__goes_by_bytes(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "a", stored_values((3, 8, 8)))
    first, second = sorted(folder.iterdir())[:2]
    shutil.copy(first, folder / "z.dcm")
    changed = bytearray(second.read_bytes())
    changed[-1] ^= 1
    (folder / "y.dcm").write_bytes(bytes(changed))
    kept, copies = drop_copies(headers_of(folder))
    told = [(copy.path.name, original.path.name) for copy, original in copies]
    assert told == [("z.dcm", first.name)]
    assert len(kept) == 4


def test_drop_copies__leaves_the_series_whole_where_some_were_copied_or_cut(
    tmp_path: Path,
) -> None:
    whole = write_series(tmp_path / "series", stored_values((6, 8, 8)))
    (tmp_path / "a few").mkdir()
    for at, file in enumerate(sorted(whole.iterdir())[:4]):
        data = file.read_bytes()
        (tmp_path / "a few" / f"0{at}.dcm").write_bytes(data[:-70] if at == 2 else data)
    kept, copies = drop_copies(headers_of(tmp_path))
    assert [header.path.parent.name for header in kept] == ["series"] * 6
    assert [copy.path.name for copy, _ in copies] == ["00.dcm", "01.dcm", "02.dcm", "03.dcm"]
    assert [original.path for _, original in copies] == sorted(whole.iterdir())[:4]


def test_drop_copies__keeps_a_cut_slice_that_is_nowhere_whole(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "a", stored_values((3, 8, 8)))
    cut = sorted(folder.iterdir())[1]
    cut.write_bytes(cut.read_bytes()[:-70])
    assert drop_copies(headers_of(folder))[1] == []
