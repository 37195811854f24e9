"""Reports in batches: the phase decides what they hold, the seed which and in what order."""

import pytest
import torch

from medvlp.data.masking import MaskingSettings
from medvlp.data.modules import TokenizerSettings
from medvlp.data.report_batch import MaskedReports, ReportBatch, ShuffledReports
from medvlp.data.report_table import ReportSource
from medvlp.errors import ConfigError, DataError, UsageError
from medvlp.text.file_tokenizer import FileTokenizer
from medvlp.training.report_data import ReportsDataModule
from tests.data.report_files import write_reports
from tests.text.test_file_tokenizer import llama_like


@pytest.fixture
def table(tmp_path):
    return write_reports(tmp_path / "reports.csv", 20)


def module(table, **more) -> ReportsDataModule:
    settings = {"batch_size": 4, "tokenizer": TokenizerSettings(vocab_size=200), "seed": 3}
    return ReportsDataModule(source=ReportSource(file=table), **settings | more)


def batches(data, epoch=0) -> list[ReportBatch]:
    data.setup("fit")
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def same(first: list[MaskedReports], second: list[MaskedReports]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(
        torch.equal(a.text.ids, b.text.ids) and torch.equal(a.targets, b.targets) for a, b in pairs
    )


def test_batches__are_the_same_for_a_seed_and_epoch_on_any_number_of_workers(table):
    expected = batches(module(table), epoch=1)
    assert all(isinstance(batch, MaskedReports) and len(batch) == 4 for batch in expected)
    assert same(expected, batches(module(table), epoch=1))
    assert not same(expected, batches(module(table), epoch=2))
    assert not same(expected, batches(module(table, seed=4), epoch=1))


@pytest.mark.slow
def test_batches__are_the_same_from_other_processes(table):
    assert same(batches(module(table)), batches(module(table, num_workers=2)))


def test_phase__decides_what_batches_hold(table):
    data = module(table, validation_share=0.3)
    (first, *_), (held, *_) = data.train_dataloader(), data.val_dataloader()
    assert isinstance(first, MaskedReports)
    assert isinstance(held, MaskedReports)
    again = next(iter(data.val_dataloader()))
    assert torch.equal(held.targets, again.targets)
    data.phase = "simcse"
    assert type(next(iter(data.train_dataloader()))) is ReportBatch
    assert isinstance(next(iter(data.val_dataloader())), ShuffledReports)
    seen = [text for batch in data.val_dataloader() for text in batch.text_id.tolist()]
    assert len(seen) == len(data.parts.validation)


def test_validation__is_left_out_where_nothing_is_held_out(table):
    assert module(table, validation_share=0.0).val_dataloader() == []


def test_tokenizer__is_trained_taken_or_a_decoders(table, tmp_path):
    trained = module(table).tokenizer
    file = tmp_path / "tokenizer.json"
    file.write_text(trained.to_json())
    taken = module(table, tokenizer=TokenizerSettings(file=file)).tokenizer
    assert taken.vocabulary == trained.vocabulary
    file.write_text(llama_like())
    data = module(
        table, tokenizer=TokenizerSettings(file=file), masking=MaskingSettings(mask_piece="_")
    )
    assert isinstance(data.tokenizer, FileTokenizer)
    batch = next(iter(data.train_dataloader()))
    shortest = batch.text.mask.sum(dim=1).argmin()
    assert not batch.text.mask[shortest, 0] or bool(batch.text.mask.all())  # padded on the left


def test_module__refuses_settings_that_do_not_go_together(table):
    for template in ("no place", "{} and {}", "{x} {}"):
        with pytest.raises(UsageError, match=r"data.template=.* one \{\} and no other"):
            module(table, template=template)
    with pytest.raises(UsageError, match=r"validation_share=1 is not valid"):
        module(table, validation_share=1)
    with pytest.raises(DataError, match="MV1751"):
        module(table, batch_size=500).setup("fit")
    data = module(table, masking=MaskingSettings())
    data.phase = "simcse"
    with pytest.raises(ConfigError, match=r"data.second_view is set, .* model.phase=simcse"):
        module(table, second_view="shuffled").train_dataloader()
    with pytest.raises(ConfigError, match=r"data.masking is set, and would have no effect"):
        data.train_dataloader()


@pytest.mark.slow
def test_batches__of_real_reports_hide_the_share_asked_for(real_data):
    source = ReportSource(
        file=real_data / "text" / "ct_rate_reports_nc" / "reports_18labels.csv",
        report="report_text",
    )
    data = ReportsDataModule(
        source=source, batch_size=64, tokenizer=TokenizerSettings(vocab_size=3000), max_tokens=512
    )
    assert len(data.parts.training) + len(data.parts.validation) + data.parts.seen == 700
    hidden, real = 0, 0
    for batch in batches(data):
        hidden += int((batch.targets >= 0).sum())
        real += int(batch.text.mask.sum()) - 2 * len(batch)  # without [CLS] and [SEP]
    assert hidden / real == pytest.approx(0.15, abs=0.002)


def test_data__says_what_it_leaves_out(table, caplog):
    with table.open("a") as file:
        file.write("patient_x,,,\n")
    data = module(table, validation_share=0.4)
    assert data.parts.seen > 0  # normal kidneys of held-out patients
    messages = [record.message for record in caplog.records]
    assert "reports.csv: 1 reports are left out by MV2300" in messages
    assert f"{data.parts.seen} reports held out are also trained on" in messages[-1]
    assert data.content_hash() != module(table, validation_share=0.2).content_hash()
