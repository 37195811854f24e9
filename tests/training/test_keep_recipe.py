"""The two stages of KEEP as their files say, with small towers: what rests, learns, is kept."""

import json
import math

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.errors import DataError, ModelError
from medvlp.knowledge.store import write_graph
from medvlp.losses.groups import semantic_group_loss
from medvlp.losses.relations import PairRelation
from medvlp.models.bundle import load_bundle
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.text_tower import load_text_tower
from medvlp.training.cli import build, main
from medvlp.training.quiet import quiet_libraries
from tests.training.conftest import CONFIGS, striped_tile
from tests.training.knowledge_texts import ORGANS, cancer_graph

STAGE1, STAGE2 = CONFIGS / "keep" / "stage1.yaml", CONFIGS / "keep" / "stage2_vitl16.yaml"
TEXT = {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "max_tokens": 24, "positions": 24}
CPU = ["--trainer.accelerator=cpu", "--run.wandb=off", "--run.progress=false"]


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory):
    graph = cancer_graph(holds_umls=True)
    return write_graph(graph, tmp_path_factory.mktemp("graph") / "graph.parquet")


def records(**changes):
    rng = np.random.default_rng(0)
    for index in range(40):
        group = index % 10
        labels = (f"X:{group % 8 + 1}",) if group < 8 else (("X:0",), ("normal",))[group - 8]
        record = {
            "sample_id": f"tile_{index:03d}",
            "image": striped_tile(group % 3, rng),
            "captions": (f"a section of {ORGANS[group % 8]}", "a tile"),
            "group_id": group,
            "concept_ids": labels,
        }
        yield PairRecord(**{**record, **changes.get(record["sample_id"], {})})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs") / "pairs"
    write_pairs(folder, records(), modality="slide", mpp=0.5, tile_px=32, encoding="png")
    return folder


@pytest.fixture(scope="module")
def stage1(graph_file, pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage1") / "run"
    arguments = ["fit", f"--config={STAGE1}", f"--data.graph={graph_file}", *CPU]
    arguments += [f"--run.folder={folder}", f"--data.captions_of={pairs}", "--model.embed_dim=16"]
    arguments += [f"--model.text.{name}={value}" for name, value in TEXT.items()]
    arguments += ["--data.groups.groups_per_batch=4", "--data.groups.samples_per_group=4"]
    arguments += [
        "--data.max_tokens=24",
        "--data.tokenizer.vocab_size=200",
        "--trainer.max_epochs=2",
    ]
    arguments += ["--data.num_workers=0", "--data.validation_share=0.2"]
    assert main([*arguments, "--trainer.log_every_n_steps=1"]) == 0
    return folder


def stage2_arguments(stage1, graph_file, pairs, folder):
    tower = stage1 / "text_tower"
    arguments = ["fit", f"--config={STAGE2}", f"--data.graph={graph_file}", *CPU]
    arguments += [f"--run.folder={folder}", f"--data.folder={pairs}"]
    arguments += [f"--model.text_from={tower}", f"--data.tokenizer.file={tower / 'tokenizer.json'}"]
    arguments += [f"--model.encoder.text.{name}={value}" for name, value in TEXT.items()]
    arguments += ["--model.encoder.image.architecture=test_vit", "--model.encoder.embed_dim=16"]
    arguments += ["--model.encoder.image.img_size=32", "--data.inputs.input_px=32"]
    arguments += ["--data.inputs.resize_px=36", "--data.max_tokens=24", "--data.num_workers=0"]
    arguments += ["--data.batch_size=8", "--data.groups.groups_per_batch=4"]
    arguments += ["--data.groups.samples_per_group=2", "--trainer.max_epochs=3"]
    return arguments


class Recorder(Callback):
    """Keeps weights as epochs end, and the learning rate of every step."""

    def __init__(self):
        self.states: list[dict[str, torch.Tensor]] = []
        self.rates: list[float] = []
        self.steps_of_epoch: list[int] = []

    def keep(self, module):
        state = module.dual_encoder.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})

    def on_train_start(self, trainer, pl_module):
        self.keep(pl_module)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rates = {group["lr"] for group in trainer.optimizers[0].param_groups}
        assert len(rates) == 1
        self.rates.append(rates.pop())

    def on_train_epoch_end(self, trainer, pl_module):
        self.steps_of_epoch.append(trainer.global_step)
        self.keep(pl_module)


