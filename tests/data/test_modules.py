"""The data module hands the trainer the same batches whatever the number of loader processes."""

import pytest
import torch

from medvlp.data.modules import InputSettings, PairsDataModule, TokenizerSettings
from medvlp.errors import MedvlpError, UsageError


def build(folder, **more) -> PairsDataModule:
    return PairsDataModule(
        folder=folder, **{"batch_size": 3, "inputs": InputSettings(input_px=12), **more}
    )


def batches(module: PairsDataModule, epoch: int = 0):
    module.setup("fit")
    loader = module.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def test_train_dataloader__leaves_out_the_incomplete_batch_and_reorders_each_epoch(pairs_folder):
    module = build(pairs_folder)
    first, second = batches(module), batches(module, epoch=1)
    assert [len(batch) for batch in first] == [3, 3]
    assert [b.sample_id for b in first] != [b.sample_id for b in second]
    again = batches(build(pairs_folder))
    for expected, actual in zip(first, again, strict=True):
        assert expected.sample_id == actual.sample_id
        assert torch.equal(expected.image, actual.image)
        assert torch.equal(expected.text.ids, actual.text.ids)


@pytest.mark.slow
def test_train_dataloader__gives_the_same_batches_from_worker_processes(pairs_folder):
    for expected, actual in zip(
        batches(build(pairs_folder)), batches(build(pairs_folder, num_workers=2)), strict=True
    ):
        assert expected.sample_id == actual.sample_id
        assert torch.equal(expected.image, actual.image)


def test_val_dataloader__takes_the_validation_split_as_it_is(pairs_folder):
    module = build(pairs_folder)
    loader = module.val_dataloader()
    names = {name for batch in loader for name in batch.sample_id}
    assert names == {"tile_007", "tile_008", "tile_009"}
    assert build(pairs_folder, batch_size=4).val_dataloader() == []


def test_tokenizer__is_trained_on_training_captions_only(pairs_folder, tmp_path):
    tokenizer = build(pairs_folder).tokenizer
    assert "papillary" in tokenizer.vocabulary
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    read = build(pairs_folder, tokenizer=TokenizerSettings(file=path)).tokenizer
    assert read.vocabulary == tokenizer.vocabulary


def test_setup__refuses_a_batch_larger_than_the_split(pairs_folder):
    with pytest.raises(UsageError, match="batch_size=8 is more than the 7 training pairs"):
        build(pairs_folder, batch_size=8).setup("fit")


def test_setup__names_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MedvlpError, match="is not a folder of pairs"):
        build(tmp_path / "nowhere").setup("fit")
