"""Naming hidden tokens and SimCSE: losses by hand, real steps, and what does not go together."""

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from medvlp.data.batch import TextTokens
from medvlp.data.masking import MaskingSettings
from medvlp.data.modules import TokenizerSettings
from medvlp.data.report_batch import ShuffledReports
from medvlp.data.report_table import ReportSource
from medvlp.errors import ConfigError, ModelError, UsageError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes, LoraSettings
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.quiet import quiet_libraries
from medvlp.training.report_data import ReportsDataModule
from medvlp.training.report_text import ReportTextModule, simcse_loss
from tests.data.report_files import write_reports

BERT = TextTowerSettings(
    width=32, layers=1, heads=2, feedforward=64, max_tokens=96, dropout=0.1, projection="none"
)
SIZES = DecoderSizes(width=32, layers=1, heads=2, kv_heads=1, feedforward=64)
DECODER = DecoderSettings(sizes=SIZES, max_tokens=96, dropout=0.2)
LORA = DECODER.model_copy(update={"lora": LoraSettings(rank=4, alpha=8)})


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_reports(tmp_path_factory.mktemp("reports") / "reports.csv", 30)


def reports(table, **more) -> ReportsDataModule:
    settings = {"batch_size": 8, "tokenizer": TokenizerSettings(vocab_size=250), "max_tokens": 96}
    return ReportsDataModule(
        source=ReportSource(file=table), validation_share=0.3, **settings | more
    )


class Losses(pl.Callback):
    def __init__(self):
        self.values: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


def train(module, data, steps: int) -> tuple[list[float], dict[str, float]]:
    losses = Losses()
    with quiet_libraries(), pl.utilities.seed.isolate_rng():
        pl.seed_everything(0, verbose=False)
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_steps=steps,
            max_epochs=-1,
            logger=False,
            callbacks=[losses],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
    return losses.values, {k: float(v) for k, v in trainer.callback_metrics.items()}


def build(phase: str, rate: float = 0.003, **more) -> ReportTextModule:
    return ReportTextModule(phase=phase, optimizer=OptimizerSettings(learning_rate=rate), **more)


@pytest.mark.parametrize("tower", [{"text": BERT}, {"decoder": DECODER}], ids=["bert", "decoder"])
def test_mlm__learns_to_name_hidden_tokens_of_reports(table, tower):
    losses, scores = train(build("mlm", **tower), reports(table), 60)
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 0.8
    assert scores["validation/perplexity"] == pytest.approx(np.exp(scores["validation/loss"]))
    assert scores["validation/perplexity"] < 150  # of 250 pieces
    assert 0 < scores["validation/accuracy"] < 1


@pytest.mark.parametrize("tower", [{"text": BERT}, {"decoder": LORA}], ids=["bert", "lora"])
def test_simcse__draws_reports_apart_and_keeps_each_with_itself(table, tower):
    losses, scores = train(build("simcse", **tower), reports(table), 30)
    assert np.mean(losses[-5:]) < np.mean(losses[:3]) - 0.1
    assert {f"validation/{n}" for n in ("alignment", "uniformity", "mean_ap", "cmc_1")} <= set(
        scores
    )
    assert scores["validation/uniformity"] < 0


def test_lora__leaves_the_decoder_as_it_was_until_it_is_merged(table):
    module = build("mlm", decoder=LORA)
    plain = build("mlm", decoder=DECODER)
    train(module, reports(table), 3)
    train(plain, reports(table), 0)
    before = plain.tower.network.state_dict()
    after = {k.replace(".base_layer", ""): v for k, v in module.tower.network.state_dict().items()}
    assert all(torch.equal(after[name], value) for name, value in before.items())
    module.tower.merge_lora()
    merged = module.tower.network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(merged[name], value)}
    assert changed == {n for n in before if "_proj" in n}


def test_checkpointing__changes_no_step(table):
    still = DECODER.model_copy(update={"dropout": 0.0})
    kept, again = (
        build("mlm", decoder=still.model_copy(update={"checkpointing": on})) for on in (False, True)
    )
    losses = [train(module, reports(table), 3)[0] for module in (kept, again)]
    assert again.tower.network.model.layers[0].gradient_checkpointing
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_simcse_loss__is_the_cross_entropy_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.nn.functional.normalize(
            torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=1
        )
        for _ in range(2)
    )
    text_id = torch.tensor([0, 1, 2, 0, 3])  # the first and the fourth say the same
    same = (text_id[:, None] == text_id) & ~torch.eye(5, dtype=torch.bool)
    z = 20.0 * first @ second.T

    def one_way(z: torch.Tensor, identical: str) -> float:
        losses = []
        for i in range(5):
            columns = [j for j in range(5) if not (identical == "ignored" and same[i, j])]
            total = torch.logsumexp(z[i, columns], 0)
            own = [i, *([j for j in range(5) if same[i, j]] if identical == "positives" else [])]
            losses.append(float(total - z[i, own].mean()))
        return sum(losses) / 5

    values = {}
    for identical in ("positives", "ignored", "negatives"):
        expected = (one_way(z, identical) + one_way(z.T, identical)) / 2
        report = simcse_loss(first, second, text_id, logit_scale=20.0, identical=identical)
        values[identical] = float(report.total)
        assert values[identical] == pytest.approx(expected, rel=1e-12)
    assert len(set(values.values())) == 3


