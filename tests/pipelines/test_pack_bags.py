"""Feature files of several tools are packed, bad ones are listed, mixtures are refused."""

import h5py
import numpy as np
import pytest

from medvlp.data.bags import BagReader, read_bags
from medvlp.errors import DataError
from medvlp.io import content_sha256, read_csv
from medvlp.jobs.progress import NullProgress
from medvlp.pipelines.pack_bags import pack_bags
from medvlp.slides.features import write_features as write_slide_features
from tests.data.bag_folders import write_features


def pack(folder, out, **options):
    files = {path.stem: path for path in sorted(folder.glob("*.h5"))}
    chosen = {"splits": {}, "bags_per_shard": 2, "progress": NullProgress(), **options}
    return pack_bags(files, out, **chosen)


def test_pack_bags__takes_our_files_with_their_encoder(tmp_path, slide_features):
    (tmp_path / "in").mkdir()
    write_slide_features(tmp_path / "in" / "a.h5", slide_features)
    pack(tmp_path / "in", tmp_path / "out")
    manifest = read_bags(tmp_path / "out")
    assert (manifest.info.encoder, manifest.info.dim) == (slide_features.meta.encoder, 96)
    (bag,) = manifest.splits["train"]
    reader = BagReader(manifest)
    np.testing.assert_allclose(reader.features(bag), slide_features.features, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(reader.coords(bag), slide_features.coords)


def test_pack_bags__takes_stacked_features_and_lists_bad_files(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    features = write_features(source / "a.h5", 4, 0)
    with h5py.File(source / "b.h5", "w") as file:
        file["features"] = features[None]
        file["coords"] = np.zeros((4, 2), int)
    (source / "c.h5").write_bytes(b"no features")
    with h5py.File(source / "d.h5", "w") as file:
        file["features"] = np.array([[1.0, np.nan] * 3], np.float32)
        file["coords"] = np.zeros((1, 2), int)
    with h5py.File(source / "e.h5", "w") as file:
        file["features"] = np.full((1, 6), 1e6, np.float32)
        file["coords"] = np.zeros((1, 2), int)
    with h5py.File(source / "f.h5", "w") as file:
        file["features"] = features
        file["coords"] = np.zeros((3, 2), int)
    report = pack(source, tmp_path / "out")
    assert [outcome.key for outcome in report.failures] == ["c", "d", "e", "f"]
    codes = [outcome.code for outcome in report.failures]
    assert codes == ["MV1310", "MV1313", "MV1313", "MV1314"]
    listed = read_csv(tmp_path / "out" / "quarantine.csv")
    assert [row["sample"] for row in listed] == ["c", "d", "e", "f"]
    manifest = read_bags(tmp_path / "out")
    one, two = (BagReader(manifest).features(bag) for bag in manifest.splits["train"])
    np.testing.assert_array_equal(one, two)
    pack(source, tmp_path / "again")
    assert content_sha256(tmp_path / "again") == content_sha256(tmp_path / "out")


def test_pack_bags__refuses_mixtures_and_nothing(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.h5").write_bytes(b"")
    with pytest.raises(DataError, match="MV1822: none of 1 feature files could be packed"):
        pack(source, tmp_path / "out")
    write_features(source / "b.h5", 4, 0)
    write_features(source / "c.h5", 4, 0, dim=7)
    with pytest.raises(DataError, match=r"MV1825: features of b .* length 6; those of c .* 7"):
        pack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
