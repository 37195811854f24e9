from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medvlp.errors import VolumeError
from medvlp.volumes.reader import open_found, read_volume
from medvlp.volumes.series import find_series, series_tree
from tests.volumes.scans import stored_values, write_directory, write_series


def relabel(**values: object) -> object:
    def edit(data: Dataset, _z: int) -> None:
        for name, value in values.items():
            setattr(data, name, value)

    return edit


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """All files of a study in one folder: two phases, a scout, a capture, a mask, a note."""
    folder = tmp_path / "study"
    parts = {
        "venous": relabel(SeriesDescription="abdomen venous"),
        "arterial": relabel(SeriesDescription="abdomen arterial"),
        "scout": relabel(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "capture": relabel(ConversionType="WSD"),
    }
    for number, (name, edit) in enumerate(parts.items()):
        count = 5 if number < 2 else 1
        made = write_series(
            tmp_path / name, stored_values((count, 8, 8), number), edit=edit, series=f"1.2.{number}"
        )
        folder.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.rename(folder / f"{name}-{path.stem}")
    (folder / "notes.txt").write_text("nothing here")
    return folder


def test_find_series__parts_a_mixed_folder(study: Path) -> None:
    tree = find_series(study)
    assert sorted((series.kind, len(series.headers), series.phase) for series in tree.series) == [
        ("capture", 1, ""),
        ("scout", 1, ""),
        ("volume", 5, "arterial"),
        ("volume", 5, "venous"),
    ]
    assert [(skipped.name, skipped.code) for skipped in tree.skipped] == [("notes.txt", "MV2201")]
    volumes = [series for series in tree.series if series.kind == "volume"]
    for series in volumes:
        assert open_found(series).read().hu.shape == (5, 8, 8)
    with pytest.raises(VolumeError, match=r"MV2206.*2 scans"):
        read_volume(study)


def test_find_series__parts_passes_of_one_series(tmp_path: Path) -> None:
    for number, kernel in enumerate(("B30f", "B60f")):
        made = write_series(
            tmp_path / kernel, stored_values(seed=number), edit=relabel(ConvolutionKernel=kernel)
        )
        for path in made.iterdir():
            path.rename(tmp_path / f"{kernel}{path.name}")
        made.rmdir()
    found = find_series(tmp_path).series
    assert [(len(series.headers), series.parted_by) for series in found] == [(5, "kernel")] * 2
    assert len({series.name for series in found}) == 2
    assert np.array_equal(stored_values(seed=1) - 1024, open_found(found[1]).read().hu)


def test_find_series__parts_orientations_of_one_series(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values((4, 8, 8)))
    write_series(
        tmp_path / "more", stored_values((3, 8, 8)), orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    )
    found = find_series(tmp_path).series
    assert sorted(len(series.headers) for series in found) == [3, 4]


def test_find_series__keeps_anonymous_folders_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_series(tmp_path / name, stored_values(), edit=relabel(SeriesInstanceUID=""))
    assert [series.name for series in find_series(tmp_path).series] == ["a", "b"]


def test_find_series__lists_copies_and_ignores_them(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values())
    first = sorted(folder.iterdir())[0]
    shutil.copy(first, folder / "copy.dcm")
    tree = find_series(folder)
    assert [(skipped.code, skipped.reason) for skipped in tree.skipped] == [
        ("MV2215", "a copy of 000-0.dcm")
    ]
    assert np.array_equal(stored_values() - 1024, read_volume(folder).hu)


def test_find_series__never_shows_text_from_tags(tmp_path: Path) -> None:
    planted = "DOE^JANE"
    edit = relabel(
        PatientName=planted, SeriesDescription=planted, StudyInstanceUID="9.9.9", PatientID=planted
    )
    write_series(tmp_path / "s", stored_values(), edit=edit)
    assert planted not in repr(find_series(tmp_path))
    assert "9.9.9" not in repr(find_series(tmp_path))


def test_zip__is_searched_like_a_folder(study: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in study.iterdir():
            archive.write(path, f"deep/er/{path.name}")
    with series_tree(tmp_path / "study.zip") as tree:
        assert sorted(series.kind for series in tree.series) == [
            "capture",
            "scout",
            "volume",
            "volume",
        ]
        shapes = {open_found(s).read().hu.shape for s in tree.series if s.kind == "volume"}
    assert shapes == {(5, 8, 8)}


def test_zip_with_one_series__is_read(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values())
    shutil.make_archive(str(tmp_path / "one"), "zip", folder)
    assert np.array_equal(stored_values() - 1024, read_volume(tmp_path / "one.zip").hu)


def test_dicomdir__leads_to_its_files(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "media" / "IMAGES", stored_values())
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"IM{number}")
    write_series(tmp_path / "media" / "OTHER", stored_values((3, 4, 4)), series="1.7")
    listed = [["IMAGES", f"IM{number}"] for number in range(5)]
    directory = write_directory(tmp_path / "media" / "DICOMDIR", listed)
    assert np.array_equal(stored_values() - 1024, read_volume(directory).hu)
    # The folder as a whole holds more than the directory lists.
    assert len(find_series(tmp_path / "media").series) == 2
    (folder / "IM4").unlink()
    assert [entry.code for entry in find_series(directory).skipped] == ["MV2200"]


def test_read_volume__tells_what_an_empty_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(VolumeError, match=r"MV2205.*no image; 2 files skipped"):
        read_volume(tmp_path)


def test_find_series__refuses_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="MV2200"):
        find_series(tmp_path / "none.dcm")
