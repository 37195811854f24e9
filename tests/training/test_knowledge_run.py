"""What knowledge training leaves: nothing of another module, and no run over another."""

import lightning.pytorch as pl
import pytest

from medvlp.errors import OutputError
from medvlp.knowledge.store import write_graph
from medvlp.models.text_tower import load_text_tower
from medvlp.training.cli import main
from medvlp.training.knowledge_run import SaveTextTower
from medvlp.training.run import RunSettings
from tests.training.conftest import CONFIGS
from tests.training.knowledge_texts import cancer_graph


class FakeTrainer:
    is_global_zero = True
    loggers = ()


def test_save_text_tower__passes_over_other_modules(tmp_path):
    settings = RunSettings(folder=tmp_path, name="x", license="Apache-2.0")
    SaveTextTower(settings, {}).on_fit_end(FakeTrainer(), pl.LightningModule())
    assert list(tmp_path.iterdir()) == []


def test_run__leaves_a_text_tower_that_another_run_can_begin_with(tmp_path):
    path = write_graph(cancer_graph(), tmp_path / "graph.parquet")
    config = CONFIGS / "keep" / "phantom_stage1.yaml"
    arguments = ["fit", f"--config={config}", f"--data.graph={path}", "--run.wandb=off"]
    arguments += ["--run.progress=false", "--trainer.max_steps=2", "--model.text.layers=1"]
    arguments += ["--data.groups.groups_per_batch=4"]
    folder = tmp_path / "run"
    assert main([*arguments, f"--run.folder={folder}"]) == 0
    first = load_text_tower(folder / "text_tower")
    assert not first.meta.provenance.holds_umls
    with pytest.raises(OutputError, match=r"MV1704: .*text_tower exists"):
        main([*arguments, f"--run.folder={folder}"])
    tower = folder / "text_tower"
    arguments += [f"--model.text_from={tower}", "--trainer.max_steps=1"]
    arguments += [f"--data.tokenizer.file={tower / 'tokenizer.json'}"]
    arguments += ["--model.optimizer.learning_rate=1e-30", "--model.optimizer.weight_decay=0"]
    assert main([*arguments, f"--run.folder={tmp_path / 'again'}"]) == 0
    again = load_text_tower(tmp_path / "again" / "text_tower")
    state = again.model.state_dict()
    # a step of 1e-30 is lost in every weight that is not 0
    assert all((state[k] - v).abs().max() < 1e-20 for k, v in first.model.state_dict().items())
    assert "Began with the text tower 'phantom-knowledge'." in again.meta.provenance.notes
