import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from medvlp.reporting.geojson import (
    class_region_features,
    tile_features,
    tissue_feature,
    unread_feature,
    write_geojson,
)
from medvlp.reporting.rasters import TileLayout

NAMES = ["CCRCC", "PRCC", "Normal"]


def layout(corners, tile_px0=(100, 100), failed=None) -> TileLayout:
    return TileLayout(
        coords_px0=np.array(corners, dtype=np.int64).reshape(-1, 2),
        tile_px0=tile_px0,
        failed_coords_px0=failed,
    )


def test_tile_features__hold_square_class_and_probabilities() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.12345, 0.77655]], dtype=np.float32)
    first, second = tile_features(
        layout([(0, 0), (300, 500)], (102.4, 100.0)), probabilities, NAMES, neutral="Normal"
    )
    assert shape(first["geometry"]).bounds == (0, 0, 102.4, 100)
    assert shape(second["geometry"]).bounds == (300, 500, 402.4, 600)
    assert first["properties"] == {
        "objectType": "tile",
        "classification": {"name": "CCRCC", "color": [213, 94, 0]},
        "measurements": {"prob_CCRCC": 0.7, "prob_PRCC": 0.2, "prob_Normal": 0.1},
    }
    assert second["properties"]["classification"] == {"name": "Normal", "color": [178, 178, 178]}
    assert second["properties"]["measurements"]["prob_PRCC"] == 0.1235


@pytest.mark.parametrize("bad", [np.zeros((1, 2)), np.array([[0.1, np.nan, 0.2]])])
def test_tile_features__refuse_probabilities_that_do_not_fit(bad) -> None:
    with pytest.raises(ValueError, match=r"finite and of shape \(1, 3\)"):
        list(tile_features(layout([(0, 0)]), bad, NAMES))


def test_class_region_features__are_one_annotation_per_class() -> None:
    # an L of three tiles, and one tile apart; one tile of another class
    tiles = layout([(0, 0), (100, 0), (0, 100), (500, 500), (100, 100)])
    labels = np.array([0, 0, 0, 0, 2])
    features = class_region_features(tiles, labels, NAMES, mpp_xy=(0.5, 0.25), neutral="Normal")
    assert [feature["properties"]["name"] for feature in features] == ["CCRCC", "Normal"]
    region = shape(features[0]["geometry"])
    expected = shapely.union_all(
        [
            shapely.box(0, 0, 200, 100),
            shapely.box(0, 100, 100, 200),
            shapely.box(500, 500, 600, 600),
        ]
    )
    assert region.equals(expected)
    assert len(region.geoms) == 2
    corner_count = {len(part.exterior.coords) - 1 for part in region.geoms}
    assert corner_count == {6, 4}, "points along a straight side are left out"
    assert features[0]["properties"]["measurements"] == {
        "tiles": 4,
        "area_mm2": round(4 * 100 * 100 * 0.5 * 0.25 / 1e6, 4),
    }
    assert features[0]["properties"]["objectType"] == "annotation"
    assert features[0]["properties"]["isLocked"] is True


def test_class_region_features__keep_holes() -> None:
    ring = [(x, y) for x in (0, 100, 200) for y in (0, 100, 200) if (x, y) != (100, 100)]
    (feature,) = class_region_features(layout(ring), np.zeros(8, int), NAMES, mpp_xy=(1, 1))
    region = shape(feature["geometry"])
    assert region.area == 8 * 100 * 100
    assert len(region.interiors) == 1


def test_class_region_features__close_the_gaps_of_rounded_corners() -> None:
    corners = [(round(25.6 * i), round(25.6 * j)) for j in range(9) for i in range(9)]
    tiles = layout(corners, (25.6, 25.6))
    (feature,) = class_region_features(tiles, np.zeros(81, int), NAMES, mpp_xy=(1, 1))
    region = shape(feature["geometry"])
    assert region.geom_type == "Polygon"
    assert not region.interiors


@pytest.mark.parametrize("side", [100, 150])
def test_class_region_features__equal_the_union_of_all_tiles(side: int) -> None:
    rng = np.random.default_rng(0)
    corners = rng.permutation(np.argwhere(rng.random((20, 20)) < 0.6)) * 100
    labels = rng.integers(0, 3, len(corners))
    tiles = layout(corners, (side, side))
    features = class_region_features(tiles, labels, NAMES, mpp_xy=(1, 1))
    for place, feature in enumerate(features):
        x, y = corners[labels == place].T
        expected = shapely.union_all(shapely.box(x, y, x + side, y + side))
        actual = shape(feature["geometry"])
        assert actual.is_valid
        assert actual.symmetric_difference(expected).area == 0


