"""Archives are unpacked only where they are as torch writes them: nothing in them grows."""

import zipfile
from pathlib import Path

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.checkpoints import read_checkpoint, read_record, table_of_tensors
from medvlp.models.importers.torch_archives import (
    TorchArchive,
    check_archive,
    is_archive,
    storage_type,
)

TENSORS = {"a": torch.ones(3)}


@pytest.fixture
def saved(tmp_path) -> Path:
    torch.save({"model": {"module.a": TENSORS["a"]}, "epoch": 3}, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def rewrite(source: Path, target: Path, compress: int, extra: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compress) as new:
        for name in old.namelist():
            new.writestr(name, extra.pop(name, old.read(name)))
        for name, content in extra.items():
            new.writestr(name, content)
    return target


def test_check_archive__lets_files_of_torch_through(saved):
    assert is_archive(saved)
    check_archive(saved)


def test_check_archive__refuses_what_grows(saved, tmp_path):
    bomb = {"model/data/9": bytes(50_000_000)}
    path = rewrite(saved, tmp_path / "bomb.pt", zipfile.ZIP_DEFLATED, bomb)
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match="is compressed") as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2116"


def test_check_archive__refuses_entries_that_lie_in_one_another(saved, tmp_path):
    """The directory says that an entry is far larger than the file."""
    path = rewrite(saved, tmp_path / "bomb.pt", zipfile.ZIP_STORED, {"model/data/9": b"\x07" * 77})
    content = path.read_bytes()
    stated = (77).to_bytes(4, "little")
    place = content.rfind(stated * 2)
    path.write_bytes(content[:place] + b"\xf0\xff\xff\x3f" * 2 + content[place + 8 :])
    with pytest.raises(ModelError, match="bytes, the file") as caught:
        check_archive(path)
    assert caught.value.code == "MV2116"


def test_check_archive__refuses_two_entries_of_one_name(saved, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}.")
    with pytest.raises(ModelError, match="one name") as caught:
        read_checkpoint(saved)
    assert caught.value.code == "MV2116"


@pytest.mark.parametrize(
    ("extra", "phrase"),
    [
        ({"model/byteorder": b"big"}, "order of bytes"),
        ({"model/other/data.pkl": b"\x80\x02}."}, "2 entries"),
        ({"model/data/0": b"\x00" * 9}, "buffer|size|values"),
        ({"model/data.pkl": bytes(33 * 2**20)}, "more than"),
    ],
)
def test_torch_archive__refuses_what_it_cannot_read(saved, tmp_path, extra, phrase):
    path = rewrite(saved, tmp_path / "other.pt", zipfile.ZIP_STORED, extra)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


def test_torch_archive__gives_one_storage_for_one_key(saved):
    with zipfile.ZipFile(saved) as stream:
        archive = TorchArchive(stream, saved)
        first = archive.storage("0", torch.float32, 3)
        assert archive.storage("0", torch.float32, 3) is first
        with pytest.raises(ValueError, match="not 4"):
            archive.storage("0", torch.float32, 4)


def test_check_archive__refuses_a_flipped_bit(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(torch.ones(3).numpy().tobytes())] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelError, match="CRC") as caught:
        read_checkpoint(saved)
    assert caught.value.code == "MV2103"


def test_table_of_tensors__takes_one_part_of_a_record(saved):
    record = read_record(saved)
    assert torch.equal(table_of_tensors(record, "model", saved)["a"], TENSORS["a"])
    with pytest.raises(ModelError, match=r"under 'image_encoder' \(\['epoch', 'model'\]\)"):
        table_of_tensors(record, "image_encoder", saved)


def test_storage_type__knows_the_usual_ones():
    assert storage_type("torch.HalfStorage") is torch.float16
    assert storage_type("torch.QInt8Storage") is None
