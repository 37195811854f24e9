"""X-rays become features: equal to the model's own, described, and refused where not finite."""

import numpy as np
import pytest

from medvlp.embedding.radiographs import (
    RadiographSettings,
    embed_radiograph,
    radiograph_parameters_sha256,
)
from medvlp.errors import ModelError
from medvlp.radiographs.framed import read_framed
from tests.pipelines.radiograph_samples import case_of, write_images, write_model


def test_embed_radiograph__is_the_model_on_the_framed_picture(tmp_path) -> None:
    write_images(tmp_path / "in")
    model = write_model(tmp_path / "model")
    path = tmp_path / "in" / "a.png"
    framed = read_framed(path, model.preprocessing.input_px)
    found = embed_radiograph(case_of(path), framed, model, RadiographSettings())
    assert np.array_equal(found.features, model.embed_images(framed.square[None]))
    meta = found.meta
    assert (meta.encoder, meta.image_shape, meta.is_normalized) == ("tiny-chest", (96, 80), True)
    assert meta.image_sha256 == framed.content_sha256


def test_radiograph_parameters__change_with_the_window_and_not_with_limits(tmp_path) -> None:
    model = write_model(tmp_path / "model")
    plain = radiograph_parameters_sha256(model, RadiographSettings())
    assert plain == radiograph_parameters_sha256(model, RadiographSettings())
    assert plain != radiograph_parameters_sha256(model, RadiographSettings(window=(100.0, 50.0)))


def test_embed_radiograph__refuses_a_feature_that_is_not_finite(tmp_path, monkeypatch) -> None:
    write_images(tmp_path / "in")
    model = write_model(tmp_path / "model")
    path = tmp_path / "in" / "a.png"
    framed = read_framed(path, model.preprocessing.input_px)
    monkeypatch.setattr(model.model, "embed_images", lambda pixels: np.full((1, 4), np.nan))
    with pytest.raises(ModelError, match="NaN") as caught:
        embed_radiograph(case_of(path), framed, model, RadiographSettings())
    assert caught.value.code == "MV1417"
