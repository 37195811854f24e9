"""A whole run: planted copies are found, nothing is lost, it goes on after a stop."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from medvlp.data.pairs import read_pairs
from medvlp.io import read_csv
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import LeaseSettings
from medvlp.knowledge.store import write_graph
from medvlp.pipelines.pairing import run as run_module
from medvlp.pipelines.pairing.run import group_pairs, pairs_folder
from medvlp.pipelines.pairing.settings import PairingSettings
from medvlp.pipelines.pairing.source import SourceRow, read_source


def run(rows, out: Path, **document):
    settings = PairingSettings.model_validate_json(json.dumps(document))
    return group_pairs(
        rows, settings, out, open_progress=lambda _: NullProgress(), lease=LeaseSettings()
    )


def write_rows(folder: Path, records) -> list[SourceRow]:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return read_source(path, PairingSettings().columns)


def groups_of(out: Path) -> dict[str, set[str]]:
    groups = defaultdict(set)
    for row in read_csv(pairs_folder(out) / "members.csv"):
        groups[row["group"]].add(row["image"])
    return dict(groups)


@pytest.fixture
def source(tmp_path: Path, picture) -> list[SourceRow]:
    """Three pictures, copies of two of them, and rows that are bad."""
    records = []
    for seed in range(3):
        image = picture(seed)
        image.save(tmp_path / f"p{seed}.png")
        caption = f"lung adenocarcinoma in field {seed}" if seed else "colon cancer seen here"
        records.append({"image": f"p{seed}.png", "caption": caption})
    picture(1).save(tmp_path / "p1_copy.jpg", quality=50)
    picture(2).resize((120, 120)).save(tmp_path / "p2_big.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no image")
    records += [
        {"image": "p1_copy.jpg", "caption": "no colon cancer, lung adenocarcinoma"},
        {"image": "p2_big.png", "caption": "lung squamous cell carcinoma"},
        {"image": "bad.jpg", "caption": "a broken file"},
        {"image": "gone.png", "caption": "a file that is missing"},
        {"image": "p0.png", "caption": "word " * 10_000},
    ]
    return write_rows(tmp_path, records)


def test_group_pairs__finds_copies_links_captions_and_loses_nothing(
    source, graph, tmp_path: Path
) -> None:
    write_graph(graph, tmp_path / "graph.parquet")
    labels = {"graph": str(tmp_path / "graph.parquet"), "conflict": "ancestor"}
    report = run(source, tmp_path / "out", labels=labels)
    assert report.exit_code == 0
    found = groups_of(tmp_path / "out")
    assert sorted(map(sorted, found.values())) == [
        ["p0.png"],
        ["p1.png", "p1_copy.jpg"],
        ["p2.png", "p2_big.png"],
    ]
    folder = pairs_folder(tmp_path / "out")
    concepts = {
        row.sample_id.split("-")[0]: row.concept_ids for row in read_pairs(folder).rows("train")
    }
    assert concepts["p0"] == ("DOID:2",)
    assert concepts["p1"] == concepts["p1_copy"] == ("DOID:11",)
    assert concepts["p2"] == ("DOID:1",)
    dropped = {row["row"]: row["reason"] for row in read_csv(folder / "dropped.csv")}
    assert dropped == {
        "6": "image does not decode",
        "7": "image cannot be read",
        "8": "caption too long",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["rows"] == {"read": 8, "kept": 5, "dropped": 3}


def test_group_pairs__does_not_depend_on_the_order_of_rows(source, tmp_path: Path) -> None:
    run(source, tmp_path / "one")
    run(source[::-1], tmp_path / "two")
    one, two = (pairs_folder(tmp_path / name) for name in ("one", "two"))
    for name in ("pairs.parquet", "000000.tar", "groups.json", "members.csv", "summary.json"):
        if name == "summary.json":
            first, second = (json.loads((f / name).read_text()) for f in (one, two))
            first["written_sha256"].pop("dropped.csv")
            second["written_sha256"].pop("dropped.csv")
            assert first["rows"] == second["rows"]
            assert first["fingerprint"] == second["fingerprint"]
        else:
            assert (one / name).read_bytes() == (two / name).read_bytes()


def test_group_pairs__does_nothing_twice_and_refuses_another_run(source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert {o.status for o in run(source, out).outcomes} == {"done"}
    before = {path.name: path.stat().st_mtime_ns for path in pairs_folder(out).iterdir()}
    assert {o.status for o in run(source, out).outcomes} == {"reused"}
    assert {o.status for o in run(source[::-1], out).outcomes} == {"reused"}
    assert {o.status for o in run(source, out, duplicates={"batch_size": 7}).outcomes} == {"reused"}
    (failure,) = run(source, out, merging={"merge": "none"}).failures
    assert failure.code == "MV2139"
    (failure,) = run(source[1:], out).failures
    assert failure.code == "MV2139"
    assert {path.name: path.stat().st_mtime_ns for path in pairs_folder(out).iterdir()} == before


def test_group_pairs__goes_on_after_a_stop(source, tmp_path: Path, monkeypatch) -> None:
    def stop(*_: object, **__: object):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_grouped_pairs", stop)
        with pytest.raises(KeyboardInterrupt):
            run(source, out)
    assert not pairs_folder(out).exists()
    assert [o.status for o in run(source, out).outcomes] == ["reused", "done"]


def test_group_pairs__tells_what_cannot_be_done_as_a_failure(source, tmp_path: Path) -> None:
    rows = [replace(row, patient="p") for row in source]
    (failure,) = run(rows, tmp_path / "out", splits={"test": 0.5}).failures
    assert failure.code == "MV2137"
    assert not pairs_folder(tmp_path / "out").exists()


def test_group_pairs__imports_semantic_groups_and_exports_them_again(
    tmp_path: Path, picture
) -> None:
    for seed in range(4):
        picture(seed).save(tmp_path / f"p{seed}.png")
    document = {
        "tube_group_000003": {
            "images": ["p0.png", "p1.png"],
            "merged_caption": ["first caption here"],
            "anatomy": None,
            "labels": {"DOID:11": {"concept_syn": ["x", "y"]}},
        },
        "tube_group_000009": {
            "images": ["p2.png", "p3.png"],
            "merged_caption": ["second caption here", "quite another text"],
            "anatomy": "colon",
            "labels": {"unknown": {}},
        },
    }
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(document))
    rows = read_source(path, PairingSettings().columns)
    keep_all = {"merge": "none", "per_group": None}
    report = run(rows, tmp_path / "out", duplicates={"rule": "none"}, merging=keep_all)
    assert report.exit_code == 0
    written = json.loads((pairs_folder(tmp_path / "out") / "groups.json").read_text())
    assert {name: group["images"] for name, group in written.items()} == {
        name: group["images"] for name, group in document.items()
    }
    for name, group in document.items():
        assert sorted(written[name]["merged_caption"]) == sorted(group["merged_caption"])
        assert list(written[name]["labels"]) == list(group["labels"])
        assert written[name]["anatomy"] == group["anatomy"]


def test_group_pairs__uses_a_dual_encoder_for_content_and_captions(
    source, bundle_folder: Path, tmp_path: Path
) -> None:
    content = {"keep": ["clear cell carcinoma"], "drop": ["normal tissue"], "min_margin": -2.0}
    chosen = {"duplicates": {"encoder": str(bundle_folder)}}
    merging = {"text_model": str(bundle_folder)}
    report = run(source, tmp_path / "all", **chosen, images={"content": content}, merging=merging)
    assert report.exit_code == 0
    summary = json.loads((pairs_folder(tmp_path / "all") / "summary.json").read_text())
    assert summary["encoder"]["encoder"] == str(bundle_folder)
    assert summary["images"] == 5
    content["min_margin"] = 2.0
    (failure,) = run(source, tmp_path / "none", **chosen, images={"content": content}).failures
    assert failure.code == "MV2140"
    assert "5 image shows something else" in failure.reason


def test_group_pairs__finds_planted_copies_of_real_tiles(real_data: Path, tmp_path: Path) -> None:
    folders = ["lc25000/lung_aca", "oral_oscc", "cytology_lbc", "crc_nct_val7k"]
    tiles = []
    for name in folders:
        files = sorted(p for p in (real_data / "tiles" / name).rglob("*") if p.is_file())
        tiles += [p for p in files if p.suffix in {".jpeg", ".jpg", ".png", ".tif"}][:40:4]
    records, expected, features, names = [], set(), [], []

    def add(image: Image.Image, name: str, **options: object) -> None:
        image.save(tmp_path / name, **options)
        records.append({"image": name, "caption": f"tile of set number {name}"})
        # A descriptor without up and left, so that mirrored copies are found too.
        small = np.asarray(image.resize((64, 64)).convert("RGB"), dtype=np.float64)
        turned = [np.rot90(side, k) for side in (small, small[:, ::-1]) for k in range(4)]
        cells = sum(t.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)) for t in turned)
        names.append(name)
        features.append((cells - cells.mean(axis=(0, 1))).ravel())

    for place, path in enumerate(tiles):
        image = Image.open(path).convert("RGB")
        stem = f"t{place:02d}"
        add(image, f"{stem}.png")
        if place % 3 == 0:
            add(image, f"{stem}_q.jpg", quality=55)
        elif place % 3 == 1:
            add(ImageOps.mirror(image), f"{stem}_m.png")
        else:
            width, height = image.size
            add(image.crop((2, 2, width - 2, height - 2)), f"{stem}_c.png")
        expected.add(frozenset(record["image"] for record in records[-2:]))
    np.savez(tmp_path / "f.npz", names=np.array(names), features=np.array(features))
    chosen = {"features": str(tmp_path / "f.npz"), "cosine": 0.97, "rule": "components"}
    rows = write_rows(tmp_path, records)
    run(rows, tmp_path / "out", duplicates=chosen, merging={"merge": "none"})
    found = {frozenset(group) for group in groups_of(tmp_path / "out").values()}
    assert len(found & expected) >= 0.9 * len(expected)
    assert all(len(group) <= 2 for group in found)
