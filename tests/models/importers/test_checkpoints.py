"""Checkpoints are read as plain tensors; whatever asks for a program is refused unrun."""

import argparse
import builtins
import os
import pickle
import subprocess
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.checkpoints import read_checkpoint

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


class Configuration:
    """A class of a training program, as released checkpoints hold them."""

    def __init__(self) -> None:
        self.lr = 1e-5
        self.path = Path("data")

    def __setstate__(self, state) -> None:
        raise AssertionError("the class of the checkpoint was used")


class Gadget:
    """Becomes a call when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture
def canary(tmp_path) -> Path:
    return tmp_path / "canary"


def same(actual) -> bool:
    return actual.keys() == TENSORS.keys() and all(
        torch.equal(actual[name], tensor) for name, tensor in TENSORS.items()
    )


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"state_dict": TENSORS, "epoch": 3, "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}},
        {"model": {"state_dict": {f"module.{k}": v for k, v in TENSORS.items()}}},
        {"state_dict": {k: torch.nn.Parameter(v.float()) for k, v in TENSORS.items()}},
    ],
)
def test_read_checkpoint__finds_the_tensors(tmp_path, content):
    path = tmp_path / "model.bin"
    torch.save(content, path)
    assert same(read_checkpoint(path))


def test_read_checkpoint__reads_files_from_before_torch_1_6(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(path))


def test_read_checkpoint__reads_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({f"module.{k}": v for k, v in TENSORS.items()}, path)
    assert same(read_checkpoint(path))


def test_read_checkpoint__leaves_configuration_objects_inert(tmp_path):
    path = tmp_path / "model.ckpt"
    record = {
        "state_dict": TENSORS,
        "hyper_parameters": Configuration(),
        "args": argparse.Namespace(seed=1),
        "callbacks": [Configuration()],
    }
    torch.save(record, path)
    assert same(read_checkpoint(path))


def gadgets(canary: Path):
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    return [
        Gadget(os.system, command),
        Gadget(os.popen, command),
        Gadget(subprocess.getoutput, command),
        Gadget(subprocess.check_output, ["touch", str(canary)]),
        Gadget(builtins.eval, code),
        Gadget(builtins.exec, code),
        Gadget(builtins.__import__, "antigravity"),
        Gadget(builtins.getattr, os, "system"),
        Gadget(os.mkdir, str(canary)),
        Gadget(torch.hub.load, "nobody/nothing", "model"),
        Gadget(torch.load, str(canary)),
        Gadget(pickle.loads, pickle.dumps(1)),
    ]


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("form", ["zip", "old", "beside"])
def test_read_checkpoint__refuses_programs_and_runs_none(tmp_path, canary, number, form):
    gadget = gadgets(canary)[number]
    path = tmp_path / "model.pt"
    content = {"state_dict": TENSORS, "extra": gadget} if form == "beside" else gadget
    try:
        torch.save(content, path, _use_new_zipfile_serialization=form != "old")
    except (pickle.PicklingError, TypeError):
        pytest.skip("this object cannot be put into a file at all")
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2104"
    assert not canary.exists()


def test_read_checkpoint__refuses_a_bare_pickle(tmp_path, canary):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Gadget(os.system, f"touch {canary}")))
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2104"
    assert not canary.exists()


def test_read_checkpoint__refuses_a_program_of_torchscript(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.ScriptModule(), str(path))
    with pytest.raises(ModelError, match="TorchScript") as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2104"


@pytest.mark.parametrize("keep", [0, 3, 100, 600, -30])
def test_read_checkpoint__refuses_what_is_cut_short(tmp_path, keep):
    path = tmp_path / "model.bin"
    torch.save({"state_dict": TENSORS}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


@pytest.mark.parametrize("content", [b"hello world, this is no checkpoint", b"\x00" * 64])
def test_read_checkpoint__refuses_other_files(tmp_path, content):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ([torch.ones(1)], "holds a list"),
        ({"epoch": 3}, r"holds 0 tensors beside \['epoch'\]"),
        ({"a": torch.ones(1), "b": 3}, r"holds 1 tensors beside \['b'\]"),
        ({}, "holds 0 tensors"),
    ],
)
def test_read_checkpoint__refuses_a_record_without_tensors(tmp_path, content, phrase):
    path = tmp_path / "model.bin"
    torch.save(content, path)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


def test_read_checkpoint__tells_a_pointer_and_a_missing_file_apart(tmp_path):
    path = tmp_path / "model.bin"
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2100"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match="git lfs pull") as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2102"
