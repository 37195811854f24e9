"""What is written can be read for training, names are safe, and scales hold."""

import json
from pathlib import Path

import pytest

from medvlp.data.image_codec import decode_image
from medvlp.data.pairs import read_pairs
from medvlp.data.shards import ShardReader
from medvlp.errors import DataError
from medvlp.io import content_sha256, read_csv
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.pipelines.pairing.images import images_of
from medvlp.pipelines.pairing.labels import GroupLabel
from medvlp.pipelines.pairing.ledger import RowLedger
from medvlp.pipelines.pairing.outputs import (
    GroupedImage,
    GroupedPairs,
    sample_name,
    write_grouped_pairs,
)
from medvlp.pipelines.pairing.settings import PairsOutput
from medvlp.pipelines.pairing.source import SourceRow


@pytest.fixture
def grouped(save_picture) -> GroupedPairs:
    rows = []
    for number, name in enumerate(["x.png", "y.png", "z.png"], start=1):
        path = save_picture(name, number, size=(128, 128))
        caption = f"caption {name}"
        rows.append(
            SourceRow(number=number, image=name, path=path, caption=caption, licence="CC0-1.0")
        )
    items = tuple(
        GroupedImage(
            image=image,
            group_id=group,
            cluster=image.name,
            split="train",
            size_px=(128, 128),
            content_sha256=content_sha256(image.first.path),
        )
        for image, group in zip(images_of(rows), (0, 0, 1), strict=True)
    )
    labels = (
        GroupLabel(
            concepts=("DOID:11",),
            outcome="majority",
            votes={"DOID:11": 2.0, "DOID:2": 1.0},
            texts={"DOID:11": "ADC of lung"},
        ),
        GroupLabel(concepts=("unknown",), outcome="unknown", votes={}),
    )
    return GroupedPairs(
        images=items,
        names=("g0", "g1"),
        captions=(("best", "next"), ("other",)),
        labels=labels,
        anatomies=("lung", None),
    )


def write(grouped: GroupedPairs, folder: Path, graph=None, **settings: object) -> Path:
    ledger = RowLedger([row for item in grouped.images for row in item.image.rows])
    output = PairsOutput.model_validate(settings)
    write_grouped_pairs(
        folder / "pairs", grouped, ledger, summary={"a": 1}, settings=output, graph=graph
    )
    return folder / "pairs"


def test_write__is_read_back_as_pairs(grouped, tmp_path: Path) -> None:
    folder = write(grouped, tmp_path, mpp=0.5, encoding="png")
    manifest = read_pairs(folder)
    assert (manifest.info.tile_px, manifest.info.mpp) == (128, 0.5)
    rows = manifest.rows("train")
    assert [row.group_id for row in rows] == [0, 0, 1]
    assert [row.captions for row in rows] == [("best", "next"), ("best", "next"), ("other",)]
    assert [row.concept_ids for row in rows] == [("DOID:11",), ("DOID:11",), ()]
    image = decode_image(ShardReader(folder).read(rows[0].place), "x")
    assert image.shape == (128, 128, 3)


def test_write__says_who_is_where_and_hashes_it(grouped, tmp_path: Path) -> None:
    folder = write(grouped, tmp_path)
    members = read_csv(folder / "members.csv")
    assert [row["image"] for row in members] == ["x.png", "y.png", "z.png"]
    assert [row["group"] for row in members] == ["g0", "g0", "g1"]
    assert members[2]["captions"] == "caption z.png"
    (conflict,) = read_csv(folder / "label_conflicts.csv")
    assert conflict["votes"] == "DOID:11 2; DOID:2 1"
    summary = json.loads((folder / "summary.json").read_text())
    for name, digest in summary["written_sha256"].items():
        assert content_sha256(folder / name) == digest


def test_write__names_concepts_in_groups_json(
    grouped, graph: KnowledgeGraph, tmp_path: Path
) -> None:
    groups = json.loads((write(grouped, tmp_path, graph) / "groups.json").read_text())
    assert groups["g0"] == {
        "images": ["x.png", "y.png"],
        "merged_caption": ["best", "next"],
        "anatomy": "lung",
        "labels": {
            "DOID:11": {
                "concept_syn": ["lung adenocarcinoma", "ADC of lung"],
                "disease_type": "tumor",
                "tumor_type": "cancer",
                "cancer_type": None,
            }
        },
    }
    assert list(groups["g1"]["labels"]) == ["unknown"]


def test_write__refuses_to_break_a_stated_scale(grouped, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mpp=0\.5 would not hold"):
        write(grouped, tmp_path, mpp=0.5, longest_px=64)
    assert not (tmp_path / "pairs").exists()
    assert read_pairs(write(grouped, tmp_path, longest_px=64)).info.tile_px == 64


def test_write__leaves_nothing_behind_where_an_image_changed(grouped, tmp_path: Path) -> None:
    path = grouped.images[1].image.first.path
    path.write_bytes(grouped.images[0].image.first.path.read_bytes())
    with pytest.raises(DataError, match="changed while its group was found"):
        write(grouped, tmp_path)
    assert not (tmp_path / "pairs").exists()


def test_write__gives_the_same_bytes_again(grouped, tmp_path: Path) -> None:
    first, second = write(grouped, tmp_path / "1"), write(grouped, tmp_path / "2")
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_sample_name__is_safe_and_unique() -> None:
    images = [
        "a/b.png",
        "c/b.png",
        "../../etc/passwd",
        "\u65e5.png",
        "x" * 300 + ".jpg",
        "a\\b.png",
    ]
    names = [sample_name(image) for image in images]
    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) <= 100
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert names[0].startswith("b-")
