"""Texts and vectors are read from the forms that are documented, and from nothing else."""

import numpy as np
import pytest
import safetensors.torch
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.text_vectors import read_text_vectors

TEXTS = ["a simple cyst", "a solid/enhancing mass"]
VECTORS = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]], dtype=np.float32)
UNITS = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
TABLE = dict(zip(TEXTS, VECTORS, strict=True))


def write(path, form):
    tensors = {text: torch.from_numpy(vector.copy()) for text, vector in TABLE.items()}
    if form == "columns":
        np.savez(path.with_suffix(".npz"), texts=np.array(TEXTS), embeddings=VECTORS)
        return path.with_suffix(".npz")
    if form == "npz":
        np.savez_compressed(path.with_suffix(".npz"), **{k: v[None] for k, v in TABLE.items()})
        return path.with_suffix(".npz")
    if form == "safetensors":
        safetensors.torch.save_file(tensors, path.with_suffix(".safetensors"))
        return path.with_suffix(".safetensors")
    torch.save({text: tensor.half() for text, tensor in tensors.items()}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("form", ["columns", "npz", "safetensors", "pt"])
def test_read_text_vectors__reads_each_form_as_unit_vectors(tmp_path, form):
    stored = read_text_vectors(write(tmp_path / "t", form), "m")
    np.testing.assert_allclose(stored.embed(TEXTS), UNITS, atol=1e-6)
    assert sorted(stored.texts) == sorted(TEXTS)


def test_read_text_vectors__reads_what_a_bundle_holds(tmp_path):
    stored = read_text_vectors(write(tmp_path / "t", "columns"), "m")
    stored.write(tmp_path / "texts.safetensors")
    again = read_text_vectors(tmp_path / "texts.safetensors", "m")
    np.testing.assert_allclose(again.embed(TEXTS), UNITS, atol=1e-7)


@pytest.mark.parametrize(
    ("arrays", "phrase"),
    [
        ({"texts": np.array([[1, 2]]), "embeddings": VECTORS}, "'texts' of type int64"),
        ({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)}, r"'b' with shape \(2,\)"),
        ({"a": np.ones((2, 3), np.float32)}, r"'a' with shape \(2, 3\)"),
        ({"a": np.ones(3, np.int64)}, "vectors of type int64"),
        ({}, "holds no text"),
    ],
)
def test_read_text_vectors__refuses_what_is_no_table_of_vectors(tmp_path, arrays, phrase):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_text_vectors(tmp_path / "t.npz", "m")
    assert caught.value.code == "MV2114"


def test_read_text_vectors__refuses_objects_and_damage(tmp_path):
    np.savez(tmp_path / "objects.npz", texts=np.array([{}], dtype=object), embeddings=VECTORS)
    path = write(tmp_path / "t", "columns")
    path.write_bytes(path.read_bytes()[:100])
    for name in ("objects.npz", "t.npz"):
        with pytest.raises(ModelError, match="cannot be read") as caught:
            read_text_vectors(tmp_path / name, "m")
        assert caught.value.code == "MV2114"


def test_read_text_vectors__refuses_an_array_under_the_name_of_a_table(tmp_path):
    with (tmp_path / "t.npz").open("wb") as stream:
        np.save(stream, VECTORS)
    with pytest.raises(ModelError, match="one array") as caught:
        read_text_vectors(tmp_path / "t.npz", "m")
    assert caught.value.code == "MV2114"


def test_read_text_vectors__names_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="does not exist") as caught:
        read_text_vectors(tmp_path / "t.npz", "m")
    assert caught.value.code == "MV2100"


def test_read_text_vectors__refuses_one_vector_too_few(tmp_path):
    np.savez(tmp_path / "t.npz", texts=np.array(TEXTS), embeddings=VECTORS[:1])
    with pytest.raises(ModelError, match="one vector for each text") as caught:
        read_text_vectors(tmp_path / "t.npz", "m")
    assert caught.value.code == "MV1446"
