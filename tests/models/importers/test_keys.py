"""Names and shapes must all agree; what does not is named with its nearest neighbour."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.keys import check_keys, drop_known_buffers

FOUND = {"visual.bias": torch.ones(2), "text.weight": torch.ones(2, 3)}


def test_check_keys__accepts_equal_names_and_shapes():
    check_keys(FOUND, {"visual.bias": (2,), "text.weight": torch.Size((2, 3))}, "x.bin")


@pytest.mark.parametrize(
    ("wanted", "code", "phrase"),
    [
        ({"visual.bias": (2,)}, "MV2105", "1 unexpected: 'text.weight'"),
        ({**FOUND, "logit_scale": ()}, "MV2105", "1 missing: 'logit_scale'"),
        ({"visual.bias": (2,), "texts.weight": (2, 3)}, "MV2105", "did you mean 'text.weight'"),
        ({"visual.bias": (3,), "text.weight": (2, 3)}, "MV2106", r"is \(2,\) instead of \(3,\)"),
        ({f"block.{n}": () for n in range(9)}, "MV2105", r"9 missing: .*'block\.4', \.\.\."),
    ],
)
def test_check_keys__names_what_differs(wanted, code, phrase):
    shapes = {n: tuple(s.shape) if isinstance(s, torch.Tensor) else s for n, s in wanted.items()}
    with pytest.raises(ModelError, match=phrase) as caught:
        check_keys(FOUND, shapes, "x.bin")
    assert caught.value.code == code
    assert "x.bin" in caught.value.what


def test_drop_known_buffers__leaves_everything_else():
    tensors = {**FOUND, "text.embeddings.position_ids": torch.arange(3)}
    assert drop_known_buffers(tensors, (".position_ids",)).keys() == FOUND.keys()
