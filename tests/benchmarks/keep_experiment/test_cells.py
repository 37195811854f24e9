from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.keep_experiment import cells
from benchmarks.keep_experiment.cells import Bench, Cell, colour_cell, run_cell
from benchmarks.keep_experiment.concepts import Concepts
from benchmarks.keep_experiment.figures import judge_targets, summarise
from benchmarks.keep_experiment.folds import split
from benchmarks.keep_experiment.tables import arm_lines, set_lines, target_lines
from benchmarks.keep_experiment.tiles import load_sets
from benchmarks.keep_experiment.words import Words


@pytest.fixture
def bench(small_root: Path, tmp_path: Path, concepts: Concepts, words: Words) -> Bench:
    sets = load_sets(small_root, concepts, 32, lambda _: None)
    return Bench(tmp_path / "out", words, {"0": split(sets, 0)}, lambda _: None)


def test_run_cell__is_found_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_cell(bench, Cell("clip", 0, "0"))
    monkeypatch.setattr(cells, "train_pairs", pytest.fail)
    assert run_cell(bench, Cell("clip", 0, "0")) == first


def test_run_cell__is_done_again_with_other_settings(
    bench: Bench, concepts: Concepts, words: Words
) -> None:
    run_cell(bench, Cell("clip", 0, "0"))
    recipe = words.recipe.model_copy(update={"steps": 1})
    said: list[str] = []
    other = Bench(bench.out, Words(concepts, words.captions, recipe), bench.folds, said.append)
    run_cell(other, Cell("clip", 0, "0"))
    assert any("other settings" in text for text in said)


def test_run_cell__takes_one_stage_1_for_all_folds_of_a_seed(bench: Bench) -> None:
    first = run_cell(bench, Cell("keep", 0, "0"))
    second = run_cell(bench, Cell("clip-knowledge", 0, "0"))
    assert first["stage1"]["reused"] is False
    assert second["stage1"]["reused"] is True
    assert second["stage1"]["losses"] == first["stage1"]["losses"]


def test_run_cell__leaves_a_record_only_after_its_scores(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        run_cell(bench, Cell("clip", 0, "0"))
    assert [path.suffix for path in bench.out.iterdir()] == [".npz"]


def test_summarise__holds_every_arm_and_its_difference_from_clip(bench: Bench) -> None:
    chosen = [Cell(arm, seed, "0") for arm in ("clip", "keep") for seed in (0, 1)]
    for cell in chosen:
        record = run_cell(bench, cell)
        assert json.loads((bench.out / f"{cell.name}.json").read_text()) == record
    colour = colour_cell(bench, "0")
    assert "lc25000/names" in colour["figures"]
    summary = summarise(bench.out, [*chosen, Cell("colour", 0, "0")], num_draws=20)
    assert list(summary.arms) == ["clip", "keep"]
    found = summary.differences["keep"]["parents"]["auroc"]
    expected = summary.arms["keep"]["parents"]["auroc"].value
    expected -= summary.arms["clip"]["parents"]["auroc"].value
    assert found.value == pytest.approx(expected)
    assert set(summary.sets["lc25000"]) == {"clip", "keep", "colour"}
    lines = [*arm_lines(summary), *set_lines(summary), *target_lines(judge_targets(summary))]
    assert any("colour means" in line for line in lines)
    json.dumps(summary.to_json())
