"""The module learns on a folder of radiographs; what rests stays, and a run goes on as it was."""

import pytest
import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.errors import MedvlpError, UsageError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.settings import (
    QueryDecoderSettings,
    RadiographModelSettings,
    ResNetTowerSettings,
)
from medvlp.training.freezing import FreezeSettings
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.radiograph_facets import FacetDraws
from medvlp.training.radiograph_terms import (
    ClassificationTerm,
    KnowledgeTerm,
    LabelRule,
    LocalTerm,
    ReportTerm,
    TermSettings,
)
from medvlp.training.radiographs import RadiographModule
from tests.data.radiograph_samples import make_records, write_samples

ENCODER = RadiographModelSettings(
    dim=16,
    input_px=32,
    image=ResNetTowerSettings(architecture="resnet18", stage=3, width=16),
    text=TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=64),
    decoder=QueryDecoderSettings(dim=16, layers=2, heads=2, ffn=16, self_attention=False),
)
RATE = OptimizerSettings(learning_rate=0.01)
OFF = TermSettings(
    report=ReportTerm(weight=0),
    knowledge=KnowledgeTerm(weight=0),
    local=LocalTerm(weight=0),
    classification=ClassificationTerm(weight=0),
)


class FakeTrainer:
    """As much of a trainer as building and stepping a module needs."""

    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 10

    def __init__(self, datamodule: RadiographDataModule) -> None:
        self.datamodule = datamodule


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("radiographs"), make_records(20))


def radiographs(folder, **more) -> RadiographDataModule:
    options = {"batch_size": 8, "augment": None, "max_tokens": 64, "sentences": "all"}
    return RadiographDataModule(folder=folder, **options | more)


@pytest.fixture
def logged(monkeypatch):
    values: dict[str, float] = {}
    monkeypatch.setattr(
        RadiographModule, "log", lambda self, name, value, **_: values.update({name: value})
    )
    monkeypatch.setattr(RadiographModule, "current_epoch", 0)
    return values


@pytest.fixture
def take(monkeypatch):
    def start(data, **more) -> RadiographModule:
        monkeypatch.setattr(RadiographModule, "trainer", FakeTrainer(data))
        module = RadiographModule(**{"encoder": ENCODER, "optimizer": RATE} | more)
        module.configure_model()
        return module

    return start


def batch_of(data):
    data.setup("fit")
    return next(iter(data.train_dataloader()))


def moved_by_a_step(module, batch) -> set[str]:
    optimizer = module.configure_optimizers()["optimizer"]
    module.train().on_train_start()
    before = {name: value.clone() for name, value in module.network().named_parameters()}
    module.training_step(batch, 0).backward()
    optimizer.step()
    after = dict(module.network().named_parameters())
    return {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}


EVERYTHING = {
    *("image_tower", "patch_projection", "image_projection", "text_tower", "text_projection"),
    *("facet_fusion", "decoder", "head", "description_projection", "scales"),
}


@pytest.mark.parametrize(
    ("more", "moved"),
    [
        ({}, EVERYTHING),
        ({"freeze": FreezeSettings(text_tower_epochs="all")}, EVERYTHING - {"text_tower"}),
        ({"freeze": FreezeSettings(image_tower_epochs=1)}, EVERYTHING - {"image_tower"}),
        (
            {"terms": OFF.model_copy(update={"report": ReportTerm()})},
            {"image_tower", "image_projection", "text_tower", "text_projection", "scales"},
        ),
        (
            {"terms": OFF.model_copy(update={"local": LocalTerm()})},
            {"image_tower", "patch_projection", "text_tower", "text_projection"},
        ),
        (
            {"terms": OFF.model_copy(update={"local": LocalTerm(unit="words")})},
            {"image_tower", "patch_projection", "text_tower", "word_projection"},
        ),
        (
            {"terms": OFF.model_copy(update={"knowledge": KnowledgeTerm()})},
            {
                *("image_tower", "image_projection", "text_tower", "text_projection"),
                *("description_projection", "scales"),
            },
        ),
        (
            {"terms": OFF.model_copy(update={"classification": ClassificationTerm()})},
            {
                *("image_tower", "patch_projection", "text_tower", "text_projection"),
                *("facet_fusion", "decoder", "head"),
            },
        ),
    ],
)
def test_step__changes_what_its_terms_reach(folder, take, logged, more, moved):
    data = radiographs(folder)
    assert moved_by_a_step(take(data, **more), batch_of(data)) == moved
    assert logged["train/loss"] > 0


