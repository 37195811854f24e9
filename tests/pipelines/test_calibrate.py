"""Fitting on a finished run: the numbers of the parts, put together; and labels that do not fit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import special

from medvlp.config.calibrations import read_confidence_calibration, read_tile_threshold
from medvlp.errors import DataError, UsageError
from medvlp.io import content_sha256, write_json
from medvlp.pipelines.calibrate import fit_confidence, fit_threshold
from medvlp.pipelines.judged_run import JudgedRun, read_judged_run
from medvlp.zeroshot.calibration import case_logits, fit_temperature
from tests.pipelines.run_samples import graph, slide_sha256, write_labels, write_run

NAMES = ("CC", "PAP", "Normal")


def judged(folder: Path) -> JudgedRun:
    return read_judged_run(folder, model=None, task=None)


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return probabilities that are too sure, and labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    cumulated = special.softmax(z, axis=1).cumsum(axis=1)
    labels = (rng.random((n, 1)) > cumulated).sum(axis=1).clip(max=2)
    return special.softmax(3 * z, axis=1), [NAMES[label] for label in labels]


def test_fit_confidence__puts_temperature_and_sets_together(tmp_path: Path) -> None:
    shares, labels = sample(40)
    write_run(tmp_path / "run", shares)
    table = write_labels(tmp_path / "labels.csv", labels)
    found = fit_confidence(judged(tmp_path / "run"), table, alpha=0.2, method="lac")
    truth = [NAMES.index(label) for label in labels]
    expected = fit_temperature(np.log(shares), truth)
    assert found.temperature.value == pytest.approx(expected.temperature, rel=1e-6)
    assert found.temperature.value > 1.5
    assert found.temperature.ece_after < found.temperature.ece_before
    scores = sorted(1 - shares[np.arange(40), truth])
    assert found.sets.threshold == pytest.approx(scores[33 - 1])  # ceil(41 * 0.8) = 33
    assert 0.6 < found.sets.coverage <= 1
    assert found.sets.coverage_low < found.sets.coverage < found.sets.coverage_high
    assert found.cases.number == found.cases.num_groups == 40
    assert found.cases.class_counts == {name: labels.count(name) for name in set(labels)}
    assert found.cases.content_sha256 == tuple(slide_sha256(n) for n in range(40))
    assert found.cases.labels_sha256 == content_sha256(table)
    write_json(tmp_path / "c.json", found.model_dump(mode="json"))
    assert read_confidence_calibration(tmp_path / "c.json") == found


def test_fit_confidence__uses_the_shares_of_tiles_with_their_number(tmp_path: Path) -> None:
    shares = np.asarray([[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [1.0, 0.0, 0.0]])
    write_run(tmp_path / "run", shares, head="subtype-ratio")
    table = write_labels(tmp_path / "labels.csv", ["CC", "CC", "PAP"])
    found = fit_confidence(judged(tmp_path / "run"), table, alpha=0.5, method="lac")
    logits = case_logits(shares[:, :2], [4, 4, 4], head="subtype-ratio")
    expected = fit_temperature(logits, [0, 0, 1])
    assert found.temperature.value == pytest.approx(expected.temperature)


def test_fit_confidence__measures_the_nodes_of_a_graph(tmp_path: Path) -> None:
    shares, labels = sample(30)
    classes = {
        "CC": {"names": ["a"], "concept": "K:2"},
        "PAP": {"names": ["b"], "concept": "K:3"},
        "Normal": {"names": ["c"]},
    }
    write_run(tmp_path / "run", shares, classes=classes)
    table = write_labels(tmp_path / "labels.csv", labels)
    found = fit_confidence(
        judged(tmp_path / "run"), table, alpha=0.2, method="lac", graph=graph(), confidence=0.8
    )
    assert found.nodes is not None
    assert found.nodes.graph_sha256 == graph().content_sha256
    assert found.nodes.right_low < found.nodes.right < found.nodes.right_high
    assert found.nodes.share_at_class + found.nodes.share_at_root < 1
    write_json(tmp_path / "c.json", found.model_dump(mode="json"))
    assert read_confidence_calibration(tmp_path / "c.json") == found


# Ten slides, each judged a second time as a copy with a name of its own.
def test_fit_confidence__never_leaves_a_copy_behind_when_it_leaves_a_case_out(
    tmp_path: Path,
) -> None:
    shares, labels = sample(10, seed=1)
    write_run(tmp_path / "run", np.repeat(shares, 2, axis=0))
    for number in range(20):
        result = tmp_path / "run" / "cases" / f"s{number}" / "result.json"
        write_json(result, {"content_sha256": slide_sha256(number // 2)})
    table = write_labels(tmp_path / "labels.csv", [name for name in labels for _ in range(2)])
    found = fit_confidence(judged(tmp_path / "run"), table, alpha=0.2, method="lac")
    assert (found.cases.number, found.cases.num_groups) == (20, 10)


def test_fit_confidence__refuses_cases_of_one_patient(tmp_path: Path) -> None:
    shares, labels = sample(8)
    write_run(tmp_path / "run", shares)
    lines = ["case_id,label,group", *(f"s{n}.svs,{label},p" for n, label in enumerate(labels))]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"MV1524: .* its 8 cases are all of group 'p'"):
        fit_confidence(judged(tmp_path / "run"), table, alpha=0.2, method="lac")


def test_fit_confidence__gives_full_sets_where_cases_are_too_few(tmp_path: Path) -> None:
    shares, labels = sample(8)
    write_run(tmp_path / "run", shares)
    table = write_labels(tmp_path / "labels.csv", labels)
    found = fit_confidence(judged(tmp_path / "run"), table, alpha=0.1, method="aps")
    assert found.sets.threshold is None
    assert found.sets.required_cases == 9
    assert found.sets.share_of_full_sets == 1


# Tiles of the sample run: CC scores .9, .7, .2, .1; the mask covers the upper two.
def test_fit_threshold__parts_covered_tiles_from_the_others(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample(3)[0], head="segmentation")
    mask = np.zeros((16, 16), np.uint8)
    mask[:8] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    table = write_labels(tmp_path / "masks.csv", ["m.png", "m.png", ""], column="mask")
    found = fit_threshold(judged(tmp_path / "run"), table)
    assert found.threshold == pytest.approx((0.7 + 0.2) / 2)
    assert (found.youden_index, found.auroc) == (1, 1)
    assert found.cases.class_counts == {"CC": 4, "other tiles": 4}
    assert found.cases.content_sha256 == (slide_sha256(0), slide_sha256(1))
    write_json(tmp_path / "t.json", found.model_dump(mode="json"))
    assert read_tile_threshold(tmp_path / "t.json") == found


def test_fit_threshold__refuses_masks_that_part_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample(2)[0], head="segmentation")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "all.png")
    table = write_labels(tmp_path / "masks.csv", ["all.png"], column="mask")
    with pytest.raises(DataError, match=r"MV1524: .* 4 of 4 tiles are covered by masks"):
        fit_threshold(judged(tmp_path / "run"), table)


def test_fit_threshold__refuses_a_task_without_a_positive_class(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample(2)[0], positive=None)
    table = write_labels(tmp_path / "masks.csv", ["m.png"], column="mask")
    with pytest.raises(UsageError, match="MV1522: task rcc has no positive class"):
        fit_threshold(judged(tmp_path / "run"), table)


def test_fit_threshold__refuses_a_task_for_scans(tmp_path: Path) -> None:
    write_run(
        tmp_path / "run",
        sample(2)[0],
        modality="ct",
        scale={"spacing_mm": [5, 1, 1], "window_hu": [-200, 300]},
        positive=None,
    )
    table = write_labels(tmp_path / "masks.csv", ["m.png"], column="mask")
    with pytest.raises(UsageError, match="MV1522: task rcc is for ct, and thresholds are fitted"):
        fit_threshold(judged(tmp_path / "run"), table)
