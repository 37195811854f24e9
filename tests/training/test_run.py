"""A run leaves its settings, its logs and a whole bundle, and tells nobody who or where it was."""

import getpass
import json
import socket
import sys

import pytest
import yaml

from medvlp.errors import OutputError
from medvlp.models.bundle import load_bundle
from medvlp.training.cli import main
from medvlp.training.pairs_run import SaveBundle
from medvlp.training.run import RunSettings, _wandb_mode, prepare_run_folder
from tests.training.wandb_files import texts_of, wandb_records


def settings(folder, **more) -> RunSettings:
    return RunSettings(folder=folder, name="x", license="Apache-2.0", **more)


def test_run__leaves_settings_logs_and_a_bundle_and_nothing_else(smoke_args, tmp_path, capsys):
    assert main([*smoke_args, "--run.name=tiny"]) == 0
    folder = tmp_path / "run"
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    bundle = [f"bundle/{name}" for name in ("medvlp.json", "model.safetensors", "tokenizer.json")]
    assert found == [*bundle, "config.yaml", "logs/metrics.csv", "state/progress.json"]
    assert capsys.readouterr().out == ""

    meta = load_bundle(folder / "bundle").meta
    assert (meta.name, meta.modality, meta.license) == ("tiny", "slide", "Apache-2.0")
    assert (meta.scale.mpp, meta.scale.tile_px, meta.preprocessing.input_px) == (0.5, 32, 32)
    assert meta.provenance.libraries["torch"]
    assert meta.provenance.settings["trainer"]["max_steps"] == 2


def test_run__keeps_the_resolved_settings_beside_and_without_local_paths_in_the_bundle(
    smoke_args, tmp_path, striped_pairs
):
    main(smoke_args)
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["data"]["folder"] == str(striped_pairs)
    assert config["model"]["optimizer"]["beta2"] == 0.98
    text = (tmp_path / "run" / "bundle" / "medvlp.json").read_text()
    assert str(tmp_path.parent) not in text
    assert str(striped_pairs.parent) not in text
    again = tmp_path / "again"
    main(["fit", f"--config={tmp_path / 'run' / 'config.yaml'}", f"--run.folder={again}"])
    first, second = (
        json.loads((f / "bundle" / "medvlp.json").read_text()) for f in (tmp_path / "run", again)
    )
    assert first["files"] == second["files"]


def test_run__does_not_start_where_another_has_finished(smoke_args, tmp_path):
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    with pytest.raises(OutputError, match="a run has finished in this folder") as caught:
        main(smoke_args)
    assert caught.value.code == "MV1704"


def test_run__starts_again_in_the_folder_of_one_that_did_not_finish(
    smoke_args, tmp_path, monkeypatch
):
    def interrupted(*args, **kwargs):
        raise RuntimeError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(SaveBundle, "on_fit_end", interrupted)
        with pytest.raises(RuntimeError, match="interrupted"):
            main(smoke_args)
    assert main(smoke_args) == 0
    assert (tmp_path / "run" / "bundle" / "medvlp.json").is_file()


def test_prepare_run_folder__refuses_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match="file"):
        prepare_run_folder(settings(tmp_path / "file" / "run"))


@pytest.mark.parametrize(
    ("environment", "chosen", "expected"),
    [
        ({}, "auto", "offline"),
        ({"WANDB_API_KEY": "k"}, "auto", "online"),
        ({"WANDB_API_KEY": "k", "WANDB_MODE": "offline"}, "auto", "offline"),
        ({"WANDB_API_KEY": "k"}, "offline", "offline"),
        ({"WANDB_API_KEY": "k"}, "off", "off"),
    ],
)
def test_wandb__is_offline_unless_there_is_a_key(
    tmp_path, monkeypatch, environment, chosen, expected
):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _wandb_mode(settings(tmp_path, wandb=chosen)) == expected


def test_wandb__is_online_with_a_key_in_netrc(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    path = tmp_path / ".netrc"
    path.write_text("machine api.wandb.ai login user password k\n")
    path.chmod(0o600)
    assert _wandb_mode(settings(tmp_path)) == "online"


@pytest.mark.slow
def test_wandb__offline_holds_nothing_of_machine_user_or_paths(smoke_args, tmp_path, striped_pairs):
    main([*smoke_args, "--run.wandb=offline"])
    records = list((tmp_path / "run" / "wandb").rglob("*.wandb"))
    assert len(records) == 1
    found = wandb_records(records[0].read_bytes())
    texts = [text for record in found for text in texts_of(record)]
    assert "train/loss" in texts
    assert not {socket.gethostname(), getpass.getuser()} & set(texts)
    for secret in (str(tmp_path), str(striped_pairs), "tile_000", sys.argv[0]):
        assert not [text for text in texts if secret in text], secret
