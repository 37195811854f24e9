"""Labels of the cases of a run, and tables that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import DataError
from medvlp.pipelines.case_labels import LabelTable, check_classes, read_labels
from medvlp.pipelines.judged_run import JudgedRun, read_judged_run
from tests.pipelines.run_samples import write_labels, write_run

SHARES = np.asarray([[0.5, 0.3, 0.2]] * 4)


def judged(folder: Path) -> JudgedRun:
    return read_judged_run(folder, model=None, task=None)


def read_and_check(run: JudgedRun, table: Path) -> LabelTable:
    told = read_labels(run, table, "label")
    check_classes(run, table, told)
    return told


def test_read_labels__leaves_cases_without_label_out_and_reads_groups(tmp_path: Path) -> None:
    write_run(tmp_path / "run", SHARES)
    table = tmp_path / "labels.csv"
    table.write_text("case_id,label,group\ns0.svs,CC,p1\ns1.svs,,p1\ns2.svs,PAP,\nnew.svs,CC,p2\n")
    found = read_labels(judged(tmp_path / "run"), table, "label")
    assert found.left_out == {
        "rows without a label": 1,
        "rows without a prediction in the run": 1,
        "predictions without a row": 2,
    }
    assert [(x.case.row.case_id, x.value, x.group) for x in found.cases] == [
        ("s0.svs", "CC", "p1"),
        ("s2.svs", "PAP", "s2.svs"),
    ]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("case_id,lable\ns0.svs,CC\n", r"no column 'label' \(did you mean 'lable'"),
        ("case,label\ns0.svs,CC\n", "no column 'case_id'"),
        ("case_id,label\n", "no column 'case_id'"),
        ("case_id,label\ns0.svs,CC\ns0.svs,PAP\n", "case 's0.svs' is named 2 times"),
        ("case_id,label\nx.svs,CC\n", "none of its 1 cases has a label and a prediction"),
        ("case_id,label\ns0.svs,Cc\n", r"has the label 'Cc' \(did you mean 'CC'"),
    ],
)
def test_read_labels__refuses_labels_that_do_not_fit(
    tmp_path: Path, text: str, phrase: str
) -> None:
    write_run(tmp_path / "run", SHARES)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=phrase) as caught:
        read_and_check(judged(tmp_path / "run"), tmp_path / "labels.csv")
    assert caught.value.code == "MV1524"


def test_check_classes__says_that_a_ratio_never_answers_normal(tmp_path: Path) -> None:
    write_run(tmp_path / "run", SHARES, head="subtype-ratio")
    table = write_labels(tmp_path / "labels.csv", ["CC", "Normal", "PAP"])
    with pytest.raises(DataError, match="never answers 'Normal'"):
        read_and_check(judged(tmp_path / "run"), table)
