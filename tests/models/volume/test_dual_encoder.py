"""A network for scans and a text tower give unit vectors of one space, and can be trained."""

import math

import pytest
import torch
from torch.nn import functional

from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.settings import ResNet3dSettings, VolumeHeadSettings
from tests.models.volume.tiny_bundles import TEXT, tiny_volume_model

BOX = (8, 16, 16)
IDS = torch.tensor([[1, 5, 9, 0], [1, 7, 2, 3]])


def voxels(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, *BOX, generator=torch.Generator().manual_seed(0))


def test_forward__gives_unit_vectors_of_tower_and_head():
    model = tiny_volume_model(90)
    with torch.inference_mode():
        output = model(voxels(), IDS, IDS > 0)
        features = model.volume_tower(voxels())
        head = model.volume_projection
        expected = functional.normalize(features @ head.weight.T + head.bias, dim=-1)
        text = model.text_projection(model.text_tower(IDS, IDS > 0))
    torch.testing.assert_close(output.image, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(output.text, functional.normalize(text, dim=-1), rtol=0, atol=1e-6)
    assert output.image.shape == output.text.shape == (2, model.dim)


def test_sides__are_the_parts_of_forward():
    model = tiny_volume_model(90)
    with torch.inference_mode():
        torch.testing.assert_close(model.volume_side()(voxels()), model.project_volume(voxels()))
        torch.testing.assert_close(
            model.text_side()(IDS, IDS > 0), model.project_text(IDS, IDS > 0)
        )
        torch.testing.assert_close(model.encode_volume(voxels()).norm(dim=1), torch.ones(2))


def test_volume_dual_encoder__without_head_keeps_the_features_of_the_tower():
    settings = VolumeModelSettings(image=ResNet3dSettings(depth=10, width=4))
    model = VolumeDualEncoder(settings, BOX).eval()
    assert model.dim == model.volume_tower.dim == 32
    with torch.inference_mode():
        torch.testing.assert_close(model.project_volume(voxels()), model.volume_tower(voxels()))
    with pytest.raises(ValueError, match="no text tower"):
        model.text_side()


def test_volume_dual_encoder__is_fixed_by_its_seed_and_leaves_the_programs_state():
    settings = VolumeModelSettings(
        image=ResNet3dSettings(depth=10, width=2),
        head=VolumeHeadSettings(projection="linear", dim=6),
        text=TEXT,
    )
    before = torch.get_rng_state()
    first, again, other = (
        VolumeDualEncoder(settings, BOX, 90, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name in ("volume_tower.conv1.weight", "volume_projection.weight"):
        assert not torch.equal(first[name], other[name])


def test_volume_dual_encoder__learns_from_both_sides():
    model = tiny_volume_model(90).train()
    output = model(voxels(), IDS, IDS > 0)
    (output.logit_scale * (output.image @ output.text.T)).diagonal().sum().backward()
    for name in ("volume_tower.conv1.weight", "volume_projection.weight", "logit_scale"):
        gradient = model.get_parameter(name).grad
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_clamp_logit_scale__holds_it_between_1_and_100():
    model = tiny_volume_model()
    for start, held in ((9.0, math.log(100)), (-1.0, 0.0), (2.0, 2.0)):
        model.logit_scale.data.fill_(start)
        model.clamp_logit_scale()
        assert model.logit_scale.detach().item() == pytest.approx(held)


def test_volume_dual_encoder__needs_a_vocabulary_exactly_with_a_text_tower():
    for text, vocab_size in ((None, 90), (TEXT, None)):
        settings = VolumeModelSettings(image=ResNet3dSettings(depth=10, width=2), text=text)
        with pytest.raises(ValueError, match="must go with a text tower"):
            VolumeDualEncoder(settings, BOX, vocab_size)
