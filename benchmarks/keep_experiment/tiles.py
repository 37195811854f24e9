"""Real tiles in memory: which sets a folder holds, and their images at the model's input size.

A root holds ``manifest.csv`` (columns path, label, group) and ``tiles/<set>/...``; without the
manifest, ``tiles/<set>/labels.csv`` is read. What is missing is said and left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medvlp.io import read_csv
from medvlp.pixels import prepare_image
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.keep_experiment.concepts import Concepts

__all__ = ["MIN_GROUPS", "TileSet", "input_preprocessing", "load_sets", "select"]

MIN_GROUPS = 3


@dataclass(frozen=True)
class TileSet:
    """The tiles of one set.

    Attributes:
        name: The set.
        classes: Its labels, in the order of the file of classes.
        paths: File of each tile below the root.
        images: Shape ``(N, H, W, 3)``, uint8.
        colours: Mean RGB of each whole tile, shape ``(N, 3)``, float64.
        label: Index into ``classes``, shape ``(N,)``, int64.
        group: Source image of each tile, numbered within the set, shape ``(N,)``, int64.
    """

    name: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    images: NDArray[np.uint8]
    colours: NDArray[np.float64]
    label: NDArray[np.int64]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.label)


def input_preprocessing(input_px: int) -> ImagePreprocessing:
    """Return how tiles are brought to the model's input.

    Args:
        input_px: Side of the model's input.
    """
    return ImagePreprocessing(
        input_px=input_px,
        resize_px=input_px,
        interpolation="bilinear",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )


def load_sets(
    root: Path,
    concepts: Concepts,
    input_px: int,
    say: Callable[[str], None],
    *,
    min_groups: int = MIN_GROUPS,
) -> dict[str, TileSet]:
    """Read the experiment's sets that a folder holds.

    Args:
        root: The folder.
        concepts: Which sets and labels there are.
        input_px: Side of the model's input.
        say: Told what is missing or left out.
        min_groups: A set with a class of fewer groups is left out.

    Returns:
        Set name to tiles, in the order of the file of classes.

    Raises:
        SystemExit: If no set is there.
    """
    rows = _rows_by_set(root)
    sets: dict[str, TileSet] = {}
    for name, labels in concepts.sets.items():
        found = [row for row in rows.get(name, ()) if row["label"] in labels]
        missing = [label for label in labels if label not in {row["label"] for row in found}]
        if not found:
            say(f"{name}: not in {root.name}, left out")
            continue
        if missing:
            say(f"{name}: no tiles of {', '.join(missing)}")
        groups = _groups_per_class(found)
        few = [f"{label} ({count})" for label, count in groups.items() if count < min_groups]
        if few:
            say(f"{name}: fewer than {min_groups} groups in {', '.join(few)}, left out")
            continue
        if len(groups) < 2:
            say(f"{name}: a single class, left out")
            continue
        classes = tuple(label for label in labels if label in groups)
        rows_there = _Rows(root, name, classes, sorted(found, key=lambda row: row["path"]))
        sets[name] = _read_set(rows_there, input_px, say)
    if not sets:
        raise SystemExit(f"{root} holds none of the sets {', '.join(concepts.sets)}")
    return sets


def select(tiles: TileSet, rows: NDArray[np.int64]) -> TileSet:
    """Return some tiles of a set; its classes stay as they are.

    Args:
        tiles: The set.
        rows: Which tiles, int64.
    """
    return TileSet(
        name=tiles.name,
        classes=tiles.classes,
        paths=tuple(tiles.paths[row] for row in rows),
        images=tiles.images[rows],
        colours=tiles.colours[rows],
        label=tiles.label[rows],
        group=tiles.group[rows],
    )


def _rows_by_set(root: Path) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    manifest = root / "manifest.csv"
    if manifest.exists():
        for row in read_csv(manifest):
            kind, _, rest = row["path"].partition("/")
            name, _, _ = rest.partition("/")
            if kind == "tiles" and row.get("label"):
                rows[name].append(row)
        return rows
    base = root / "tiles" if (root / "tiles").is_dir() else root
    for listing in sorted(base.glob("*/labels.csv")):
        prefix = listing.parent.relative_to(root).as_posix()
        for row in read_csv(listing):
            rows[listing.parent.name].append({**row, "path": f"{prefix}/{row['path']}"})
    return rows


def _groups_per_class(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    groups = {(row["label"], row["group"]) for row in rows}
    return dict(Counter(label for label, _ in groups))


@dataclass(frozen=True)
class _Rows:
    root: Path
    name: str
    classes: tuple[str, ...]
    rows: Sequence[Mapping[str, str]]


def _read_set(found: _Rows, input_px: int, say: Callable[[str], None]) -> TileSet:
    wanted = input_preprocessing(input_px)
    images, colours, kept = [], [], []
    for row in found.rows:
        try:
            with Image.open(found.root / row["path"]) as image:
                rgb = np.asarray(image.convert("RGB"))
        except OSError as error:
            say(f"{found.name}: {row['path']} cannot be read ({error}), left out")
            continue
        images.append(prepare_image(rgb, wanted))
        colours.append(rgb.reshape(-1, 3).mean(axis=0))
        kept.append(row)
    _, group = np.unique([row["group"] for row in kept], return_inverse=True)
    return TileSet(
        name=found.name,
        classes=found.classes,
        paths=tuple(row["path"] for row in kept),
        images=np.stack(images),
        colours=np.stack(colours),
        label=np.array([found.classes.index(row["label"]) for row in kept], dtype=np.int64),
        group=group.astype(np.int64),
    )
