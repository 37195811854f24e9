"""A description is read as what it is, whatever the model takes."""

import pytest

from medvlp.errors import ModelError
from medvlp.models.bundle_kinds import read_any_bundle_meta
from medvlp.models.bundle_schema import BundleMeta
from medvlp.models.volume.bundle_schema import VolumeBundleMeta
from tests.models.volume.tiny_bundles import write_tiny_volume_bundle


def test_read_any_bundle_meta__tells_volumes_from_images(tmp_path, tokenizer, bundle_folder):
    write_tiny_volume_bundle(tmp_path / "ct", tokenizer)
    assert isinstance(read_any_bundle_meta(tmp_path / "ct"), VolumeBundleMeta)
    assert isinstance(read_any_bundle_meta(bundle_folder), BundleMeta)
    with pytest.raises(ModelError) as caught:
        read_any_bundle_meta(tmp_path)
    assert caught.value.code == "MV1403"
