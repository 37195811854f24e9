from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import keep_vs_clip

RECIPE = {
    "input_px": 32,
    "embed_dim": 16,
    "text_width": 16,
    "text_layers": 1,
    "vocab_size": 400,
    "steps": 1,
    "groups_per_batch": 4,
    "samples_per_group": 2,
    "knowledge": {"steps": 1, "concepts_per_batch": 4, "texts_per_concept": 2},
}
ARGUMENTS = ["--arms", "clip", "keep", "--seeds", "0", "--draws", "10"]


@pytest.fixture(scope="module")
def worlds() -> ModuleType:
    path = Path(__file__).parent / "keep_experiment/conftest.py"
    spec = importlib.util.spec_from_file_location("tiles_on_disk", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(tmp_path: Path, *extra: str) -> dict[str, object]:
    report = tmp_path / "report.json"
    places = ["--out", str(tmp_path / "out"), "--json", str(report)]
    code = keep_vs_clip.main([*ARGUMENTS, *places, "--recipe", json.dumps(RECIPE), *extra])
    assert code == 0
    return dict(json.loads(report.read_text(encoding="utf-8")))


def test_main__runs_folds_and_writes_every_cell(
    tmp_path: Path, worlds: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = worlds.write_tiles(tmp_path / "data", worlds.SMALL_SETS)
    worlds.write_ontology(root / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl")
    monkeypatch.setenv("MEDVLP_TEST_DATA", str(tmp_path))
    report = run(tmp_path, "--folds", "0", "2")
    assert set(report) >= {"machine", "versions", "settings", "figures"}
    names = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert names == [
        f"{arm}_seed0_fold{fold}.json" for arm in ("clip", "colour", "keep") for fold in (0, 2)
    ]


def test_main__judges_a_folder_that_lacks_sets_and_classes(
    tmp_path: Path, worlds: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDVLP_TEST_DATA", raising=False)
    train = worlds.write_tiles(tmp_path / "train", worlds.SMALL_SETS)
    ontology = worlds.write_ontology(tmp_path / "do.jsonl")
    test = worlds.write_tiles(
        tmp_path / "test",
        {"lc25000": {"lung_aca": 1, "colon_aca": 1, "lung_n": 1}, "rbc12": {"macrocyte": 2}},
        seed=1,
    )
    report = run(
        tmp_path,
        *("--train-root", str(train), "--test-root", str(test), "--knowledge", str(ontology)),
    )
    figures = report["figures"]
    assert isinstance(figures, dict)
    assert list(figures["sets"]) == ["lc25000"]


def test_main__asks_for_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDVLP_TEST_DATA", raising=False)
    with pytest.raises(SystemExit, match="MEDVLP_TEST_DATA"):
        keep_vs_clip.main([])