@pytest.fixture(scope="module")
def trained(stage1, graph_file, pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage2") / "run"
    built = build(stage2_arguments(stage1, graph_file, pairs, folder))
    recorder = Recorder()
    built.trainer.callbacks.append(recorder)
    with quiet_libraries():
        built.trainer.fit(built.model, datamodule=built.datamodule)
    return folder, recorder


def changed(before, after) -> set[str]:
    return {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}


def test_stage1__leaves_a_text_tower_that_tells_where_it_comes_from(stage1, tmp_path):
    loaded = load_text_tower(stage1 / "text_tower")
    provenance = loaded.meta.provenance
    assert provenance.holds_umls
    assert provenance.notes[0].startswith("Knowledge graph with content sha256")
    assert provenance.settings["model"]["variant"] == "adasp"
    assert "section" in loaded.tokenizer.vocabulary
    text = (stage1 / "text_tower" / "text_tower.json").read_text()
    assert str(stage1.parent.parent) not in text
    header = (stage1 / "logs" / "metrics.csv").read_text().splitlines()[0]
    assert "validation/mean_ap" in header
    assert "train/alpha" in header
    found = sorted(path.name for path in stage1.iterdir())
    assert found == ["config.yaml", "logs", "state", "text_tower"]


def test_stage2__begins_with_the_weights_of_stage_1_bit_for_bit(trained, stage1):
    _, recorder = trained
    saved = load_file(stage1 / "text_tower" / "model.safetensors")
    taken = {n: v for n, v in recorder.states[0].items() if n.startswith("text_")}
    assert taken.keys() == saved.keys()
    assert all(torch.equal(saved[name], value) for name, value in taken.items())


def test_stage2__lets_towers_rest_in_the_first_epoch_only(trained):
    _, recorder = trained
    start, first, second, _ = recorder.states
    assert changed(start, first) == {"image_projection", "logit_scale"}
    assert changed(first, second) == {
        "image_tower",
        "text_tower",
        "image_projection",
        "logit_scale",
    }


def test_stage2__warms_up_for_exactly_one_epoch_then_falls_to_zero(trained):
    _, recorder = trained
    per_epoch = recorder.steps_of_epoch[0]
    assert recorder.steps_of_epoch == [per_epoch, 2 * per_epoch, 3 * per_epoch]
    expected = [(step + 1) / per_epoch for step in range(per_epoch)]
    left = 2 * per_epoch
    expected += [0.5 * (1 + math.cos(math.pi * step / (left - 1))) for step in range(left)]
    assert recorder.rates == pytest.approx([1e-5 * factor for factor in expected], abs=1e-15)
    assert recorder.rates[per_epoch - 1] == 1e-5
    assert recorder.rates[-1] == 0.0


def test_stage2__begins_at_ln_25_and_keeps_what_it_must_tell_of(trained):
    folder, recorder = trained
    assert recorder.states[0]["logit_scale"].item() == pytest.approx(math.log(25), abs=1e-6)
    bundle = load_bundle(folder / "bundle")
    assert bundle.meta.provenance.holds_umls
    assert bundle.meta.architecture.text.pooling == "pooler"
    text = (folder / "bundle" / "medvlp.json").read_text()
    assert str(folder.parent.parent) not in text
    assert (
        json.loads(text)["provenance"]["notes"][1]
        == "Began with the text tower 'keep-knowledge-encoder'."
    )


def test_stage2__loss_leaves_out_what_the_graph_relates(
    stage1, graph_file, pairs, tmp_path, monkeypatch
):
    built = build(stage2_arguments(stage1, graph_file, pairs, tmp_path / "run"))
    module, data = built.model, built.datamodule
    monkeypatch.setattr(type(module), "trainer", FakeTrainer(data))
    monkeypatch.setattr(type(module), "log", lambda *args, **kwargs: None)
    module.configure_model()
    module.eval()
    data.setup("fit")
    cancer = next(
        b for b in data.train_dataloader() if 8 in b.group_id
    )  # group 8: above all organs
    actual = module.training_step(cancer, 0)
    outputs = module._outputs(cancer)
    ignored = (cancer.group_id == 8)[:, None] | (cancer.group_id == 8)
    is_normal = cancer.group_id == 9
    ignored &= ~(is_normal[:, None] | is_normal)
    plain = PairRelation(group=cancer.group_id)
    parts = (outputs.image, outputs.text, outputs.logit_scale)
    assert actual < semantic_group_loss(*parts, plain).total - 1e-3
    z = (outputs.logit_scale * outputs.image @ outputs.text.T).double()
    group = cancer.group_id
    usable = (group[:, None] != group) & ~ignored

    def one_way(z):
        losses = []
        for g in group.unique():
            own = group == g
            positive = torch.logsumexp(-torch.logsumexp(-z[own][:, own], 1), 0)
            negatives = z[usable & own[:, None]]
            losses.append(torch.nn.functional.softplus(torch.logsumexp(negatives, 0) - positive))
        return torch.stack(losses).mean()

    expected = (one_way(z) + one_way(z.T)) / 2
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=0)


class FakeTrainer:
    world_size = 1
    global_rank = 0

    def __init__(self, datamodule):
        self.datamodule = datamodule


def test_stage2__has_the_published_layout():
    built = build(["fit", f"--config={STAGE2}"])
    with torch.device("meta"):
        model = DualEncoder(built.model._settings, vocab_size=30522)
    assert sum(parameter.numel() for parameter in model.parameters()) == 414_210_817
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["image_tower.pos_embed"] == (1, 197, 1024)
    assert shapes["image_tower.blocks.23.ls2.gamma"] == (1024,)
    assert shapes["image_projection.0.weight"] == (768, 1024)
    assert shapes["text_tower.bert.pooler.dense.weight"] == (768, 768)


def test_stage1__has_the_published_batches():
    built = build(["fit", f"--config={STAGE1}"])
    groups = built.datamodule._groups
    assert (groups.groups_per_batch, groups.samples_per_group) == (32, 8)
    assert float(built.model.temperature().detach()) == pytest.approx(25.0)
    assert not built.model.temperature.log_scale.requires_grad


def test_stage2__refuses_another_tokenizer_than_that_of_stage_1(
    stage1, graph_file, pairs, tmp_path
):
    arguments = stage2_arguments(stage1, graph_file, pairs, tmp_path / "run")
    arguments += ["--data.tokenizer.file=null", "--data.tokenizer.vocab_size=100"]
    with pytest.raises(ModelError, match=r"MV2043: .* expected data.tokenizer.file: .*text_tower"):
        main(arguments)


def test_stage2__refuses_a_group_whose_members_have_different_concepts(
    stage1, graph_file, tmp_path
):
    mixed = records(tile_010={"concept_ids": ("X:1", "X:2")})
    write_pairs(tmp_path / "mixed", mixed, modality="slide", mpp=0.5, tile_px=32)
    arguments = stage2_arguments(stage1, graph_file, tmp_path / "mixed", tmp_path / "run")
    with pytest.raises(DataError, match=r"MV1776: 1 of 10 groups .* group 0: X:1, X:1\+X:2"):
        main(arguments)