def test_training_step__embeds_a_report_twice_under_other_dropout(table, monkeypatch):
    module, data = build("simcse", text=BERT), reports(table)
    train(module, data, 0)
    batch = next(iter(data.train_dataloader()))
    monkeypatch.setattr(ReportTextModule, "log", lambda *args, **kwargs: None)
    module.train()
    torch.manual_seed(5)
    actual = module.training_step(batch, 1)
    torch.manual_seed(5)
    first, second = (module.tower(batch.text.ids, batch.text.mask) for _ in range(2))
    assert not torch.equal(first, second)
    expected = simcse_loss(
        first, second, batch.text_id, logit_scale=20.0, identical="positives"
    ).total
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_training_step__takes_shuffled_sentences_as_second_view_where_asked_to(table, monkeypatch):
    module, data = build("simcse", text=BERT), reports(table, second_view="shuffled")
    train(module, data, 0)
    batch = next(iter(data.train_dataloader()))
    monkeypatch.setattr(ReportTextModule, "log", lambda *args, **kwargs: None)
    module.eval()
    views = [module.tower(t.ids, t.mask) for t in (batch.text, batch.shuffled)]
    assert not torch.equal(*views)
    expected = simcse_loss(*views, batch.text_id, logit_scale=20.0, identical="positives").total
    torch.testing.assert_close(module.training_step(batch, 1), expected, rtol=0, atol=0)


def test_validation__finds_reports_by_their_shuffled_sentences(table, monkeypatch):
    module = build("simcse", text=BERT)
    logged: dict[str, float] = {}
    monkeypatch.setattr(
        ReportTextModule, "log", lambda self, name, value, **_: logged.update({name: value})
    )
    eye = torch.eye(4)
    views = iter([eye[[0, 1, 2]], eye[[0, 2, 2]]])  # the second report is found as the third
    module.tower = lambda ids, mask: next(views)
    tokens = TextTokens(ids=torch.zeros(3, 1).long(), mask=torch.ones(3, 1).bool())
    module.validation_step(
        ShuffledReports(
            text=tokens,
            shuffled=tokens,
            text_id=torch.tensor([0, 1, 2]),
            sample_id=torch.tensor([0, 1, 2]),
            is_changed=torch.tensor([True, True, False]),
        ),
        0,
    )
    module.validation_step(None, 1)
    module.on_validation_epoch_end()
    assert logged["validation/cmc_1"] == 0.5
    assert logged["validation/alignment"] == pytest.approx(1.0)  # 0 and 2
    assert logged["validation/uniformity"] == pytest.approx(-4.0)  # all at squared distance 2
    logged.clear()
    module.on_validation_epoch_end()
    assert logged == {}


def test_module__refuses_settings_that_do_not_go_together(table):
    for more, words in (
        ({}, "neither of model.text and model.decoder"),
        ({"text": BERT, "decoder": DECODER}, "both of model.text and model.decoder"),
        ({"decoder": DecoderSettings()}, "neither of model.decoder.sizes and model.text_from"),
        ({"decoder": DECODER, "text_from": "x"}, "both of model.decoder.sizes and"),
        ({"decoder": DECODER, "embed_dim": 3}, "model.embed_dim is set, and would have no effect"),
        ({"text": BERT, "logit_scale": 0.5}, "logit_scale=0.5 is not valid"),
        ({"text": BERT.model_copy(update={"dropout": 0.0})}, "simcse without dropout"),
    ):
        with pytest.raises(ConfigError, match=words):
            build("simcse", **more)
    build("mlm", text=BERT.model_copy(update={"dropout": 0.0}))
    with pytest.raises(UsageError, match=r"max_tokens=97 .* at most model.text.max_tokens=96"):
        train(build("mlm", text=BERT), reports(table, max_tokens=97), 1)
    with pytest.raises(ConfigError, match=r"mask_piece='_' is no piece"):
        train(build("mlm", text=BERT), reports(table, masking=MaskingSettings(mask_piece="_")), 1)
    with pytest.raises(ModelError, match="MV1401"):
        train(build("mlm", decoder=DecoderSettings(), text_from="nowhere"), reports(table), 1)
