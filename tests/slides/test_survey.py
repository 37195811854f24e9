import pickle

import numpy as np
import pytest

from medvlp.errors import SlideError
from medvlp.slides.survey import slide_content_sha256, survey_slide
from medvlp.slides.tiling import TilingConfig
from medvlp.slides.tissue import TissueConfig

TILING = TilingConfig(tile_px=64)


@pytest.fixture
def stained_rgb() -> np.ndarray:
    """Glass with a stained rectangle of 640 x 512 px that has structure."""
    rgb = np.full((768, 1024, 3), 240, np.uint8)
    rgb[128:640, 192:832] = (215, 150, 195)
    rgb[128:640:6, 192:832:5] = (120, 80, 160)
    return rgb


def test_survey_slide__finds_scale_tissue_and_tiles(write_slide, stained_rgb) -> None:
    path = write_slide("a.tif", stained_rgb, downsamples=(1, 2), mpp_xy=(0.5, 0.5))
    survey = survey_slide(path, (), None, TILING, TissueConfig(mpp=4.0, gap_um=20.0))
    assert survey.size_px0 == (1024, 768)
    assert survey.mpp_xy == pytest.approx((0.5, 0.5))
    assert survey.mpp_source == "metadata"
    assert survey.vendor == "generic-tiff"
    assert survey.tissue.mask.shape == survey.overview.rgb.shape[:2]
    assert survey.tissue.px0_per_px == survey.overview.px0_per_px
    assert survey.tissue.share == pytest.approx(640 * 512 / (1024 * 768), rel=0.1)
    corners = {tuple(corner) for corner in survey.plan.coords.tolist()}
    inside = {(x, y) for x in range(192, 832, 64) for y in range(128, 640, 64)}
    assert corners == inside
    copy = pickle.loads(pickle.dumps(survey))  # noqa: S301  made in this line
    assert copy.content_sha256 == survey.content_sha256


def test_survey_slide__of_glass_plans_no_tiles(write_slide) -> None:
    path = write_slide("a.tif", np.full((512, 512, 3), 240, np.uint8))
    survey = survey_slide(path, (), None, TILING, TissueConfig())
    assert survey.plan.num_tiles == 0
    assert not survey.tissue.mask.any()


def test_survey_slide__uses_the_stated_scale_where_there_is_none(write_slide, stained_rgb) -> None:
    path = write_slide("a.tif", stained_rgb, mpp_xy=None)
    with pytest.raises(SlideError, match="MV1203"):
        survey_slide(path, (), None, TILING, TissueConfig())
    survey = survey_slide(path, (), 0.5, TILING, TissueConfig())
    assert (survey.mpp_xy, survey.mpp_source) == ((0.5, 0.5), "fallback")


def test_slide_content_sha256__covers_every_file_of_the_slide(write_slide, stained_rgb) -> None:
    path, part = write_slide("a.tif", stained_rgb), write_slide("b.tif", stained_rgb)
    alone = slide_content_sha256(path, ())
    both = slide_content_sha256(path, (part,))
    assert alone != both
    part.write_bytes(part.read_bytes() + b"x")
    assert slide_content_sha256(path, (part,)) != both
    assert slide_content_sha256(path, ()) == alone
