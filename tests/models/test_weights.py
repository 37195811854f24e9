"""Weights are read without running code, are numbers, and are named by their content."""

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from medvlp.errors import ModelError
from medvlp.models.weights import (
    check_finite,
    load_weights_into,
    read_safetensors,
    refuse_pickle,
    weights_sha256,
)


def test_weights_sha256__does_not_depend_on_order_or_memory_layout():
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    plain = {"a": image, "b": torch.ones(3)}
    other = {"b": torch.ones(3), "a": image.contiguous(memory_format=torch.channels_last)}
    assert weights_sha256(plain) == weights_sha256(other)


@pytest.mark.parametrize(
    "changed",
    [
        {"a": torch.tensor([1.0, 2.0, 3.0000002])},
        {"b": torch.tensor([1.0, 2.0, 3.0])},
        {"a": torch.tensor([[1.0, 2.0, 3.0]])},
        {"a": torch.tensor([1.0, 2.0, 3.0]).to(torch.bfloat16)},
        {"a": torch.tensor([1.0, 2.0, 3.0]), "c": torch.zeros(0)},
    ],
)
def test_weights_sha256__changes_with_value_name_shape_type_and_number(changed):
    assert weights_sha256(changed) != weights_sha256({"a": torch.tensor([1.0, 2.0, 3.0])})


def test_weights_sha256__is_that_of_the_stated_bytes():
    import hashlib

    expected = hashlib.sha256(b"a\0float32\0(2,)\0" + bytes([0, 0, 128, 63, 0, 0, 0, 64]))
    assert weights_sha256({"a": torch.tensor([1.0, 2.0])}) == expected.hexdigest()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_check_finite__names_the_parameter(bad, dtype):
    state = {"fine": torch.ones(2), "head.bias": torch.tensor([0.0, bad, bad], dtype=dtype)}
    with pytest.raises(ModelError, match=r"'head.bias' holds 2 values .* of 3") as caught:
        check_finite(state, "model x")
    assert caught.value.code == "MV1405"


def test_check_finite__leaves_whole_numbers_alone():
    check_finite({"steps": torch.tensor([3]), "w": torch.zeros(2)}, "model x")


def test_read_safetensors__gives_back_what_was_written(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({"a": torch.arange(3.0)}, path)
    torch.testing.assert_close(read_safetensors(path)["a"], torch.arange(3.0), rtol=0, atol=0)


@pytest.mark.parametrize(
    "content", [b"", b"12345", b"\xff" * 64, b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_read_safetensors__refuses_what_is_not_safetensors(tmp_path: Path, content: bytes):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as safetensors") as caught:
        read_safetensors(path)
    assert caught.value.code == "MV1414"


def test_read_safetensors__refuses_a_pickle_without_opening_it(tmp_path: Path):
    canary = tmp_path / "canary"
    path = tmp_path / "weights.pt"

    class Gadget:
        def __reduce__(self):
            return Path.touch, (canary,)

    path.write_bytes(pickle.dumps(Gadget()))
    with pytest.raises(ModelError, match="pickle") as caught:
        read_safetensors(path)
    assert caught.value.code == "MV1406"
    assert not canary.exists()


def test_read_safetensors__refuses_a_pickle_under_another_name(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_safetensors(path)


def test_read_safetensors__names_a_missing_file(tmp_path: Path):
    with pytest.raises(ModelError, match="does not exist"):
        read_safetensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".PTH", ".bin", ".ckpt", ".pkl"])
def test_refuse_pickle__knows_the_suffixes(suffix):
    with pytest.raises(ModelError, match="pickle"):
        refuse_pickle(Path(f"weights{suffix}"))


def test_load_weights_into__fills_the_module():
    module = torch.nn.Linear(3, 2)
    state = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    load_weights_into(module, state, "x")
    torch.testing.assert_close(module.weight.detach(), torch.ones(2, 3), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda s: s.pop("bias"), r"1 missing \('bias'\)"),
        (lambda s: s.update(extra=torch.ones(1)), r"1 unexpected \('extra'\)"),
        (lambda s: s.update(bias=torch.ones(3)), r"'bias' is \(3,\) instead of \(2,\)"),
    ],
)
def test_load_weights_into__says_what_does_not_fit(change, phrase):
    state = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    change(state)
    with pytest.raises(ModelError, match=phrase) as caught:
        load_weights_into(torch.nn.Linear(3, 2), state, "x")
    assert caught.value.code == "MV1409"


def test_load_weights_into__refuses_nan_before_it_changes_the_module():
    module = torch.nn.Linear(3, 2)
    before = module.weight.detach().clone()
    state = {"weight": torch.ones(2, 3), "bias": torch.tensor([0.0, float("nan")])}
    with pytest.raises(ModelError, match="'bias'"):
        load_weights_into(module, state, "x")
    torch.testing.assert_close(module.weight.detach(), before, rtol=0, atol=0)


@pytest.mark.parametrize("place", [0, 1, 499, 997, 1000])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_check_finite__finds_a_single_value_anywhere(place, bad):
    tensor = torch.linspace(-3.0, 3.0, 1001)
    check_finite({"w": tensor, "empty": torch.zeros(0)}, "model x")
    tensor[place] = bad
    with pytest.raises(ModelError, match="holds 1 values"):
        check_finite({"w": tensor}, "model x")
