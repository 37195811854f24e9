"""What is known of the cases that a step is chosen on, for data of every recipe."""

from types import SimpleNamespace

import pytest

from medvlp.config.selection import SelectionRecord, case_id_sha256, chosen_on
from medvlp.data.modules import InputSettings, PairsDataModule
from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.errors import MedvlpError, UsageError
from medvlp.io import content_sha256, write_csv
from medvlp.phantoms.chest.files import write_phantom_png
from medvlp.phantoms.chest.picture import paint_chest
from medvlp.training.selection_cases import loader_of, selection_cases
from preprocessing.prepare_radiographs import PrepareRadiographsConfig
from preprocessing.prepare_radiographs import main as prepare

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


def test_selection_cases__of_prepared_radiographs_are_known_by_their_files(tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(3):
        write_phantom_png(films / f"f{number}.png", paint_chest(number, size_px=(96, 80)))
    (films / "f3.png").write_bytes((films / "f1.png").read_bytes())
    rows = [
        {"path": f"f{n}.png", "patient_id": f"p{n}", "split": split, "view": "PA"}
        for n, split in enumerate(("train", "validation", "test"))
    ]
    write_csv(films / "m.csv", [{**row, "report": "Clear."} for row in rows], [*rows[0], "report"])
    settings = PrepareRadiographsConfig(manifest=films / "m.csv", out=tmp_path / "out", size_px=32)
    prepare(settings)
    pairs = RadiographDataModule(folder=tmp_path / "out", batch_size=1)
    chosen = selection_cases(pairs, "validation")
    own = content_sha256(films / "f1.png", companions=False)
    assert chosen.content_sha256 == (own[:8],)
    assert (chosen.number, chosen.num_groups, chosen.are_of_test) == (1, 1, False)
    record = SelectionRecord(
        chosen="checkpoint",
        rule="largest",
        metric="validation/auroc",
        mode="max",
        split="validation",
        content_sha256=chosen.content_sha256,
    )
    files = [
        (path.name, content_sha256(path, companions=False)) for path in sorted(films.glob("f*"))
    ]
    assert chosen_on(record, files) == ["f1.png", "f3.png"]
