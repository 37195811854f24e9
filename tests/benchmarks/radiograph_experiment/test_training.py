"""What an arm is told, and that no picture to judge on is one to train on."""

from __future__ import annotations

from benchmarks.radiograph_experiment.settings import DataSettings, load_recipe
from benchmarks.radiograph_experiment.training import make_pictures, write_book
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.knowledge.facets import load_finding_book
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, UNSEEN


def test_book__of_names_holds_nothing_else(tmp_path) -> None:
    names = load_finding_book(write_book(tmp_path / "names.yaml", "names"))
    facets = load_finding_book(write_book(tmp_path / "facets.yaml", "facets"))
    assert names.names == facets.names == tuple(PHANTOM_FINDINGS)
    assert not any(finding.is_described for finding in names)
    assert all(finding.definition and finding.appearances for finding in facets)


def test_pictures__share_no_patient_and_train_on_no_unseen_finding(tmp_path) -> None:
    data = DataSettings(
        train_patients=12, test_patients=12, size_px=64, train_prevalence=0.1, test_prevalence=0.1
    )
    folders = make_pictures(tmp_path, data, 100)
    train, test = (read_radiograph_pairs(folder) for folder in folders)
    assert not set(train.patients) & set(test.patients)
    shown = {place.finding for row in train.rows("train") for place in row.places}
    assert shown
    assert shown <= set(SEEN)
    for row in train.rows("train"):
        assert not set(row.labels) & set(UNSEEN)
        assert not any(name in row.report.lower() for name in UNSEEN)
    assert all(set(row.labels) == set(PHANTOM_FINDINGS) for row in test.rows("test"))
    other = read_radiograph_pairs(make_pictures(tmp_path / "other", data, 0)[0])
    assert not set(other.patients) & (set(train.patients) | set(test.patients))


def test_recipe__is_read() -> None:
    assert load_recipe().steps > 0
