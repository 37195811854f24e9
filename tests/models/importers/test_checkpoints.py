"""Checkpoints are read as plain tensors; whatever asks for a program is refused unrun."""

import argparse
import builtins
import io
import os
import pickle
import subprocess
import tarfile
import zipfile
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
        Gadget(builtins.getattr, "text", "format_map"),
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
    torch.save(content, path, _use_new_zipfile_serialization=form != "old")
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2104"
    assert not canary.exists()


# Functions that run or fetch something, by the names under which old and new pickles ask for them.
FUNCTIONS = """
    os.system posix.system nt.system os.popen posix.spawnv subprocess.Popen subprocess.run
    commands.getoutput builtins.exec __builtin__.exec builtins.eval __builtin__.eval
    builtins.compile builtins.open __builtin__.file builtins.__import__ importlib.import_module
    runpy.run_path runpy.run_module pty.spawn webbrowser.open shutil.rmtree pathlib.Path.touch
    socket.create_connection ctypes.CDLL code.interact timeit.timeit cProfile.run profile.run
    pdb.run bdb.Bdb.run trace.Trace.run doctest.testfile pickle.loads cPickle.loads marshal.loads
    types.FunctionType types.CodeType functools.partial functools.reduce operator.attrgetter
    operator.methodcaller urllib.request.urlopen urllib.urlopen smtplib.SMTP multiprocessing.Process
    asyncio.subprocess.create_subprocess_shell logging.config.dictConfig tempfile.mkdtemp
    torch.load torch.hub.load torch.jit.load torch.utils.cpp_extension.load
    torch.package.PackageImporter
    torch.distributed.nn.jit.instantiator.instantiate_scriptable_remote_module_template
    torch._inductor.codecache.compile_file torch.fx.graph_module.reduce_graph_module
    torch.serialization.load torch.nn.modules.module.Module
""".split()


def write_archive(path: Path, function: str, argument: str) -> None:
    """Write what torch.save would for tensors beside a call, without the function at hand."""
    module, _, name = function.rpartition(".")
    torch.save({"state_dict": TENSORS, "extra": "EXTRA"}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    call = f"c{module}\n{name}\n".encode() + pickle.dumps((argument,), 2)[2:-1] + b"R"
    (record,) = (entry for entry in parts if entry.endswith("data.pkl"))
    extra = b"X\x05\x00\x00\x00EXTRA"
    assert parts[record].count(extra) == 1
    parts[record] = parts[record].replace(extra, call)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for entry, content in parts.items():
            archive.writestr(entry, content)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_read_checkpoint__refuses_calls_of_libraries(tmp_path, canary, function):
    path = tmp_path / "model.pt"
    write_archive(path, function, f"touch {canary}")
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2104"
    assert not canary.exists()


@pytest.mark.parametrize(
    "function", ["numpy.testing._private.utils.runstring", "timm.create_model", "nowhere.Class"]
)
def test_read_checkpoint__never_looks_up_a_class_of_another_package(tmp_path, function):
    path = tmp_path / "model.pt"
    write_archive(path, function, "import os")
    assert same(read_checkpoint(path))


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
        ({"a": torch.ones(2, 2).to_sparse()}, r"holds 0 tensors beside \['a'\]"),
        ({"a": torch.ones(2, device="meta")}, r"holds 0 tensors beside \['a'\]"),
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


def test_read_checkpoint__refuses_archives_of_the_first_torch(tmp_path, canary):
    """Those were tar files with a pickle in each member."""
    path = tmp_path / "model.tar"
    evil = pickle.dumps(Gadget(os.system, f"touch {canary}"), 2)
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(evil)
            archive.addfile(member, io.BytesIO(evil))
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code in {"MV2103", "MV2104"}
    assert not canary.exists()


def test_read_checkpoint__bears_a_record_that_holds_itself(tmp_path):
    record: dict[str, object] = {}
    record["model"] = record
    path = tmp_path / "model.pt"
    torch.save(record, path)
    with pytest.raises(ModelError, match="0 tensors") as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


@pytest.mark.parametrize("form", [True, False])
def test_read_checkpoint__refuses_tensors_that_repeat_a_few_numbers(tmp_path, form):
    path = tmp_path / "model.pt"
    tensors = {"a": torch.zeros(1).expand(2**40), "b": torch.ones(2)}
    torch.save(tensors, path, _use_new_zipfile_serialization=form)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"


@pytest.mark.parametrize("form", ["zip", "old"])
def test_read_checkpoint__bears_tuples_in_tuples(tmp_path, form):
    """As a key of a dictionary they end a Python that follows them."""
    path = tmp_path / "model.pt"
    torch.save({"a": "EXTRA"}, path, _use_new_zipfile_serialization=form == "zip")
    deep = b")" + b"\x85" * 300_000 + b"K\x01s"
    start = b"}q\x00"
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("a/data.pkl", b"\x80\x02}" + deep + b".")
    else:
        content = path.read_bytes()
        place = content.rindex(start) + len(start)
        path.write_bytes(content[:place] + deep + content[place:])
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "MV2103"
