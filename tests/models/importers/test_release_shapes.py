"""What importers share: counting, sizes, settings, refusing."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.release_shapes import (
    count_numbered,
    parse_settings,
    require,
    size_of,
    take_tensors,
    without_parts,
)
from medvlp.models.volume.bundle_schema import VolumeModelSettings


def test_count_numbered__counts_each_number_once():
    names = ["a.0.w", "a.0.b", "a.1.w", "a.10.w", "a.x.w", "b.2.w", "c.a.3"]
    assert count_numbered(names, "a.") == 3
    assert count_numbered(names, "d.") == 0


def test_parse_settings__names_the_value_of_the_release_that_is_not_possible():
    with pytest.raises(ModelError, match=r"file: image\.width=0") as caught:
        parse_settings(
            {"image": {"architecture": "resnet3d", "width": 0}}, VolumeModelSettings, "file"
        )
    assert caught.value.code == "MV2101"


def test_parts__are_measured_demanded_and_left_out():
    tensors = {"a.w": torch.ones(3, 4), "a.s": torch.tensor(1.0), "b.w": torch.ones(2)}
    assert (size_of(tensors["a.w"]), size_of(tensors["a.w"], 1)) == (3, 4)
    assert size_of(tensors["a.s"]) == size_of(tensors["b.w"], 1) == 0
    assert list(without_parts(tensors, ("a.",))) == ["b.w"]
    assert require(tensors, "b.w", "file") is tensors["b.w"]
    with pytest.raises(
        ModelError, match=r"file is not of this layout: there is no 'c\.w'"
    ) as caught:
        require(tensors, "c.w", "file")
    assert caught.value.code == "MV2105"


def test_take_tensors__takes_each_and_no_other():
    found = {"x.a": torch.ones(2).half(), "x.n": torch.tensor(3)}
    wanted = {"a": (2,), "n": ()}
    taken = take_tensors(found, wanted, lambda name: f"x.{name}", "file")
    assert (taken["a"].dtype, taken["n"].dtype) == (torch.float32, torch.int64)
    with pytest.raises(ModelError, match=r"1 unexpected: 'x\.b'"):
        take_tensors({**found, "x.b": torch.ones(1)}, wanted, lambda name: f"x.{name}", "file")
