"""Tiles of one slide to features: order, failures and what the features say of themselves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from medvlp.embedding import tiles
from medvlp.embedding.tiles import EmbedSettings, embed_slide, feature_parameters_sha256
from medvlp.errors import ModelError, SlideError
from medvlp.slides.geometry import plan_tile_spec
from medvlp.slides.overview import Overview
from medvlp.slides.survey import SlideSurvey
from medvlp.slides.tile_reading import TileBatch
from medvlp.slides.tiling import TilePlan, TilingConfig
from medvlp.slides.tissue import TissueMask
from medvlp.types import Case, ImagePreprocessing

CASE = Case(case_id="a.tif", case_key="a", path=Path("a.tif"), modality="slide")


class MeanEncoder:
    """Embeds an image as its mean colour."""

    name = "mean"
    dim = 3
    weights_sha256 = "w"
    precision = "fp32"
    is_projected = False
    is_normalized = False
    preprocessing = ImagePreprocessing(
        input_px=4, resize_px=4, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1)
    )

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def embed(self, rgb: torch.Tensor) -> torch.Tensor:
        return rgb.float().mean(dim=(1, 2)) * self.scale


def survey_of(count: int) -> SlideSurvey:
    spec = plan_tile_spec((0.5, 0.5), (1.0,), target_mpp=0.5, tile_px=256)
    coords = np.array([[256 * n, 0] for n in range(count)], np.int64).reshape(-1, 2)
    white = np.full((8, 8, 3), 255, np.uint8)
    return SlideSurvey(
        content_sha256="s",
        reader_id="openslide 4",
        vendor="generic-tiff",
        size_px0=(4096, 256),
        mpp_xy=(0.5, 0.5),
        mpp_source="metadata",
        overview=Overview(white, np.ones((8, 8), bool), (512.0, 32.0)),
        tissue=TissueMask(np.ones((8, 8), bool), (512.0, 32.0)),
        plan=TilePlan(coords, np.ones(count, np.float32), spec, TilingConfig()),
    )


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Replace the worker: tile n is filled with the value n, the listed ones do not decode."""
    bad: dict[str, list[int]] = {"failed": []}

    def stream(
        _function: object,
        _path: Path,
        _mpp: float | None,
        plan: TilePlan,
        _wanted: ImagePreprocessing,
        batch_size: int,
        **_: object,
    ) -> Iterator[TileBatch]:
        for start in range(0, plan.num_tiles, batch_size):
            index = np.arange(start, min(start + batch_size, plan.num_tiles))
            status = np.isin(index, bad["failed"]).astype(np.uint8)
            good = index[status == 0]
            rgb = np.broadcast_to(good[:, None, None, None], (len(good), 4, 4, 3))
            yield TileBatch(index, status, rgb.astype(np.uint8))

    monkeypatch.setattr(tiles, "stream_in_worker", stream)
    return bad


def test_embed_slide__keeps_the_order_of_the_plan(reading: dict[str, list[int]]) -> None:
    found = embed_slide(CASE, survey_of(10), MeanEncoder(), EmbedSettings(batch_size=3))
    np.testing.assert_array_equal(found.features[:, 0], np.arange(10, dtype=np.float32))
    np.testing.assert_array_equal(found.coords[:, 0], 256 * np.arange(10))
    assert found.features.dtype == np.float32


def test_embed_slide__sets_failed_tiles_apart(reading: dict[str, list[int]]) -> None:
    reading["failed"] = [0, 4, 9]
    settings = EmbedSettings(batch_size=4, max_failed_share=0.3)
    found = embed_slide(CASE, survey_of(10), MeanEncoder(), settings)
    assert found.features[:, 0].tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert found.failed_coords[:, 0].tolist() == [0, 4 * 256, 9 * 256]
    assert found.failed_status.tolist() == [1, 1, 1]


def test_embed_slide__fails_a_slide_with_too_many_failed_tiles(
    reading: dict[str, list[int]],
) -> None:
    reading["failed"] = [0, 4, 9]
    with pytest.raises(SlideError, match=r"MV1210: a.tif: 3 of 10 tiles do not decode"):
        embed_slide(CASE, survey_of(10), MeanEncoder(), EmbedSettings(max_failed_share=0.29))


def test_embed_slide__refuses_features_that_are_not_finite(reading: dict[str, list[int]]) -> None:
    with pytest.raises(ModelError, match="MV1417: mean gave NaN or infinite features for 10 of 10"):
        embed_slide(CASE, survey_of(10), MeanEncoder(float("inf")), EmbedSettings())


def test_embed_slide__of_no_tissue_has_no_rows(reading: dict[str, list[int]]) -> None:
    found = embed_slide(CASE, survey_of(0), MeanEncoder(), EmbedSettings())
    assert found.features.shape == (0, 3)
    assert found.meta.slide_sha256 == "s"


def test_feature_parameters__change_with_what_decides_and_with_nothing_else() -> None:
    encoder = MeanEncoder()
    base = feature_parameters_sha256(encoder, EmbedSettings(), None)
    assert base == feature_parameters_sha256(encoder, EmbedSettings(batch_size=3), None)
    others = [
        feature_parameters_sha256(encoder, EmbedSettings(), 0.5),
        feature_parameters_sha256(encoder, EmbedSettings(tiling=TilingConfig(mpp=1.0)), None),
    ]
    encoder.precision = "bf16"
    others.append(feature_parameters_sha256(encoder, EmbedSettings(), None))
    assert len({base, *others}) == 4
