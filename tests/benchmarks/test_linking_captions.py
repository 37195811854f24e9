import csv

from benchmarks.linking_captions import ANNOTATIONS, half_of, read_annotations, score_captions


def test_read_annotations__covers_200_captions_with_ids_and_terms_only() -> None:
    notes = read_annotations()
    assert len(notes) == 200
    with ANNOTATIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"caption_id", "doid", "term", "status"}
    assert {row["status"] for row in rows} == {"", "present", "absent", "uncertain"}
    assert all(bool(row["doid"]) == bool(row["term"]) == bool(row["status"]) for row in rows)


def test_half_of__parts_captions_roughly_in_two() -> None:
    halves = [half_of(caption_id) for caption_id in read_annotations()]
    assert halves.count("test") == 113


def test_score_captions__counts_each_half_for_itself() -> None:
    notes = {"ROCO_1": frozenset({("T:1", "present"), ("T:2", "absent")}), "ROCO_2": frozenset()}
    found = {"one": [("T:1", "present"), ("T:2", "present")], "two": [("T:3", "present")]}
    scores = score_captions(found.__getitem__, {"ROCO_1": "one", "ROCO_2": "two"}, notes)
    first, second = (scores[half_of(caption_id)] for caption_id in ("ROCO_1", "ROCO_2"))
    total = {id(score): score for score in (first, second)}.values()
    assert sum(score.num_captions for score in total) == 2
    assert ("ROCO_1", "T:2", "absent") in first.missed
    assert ("ROCO_1", "T:2", "present") in first.wrong
    assert ("ROCO_2", "T:3", "present") in second.wrong
    assert first.right == 1


def test_score__is_whole_where_nothing_is_to_be_found() -> None:
    scores = score_captions(lambda text: [], {"ROCO_1": ""}, {"ROCO_1": frozenset()})
    for score in scores.values():
        assert (score.precision, score.recall, score.f1) == (1.0, 1.0, 1.0)
