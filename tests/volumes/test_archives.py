from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.archives import unpacked_zip
from medvlp.volumes.limits import VolumeLimits


def archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in entries.items():
            out.writestr(name, data)
    return path


def test_unpacked_zip__keeps_paths_and_cleans_up(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"x/y.dcm": b"1", "z": b"2"})
    with unpacked_zip(path) as folder:
        assert (folder / "x/y.dcm").read_bytes() == b"1"
        assert (folder / "z").read_bytes() == b"2"
    assert not folder.exists()


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil", "a\\b", ".."]
)
def test_unpacked_zip__refuses_names_that_lead_out(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "sub.zip", {"good": b"1", name: b"evil"})
    with pytest.raises(VolumeError, match=r"MV2204.*leads out"), unpacked_zip(path):
        pass
    assert [entry.name for entry in tmp_path.rglob("*")] == ["sub.zip"]


def test_unpacked_zip__refuses_links(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    with pytest.raises(VolumeError, match=r"MV2204.*is a link"), unpacked_zip(path):
        pass


def test_unpacked_zip__refuses_odd_compression_and_encryption(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a": b"1"}, zipfile.ZIP_LZMA)
    with pytest.raises(VolumeError, match=r"MV2204.*method 14"), unpacked_zip(path):
        pass
    raw = bytearray(archive(tmp_path / "b.zip", {"a": b"1"}).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(bytes(raw))
    with pytest.raises(VolumeError, match=r"MV2204.*encrypted"), unpacked_zip(tmp_path / "b.zip"):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unpacked_zip__refuses_two_files_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a", b"1")
        out.writestr("a", b"2")
    with pytest.raises(VolumeError, match=r"MV2204.*one name"), unpacked_zip(path):
        pass


def test_unpacked_zip__refuses_bombs(tmp_path: Path) -> None:
    limits = VolumeLimits(inflate_floor_bytes=1 << 20, archive_files=10)
    one = archive(tmp_path / "one.zip", {"zeros": bytes(8 << 20)})
    with pytest.raises(VolumeError, match="MV2203"), unpacked_zip(one, limits):
        pass
    many = archive(tmp_path / "many.zip", {f"z{n}": bytes(900_000) for n in range(9)})
    with pytest.raises(VolumeError, match=r"MV2203.*grows beyond"), unpacked_zip(many, limits):
        pass
    count = archive(tmp_path / "count.zip", {f"z{n}": b"" for n in range(11)})
    with pytest.raises(VolumeError, match=r"MV2203.*11 files"), unpacked_zip(count, limits):
        pass


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_unpacked_zip__refuses_a_damaged_archive(tmp_path: Path, share: float) -> None:
    path = archive(tmp_path / "a.zip", {"a": bytes(range(256)) * 40})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(VolumeError, match="MV2202"), unpacked_zip(path):
        pass


def test_unpacked_zip__refuses_wrong_bytes(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a": bytes(range(256)) * 40})
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(VolumeError, match="MV2202"), unpacked_zip(path):
        pass
