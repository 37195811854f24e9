"""Runs on reports from the command line: both phases, both towers, what is left and taken up."""

import json

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError, OutputError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.decoder_folder import DECODER_FILE, load_decoder
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes, build_decoder
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.text_embedder import load_text_embedder
from medvlp.models.text_tower import load_text_tower, take_text_tower
from medvlp.training.cli import build, main
from medvlp.training.report_text_run import SaveReportText
from medvlp.training.run import RunSettings
from tests.data.report_files import phantom_rows, write_reports
from tests.models.test_decoder_folder import TOKENIZER
from tests.training.conftest import CONFIGS

SMALL, SMALL_SIMCSE = (
    CONFIGS / "renalclip" / f"report_text_small{x}.yaml" for x in ("", "_simcse")
)
FULL, FULL_SIMCSE = (CONFIGS / "renalclip" / f"report_text_full{x}.yaml" for x in ("", "_simcse"))
COMMON = [
    "--run.wandb=off",
    "--run.progress=false",
    "--trainer.max_steps=2",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
]
TINY = ["--model.text.width=16", "--model.text.layers=1", "--model.text.feedforward=32"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_reports(tmp_path_factory.mktemp("reports") / "reports.csv", 20)


@pytest.fixture(scope="module")
def mlm(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlm") / "run"
    assert main(small(SMALL, table, folder)) == 0
    return folder


def small(config, table, folder, *more) -> list[str]:
    arguments = ["fit", f"--config={config}", f"--data.source.file={table}", *COMMON, *TINY]
    return [*arguments, "--data.batch_size=8", f"--run.folder={folder}", *more]


def after(tower) -> list[str]:
    return [f"--model.text_from={tower}", f"--data.tokenizer.file={tower / 'tokenizer.json'}"]


def test_small__names_tokens_then_goes_on_with_simcse_where_it_stopped(mlm, table, tmp_path):
    left = sorted(path.name for path in mlm.iterdir())
    assert left == ["config.yaml", "logs", "state", "text_tower"]
    header = (mlm / "logs" / "metrics.csv").read_text().splitlines()[0]
    assert {"train/accuracy", "train/perplexity"} <= set(header.split(","))
    first, more = load_text_tower(mlm / "text_tower"), after(mlm / "text_tower")
    assert first.meta.provenance.notes == ("Trained on reports, phase mlm.",)
    assert str(table.parent) not in (mlm / "text_tower" / "text_tower.json").read_text()
    still = ["--model.optimizer.learning_rate=1e-30", "--model.optimizer.weight_decay=0"]
    again = tmp_path / "again"
    assert main(small(SMALL_SIMCSE, table, again, *more, *still)) == 0
    second = load_text_tower(again / "text_tower")
    state = second.model.state_dict()
    assert all((state[k] - v).abs().max() < 1e-20 for k, v in first.model.state_dict().items())
    assert second.meta.provenance.notes == (
        "Trained on reports, phase simcse.",
        "Began with the text tower 'report-text-mlm'.",
        "Trained on reports, phase mlm.",
    )
    with pytest.raises(OutputError, match="MV1704"):
        main(small(SMALL, table, mlm))
    with pytest.raises(ModelError, match="MV2043"):
        main(
            small(
                SMALL_SIMCSE, table, tmp_path / "other", more[0], "--data.tokenizer.vocab_size=99"
            )
        )


def test_small__leaves_a_tower_that_the_next_stage_takes_bit_for_bit(mlm):
    source = load_text_tower(mlm / "text_tower")
    image = ImageTowerSettings(architecture="test_vit", img_size=32)
    settings = DualEncoderSettings(image=image, text=source.meta.settings, embed_dim=128)
    model = DualEncoder(settings, source.meta.vocab_size, seed=9)
    take_text_tower(model, source, source.tokenizer, "stage 1")
    texts = [row["report"] for row in phantom_rows(3)]
    tokens = source.tokenizer.encode(texts, 128)
    with torch.no_grad():
        ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
        taken = torch.nn.functional.normalize(model.eval().project_text(ids, mask), dim=1)
    actual = load_text_embedder(str(mlm / "text_tower")).embed(texts)
    np.testing.assert_allclose(actual, taken.numpy(), atol=1e-6)


def test_full__trains_lora_of_a_release_and_both_phases_leave_decoders(table, tmp_path):
    release = tmp_path / "llama"
    release.mkdir()
    sizes = DecoderSizes(width=16, layers=1, heads=2, kv_heads=1, feedforward=32)
    settings = DecoderSettings(max_tokens=64)
    network = build_decoder(sizes, TOKENIZER.vocab_size, settings, 0).network
    network.save_pretrained(release)
    (release / "tokenizer.json").write_text(TOKENIZER.to_json())
    fewer = ["--data.batch_size=4", "--data.max_tokens=48", "--data.num_workers=0"]
    fewer += ["--trainer.precision=32-true", "--trainer.accumulate_grad_batches=1"]

    def arguments(config, begin, folder):
        words = ["fit", f"--config={config}", f"--data.source.file={table}", *COMMON, *fewer]
        words += ["--data.source.findings=null", "--data.source.impression=null"]
        return [*words, f"--run.folder={folder}", *after(begin)]

    assert main(arguments(FULL, release, tmp_path / "mntp")) == 0
    first = tmp_path / "mntp" / "text_tower"
    loaded = load_decoder(first)
    assert loaded.meta.provenance.notes[1] == "Began with the language model 'llama'."
    assert loaded.meta.max_tokens == 48
    assert main(arguments(FULL_SIMCSE, first, tmp_path / "simcse")) == 0
    meta = json.loads((tmp_path / "simcse" / "text_tower" / DECODER_FILE).read_text())
    assert "Trained on reports, phase mlm." in meta["provenance"]["notes"]
    assert str(tmp_path) not in json.dumps(meta)
    texts = [row["report"] for row in phantom_rows(2)]
    bare, after_one, after_two = (
        load_text_embedder(str(folder)).embed(texts)
        for folder in (release, first, tmp_path / "simcse" / "text_tower")
    )
    assert bare.shape == after_two.shape == (4, 16)
    assert np.abs(after_one - after_two).max() > 0


def test_full__has_the_published_settings():
    mntp, simcse = (build(["fit", f"--config={path}"]) for path in (FULL, FULL_SIMCSE))
    assert (mntp.model.phase, simcse.model.phase) == ("mlm", "simcse")
    assert mntp.datamodule._masking.rate == 0.2
    assert simcse.model._logit_scale == 20.0
    assert simcse.model._identical == "negatives"
    for built, steps in ((mntp, 1000), (simcse, 1000)):
        assert built.model._decoder.lora.rank == 16
        assert built.trainer.max_steps == steps
    assert simcse.model._decoder.dropout == 0.3


def test_small__has_a_tower_that_alignment_takes():
    mlm, simcse = (build(["fit", f"--config={path}"]).model for path in (SMALL, SMALL_SIMCSE))
    assert mlm._settings == simcse._settings
    assert isinstance(mlm._settings, TextTowerSettings)
    assert mlm._embed_dim == simcse._embed_dim


def test_save_report_text__passes_over_other_modules(tmp_path):
    settings = RunSettings(folder=tmp_path, name="x", license="Apache-2.0")
    SaveReportText(settings, {}).write(torch.nn.Identity())
    assert list(tmp_path.iterdir()) == []
