"""The comparison with reference numbers: real files, wrong files, unknown families, exit codes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.check_vectors import check_file, check_folder, main
from benchmarks.vectors.families import FAMILIES

COMPLETE = (
    "carzero_local_global",
    "carzero_sim",
    "conch_bag_eval",
    "fill_check",
    "kad_tqn",
    "keep_prompt_screening",
    "keep_segmentation",
    "keep_tiles",
    "mavl_model",
    "medklip_decoder",
    "metrics_binary",
    "metrics_multiclass",
    "prompt_classifiers",
    "renalclip_metrics",
    "renalclip_resnet3d",
    "renalclip_zeroshot",
    "topj_pooling",
)
SHIFTED = {
    "carzero_sim": "s_i2t",
    "conch_bag_eval": "bacc",
    "fill_check": "value_0",
    "kad_tqn": "attention_last_layer",
    "keep_prompt_screening": "ensemble",
    "keep_segmentation": "dice",
    "keep_tiles": "seg_overlap__prob",
    "mavl_model": "param_grad_norms",
    "medklip_decoder": "loss",
    "metrics_binary": "bootstrap_auroc_p2_5_p50_p97_5",
    "metrics_multiclass": "kappa_quadratic",
    "pathpt_slide": "confidence",
    "prompt_classifiers": "conch",
    "renalclip_metrics": "specificity_true",
    "renalclip_zeroshot": "pairs__roc_auc",
    "renalclip_resnet3d": "eval__embedding",
    "topj_pooling": "mizero_smoothed",
}


@pytest.fixture(scope="module")
def rows(vectors: Path):
    return check_folder(vectors)


def write_pooling(folder: Path, *, name: str = "topj_pooling__c01.npz", **changes) -> Path:
    """Write a file of the pooling family that is worked out by hand."""
    arrays = {
        "meta": np.asarray(json.dumps({"family": "topj_pooling"})),
        "logits": np.asarray([[1.0, 0.0], [3.0, 2.0]], dtype=np.float32),
        "topj": np.asarray([1, 2]),
        "neighbour_index": np.asarray([[0, 1], [1, 1]]),
        "conch_pooled": np.asarray([[3.0, 2.0], [2.0, 1.0]]),
        "conch_pred": np.asarray([0, 0]),
        "mizero_pooled_sum": np.asarray([[3.0, 2.0], [4.0, 2.0]]),
        "mizero_pred": np.asarray([0, 0]),
        "mizero_smoothed": np.asarray([[2.0, 1.0], [3.0, 2.0]]),
        "mean_pool_pred": np.asarray(0),
    }
    path = folder / name
    np.savez_compressed(path, **(arrays | changes))
    return path


def test_real_files__all_agree_where_something_answers(rows) -> None:
    assert [row for row in rows if row.status == "FAILS"] == []
    assert {row.status for row in rows if row.family not in FAMILIES} <= {"not covered"}


@pytest.mark.parametrize("family", COMPLETE)
def test_real_files__of_a_finished_family_agree_completely(rows, family: str) -> None:
    mine = [row for row in rows if row.family == family]
    assert mine
    for row in mine:
        assert row.status == "agrees", row
        assert row.compared == row.expected > 0
        assert row.largest_error <= row.allowed


def test_real_files__answer_the_labels_of_pathpt(rows) -> None:
    mine = [row for row in rows if row.family == "pathpt_slide"]
    assert mine
    assert all(row.status in {"partly", "agrees"} and row.compared >= 5 for row in mine)


@pytest.mark.parametrize("family", SHIFTED)
def test_real_files__fail_when_a_number_is_shifted(
    vectors: Path, tmp_path: Path, family: str
) -> None:
    source = vectors / f"{family}__c01.npz"
    with np.load(source) as archive:
        arrays = dict(archive)
    name = SHIFTED[family]
    arrays[name] = arrays[name] * (1 + 1e-7) + 1e-9
    np.savez_compressed(tmp_path / source.name, **arrays)
    row = check_file(tmp_path / source.name)
    assert row.status == "FAILS"
    assert row.worst == name
    assert row.note == f"wrong: {name}"


def test_main__prints_a_table_and_writes_json(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in vectors.glob("keep_tiles__*.npz"):
        shutil.copy(source, tmp_path)
    write_pooling(tmp_path, name="topj_pooling__c01.npz", another_figure=np.asarray(1.0))
    path = tmp_path / "out.json"
    required = ["--require", "keep_tiles", "topj_pooling", "--json", str(path)]
    assert main([str(tmp_path), *required]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "4 files: 3 agrees, 1 partly, 0 FAILS, 0 not covered"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert [row["status"] for row in record["rows"]] == ["agrees"] * 3 + ["partly"]
    assert set(record["versions"]) >= {"medvlp", "python", "numpy", "scikit-learn"}


def test_main__agrees_with_a_file_worked_out_by_hand(tmp_path: Path, capsys) -> None:
    write_pooling(tmp_path)
    assert main([str(tmp_path)]) == 0
    assert "agrees" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"conch_pooled": np.asarray([[3.0, 2.0], [2.0, 1.1]])}, "wrong: conch_pooled"),
        ({"conch_pred": np.asarray([0, 1])}, "wrong: conch_pred"),
        ({"conch_pred": np.asarray([0])}, "wrong: conch_pred"),
        ({"mizero_smoothed": np.full((2, 2), np.nan)}, "wrong: mizero_smoothed"),
        ({"topj": np.asarray([0, 2])}, "ValueError: j must be at least 1"),
        ({"logits": np.asarray([{}], dtype=object)}, "ValueError: Object arrays"),
        ({"meta": np.asarray("{")}, "JSONDecodeError"),
    ],
)
def test_main__fails_where_a_file_does_not_agree(
    tmp_path: Path, capsys, changes, phrase: str
) -> None:
    write_pooling(tmp_path, **changes)
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "FAILS" in out
    assert phrase in out


def test_main__fails_on_a_file_without_its_arrays_and_on_a_damaged_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "topj_pooling__c01.npz", logits=np.ones((2, 2)))
    whole = write_pooling(tmp_path, name="topj_pooling__c02.npz").read_bytes()
    (tmp_path / "topj_pooling__c03.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "topj_pooling__c04.npz").write_bytes(b"")
    statuses = {row.file: row.status for row in check_folder(tmp_path)}
    assert statuses == {
        "topj_pooling__c01.npz": "FAILS",
        "topj_pooling__c02.npz": "agrees",
        "topj_pooling__c03.npz": "FAILS",
        "topj_pooling__c04.npz": "FAILS",
    }


def test_main__names_a_family_that_nothing_answers(tmp_path: Path, capsys) -> None:
    write_pooling(tmp_path)
    write_pooling(tmp_path, name="phrenology__c01.npz")
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "phrenology__c01.npz    not covered" in out
    assert out.splitlines()[-1] == "2 files: 1 agrees, 0 partly, 0 FAILS, 1 not covered"


def test_main__fails_where_a_required_family_is_not_covered(tmp_path: Path, capsys) -> None:
    write_pooling(tmp_path)
    write_pooling(tmp_path, name="phrenology__c01.npz")
    assert main([str(tmp_path), "--require", "topj_pooling"]) == 0
    assert main([str(tmp_path), "--require", "topj_pooling", "phrenology"]) == 1
    assert "required but not covered: phrenology" in capsys.readouterr().out
    assert main([str(tmp_path), "--require", "keep_tiles"]) == 1


def test_main__complete_asks_for_every_number_of_a_required_family(tmp_path: Path) -> None:
    write_pooling(tmp_path, another_figure=np.asarray(1.0))
    assert check_folder(tmp_path)[0].note == "nothing answers another_figure"
    assert main([str(tmp_path), "--require", "topj_pooling"]) == 0
    assert main([str(tmp_path), "--require", "topj_pooling", "--complete"]) == 1


def test_main__refuses_a_folder_without_files(tmp_path: Path, capsys) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert main([str(tmp_path)]) == 2
    assert "holds no files named FAMILY__CASE.npz" in capsys.readouterr().err
