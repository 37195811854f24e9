import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from medvlp.errors import SlideError
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide
from medvlp.slides import overview as overviews
from medvlp.slides.reader import open_slide
from medvlp.slides.tissue import TissueConfig, find_slide_tissue, find_tissue

GLASS = 240.0
EOSIN = np.array([0.05, 0.30, 0.16])
HEMATOXYLIN = np.array([0.40, 0.48, 0.25])
GREEN_INK = np.array([0.60, 0.20, 0.30])
MPP = (8.0, 8.0)
DISC = np.hypot(*(np.indices((300, 300)) - 150)) < 90


def developed(density: NDArray[np.float64], seed: int = 1) -> NDArray[np.uint8]:
    """Turn optical density (H, W, 3) into pixels with a little camera noise."""
    noise = np.random.default_rng(seed).normal(0, 0.5, density.shape)
    return np.clip(GLASS * 10**-density + noise, 0, 255).round().astype(np.uint8)


def section(strength: float = 1.0, where: NDArray[np.bool_] = DISC) -> NDArray[np.float64]:
    """Density of a stained section: eosin with nuclei."""
    nuclei = np.random.default_rng(0).random(where.shape) < 0.25
    density = where[..., None] * (EOSIN + nuclei[..., None] * HEMATOXYLIN) * strength
    return ndimage.gaussian_filter(density, (0.6, 0.6, 0))


