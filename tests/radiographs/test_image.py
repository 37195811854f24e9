"""An X-ray in memory holds one channel of float32."""

from __future__ import annotations

import numpy as np
import pytest

from medvlp.radiographs.image import Radiograph


def make(pixels: np.ndarray) -> Radiograph:
    return Radiograph(
        pixels=pixels,
        spacing_mm=None,
        view=None,
        laterality=None,
        bits_stored=8,
        photometric="MONOCHROME2",
        value_range="full-range",
        burned_in=None,
    )


def test_radiograph__refuses_pixels_of_another_kind() -> None:
    assert make(np.zeros((3, 4), np.float32)).notes == ()
    for wrong in (np.zeros((3, 4)), np.zeros((3, 4, 1), np.float32)):
        with pytest.raises(ValueError, match=r"pixels must be \(H, W\) float32"):
            make(wrong)
