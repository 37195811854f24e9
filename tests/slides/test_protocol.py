import numpy as np

from medvlp.slides.protocol import SlideReader
from medvlp.slides.reader import open_slide


def test_slide_reader__is_what_open_slide_returns(write_slide, noise_rgb) -> None:
    with open_slide(write_slide("a.tif", noise_rgb)) as reader:
        assert isinstance(reader, SlideReader)


def test_slide_reader__positions_are_x_first_and_arrays_row_first(write_slide) -> None:
    rgb = np.zeros((96, 160, 3), np.uint8)
    rgb[16, 128] = 255
    with open_slide(write_slide("a.tif", rgb)) as reader:
        assert reader.size_px0 == (160, 96)
        assert reader.read_rgb((128, 16), 0, (3, 2)).shape == (2, 3, 3)
        assert reader.read_rgb((128, 16), 0, (3, 2))[0, 0].tolist() == [255, 255, 255]