def honeycomb(where: NDArray[np.bool_], pitch: int = 9) -> NDArray[np.float64]:
    """Walls of fat cells, 72 um wide."""
    rows, cols = np.indices(where.shape)
    walls = (rows % pitch == 0) | ((cols + (rows // pitch % 2) * (pitch // 2)) % pitch == 0)
    return ndimage.gaussian_filter((walls & where).astype(float), 0.5)


def scores(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return recall and precision."""
    return float((found & truth).sum() / truth.sum()), float((found & truth).sum() / found.sum())


@pytest.mark.parametrize("strength", [0.3, 1.0, 2.5])
def test_find_tissue__does_not_depend_on_the_strength_of_the_stain(strength: float) -> None:
    recall, precision = scores(find_tissue(developed(section(strength)), MPP).mask, DISC)
    assert recall > 0.99
    assert precision > 0.97


@pytest.mark.parametrize("name", ["grey lamp", "warm lamp", "vignette"])
def test_find_tissue__does_not_depend_on_the_light(name: str) -> None:
    lamp = {
        "grey lamp": np.full((300, 300, 3), 200.0),
        "warm lamp": np.full((300, 300, 3), (246.0, 240.0, 230.0)),
        "vignette": 245 - 20 * np.hypot(*((np.indices((300, 300)) - 150) / 150))[..., None],
    }[name]
    rgb = np.clip(lamp * 10 ** -section(), 0, 255).astype(np.uint8)
    recall, precision = scores(find_tissue(rgb, MPP).mask, DISC)
    assert recall > 0.99
    assert precision > 0.97


def test_find_tissue__finds_nothing_on_glass_dust_seams_and_scratches() -> None:
    density = np.zeros((300, 300, 3))
    density[:, 150:] += 0.02  # a field scanned with another exposure
    density[40:300:50, 20:280:40] += 0.4  # dust
    density[:, 70:72] += 0.8  # the edge of a cover slip
    assert not find_tissue(developed(density), MPP).mask.any()


def test_find_tissue__finds_pale_fat_beside_a_section() -> None:
    fat = np.zeros((300, 300), np.bool_)
    fat[60:240, 200:290] = True
    truth = DISC | fat
    density = section() + 0.02 * honeycomb(fat)[..., None] * np.array([0.3, 1.0, 0.7])
    found = find_tissue(developed(density), MPP).mask
    assert (found & fat).sum() / fat.sum() > 0.9
    assert scores(found, truth)[1] > 0.95


def test_find_tissue__takes_colourless_networks_for_dirt() -> None:
    dirt = np.ones((300, 300), np.bool_)
    density = 0.05 * honeycomb(dirt)[..., None] * np.ones(3)
    assert not find_tissue(developed(density), MPP).mask.any()


def test_find_tissue__fills_lumens_and_keeps_large_holes() -> None:
    small = np.hypot(*(np.indices((300, 300)) - [[[120]], [[120]]])) < 10  # 160 um
    large = np.hypot(*(np.indices((300, 300)) - [[[180]], [[170]]])) < 32  # 512 um
    found = find_tissue(developed(section(where=DISC & ~small & ~large)), MPP).mask
    assert found[small].all()
    assert not found[np.hypot(*(np.indices((300, 300)) - [[[180]], [[170]]])) < 14].any()


def test_find_tissue__fills_a_lumen_whose_wall_is_broken() -> None:
    lumen = np.hypot(*(np.indices((300, 300)) - 150)) < 7
    crack = np.zeros_like(lumen)
    crack[144:156, 150:] = True  # 96 um wide, open to the glass
    rgb = developed(section(where=DISC & ~lumen & ~crack))
    assert find_tissue(rgb, MPP).mask[lumen].mean() > 0.9
    assert find_tissue(rgb, MPP, TissueConfig(gap_um=16.0)).mask[lumen].mean() < 0.2


def test_find_tissue__drops_pieces_below_the_least_size() -> None:
    crumb = np.hypot(*(np.indices((300, 300)) - 30)) < 8  # 0.013 mm2
    rgb = developed(section(where=DISC | crumb))
    assert not find_tissue(rgb, MPP).mask[crumb].any()
    assert find_tissue(rgb, MPP, TissueConfig(piece_mm2=0.005)).mask[crumb].any()


def test_find_tissue__leaves_ink_on_glass_out_and_sees_tissue_under_ink() -> None:
    stroke = np.zeros((300, 300), np.bool_)
    stroke[:, 130:170] = True
    ink = ndimage.gaussian_filter(stroke.astype(float), 1.0)[..., None] * GREEN_INK
    rgb = developed(section() + ink)
    on_glass, on_tissue = stroke & ~DISC, stroke & DISC
    kept = find_tissue(rgb, MPP).mask
    assert kept[on_glass].mean() < 0.2
    assert kept[on_tissue].mean() > 0.9
    dropped = find_tissue(rgb, MPP, TissueConfig(tissue_under_ink=False)).mask
    assert dropped[stroke].mean() < 0.02
    assert scores(dropped, DISC & ~stroke)[0] > 0.9


def test_find_tissue__gives_the_same_mask_for_finer_pictures() -> None:
    rgb = developed(section())
    finer = np.asarray(Image.fromarray(rgb).resize((1200, 1200), Image.Resampling.NEAREST))
    found = find_tissue(finer, (2.0, 2.0), px0_per_px=(4.0, 4.0))
    assert found.px0_per_px == (4.0, 4.0)
    expected = np.kron(find_tissue(rgb, MPP).mask, np.ones((4, 4), np.bool_))
    np.testing.assert_array_equal(found.mask, expected)


def test_find_tissue__works_on_coarse_and_tiny_pictures() -> None:
    rgb = developed(section())
    coarse = np.asarray(Image.fromarray(rgb).resize((60, 60), Image.Resampling.BOX))
    truth = np.asarray(Image.fromarray(DISC).resize((60, 60)))
    assert min(scores(find_tissue(coarse, (40.0, 40.0)).mask, truth)) > 0.9
    assert not find_tissue(np.full((1, 1, 3), 200, np.uint8), (0.5, 0.5)).mask.any()


def test_find_slide_tissue__covers_the_slide_at_the_working_scale(write_slide) -> None:
    rgb = np.full((1024, 1536, 3), 240, np.uint8)
    rgb[200:800, 300:1100] = (210, 140, 190)
    rgb[200:800:7, 300:1100:5] = (120, 80, 160)
    with open_slide(write_slide("a.tif", rgb, mpp_xy=(1.0, 1.0))) as reader:
        overview, tissue = find_slide_tissue(reader, TissueConfig(smallest_thumbnail_px=64))
    assert overview.rgb.shape == (128, 192, 3)
    assert tissue.mask.shape == (128, 192)
    assert tissue.px0_per_px == overview.px0_per_px == (8.0, 8.0)
    assert tissue.share == pytest.approx(600 * 800 / (1024 * 1536), rel=0.03)


def test_find_slide_tissue__counts_unreadable_places_as_tissue(
    write_slide, damage_tile, monkeypatch
) -> None:
    monkeypatch.setattr(overviews, "_SMALLEST_BLOCK_PX", 64)
    path = write_slide("a.tif", np.full((512, 512, 3), 240, np.uint8))
    damage_tile(path, 0, 8 * 2 + 3)
    with open_slide(path) as reader:
        overview, tissue = find_slide_tissue(reader)
    np.testing.assert_array_equal(tissue.mask, ~overview.readable)
    assert 0 < tissue.share < 0.05


def test_find_slide_tissue__needs_a_scale(write_slide, noise_rgb) -> None:
    with (
        open_slide(write_slide("a.tif", noise_rgb, mpp_xy=None)) as reader,
        pytest.raises(SlideError, match="MV1203"),
    ):
        find_slide_tissue(reader)


@pytest.mark.parametrize(
    "wrong", [{"mpp": 0.0}, {"gap_um": -1.0}, {"stain_od": float("nan")}, {"gap_directions": 9}]
)
def test_tissue_config__refuses_what_is_no_size(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TissueConfig(**wrong)


def test_tissue_config__parameters_survive_json() -> None:
    parameters = TissueConfig().parameters()
    assert json.loads(json.dumps(parameters)) == parameters


def phantom_scores(folder, spec: PhantomSlideSpec) -> tuple[float, float, float]:
    """Return recall, recall without fat, and precision on a phantom slide."""
    path = folder / f"{spec.seed}.tif"
    truth = write_phantom_slide(path, spec)
    with open_slide(path) as reader:
        _, tissue = find_slide_tissue(reader, TissueConfig(smallest_thumbnail_px=1))
    size = (tissue.mask.shape[1], tissue.mask.shape[0])
    box = (0, 0, spec.size_px[0] / truth.px0_per_px, spec.size_px[1] / truth.px0_per_px)

    def on_mask(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(Image.fromarray(area).resize(size, Image.Resampling.NEAREST, box=box))

    solid = on_mask(truth.tissue_mask(with_fat=False))
    recall, precision = scores(tissue.mask, on_mask(truth.tissue_mask()))
    return recall, scores(tissue.mask, solid)[0], precision


def test_find_tissue__finds_a_phantom_with_ink_folds_blur_and_fat(tmp_path) -> None:
    spec = PhantomSlideSpec(seed=3, diagnosis="glandular", size_px=(3072, 3072))
    recall, solid_recall, precision = phantom_scores(tmp_path, spec)
    assert recall >= 0.97
    assert solid_recall >= 0.98
    assert precision >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("diagnosis", ["clear-cell", "papillary", "small-cell", "normal"])
def test_find_tissue__reaches_its_figures_on_phantoms(tmp_path, seed: int, diagnosis: str) -> None:
    spec = PhantomSlideSpec(seed=100 + seed, diagnosis=diagnosis, size_px=(6144, 6144), folds=2)
    recall, solid_recall, precision = phantom_scores(tmp_path, spec)
    assert recall >= 0.98
    assert solid_recall >= 0.99
    assert precision >= 0.95


def test_find_tissue__stays_inside_the_boxes_of_the_composite_and_finds_each(real_data) -> None:
    folder = real_data / "slides/composite"
    with open_slide(folder / "osteosarcoma_composite_dev.tiff") as reader:
        _, tissue = find_slide_tissue(reader)
    inside = np.zeros(tissue.mask.shape, np.bool_)
    scale_x, scale_y = tissue.px0_per_px
    regions = json.loads((folder / "regions.json").read_text())["regions"]
    for region in regions:
        left, top = region["x"] / scale_x, region["y"] / scale_y
        right = (region["x"] + region["w"]) / scale_x
        bottom = (region["y"] + region["h"]) / scale_y
        box = (slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right))))
        inside[box] = True
        assert tissue.mask[box].mean() > 0.05, region
    assert len(regions) == 42
    assert not (tissue.mask & ~inside).any()


@pytest.mark.parametrize(
    ("name", "mpp", "least", "most"),
    [
        ("almost-white-1.png", 1.0, 0.0, 0.0),
        ("no-tissue.png", 1.0, 0.0, 0.0),
        ("no-tissue2.png", 1.0, 0.0, 0.0),
        ("no-tissue-line.png", 1.0, 0.0, 0.0),
        ("no-tissue-green-pen.png", 1.0, 0.0, 0.0),
        ("no-tissue-red-pen.png", 1.0, 0.0, 0.15),
        ("almost-white-1.png", 8.0, 0.0, 0.0),
        ("no-tissue.png", 8.0, 0.0, 0.01),
        ("no-tissue2.png", 8.0, 0.0, 0.05),
        ("no-tissue-line.png", 8.0, 0.0, 0.06),
        ("no-tissue-green-pen.png", 8.0, 0.0, 0.0),
        ("no-tissue-red-pen.png", 8.0, 0.0, 0.05),
        ("diagnostic-slide-thumb-rgb.png", 40.0, 0.6, 0.7),
        ("tcga-green-pen.png", 2.0, 0.95, 1.0),
        ("tcga-red-pen.png", 2.0, 0.85, 1.0),
        ("wsi-blue-pen.png", 90.0, 0.25, 0.45),
    ],
)
def test_find_tissue__on_real_pictures(
    real_data, name: str, mpp: float, least: float, most: float
) -> None:
    with Image.open(real_data / "slides/thumbnails" / name) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    assert least <= find_tissue(rgb, (mpp, mpp)).share <= most


@pytest.mark.parametrize(
    ("name", "slide_mpp", "least", "most"),
    [
        ("real/CMU-1-Small-Region.svs", None, 0.38, 0.44),
        ("pyramids/cmu1_small_pyramid.svs", None, 0.38, 0.44),
        ("pyramids/cmu1_small_generic.tiff", None, 0.38, 0.44),
        ("real/tcga-cr-7395-01a-01-ts1.svs", 0.5, 0.6, 0.68),
        ("real/dicom_jpeg.dicom.dcm", None, 0.8, 0.92),
        ("real/openslide_small.svs", None, 0.0, 0.0),
    ],
)
def test_find_slide_tissue__on_real_slides(
    real_data, name: str, slide_mpp: float | None, least: float, most: float
) -> None:
    with open_slide(real_data / "slides" / name, slide_mpp=slide_mpp) as reader:
        _, tissue = find_slide_tissue(reader)
    assert least <= tissue.share <= most
