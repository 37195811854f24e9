from __future__ import annotations

from pathlib import Path

import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.text_headers import TextHeader, companion_file, damaged_header, floats


def test_text_header__reads_fields_up_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"NRRD0004\n# no field: 1\nSizes: 5 4 3\nnote: a: b\n\n\x00\x01")
    header = TextHeader.read(tmp_path / "a", ":", "")
    assert dict(header.fields) == {"sizes": "5 4 3", "note": "a: b"}
    assert header.integers("sizes", 3) == [5, 4, 3]
    assert (tmp_path / "a").read_bytes()[header.body_offset :] == b"\x00\x01"
    with pytest.raises(VolumeError, match=r"MV2234.*no field 'type'"):
        header.need("type")
    with pytest.raises(VolumeError, match=r"MV2234.*3 of 2"):
        header.integers("sizes", 2)


def test_text_header__does_not_read_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (3 << 20))
    header = TextHeader.read(tmp_path / "a", ":", "")
    assert header.body_offset < 2 << 20


def test_floats__refuse_words_and_infinity() -> None:
    path = Path("a.nrrd")
    assert floats(path, "x", "(1,2) (3,4.5)", 4) == [1, 2, 3, 4.5]
    for text in ("1 two", "1 inf", "1"):
        with pytest.raises(VolumeError, match="MV2234"):
            floats(path, "x", text, 2)


def test_companion_file__stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.raw").write_bytes(b"")
    (tmp_path / "in/a.raw").write_bytes(b"")
    (tmp_path / "in/link.raw").symlink_to(tmp_path / "out.raw")
    header = tmp_path / "in/a.nhdr"
    assert companion_file(header, "a.raw") == tmp_path / "in/a.raw"
    for name in ("../out.raw", str(tmp_path / "out.raw"), "link.raw", "..", "", "a\\b"):
        with pytest.raises(VolumeError, match="MV2204"):
            companion_file(header, name)


def test_damaged_header__names_file_and_reason() -> None:
    assert "a.mha has a damaged header: why" in damaged_header(Path("x/a.mha"), "why").what
