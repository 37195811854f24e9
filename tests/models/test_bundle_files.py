"""The files of a bundle are written with their description, and proved by it."""

import pytest
import torch

from medvlp.errors import ModelError
from medvlp.io import content_sha256
from medvlp.models.bundle_files import check_bundle_files, publish_bundle
from medvlp.models.bundle_schema import BundleDescription, Provenance


def describe(files: dict[str, str]) -> BundleDescription:
    return BundleDescription(
        name="m",
        modality="ct",
        provenance=Provenance(medvlp_version="0"),
        license="MIT",
        files=files,
    )


def publish(folder, state=None):
    others = {"a.txt": lambda path: path.write_text("abc"), "b.txt": lambda path: path.touch()}
    return publish_bundle(folder, state or {"w": torch.ones(2)}, others, describe, "m")


def test_publish_bundle__describes_every_file_by_its_hash(tmp_path):
    meta = publish(tmp_path / "b")
    assert set(meta.files) == {"model.safetensors", "a.txt", "b.txt"}
    assert all(content_sha256(tmp_path / "b" / n) == h for n, h in meta.files.items())
    check_bundle_files(tmp_path / "b", meta.files)


def test_publish_bundle__leaves_nothing_behind_when_it_fails(tmp_path):
    with pytest.raises(ModelError, match="'w' holds 1 values"):
        publish(tmp_path / "b", {"w": torch.tensor([1.0, torch.inf])})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "code"), [("a.txt", "MV1403"), ("model.safetensors", "MV1403")])
def test_check_bundle_files__names_the_file_that_is_missing_or_changed(tmp_path, name, code):
    meta = publish(tmp_path / "b")
    path = tmp_path / "b" / name
    path.write_bytes(b"other")
    with pytest.raises(ModelError, match=name) as caught:
        check_bundle_files(tmp_path / "b", meta.files)
    assert caught.value.code == "MV1404"
    path.unlink()
    with pytest.raises(ModelError, match=name) as caught:
        check_bundle_files(tmp_path / "b", meta.files)
    assert caught.value.code == code
