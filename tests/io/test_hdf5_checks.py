from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.io import hdf5_checks
from medvlp.io.hdf5_checks import (
    check_finite,
    open_checked,
    read_attributes,
    require_dataset,
)
from medvlp.slides.features import read_feature_meta, read_features, write_features


@pytest.fixture
def stored(tmp_path: Path, slide_features) -> Path:
    path = tmp_path / "slide_001.h5"
    write_features(path, slide_features)
    return path


def refused(path: Path) -> str:
    """Return the code of the refusal, which reading both parts must give."""
    with pytest.raises(FeatureError) as caught:
        read_features(path)
    assert path.name in caught.value.reason
    assert str(path.parent) not in caught.value.reason
    return caught.value.code


def test_open_checked__refuses_what_is_no_hdf5_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.h5") == "MV1301"
    for content in (b"", b"\x89HD", b"PK\x03\x04 a zip", b"\x89HDF\r\n\x1a\n" + bytes(500)):
        (tmp_path / "bad.h5").write_bytes(content)
        assert refused(tmp_path / "bad.h5") == "MV1310"


def test_open_checked__refuses_a_file_cut_off_anywhere(stored: Path) -> None:
    whole = stored.read_bytes()
    for share in np.linspace(0.02, 0.98, 13):
        stored.write_bytes(whole[: int(share * len(whole))])
        assert refused(stored) == "MV1310"


