"""Read what ``torch.save`` wrote beside objects of other programs, without running anything.

A pickle is a list of instructions for a small machine; some of them look up a class or function
and call it. The machine here carries out those that build plain values only. It never looks up a
name: what a file calls stays the text of that name, what it builds with it is an empty placeholder,
and the few functions of torch that put a tensor together are carried out by hand, with their
numbers checked. So no code of a file can run, whatever the file holds.
"""

from __future__ import annotations

import math
import pickletools
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from medvlp.models.importers.torch_archives import (
    READ_ERRORS,
    Storage,
    TorchArchive,
    damaged,
    hostile,
    storage_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Placeholder", "is_of_library", "read_archive"]

# Modules whose objects no configuration is made of, under the names of Python 2 too: programs that
# are hidden in a pickle begin with one of them.
_LIBRARY_ROOTS = {
    *(sys.stdlib_module_names - {"__main__"}),
    *(name.partition(".")[0] for name in IMPORT_MAPPING),
    *(module.partition(".")[0] for module, _ in NAME_MAPPING),
    "torch",
}
# What configurations and records of training are made of, of these modules.
_PLAIN = "bool bytearray bytes complex dict float frozenset int list object set slice str tuple"
_HARMLESS = frozenset(
    [
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _PLAIN.split()),
        *(f"typing.{name}" for name in "Any Dict List Literal Optional Tuple Union".split()),
        *(f"collections.{name}" for name in "Counter OrderedDict defaultdict deque".split()),
        *(f"pathlib.{name}" for name in "Path PosixPath PurePath WindowsPath".split()),
        *(f"datetime.{name}" for name in "date datetime timedelta".split()),
        "argparse.Namespace",
        "types.SimpleNamespace",
        "_codecs.encode",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "operator.getitem",
        "torch.Size",
        "torch.device",
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "torch._utils._rebuild_meta_tensor_no_storage",
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_qtensor",
        "torch.serialization._get_layout",
    ]
)
_TENSOR_CALLS = frozenset(
    f"torch._utils.{name}"
    for name in (
        "_rebuild_tensor",
        "_rebuild_tensor_v2",
        "_rebuild_parameter",
        "_rebuild_parameter_with_state",
    )
)
_SIMPLE_KEYS = (str, int, float, bytes, type(None))


@dataclass(frozen=True)
class Placeholder:
    """Stands for an object of a class that is not loaded.

    Attributes:
        name: The class as the file calls it; ``?`` where it does not name it.
    """

    name: str


@dataclass(frozen=True)
class _Name:
    """The text of a name that a pickle asks for; never looked up."""

    text: str


