"""A model with a task on scans: scales agree, verdicts rest on the boxes, notes say what lacks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.config.task import CtScale, parse_task
from medvlp.errors import ConfigError, FeatureError, MedvlpError
from medvlp.models.volume.bundle import VolumeBundle, load_volume_bundle
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judge_scans import ScanJudge, scale_differences
from medvlp.volumes.features import read_volume_features, write_volume_features
from tests.models.volume.tiny_bundles import KIDNEY_BOX, write_tiny_volume_bundle
from tests.pipelines import scan_samples


@pytest.fixture(scope="module")
def bundle(ct_bundle_folder: Path) -> VolumeBundle:
    return load_volume_bundle(ct_bundle_folder)


def _task(document):
    return parse_task(document, source="test")


def _judge(bundle, document, root, **settings) -> ScanJudge:
    return ScanJudge(bundle, _task(document), DiagnoseSettings(**settings), root)


def test_judge__answers_from_both_kidneys(
    bundle: VolumeBundle, phantom_scans: Path, tmp_path: Path
) -> None:
    judge = _judge(bundle, scan_samples.masses(), tmp_path)
    stages: list[str] = []
    finding = judge.judge(scan_samples.scan_case(phantom_scans), "", stages.append)
    assert finding.features.units == ("kidney_right", "kidney_left")
    row = finding.row
    assert (row.modality, row.status, row.n_units, row.n_used) == ("ct", "diagnosed", 2, 2)
    assert sum(row.probabilities.values()) == pytest.approx(1)
    assert row.findings is None
    # the mean of the cosines, scaled, through a softmax: written out
    cosines = finding.features.features.astype(np.float64) @ judge.classifier.weights
    logits = judge.classifier.logit_scale * cosines.mean(axis=0)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(list(row.probabilities.values()), expected, rtol=0, atol=1e-6)
    assert stages == ["open scan", "encode boxes", "write features", "judge scan"]
    again: list[str] = []
    other = judge.judge(scan_samples.scan_case(phantom_scans), "", again.append)
    assert again == ["open scan", "read features", "judge scan"]
    assert other.row == row


def test_judge__lists_findings_that_are_there_at_once(
    bundle: VolumeBundle, phantom_scans: Path, tmp_path: Path
) -> None:
    judge = _judge(bundle, scan_samples.findings(), tmp_path)
    finding = judge.judge(scan_samples.scan_case(phantom_scans), "", lambda _: None)
    there = tuple(name for name, p in finding.row.probabilities.items() if p > 0.5)
    assert finding.row.findings == there
    assert finding.row.prediction == ("; ".join(there) or "none")
    assert finding.verdict is not None
    shares = finding.verdict.unit_probabilities.max(axis=0)
    np.testing.assert_allclose(list(finding.row.probabilities.values()), shares, atol=1e-6)


def test_judge__refuses_a_scan_without_the_mask_that_the_model_needs(
    bundle: VolumeBundle, phantom_scans: Path, tmp_path: Path
) -> None:
    judge = _judge(bundle, scan_samples.masses(), tmp_path)
    case = scan_samples.scan_case(phantom_scans, with_mask=False)
    with pytest.raises(MedvlpError, match=r"MV1120: .* looks at the kidney"):
        judge.judge(case, "", lambda _: None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spacing_mm": [4, 4, 4]}, r"spacing_mm \(4, 4, 4\) and not \(5, 4, 4\)"),
        ({"window_hu": [-200, 250]}, r"window_hu \(-200, 250\) and not \(-200, 300\)"),
        ({"region": "liver"}, "region liver and not kidney"),
        ({"region": None, "box_mm": None}, "region the whole scan and not kidney"),
        ({"box_mm": [40, 64, 60]}, r"box_mm \(40, 64, 60\) and not \(40, 64, 64\)"),
    ],
)
def test_judge__refuses_another_scale_than_the_models(
    bundle: VolumeBundle, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    document = scan_samples.masses(scale=scan_samples.SCALE | changes)
    with pytest.raises(ConfigError, match=rf"MV1516: task masses asks for {words}"):
        _judge(bundle, document, tmp_path)
    allowed = _judge(bundle, document, tmp_path, allow_scale=True)
    (note,) = allowed.scale_notes
    assert note.endswith("the boxes are those of the model.")


def test_scale_differences__leave_out_what_a_task_leaves_open() -> None:
    scale = CtScale(spacing_mm=(5.0, 4.0, 4.0), window_hu=(-200.0, 300.0), region="kidney")
    assert scale_differences(scale, KIDNEY_BOX) == []


def test_judge__refuses_a_model_without_texts(tmp_path: Path) -> None:
    write_tiny_volume_bundle(tmp_path / "b", is_projected=False)
    with pytest.raises(MedvlpError, match="MV1448"):
        _judge(load_volume_bundle(tmp_path / "b"), scan_samples.masses(), tmp_path)


def test_judge__refuses_a_task_for_slides(bundle: VolumeBundle, task_file: Path) -> None:
    document = scan_samples.masses(
        modality="slide", scale={"mpp": 0.5, "tile_px": 256}, head="mean"
    )
    with pytest.raises(ConfigError, match="task masses is for slide"):
        _judge(bundle, document, task_file.parent)


def test_parameters__hold_boxes_and_what_is_accepted(bundle: VolumeBundle, tmp_path: Path) -> None:
    told = _judge(bundle, scan_samples.masses(), tmp_path).parameters()
    assert told["preprocessing"]["shape_zyx"] == (8, 16, 16)
    assert told["rules"]["irregular"] == "refuse"


def test_judge__refuses_features_that_cannot_be_compared_with_texts(
    bundle: VolumeBundle, phantom_scans: Path, tmp_path: Path
) -> None:
    """An image-only run left features of the same weights where this one looks for its own."""
    judge = _judge(bundle, scan_samples.masses(), tmp_path)
    case = scan_samples.scan_case(phantom_scans)
    judge.judge(case, "", lambda _: None)
    path = judge.embedder.feature_path(case)
    made = read_volume_features(path)
    path.unlink()
    write_volume_features(path, replace(made, meta=replace(made.meta, is_projected=False)))
    with pytest.raises(FeatureError, match="MV1304"):
        judge.judge(case, "", lambda _: None)
