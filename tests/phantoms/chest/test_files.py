"""PNG files of phantom X-rays."""

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import PhantomError
from medvlp.phantoms.chest.files import write_phantom_png


def test_png__of_8_bits_holds_the_upper_ones(tmp_path, phantom):
    write_phantom_png(tmp_path / "x.png", phantom)
    with Image.open(tmp_path / "x.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), phantom.pixels // 16)


def test_png__of_16_bits_holds_all(tmp_path, phantom):
    write_phantom_png(tmp_path / "x.png", phantom, bits=16)
    with Image.open(tmp_path / "x.png") as image:
        assert image.mode == "I;16"
        assert np.array_equal(np.asarray(image) // 16, phantom.pixels)


def test_png__of_other_bits_is_refused(tmp_path, phantom):
    with pytest.raises(PhantomError, match="MV1908"):
        write_phantom_png(tmp_path / "x.png", phantom, bits=12)
