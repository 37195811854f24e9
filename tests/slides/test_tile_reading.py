import gc
import shutil
import subprocess
import sys
import threading

import numpy as np
import openslide
import pytest
from PIL import Image

from medvlp.errors import SlideError
from medvlp.pixels import prepare_image
from medvlp.slides import tile_reading
from medvlp.slides.reader import OpenSlideReader, open_slide
from medvlp.slides.tile_reading import read_tiles
from medvlp.slides.tiling import TilePlan, TilingConfig, plan_tiles
from medvlp.slides.tissue import TissueMask, find_slide_tissue
from medvlp.types import ImagePreprocessing

PREPROCESSING = ImagePreprocessing(
    input_px=28, resize_px=32, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
)


def plan_all(path, config: TilingConfig) -> TilePlan:
    """Plan every tile of a slide."""
    with open_slide(path) as reader:
        everywhere = TissueMask(np.ones((1, 1), np.bool_), tuple(map(float, reader.size_px0)))
        return plan_tiles(reader, everywhere, config)


def tiles_by_hand(path, plan: TilePlan) -> np.ndarray:
    """Read tiles as a plain script would, with nothing of ours but the plan's numbers."""
    slide = openslide.OpenSlide(path)
    side = plan.config.tile_px
    tiles = []
    for x, y in plan.coords.tolist():
        region = slide.read_region((x, y), plan.spec.read.level, plan.spec.read.size_px)
        white = Image.new("RGB", region.size, (255, 255, 255))
        white.paste(region, None, region)
        tiles.append(np.asarray(white.resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(tiles)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "config",
    [
        TilingConfig(tile_px=64),
        TilingConfig(tile_px=48, mpp=0.77, overlap=0.4),
        TilingConfig(tile_px=40, mpp=1.1),
    ],
    ids=["native", "resized", "level 1"],
)
def test_read_tiles__equals_plain_openslide_and_pil(
    write_slide, noise_rgb, config: TilingConfig, threads: int
) -> None:
    path = write_slide("a.tif", noise_rgb, downsamples=(1, 2), mpp_xy=(0.5, 0.45))
    plan = plan_all(path, config)
    batches = list(read_tiles(path, None, plan, None, 7, threads=threads))
    assert np.concatenate([batch.index for batch in batches]).tolist() == [*range(plan.num_tiles)]
    assert all(len(batch.index) == 7 for batch in batches[:-1])
    assert not np.concatenate([batch.status for batch in batches]).any()
    actual = np.concatenate([batch.rgb for batch in batches])
    np.testing.assert_array_equal(actual, tiles_by_hand(path, plan))


def test_read_tiles__prepares_tiles_for_the_encoder(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb)
    plan = plan_all(path, TilingConfig(tile_px=64))
    expected = np.stack([prepare_image(tile, PREPROCESSING) for tile in tiles_by_hand(path, plan)])
    actual = np.concatenate([b.rgb for b in read_tiles(path, None, plan, PREPROCESSING, 8)])
    np.testing.assert_array_equal(actual, expected)


def test_read_tiles__lists_undecodable_tiles_and_invents_no_pixels(
    write_slide, damage_tile, noise_rgb
) -> None:
    path = write_slide("a.tif", noise_rgb)
    whole = plan_all(path, TilingConfig(tile_px=64))
    expected = tiles_by_hand(path, whole)
    for index in (0, 1, 2, 9):
        damage_tile(path, 0, index)
    batches = list(read_tiles(path, None, whole, None, 3, threads=2))
    status = np.concatenate([batch.status for batch in batches])
    assert np.flatnonzero(status).tolist() == [0, 1, 2, 9]
    assert set(status.tolist()) == {0, 1}
    assert batches[0].rgb.shape == (0, 64, 64, 3)
    np.testing.assert_array_equal(
        np.concatenate([batch.rgb for batch in batches]), expected[status == 0]
    )


def test_read_tiles__of_an_empty_plan_yields_nothing(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb)
    plan = plan_all(path, TilingConfig(tile_px=600))
    assert plan.num_tiles == 0
    assert list(read_tiles(path, None, plan, None, 4)) == []


def test_read_tiles__says_that_the_slide_was_removed(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb)
    batches = read_tiles(path, None, plan_all(path, TilingConfig(tile_px=32)), None, 4)
    next(batches)
    path.unlink()
    with pytest.raises(SlideError, match="while its tiles were read") as caught:
        list(batches)
    assert caught.value.code == "MV1207"


def test_read_tiles__says_that_the_slide_was_changed(write_slide, noise_rgb, tmp_path) -> None:
    path = write_slide("a.tif", noise_rgb)
    other = write_slide("b.tif", 255 - noise_rgb)
    batches = read_tiles(path, None, plan_all(path, TilingConfig(tile_px=32)), None, 4)
    next(batches)
    shutil.copy(other, path)
    with pytest.raises(SlideError, match="while its tiles were read") as caught:
        list(batches)
    assert caught.value.code == "MV1207"


def test_read_tiles__says_that_the_slide_cannot_be_opened_any_more(
    write_slide, noise_rgb, monkeypatch
) -> None:
    def gone(*_: object) -> None:
        raise SlideError("MV1208", "a.tif cannot be read: Stale file handle")

    path = write_slide("a.tif", noise_rgb)
    plan = plan_all(path, TilingConfig(tile_px=32))
    monkeypatch.setattr(OpenSlideReader, "read_rgb", gone)
    with pytest.raises(SlideError, match="Stale file handle") as caught:
        list(read_tiles(path, None, plan, None, 4))
    assert caught.value.code == "MV1207"


def test_read_tiles__reads_only_a_few_batches_ahead(write_slide, noise_rgb, monkeypatch) -> None:
    path = write_slide("a.tif", noise_rgb)
    plan = plan_all(path, TilingConfig(tile_px=16))
    started = []
    plain = tile_reading._read_tile

    def counted(*arguments):
        started.append(arguments[-1])
        return plain(*arguments)

    monkeypatch.setattr(tile_reading, "_read_tile", counted)
    batches = read_tiles(path, None, plan, None, 5, threads=2)
    next(batches)
    assert len(started) <= 10
    assert plan.num_tiles > 400
    batches.close()
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name.startswith("tiles")]
    assert len(started) <= 10


