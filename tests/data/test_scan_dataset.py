"""Samples are one phase of one kidney, a function of seed, epoch and index."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.data.sampler import Draw
from medvlp.data.scan_augment import ScanAugmentSettings
from medvlp.data.scan_dataset import ScanCollator, ScanPairsDataset, share_of_patients
from medvlp.data.scan_manifest import ScanPairsManifest
from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.data.scan_texts import (
    normalised_report,
    read_text_features,
    texts_to_embed,
    variants_of,
    write_text_features,
)
from medvlp.errors import DataError
from medvlp.text.tokenizer import train_tokenizer
from tests.data.scan_samples import make_crops, make_records, write_samples


@pytest.fixture
def manifest(tmp_path: Path) -> ScanPairsManifest:
    return read_scan_pairs(write_samples(tmp_path))


def training(manifest: ScanPairsManifest, **more: object) -> ScanPairsDataset:
    options = {"augment": ScanAugmentSettings(), "shuffle": "sentences", "seed": 3}
    return ScanPairsDataset(manifest, "train", is_training=True, **options | more)


def test_dataset__draws_phases_alike_in_training(manifest: ScanPairsManifest) -> None:
    dataset = training(manifest, augment=None)
    phases = [dataset[Draw(epoch, 5)].row.phase for epoch in range(300)]
    assert {phase: 70 < phases.count(phase) < 130 for phase in "AVN"} == dict.fromkeys("AVN", True)
    rows = {dataset[Draw(epoch, 5)].row.sample_id for epoch in range(300)}
    assert len(rows) == 3
    sides = {(dataset[Draw(e, 5)].row.patient, dataset[Draw(e, 5)].row.side) for e in range(9)}
    assert len(sides) == 1


@pytest.mark.parametrize(
    ("phases", "there", "taken"),
    [
        (("A", "V", "D", "N"), ("N", "V", "A"), "A"),
        (("A", "V", "D", "N"), ("N", "V"), "V"),
        (("A", "V"), ("X", "N"), "N"),
        (("N",), ("A", "N"), "N"),
    ],
)
def test_dataset__takes_the_preferred_phase_elsewhere(
    tmp_path: Path, phases: tuple[str, ...], there: tuple[str, ...], taken: str
) -> None:
    manifest = read_scan_pairs(write_samples(tmp_path, make_records(5, there)))
    dataset = ScanPairsDataset(manifest, "validation", phases=phases)
    assert [dataset[Draw(0, index)].row.phase for index in range(len(dataset))] == [taken] * 2


def test_dataset__gives_the_middle_of_the_crop_that_the_row_names(
    manifest: ScanPairsManifest,
) -> None:
    crops = make_crops(60)
    dataset = ScanPairsDataset(manifest, "test", cache_bytes=10**6)
    for index in (1, 0, 1):
        sample = dataset[Draw(0, index)]
        np.testing.assert_array_equal(sample.volume, crops[sample.row.crop][1:5, 2:10, 2:10])
        assert sample.text == sample.row.report


def test_dataset__is_a_function_of_seed_epoch_and_index(manifest: ScanPairsManifest) -> None:
    draws = [Draw(epoch, index) for epoch in (0, 1) for index in (0, 3)] + [Draw(0, 0, 1)]
    one = [training(manifest)[draw] for draw in draws]
    other = training(manifest, cache_bytes=10**6)
    again = [other[draw] for draw in reversed(draws)][::-1]
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first.volume, second.volume)
        assert (first.row, first.text) == (second.row, second.text)
    assert len({sample.volume.tobytes() for sample in one}) == 5
    elsewhere = training(manifest, seed=4)[Draw(0, 0)]
    assert not np.array_equal(elsewhere.volume, one[0].volume)


def test_dataset__shuffles_sentences_anew_and_keeps_what_is_said(
    manifest: ScanPairsManifest,
) -> None:
    dataset = training(manifest, augment=None)
    number = next(n for n, rows in enumerate(dataset.kidneys) if "mass" in rows[0].report)
    texts = {dataset[Draw(epoch, number)].text for epoch in range(30)}
    assert len(texts) == 2
    assert {normalised_report(text) for text in texts} == {
        normalised_report(dataset.kidneys[number][0].report)
    }
    variants = training(manifest, augment=None, shuffle="variants")
    report = dataset.kidneys[number][0].report
    assert {variants[Draw(e, number)].text for e in range(60)} == set(variants_of(report))
    still = training(manifest, augment=None, shuffle="none")
    assert {still[Draw(e, number)].text for e in range(9)} == {report}


def test_share_of_patients__is_nested_and_balanced(tmp_path: Path) -> None:
    manifest = read_scan_pairs(write_samples(tmp_path, make_records(120, ("A",))))
    rows = manifest.rows("train")
    kinds = {}
    for row in rows:
        kinds[row.patient] = max(kinds.get(row.patient, -1), row.malignant)
    before: frozenset[str] = frozenset()
    for share in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0):
        chosen = share_of_patients(rows, share, seed=2)
        assert before <= chosen
        for kind in (-1, 0, 1):
            members = [patient for patient, own in kinds.items() if own == kind]
            taken = sum(patient in chosen for patient in members)
            assert taken == max(1, round(share * len(members)))
        before = chosen
    assert before == set(kinds)
    assert share_of_patients(rows, 0.2, 2) != share_of_patients(rows, 0.2, 3)


def test_dataset__keeps_both_kidneys_of_the_chosen_patients(tmp_path: Path) -> None:
    manifest = read_scan_pairs(write_samples(tmp_path, make_records(60, ("A", "V"))))
    dataset = training(manifest, share=0.25)
    patients = [rows[0].patient for rows in dataset.kidneys]
    assert len(patients) == 2 * len(set(patients)) == 2 * 9
    assert training(manifest, share=0.25, seed=9, share_seed=3).kidneys == dataset.kidneys


def test_collator__makes_a_batch(manifest: ScanPairsManifest) -> None:
    dataset = training(manifest)
    samples = [dataset[Draw(0, index)] for index in (4, 5, 0)]
    patients = {name: number for number, name in enumerate(manifest.patients)}
    tokenizer = train_tokenizer(manifest.reports("train"), 100)
    batch = ScanCollator(patients, tokenizer=tokenizer, max_tokens=9)(samples)
    assert batch.volume.shape == (3, 4, 8, 8)
    assert batch.tokens.ids.shape == (3, 9)
    assert batch.patient.tolist() == [2, 2, 0]
    assert batch.side == ("left", "right", "left")
    assert batch.attributes.tolist() == [list(sample.row.attributes) for sample in samples]
    assert batch.report_group[0] == batch.report_group[2] != batch.report_group[1]
    assert ScanCollator(patients)(samples).text is None


def test_collator__finds_vectors_of_reports(tmp_path: Path, manifest: ScanPairsManifest) -> None:
    texts = texts_to_embed(manifest.reports("train"))
    vectors = np.arange(2 * len(texts), dtype=np.float32).reshape(-1, 2)
    write_text_features(tmp_path / "t", texts, vectors)
    collate = ScanCollator(
        {name: 0 for name in manifest.patients}, features=read_text_features(tmp_path / "t")
    )
    dataset = training(manifest, shuffle="variants")
    for epoch in range(5):
        samples = [dataset[Draw(epoch, index)] for index in range(6)]
        found = collate(samples).text_features.numpy()
        np.testing.assert_array_equal(found, vectors[[texts.index(s.text) for s in samples]])
    others = ScanPairsDataset(manifest, "validation")
    with pytest.raises(DataError, match="MV1724"):
        collate([others[Draw(0, 0)]])
