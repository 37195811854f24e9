"""Training learns what captions say, keeps the logit scale in bounds, and stops at NaN."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medvlp.data.modules import InputSettings, PairsDataModule, TokenizerSettings
from medvlp.errors import MedvlpError, ModelError, UsageError
from medvlp.losses.report import LossReport
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle import load_bundle
from medvlp.training.cli import main
from medvlp.training.freezing import FreezeSettings
from medvlp.training.module import ContrastiveModule
from medvlp.training.optimization import OptimizerSettings
from tests.training.conftest import striped_tile

ENCODER = DualEncoderSettings(
    embed_dim=16,
    image=ImageTowerSettings(architecture="test_resnet"),
    text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=64, max_tokens=16),
)


class FakeTrainer:
    """As much of a trainer as building and stepping a module needs."""

    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 10

    def __init__(self, datamodule):
        self.datamodule = datamodule


@pytest.fixture
def data(striped_pairs) -> PairsDataModule:
    return PairsDataModule(
        folder=striped_pairs,
        batch_size=6,
        inputs=InputSettings(input_px=32),
        tokenizer=TokenizerSettings(vocab_size=100),
        max_tokens=16,
    )


@pytest.fixture
def module(data, monkeypatch) -> ContrastiveModule:
    built = ContrastiveModule(encoder=ENCODER, optimizer=OptimizerSettings(learning_rate=0.01))
    monkeypatch.setattr(ContrastiveModule, "trainer", FakeTrainer(data))
    monkeypatch.setattr(ContrastiveModule, "log", lambda *args, **kwargs: None)
    built.configure_model()
    return built


def first_batch(data):
    data.setup("fit")
    return next(iter(data.train_dataloader()))


def test_training_step__is_the_objective_on_normalised_pixels(module, data):
    batch = first_batch(data)
    torch.manual_seed(0)
    actual = module.training_step(batch, 0)
    pixels = ((batch.image / 255.0 - 0.5) / 0.25).permute(0, 3, 1, 2)
    outputs = module.dual_encoder(pixels, batch.text.ids, batch.text.mask)
    logits = outputs.logit_scale * outputs.image @ outputs.text.T
    labels = torch.arange(6)
    expected = (
        torch.nn.functional.cross_entropy(logits, labels)
        + torch.nn.functional.cross_entropy(logits.T, labels)
    ) / 2
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_configure_model__builds_the_same_weights_each_time_and_only_once(module, data):
    again = ContrastiveModule(encoder=ENCODER, optimizer=OptimizerSettings(learning_rate=0.01))
    again.configure_model()
    first, second = (m.dual_encoder.state_dict() for m in (module, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    kept = module.dual_encoder
    module.configure_model()
    assert module.dual_encoder is kept


def test_configure_model__refuses_captions_longer_than_the_text_tower_takes(data, monkeypatch):
    data.max_tokens = 17
    built = ContrastiveModule(encoder=ENCODER, optimizer=OptimizerSettings(learning_rate=0.01))
    monkeypatch.setattr(ContrastiveModule, "trainer", FakeTrainer(data))
    with pytest.raises(UsageError, match=r"max_tokens=17 .* at most model\.encoder\.text\.max_tok"):
        built.configure_model()


def test_bound_weights__keeps_the_logit_scale_in_its_bounds(module, data):
    module.dual_encoder.logit_scale.data.fill_(50.0)
    module.bound_weights()
    assert float(module.dual_encoder.logit_scale.detach().exp()) == pytest.approx(100.0, rel=1e-5)


def test_training_step__names_embeddings_that_are_no_numbers(module, data):
    module.dual_encoder.image_projection.weight.data.fill_(torch.nan)
    with pytest.raises(MedvlpError, match="x holds NaN or Inf"):
        module.training_step(first_batch(data), 0)


def test_training_step__stops_at_a_loss_that_is_no_number(module, data):
    module._objective = lambda outputs, batch: LossReport(total=torch.tensor(torch.nan))
    with pytest.raises(MedvlpError, match=r"the loss is nan at step 0") as caught:
        module.training_step(first_batch(data), 0)
    assert caught.value.code == "MV1703"


def test_on_fit_start__takes_several_processes(module):
    module.trainer.world_size = 2
    try:
        module.on_fit_start()
    finally:
        module.trainer.world_size = 1
    assert module.joins_ranks


def test_configure_optimizers__warms_up_over_the_steps_of_the_run(module):
    built = module.configure_optimizers()
    scheduler = built["lr_scheduler"]["scheduler"]
    assert built["lr_scheduler"]["interval"] == "step"
    assert scheduler.get_last_lr() == pytest.approx([0.01, 0.01])


def rebuilt(data, **more) -> ContrastiveModule:
    settings = OptimizerSettings(learning_rate=0.01)
    built = ContrastiveModule(encoder=ENCODER, optimizer=settings, **more)
    built.configure_model()
    return built


def test_on_train_start__puts_towers_to_rest_where_a_run_goes_on_within_an_epoch(data, monkeypatch):
    monkeypatch.setattr(ContrastiveModule, "trainer", FakeTrainer(data))
    monkeypatch.setattr(ContrastiveModule, "current_epoch", 1)
    resting = FreezeSettings(image_tower_epochs=2, text_tower_epochs=1)
    rate = OptimizerSettings(learning_rate=0.01)
    built = ContrastiveModule(encoder=ENCODER, optimizer=rate, freeze=resting, objective="kep")
    built.configure_model()
    built.train().on_train_start()
    encoder = built.dual_encoder
    assert not any(p.requires_grad for p in encoder.image_tower.parameters())
    assert not encoder.image_tower.training
    assert all(p.requires_grad for p in encoder.text_tower.parameters())
    assert encoder.text_tower.training
    assert not built.knowledge.training


def test_kep__compares_texts_with_the_text_tower_as_it_was_before_the_first_step(module, data):
    built = rebuilt(data, objective="kep", objective_options={"knowledge_weight": 0.5})
    batch = first_batch(data)
    optimizer = built.configure_optimizers()["optimizer"]
    frozen = {id(p) for p in built.knowledge.parameters()}
    assert not frozen & {id(p) for group in optimizer.param_groups for p in group["params"]}
    before = built._outputs(batch)
    torch.testing.assert_close(before.knowledge, before.text)
    built.training_step(batch, 0).backward()
    optimizer.step()
    after = built._outputs(batch)
    assert torch.equal(after.knowledge, before.knowledge)
    assert not torch.equal(after.text, before.text)


def test_siglip__trains_its_offset_with_the_towers(module, data):
    built = rebuilt(data, objective="siglip")
    optimizer = built.configure_optimizers()["optimizer"]
    built.training_step(first_batch(data), 0).backward()
    optimizer.step()
    assert built._objective.bias.value.item() != -10.0


def test_image_from__begins_with_given_weights_under_strict_names(module, data, tmp_path):
    tower = module.dual_encoder.image_tower.state_dict()
    state = {name: torch.full_like(value.float(), 0.5) for name, value in tower.items()}
    state = {name: value.to(tower[name].dtype).contiguous() for name, value in state.items()}
    save_file(state, tmp_path / "tower.safetensors")
    built = rebuilt(data, image_from=tmp_path / "tower.safetensors")
    weights = dict(built.dual_encoder.image_tower.named_parameters())
    assert all((value == 0.5).all() for value in weights.values())
    assert not (built.dual_encoder.image_projection.weight == 0.5).all()
    state["head.weight"] = torch.zeros(2, 2)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"1 unexpected \('head.weight'\)"):
        rebuilt(data, image_from=tmp_path / "other.safetensors")


def train(args, *more: str) -> None:
    assert main([*args, *more]) == 0


@pytest.fixture(scope="module")
def learned(striped_pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "run"
    from tests.training.conftest import SMOKE

    arguments = ["fit", f"--config={SMOKE}", f"--data.folder={striped_pairs}"]
    train(
        arguments,
        f"--run.folder={folder}",
        "--trainer.max_steps=40",
        "--data.batch_size=12",
        "--model.optimizer.learning_rate=0.01",
        "--data.augment.turns=false",
        "--trainer.limit_val_batches=1.0",
    )
    return folder


def test_training__learns_what_captions_say_and_the_bundle_keeps_it(learned):
    bundle = load_bundle(learned / "bundle")
    rng = np.random.default_rng(9)
    tiles = np.stack([striped_tile(index % 3, rng) for index in range(30)])
    image = bundle.image_encoder.embed(torch.from_numpy(tiles)).numpy()
    names = ["horizontal rows", "vertical columns", "plain noise"]
    text = bundle.text_encoder.embed(names)
    hits = (image @ text.T).argmax(axis=1) == np.arange(30) % 3
    assert hits.mean() >= 0.9


def test_training__logs_the_loss_and_how_well_captions_of_the_group_are_found(learned):
    header, *rows = (learned / "logs" / "metrics.csv").read_text().splitlines()
    table = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    losses = [float(row["train/loss"]) for row in table if row["train/loss"]]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    found = [
        float(r["validation/caption_of_group"]) for r in table if r["validation/caption_of_group"]
    ]
    assert found[-1] >= 0.75


def test_training__is_repeatable_to_the_last_bit(smoke_args, tmp_path):
    for name in ("one", "two"):
        train(smoke_args, f"--run.folder={tmp_path / name}")
    one, two = (
        json.loads((tmp_path / n / "bundle" / "medvlp.json").read_text()) for n in ("one", "two")
    )
    assert one["files"] == two["files"]


def test_training__that_diverges_leaves_no_bundle(smoke_args, tmp_path, monkeypatch):
    def explode(self, *args):
        self.dual_encoder.text_projection.weight.data.fill_(torch.inf)

    monkeypatch.setattr(ContrastiveModule, "bound_weights", explode)
    with pytest.raises(ModelError, match=r"'text_projection\.weight' holds"):
        main([*smoke_args, "--trainer.max_steps=1"])
    assert not (tmp_path / "run" / "bundle").exists()
