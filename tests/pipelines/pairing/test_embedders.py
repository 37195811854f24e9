"""Features are unit vectors: of thumbnails, of an encoder, or from a file that is checked."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import DataError
from medvlp.pipelines.pairing.embedders import (
    EncoderEmbedder,
    ThumbnailEmbedder,
    load_embedder,
    read_feature_file,
)
from medvlp.pipelines.pairing.settings import ImageDuplicates
from medvlp.pixels import prepare_image


def embed(embedder, pictures) -> np.ndarray:
    prepared = [prepare_image(np.asarray(p), embedder.preprocessing) for p in pictures]
    return embedder.embed(np.stack(prepared))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_thumbnail__is_near_for_copies_and_far_for_others(picture) -> None:
    one, other = picture(1), picture(2)
    copies = [recompressed(one, 40), one.resize((80, 80)), other]
    features = embed(ThumbnailEmbedder(), [one, *copies])
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=0, atol=1e-5)
    cosines = features[1:] @ features[0]
    assert cosines[:2].min() > 0.99
    assert cosines[2] < 0.6


def test_thumbnail__of_an_even_picture_is_zero_and_near_nothing(picture) -> None:
    even = Image.new("RGB", (96, 96), (200, 100, 50))
    features = embed(ThumbnailEmbedder(), [even, picture(0)])
    assert not features[0].any()


def test_encoder__gives_unit_vectors_and_says_what_they_depend_on(picture) -> None:
    embedder = EncoderEmbedder("timm:test_resnet", ImageDuplicates(batch_size=2))
    features = embed(embedder, [picture(1), picture(2)])
    assert features.shape == (2, embedder.dim)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=0, atol=1e-5)
    assert len(embedder.identity["weights_sha256"]) == 64


def test_load_embedder__loads_only_what_is_needed() -> None:
    assert load_embedder(ImageDuplicates(rule="none")) is None
    assert load_embedder(ImageDuplicates(features=Path("f.npz"))) is None
    assert isinstance(load_embedder(ImageDuplicates()), ThumbnailEmbedder)
    assert load_embedder(ImageDuplicates(rule="none"), is_judged=True) is not None


def write(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def test_read_feature_file__finds_rows_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.npz", names=np.array(["b", "a"]), features=np.array([[0, 2.0], [3, 4]])
    )
    found = read_feature_file(path, ["a", "b", "a"])
    expected = np.array([[0.6, 0.8], [0, 1], [0.6, 0.8]])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": np.ones((2, 3))}, "names"),
        ({"names": np.array(["a"]), "features": np.ones((2, 3))}, "shape"),
        ({"names": np.array(["a", "x"]), "features": np.ones((2, 3))}, "such as 'b'"),
        ({"names": np.array(["a", "b"]), "features": np.zeros((2, 3))}, "'a' is zero"),
        (
            {"names": np.array(["a", "b"]), "features": np.array([[1.0], [np.nan]])},
            "'b' is zero or not finite",
        ),
        ({"names": np.array(["a", {}], dtype=object), "features": np.ones((2, 3))}, "pickle"),
    ],
)
def test_read_feature_file__refuses(tmp_path: Path, arrays, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_feature_file(write(tmp_path / "f.npz", **arrays), ["a", "b"])
    assert caught.value.code == "MV2133"


def test_read_feature_file__refuses_what_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "f.npz").write_bytes(b"PK\x03\x04 broken")
    for path in (tmp_path / "f.npz", tmp_path / "missing.npz"):
        with pytest.raises(DataError, match="cannot be used as features"):
            read_feature_file(path, ["a"])
