"""Small sources of pairs: a table beside images, and tars in the layout of WebDataset."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(number: int, kind: str = "PNG", side: int = 16) -> bytes:
    rgb = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind)
    return buffer.getvalue()


def write_table(folder: Path, count: int = 7) -> Path:
    folder.mkdir(exist_ok=True)
    lines = ["image,caption,group,split,labels"]
    for number in range(count):
        kind = "JPEG" if number % 2 else "PNG"
        name = f"im{number}.{'jpg' if number % 2 else 'png'}"
        (folder / name).write_bytes(picture(number, kind))
        split = "val" if number == count - 1 else ""
        lines.append(f"{name},caption {number},g{number // 2},{split},DOID:{number}")
    (folder / "pairs.csv").write_text("\n".join(lines))
    return folder / "pairs.csv"


def add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_tar(path: Path, numbers: range) -> Path:
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            add_member(tar, f"s{number}.jpg", picture(number, "JPEG"))
            if number % 2:
                add_member(tar, f"s{number}.txt", f"caption {number}".encode())
            else:
                known = {"caption": f"caption {number}", "labels": ["DOID:1"], "split": "val"}
                add_member(tar, f"s{number}.json", json.dumps(known).encode())
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    return write_table(tmp_path / "source")
