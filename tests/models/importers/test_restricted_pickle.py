"""Archives of torch are read without running anything; what they call stays the text of a name."""

import datetime
import io
import os
import pickle
import struct
import sys
import types
import typing
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.restricted_pickle import Placeholder, is_of_library, read_archive
from medvlp.models.importers.torch_archives import check_archive

TENSOR = torch.arange(6.0).reshape(2, 3)


def save(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    check_archive(path)
    return path


def archive(path: Path, record: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """Write an archive around a pickle that was written by hand."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as stream:
        stream.writestr("model/data.pkl", record)
        stream.writestr("model/version", "3\n")
        for key, content in (storages or {}).items():
            stream.writestr(f"model/data/{key}", content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_archive(path)
    return caught.value.code


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_read_archive__reads_what_torch_reads(tmp_path, protocol):
    shared = torch.arange(12.0)
    content = {
        "state_dict": OrderedDict(a=TENSOR, b=TENSOR.t(), c=shared[2:5], d=shared[::3]),
        "numbers": [1, -2, 2**40, 2**70, 0.5, True, False, None, "text", b"bytes"],
        "nested": ({"x": (1, 2, 3, 4)}, [[]], ()),
        3: torch.nn.Parameter(TENSOR),
        "types": [TENSOR.to(t) for t in (torch.float16, torch.bfloat16, torch.int64, torch.bool)],
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7),
    }
    path = save(tmp_path / "a.pt", content, pickle_protocol=protocol)
    expected, actual = torch.load(path, weights_only=False), read_archive(path)
    assert actual.keys() == expected.keys()
    for name, tensor in expected["state_dict"].items():
        assert torch.equal(actual["state_dict"][name], tensor)
    assert actual["numbers"] == content["numbers"]
    assert actual["nested"] == content["nested"]
    assert torch.equal(actual[3], TENSOR)
    assert all(
        torch.equal(a, e) and a.dtype == e.dtype
        for a, e in zip(actual["types"], expected["types"], strict=True)
    )
    assert actual["empty"].shape == (0, 3)
    assert actual["scalar"].item() == 7


def test_read_archive__turns_configuration_objects_into_names(tmp_path, monkeypatch):
    """The shape in which OmegaConf stores a configuration, inside a record of Lightning."""
    module = types.ModuleType("omegaconf.dictconfig")
    for name in ("DictConfig", "ContainerMetadata"):
        made = type(name, (), {"__setstate__": lambda *_: pytest.fail("the class was used")})
        made.__module__, made.__qualname__ = module.__name__, name
        setattr(module, name, made)
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    config, metadata = module.DictConfig(), module.ContainerMetadata()
    metadata.__dict__.update(ref_type=typing.Any, object_type=dict, resolver=defaultdict(dict))
    config.__dict__.update(_metadata=metadata, _content={"lr": 5e-5}, _parent=None)
    content = {
        "hyper_parameters": config,
        "when": datetime.timedelta(3),
        "where": Path("model"),
        "callbacks": {module.DictConfig: {"best": TENSOR}},
        "chosen": {1, 2},
        "state_dict": {"CARZero.a": TENSOR},
    }
    path = save(tmp_path / "a.ckpt", content)
    monkeypatch.delitem(sys.modules, "omegaconf.dictconfig")
    actual = read_archive(path)
    assert actual["hyper_parameters"] == Placeholder("omegaconf.dictconfig.DictConfig")
    assert isinstance(actual["when"], Placeholder)
    assert torch.equal(actual["state_dict"]["CARZero.a"], TENSOR)
    assert torch.equal(next(iter(actual["callbacks"].values()))["best"], TENSOR)


class Evil:
    """Asks for a call in one of the ways that pickle has."""

    def __init__(self, way: str, canary: Path) -> None:
        self.way, self.canary = way, canary

    def __reduce__(self):
        command = f"touch {self.canary}"
        if self.way == "reduce":
            return (os.system, (command,))
        if self.way == "state":
            return (dict, (), {"x": 1}, None, None, os.system)
        if self.way == "items":
            return (list, (), None, iter([Evil("reduce", self.canary)]))
        if self.way == "nested":
            return (dict, ({"a": [({"b": Evil("reduce", self.canary)},)]},))
        if self.way == "getattr":
            return (getattr, ("text", "format"))
        return (eval, (f"open({str(self.canary)!r}, 'w')",))


@pytest.mark.parametrize("way", ["reduce", "state", "items", "nested", "getattr", "eval"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_read_archive__runs_nothing_and_says_so(tmp_path, way, protocol):
    canary = tmp_path / "canary"
    path = save(tmp_path / "a.pt", {"x": Evil(way, canary)}, pickle_protocol=protocol)
    assert refused(path) == "MV2104"
    assert not canary.exists()


def hand_written(canary: Path) -> dict[str, bytes]:
    call = f"V{'touch ' + str(canary)}\n".encode()
    return {
        "inst": b"(" + call + b"ios\nsystem\n.",
        "obj": b"(cposix\nsystem\n" + call + b"o.",
        "stack-global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + call + b"\x85R.",
        "old-name": b"c__builtin__\neval\n" + call + b"\x85R.",
        "build": b"cos\nsystem\n}(Vx\n" + call + b"ub.",
        "dotted": b"\x80\x04\x8c\x08builtins\x8c\x0fdict.fromkeys.x\x93" + call + b"\x85R.",
        "import-root": b"cos.path\nos.system\n" + call + b"\x85R.",
    }


@pytest.mark.parametrize("name", sorted(hand_written(Path())))
def test_read_archive__refuses_calls_that_are_written_by_hand(tmp_path, name):
    canary = tmp_path / "canary"
    path = archive(tmp_path / "a.pt", hand_written(canary)[name])
    assert refused(path) == "MV2104"
    assert not canary.exists()


def test_read_archive__makes_placeholders_of_what_it_does_not_know(tmp_path):
    record = b"\x80\x02]" + b"".join(
        [
            b"(cpackage.module\nClass\nK\x01oa",  # OBJ
            b"(K\x01ipackage.module\nClass\na",  # INST
            b"cpackage.module\nClass\n)\x81}(X\x01\x00\x00\x00xK\x01ubba",  # NEWOBJ, BUILD twice
            b"cpackage.module\nClass\n)R(K\x01K\x02ea",  # REDUCE, then APPENDS
            b"cbuiltins\nset\n](K\x01e\x85Ra",
            b"K\x07)Ra",  # a call of a number
        ]
    )
    assert refused(archive(tmp_path / "a.pt", record + b".")) == "MV2103"  # one BUILD too many
    actual = read_archive(archive(tmp_path / "b.pt", record.replace(b"ubba", b"uba") + b"."))
    assert actual == [Placeholder("package.module.Class")] * 4 + [
        Placeholder("builtins.set"),
        Placeholder("?"),
    ]


FLOATS = struct.pack("<6f", *range(6))


def tensor_record(
    offset: int = 0,
    size: tuple[object, ...] = (2, 3),
    stride: tuple[object, ...] = (3, 1),
    count: int = 6,
    kind: str = "FloatStorage",
) -> bytes:
    """Write a pickle of one tensor with any numbers in it."""

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            if value == "STORAGE":
                return ("storage", getattr(torch, kind), "0", "cpu", count)
            return None

    class Call:
        def __reduce__(self):
            rebuild = torch._utils._rebuild_tensor_v2
            return (rebuild, ("STORAGE", offset, size, stride, False, OrderedDict()))

    stream = io.BytesIO()
    Writer(stream, protocol=2).dump({"a": Call()})
    return stream.getvalue()


def test_read_archive__puts_tensors_together_by_hand(tmp_path):
    path = archive(tmp_path / "a.pt", tensor_record(), {"0": FLOATS})
    assert torch.equal(read_archive(path)["a"], TENSOR)


@pytest.mark.parametrize(
    "numbers",
    [
        {"offset": 1},
        {"offset": -1},
        {"size": (2, 2**40)},
        {"size": (2**40, 2**40), "stride": (0, 0)},
        {"size": (1000,), "stride": (0,)},
        {"size": (-2, 3)},
        {"size": (2.0, 3)},
        {"size": (2,)},
        {"stride": (2**62, 1)},
        {"stride": (-3, 1)},
        {"count": 7},
        {"count": 2**60},
        {"kind": "LongStorage"},
    ],
)
def test_read_archive__refuses_tensors_that_do_not_lie_in_their_storage(tmp_path, numbers):
    path = archive(tmp_path / "a.pt", tensor_record(**numbers), {"0": FLOATS})
    assert refused(path) == "MV2103"


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}.."[:3],
        b"\x80\x02K\x01",  # no end
        b"0.",  # POP of nothing
        b"\x80\x02\x87.",
        b"\x80\x02h\x05.",  # BINGET of nothing
        b"\x80\x02}]K\x01s.",  # a list as a key
        b"\x80\x02}(K\x01u.",  # a key without a value
        b"e.",
        b"\x80\x02U\xffshort.",
        b"\x80\x02X\xff\xff\xff\x7fshort.",  # a text of 2 GB
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00short.",  # BYTEARRAY8 of 2**48 bytes
        b"\x80\x02\x8b\xff\xff\xff\x7fshort.",  # LONG4 of 2 GB
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\x00\x00}.",  # a frame of 2**48 bytes
        b"K\x01Q.",  # a storage that is none
        b"\xff.",
    ],
)
def test_read_archive__refuses_damaged_pickles(tmp_path, record):
    path = archive(tmp_path / "a.pt", record)
    if b"\x95" in record:
        assert read_archive(path) == {}  # the length of a frame is not used
    else:
        assert refused(path) == "MV2103"


@pytest.mark.parametrize("record", [b"\x80\x02\x82\x01.", b"Pname\n.", b"\x80\x05\x97."])
def test_read_archive__refuses_instructions_that_reach_outside(tmp_path, record):
    """EXT1 looks into a registry, PERSID and NEXT_BUFFER ask the program that reads."""
    assert refused(archive(tmp_path / "a.pt", record)) == "MV2104"


def test_read_archive__bears_memo_numbers_without_bound(tmp_path):
    path = archive(tmp_path / "a.pt", b"\x80\x02}r\xff\xff\xff\xff.")  # LONG_BINPUT 2**32 - 1
    assert read_archive(path) == {}


def test_read_archive__bears_depth_and_rings(tmp_path):
    deep = b"\x80\x02}" + b")" + b"\x85" * 50_000 + b"K\x01s."  # a key of tuples in tuples
    assert read_archive(archive(tmp_path / "a.pt", deep)) == {Placeholder("tuple"): 1}
    lists = b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."
    assert isinstance(read_archive(archive(tmp_path / "b.pt", lists)), list)
    ring = b"\x80\x02]q\x00h\x00a."
    actual = read_archive(archive(tmp_path / "c.pt", ring))
    assert actual[0] is actual


def test_read_archive__does_not_multiply_what_is_named_twice(tmp_path):
    doubling = b"\x80\x02]" + b"q\x00]h\x00h\x00\x86a" * 200 + b"."
    assert isinstance(read_archive(archive(tmp_path / "a.pt", doubling)), list)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("os.system", True),
        ("posix.system", True),
        ("__builtin__.eval", True),
        ("builtins.getattr", True),
        ("torch.load", True),
        ("torch.hub.load", True),
        ("torch.float32", False),
        ("torch.FloatStorage", False),
        ("torch._utils._rebuild_tensor_v2", False),
        ("builtins.dict", False),
        ("typing.Any", False),
        ("omegaconf.dictconfig.DictConfig", False),
        ("__main__.Config", False),
    ],
)
def test_is_of_library__tells_programs_from_configurations(name, expected):
    assert is_of_library(name) is expected
