from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from medvlp.errors import SlideError
from medvlp.slides.reader import OpenSlideReader, open_slide


def test_reader__knows_sizes_levels_and_scale(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb, downsamples=(1, 2, 4), mpp_xy=(0.5, 0.25))
    with open_slide(path) as reader:
        assert reader.path == path
        assert reader.vendor == "generic-tiff"
        assert reader.reader_id == f"openslide {openslide.__library_version__}"
        assert reader.size_px0 == (448, 320)
        assert reader.bounds_px0 == (0, 0, 448, 320)
        assert reader.level_downsamples == (1.0, 2.0, 4.0)
        assert reader.level_sizes_px == ((448, 320), (224, 160), (112, 80))
        assert reader.mpp_xy == pytest.approx((0.5, 0.25))
        assert reader.scale.source == "metadata"


def test_reader__reads_without_knowing_the_scale(write_slide, noise_rgb) -> None:
    path = write_slide("a.tif", noise_rgb, mpp_xy=None)
    with open_slide(path) as reader:
        assert reader.read_rgb((0, 0), 0, (8, 8)).shape == (8, 8, 3)
        with pytest.raises(SlideError, match="--slide-mpp"):
            _ = reader.mpp_xy
    with open_slide(path, slide_mpp=0.3) as reader:
        assert reader.mpp_xy == (0.3, 0.3)
    with open_slide(path, fallback_mpp=0.4) as reader:
        assert reader.scale.source == "fallback"


@pytest.mark.parametrize(
    ("origin_px0", "level", "size_px"),
    [((0, 0), 0, (64, 64)), ((37, 91), 0, (130, 77)), ((40, 20), 1, (90, 60))],
)
def test_read_rgb__equals_plain_openslide(
    write_slide, noise_rgb, origin_px0, level, size_px
) -> None:
    path = write_slide("a.tif", noise_rgb, downsamples=(1, 2))
    plain = openslide.OpenSlide(path).read_region(origin_px0, level, size_px).convert("RGB")
    with open_slide(path) as reader:
        np.testing.assert_array_equal(
            reader.read_rgb(origin_px0, level, size_px), np.asarray(plain)
        )


def test_read_rgb__paints_what_was_not_scanned_white(write_slide, noise_rgb) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        region = reader.read_rgb((440, 310), 0, (16, 20))
    np.testing.assert_array_equal(region[:10, :8], noise_rgb[310:, 440:])
    assert (region[10:] == 255).all()
    assert (region[:, 8:] == 255).all()


def test_read_rgb__refuses_levels_and_sizes_that_do_not_exist(write_slide, noise_rgb) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        with pytest.raises(ValueError, match="level must be 0 to 0"):
            reader.read_rgb((0, 0), 1, (8, 8))
        with pytest.raises(ValueError, match="size_px must hold"):
            reader.read_rgb((0, 0), 0, (0, 8))
        with pytest.raises(ValueError, match="size_px must hold"):
            reader.read_rgb((0, 0), 0, (2**20, 2**20))


def test_read_rgb__names_an_undecodable_region_and_stays_usable(
    write_slide, damage_tile, noise_rgb
) -> None:
    path = write_slide("a.tif", noise_rgb)
    damage_tile(path, 0, 8)  # second row, second of seven columns
    with open_slide(path) as reader:
        for _ in range(2):
            with pytest.raises(SlideError, match="does not decode") as caught:
                reader.read_rgb((70, 70), 0, (32, 32))
            assert caught.value.code == "MV1206"
            assert str(path.parent) not in str(caught.value)
        np.testing.assert_array_equal(
            reader.read_rgb((128, 64), 0, (64, 64)), noise_rgb[64:128, 128:192]
        )


