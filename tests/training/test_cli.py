"""Every wrong key or value of a training file stops the run before anything is written."""

import copy
import logging
import warnings

import pytest
import yaml

from medvlp.errors import ConfigError, UsageError
from medvlp.training.cli import build
from tests.training.conftest import CONFIGS, SMOKE


@pytest.fixture
def document() -> dict:
    return yaml.safe_load(SMOKE.read_text())


def build_file(tmp_path, document) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    build(["fit", f"--config={path}"])


@pytest.mark.parametrize(
    ("place", "value", "code", "phrase"),
    [
        (
            "modell",
            {"seed": 1},
            "MV1001",
            r"modell.seed is not a known key .did you mean 'model.seed'",
        ),
        ("model.encodr", {"embed_dim": 8}, "MV1001", r"did you mean 'model.encoder"),
        ("model.encoder.text.widht", 8, "MV1001", r"did you mean 'model.encoder.text.width'"),
        ("trainer.max_stepz", 8, "MV1001", r"did you mean 'trainer.max_steps'"),
        ("data.augment.tints", 8, "MV1001", r"did you mean 'data.augment.tint'"),
        ("model.encoder.text.heads", 3, "MV1002", "3 heads do not divide width 32"),
        ("model.optimizer.learning_rate", "fast", "MV1002", "learning_rate=fast is not valid"),
        ("model.optimizer.learning_rate", -1.0, "MV1002", r"learning_rate=-1.0 is not valid"),
        ("run.wandb", "yes please", "MV1002", "run.wandb=yes please is not valid"),
        ("data.batch_size", "big", "MV1002", "data.batch_size=big is not valid"),
        ("model.objective", "clop", "MV1003", "did you mean 'clip'"),
        ("model.objective_options", {"margin": 1}, "MV1001", "no option 'margin'"),
        ("trainer.logger", True, "MV1002", "trainer.logger is set, and would have no effect"),
        ("run.name", None, "MV1002", "run.name"),
    ],
)
def test_build__refuses_by_key_value_and_nearest_name(
    tmp_path, document, place, value, code, phrase
):
    changed = copy.deepcopy(document)
    *parents, key = place.split(".")
    inner = changed
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[key] = value
    with pytest.raises(ConfigError, match=phrase) as caught:
        build_file(tmp_path, changed)
    assert caught.value.code == code
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize("section", ["run", "model", "data"])
def test_build__names_a_section_that_is_missing(tmp_path, document, section):
    del document[section]
    with pytest.raises(ConfigError, match=rf"{section}\."):
        build_file(tmp_path, document)


def test_build__does_not_guess_a_shortened_flag(smoke_args):
    with pytest.raises(ConfigError, match="learning_rat is not a known key"):
        build([*smoke_args, "--model.optimizer.learning_rat=0.1"])


def test_build__names_a_file_that_is_missing_or_no_yaml(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        build(["fit", f"--config={tmp_path / 'no.yaml'}"])
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="Problems parsing config"):
        build(["fit", f"--config={tmp_path / 'bad.yaml'}"])


@pytest.mark.parametrize("args", [[], ["fitt"], ["validate"]])
def test_build__knows_fit_only(args):
    with pytest.raises(ConfigError, match="fit"):
        build(args)


def test_build__leaves_warnings_and_log_levels_as_they_were(smoke_args):
    logger = logging.getLogger("lightning.pytorch")
    before = (list(warnings.filters), logger.level)
    build(smoke_args)
    assert (list(warnings.filters), logger.level) == before


def test_build__takes_module_and_data_of_the_recipe(tmp_path):
    path = CONFIGS / "keep" / "stage1.yaml"
    built = build(["fit", f"--config={path}"])
    assert type(built.model).__name__ == "KnowledgeModule"
    document = {**yaml.safe_load(path.read_text()), "recipe": "knowlege"}
    with pytest.raises(ConfigError, match=r"recipe 'knowlege' is unknown .did you mean 'knowl"):
        build_file(tmp_path, document)
    with pytest.raises(ConfigError, match="recipe 'pair' is unknown"):
        build(["fit", f"--config={path}", "--recipe", "pair"])


@pytest.mark.parametrize(
    ("place", "value", "phrase"),
    [
        ("data.groups.samples", 4, "did you mean 'data.groups.samples_per_group'"),
        ("data.captions.drop", 0.5, "did you mean 'data.captions.drop_share'"),
        ("data.captions", {"drop_share": 1.5}, "drop_share"),
        ("data.related", "all", "data.related=all is not valid"),
        ("model.schedule", {"warmup_epochs": 1.0, "warmup_share": 0.1}, "are both given"),
        ("model.freeze.text_tower", 1, "did you mean 'model.freeze.text_tower_epochs'"),
        ("model.objective_options", {"variant": "hn"}, "objective 'keep': variant='hn'"),
        ("data.batch_size", 100, "data.batch_size=100 is not groups_per_batch"),
    ],
)
def test_build__refuses_what_is_wrong_in_a_group_recipe(tmp_path, place, value, phrase):
    changed = yaml.safe_load((CONFIGS / "keep" / "stage2_vitl16.yaml").read_text())
    *parents, key = place.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    with pytest.raises(UsageError, match=phrase):
        build_file(tmp_path, changed)
