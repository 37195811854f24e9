"""Both towers give unit vectors of one length; padding, batch and random state do not matter."""

import math

import pytest
import timm
import torch
from transformers import BertConfig, BertModel

from medvlp.errors import ModelError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import MAX_LOG_SCALE, DualEncoder
from tests.models.conftest import filled_randomly

IDS = torch.tensor([[2, 7, 8, 3], [2, 9, 3, 0]])
MASK = torch.tensor([[True] * 4, [True, True, True, False]])


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def build(settings, **text) -> DualEncoder:
    changed = settings.model_copy(update={"text": settings.text.model_copy(update=text)})
    return filled_randomly(DualEncoder(changed, 30)).eval()


def test_forward__gives_unit_vectors_and_the_scale(settings, pixels):
    output = build(settings)(pixels, IDS, MASK)
    assert output.image.shape == output.text.shape == (2, 24)
    for vectors in (output.image, output.text):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2), rtol=0, atol=1e-6)
    assert output.logit_scale.ndim == 0


def test_dual_encoder__starts_at_the_stated_temperature(settings):
    model = DualEncoder(settings.model_copy(update={"temperature": 0.04}), 30)
    assert math.exp(float(model.logit_scale.detach())) == pytest.approx(25.0, rel=1e-6)


def test_clamp_logit_scale__keeps_the_log_between_zero_and_ln_100(settings):
    model = DualEncoder(settings, 30)
    for value, expected in ((9.0, MAX_LOG_SCALE), (-1.0, 0.0), (2.5, 2.5)):
        model.logit_scale.data.fill_(value)
        model.clamp_logit_scale()
        assert float(model.logit_scale.detach()) == pytest.approx(expected, abs=1e-6)
    assert math.exp(MAX_LOG_SCALE) == pytest.approx(100.0)


def test_project_image__is_timm_and_a_linear_map(settings, pixels):
    model = build(settings)
    tower = timm.create_model("test_resnet", num_classes=0).eval()
    tower.load_state_dict(model.image_tower.state_dict())
    expected = tower(pixels) @ model.image_projection.weight.T
    torch.testing.assert_close(model.project_image(pixels), expected, rtol=1e-5, atol=1e-5)


def test_project_text__is_the_mean_over_real_tokens_of_plain_bert(settings):
    model = build(settings)
    config = BertConfig(
        vocab_size=30,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=16,
    )
    bert = BertModel(config, add_pooling_layer=False).eval()
    bert.load_state_dict(model.text_tower.bert.state_dict())
    alone = bert(input_ids=IDS[1:, :3]).last_hidden_state.mean(dim=1)
    expected = alone @ model.text_projection.weight.T
    actual = model.project_text(IDS, MASK)[1:]
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_project_text__does_not_see_padding(settings, pooling):
    model = build(settings, pooling=pooling)
    short = model.project_text(IDS[1:, :3], MASK[1:, :3])
    ids = torch.tensor([[2, 9, 3, 5, 5, 5]])
    mask = torch.tensor([[True] * 3 + [False] * 3])
    torch.testing.assert_close(model.project_text(ids, mask), short, rtol=1e-4, atol=1e-5)


def test_dual_encoder__has_the_same_weights_whatever_the_program_drew(settings):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = DualEncoder(settings, 30, seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = DualEncoder(settings, 30, seed=4).state_dict()
    other = DualEncoder(settings, 30, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["text_projection.weight"], other["text_projection.weight"])


def test_sides__give_what_the_whole_model_gives(settings, pixels):
    model = build(settings)
    torch.testing.assert_close(model.image_side()(pixels), model.project_image(pixels))
    torch.testing.assert_close(model.text_side()(IDS, MASK), model.project_text(IDS, MASK))


@pytest.mark.parametrize("kind", ["mlp", "none"])
def test_projection__has_the_stated_form(pixels, kind):
    settings = DualEncoderSettings(
        embed_dim=96,
        image=ImageTowerSettings(architecture="test_resnet", projection=kind),
        text=TextTowerSettings(width=96, layers=1, projection=kind),
    )
    model = filled_randomly(DualEncoder(settings, 30)).eval()
    names = {name for name in model.state_dict() if name.startswith("image_projection")}
    keys = {"mlp": {f"image_projection.{i}.{w}" for i in (0, 2) for w in ("weight", "bias")}}
    assert names == keys.get(kind, set())
    assert model(pixels, IDS, MASK).image.shape == (2, 96)


def test_projection__none_needs_towers_of_the_embedding_length():
    settings = DualEncoderSettings(
        embed_dim=24, image=ImageTowerSettings(architecture="test_resnet", projection="none")
    )
    with pytest.raises(ModelError, match="gives 96 features and has no projection to 24"):
        DualEncoder(settings, 30)


def test_dual_encoder__refuses_an_unknown_architecture(settings):
    image = ImageTowerSettings(architecture="test_resnets")
    with pytest.raises(ModelError, match=r"did you mean 'test_resnet'\?"):
        DualEncoder(settings.model_copy(update={"image": image}), 30)