def test_read_tiles__refuses_batches_without_tiles(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        next(read_tiles(path, None, plan_all(path, TilingConfig(tile_px=32)), None, 0))


def test_tile_reading__starts_without_torch() -> None:
    code = (
        "import sys, medvlp.slides.tile_reading; "
        "sys.exit(any(n in sys.modules for n in ('torch', 'h5py', 'scipy', 'skimage')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_read_tiles__equals_plain_openslide_on_real_slides(real_data) -> None:
    for name in ("real/CMU-1-Small-Region.svs", "pyramids/cmu1_small_pyramid.svs"):
        path = real_data / "slides" / name
        with open_slide(path) as reader:
            plan = plan_tiles(reader, find_slide_tissue(reader)[1], TilingConfig())
        assert 20 < plan.num_tiles < 60
        actual = np.concatenate([b.rgb for b in read_tiles(path, None, plan, None, 16)])
        np.testing.assert_array_equal(actual, tiles_by_hand(path, plan))


def test_read_tiles__lists_the_zeroed_tiles_of_a_real_slide(real_data) -> None:
    path = real_data / "broken/wsi/cmu1_zeroed_tiles.svs"
    with open_slide(path) as reader:
        plan = plan_tiles(reader, find_slide_tissue(reader)[1], TilingConfig())
    status = np.concatenate([b.status for b in read_tiles(path, None, plan, None, 16)])
    assert 0 < (status == 1).sum() < len(status)
    whole = real_data / "slides/real/CMU-1-Small-Region.svs"
    expected = tiles_by_hand(whole, plan)[status == 0]
    actual = np.concatenate([b.rgb for b in read_tiles(path, None, plan, None, 16)])
    np.testing.assert_array_equal(actual, expected)
