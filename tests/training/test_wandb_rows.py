"""W&B keeps one id over restarts, and no step is logged twice."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from medvlp.training.wandb_rows import WandbRows, release_rows, wandb_run_id


def rows_of(experiment: Mock) -> list[tuple[int, dict[str, float]]]:
    return [(call.kwargs["step"], call.args[0]) for call in experiment.log.call_args_list]


def test_wandb_run_id__stays(tmp_path: Path) -> None:
    first = wandb_run_id(tmp_path / "state")
    assert len(first) == 8
    assert wandb_run_id(tmp_path / "state") == first
    assert wandb_run_id(tmp_path / "other") != first


@pytest.mark.parametrize("text", ["{", "[]", '{"id": "../x"}', '{"id": 7}'])
def test_wandb_run_id__is_made_anew_where_it_cannot_be_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "wandb.json").write_text(text)
    assert wandb_run_id(tmp_path).isalnum()


def test_wandb_rows__are_sent_at_once_with_their_step_where_somebody_looks_on() -> None:
    experiment = Mock()
    logger = WandbRows(experiment, holds=False)
    logger.log_metrics({"loss": 1.0}, 9)
    logger.log_metrics({"score": 2.0}, None)
    assert rows_of(experiment) == [
        (9, {"loss": 1.0, "trainer/global_step": 9}),
        (9, {"score": 2.0, "trainer/global_step": 9}),
    ]


def test_wandb_rows__are_held_until_their_step_is_never_done_again() -> None:
    experiment = Mock()
    logger = WandbRows(experiment, holds=True)
    for step in (0, 1, 2):
        logger.log_metrics({"loss": float(step)}, step)
    logger.log_metrics({"score": 5.0}, 2)
    release_rows([logger, Mock()], None)
    assert rows_of(experiment) == []
    release_rows([logger, Mock()], 2)
    assert [step for step, _ in rows_of(experiment)] == [0, 1]
    logger.finalize("failed")
    assert len(rows_of(experiment)) == 2
    logger.finalize("success")
    assert rows_of(experiment)[2] == (2, {"loss": 2.0, "score": 5.0, "trainer/global_step": 2})
