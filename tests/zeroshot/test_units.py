"""Verdicts on scans, against numbers worked by hand and explicit loops over plain vectors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.errors import FeatureError
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.units import judge_units
from tests.zeroshot.slide_cases import embed_words, slide_task
from tests.zeroshot.unit_cases import mass_task, scan_task

SCALE = 5.0
TIGHT = {"rel": 1e-9, "abs": 1e-12}


def some_units(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def unit_vector(text: str) -> np.ndarray:
    found = embed_words([text])[0]
    return found / math.sqrt(sum(x * x for x in found))


def mean_vector(texts: list[str]) -> np.ndarray:
    total = sum(unit_vector(text) for text in texts)
    return total / math.sqrt(sum(x * x for x in total))


def pair_probability(towards: float, against: float, scale: float = SCALE) -> float:
    return math.exp(scale * towards) / (math.exp(scale * towards) + math.exp(scale * against))


def judge(features: np.ndarray, task, scale: float = SCALE):
    classifier = build_classifier(embed_words, task, scale)
    return judge_units(features, [f"box {i}" for i in range(len(features))], classifier, task)


PROMPTS = {
    "cyst": (
        ["there is a cyst.", "a cyst", "there is a cystic lesion.", "a cystic lesion"],
        ["there is no cyst.", "no cyst"],
    ),
    "stone": (
        ["there is a stone.", "a stone"],
        ["there is no stone.", "no stone", "there is a clear pelvis.", "a clear pelvis"],
    ),
}


@pytest.mark.parametrize("prompt_pooling", ["mean", "max"])
@pytest.mark.parametrize("unit_pooling", ["max", "mean"])
def test_judge_units__compares_each_finding_with_its_absence(prompt_pooling, unit_pooling) -> None:
    features = some_units(3)
    found = judge(features, scan_task(prompt_pooling=prompt_pooling, unit_pooling=unit_pooling))
    for column, (name, (towards, against)) in enumerate(PROMPTS.items()):
        shares, gaps = [], []
        for row in features:
            if prompt_pooling == "mean":
                cosines = [float(row @ mean_vector(texts)) for texts in (towards, against)]
            else:
                cosines = [max(float(row @ unit_vector(t)) for t in x) for x in (towards, against)]
            shares.append(pair_probability(*cosines))
            gaps.append(cosines[0] - cosines[1])
        pool = max if unit_pooling == "max" else lambda values: sum(values) / len(values)
        assert found.unit_probabilities[:, column] == pytest.approx(shares, rel=1e-6)
        assert found.probabilities[name] == pytest.approx(pool(shares), **TIGHT)
        assert found.scores[f"present-absent_{name}"] == pytest.approx(pool(gaps), **TIGHT)
        assert found.strongest_units[name] == f"box {shares.index(max(shares))}"
    assert found.unit_probabilities.dtype == np.float32
    assert found.class_names == ("cyst", "stone")
    assert found.n_used == 3


# Two axes for a finding and its absence: a unit of cosines (a, b) has probability
# 1 / (1 + exp(-scale (a - b))); 0.6 - 0.4 = 0.2 at scale 10 gives 1 / (1 + e^-2) = 0.8808.
def axis_features(*pairs: tuple[float, float]) -> np.ndarray:
    rows = [[a, b, math.sqrt(1 - a * a - b * b)] for a, b in pairs]
    return np.asarray(rows)


def axis_verdict(features: np.ndarray, **changes):
    task = scan_task(
        classes={"cyst": {"names": ["yes"], "absent_names": ["no"]}}, templates=["{}"], **changes
    )
    axes = {"yes": [1.0, 0, 0], "no": [0, 1.0, 0]}
    classifier = build_classifier(lambda texts: [axes[text] for text in texts], task, 10.0)
    return judge_units(features, [f"u{i}" for i in range(len(features))], classifier, task)


def test_judge_units__matches_a_case_worked_by_hand() -> None:
    found = axis_verdict(axis_features((0.1, 0.3), (0.6, 0.4)))
    high, low = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))
    assert found.unit_probabilities[:, 0] == pytest.approx([low, high], rel=1e-6)
    assert found.probabilities == pytest.approx({"cyst": high}, **TIGHT)
    assert found.scores == pytest.approx({"present-absent_cyst": 0.2}, **TIGHT)
    assert (found.prediction, found.findings) == ("cyst", ("cyst",))
    assert found.confidence == pytest.approx(high, **TIGHT)
    assert found.strongest_units == {"cyst": "u1"}
    assert found.rule == (
        "present-absent: each finding against its absence, there if the largest probability of all "
        "boxes is above 0.5"
    )


def test_judge_units__finds_nothing_where_no_probability_is_above_the_threshold() -> None:
    features = axis_features((0.1, 0.3), (0.6, 0.4))
    mean = axis_verdict(features, unit_pooling="mean")
    assert mean.probabilities["cyst"] == pytest.approx(0.5)
    assert axis_verdict(features, threshold=0.9).findings == ()
    missed = axis_verdict(features, threshold=0.9)
    assert (missed.prediction, missed.findings) == ("none", ())
    assert missed.confidence == pytest.approx(1 - 1 / (1 + math.exp(-2)), **TIGHT)


def test_judge_units__joins_findings_and_is_as_sure_as_the_least_sure_answer() -> None:
    classes = {n: {"names": [n], "absent_names": [f"no {n}"]} for n in ("a", "b", "c")}
    task = scan_task(classes=classes, templates=["{}"])
    axes = dict(zip(("a", "b", "c", "no a", "no b", "no c"), np.eye(6), strict=True))
    feature = np.asarray([0.5, 0.5, 0.1, 0.2, 0.3, 0.6])
    feature /= np.linalg.norm(feature)
    classifier = build_classifier(lambda texts: [axes[text] for text in texts], task, 4.0)
    found = judge_units(feature[None], ["left"], classifier, task)
    shares = [pair_probability(feature[i], feature[i + 3], 4.0) for i in range(3)]
    assert (found.prediction, found.findings) == ("a; b", ("a", "b"))
    assert found.confidence == pytest.approx(min(shares[0], shares[1], 1 - shares[2]), **TIGHT)
    assert sum(found.probabilities.values()) > 1


def test_judge_units__compares_many_labels_with_one_normal_class() -> None:
    task = scan_task(
        head=["multi-label", "mean"],
        normal="normal",
        classes={"cyst": {"names": ["cyst"]}, "normal": {"names": ["sound"]}},
        templates=["{}"],
    )
    features = some_units(2, seed=3)
    found = judge(features, task)
    towards, against = features @ unit_vector("cyst"), features @ unit_vector("sound")
    share = max(pair_probability(a, b) for a, b in zip(towards, against, strict=True))
    assert found.probabilities == pytest.approx({"cyst": share}, **TIGHT)
    assert found.scores["multi-label_cyst"] == pytest.approx(max(towards - against), **TIGHT)
    assert found.scores["mean_normal"] == pytest.approx(against.mean(), **TIGHT)
    assert found.prediction == ("cyst" if share > 0.5 else "normal")
    quiet = judge_units(
        unit_vector("sound")[None], ["left"], build_classifier(embed_words, task, 5.0), task
    )
    assert (quiet.prediction, quiet.findings) == ("normal", ())


@pytest.mark.parametrize("prompt_pooling", ["mean", "max"])
def test_judge_units__chooses_one_of_named_classes_by_the_mean_of_all_boxes(prompt_pooling) -> None:
    features = some_units(4, seed=1)
    found = judge(features, mass_task(prompt_pooling=prompt_pooling))
    if prompt_pooling == "mean":
        benign = [float(row @ mean_vector(["cyst", "lipoma"])) for row in features]
    else:
        benign = [max(float(row @ unit_vector(t)) for t in ("cyst", "lipoma")) for row in features]
    malignant = [float(row @ unit_vector("cancer")) for row in features]
    pooled = [sum(benign) / 4, sum(malignant) / 4]
    share = pair_probability(*pooled)
    assert found.findings is None
    assert found.probabilities == pytest.approx({"benign": share, "malignant": 1 - share}, **TIGHT)
    assert found.scores == pytest.approx(
        {"mean_benign": pooled[0], "mean_malignant": pooled[1]}, **TIGHT
    )
    assert found.prediction == ("benign" if share > 0.5 else "malignant")
    assert found.confidence == found.probabilities[found.prediction]
    per_box = [pair_probability(a, b) for a, b in zip(benign, malignant, strict=True)]
    assert found.unit_probabilities[:, 0] == pytest.approx(per_box, rel=1e-6)
    assert found.strongest_units["benign"] == f"box {int(np.argmax(per_box))}"
    assert found.rule == "mean: highest mean of all boxes"


def test_judge_units__looks_at_the_best_box_of_each_class_with_top_1() -> None:
    features = some_units(4, seed=2)
    found = judge(features, mass_task(head="top-j", top_j=1))
    best = [
        max(float(row @ mean_vector(texts)) for row in features)
        for texts in (["cyst", "lipoma"], ["cancer"])
    ]
    assert found.scores == pytest.approx({"top-1_benign": best[0], "top-1_malignant": best[1]})
    assert found.probabilities["benign"] == pytest.approx(pair_probability(*best), **TIGHT)
    assert found.rule == "top-j: highest mean of the 1 best boxes"


def test_judge_units__does_not_depend_on_the_order_of_boxes() -> None:
    features = some_units(5, seed=4)
    for task in (scan_task(), scan_task(unit_pooling="mean"), mass_task()):
        one, other = judge(features, task), judge(features[::-1], task)
        assert other.probabilities == pytest.approx(one.probabilities, **TIGHT)
        assert other.prediction == one.prediction


@given(seed=st.integers(0, 2**16), count=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_judge_units__turns_round_with_presence_and_absence_swapped(seed: int, count: int) -> None:
    features = some_units(count, seed)
    spec = {"names": ["a cyst"], "absent_names": ["no cyst"]}
    swapped = {"names": ["no cyst"], "absent_names": ["a cyst"]}
    one = judge(features, scan_task(classes={"cyst": spec}))
    other = judge(features, scan_task(classes={"cyst": swapped}))
    np.testing.assert_allclose(one.unit_probabilities, 1 - other.unit_probabilities, atol=1e-6)
    mean = judge(features, scan_task(classes={"cyst": spec}, unit_pooling="mean"))
    assert one.probabilities["cyst"] >= mean.probabilities["cyst"] - 1e-12


def test_judge_units__reads_a_radiograph_as_one_image() -> None:
    task = scan_task(modality="radiograph", scale=...)
    found = judge(some_units(1), task)
    assert found.n_used == 1
    assert found.rule.endswith("the largest probability of all images is above 0.5")


def test_judge_units__stays_finite_at_any_scale() -> None:
    found = judge(some_units(3), scan_task(), scale=1e6)
    assert np.isfinite(found.unit_probabilities).all()


@pytest.mark.parametrize(
    ("features", "code", "phrase"),
    [
        (some_units(2)[:, :5], "MV1511", "5 numbers per box, the text classifier 6"),
        (some_units(2) * np.nan, "MV1512", "2 of 2 boxes are not finite"),
        (some_units(2) * 3, "MV1513", "the first has length 3"),
    ],
)
def test_judge_units__refuses_features_of_another_kind(features, code, phrase) -> None:
    with pytest.raises(FeatureError, match=phrase) as caught:
        judge(features, scan_task())
    assert caught.value.code == code


def test_judge_units__refuses_what_does_not_belong_together() -> None:
    task = scan_task()
    classifier = build_classifier(embed_words, task, 1.0)
    with pytest.raises(ValueError, match="2 features but 1 names"):
        judge_units(some_units(2), ["left"], classifier, task)
    with pytest.raises(ValueError, match="at least one box"):
        judge_units(some_units(0), [], classifier, task)
    with pytest.raises(ValueError, match="judges modality 'slide'"):
        judge_units(some_units(1), ["left"], classifier, slide_task())
    with pytest.raises(ValueError, match="classifier has classes"):
        judge_units(some_units(1), ["left"], classifier, mass_task())
    with pytest.raises(ValueError, match="and findings"):
        judge_units(some_units(1), ["left"], build_classifier(embed_words, mass_task(), 1.0), task)
