from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.keep_experiment.concepts import Concepts
from benchmarks.keep_experiment.folds import assign_folds, inner_split, match_sets, split
from benchmarks.keep_experiment.tiles import TileSet, load_sets, select


def load(root: Path, concepts: Concepts, said: list[str] | None = None) -> dict[str, TileSet]:
    return load_sets(root, concepts, 16, (said if said is not None else []).append)


def test_load_sets__reads_what_is_there_and_says_what_is_not(
    small_root: Path, concepts: Concepts
) -> None:
    said: list[str] = []
    sets = load(small_root, concepts, said)
    assert list(sets) == ["lc25000", "crc_kather2016", "oral_oscc"]
    assert sets["lc25000"].images.shape == (24, 16, 16, 3)
    assert any(text.startswith("rbc12: not in root") for text in said)
    assert any("no tiles of lung_n, colon_n" in text for text in said)


def test_load_sets__leaves_out_a_set_with_too_few_groups(
    tmp_path: Path, tile_writer: Callable[..., Path], concepts: Concepts
) -> None:
    root = tile_writer(
        tmp_path, {"oral_oscc": {"OSCC": 2, "Normal": 5}, "lc25000": {"lung_n": 3, "colon_n": 3}}
    )
    said: list[str] = []
    assert list(load(root, concepts, said)) == ["lc25000"]
    assert any("fewer than 3 groups in OSCC (2)" in text for text in said)


def test_load_sets__says_which_image_does_not_decode(small_root: Path, concepts: Concepts) -> None:
    broken = small_root / "tiles/oral_oscc/OSCC/0.png"
    broken.write_bytes(broken.read_bytes()[:60])
    said: list[str] = []
    assert len(load(small_root, concepts, said)["oral_oscc"]) == 15
    assert any("OSCC/0.png cannot be read" in text for text in said)


def test_load_sets__reads_label_files_where_there_is_no_manifest(
    small_root: Path, concepts: Concepts
) -> None:
    (small_root / "manifest.csv").unlink()
    lines = "path,label,group\n" + "".join(
        f"{label}/{number}.png,{label},{number}\n"
        for label in ("OSCC", "Normal")
        for number in range(8)
    )
    (small_root / "tiles/oral_oscc/labels.csv").write_text(lines, encoding="utf-8")
    assert len(load(small_root, concepts)["oral_oscc"]) == 16


def test_assign_folds__keeps_groups_whole_and_classes_everywhere(
    small_root: Path, concepts: Concepts
) -> None:
    for tiles in load(small_root, concepts).values():
        fold = assign_folds(tiles)
        for group in np.unique(tiles.group):
            assert len(set(fold[tiles.group == group])) == 1
        for number in range(3):
            assert set(tiles.label[fold == number]) == set(range(len(tiles.classes)))


def test_split__parts_share_no_group_and_lose_no_tile(small_root: Path, concepts: Concepts) -> None:
    sets = load(small_root, concepts)
    train, test = split(sets, 1)
    for name, tiles in sets.items():
        assert not set(train[name].group) & set(test[name].group)
        assert sorted((*train[name].paths, *test[name].paths)) == sorted(tiles.paths)


def test_inner_split__never_touches_the_test_part(small_root: Path, concepts: Concepts) -> None:
    train, test = split(load(small_root, concepts), 0)
    inner_train, inner_test = inner_split(train)
    for name in train:
        seen = {*inner_train[name].paths, *inner_test[name].paths}
        assert seen == set(train[name].paths)
        assert not seen & set(test[name].paths)


def test_match_sets__numbers_classes_as_in_training(small_root: Path, concepts: Concepts) -> None:
    sets = load(small_root, concepts)
    oral = sets["oral_oscc"]
    only_normal = select(oral, np.flatnonzero(oral.label == oral.classes.index("Normal")))
    turned = TileSet(
        name="oral_oscc",
        classes=("Normal",),
        paths=only_normal.paths,
        images=only_normal.images,
        colours=only_normal.colours,
        label=np.zeros(len(only_normal), dtype=np.int64),
        group=only_normal.group,
    )
    said: list[str] = []
    train, test = match_sets(sets, {"oral_oscc": turned}, said.append)
    assert list(train) == list(sets)
    assert test["oral_oscc"].classes == oral.classes
    assert set(test["oral_oscc"].label) == {oral.classes.index("Normal")}
    assert any("lc25000: not among the tiles to judge" in text for text in said)