def test_read_rgb__opens_the_file_anew_once_for_a_failed_handle(
    write_slide, damage_tile, noise_rgb, monkeypatch
) -> None:
    opened = []
    plain = OpenSlideReader._open

    def counted(reader: OpenSlideReader) -> openslide.OpenSlide:
        opened.append(1)
        return plain(reader)

    monkeypatch.setattr(OpenSlideReader, "_open", counted)
    path = write_slide("a.tif", noise_rgb)
    damage_tile(path, 0, 8)
    with open_slide(path) as reader:
        with pytest.raises(SlideError, match="MV1206"):
            reader.read_rgb((70, 70), 0, (32, 32))
        for _ in range(5):
            reader.read_rgb((0, 0), 0, (32, 32))
    assert len(opened) == 3  # at first, in place of the failed one, and for the second try


def test_read_rgb__of_one_thread_survives_failures_of_others(
    write_slide, damage_tile, noise_rgb
) -> None:
    path = write_slide("a.tif", noise_rgb)
    damage_tile(path, 0, 8)
    with open_slide(path) as reader:

        def read(index: int) -> bool:
            row, col = divmod(index % 35, 7)
            try:
                region = reader.read_rgb((col * 64, row * 64), 0, (64, 64))
            except SlideError:
                return index % 35 == 8
            expected = noise_rgb[row * 64 : row * 64 + 64, col * 64 : col * 64 + 64]
            return index % 35 != 8 and bool((region == expected).all())

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(read, range(280)))


def test_reader__respects_the_bounds_of_the_scan(write_slide, noise_rgb, monkeypatch) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        stated = {
            "openslide.bounds-x": "100",
            "openslide.bounds-y": "50",
            "openslide.bounds-width": "200",
            "openslide.bounds-height": "9000",
        }
        monkeypatch.setattr(reader, "_properties", {**reader._properties, **stated})
        assert reader.bounds_px0 == (100, 50, 200, 270)
        monkeypatch.setattr(reader, "_properties", {"openslide.bounds-x": "-5"})
        assert reader.bounds_px0 == (0, 0, 448, 320)


def test_reader__never_opens_label_or_macro(write_slide, noise_rgb, monkeypatch) -> None:
    def forbidden(self: openslide.OpenSlide) -> None:
        raise AssertionError("associated images may show a patient's name")

    path = write_slide("a.tif", noise_rgb)
    monkeypatch.setattr(openslide.OpenSlide, "associated_images", property(forbidden))
    with open_slide(path) as reader:
        reader.read_thumbnail(100)
        assert not any("DESCRIPTION" in str(value).upper() for value in vars(type(reader)))


def test_read_thumbnail__is_the_whole_slide_at_the_wanted_size(write_slide) -> None:
    rgb = np.full((320, 448, 3), 250, np.uint8)
    rgb[:, 224:] = (200, 60, 120)
    with open_slide(write_slide("a.tif", rgb)) as reader:
        thumbnail = reader.read_thumbnail(56)
    assert thumbnail.shape == (40, 56, 3)
    assert (thumbnail[:, :27] == 250).all()
    assert (thumbnail[:, 29:] == (200, 60, 120)).all()


