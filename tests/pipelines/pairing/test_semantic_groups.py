"""The JSON of semantic groups is read as it is published, written back, and refused by name."""

import json
from pathlib import Path

import pytest

from medvlp.errors import DataError
from medvlp.pipelines.pairing.semantic_groups import (
    LabelRecord,
    SemanticGroup,
    read_semantic_groups,
    write_semantic_groups,
)

PUBLISHED = {
    "openpath_group_000014": {
        "images": ["a.jpg", "b.jpg"],
        "merged_caption": ["a tumour"],
        "anatomy": None,
        "labels": {
            "DOID:2": {
                "concept_syn": ["colon cancer", "cancer of the colon"],
                "disease_type": "tumor",
                "tumor_type": "cancer",
                "cancer_type": None,
            }
        },
    },
    "xyz_group_075857": {
        "images": ["c.jpg"],
        "captions": ["older", "files"],
        "anatomy": "colon",
        "labels": {"unknown": {}},
    },
}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_read__takes_both_layouts(tmp_path: Path) -> None:
    first, second = read_semantic_groups(write(tmp_path / "g.json", PUBLISHED))
    assert first.images == ("a.jpg", "b.jpg")
    assert first.labels["DOID:2"] == LabelRecord(
        names=("colon cancer", "cancer of the colon"), disease_type="tumor", tumor_type="cancer"
    )
    assert second == SemanticGroup(
        name="xyz_group_075857",
        images=("c.jpg",),
        captions=("older", "files"),
        anatomy="colon",
        labels={"unknown": LabelRecord()},
    )


def test_write__gives_back_what_was_read(tmp_path: Path) -> None:
    groups = read_semantic_groups(write(tmp_path / "g.json", PUBLISHED))
    write_semantic_groups(tmp_path / "again.json", groups)
    assert read_semantic_groups(tmp_path / "again.json") == groups
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert again["openpath_group_000014"] == PUBLISHED["openpath_group_000014"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": {"images": ["x"], }}', "is no file of semantic groups"),
        ('{"a": {"images": ["x"]}}', "group 'a': merged_caption is 'None'"),
        ('{"a": {"images": [1], "captions": []}}', "group 'a': images is"),
        ('{"a": {"images": [], "captions": ["x"]}}', "group 'a' is empty"),
        ('{"a": 3}', "group 'a' holds '3'"),
        ('{"a": {"images": ["x"], "captions": [], "labels": 1}}', "labels is '1'"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ("[1]", "holds no mapping"),
    ],
)
def test_read__refuses_by_group_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_semantic_groups(path)
    assert caught.value.code == "MV2131"
