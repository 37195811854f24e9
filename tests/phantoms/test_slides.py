import dataclasses

import numpy as np
import openslide
import pytest
import tifffile

from medvlp.errors import PhantomError
from medvlp.phantoms.captions import dominant_classes
from medvlp.phantoms.classes import DIAGNOSES, TUMORS, find_class
from medvlp.phantoms.slides import PhantomSlideSpec, load_truth, write_phantom_slide
from medvlp.phantoms.truth import truth_paths

SMALL = PhantomSlideSpec(seed=1, diagnosis="papillary", size_px=(1500, 1100))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("phantoms") / "small.tif"
    return path, write_phantom_slide(path, SMALL)


def test_write_phantom_slide__openslide_reads_scale_levels_and_sizes(small):
    path, _ = small

    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.5)
        assert slide.level_dimensions == ((1500, 1100), (375, 275), (94, 69))
        assert slide.level_downsamples == pytest.approx((1, 4, 16), rel=0.01)
        region = np.asarray(slide.read_region((1200, 800), 0, (300, 300)))
        assert (region[..., 3] == 255).all()


def test_write_phantom_slide__levels_show_the_same_picture(small):
    path, _ = small
    with openslide.OpenSlide(path) as slide:
        level_0 = np.asarray(slide.read_region((0, 0), 0, (1472, 1088)))[..., :3].astype(float)
        for level, factor in ((1, 4), (2, 16)):
            size = (1472 // factor, 1088 // factor)
            actual = np.asarray(slide.read_region((0, 0), level, size))[..., :3]
            expected = level_0.reshape(size[1], factor, size[0], factor, 3).mean(axis=(1, 3))
            assert abs((actual - expected).mean()) < 1
            assert np.abs(actual - expected).mean() < 8  # JPEG loses fine colour


def test_write_phantom_slide__truth_beside_it_is_what_was_returned(small):
    path, truth = small

    again = load_truth(path)

    np.testing.assert_array_equal(again.labels, truth.labels)
    np.testing.assert_array_equal(again.artefacts, truth.artefacts)
    assert again.report == truth.report
    assert truth.px0_per_px == 16
    assert truth.labels.shape == (-(-1100 // 16), -(-1500 // 16))
    assert truth.diagnosis == "papillary"
    assert 0.25 < truth.tumor_share <= 0.51


def test_write_phantom_slide__bytes_depend_on_the_seed_and_not_on_threads(small, tmp_path):
    path, _ = small
    again, other = tmp_path / "again.tif", tmp_path / "other.tif"

    write_phantom_slide(again, dataclasses.replace(SMALL, threads=3))
    write_phantom_slide(other, dataclasses.replace(SMALL, seed=2))

    assert again.read_bytes() == path.read_bytes()
    for first, second in zip(truth_paths(again), truth_paths(path), strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert other.read_bytes() != path.read_bytes()


def test_write_phantom_slide__leaves_three_files(small):
    path, _ = small

    names = sorted(item.name for item in path.parent.iterdir())
    assert names == ["small.tif", "small.truth.json", "small.truth.npz"]


@pytest.mark.parametrize("diagnosis", ["clear-cell", "small-cell", "normal"])
def test_write_phantom_slide__tissue_of_the_truth_is_what_is_stained(diagnosis, tmp_path):
    spec = PhantomSlideSpec(
        seed=4, diagnosis=diagnosis, size_px=(1536, 1536), pen_marks=0, dust=0, folds=0
    )
    truth = write_phantom_slide(tmp_path / "a.tif", spec)

    image = tifffile.imread(tmp_path / "a.tif", key=0).astype(float)
    cells = image.reshape(96, 16, 96, 16, 3)
    saturated = (cells.max(axis=4) - cells.min(axis=4)).mean(axis=(1, 3)) > 12
    solid, tissue = truth.tissue_mask(with_fat=False), truth.tissue_mask()
    assert (saturated & solid).sum() / solid.sum() > 0.93  # what is missing are lumens and edges
    assert (saturated & tissue).sum() / saturated.sum() > 0.97


def test_write_phantom_slide__ink_is_where_the_truth_says(tmp_path):
    spec = PhantomSlideSpec(
        seed=8, diagnosis="normal", size_px=(1536, 1536), pen_marks=3, dust=0, n_pieces=1
    )
    truth = write_phantom_slide(tmp_path / "a.tif", spec)

    image = tifffile.imread(tmp_path / "a.tif", key=0)[8::16, 8::16]
    pen_on_glass = (truth.artefacts & 1 > 0) & ~truth.tissue_mask()
    clean_glass = (truth.artefacts == 0) & ~truth.tissue_mask()
    assert pen_on_glass.sum() > 50
    assert np.median(image[pen_on_glass].min(axis=1)) < 150
    assert np.median(image[clean_glass].min(axis=1)) > 225


def test_write_phantom_slide__keeps_physical_sizes_at_another_scale(tmp_path):
    coarse = PhantomSlideSpec(seed=3, diagnosis="glandular", size_px=(768, 768), mpp=1.0)
    fine = dataclasses.replace(coarse, size_px=(1536, 1536), mpp=0.5)

    first = write_phantom_slide(tmp_path / "coarse.tif", coarse)
    second = write_phantom_slide(tmp_path / "fine.tif", fine)

    assert (first.px0_per_px, second.px0_per_px) == (8, 16)
    np.testing.assert_array_equal(first.labels, second.labels)
    thumbnails = [
        tifffile.imread(tmp_path / name, key=1)[: side // 4, : side // 4].astype(float)
        for name, side in (("coarse.tif", 768), ("fine.tif", 1536))
    ]
    means = [image.mean(axis=(0, 1)) for image in thumbnails]
    np.testing.assert_allclose(means[0], means[1], atol=6)


def test_write_phantom_slide__aperio_header_is_read_as_aperio(tmp_path):
    path = tmp_path / "a.svs"
    spec = PhantomSlideSpec(
        seed=0, diagnosis="normal", size_px=(600, 700), mpp=0.25, header="aperio"
    )

    write_phantom_slide(path, spec)

    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.25)
        assert slide.properties["openslide.objective-power"] == "40"
        assert slide.level_count == 3


@pytest.mark.parametrize("header", ["generic", "aperio"])
def test_write_phantom_slide__can_leave_the_scale_out(header, tmp_path):
    path = tmp_path / "a.tif"
    spec = PhantomSlideSpec(
        seed=0, diagnosis="normal", size_px=(512, 512), header=header, has_mpp=False
    )

    write_phantom_slide(path, spec)

    with openslide.OpenSlide(path) as slide:
        assert "openslide.mpp-x" not in slide.properties


def test_phantom_slide_spec__names_the_nearest_diagnosis():
    with pytest.raises(PhantomError, match="did you mean 'clear-cell'") as caught:
        PhantomSlideSpec(seed=0, diagnosis="clearcell")
    assert caught.value.code == "MV1901"
    assert set(DIAGNOSES) >= set(TUMORS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size_px", (100, 4096)),
        ("size_px", (4096, 10**6)),
        ("mpp", 0.01),
        ("tumor_share", 1.2),
        ("n_pieces", 99),
        ("quality", 0),
        ("threads", 0),
    ],
)
def test_phantom_slide_spec__refuses_values_out_of_range(field, value):
    with pytest.raises(PhantomError, match=f"{field}=.*cannot be made; expected values") as caught:
        PhantomSlideSpec(seed=0, diagnosis="normal", **{field: value})
    assert caught.value.code == "MV1902"


@pytest.mark.slow
def test_write_phantom_slide__tumors_are_told_apart_by_texture_and_not_by_colour(
    tmp_path, baselines
):
    tiles, label, slides = [], [], []
    for number, diagnosis in enumerate(TUMORS):
        for one in range(12):
            path = tmp_path / "a.tif"
            spec = PhantomSlideSpec(
                seed=1000 * number + one, diagnosis=diagnosis, size_px=(3072, 3072)
            )
            truth = write_phantom_slide(path, spec)
            image = tifffile.imread(path, key=0)
            grid = np.arange(0, 3072 - 255, 256)
            coords = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
            codes, shares = dominant_classes(truth, coords, 256)
            wanted = (codes == find_class(diagnosis).code) & (shares >= 0.75)
            for x, y in coords[wanted].tolist():
                tiles.append(image[y : y + 256, x : x + 256])
                label.append(number)
                slides.append(1000 * number + one)

    colour, texture = baselines(tiles, label, slides)

    assert colour < 0.6
    assert texture >= 0.93