def test_class_region_features__stay_small_for_many_tiles() -> None:
    corners = np.argwhere(np.ones((300, 300), dtype=bool)) * 512
    labels = (corners[:, 0] > 512 * 150).astype(int)
    features = class_region_features(layout(corners, (512, 512)), labels, NAMES, mpp_xy=(1, 1))
    assert len(json.dumps(features)) < 1500


def test_class_region_features__refuse_missing_labels() -> None:
    with pytest.raises(ValueError, match="expected 1 labels"):
        class_region_features(layout([(0, 0)]), np.zeros(2, int), NAMES, mpp_xy=(1, 1))


def test_unread_feature__covers_the_failed_tiles() -> None:
    assert unread_feature(layout([(0, 0)])) is None
    assert unread_feature(layout([(0, 0)], failed=np.empty((0, 2), dtype=np.int64))) is None
    feature = unread_feature(layout([(0, 0)], failed=np.array([(100, 0), (200, 0)])))
    assert shape(feature["geometry"]).equals(shapely.box(100, 0, 300, 100))
    assert feature["properties"]["measurements"] == {"tiles": 2}


def test_tissue_feature__follows_the_mask() -> None:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:50, 20:70] = True
    mask[20:40, 30:50] = False
    feature = tissue_feature(mask, (16.0, 16.0), mpp_xy=(0.5, 0.5))
    region = shape(feature["geometry"])
    expected = shapely.box(320, 160, 1120, 800) - shapely.box(480, 320, 800, 640)
    assert region.symmetric_difference(expected).area < 0.01 * expected.area
    assert feature["properties"]["measurements"]["area_mm2"] == round(expected.area / 4e6, 4)
    assert tissue_feature(np.zeros((5, 5), dtype=bool), (1, 1), mpp_xy=(1, 1)) is None


def test_tissue_feature__is_valid_for_ragged_masks() -> None:
    rng = np.random.default_rng(1)
    for density in (0.1, 0.5, 0.9):
        mask = rng.random((40, 50)) < density
        region = shape(tissue_feature(mask, (31.5, 33.0), mpp_xy=(1, 1))["geometry"])
        assert region.is_valid
        assert 0.4 < region.area / (mask.sum() * 31.5 * 33.0) < 1.6


def test_write_geojson__opens_again(tmp_path: Path) -> None:
    features = class_region_features(
        layout([(0, 0)]), np.zeros(1, int), ["\u00e9<b>"], mpp_xy=(1, 1)
    )
    assert write_geojson(tmp_path / "regions.geojson", features) == 1
    document = json.loads((tmp_path / "regions.geojson").read_text(encoding="utf-8"))
    assert document == {"type": "FeatureCollection", "features": features}
    collection = shapely.from_geojson((tmp_path / "regions.geojson").read_text())
    assert collection.geoms[0].equals(shapely.box(0, 0, 100, 100))


def test_write_geojson__writes_an_empty_collection(tmp_path: Path) -> None:
    assert write_geojson(tmp_path / "none.geojson", []) == 0
    assert json.loads((tmp_path / "none.geojson").read_text())["features"] == []


def test_write_geojson__zips_tiles_under_their_own_name(tmp_path: Path) -> None:
    corners = np.argwhere(np.ones((30, 30), dtype=bool)) * 512
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(corners))
    for name in ("tiles.geojson.zip", "tiles.geojson"):
        write_geojson(tmp_path / name, tile_features(layout(corners), probabilities, NAMES))
    with zipfile.ZipFile(tmp_path / "tiles.geojson.zip") as archive:
        assert archive.namelist() == ["tiles.geojson"]
        assert archive.read("tiles.geojson") == (tmp_path / "tiles.geojson").read_bytes()
    plain, zipped = (tmp_path / n for n in ("tiles.geojson", "tiles.geojson.zip"))
    assert zipped.stat().st_size < plain.stat().st_size / 6
    first = zipped.read_bytes()
    write_geojson(zipped, tile_features(layout(corners), probabilities, NAMES))
    assert zipped.read_bytes() == first


def test_write_geojson__leaves_nothing_behind_when_a_feature_is_bad(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_geojson(tmp_path / "a.geojson", [{"type": "Feature", "value": float("nan")}])
    assert list(tmp_path.iterdir()) == []
