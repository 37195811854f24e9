"""Tiles, class regions and tissue as GeoJSON that QuPath opens over the slide.

Positions are (x, y) in level-0 pixels with the origin at the top left of the slide, the frame of
QuPath. Regions are annotations, locked against a slip of the mouse: one per class, made of all its
tiles, so that the file stays small however many tiles there are. Tiles are objects of type ``tile``
with their probabilities as measurements: 35 MB for 100,000 tiles of five classes. A name that ends
in ``.zip`` makes a zip file around the GeoJSON instead, a tenth of that, which QuPath opens too.

Letters: N tiles; C classes.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from medvlp.io import publish_file
from medvlp.reporting.palette import class_colours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.reporting.palette import RGB
    from medvlp.reporting.rasters import TileLayout

__all__ = [
    "Feature",
    "class_region_features",
    "tile_features",
    "tissue_feature",
    "unread_feature",
    "write_geojson",
]

Feature = dict[str, Any]
"""A GeoJSON feature: geometry and properties."""

_Nested = Sequence["_Nested"] | float
_TISSUE_RGB: RGB = (60, 64, 67)
_UNREAD_RGB: RGB = (150, 30, 60)


def tile_features(
    tiles: TileLayout,
    probabilities: NDArray[np.floating],
    class_names: Sequence[str],
    *,
    neutral: str | None = None,
) -> Iterator[Feature]:
    """Describe every tile: its square, its most probable class, all its probabilities.

    Args:
        tiles: Where the tiles lie.
        probabilities: Probability of each class for each tile, shape ``(N, C)``, finite.
        class_names: Names of the C classes, in the order of the task.
        neutral: The class that stands for nothing found; it is grey.

    Yields:
        One feature per tile, in the order of the tiles, with measurements ``prob_<class>``.

    Raises:
        ValueError: If the shape is wrong or a probability is not finite.
    """
    expected = (len(tiles.coords_px0), len(class_names))
    if probabilities.shape != expected or not np.isfinite(probabilities).all():
        raise ValueError(
            f"probabilities must be finite and of shape {expected}, got shape {probabilities.shape}"
        )
    colours = class_colours(class_names, neutral=neutral)
    width, height = (_short(side) for side in tiles.tile_px0)
    measured = [f"prob_{name}" for name in class_names]
    for (x, y), row in zip(tiles.coords_px0.tolist(), probabilities.tolist(), strict=True):
        best = class_names[max(range(len(row)), key=row.__getitem__)]
        ring = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
        yield {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                "classification": {"name": best, "color": list(colours[best])},
                "measurements": dict(zip(measured, (round(p, 4) for p in row), strict=True)),
            },
        }


def class_region_features(
    tiles: TileLayout,
    labels: NDArray[np.integer],
    class_names: Sequence[str],
    *,
    mpp_xy: tuple[float, float],
    neutral: str | None = None,
) -> list[Feature]:
    """Merge the tiles of each class into one region.

    Where tiles of different classes overlap, so do the regions.

    Args:
        tiles: Where the tiles lie.
        labels: Place of each tile's class in ``class_names``, shape ``(N,)``.
        class_names: Names of the classes, in the order of the task.
        mpp_xy: Micrometres per level-0 pixel, (x, y), for the area.
        neutral: The class that stands for nothing found; it is grey.

    Returns:
        One annotation per class that occurs, in the order of the task, with the measurements
        ``tiles`` and ``area_mm2``.

    Raises:
        ValueError: If there is not one label per tile.
    """
    if labels.shape != (len(tiles.coords_px0),):
        raise ValueError(f"expected {len(tiles.coords_px0)} labels, got shape {labels.shape}")
    colours = class_colours(class_names, neutral=neutral)
    mm2_per_px0 = mpp_xy[0] * mpp_xy[1] / 1e6
    features = []
    for place, name in enumerate(class_names):
        corners = tiles.coords_px0[labels == place]
        if len(corners):
            region = _merge_tiles(corners, tiles.tile_px0)
            measured = {
                "tiles": len(corners),
                "area_mm2": round(region.area * mm2_per_px0, 4),
            }
            features.append(_annotation(region, name, colours[name], measured))
    return features


def unread_feature(tiles: TileLayout) -> Feature | None:
    """Describe where tiles did not decode, as one annotation; None when all did."""
    corners = tiles.failed_coords_px0
    if corners is None or not len(corners):
        return None
    region = _merge_tiles(corners, tiles.tile_px0)
    return _annotation(region, "Not readable", _UNREAD_RGB, {"tiles": len(corners)})


def tissue_feature(
    tissue_mask: NDArray[np.bool_],
    px0_per_px: tuple[float, float],
    *,
    mpp_xy: tuple[float, float],
) -> Feature | None:
    """Describe the outline of the tissue as one annotation; None when there is none.

    The stairs of the mask's pixels are smoothed by up to one of them.

    Args:
        tissue_mask: Where tissue was found, shape ``(rows, cols)``, bool.
        px0_per_px: Level-0 pixels per pixel of the mask, (x, y).
        mpp_xy: Micrometres per level-0 pixel, (x, y), for the area.
    """
    if not tissue_mask.any():
        return None
    edges = np.diff(np.pad(tissue_mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    in_mask_px = shapely.union_all(shapely.box(starts, rows, ends, rows + 1))
    smooth = shapely.simplify(in_mask_px, tolerance=1.0, preserve_topology=True)
    scaled = shapely.transform(smooth, lambda points: np.round(points * np.asarray(px0_per_px)))
    region = shapely.make_valid(scaled, method="structure", keep_collapsed=False)
    area_mm2 = float(tissue_mask.sum()) * math.prod(px0_per_px) * math.prod(mpp_xy) / 1e6
    return _annotation(region, "Tissue", _TISSUE_RGB, {"area_mm2": round(area_mm2, 4)})


def write_geojson(path: Path, features: Iterable[Feature]) -> int:
    """Write a GeoJSON feature collection, one feature a line; equal features give equal bytes.

    Args:
        path: Where the file appears, at once and whole; a name that ends in ``.zip`` makes a zip
            file that holds ``<stem>.geojson``.
        features: What to write; it is consumed one by one.

    Returns:
        How many features were written.
    """
    count = 0
    with publish_file(path) as temporary, _open_text(temporary, path.name) as out:
        out.write('{"type":"FeatureCollection","features":[')
        for feature in features:
            out.write(",\n" if count else "\n")
            out.write(json.dumps(feature, separators=(",", ":"), allow_nan=False))
            count += 1
        out.write("\n]}\n")
    return count


@contextmanager
def _open_text(temporary: Path, name: str) -> Iterator[io.TextIOBase]:
    if not name.endswith(".zip"):
        with temporary.open("w", encoding="utf-8", newline="\n") as out:
            yield out
        return
    stem = name.removesuffix(".zip").removesuffix(".geojson")
    entry = zipfile.ZipInfo(f"{stem}.geojson", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with (
        zipfile.ZipFile(temporary, "w") as archive,
        archive.open(entry, "w", force_zip64=True) as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as out,
    ):
        yield out


def _annotation(
    region: shapely.Geometry, name: str, colour: RGB, measurements: dict[str, float]
) -> Feature:
    return {
        "type": "Feature",
        "geometry": {
            "type": region.geom_type,
            "coordinates": _whole(
                shapely.geometry.mapping(shapely.normalize(region))["coordinates"]
            ),
        },
        "properties": {
            "objectType": "annotation",
            "name": name,
            "classification": {"name": name, "color": list(colour)},
            "isLocked": True,
            "measurements": measurements,
        },
    }


def _merge_tiles(corners_px0: NDArray[np.int64], tile_px0: tuple[float, float]) -> shapely.Geometry:
    """Unite tiles; sides are rounded up, or a fraction of a pixel would part neighbours."""
    width, height = (math.ceil(side - 1e-6) for side in tile_px0)
    corners = corners_px0[np.lexsort((corners_px0[:, 0], corners_px0[:, 1]))]
    # neighbours of one row first make one box: far fewer boxes are left to unite
    apart = (np.diff(corners[:, 1]) != 0) | (np.diff(corners[:, 0]) > width)
    first = corners[np.concatenate([[True], apart])]
    last = corners[np.concatenate([apart, [True]])]
    boxes = shapely.box(first[:, 0], first[:, 1], last[:, 0] + width, last[:, 1] + height)
    return shapely.simplify(shapely.union_all(boxes), tolerance=0.0)


def _whole(coordinates: _Nested) -> _Nested:
    """Return nested coordinates as lists of whole numbers."""
    if isinstance(coordinates, int | float):
        return round(coordinates)
    return [_whole(part) for part in coordinates]


def _short(value: float) -> float:
    rounded = round(float(value), 2)
    return int(rounded) if rounded.is_integer() else rounded
