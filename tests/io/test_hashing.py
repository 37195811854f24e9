import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import MedvlpError
from medvlp.io import content_sha256, json_sha256


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_content_sha256__of_one_file_is_what_sha256sum_prints(tmp_path: Path) -> None:
    file = write(tmp_path / "a.svs", "pixels")
    assert content_sha256(file) == hashlib.sha256(b"pixels").hexdigest()
    if shutil.which("sha256sum"):
        printed = subprocess.run(["sha256sum", str(file)], capture_output=True, check=True).stdout
        assert content_sha256(str(file)) == printed.split()[0].decode()


def test_content_sha256__of_a_folder_is_the_hash_of_its_list(tmp_path: Path) -> None:
    write(tmp_path / "scan" / "b" / "2.dcm", "two")
    write(tmp_path / "scan" / "a.dcm", "one")
    lines = [f"{hashlib.sha256(text).hexdigest()}  {name}\n" for name, text in
             (("a.dcm", b"one"), ("b/2.dcm", b"two"))]  # fmt: skip
    assert content_sha256(tmp_path / "scan") == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    ("main", "companion"),
    [
        ("x.mrxs", "x/Slidedat.ini"),
        ("x.mrxs", "x/deep/Data0001.dat"),
        ("x.vsi", "_x_/stack1/frame.ets"),
        ("x.vms", "x_map2.jpg"),
    ],
)
def test_content_sha256__counts_companions_of_a_slide(
    tmp_path: Path, main: str, companion: str
) -> None:
    slide = write(tmp_path / main, "main")
    part = write(tmp_path / companion, "before")
    first = content_sha256(slide)
    assert first != content_sha256(slide, companions=False)
    write(tmp_path / "other.txt", "not a part")
    assert content_sha256(slide) == first
    part.write_text("behind")
    changed = content_sha256(slide)
    assert changed != first
    part.rename(part.with_name(f"{part.stem}-moved{part.suffix}"))
    assert content_sha256(slide) not in {first, changed}


def test_content_sha256__of_a_slide_without_its_companions_is_that_of_the_file(
    tmp_path: Path,
) -> None:
    slide = write(tmp_path / "x.mrxs", "main")
    assert content_sha256(slide) == hashlib.sha256(b"main").hexdigest()


def test_content_sha256__says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MedvlpError, match=r"MV1101: .*gone\.svs cannot be read"):
        content_sha256(tmp_path / "gone.svs")


def test_content_sha256__refuses_a_folder_whose_part_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "scan" / "a.dcm", "one")

    def walk(folder: Path, onerror: object) -> list[object]:
        assert callable(onerror)
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return []

    monkeypatch.setattr("medvlp.io.hashing.os.walk", walk)
    with pytest.raises(MedvlpError, match=r"MV1101: .*scan cannot be read"):
        content_sha256(tmp_path / "scan")


def test_json_sha256__does_not_depend_on_the_order_of_keys() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5],"b":null}').hexdigest()
    assert json_sha256({"b": None, "a": (1, 2.5)}) == expected
    assert json_sha256({"b": None, "a": np.array([1, 2.5]).tolist()}) != expected


def test_json_sha256__takes_paths_and_numpy_values() -> None:
    plain = {"path": "x/y", "scale": 0.5, "sizes": [1, 2]}
    rich = {"path": Path("x/y"), "scale": np.float64(0.5), "sizes": np.array([1, 2])}
    assert json_sha256(rich) == json_sha256(plain)


def test_json_sha256__refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_sha256({"scale": float("nan")})
    with pytest.raises(TypeError, match="set has no JSON form"):
        json_sha256({"names": {1}})
