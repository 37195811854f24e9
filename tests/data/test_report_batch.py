"""Batches of reports: fixed by seed, epoch and row; in a template; shuffled beside themselves."""

import numpy as np
import torch

from medvlp.data.masking import MaskingSettings
from medvlp.data.randomness import augmentation_seed
from medvlp.data.report_batch import (
    MaskedReports,
    MaskingCollator,
    ReportBatch,
    ReportCollator,
    ReportsDataset,
    ShuffledReports,
)
from medvlp.data.sampler import Draw
from medvlp.text.reports.cleaning import shuffle_sentences
from medvlp.text.tokenizer import train_tokenizer

TEXTS = (
    "There is a stone in the left kidney. No mass is seen. The ureter is normal.",
    "Normal kidney.",
    "A cyst of 2.5 cm is seen in the right kidney. No stones.",
    "Normal kidney.",
)
TOKENIZER = train_tokenizer(TEXTS, 300)
REPORTS = ReportsDataset(TEXTS)


def draws(epoch: int, *rows: int) -> list[Draw]:
    return [REPORTS[Draw(epoch, row)] for row in rows]


def masking(**more) -> MaskingCollator:
    return MaskingCollator(REPORTS, TOKENIZER, 64, MaskingSettings(rate=0.3), seed=7, **more)


def test_masking__follows_from_seed_epoch_and_row_whatever_is_beside_it():
    together, alone = masking()(draws(2, 0, 1, 2)), masking()(draws(2, 2))
    length = int(alone.text.mask.sum())
    assert torch.equal(together.text.ids[2, :length], alone.text.ids[0, :length])
    assert torch.equal(together.targets[2, :length], alone.targets[0, :length])
    assert not torch.equal(masking()(draws(3, 2)).targets, alone.targets)
    fixed = masking(is_fixed=True)
    assert torch.equal(fixed(draws(3, 2)).targets, fixed(draws(9, 2)).targets)


def test_masking__leaves_the_words_in_text_and_targets_together():
    batch = masking()(draws(0, 0, 2))
    assert isinstance(batch, MaskedReports)
    whole = TOKENIZER.encode([TEXTS[0], TEXTS[2]], 64)
    restored = torch.where(batch.targets >= 0, batch.targets, batch.text.ids)
    np.testing.assert_array_equal(restored.numpy(), whole.ids)
    assert (batch.targets >= 0).any(dim=1).all()


def test_collator__numbers_equal_texts_alike_and_moves_as_one():
    batch = ReportCollator(REPORTS, TOKENIZER, 64)(draws(0, 1, 0, 3))
    assert type(batch) is ReportBatch
    assert batch.text_id.tolist() == [1, 0, 1]
    assert len(batch) == 3
    assert batch.to("meta").text.ids.device.type == "meta"


def test_collator__puts_shuffled_sentences_beside_reports():
    batch = ReportCollator(REPORTS, TOKENIZER, 64, shuffle_seed=3)(draws(0, 0, 1))
    assert isinstance(batch, ShuffledReports)
    seed = augmentation_seed(3, 0, 0)
    expected = TOKENIZER.encode([shuffle_sentences(TEXTS[0], seed), TEXTS[1]], 64)
    np.testing.assert_array_equal(batch.shuffled.ids.numpy(), expected.ids)
    assert batch.is_changed.tolist() == [True, False]
    assert sorted(batch.shuffled.ids[0].tolist()) == sorted(batch.text.ids[0].tolist())


def test_collator__shuffles_anew_in_every_epoch_where_asked_to():
    def orders(*, is_fixed: bool) -> set[tuple[int, ...]]:
        collate = ReportCollator(REPORTS, TOKENIZER, 64, shuffle_seed=3, is_fixed=is_fixed)
        return {tuple(collate(draws(e, 0)).shuffled.ids[0].tolist()) for e in range(12)}

    assert len(orders(is_fixed=True)) == 1
    assert len(orders(is_fixed=False)) > 2


def test_collator__puts_texts_into_the_template():
    framed = ReportCollator(REPORTS, TOKENIZER, 64, template="seen: {} cm")(draws(0, 1))
    expected = TOKENIZER.encode(["seen: Normal kidney. cm"], 64)
    np.testing.assert_array_equal(framed.text.ids.numpy(), expected.ids)
