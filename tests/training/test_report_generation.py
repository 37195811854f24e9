"""What training of report generation asks of its settings, crops and parts; what a step does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medvlp.errors import ConfigError, DataError, ModelError, UsageError
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes
from medvlp.models.report_generator import PromptSettings, WritingSettings
from medvlp.models.report_generator_folder import save_report_generator
from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.tower_folder import ImageTowerCard, save_image_tower
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.training.cli import build
from medvlp.training.optimization import OptimizerSettings, RateSettings
from medvlp.training.report_generation import ReportGenerationModule
from tests.models.report_generators import IMAGE, LORA, card, generator
from tests.models.test_report_generator_folder import write_release
from tests.training.conftest import CONFIGS
from tests.training.scan_folders import ATTRIBUTES, FakeTrainer, scans, write_crops_folder

SIZES = DecoderSizes(family="mistral", width=16, layers=1, heads=2, kv_heads=1, feedforward=32)
SMALL = DecoderSettings(sizes=SIZES, max_tokens=96)
PROMPT = PromptSettings(before="<s>", after=" Report: ", visual_tokens=3)
RELEASE = DecoderSettings(max_tokens=96)
WRITING = WritingSettings(max_tokens=40)
OPTIMIZER = OptimizerSettings(learning_rate=0.01)
FULL = sorted((CONFIGS / "renalclip").glob("report_generation_*.yaml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


@pytest.fixture(scope="module")
def tower(folder, tmp_path_factory):
    where = tmp_path_factory.mktemp("tower") / "image_tower"
    preprocessing = scans(folder).preprocessing
    model = AttributeNetwork(IMAGE, network_shape(preprocessing), ATTRIBUTES)
    more = {"name": "slabs", "license": "Apache-2.0", "provenance": card().provenance}
    save_image_tower(where, model, ImageTowerCard(preprocessing=preprocessing, **more))
    return where


def module(folder, *, text="none", **settings) -> ReportGenerationModule:
    values = {"train": "all", "decoder": SMALL, "writing": WRITING, "optimizer": OPTIMIZER}
    if not {"generator_from", "prompt"} & set(settings):
        values["prompt"] = PROMPT
    built = ReportGenerationModule(**values | settings)
    built.trainer = FakeTrainer(scans(folder, text=text))
    built.configure_model()
    built.log = lambda *args, **more: None
    return built


def batch_of(built):
    return next(iter(built.scans.loader("train")))


def save_generator(folder, where, **more) -> Path:
    preprocessing = more.pop("preprocessing", scans(folder).preprocessing)
    model = generator()
    if more.get("lora"):
        model.decoder.add_lora(more["lora"])
    save_report_generator(where, model, card(preprocessing=preprocessing, **more))
    return where


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "neither of model.image_from and model.generator_from"),
        ({"image_from": Path("a"), "generator_from": Path("b")}, "both of model.image_from"),
        ({"image_from": Path("a"), "text_from": "b"}, "both of model.decoder.sizes"),
        ({"image_from": Path("a"), "decoder": RELEASE}, "neither of model.decoder.sizes"),
        ({"generator_from": Path("a")}, "model.decoder.sizes is set beside"),
        ({"generator_from": Path("a"), "decoder": RELEASE, "prompt": PROMPT}, "model.prompt is"),
        ({"image_from": Path("a"), "train": "lora"}, "model.train='lora', and model.decoder.lora"),
        (
            {"image_from": Path("a"), "decoder": SMALL.model_copy(update={"lora": LORA})},
            "model.train='all', and model.decoder.lora",
        ),
    ],
)
def test_settings__must_go_together(settings, why):
    values = {"train": "all", "decoder": SMALL, "optimizer": OPTIMIZER} | settings
    with pytest.raises(ConfigError, match=f"MV1002: .*{why}"):
        ReportGenerationModule(**values)


def test_settings__must_fit_the_data_and_the_language_model(folder, tower):
    with pytest.raises(UsageError, match=r"MV1002: data.text='tokens' would have no effect"):
        module(folder, text="tokens", image_from=tower)
    longer = WritingSettings(max_tokens=90)
    with pytest.raises(UsageError, match=r"MV1002: a prompt of \d+ tokens .* are more than"):
        module(folder, image_from=tower, writing=longer)


def test_crops__without_a_report_are_refused(folder, tower):
    built = ReportGenerationModule(
        train="all", decoder=SMALL, writing=WRITING, optimizer=OPTIMIZER, image_from=tower
    )
    data = scans(folder)
    first, *rest = data.manifest.splits["validation"]
    data.manifest.splits["validation"] = (replace(first, report=" "), *rest)
    built.trainer = FakeTrainer(data)
    with pytest.raises(DataError, match=rf"MV1780: 1 of 40 crops .* {first.sample_id}"):
        built.configure_model()


def test_step__is_the_mean_over_all_tokens_of_the_reports(folder, tower):
    built = module(folder, image_from=tower)
    batch = batch_of(built)
    total = built.training_step(batch, 0)
    network, voxels = built.network(), built._voxels(batch)
    sums, count = 0.0, 0
    for row, name in enumerate(batch.sample_id):
        with torch.no_grad():
            logits, tokens = network.report_logits(voxels[row : row + 1], [built._tokens[name]])
        sums += float(torch.nn.functional.cross_entropy(logits, tokens, reduction="sum"))
        count += len(tokens)
        assert int(tokens[-1]) == network.tokenizer.end_id
    assert float(total.detach()) == pytest.approx(sums / count, abs=1e-5)


def test_release__is_read_and_named_unless_it_is_changed(folder, tower, tmp_path):
    write_release(tmp_path / "mistral")
    more = {"image_from": tower, "decoder": RELEASE, "text_from": str(tmp_path / "mistral")}
    rests, learns = (module(folder, train=part, **more) for part in ("projection", "all"))
    assert (rests.release, learns.release) == ("mistral", None)
    given, kept = generator().decoder.network.state_dict(), rests.network().decoder_state()
    assert all(torch.equal(given[name], tensor) for name, tensor in kept.items())
    assert {n for n, p in rests.named_parameters() if p.requires_grad} == {
        "generator.projection.weight",
        "generator.projection.bias",
    }


def test_lora__has_a_learning_rate_of_its_own(folder, tower):
    rates = (RateSettings(pattern="projection.*", learning_rate=5e-4),)
    built = module(
        folder,
        train="lora",
        image_from=tower,
        decoder=SMALL.model_copy(update={"lora": LORA}),
        optimizer=OptimizerSettings(learning_rate=2e-6, rates=rates),
    )
    chosen = built.configure_optimizers()
    optimizer = chosen["optimizer"] if isinstance(chosen, dict) else chosen[0][0]
    sizes = {}
    for group in optimizer.param_groups:
        sizes[group["initial_lr"]] = sizes.get(group["initial_lr"], 0) + len(group["params"])
    assert sizes == {5e-4: 2, 2e-6: 4}


def test_generator__goes_on_as_it_was(folder, tmp_path):
    where = save_generator(folder, tmp_path / "kept")
    built = module(folder, generator_from=where, decoder=RELEASE)
    state = generator().state_dict()
    assert all(torch.equal(state[n], t) for n, t in built.network().state_dict().items())
    assert built.generator_origin.name == "tiny writer"


def test_generator__with_other_lora_or_other_boxes_is_refused(folder, tmp_path):
    where = save_generator(folder, tmp_path / "lora", lora=LORA)
    with pytest.raises(ModelError, match=r"MV1783: .* has LoRA"):
        module(folder, generator_from=where, decoder=RELEASE)
    other = LORA.model_copy(update={"rank": 3})
    for lora in (other, LORA):
        settings = {"train": "lora", "decoder": RELEASE.model_copy(update={"lora": lora})}
        if lora == LORA:
            assert len(module(folder, generator_from=where, **settings).network().adapter_state())
            continue
        with pytest.raises(ModelError, match="MV1783"):
            module(folder, generator_from=where, **settings)
    boxes = replace(scans(folder).preprocessing, window_hu=(-100.0, 300.0))
    where = save_generator(folder, tmp_path / "boxes", preprocessing=boxes)
    with pytest.raises(ModelError, match=r"MV1735: .* boxes made in another way"):
        module(folder, generator_from=where, decoder=RELEASE)


@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_config__parses_and_says_what_was_published(path):
    built = build(["fit", f"--config={path}"]).model
    assert isinstance(built, ReportGenerationModule)
    if "full" not in path.stem:
        return
    assert built.writing == WritingSettings()
    lora = built.decoder_settings.lora
    assert (lora is not None) == (built.train_part == "lora") == path.stem.endswith("lora")
    if lora is not None:
        assert (lora.rank, lora.alpha, lora.dropout) == (4, 4, 0.2)
        assert lora.layers == ("q_proj", "v_proj")
