"""What is known of the cases that a step is chosen on, for data of every recipe."""

from types import SimpleNamespace

import pytest

from medvlp.config.selection import case_id_sha256
from medvlp.data.modules import InputSettings, PairsDataModule
from medvlp.errors import MedvlpError, UsageError
from medvlp.training.selection_cases import loader_of, selection_cases

INPUTS = InputSettings(input_px=32)


def row(sample_id: str, patient: str = "p") -> SimpleNamespace:
    return SimpleNamespace(sample_id=sample_id, patient=patient)


def data(**splits) -> SimpleNamespace:
    info = SimpleNamespace(samples_sha256="d" * 64)
    return SimpleNamespace(manifest=SimpleNamespace(info=info, splits=splits))


def test_selection_cases__counts_samples_and_patients_and_hides_their_names():
    rows = (row("a_left_A_0123abcd", "a"), row("a_left_V_89abcdef", "a"), row("b_ffffffff_2", "b"))
    found = selection_cases(data(validation=rows), "validation")
    assert (found.number, found.num_groups, found.data_sha256) == (3, 2, "d" * 64)
    assert found.content_sha256 == ("0123abcd", "89abcdef", "ffffffff")
    assert found.case_id_sha256 == tuple(sorted(case_id_sha256(r.sample_id) for r in rows))
    assert not found.are_of_test


@pytest.mark.parametrize("name", ["tile_001", "patient_0123abcde", "deadbeef", "x_0123ABCD"])
def test_selection_cases__takes_no_other_name_for_a_hash(name):
    assert selection_cases(data(validation=(row(name),)), "validation").content_sha256 == ()


def test_selection_cases__sees_files_of_the_test_part_in_another():
    parts = {"validation": (row("a_0123abcd"),), "test": (row("b_0123abcd"), row("c_11111111"))}
    assert selection_cases(data(**parts), "validation").are_of_test
    assert selection_cases(data(**parts), "test").are_of_test
    assert not selection_cases(data(validation=parts["validation"]), "validation").are_of_test


def test_selection_cases__of_texts_are_those_held_out():
    reports = SimpleNamespace(parts=SimpleNamespace(validation=("a", "b")))
    assert selection_cases(reports, "validation").number == 2
    assert selection_cases(SimpleNamespace(validation=("a",)), "validation").number == 1


@pytest.mark.parametrize(
    ("given", "split", "said"),
    [
        (data(train=(row("a"),)), "validation", "there is no such part"),
        (data(train=(row("a"),), validation=()), "validation", "there is no such part"),
        (SimpleNamespace(validation=()), "validation", "nothing is held out"),
        (SimpleNamespace(validation=("a",)), "test", "the data has no such part"),
    ],
)
def test_selection_cases__refuses_a_part_without_cases(given, split, said):
    with pytest.raises(UsageError, match=said) as caught:
        selection_cases(given, split)
    assert caught.value.code == "MV1152"


def test_loader_of__is_that_of_the_part(striped_pairs):
    pairs = PairsDataModule(folder=striped_pairs, batch_size=4, inputs=INPUTS)
    assert len(loader_of(pairs, "train")()) == 12
    assert len(loader_of(pairs, "validation")()) == 3
    with pytest.raises(MedvlpError, match="has no pairs in split 'test'"):
        loader_of(pairs, "test")()
    with pytest.raises(UsageError, match="more than the 12 pairs"):
        PairsDataModule(folder=striped_pairs, batch_size=16, inputs=INPUTS).loader("validation")


def test_loader_of__refuses_data_that_has_one_validation_part_only():
    with pytest.raises(UsageError, match="measures on its validation part only") as caught:
        loader_of(SimpleNamespace(), "test")
    assert caught.value.code == "MV1152"
