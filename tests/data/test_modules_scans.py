"""The data module gives batches of a folder of crops, the same on any number of workers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medvlp.data.modules import TokenizerSettings
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.scan_texts import texts_to_embed, write_text_features
from medvlp.errors import DataError, MedvlpError, UsageError
from tests.data.scan_samples import ATTRIBUTES, make_records, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "crops")


def build(folder: Path, **more: object) -> ScanPairsDataModule:
    return ScanPairsDataModule(folder=folder, **{"batch_size": 5, "seed": 2} | more)


def test_module__says_what_is_in_the_folder(folder: Path) -> None:
    module = build(folder)
    module.setup("fit")
    assert module.attributes == ATTRIBUTES
    assert module.preprocessing.shape_zyx == (4, 8, 8)
    assert module.tokenizer.vocab_size > 10


def test_train_dataloader__gives_full_batches_of_the_training_split(folder: Path) -> None:
    module = build(folder)
    batches = list(module.train_dataloader())
    assert [len(batch) for batch in batches] == [5, 5]
    names = [name for batch in batches for name in batch.sample_id]
    assert len({name.rsplit("_", 1)[0] for name in names}) == 10
    train = {row.sample_id for row in module.manifest.rows("train")}
    assert set(names) <= train


def test_train_dataloader__differs_by_epoch_and_not_by_run(folder: Path) -> None:
    def first(epoch: int):
        loader = build(folder).train_dataloader()
        loader.batch_sampler.set_epoch(epoch)
        return next(iter(loader))

    one, again, later = first(0), first(0), first(1)
    assert one.sample_id == again.sample_id
    assert torch.equal(one.volume, again.volume)
    assert torch.equal(one.tokens.ids, again.tokens.ids)
    assert one.sample_id != later.sample_id


def test_loader__gives_every_sample_in_order_and_unchanged(folder: Path) -> None:
    module = build(folder, batch_size=3)
    names = [name for batch in module.loader("validation") for name in batch.sample_id]
    assert names == ["p03_left_A", "p03_right_A", "p08_left_A", "p08_right_A"]
    one, again = (next(iter(module.val_dataloader())) for _ in range(2))
    assert torch.equal(one.volume, again.volume)
    with pytest.raises(DataError, match="MV1721"):
        build(write_samples(folder.parent / "few", make_records(3))).loader("test")


def test_val_dataloader__is_empty_without_a_validation_split(tmp_path: Path) -> None:
    assert build(write_samples(tmp_path, make_records(3))).val_dataloader() == []


def test_module__resumes_in_the_middle_of_an_epoch(folder: Path) -> None:
    whole = [batch.sample_id for batch in build(folder, batch_size=3).train_dataloader()]
    first = build(folder, batch_size=3).train_dataloader().batch_sampler
    first.advance(2)
    resumed = build(folder, batch_size=3).train_dataloader()
    resumed.batch_sampler.load_state(first.state())
    assert [batch.sample_id for batch in resumed] == whole[2:]
    other = build(folder, batch_size=3, train_share=0.5).train_dataloader().batch_sampler
    with pytest.raises(DataError, match="MV1752"):
        other.load_state(first.state())


def test_module__takes_a_share_of_the_training_patients_only(folder: Path) -> None:
    module = build(folder, batch_size=2, train_share=0.5)
    assert len(module.dataset("train")) == 8  # of 2, 3 and 1 patients of a kind: 1, 2 and 1
    assert len(module.dataset("validation")) == 4


def test_module__gives_vectors_of_reports(folder: Path) -> None:
    texts = texts_to_embed(
        [
            r
            for split in ("train", "validation", "test")
            for r in build(folder).manifest.reports(split)
        ]
    )
    path = folder.parent / "texts.safetensors"
    write_text_features(path, texts, np.random.default_rng(0).normal(size=(len(texts), 7)))
    module = build(folder, text="features", text_features=path)
    module.setup("fit")
    assert next(iter(module.train_dataloader())).text_features.shape == (5, 7)
    write_text_features(path, texts[:2], np.zeros((2, 7), np.float32))
    with pytest.raises(DataError, match="MV1724"):
        build(folder, text="features", text_features=path).setup("fit")


def test_module__warns_of_reports_that_are_cut(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(folder).setup("fit")
    assert not caplog.records
    build(folder, max_tokens=6).setup("fit")
    assert "more than 6 tokens" in caplog.text


def test_module__gives_no_text_where_none_is_asked_for(tmp_path: Path) -> None:
    folder = write_samples(tmp_path, make_records(report=""))
    module = build(folder, text="none")
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    assert batch.text is None
    assert set(batch.report_group.tolist()) == {-1}
    with pytest.raises(DataError, match="MV1721"):
        build(folder).setup("fit")


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 13},
        {"train_share": 0.01},
        {"train_share": 1.5},
        {"text": "features"},
        {"text_features": Path("t")},
        {"tokenizer": TokenizerSettings(file=Path("none.json"))},
    ],
)
def test_module__refuses_settings_that_do_not_fit(folder: Path, settings: dict) -> None:
    with pytest.raises(MedvlpError) as caught:
        build(folder, **settings).setup("fit")
    assert caught.value.code in {"MV1002", "MV1410"}
    assert isinstance(caught.value, UsageError) or caught.value.code == "MV1410"


@pytest.mark.slow
def test_train_dataloader__gives_the_same_on_workers(folder: Path) -> None:
    alone = list(build(folder).train_dataloader())
    spread = list(build(folder, num_workers=2).train_dataloader())
    for one, other in zip(alone, spread, strict=True):
        assert one.sample_id == other.sample_id
        assert torch.equal(one.volume, other.volume)
        assert torch.equal(one.tokens.ids, other.tokens.ids)
