"""The data module gives batches of a folder of radiographs, the same on any number of workers."""

from pathlib import Path

import pytest
import torch

from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.tokenizer_choice import TokenizerSettings
from medvlp.errors import DataError, MedvlpError, UsageError
from tests.data.radiograph_samples import BOOK, FINDINGS, SIZE, make_records, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "films")


def build(folder: Path, **more: object) -> RadiographDataModule:
    return RadiographDataModule(folder=folder, **{"batch_size": 3, "seed": 2} | more)


def test_module__says_what_is_in_the_folder(folder: Path) -> None:
    module = build(folder)
    module.setup("fit")
    assert module.findings == FINDINGS
    assert module.input_px == SIZE
    assert module.source.book.name == "marks"
    assert module.facets.names == FINDINGS
    assert module.facets.class_index.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert module.facets.kind.tolist() == [0, 1, 2, 0, 2, 0, 2, 0, 0, 2]


def test_train_dataloader__gives_full_batches_of_the_training_split(folder: Path) -> None:
    batches = list(build(folder).train_dataloader())
    assert [len(batch) for batch in batches] == [3, 3]
    batch = batches[0]
    assert batch.image.shape == (3, 1, SIZE, SIZE)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert batch.tokens.ids.shape[0] == 3
    assert sorted(name for batch in batches for name in batch.sample_id) == [
        "p00", "p01", "p02", "p05", "p06", "p07",
    ]  # fmt: skip


def test_batches__have_labels_in_the_order_of_the_findings_asked_for(folder: Path) -> None:
    module = build(folder, findings=("cardiomegaly", "left pleural effusion"))
    batch = next(iter(module.loader("test")))
    assert batch.sample_id == ("p04", "p09")
    assert batch.labels.tolist() == [[0, 0], [-1, -2]]
    assert batch.view == ("PA", "AP")
    with pytest.raises(DataError, match=r"MV1795.*did you mean 'cardiomegaly'"):
        build(folder, findings=("cardiomegalie",)).setup("fit")
    with pytest.raises(DataError, match="asked for twice"):
        build(folder, findings=("nodule", "nodule")).setup("fit")


def test_train_dataloader__differs_by_epoch_and_not_by_run(folder: Path) -> None:
    def first(epoch: int):
        loader = build(folder).train_dataloader()
        loader.batch_sampler.set_epoch(epoch)
        return next(iter(loader))

    one, again, later = first(0), first(0), first(1)
    assert one.sample_id == again.sample_id
    assert torch.equal(one.image, again.image)
    assert torch.equal(one.tokens.ids, again.tokens.ids)
    assert one.sample_id != later.sample_id


def test_loader__gives_every_sample_in_order_and_unchanged(folder: Path) -> None:
    module = build(folder)
    one, again = (next(iter(module.val_dataloader())) for _ in range(2))
    assert one.sample_id == ("p03", "p08")
    assert torch.equal(one.image, again.image)
    with pytest.raises(DataError, match="MV1791"):
        build(write_samples(folder.parent / "few", make_records(3))).loader("test")


def test_val_dataloader__is_empty_without_a_validation_split(tmp_path: Path) -> None:
    assert build(write_samples(tmp_path, make_records(3))).val_dataloader() == []


def test_module__resumes_in_the_middle_of_an_epoch(folder: Path) -> None:
    whole = [batch.sample_id for batch in build(folder, batch_size=2).train_dataloader()]
    first = build(folder, batch_size=2).train_dataloader().batch_sampler
    first.advance(1)
    resumed = build(folder, batch_size=2).train_dataloader()
    resumed.batch_sampler.load_state(first.state())
    assert [batch.sample_id for batch in resumed] == whole[1:]
    other = build(folder, batch_size=2, train_share=0.5).train_dataloader().batch_sampler
    with pytest.raises(DataError, match="MV1752"):
        other.load_state(first.state())


def test_module__brings_pictures_to_a_smaller_input(folder: Path) -> None:
    module = build(folder, input_px=16)
    module.setup("fit")
    assert next(iter(module.train_dataloader())).image.shape == (3, 1, 16, 16)


def test_module__warns_of_reports_that_are_cut_and_of_another_book(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_samples(tmp_path)
    build(folder).setup("fit")
    assert not caplog.records
    other = tmp_path.parent / "book.yaml"
    other.write_text(BOOK.replace("wide", "broad"))
    build(folder, max_tokens=6, book=other).setup("fit")
    assert "more than 6 tokens" in caplog.text
    assert "another book" in caplog.text


def test_module__gives_no_text_where_none_is_asked_for(tmp_path: Path) -> None:
    folder = write_samples(tmp_path, make_records(report=""))
    module = build(folder, text="none")
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    assert batch.text is None
    assert set(batch.report_group.tolist()) == {-1}
    with pytest.raises(DataError, match="MV1791"):
        build(folder).setup("fit")


def test_module__refuses_to_swap_a_side_without_a_counterpart(folder: Path) -> None:
    swap = RadiographAugmentSettings(flip="swap-sides")
    build(folder, augment=swap).setup("fit")
    with pytest.raises(UsageError, match=r"MV1810.*'left pleural effusion'"):
        build(folder, augment=swap, findings=FINDINGS[:2]).setup("fit")


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 7},
        {"train_share": 0.01},
        {"input_px": 64},
        {"tokenizer": TokenizerSettings(file=Path("none.json"))},
    ],
)
def test_module__refuses_settings_that_do_not_fit(folder: Path, settings: dict) -> None:
    with pytest.raises(MedvlpError) as caught:
        build(folder, **settings).setup("fit")
    assert caught.value.code in {"MV1002", "MV1410"}


@pytest.mark.slow
def test_train_dataloader__gives_the_same_on_workers(folder: Path) -> None:
    alone = list(build(folder).train_dataloader())
    spread = list(build(folder, num_workers=2).train_dataloader())
    for one, other in zip(alone, spread, strict=True):
        assert one.sample_id == other.sample_id
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.tokens.ids, other.tokens.ids)
