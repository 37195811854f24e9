"""Shards are plain tars that are read by offset, and damage is named instead of guessed around."""

import os
import tarfile

import numpy as np
import pytest

from medvlp.data.image_codec import decode_image, encode_image
from medvlp.data.shards import LocalShards, Place, ShardReader, ShardWriter
from medvlp.errors import MedvlpError


@pytest.fixture
def rgb() -> np.ndarray:
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    return np.stack(
        [np.tile(ramp, (32, 1)), np.tile(ramp[:, None], (1, 32)), np.full((32, 32), 128)], -1
    ).astype(np.uint8)


def test_encode_image__png_is_exact_and_jpeg_is_near(rgb):
    np.testing.assert_array_equal(decode_image(encode_image(rgb, "png"), "x"), rgb)
    near = decode_image(encode_image(rgb, "jpg"), "x").astype(int)
    assert abs(near - rgb.astype(int)).max() <= 8


def test_shard_writer__places_samples_where_the_tar_has_them(tmp_path):
    writer = ShardWriter(tmp_path, samples_per_shard=2)
    contents = {f"s{i}": bytes([i]) * (500 * i + 1) for i in range(5)}
    places = {name: writer.add(name, content, "jpg") for name, content in contents.items()}
    writer.close()
    assert [places[name].shard for name in contents] == ["000000.tar"] * 2 + ["000001.tar"] * 2 + [
        "000002.tar"
    ]
    reader = ShardReader(tmp_path)
    for name in reversed(contents):
        place = places[name]
        assert reader.read(place) == contents[name]
        with tarfile.open(tmp_path / place.shard) as tar:
            member = tar.getmember(f"{name}.jpg")
            assert (member.offset_data, member.size, member.mtime) == (place.offset, place.size, 0)
    reader.close()


@pytest.mark.parametrize("sample_id", ["", "a.b", "../x", "a/b", "x" * 97, "ä"])
def test_shard_writer__refuses_names_that_could_leave_the_shard(tmp_path, sample_id):
    with pytest.raises(ValueError, match="sample_id must be 1 to 96 letters"):
        ShardWriter(tmp_path, 2).add(sample_id, b"x", "jpg")


@pytest.mark.parametrize(
    ("place", "phrase"),
    [
        (Place("000009.tar", 0, 1), "No such file"),
        (Place("000000.tar", 10**9, 5), "has no 5 bytes at 1000000000"),
        (Place("000000.tar", 0, 2**40), "has no 1099511627776 bytes"),
        (Place("000000.tar", 0, -1), "has no -1 bytes"),
        (Place("../000000.tar", 0, 1), "not that of a file in the folder"),
        (Place("", 0, 1), "not that of a file in the folder"),
    ],
)
def test_shard_reader__refuses_places_that_are_not_there(tmp_path, place, phrase):
    writer = ShardWriter(tmp_path, 2)
    writer.add("a", b"abc", "jpg")
    writer.close()
    reader = ShardReader(tmp_path)
    with pytest.raises(MedvlpError, match=phrase) as caught:
        reader.read(place)
    assert caught.value.code == "MV1702"
    reader.close()


def test_decode_image__names_what_does_not_decode(rgb):
    jpeg = encode_image(rgb, "jpg")
    for content in (b"", b"not an image", jpeg[: len(jpeg) // 2], b"GIF89a" + bytes(20)):
        with pytest.raises(MedvlpError, match="image tile_7 does not decode") as caught:
            decode_image(content, "tile_7")
        assert caught.value.code == "MV1702"


def test_decode_image__refuses_a_decompression_bomb():
    bomb = encode_image(np.zeros((8200, 8200, 3), np.uint8), "png")
    assert len(bomb) < 2**20
    with pytest.raises(MedvlpError, match="8200 x 8200 pixels"):
        decode_image(bomb, "x")


def test_local_shards__are_closed_when_nobody_holds_them(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"abc")
    shards = LocalShards(tmp_path)
    assert shards.read("a.tar", [(1, 1)]) == [b"b"]
    (file,) = shards._files.values()
    assert os.fstat(file).st_size == 3
    del shards
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(file)
