"""Thresholds of findings from a run and its labels: certain ones count, and test cases do not."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.config.calibrations import read_finding_thresholds
from medvlp.errors import ConfigError, DataError, UsageError
from medvlp.io import content_sha256, write_json
from medvlp.pipelines.finding_thresholds import fit_finding_thresholds
from medvlp.pipelines.judged_run import JudgedRun, read_judged_run
from tests.pipelines.run_samples import FINDINGS, slide_sha256, write_run

SHARES = np.asarray(
    [[0.1, 0.9, 0.3], [0.2, 0.8, 0.3], [0.3, 0.1, 0.3], [0.4, 0.2, 0.3], [0.9, 0.3, 0.3]]
)


def judged(folder: Path, **changes) -> JudgedRun:
    write_run(folder / "run", SHARES, **(FINDINGS | changes))
    return read_judged_run(folder / "run", model=None, task=None)


def table(folder: Path, header: str, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_fit_finding_thresholds__fits_each_finding_by_itself(tmp_path):
    run = judged(tmp_path)
    labels = table(
        tmp_path,
        "case_id,group,fluid,nodule",
        "s0.svs,p,0,1",
        "s1.svs,p,0,1.0",
        "s2.svs,q,1,0",
        "s3.svs,r,1,-1",
        "s4.svs,r,1,",
    )
    found = fit_finding_thresholds(run, labels, "youden")
    fluid, nodule, coin = (found.findings[name] for name in ("fluid", "nodule", "coin"))
    assert (fluid.threshold, fluid.value) == (pytest.approx(0.25), 1.0)
    assert fluid.value_before == pytest.approx(1 / 3)
    assert (nodule.num_positive, nodule.num_negative) == (2, 1)
    assert (nodule.num_uncertain, nodule.num_unlabelled) == (1, 1)
    assert nodule.threshold == pytest.approx(0.45)
    assert (coin.is_fitted, coin.threshold) == (False, 0.5)
    assert coin.why == "the table has no column for it"
    assert (found.cases.number, found.cases.num_groups) == (5, 3)
    assert found.cases.content_sha256 == tuple(slide_sha256(n) for n in range(5))
    assert found.cases.labels_sha256 == content_sha256(labels)
    write_json(tmp_path / "t.json", found.model_dump(mode="json"))
    assert read_finding_thresholds(tmp_path / "t.json") == found


def test_fit_finding_thresholds__leaves_a_finding_of_one_class_at_its_threshold(tmp_path):
    classes = FINDINGS["classes"] | {"nodule": {"names": ["nodule"], "threshold": 0.7}}
    run = judged(tmp_path, classes=classes)
    lines = ("s0.svs,1,1,-1", "s1.svs,0,1,", "s2.svs,0,1,NaN")
    labels = table(tmp_path, "case_id,fluid,nodule,coin", *lines)
    found = fit_finding_thresholds(run, labels, "mcc").findings
    assert (found["nodule"].threshold, found["nodule"].why) == (0.7, "labelled present only")
    assert (found["coin"].threshold, found["coin"].why) == (0.5, "no case has a label")
    assert found["fluid"].is_fitted


def test_fit_finding_thresholds__refuses_where_no_finding_can_be_fitted(tmp_path):
    labels = table(tmp_path, "case_id,fluid", "s0.svs,1", "s1.svs,1")
    with pytest.raises(DataError, match="fluid: labelled present only") as caught:
        fit_finding_thresholds(judged(tmp_path), labels, "max-f1")
    assert caught.value.code == "MV1527"


def test_fit_finding_thresholds__refuses_test_cases_unless_allowed(tmp_path):
    run = judged(tmp_path)
    lines = ("s0.svs,0,validation", "s1.svs,1,Test", "s2.svs,1,test", "s3.svs,,test")
    labels = table(tmp_path, "case_id,fluid,split", *lines)
    with pytest.raises(ConfigError, match="2 of the 3 cases to fit on are of the test set") as told:
        fit_finding_thresholds(run, labels, "max-f1")
    assert told.value.code == "MV1150"
    found = fit_finding_thresholds(run, labels, "max-f1", allow_on_test=True)
    assert found.cases.on_test
    assert found.cases.split == "Test and test and validation"
    kept = table(tmp_path, "case_id,fluid,split", "s0.svs,0,val", "s1.svs,1,val", "s9,1,test")
    assert not fit_finding_thresholds(run, kept, "max-f1").cases.on_test


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("case_id,other", "s0.svs,1", "no column for any finding of the task, such as 'fluid'"),
        ("case_id,fluid", "s0.svs,2", "case 's0.svs' has fluid '2'"),
        ("case_id,fluid", "other,1", "none of its 1 cases has a finding with a label"),
        ("case_id,fluid", "s0.svs,-1", "none of its 1 cases has a finding with a label"),
        ("case,fluid", "s0.svs,1", "no column 'case_id'"),
    ],
)
def test_fit_finding_thresholds__refuses_a_table_that_does_not_fit(tmp_path, header, line, said):
    with pytest.raises(DataError, match=said) as caught:
        fit_finding_thresholds(judged(tmp_path), table(tmp_path, header, line), "youden")
    assert caught.value.code == "MV1524"


def test_fit_finding_thresholds__is_for_findings_only(tmp_path):
    write_run(tmp_path / "run", SHARES)
    run = read_judged_run(tmp_path / "run", model=None, task=None)
    labels = table(tmp_path, "case_id,CC", "s0.svs,1")
    with pytest.raises(UsageError, match="judges no findings one by one") as caught:
        fit_finding_thresholds(run, labels, "youden")
    assert caught.value.code == "MV1522"
