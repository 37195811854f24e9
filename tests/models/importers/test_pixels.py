"""Settings of pixels are translated, or refused value by value."""

import pytest

from medvlp.errors import ModelError
from medvlp.models.importers.pixels import read_pixels

GOOD = {"size": [224, 224], "interpolation": "bicubic", "mean": [0.5, 0.4, 0.3], "std": 0.2}


def test_read_pixels__translates_what_open_clip_writes():
    found = read_pixels({**GOOD, "mode": "RGB", "fill_color": 0}, "x")
    assert (found.input_px, found.resize_px, found.interpolation) == (224, 224, "bicubic")
    assert (found.mean, found.std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"std": [0.0, 0.2, 0.2]}, "MV2101"),
        ({"std": None}, "MV2101"),
        ({"mean": [0.5, 0.5]}, "MV2101"),
        ({"size": "224"}, "MV2101"),
        ({"size": 0}, "MV2101"),
        ({"size": [224, 192]}, "MV1411"),
        ({"interpolation": "lanczos"}, "MV1411"),
        ({"interpolation": []}, "MV2101"),
        ({"resize_mode": "squash"}, "MV1411"),
    ],
)
def test_read_pixels__refuses_what_is_not_valid(change, code):
    with pytest.raises(ModelError) as caught:
        read_pixels({**GOOD, **change}, "open_clip_config.json")
    assert caught.value.code == code