def read_archive(path: Path) -> object:
    """Read the content of an archive of ``torch.save``; no code of the file runs.

    Args:
        path: The file, proved by :func:`medvlp.models.importers.torch_archives.check_archive`.

    Returns:
        Lists (sets too), tuples, dictionaries, texts, numbers, tensors on the CPU, and a
        :class:`Placeholder` for every object of a class.

    Raises:
        ModelError: If it asks for a function of Python or torch that no configuration needs
            (MV2104), or is damaged (MV2103).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Machine(TorchArchive(archive, path), path).run()
    except READ_ERRORS as error:
        raise damaged(path, str(error).partition("\n")[0] or type(error).__name__) from error


def is_of_library(name: str) -> bool:
    """Whether a dotted name is of Python or torch and none that configurations are made of."""
    if name.partition(".")[0] not in _LIBRARY_ROOTS:
        return False
    is_known = name in _HARMLESS or name in _TENSOR_CALLS or storage_type(name) is not None
    return not (is_known or isinstance(_torch_type(name), torch.dtype))


def _torch_type(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return vars(torch).get(attribute) if module == "torch" else None


class _Machine:
    """Carries out the instructions of one pickle; ``_ACTIONS`` says what each of them does."""

    def __init__(self, archive: TorchArchive, path: Path) -> None:
        self.archive = archive
        self.path = path
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        for opcode, argument, _ in pickletools.genops(self.archive.record()):
            if opcode.name == "STOP":
                return self.stack.pop()
            action = _ACTIONS.get(opcode.name)
            if action is None:
                raise hostile(self.path, f"the instruction {opcode.name}")
            action(self, argument)
        self.fail("there is no end")

    def fail(self, reason: str) -> NoReturn:
        raise damaged(self.path, reason)

    def push(self, value: object) -> None:
        self.stack.append(value)

    def begin(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def taken(self) -> list[Any]:
        values, self.stack = self.stack, self.marked.pop()
        return values

    def last(self, count: int) -> tuple[Any, ...]:
        """Take the last ``count`` values off the stack."""
        if count > len(self.stack):
            self.fail("values are missing")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values

    def keep(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def name(self, module: object, name: object) -> None:
        if not isinstance(name, str) or not isinstance(module, str):
            self.fail("a name is no text")
        text = f"{module}.{name}"
        if is_of_library(text):
            raise hostile(self.path, text)
        self.push(_Name(text))

    def storage(self) -> None:
        match self.stack.pop():
            case ("storage", _Name(text=kind), str(key), str(), int(count)):
                dtype = storage_type(kind)
                if dtype is None:
                    self.fail(f"there is a storage of kind {kind!r}")
                self.push(self.archive.storage(key, dtype, count))
            case _:
                self.fail("a storage is stated in an unknown way")

    def call(self) -> None:
        function, arguments = self.last(2)
        called = function.text if isinstance(function, _Name) else "?"
        if called in _TENSOR_CALLS:
            self.push(self.tensor(arguments))
        elif called == "collections.OrderedDict":
            self.push({})
            for pair in arguments[0] if arguments else ():
                self.put(*pair)
        elif called == "_codecs.encode":  # how protocol 2 writes bytes
            self.push(arguments[0].encode("latin1"))
        else:
            self.push(Placeholder(called))

    def tensor(self, arguments: object) -> torch.Tensor:
        """Put a tensor together from ``(storage, offset, size, stride, ...)``."""
        match arguments:
            case (Storage(values=values), int(offset), tuple(size), tuple(stride), *_):
                if not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)):
                    self.fail("the shape of a tensor is not of whole numbers")
                count = math.prod(size)
                last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
                if count and (count > len(values) or last >= len(values)):
                    self.fail(f"a tensor of {count} values does not lie in {len(values)}")
                return values.as_strided(size, stride, offset if count else 0)
            case (torch.Tensor() as tensor, *_):  # the tensor of a parameter
                return tensor
            case _:
                self.fail("a tensor is stated in an unknown way")

    def make(self, values: tuple[Any, ...] | list[Any]) -> None:
        """Make an object of a class that stands before its arguments."""
        self.push(Placeholder(values[0].text if isinstance(values[0], _Name) else "?"))

    def put(self, key: object, value: object) -> None:
        target = self.stack[-1]
        if isinstance(key, tuple) and not all(isinstance(part, _SIMPLE_KEYS) for part in key):
            key = Placeholder("tuple")  # its hash would follow tuples in tuples without an end
        if isinstance(target, dict):
            target[key] = value

    def put_all(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.put(key, value)

    def dictionary(self, items: list[Any]) -> None:
        self.push({})
        self.put_all(items)

    def extend(self, values: list[Any] | tuple[Any, ...]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)

    def instance(self, argument: str) -> None:
        self.taken()
        self.name(*argument.split(" ", 1))
        self.make(self.last(1))


def _literal(machine: _Machine, value: object) -> None:
    machine.push(value)


_LITERALS = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES
    SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 FLOAT
    BINFLOAT
"""
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(_LITERALS.split(), _literal),
    "PROTO": lambda _m, _: None,
    "FRAME": lambda _m, _: None,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_SET": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE1": lambda m, _: m.push(m.last(1)),
    "TUPLE2": lambda m, _: m.push(m.last(2)),
    "TUPLE3": lambda m, _: m.push(m.last(3)),
    "TUPLE": lambda m, _: m.push(tuple(m.taken())),
    "LIST": lambda m, _: m.push(m.taken()),
    "FROZENSET": lambda m, _: m.push(m.taken()),
    "DICT": lambda m, _: m.dictionary(m.taken()),
    "APPEND": lambda m, _: m.extend(m.last(1)),
    "APPENDS": lambda m, _: m.extend(m.taken()),
    "ADDITEMS": lambda m, _: m.extend(m.taken()),
    "SETITEM": lambda m, _: m.put(*m.last(2)),
    "SETITEMS": lambda m, _: m.put_all(m.taken()),
    "MARK": lambda m, _: m.begin(),
    "POP_MARK": lambda m, _: m.taken(),
    "POP": lambda m, _: m.last(1),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, index: m.keep(index)),
    "MEMOIZE": lambda m, _: m.keep(len(m.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, index: m.push(m.memo[index])),
    "GLOBAL": lambda m, text: m.name(*text.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*m.last(2)),
    "BINPERSID": lambda m, _: m.storage(),
    "REDUCE": lambda m, _: m.call(),
    "NEWOBJ": lambda m, _: m.make(m.last(2)),
    "NEWOBJ_EX": lambda m, _: m.make(m.last(3)),
    "OBJ": lambda m, _: m.make(m.taken()),
    "INST": lambda m, text: m.instance(text),
    "BUILD": lambda m, _: m.last(1),
}
"""What the instructions do; a state that is to be built into an object is dropped."""
