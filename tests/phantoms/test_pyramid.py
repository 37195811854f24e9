import numpy as np
import pytest
import tifffile

from medvlp.phantoms.pyramid import PyramidSettings, write_pyramid


class Checkers:
    """Paints every tile in one colour that says where it is; every third column is blank."""

    def blank_key(self, x_px0, y_px0):
        return (0, 0) if (x_px0 // 256) % 3 == 2 else None

    def paint_blank(self, key):
        return np.full((256, 256, 3), 230, dtype=np.uint8)

    def paint(self, x_px0, y_px0):
        tile = np.empty((256, 256, 3), dtype=np.uint8)
        tile[:] = self.colour(x_px0, y_px0)
        return tile

    @staticmethod
    def colour(x_px0, y_px0):
        return 20 * (x_px0 // 256), 20 * (y_px0 // 256), 100


def write(path, **changes):
    settings = {"size_px": (1600, 1100), "mpp": 0.5} | changes
    write_pyramid(path, Checkers(), PyramidSettings(**settings))
    return path


def test_write_pyramid__has_three_tiled_levels_of_the_right_size(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "a.tif")) as tif:
        shapes = [page.shape for page in tif.pages]
        assert shapes == [(1100, 1600, 3), (275, 400, 3), (69, 100, 3)]
        assert all(page.is_tiled and page.tilewidth == 256 for page in tif.pages)
        assert all(page.compression.name == "JPEG" for page in tif.pages)
        assert [page.subfiletype for page in tif.pages] == [0, 1, 1]


def test_write_pyramid__puts_every_tile_in_its_place_on_every_level(tmp_path):
    path = write(tmp_path / "a.tif")

    for level, factor in enumerate((1, 4, 16)):
        image = tifffile.imread(path, key=level).astype(int)
        for x in range(0, 1600, 256):
            for y in range(0, 1100, 256):
                expected = (230,) * 3 if (x // 256) % 3 == 2 else Checkers.colour(x, y)
                right, bottom = min(x + 256, 1600), min(y + 256, 1100)
                actual = image[(y + bottom) // 2 // factor, (x + right) // 2 // factor]
                assert np.abs(actual - expected).max() <= 4, (level, x, y)


def test_write_pyramid__bytes_do_not_depend_on_threads(tmp_path):
    one = write(tmp_path / "one.tif", threads=1)
    three = write(tmp_path / "three.tif", threads=3)

    assert one.read_bytes() == three.read_bytes()


def test_write_pyramid__states_the_scale_of_each_level(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "a.tif", mpp=0.25)) as tif:
        tags = [page.tags["XResolution"].value for page in tif.pages]
        assert tif.pages[0].tags["ResolutionUnit"].value == 3  # centimetres
        assert tif.pages[0].tags["Software"].value == "medvlp phantoms"
    per_cm = [numerator / denominator for numerator, denominator in tags]
    assert per_cm == pytest.approx([40_000, 10_000, 2_500])


def test_write_pyramid__states_no_scale_when_there_is_none(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "a.tif", mpp=None)) as tif:
        assert tif.pages[0].tags["XResolution"].value == (1, 1)


def test_write_pyramid__writes_the_description(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "a.tif", description="Aperio words")) as tif:
        assert tif.pages[0].description == "Aperio words"


def test_write_pyramid__an_error_of_the_painter_comes_through(tmp_path):
    class Broken(Checkers):
        def paint(self, x_px0, y_px0):
            raise RuntimeError("out of paint")

    with pytest.raises(RuntimeError, match="out of paint"):
        write_pyramid(tmp_path / "a.tif", Broken(), PyramidSettings(size_px=(600, 600), mpp=0.5))