def test_training_step__draws_the_same_texts_in_the_same_step(folder, take, logged):
    data = radiographs(folder)
    draws = FacetDraws(drop_name=0.5, drop_appearance=0.5)
    batch = batch_of(data)
    losses = []
    for seed in (1, 1, 2):
        module = take(data, facets=draws)
        module.eval()
        module._seed = seed
        losses.append(module.training_step(batch, 0).item())
    assert losses[0] == losses[1] != losses[2]


def test_kept_vectors__are_those_of_the_texts_and_go_into_a_checkpoint(folder, take, logged):
    data = radiographs(folder)
    options = {
        "freeze": FreezeSettings(text_tower_epochs="all"),
        "terms": OFF.model_copy(update={"classification": ClassificationTerm()}),
    }
    batch = batch_of(data)
    live = take(data, **options)
    kept = take(data, facets=FacetDraws(refresh_every=5), **options)
    for module in (live, kept):
        module.on_train_start()
        module.eval()
    expected = live.training_step(batch, 0)
    torch.testing.assert_close(kept.training_step(batch, 0), expected, rtol=0, atol=1e-6)
    checkpoint = {}
    kept.on_save_checkpoint(checkpoint)
    with torch.no_grad():
        kept.network().text_projection.weight.zero_()
    torch.testing.assert_close(kept.training_step(batch, 0), expected, rtol=0, atol=1e-6)
    later = take(data, facets=FacetDraws(refresh_every=5), **options)
    later.on_load_checkpoint(checkpoint)
    with torch.no_grad():
        later.network().text_projection.weight.zero_()
    later.eval()
    torch.testing.assert_close(later.training_step(batch, 0), expected, rtol=0, atol=1e-6)


def test_validation__asks_with_all_texts_and_counts_hits(folder, take, logged):
    data = radiographs(folder)
    rule = LabelRule(unmentioned="absent", uncertain="absent")
    module = take(data, terms=TermSettings(classification=ClassificationTerm(labels=rule)))
    data.setup("fit")
    for number, batch in enumerate(data.loader("train")):
        module.validation_step(batch, number)
    module.on_validation_epoch_end()
    # every picture shows the nodule and none cardiomegaly; effusions are denied or not named
    assert logged["validation/findings"] == 0
    assert "validation/auroc" not in logged
    assert 0 <= logged["validation/recall_1"] <= logged["validation/recall_10"] <= 1


def test_bound_weights__keeps_the_logit_scales_in_their_bounds(folder, take, logged):
    module = take(radiographs(folder))
    with torch.no_grad():
        for scale in module.network().scales.values():
            scale.log_scale.fill_(50.0)
    module.bound_weights()
    for scale in module.network().scales.values():
        assert scale().item() == pytest.approx(100.0, rel=1e-5)


def test_steps__make_the_loss_fall(folder, take, logged):
    data = radiographs(folder, augment=RadiographAugmentSettings())
    module = take(data)
    optimizer = module.configure_optimizers()["optimizer"]
    batch = batch_of(data)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_module__refuses_what_cannot_be_learnt(folder, take):
    with pytest.raises(UsageError, match="nothing to learn") as caught:
        RadiographModule(encoder=ENCODER, optimizer=RATE, terms=OFF)
    assert caught.value.code == "MV1830"
    with pytest.raises(UsageError, match="while the text tower learns") as caught:
        RadiographModule(encoder=ENCODER, optimizer=RATE, facets=FacetDraws(refresh_every=2))
    assert caught.value.code == "MV1831"


def test_configure_model__refuses_data_that_do_not_go_with_the_network(folder, take):
    with pytest.raises(UsageError, match="16 pixels a side, and the network takes 32") as caught:
        take(radiographs(folder, input_px=16))
    assert caught.value.code == "MV1834"
    with pytest.raises(UsageError, match="the terms report and local read reports"):
        take(radiographs(folder, text="none"))
    with pytest.raises(UsageError, match=r"max_tokens=65 .*encoder\.text\.max_tokens=64"):
        take(radiographs(folder, max_tokens=65))
    silent = OFF.model_copy(update={"classification": ClassificationTerm()})
    assert take(radiographs(folder, text="none"), terms=silent).network().dim == 16


def test_training_step__stops_at_a_loss_that_is_no_number(folder, take, logged):
    data = radiographs(folder)
    module, batch = take(data), batch_of(data)
    with torch.no_grad():
        module.network().head[-1].bias.fill_(torch.inf)
    with pytest.raises(MedvlpError):
        module.training_step(batch, 0)
