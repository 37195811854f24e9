"""The tower of a bundle is taken with its weights; what has none to train on is refused."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.tower_source import open_radiograph_tower
from tests.models.radiograph.tiny_findings import write_tiny_findings


def test_open_radiograph_tower__gives_another_network_the_weights(film_tokenizer, tmp_path) -> None:
    trained = write_tiny_findings(tmp_path / "model", film_tokenizer)
    source = open_radiograph_tower(tmp_path / "model")
    assert (source.name, source.settings) == ("tiny-chest", trained.settings)
    fresh = RadiographNetwork(source.settings, 40, seed=9)
    pixels = torch.rand(2, 1, 32, 32)
    expected = trained.image_tower.eval()(pixels).patches
    assert not torch.equal(fresh.image_tower.eval()(pixels).patches, expected)
    source.fill(fresh.image_tower)
    assert torch.equal(fresh.image_tower(pixels).patches, expected)


def test_open_radiograph_tower__refuses_a_released_network(film_tokenizer, tmp_path) -> None:
    write_tiny_findings(tmp_path / "model", film_tokenizer, "kad")
    with pytest.raises(ModelError, match="released network 'kad'") as caught:
        open_radiograph_tower(tmp_path / "model")
    assert caught.value.code == "MV1470"


def test_open_radiograph_tower__refuses_a_changed_file(film_tokenizer, tmp_path) -> None:
    write_tiny_findings(tmp_path / "model", film_tokenizer)
    path = tmp_path / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        open_radiograph_tower(tmp_path / "model")
    assert caught.value.code == "MV1404"
