"""The files of a release are found by name; pointers and broken settings are refused."""

import pytest

from medvlp.errors import ModelError
from medvlp.models.importers.source import open_source, read_json_object, refuse_pointer

POINTER = "version https://git-lfs.github.com/spec/v1\n"


def test_open_source__takes_folders_and_files(tmp_path):
    weights = tmp_path / "epoch.pt"
    weights.write_bytes(b"x")
    assert open_source(tmp_path).checkpoint is None
    found = open_source(weights)
    assert (found.folder, found.checkpoint) == (tmp_path, weights)
    assert found.weights(("model.safetensors",)) == weights


def test_open_source__takes_a_model_from_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("medvlp.models.hub.snapshot_download", lambda *a, **k: str(tmp_path))
    assert open_source("hf-hub:owner/name").folder == tmp_path


def test_find__prefers_the_first_name(tmp_path):
    for name in ("b.bin", "a.safetensors"):
        (tmp_path / name).write_bytes(b"x")
    source = open_source(tmp_path)
    assert source.weights(("a.safetensors", "b.bin")).name == "a.safetensors"
    assert source.find(("c.txt",)) is None


def test_require__names_the_files_that_would_do(tmp_path):
    with pytest.raises(ModelError, match=r"no weights; expected a\.bin or b\.bin") as caught:
        open_source(tmp_path).weights(("a.bin", "b.bin"))
    assert caught.value.code == "MV2100"


def test_refuse_pointer__refuses_pointers_only(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("version 3\n")
    refuse_pointer(path)
    path.write_text(POINTER)
    with pytest.raises(ModelError) as caught:
        open_source(tmp_path).find(("vocab.txt",))
    assert caught.value.code == "MV2102"


@pytest.mark.parametrize(
    ("content", "phrase", "code"),
    [
        ("[1]", "holds a list", "MV2101"),
        ("{", "as JSON", "MV2101"),
        ("[" * 100_000, "as JSON", "MV2101"),
        (POINTER, "pointer", "MV2102"),
    ],
)
def test_read_json_object__refuses_what_is_none(tmp_path, content, phrase, code):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=phrase) as caught:
        read_json_object(path)
    assert caught.value.code == code
