import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from medvlp.slides.ink import find_ink
from medvlp.slides.staining import estimate_glass_rgb, optical_density

UM_PER_PX = 8.0
INKS = {
    "green": (60, 150, 120),
    "blue": (60, 90, 190),
    "red": (190, 30, 40),
    "black": (40, 42, 45),
}
STAINS = {
    "hematoxylin": (110, 80, 160),
    "eosin": (225, 130, 175),
    "brown": (150, 100, 60),
    "dark nuclei": (80, 50, 120),
}


def painted(colour: tuple[int, int, int], grain: float, seed: int = 0) -> NDArray[np.uint8]:
    """A stroke of 480 um in a field of glass, with grain in its density."""
    rng = np.random.default_rng(seed)
    picture = np.full((160, 160, 3), 240.0)
    thickness = np.zeros((160, 160))
    thickness[50:110, 20:140] = 1.0
    thickness = ndimage.gaussian_filter(thickness, 1.0)
    thickness *= 1 + grain * rng.standard_normal(thickness.shape)
    picture *= (np.array(colour) / 240.0) ** thickness[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def ink_of(rgb: NDArray[np.uint8], um_per_px: float = UM_PER_PX) -> NDArray[np.bool_]:
    return find_ink(optical_density(rgb, estimate_glass_rgb(rgb)), um_per_px)


@pytest.mark.parametrize("name", sorted(INKS))
def test_find_ink__finds_strokes_with_their_edges_and_nothing_else(name: str) -> None:
    ink = ink_of(painted(INKS[name], grain=0.05))
    assert ink[48:112, 18:142].mean() > 0.99
    assert ink[:35].mean() == 0.0
    assert ink[125:].mean() == 0.0


@pytest.mark.parametrize("name", sorted(STAINS))
def test_find_ink__leaves_stained_sections_alone(name: str) -> None:
    assert not ink_of(painted(STAINS[name], grain=0.25)).any()


@pytest.mark.parametrize("name", sorted(STAINS))
def test_find_ink__leaves_a_dark_part_of_a_pale_section_alone(name: str) -> None:
    rng = np.random.default_rng(3)
    rgb = np.full((160, 160, 3), STAINS["eosin"], np.uint8)
    rgb[60:90, 20:140] = STAINS[name]
    rgb = np.clip(rgb + rng.normal(0, 12, rgb.shape), 0, 255).astype(np.uint8)
    assert not ink_of(rgb).any()


def test_find_ink__takes_a_blue_slide_for_a_blue_stain() -> None:
    # the same hue: a few smooth strokes are ink, a field with structure is the stain of the slide
    rng = np.random.default_rng(0)
    structure = ndimage.gaussian_filter(rng.standard_normal((160, 160)), 1.2) > 0
    field = np.full((160, 160, 3), INKS["blue"], np.uint8)
    field[structure] = (150, 190, 230)
    assert not ink_of(field).any()
    assert ink_of(np.full((160, 160, 3), INKS["blue"], np.uint8)).all()


def test_find_ink__ignores_specks_of_dust() -> None:
    rgb = np.full((160, 160, 3), 240, np.uint8)
    rgb[40:43, 40:43] = 30
    rgb[90, 10:150] = 60  # the edge of a cover slip
    assert not ink_of(rgb).any()


def test_find_ink__finds_nothing_on_glass() -> None:
    assert not ink_of(np.full((40, 40, 3), 240, np.uint8)).any()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("no-tissue-green-pen.png", 0.7, 1.0),
        ("no-tissue-red-pen.png", 0.6, 1.0),
        ("tcga-green-pen.png", 0.1, 0.5),
        ("tcga-red-pen.png", 0.15, 0.5),
        ("no-tissue.png", 0.0, 0.001),
        ("no-tissue2.png", 0.0, 0.001),
    ],
)
def test_find_ink__on_real_pictures(real_data, name: str, least: float, most: float) -> None:
    with Image.open(real_data / "slides/thumbnails" / name) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    assert least <= ink_of(rgb).mean() <= most
