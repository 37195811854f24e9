"""State taken apart and put together again: equal values and types, and nothing that pickles."""

import json
import math
from typing import Any

import pytest
import torch

from medvlp.errors import OutputError
from medvlp.training.checkpoints.state_tree import join_state, split_state


def there_and_back(state: dict[str, Any]) -> Any:
    document, tensors = split_state(state)
    return join_state(json.loads(json.dumps(document, allow_nan=False)), tensors)


def test_split_state__keeps_values_and_types() -> None:
    state = {
        "none": None,
        "flag": True,
        "count": 3,
        "share": 0.1,
        "text": "x~y",
        "list": [1, [2.5, None]],
        "pair": (0.9, 0.98),
        "numbers": {0: "a", 1: {"~": 2}},
        "tensor": torch.arange(6).reshape(2, 3),
    }
    found = there_and_back(state)
    assert torch.equal(found.pop("tensor"), state.pop("tensor"))
    assert found == state
    assert isinstance(found["pair"], tuple)
    assert isinstance(found["list"], list)
    assert found["flag"] is True


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-323, 0.1 + 0.2])
def test_split_state__keeps_every_bit_of_a_number(value: float) -> None:
    assert there_and_back({"x": value})["x"] == value
    assert math.isnan(there_and_back({"x": math.nan})["x"])


def test_split_state__stores_shared_memory_once_and_other_views_apart() -> None:
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    _, tensors = split_state({"a": weight, "tied": weight, "part": weight[:2], "turned": weight.T})
    assert sorted(tensors) == ["/a", "/part", "/turned"]
    found = there_and_back({"a": weight, "tied": weight, "turned": weight.T})
    assert torch.equal(found["tied"], weight)
    assert torch.equal(found["turned"], weight.T)


def test_split_state__takes_the_whole_state_of_an_optimiser() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, betas=(0.9, 0.95))
    network(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    state = there_and_back({"optimizer": optimizer.state_dict()})["optimizer"]
    other = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters())
    other.load_state_dict(state)
    assert other.param_groups[0]["betas"] == (0.9, 0.95)
    assert torch.equal(other.state_dict()["state"][0]["exp_avg"], state["state"][0]["exp_avg"])
    assert float(other.state_dict()["state"][0]["step"]) == 1


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"a": {"b": [object()]}}, "/a/b/0"),
        ({"a": {(1, 2): 3}}, "/a"),
        ({"a": {1, 2}}, "/a"),
        ({"a": lambda: 0}, "/a"),
    ],
)
def test_split_state__refuses_what_cannot_be_read_back(state: dict[str, Any], path: str) -> None:
    with pytest.raises(OutputError, match=f"at {path};") as caught:
        split_state(state)
    assert caught.value.code == "MV1708"


def test_join_state__refuses_a_missing_tensor() -> None:
    document, _ = split_state({"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="nothing that was stored"):
        join_state(document, {})
