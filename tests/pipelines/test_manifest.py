"""Manifests: paths, case ids and scales; what is wrong is named with its line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.errors import ConfigError
from medvlp.pipelines.manifest import read_case_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "slides.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_manifest__reads_paths_ids_and_scales(tmp_path: Path) -> None:
    rows = read_case_manifest(
        write(tmp_path, "path,case_id,slide_mpp,label\na/b.svs,P1,0.25,x\nc.svs,,,y\n")
    )
    assert rows[0].path == tmp_path / "a/b.svs"
    assert [row.case_id for row in rows] == ["P1", "c.svs"]
    assert [row.slide_mpp for row in rows] == [0.25, None]


def test_manifest__reads_parquet(tmp_path: Path) -> None:
    path = tmp_path / "slides.parquet"
    pq.write_table(pa.table({"path": ["a.svs"], "slide_mpp": [0.5]}), path)
    (row,) = read_case_manifest(path)
    assert (row.path, row.slide_mpp) == (tmp_path / "a.svs", 0.5)


def test_manifest__names_the_missing_column_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no column 'path' .did you mean 'pth'"):
        read_case_manifest(write(tmp_path, "pth\na.svs\n"))


@pytest.mark.parametrize("mpp", ["0", "-1", "nan", "inf", "0,25x"])
def test_manifest__refuses_an_impossible_scale(tmp_path: Path, mpp: str) -> None:
    with pytest.raises(ConfigError, match="line 3: slide_mpp is"):
        read_case_manifest(write(tmp_path, f'path,slide_mpp\na.svs,0.5\nb.svs,"{mpp}"\n'))


def test_manifest__refuses_a_case_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="case 'P1' more than once"):
        read_case_manifest(write(tmp_path, "path,case_id\na.svs,P1\nb.svs,P1\n"))


def test_manifest__refuses_a_row_without_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 2: no path"):
        read_case_manifest(write(tmp_path, "path,case_id\n,P1\n"))


def test_manifest__refuses_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "slides.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_case_manifest(path)