# What every real file is: (vendor, size, mpp) where it opens, else the code it is refused with.
REAL_FILES: dict[str, tuple[str, tuple[int, int], float | str] | str] = {
    "slides/real/CMU-1-Small-Region.svs": ("aperio", (2220, 2967), 0.499),
    "slides/real/cells.ome.tif": "MV1201",
    "slides/real/dicom_jpeg.dicom.dcm": ("dicom", (957, 715), 16.783),
    "slides/real/dicom_jpeg2000.dicom.dcm": ("dicom", (957, 715), 16.783),
    "slides/real/highdicom_seg_image_sm_dots_tiled_full.dcm": "MV1201",
    "slides/real/highdicom_sm_annotations.dcm": "MV1201",
    "slides/real/highdicom_sm_image.dcm": ("dicom", (50, 50), 0.499),
    "slides/real/highdicom_sm_image_jpegls_nobot.dcm": "MV1201",
    "slides/real/kidney-48-5_ihc.tif": "MV1201",
    "slides/real/multi-channel-z-series.ome.tif": "MV1201",
    "slides/real/openslide_boxes.tiff": ("generic-tiff", (300, 250), "MV1204"),
    "slides/real/openslide_boxes_0.dcm": ("dicom", (16, 16), 0.499),
    "slides/real/openslide_boxes_1.dcm": ("dicom", (16, 16), 0.499),
    "slides/real/openslide_small.svs": ("aperio", (16, 16), 0.499),
    "slides/real/tcga-cr-7395-01a-01-ts1.svs": ("aperio", (4443, 3567), "MV1203"),
    "slides/pyramids/cmu1_small_generic.tiff": ("generic-tiff", (2220, 2967), 0.499),
    "slides/pyramids/cmu1_small_pyramid.svs": ("aperio", (2220, 2967), 0.499),
    "slides/composite/osteosarcoma_composite_dev.tiff": ("generic-tiff", (9216, 7936), 1.0),
    "slides/composite/regions.json": "MV1201",
    "broken/wsi/broken.svs": "MV1201",
    "broken/wsi/cmu1_truncated_60pct.svs": "MV1202",
    "broken/wsi/cmu1_zeroed_tiles.svs": ("aperio", (2220, 2967), 0.499),
    "broken/wsi/empty.svs": "MV1202",
    "broken/wsi/git_lfs_pointer.tif": "MV1202",
    "broken/wsi/unicode_name_\N{NEUTRAL FACE}.svs": ("aperio", (16, 16), 0.499),
    "broken/wsi/unopenable.tiff": "MV1201",
    "broken/wsi/unreadable.svs": ("aperio", (16, 16), 0.499),
    "broken/images/vips_1bit.tif": "MV1201",
    "broken/images/vips_2bit.tif": "MV1201",
    "broken/images/vips_4bit.tif": "MV1201",
    "broken/images/vips_blankpage.pdf": "MV1201",
    "broken/images/vips_invalid_multiframe.gif": "MV1201",
    "broken/images/vips_subsampled.tif": "MV1201",
    "broken/images/vips_truncated.jpg": "MV1201",
}


@pytest.mark.parametrize("name", sorted(REAL_FILES))
def test_open_slide__opens_or_refuses_every_real_file(real_data: Path, name: str) -> None:
    expected = REAL_FILES[name]
    if isinstance(expected, str):
        with pytest.raises(SlideError) as caught:
            open_slide(real_data / name)
        assert caught.value.code == expected
        return
    vendor, size_px0, scale = expected
    with open_slide(real_data / name) as reader:
        assert (reader.vendor, reader.size_px0) == (vendor, size_px0)
        assert max(reader.read_thumbnail(256).shape) == min(256, max(size_px0))
        if isinstance(scale, str):
            with pytest.raises(SlideError) as caught:
                _ = reader.mpp_xy
            assert caught.value.code == scale
        else:
            assert reader.mpp_xy == pytest.approx((scale, scale), abs=1e-3)


def test_open_slide__knows_every_file_there_is(real_data: Path) -> None:
    folders = ("slides/real", "slides/pyramids", "slides/composite", "broken/wsi", "broken/images")
    found = {
        path.relative_to(real_data).as_posix()
        for folder in folders
        for path in (real_data / folder).iterdir()
    }
    assert found == set(REAL_FILES)


def test_read_rgb__equals_plain_openslide_on_a_real_slide(real_data: Path) -> None:
    path = real_data / "slides/real/CMU-1-Small-Region.svs"
    plain = openslide.OpenSlide(path).read_region((700, 900), 0, (333, 222))
    expected = Image.new("RGB", plain.size, (255, 255, 255))
    expected.paste(plain, None, plain)
    with open_slide(path) as reader:
        actual = reader.read_rgb((700, 900), 0, (333, 222))
    np.testing.assert_array_equal(actual, np.asarray(expected))
