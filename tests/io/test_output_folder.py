import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from medvlp.errors import OutputError, UsageError
from medvlp.io import check_output_folder
from medvlp.io.temporaries import temporary_path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_check_output_folder__makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "a" / "b")
    check_output_folder(str(tmp_path / "a" / "b"))
    assert names(tmp_path / "a" / "b") == []


def test_check_output_folder__refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(UsageError, match="MV1103") as caught:
            check_output_folder(path)
        assert str(path) in caught.value.what
    assert (tmp_path / "out").read_text() == "mine"


def test_check_output_folder__refuses_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir()
    folder.chmod(0o555)
    temporary_path(folder)  # the modules that this needs may be out of reach of another user
    root = os.geteuid() == 0
    if root:  # permissions do not bind root: ask as somebody else
        os.seteuid(65534)
    try:
        with pytest.raises(OutputError, match="MV1104"):
            check_output_folder(folder)
    finally:
        if root:
            os.seteuid(0)


def test_check_output_folder__refuses_a_read_only_mount(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match=r"MV1104.*Read-only"):
        check_output_folder(small_disk)
    with pytest.raises(OutputError, match=r"MV1104.*Read-only"):
        check_output_folder(small_disk / "new")


def test_check_output_folder__refuses_a_full_disk(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(2**21))
    with pytest.raises(OutputError, match="MV1105"):
        check_output_folder(small_disk)
    assert names(small_disk) == ["filler"]
