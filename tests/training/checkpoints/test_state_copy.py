"""A copy holds the values of its moment, and lies as a safetensors file does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from medvlp.errors import OutputError
from medvlp.training.checkpoints.folder import read_checkpoint, write_copy
from medvlp.training.checkpoints.state_copy import StateBuffer, StateCopy

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn)
DTYPES += (torch.float8_e5m2, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
DTYPES += (torch.bool,)


def read(copied: StateCopy, folder: Path) -> dict[str, Any]:
    write_copy(folder / "step_000000001", copied)
    return read_checkpoint(folder / "step_000000001")


def test_state_buffer__lays_out_a_file_that_safetensors_reads(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"x{index}": torch.randint(0, 2, (index + 1, 3), generator=generator).to(dtype)
        for index, dtype in enumerate(DTYPES)
    }
    tensors |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4)}
    copied = StateBuffer().copy(tensors)
    file = tmp_path / "x.safetensors"
    file.write_bytes(copied.header + copied.content.numpy().tobytes())
    found = load_file(file)
    assert {name.removeprefix("/") for name in found} == tensors.keys()
    for name, tensor in tensors.items():
        assert found[f"/{name}"].dtype == tensor.dtype
        assert found[f"/{name}"].shape == tensor.shape
        assert torch.equal(found[f"/{name}"].float(), tensor.float())


def test_state_buffer__holds_what_was_when_the_copy_was_made(tmp_path: Path) -> None:
    weight = torch.arange(12.0).reshape(3, 4)
    state = {"weight": weight, "turned": weight.T, "step": 7, "list": [1]}
    copied = StateBuffer().copy(state)
    weight.zero_()
    state["list"].append(2)
    found = read(copied, tmp_path)
    assert torch.equal(found["weight"], torch.arange(12.0).reshape(3, 4))
    assert torch.equal(found["turned"], torch.arange(12.0).reshape(3, 4).T)
    assert (found["step"], found["list"]) == (7, [1])


def test_state_buffer__uses_its_memory_again_while_the_tensors_keep_their_shapes() -> None:
    buffer = StateBuffer()
    first = buffer.copy({"a": torch.ones(5), "b": torch.ones(2, dtype=torch.int8)})
    second = buffer.copy({"a": torch.zeros(5), "b": torch.zeros(2, dtype=torch.int8)})
    assert second.content.data_ptr() == first.content.data_ptr()
    assert int(second.content.sum()) == 0
    other = buffer.copy({"a": torch.ones(5), "b": torch.ones(2, dtype=torch.int16)})
    assert other.content.numel() == 24


def test_state_buffer__refuses_numbers_that_the_format_lacks() -> None:
    buffer = StateBuffer()
    buffer.copy({"a": torch.ones(2)})
    with pytest.raises(OutputError, match="complex64 at /a") as caught:
        buffer.copy({"a": torch.ones(2, dtype=torch.complex64)})
    assert caught.value.code == "MV1708"
    assert buffer.copy({"a": torch.ones(2)}).content.numel() == 8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_state_buffer__copies_from_a_gpu_before_the_next_step_is_made(tmp_path: Path) -> None:
    weight = torch.arange(2.0**24, device="cuda")
    copied = StateBuffer().copy({"weight": weight})
    weight.zero_()
    assert copied.content.is_pinned()
    assert torch.equal(read(copied, tmp_path)["weight"], torch.arange(2.0**24))
