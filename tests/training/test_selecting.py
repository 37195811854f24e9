"""What a run leaves is the best step by a metric, stopped or not, and the record of the choice."""

import csv
import json
import math
import signal
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from safetensors.torch import load_file

from medvlp.config.selection import SelectionRecord, case_id_sha256
from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.errors import ConfigError, UsageError
from medvlp.models.bundle_kinds import read_any_bundle_meta
from medvlp.training.checkpoints.keeping import KeepState
from medvlp.training.cli import main
from medvlp.training.module import ContrastiveModule
from medvlp.training.selecting import LAST_STEP, KeepBest, SelectSettings, check_allowed

LONG = (
    *("--trainer.max_epochs=3", "--trainer.max_steps=-1", "--run.name=x"),
    "--run.watch.speed=false",  # which is not the same twice
)
STEPS = 12
"""Steps of an epoch: 48 pairs in batches of 4."""
SELECT = ("--run.select.metric=validation/score", "--run.select.mode=max")


@pytest.fixture
def scores(monkeypatch):
    """Return a list that validation takes its score from, one for each epoch; the weights too."""
    told: list[float] = []
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def log(self) -> None:
        if not self.trainer.sanity_checking:
            epoch = self.current_epoch
            self.log("validation/score", told[epoch])
            seen[epoch] = {n: t.clone() for n, t in self.network().state_dict().items()}

    monkeypatch.setattr(ContrastiveModule, "on_validation_epoch_end", log, raising=False)
    return SimpleNamespace(told=told, seen=seen)


def provenance(folder: Path):
    return read_any_bundle_meta(folder / "bundle").provenance


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


@pytest.mark.parametrize(("mode", "best"), [("max", 1), ("min", 2)])
def test_run__leaves_the_weights_of_the_best_epoch(smoke_args, tmp_path, scores, mode, best):
    scores.told += [0.5, 0.9, 0.1]
    assert main([*smoke_args, *LONG, *SELECT, f"--run.select.mode={mode}"]) == 0
    kept = weights(tmp_path / "run")
    assert all(torch.equal(kept[name], scores.seen[best][name]) for name in kept)
    assert any(not torch.equal(kept[name], scores.seen[0][name]) for name in kept)
    record = provenance(tmp_path / "run").selection
    assert (record.metric, record.mode) == ("validation/score", mode)
    assert record.value == pytest.approx(scores.told[best])
    assert record.step == STEPS * (best + 1)
    assert (record.split, record.number, record.on_test) == ("validation", 12, False)
    assert len(record.case_id_sha256) == 12
    assert len(record.data_sha256) == 64


def test_run__of_equal_values_keeps_the_first(smoke_args, tmp_path, scores):
    scores.told += [0.5, 0.5, math.nan]
    assert main([*smoke_args, *LONG, *SELECT]) == 0
    kept = weights(tmp_path / "run")
    assert all(torch.equal(kept[name], scores.seen[0][name]) for name in kept)


def test_run__logs_what_it_chose(smoke_args, tmp_path, scores):
    scores.told += [0.5, 0.9, 0.1]
    main([*smoke_args, *LONG, *SELECT])
    with (tmp_path / "run" / "logs" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("selection/value")]
    assert [float(row["selection/value"]) for row in rows] == pytest.approx([0.5, 0.9])
    assert float(rows[1]["selection/step"]) == 2 * float(rows[0]["selection/step"])


def test_run__without_a_choice_takes_the_last_step_and_says_so(smoke_args, tmp_path, scores):
    scores.told += [0.9, 0.5, 0.1]
    main([*smoke_args, *LONG])
    kept = weights(tmp_path / "run")
    assert all(torch.equal(kept[name], scores.seen[2][name]) for name in kept)
    assert provenance(tmp_path / "run").selection == LAST_STEP
    text = (tmp_path / "run" / "bundle" / "medvlp.json").read_text()
    assert "last step, nothing was chosen" in text


def test_bundle__without_a_record_stays_readable(smoke_args, tmp_path):
    main(smoke_args)
    path = tmp_path / "run" / "bundle" / "medvlp.json"
    document = json.loads(path.read_text())
    del document["provenance"]["selection"]
    path.write_text(json.dumps(document))
    assert provenance(tmp_path / "run").selection is None