def test_read_features__notices_flipped_bits_in_the_data(stored: Path) -> None:
    whole = bytearray(stored.read_bytes())
    whole[len(whole) // 2] ^= 0x10
    stored.write_bytes(whole)
    assert refused(stored) == "MV1310"


@pytest.mark.parametrize("member", ["features", "coords", "another"])
@pytest.mark.parametrize("kind", ["soft", "external", "storage", "virtual"])
def test_open_checked__refuses_data_that_lie_elsewhere(
    stored: Path, member: str, kind: str
) -> None:
    secret = stored.with_name("secret.h5")
    with h5py.File(secret, "w") as file:
        file["features"] = np.ones((700, 96), np.float32)
    with h5py.File(stored, "r+") as file:
        if member in file:
            del file[member]
        if kind == "soft":
            file[member] = h5py.SoftLink("/failed_coords")
        elif kind == "external":
            file[member] = h5py.ExternalLink(secret.name, "features")
        elif kind == "storage":
            segments = [(str(secret), 0, 700 * 96 * 4)]
            file.create_dataset(member, (700, 96), np.float32, external=segments)
        else:
            layout = h5py.VirtualLayout((700, 96), np.float32)
            layout[:] = h5py.VirtualSource(str(secret), "features", (700, 96))
            file.create_virtual_dataset(member, layout)
    assert refused(stored) == "MV1311"
    with pytest.raises(FeatureError, match=r"elsewhere|other files") as caught:
        read_feature_meta(stored)
    assert caught.value.code == "MV1311"


@pytest.mark.parametrize(
    "shape", [(2**40, 96), (2**62, 4), (2**63 - 1, 2**63 - 1), (100_000, 2048)]
)
def test_require_dataset__refuses_shapes_that_the_file_cannot_hold(
    stored: Path, shape: tuple[int, int]
) -> None:
    with h5py.File(stored, "r+") as file:
        del file["features"]
        space = h5py.h5s.create_simple(shape)
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((256, min(shape[1], 96)))
        h5py.h5d.create(file.id, b"features", h5py.h5t.NATIVE_FLOAT, space, properties)
    assert stored.stat().st_size < 10**6
    assert refused(stored) == "MV1312"


def test_require_dataset__bounds_how_far_compressed_data_may_grow(stored: Path) -> None:
    with h5py.File(stored, "r+") as file:
        del file["features"]
        zeros = np.zeros((8_000, 2048), np.float32)
        file.create_dataset("features", data=zeros, compression="gzip", chunks=(4000, 2048))
    assert zeros.nbytes > 200 * stored.stat().st_size
    assert refused(stored) == "MV1312"


def test_require_dataset__reads_modest_compression(stored: Path, slide_features) -> None:
    with h5py.File(stored, "r+") as file:
        del file["features"]
        file.create_dataset("features", data=slide_features.features, compression="gzip")
    np.testing.assert_array_equal(read_features(stored).features, slide_features.features)


def test_require_dataset__has_a_cap_whatever_the_file(stored: Path, monkeypatch) -> None:
    monkeypatch.setattr(hdf5_checks, "MAX_DATASET_BYTES", 1000)
    assert refused(stored) == "MV1312"


def test_require_dataset__refuses_filters_that_load_foreign_code(stored: Path) -> None:
    with h5py.File(stored, "r+") as file:
        del file["coords"]
        space = h5py.h5s.create_simple((700, 2))
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((700, 2))
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        h5py.h5d.create(file.id, b"coords", h5py.h5t.NATIVE_INT64, space, properties)
    assert refused(stored) == "MV1311"


def test_require_dataset__wants_the_right_rank_and_kind(stored: Path) -> None:
    with open_checked(stored) as file:
        assert require_dataset(file, "coords", ndim=2, kinds="iu", file_bytes=10**9).shape[1] == 2
        for key, ndim, kinds in (("coords", 1, "iu"), ("coords", 2, "f"), ("nothing", 2, "f")):
            with pytest.raises(FeatureError) as caught:
                require_dataset(file, key, ndim=ndim, kinds=kinds, file_bytes=10**9)
            assert caught.value.code == "MV1314"


def test_read_attributes__returns_plain_values_and_skips_the_rest(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.arange(3)
        file.attrs.create("text", "w\u00f6rds".encode(), dtype=h5py.string_dtype("utf-8", 6))
        file.attrs["variable"] = "words"
        file.attrs["bytes"] = np.bytes_(b"words")
        file.attrs["flag"] = True
        file.attrs["count"] = 3
        file.attrs["share"] = 0.5
        file.attrs["pair"] = np.array([1, 2])
        file.attrs["huge"] = np.zeros(8100)
        file.attrs["reference"] = file["data"].ref
        file.attrs["empty"] = h5py.Empty("f")
        file.attrs["list of words"] = ["a", "b"]
        found = read_attributes(file)
    pair = found.pop("pair")
    assert isinstance(pair, np.ndarray)
    assert pair.tolist() == [1, 2]
    assert "huge" not in found or len(np.atleast_1d(found.pop("huge"))) == 8100
    assert found == {"text": "w\u00f6rds", "bytes": "words", "flag": True, "count": 3, "share": 0.5}
    assert type(found["flag"]) is bool


def test_read_attributes__never_reads_beyond_its_cap(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(hdf5_checks, "_MAX_ATTRIBUTE_BYTES", 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["large"] = np.zeros(50)
        file.attrs["small"] = np.zeros(5)
        assert list(read_attributes(file)) == ["small"]


def outcome(path: Path) -> str:
    """Return the code of the refusal, or the number of columns that were read."""
    try:
        return str(read_features(path).features.shape[1])
    except FeatureError as error:
        return error.code


def test_read_features__answers_any_flipped_bytes_with_a_feature_error(stored: Path) -> None:
    whole = stored.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    # the first pages hold the file's structure, where a flip does most harm
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(8, 6000, rng.integers(1, 4)).tolist():
            damaged[position] = int(rng.integers(256))
        stored.write_bytes(damaged)
        outcomes.add(outcome(stored))
    assert "MV1310" in outcomes
    assert all(text == "96" or text.startswith("MV13") for text in outcomes)


def test_check_finite__counts_the_rows_that_are_not() -> None:
    features = np.zeros((4, 3), np.float32)
    check_finite(features, "a.h5", "embed it again")
    check_finite(features[:0], "a.h5", "embed it again")
    features[1, 2], features[3] = np.inf, np.nan
    with pytest.raises(FeatureError, match=r"MV1313: a.h5: 2 of 4 .* and embed it again with"):
        check_finite(features, "a.h5", "embed it again")
