"""What is to be sharded is known before an image is read, and two samples never share a name."""

import json
import tarfile

import pytest

from medvlp.errors import DataError
from medvlp.pipelines.sharding.settings import ShardColumns
from medvlp.pipelines.sharding.sources import plan_samples
from tests.pipelines.sharding.conftest import add_member, picture, write_tar

COLUMNS = ShardColumns()


def test_plan_samples__of_a_table_joins_the_captions_of_an_image(tmp_path, table):
    table.write_text(table.read_text() + "\nim0.png,another,g0,,DOID:0\nim1.jpg,,g0,,")
    samples = plan_samples(table, COLUMNS)
    assert [s.captions for s in samples[:2]] == [("caption 0", "another"), ("caption 1",)]
    assert [s.split for s in samples] == ["train"] * 6 + ["validation"]
    assert (samples[2].group, samples[2].concepts) == ("g1", ("DOID:2",))
    assert samples[0].path == tmp_path / "source" / "im0.png"


def test_plan_samples__of_tars_knows_where_images_lie(tmp_path):
    write_tar(tmp_path / "a.tar", range(3))
    write_tar(tmp_path / "b.tar", range(3, 5))
    samples = plan_samples(tmp_path, COLUMNS)
    assert [s.sample_id for s in samples] == [f"s{number}" for number in range(5)]
    assert [s.captions for s in samples] == [(f"caption {number}",) for number in range(5)]
    assert [s.split for s in samples[:2]] == ["validation", "train"]
    for number, sample in enumerate(samples):
        content = sample.path.read_bytes()[sample.offset : sample.offset + sample.size]
        assert content == picture(number, "JPEG")


def test_plan_samples__refuses_a_name_for_two_samples_with_both_places(tmp_path, table):
    write_tar(tmp_path / "a.tar", range(3))
    write_tar(tmp_path / "b.tar", range(2, 4))
    with pytest.raises(DataError, match=r"MV1816: sample_id 's2' .* a.tar, .*s2.jpg and b.tar"):
        plan_samples(tmp_path, COLUMNS)
    table.write_text("image,caption,sample_id\nim0.png,a b,x\nim2.png,c d,x")
    with pytest.raises(DataError, match=r"MV1816: .* row 1 \(im0.png\) and pairs.csv, row 2"):
        plan_samples(table, COLUMNS)


def cut(path):
    path.write_bytes(path.read_bytes()[:1500])


def not_a_tar(path):
    path.write_bytes(b"nothing of the kind" * 99)


def bad_json(path):
    with tarfile.open(path, "w") as tar:
        add_member(tar, "s.png", picture(0))
        add_member(tar, "s.json", b"{")


def bad_split(path):
    with tarfile.open(path, "w") as tar:
        add_member(tar, "s.png", picture(0))
        add_member(tar, "s.json", b'{"caption": "a", "split": "tests"}')


@pytest.mark.parametrize("damage", [cut, not_a_tar, bad_json, bad_split])
def test_plan_samples__names_a_tar_that_cannot_be_read(tmp_path, damage):
    damage(write_tar(tmp_path / "a.tar", range(3)))
    with pytest.raises(DataError, match=r"MV1817: .*a\.tar"):
        plan_samples(tmp_path / "a.tar", COLUMNS)


def test_plan_samples__refuses_a_bad_name_and_a_source_without_captions(table):
    table.write_text("image,caption,sample_id\nim0.png,a b,a/b")
    with pytest.raises(DataError, match=r"MV1773: .*sample_id is 'a/b'"):
        plan_samples(table, COLUMNS)
    table.write_text("image,caption\nim0.png,")
    with pytest.raises(DataError, match="MV1818"):
        plan_samples(table, COLUMNS)


def of_members(path, *members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            add_member(tar, name, content)
    return plan_samples(path, COLUMNS)


def test_plan_samples__returns_samples_without_texts_with_their_faults(tmp_path, table):
    table.write_text("image,caption\nim0.png,a\nim2.png,\nim4.png, ")
    faults = ["", "it has no caption", "it has no caption"]
    assert [s.fault for s in plan_samples(table, COLUMNS)] == faults
    samples = of_members(
        tmp_path / "a.tar",
        ("a.png", picture(0)),
        ("b.png", picture(0)),
        ("b.txt", b"x" * (2**20 + 1)),
        ("c.png", picture(0)),
        ("c.txt", b"x"),
    )
    found = ["it has no caption", "b.txt has 1048577 bytes, 1048576 at most", ""]
    assert [s.fault for s in samples] == found


def test_plan_samples__takes_images_by_their_last_suffix(tmp_path):
    members = [("u.left.jpg", picture(0)), ("u.txt", b"a"), ("v.jpg", b"1"), ("v.a.png", b"2")]
    first, second = of_members(tmp_path / "a.tar", *members, ("v.txt", b"b"))
    assert (first.captions, first.place) == (("a",), "a.tar, member u.left.jpg")
    assert second.place == "a.tar, member v.jpg"


def test_plan_samples__refuses_members_of_one_name(tmp_path):
    with pytest.raises(DataError, match=r"MV1816: .*u.jpg at byte 0 and u.JPG at byte 1024"):
        of_members(tmp_path / "a.tar", ("u.jpg", b"1"), ("u.JPG", b"2"), ("u.txt", b"a"))


@pytest.mark.parametrize(
    ("known", "captions", "labels"),
    [
        ({"captions": "a nodule"}, ("a nodule",), ()),
        ({"caption": ["one", " two", "", None]}, ("one", "two"), ()),
        ({"caption": "a", "text": "b", "captions": ["a", 3]}, ("a", "b", "3"), ()),
        ({"caption": "a", "labels": " x; ;y "}, ("a",), ("x", "y")),
        ({"caption": "a", "labels": ["x ", ""], "split": None}, ("a",), ("x",)),
    ],
)
def test_plan_samples__reads_one_or_several_texts(tmp_path, known, captions, labels):
    members = [("u.jpg", b"1"), ("u.json", json.dumps(known).encode())]
    (sample,) = of_members(tmp_path / "a.tar", *members)
    assert (sample.captions, sample.concepts, sample.split) == (captions, labels, "train")