@pytest.mark.slow
def test_run__stopped_and_taken_up_chooses_as_the_run_that_was_not(
    smoke_args, tmp_path, scores, monkeypatch
):
    scores.told += [0.9, 0.5, 0.1]
    args = [*smoke_args, *LONG, *SELECT, "--trainer.log_every_n_steps=1"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*args, f"--run.folder={whole}"]) == 0
    plain = KeepState.on_train_batch_start
    for number in (5, 11, 14, 23, 30):
        with monkeypatch.context() as patch:

            def start(self, trainer, module, batch, index, number=number):
                plain(self, trainer, module, batch, index)
                if trainer.fit_loop.epoch_loop.total_batch_idx == number:
                    signal.raise_signal(signal.SIGUSR1)

            patch.setattr(KeepState, "on_train_batch_start", start)
            assert main([*args, f"--run.folder={parts}"]) == 75
    assert main([*args, f"--run.folder={parts}"]) == 0
    mine, theirs = weights(parts), weights(whole)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert provenance(parts).selection == provenance(whole).selection
    logs = [(folder / "logs" / "metrics.csv").read_text() for folder in (parts, whole)]
    assert logs[0] == logs[1]


def test_run__refuses_the_test_set(smoke_args, tmp_path):
    with pytest.raises(ConfigError, match=r"run\.select\.split is 'test'") as caught:
        main([*smoke_args, *SELECT, "--run.select.split=test"])
    assert caught.value.code == "MV1150"
    assert not (tmp_path / "run" / "bundle").exists()


def test_run__refuses_a_part_that_is_not_there(smoke_args):
    with pytest.raises(UsageError, match="there is no such part") as caught:
        main([*smoke_args, *SELECT, "--run.select.split=tune"])
    assert caught.value.code == "MV1152"
    assert "['train', 'validation']" in str(caught.value)


def test_run__refuses_a_metric_that_nothing_measures(smoke_args, tmp_path):
    with pytest.raises(ConfigError, match="validation/lost") as caught:
        main([*smoke_args, *LONG, "--run.select.metric=validation/lost", "--run.select.mode=min"])
    assert caught.value.code == "MV1151"
    assert "validation/loss" in str(caught.value)


def test_check_allowed__sees_test_cases_under_another_name():
    settings = SelectSettings(metric="m", mode="max", split="validation")
    check_allowed(settings, on_test=False, is_allowed=False)
    check_allowed(settings, on_test=True, is_allowed=True)
    check_allowed(None, on_test=True, is_allowed=False)
    with pytest.raises(ConfigError, match="holds files of the test part") as caught:
        check_allowed(settings, on_test=True, is_allowed=False)
    assert caught.value.code == "MV1150"


def test_keep_best__says_where_nothing_was_measured(caplog):
    own = KeepBest(SelectSettings(metric="m", mode="max"))
    own._cases = SimpleNamespace()
    own.on_train_end(SimpleNamespace(loggers=[]), None)
    assert "nothing was validated" in caplog.text
    assert own.record() == SelectionRecord(
        chosen="checkpoint", rule="last step, because m was never measured on validation"
    )
    assert own.state_dict() == {}


def test_run__allowed_to_choose_on_the_test_set_says_so_in_its_bundle(smoke_args, tmp_path, scores):
    rng = np.random.default_rng(0)
    parts = ("train",) * 16 + ("validation",) * 4 + ("test",) * 8
    records = [
        PairRecord(
            sample_id=f"tile_{index}",
            image=rng.integers(0, 255, (32, 32, 3), dtype=np.uint8),
            captions=("plain noise",),
            group_id=index,
            split=part,
        )
        for index, part in enumerate(parts)
    ]
    folder = tmp_path / "pairs"
    write_pairs(folder, records, modality="slide", mpp=0.5, tile_px=32, encoding="png")
    scores.told += [0.5, 0.9, 0.1]
    args = [*smoke_args, *LONG, *SELECT, f"--data.folder={folder}", "--run.select.split=test"]
    assert main([*args, "--run.allow_selection_on_test=true"]) == 0
    record = provenance(tmp_path / "run").selection
    assert (record.split, record.number, record.on_test) == ("test", 8, True)
    names = {case_id_sha256(f"tile_{index}") for index in range(20, 28)}
    assert set(record.case_id_sha256) == names


def test_keep_best__tells_weights_and_biases_what_is_chosen_on_what():
    told: list[dict[str, object]] = []
    config = SimpleNamespace(update=lambda values, allow_val_change: told.append(values))
    logger = Mock(spec=WandbLogger, experiment=SimpleNamespace(config=config))
    trainer = SimpleNamespace(loggers=[logger, SimpleNamespace()])
    KeepBest(None).on_fit_start(trainer, None)
    assert told[0]["selection"]["rule"] == "last step, nothing was chosen"
    KeepBest(SelectSettings(metric="m", mode="min")).on_fit_start(trainer, None)
    assert told[1] == {"selection": {"metric": "m", "mode": "min", "split": "validation"}}
