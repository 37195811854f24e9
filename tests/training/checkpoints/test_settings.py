"""When the state of a run is kept by default."""

from medvlp.training.checkpoints.settings import CheckpointSettings


def test_checkpoint_settings__keep_two_by_the_clock_by_default() -> None:
    settings = CheckpointSettings()
    assert (settings.every_steps, settings.every_minutes, settings.keep) == (None, 10.0, 2)
