"""Weights in several files: written, listed, read, and refused where a part is not there."""

import json

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_schema import check_file_names
from medvlp.models.weight_parts import index_path, joined_names, read_parts, write_parts
from medvlp.models.weights import read_safetensors


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {f"layer.{number}": torch.full((10,), float(number)) for number in range(5)}


def test_write_parts__fills_files_up_to_the_limit(tmp_path, tensors) -> None:
    names = write_parts(tmp_path / "model.safetensors", tensors, largest=80)
    parts = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert names == [*parts, "model.safetensors.index.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    index = json.loads((tmp_path / names[-1]).read_text())
    assert index["metadata"]["total_size"] == 200
    assert index["weight_map"]["layer.2"] == parts[1]
    read = read_safetensors(tmp_path / "model.safetensors")
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_write_parts__keeps_small_weights_in_one_file(tmp_path, tensors) -> None:
    assert write_parts(tmp_path / "model.safetensors", tensors) == ["model.safetensors"]
    assert len(list(tmp_path.iterdir())) == 1


def test_joined_names__joins_whole_sets_only() -> None:
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = "model.safetensors.index.json"
    assert joined_names([*parts, index, "a"], "model.safetensors") == {"model.safetensors", "a"}
    for wrong in (
        [parts[0], index],
        ["other-00001-of-00001.safetensors"],
        [*parts, "model-00003-of-00003.safetensors"],
    ):
        assert joined_names(wrong, "model.safetensors") == set(wrong)


def test_check_file_names__wants_every_part_and_the_index() -> None:
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    wanted = {"model.safetensors", "tokenizer.json"}
    check_file_names([*parts, "model.safetensors.index.json", "tokenizer.json"], wanted)
    check_file_names(wanted, wanted)
    for wrong in ([*parts, "tokenizer.json"], [parts[0], "model.safetensors.index.json"]):
        with pytest.raises(ValueError, match="names"):
            check_file_names(wrong, wanted)


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "{}",
        '{"weight_map": {"a": "../model-00001-of-00001.safetensors"}}',
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": []}',
    ],
)
def test_read_parts__refuses_an_index_that_is_none(tmp_path, content) -> None:
    path = tmp_path / "model.safetensors"
    index_path(path).write_text(content)
    with pytest.raises(ModelError) as caught:
        read_parts(path)
    assert caught.value.code == "MV1414"


def test_read_safetensors__names_a_part_that_is_missing(tmp_path, tensors) -> None:
    path = tmp_path / "model.safetensors"
    names = write_parts(path, tensors, largest=80)
    (tmp_path / names[1]).unlink()
    with pytest.raises(ModelError, match=r"00002-of-00003\.safetensors does not exist"):
        read_safetensors(path)
