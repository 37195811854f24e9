"""What a run leaves is written once, by one process, and names no place of the machine."""

from dataclasses import dataclass

import lightning.pytorch as pl

from medvlp.models.bundle_schema import Provenance
from medvlp.training.results import SaveResult, run_provenance
from medvlp.training.run import RunSettings


class FakeLogger:
    is_saved = False

    def save(self) -> None:
        self.is_saved = True


class FakeTrainer:
    def __init__(self, is_global_zero: bool) -> None:
        self.is_global_zero = is_global_zero
        self.loggers = [FakeLogger()]


class Keep(SaveResult):
    def write(self, module) -> None:
        self.kept = module


class KeepAfterLogs(SaveResult):
    def __init__(self, settings: RunSettings, trainer: FakeTrainer) -> None:
        super().__init__(settings, {})
        self.trainer = trainer

    def write(self, module) -> None:
        assert all(own.is_saved for own in self.trainer.loggers)
        self.kept = module


def settings(folder) -> RunSettings:
    return RunSettings(folder=folder, name="x", license="Apache-2.0")


def test_save_result__is_written_by_the_first_process_only(tmp_path):
    module, keep = pl.LightningModule(), Keep(settings(tmp_path), {})
    keep.on_fit_end(FakeTrainer(is_global_zero=False), module)
    assert not hasattr(keep, "kept")
    keep.on_fit_end(FakeTrainer(is_global_zero=True), module)
    assert keep.kept is module


def test_save_result__comes_after_the_logs(tmp_path):
    trainer = FakeTrainer(is_global_zero=True)
    module, keep = pl.LightningModule(), KeepAfterLogs(settings(tmp_path), trainer)
    keep.on_fit_end(trainer, module)
    assert keep.kept is module


def test_run_provenance__names_no_local_path_wherever_it_stands(tmp_path):
    callback = {"class_path": "x.Saver", "init_args": {"dirpath": "runs/of_patient", "keep": 2}}
    config = {
        "trainer": {"default_root_dir": str(tmp_path), "max_steps": 2, "callbacks": [callback]},
        "data": {"folder": "pairs", "batch_size": 8, "rates": [{"pattern": "image_tower.*"}]},
        "model": {"anything": [str(tmp_path), "~/secret", "lung", {"file": "a", "kind": "b"}]},
        "run": {"templates": ["{}.", "{} / H&E."], "license": "Apache-2.0"},
    }
    assert run_provenance(settings(tmp_path), config).settings == {
        "trainer": {
            "max_steps": 2,
            "callbacks": [{"class_path": "x.Saver", "init_args": {"keep": 2}}],
        },
        "data": {"batch_size": 8, "rates": [{"pattern": "image_tower.*"}]},
        "model": {"anything": ["lung", {"kind": "b"}]},
        "run": {"templates": ["{}.", "{} / H&E."], "license": "Apache-2.0"},
    }


def test_run_provenance__tells_of_the_towers_that_a_run_began_with(tmp_path):
    @dataclass(frozen=True)
    class Tower:
        name: str
        provenance: Provenance

    text = Tower("words", Provenance(medvlp_version="0", holds_umls=True, notes=("From a graph.",)))
    image = Tower("kidneys", Provenance(medvlp_version="0", notes=("From a graph.",)))
    found = run_provenance(settings(tmp_path), {}, text_origin=text, image_origin=image)
    assert found.holds_umls
    assert found.notes == (
        "Began with the text tower 'words'.",
        "From a graph.",
        "Began with the image tower 'kidneys'.",
    )
    assert not run_provenance(settings(tmp_path), {}, image_origin=image).holds_umls
