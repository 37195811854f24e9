"""Report generation from the command line: all, the projection, then LoRA; and what is left."""

import json

import pytest
import torch

from medvlp.errors import OutputError
from medvlp.models.report_generator_folder import load_report_generator
from medvlp.models.volume.tower_folder import load_image_tower
from medvlp.models.volume.volume_encoder import window_volume
from medvlp.training.cli import main
from medvlp.training.report_generation_run import SaveReportGenerator
from medvlp.training.run import RunSettings
from tests.training.conftest import CONFIGS
from tests.training.scan_folders import REPORTS, scans, write_crops_folder

CONFIG = CONFIGS / "renalclip" / "report_generation_small.yaml"
COMMON = (
    *("--run.wandb=off", "--run.progress=false", "--data.batch_size=14", "--data.augment=null"),
    *("--trainer.log_every_n_steps=1", "--model.judged_reports=6"),
)
TINY = (
    *("--model.decoder.sizes.width=32", "--model.decoder.sizes.layers=1"),
    *("--model.decoder.sizes.heads=2", "--model.decoder.sizes.feedforward=64"),
    *("--model.decoder.max_tokens=96", "--model.writing.max_tokens=48"),
)
ON = (
    *("--model.decoder.sizes=null", "--model.prompt=null", "--model.image_from=null"),
    *("--model.decoder.max_tokens=96", "--model.writing.max_tokens=48"),
)
LORA = (
    *("--model.train=lora", "--model.decoder.lora.rank=4", "--model.decoder.lora.alpha=4"),
    *("--model.decoder.lora.dropout=0.2", "--model.decoder.lora.layers=[q_proj,v_proj]"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crops_folder(tmp_path_factory.mktemp("crops") / "scans")


@pytest.fixture(scope="module")
def tower(folder, tmp_path_factory):
    """A network that learned attributes of crops."""
    out = tmp_path_factory.mktemp("tower") / "run"
    config = CONFIGS / "renalclip" / "attributes_small.yaml"
    arguments = ["fit", f"--config={config}", f"--data.folder={folder}", f"--run.folder={out}"]
    size = ("--model.image.width=4", "--model.image.depth=10", "--trainer.max_epochs=15")
    assert main([*arguments, *COMMON[:-1], *size]) == 0
    return out / "image_tower"


def train(folder, out, *more: str) -> None:
    arguments = ["fit", f"--config={CONFIG}", f"--data.folder={folder}", f"--run.folder={out}"]
    assert main([*arguments, *COMMON, *more]) == 0


@pytest.fixture(scope="module")
def first(folder, tower, tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "run"
    more = ("--trainer.max_epochs=60", "--model.optimizer.learning_rate=0.005")
    train(folder, out, *TINY, f"--model.image_from={tower}", *more)
    return out


def metrics(run) -> list[dict[str, str]]:
    header, *rows = (run / "logs" / "metrics.csv").read_text().splitlines()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def last_of(run, name: str) -> float:
    return logged(run, name)[-1]


def logged(run, name: str) -> list[float]:
    return [float(row[name]) for row in metrics(run) if row.get(name)]


def state(folder) -> dict[str, torch.Tensor]:
    return load_report_generator(folder)[0].state_dict()


def test_run__learns_to_write_the_reports_of_crops_never_seen(folder, first):
    losses = logged(first, "train/loss")
    assert losses[-1] < 0.1 * losses[0]
    assert logged(first, "validation/image_gain")[-1] > 0.05
    assert logged(first, "validation/attribute_f1")[-1] > 0.8
    assert logged(first, "validation/unreadable")[-1] == 0.0
    model, meta = load_report_generator(first / "report_generator")
    assert meta.name == "renalclip-report-generation-small"
    assert "Began with the image tower 'renalclip-attributes-small'." in meta.provenance.notes
    data = scans(folder)
    batch = next(iter(data.loader("validation")))
    texts = model.write_reports(window_volume(batch.volume, data.preprocessing), meta.writing)
    assert set(texts) <= set(REPORTS)
    assert len(set(texts)) >= 3


def test_run__leaves_the_network_for_scans_as_given(first, tower):
    given = load_image_tower(tower)[0].volume_tower.state_dict()
    kept = state(first / "report_generator")
    assert all(torch.equal(kept[f"volume_tower.{name}"], tensor) for name, tensor in given.items())


def test_projection_then_lora__change_these_alone_to_the_last_bit(folder, first, tmp_path):
    begun = f"--model.generator_from={first / 'report_generator'}"
    train(folder, tmp_path / "a", *ON, begun, "--model.train=projection", "--trainer.max_steps=2")
    before, after = state(first / "report_generator"), state(tmp_path / "a" / "report_generator")
    assert changed(before, after) == {"projection.weight", "projection.bias"}
    begun = f"--model.generator_from={tmp_path / 'a' / 'report_generator'}"
    train(folder, tmp_path / "b", *ON, begun, *LORA, "--trainer.max_steps=2")
    folders = [tmp_path / name / "report_generator" for name in ("a", "b")]
    files = [json.loads((f / "report_generator.json").read_text())["files"] for f in folders]
    decoder = "decoder/model.safetensors"
    assert files[0][decoder] == files[1][decoder]
    assert set(files[1]) - set(files[0]) == {"adapter.safetensors"}
    _, meta = load_report_generator(folders[1])
    origin = "Began with the report generator 'renalclip-report-generation-small'."
    assert origin in meta.provenance.notes
    lora = load_report_generator(folders[1])[0].adapter_state()
    assert len(lora) == 4
    assert all(tensor.abs().max() > 0 for tensor in lora.values())  # B began at nothing
    assert logged(tmp_path / "b", "validation/loss")[-1] < logged(first, "train/loss")[0]


def changed(before, after) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_run__is_repeatable_to_the_last_bit(folder, tower, tmp_path):
    files = []
    for name in ("one", "two"):
        out = tmp_path / name
        train(folder, out, *TINY, f"--model.image_from={tower}", "--trainer.max_steps=2")
        files.append(json.loads((out / "report_generator/report_generator.json").read_text()))
    assert files[0]["files"] == files[1]["files"]
    assert str(folder) not in json.dumps(files[0])


def test_run__does_not_start_over_a_generator(folder, first):
    with pytest.raises(OutputError, match=r"MV1704: .*report_generator exists"):
        train(folder, first, *TINY)


def test_callback__passes_over_other_modules(tmp_path):
    settings = RunSettings(folder=tmp_path, name="x", license="Apache-2.0")
    SaveReportGenerator(settings, {}).write(object())
    assert list(tmp_path.iterdir()) == []
