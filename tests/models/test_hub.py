"""Only data files are taken from the hub; a model that cannot be had is named with what to do."""

import fnmatch
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from medvlp.errors import ModelError
from medvlp.models.hub import fetch_hub_folder

REMOTE = ["config.json", "model.safetensors", "pytorch_model.bin", "modeling.py", "onnx/model.json"]


class FakeHub:
    """Stands in for ``snapshot_download``: copies the names that the patterns let through."""

    def __init__(self, folder: Path, files: list[str]):
        self.folder, self.files, self.calls = folder, files, []

    def __call__(self, repository, *, revision, allow_patterns, ignore_patterns):
        self.calls.append((repository, revision))
        for name in self.files:
            wanted = any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns)
            if wanted and not any(fnmatch.fnmatch(name, pattern) for pattern in ignore_patterns):
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return str(self.folder)


def test_fetch_hub_folder__takes_settings_and_safetensors_but_no_code_and_no_pickle(
    tmp_path, monkeypatch
):
    hub = FakeHub(tmp_path, REMOTE)
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", hub)
    assert fetch_hub_folder("hf-hub:owner/name@v1.0") == tmp_path
    assert hub.calls == [("owner/name", "v1.0")]
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))
    assert found == ["config.json", "model.safetensors"]


def test_fetch_hub_folder__takes_a_pickle_where_there_is_nothing_else(tmp_path, monkeypatch):
    files = [name for name in REMOTE if name != "model.safetensors"]
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", FakeHub(tmp_path, files))
    fetch_hub_folder("hf-hub:owner/name")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "pytorch_model.bin"]


def test_fetch_hub_folder__takes_a_named_file_of_weights_before_the_usual_ones(
    tmp_path, monkeypatch
):
    files = [*REMOTE, "encoder best.pt", "other.pt"]
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", FakeHub(tmp_path, files))
    fetch_hub_folder("hf-hub:owner/name", ("absent.pt", "encoder best.pt"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "encoder best.pt"]


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:name", "hf-hub:a/b/c", "hf-hub:../x y/z"])
def test_fetch_hub_folder__refuses_what_is_not_a_hub_name(name):
    with pytest.raises(ModelError, match="is not a name on the hub") as caught:
        fetch_hub_folder(name)
    assert caught.value.code == "MV1401"


def test_fetch_hub_folder__says_what_to_do_without_network(monkeypatch):
    def offline(*args, **kwargs):
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("medvlp.models.hub.snapshot_download", offline)
    with pytest.raises(ModelError, match="not in the local cache and cannot be fetched") as caught:
        fetch_hub_folder("hf-hub:owner/name")
    assert caught.value.code == "MV1412"
    assert "machine with network" in caught.value.hint


def test_fetch_hub_folder__tells_gated_and_missing_models_apart_from_no_network(monkeypatch):
    def refused(*args, **kwargs):
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr("medvlp.models.hub.snapshot_download", refused)
    with pytest.raises(ModelError, match="is not open to you") as caught:
        fetch_hub_folder("hf-hub:owner/name")
    assert "accept its terms" in caught.value.hint
