"""The verdict on a slide: each head, overlap, duplicates, screening, and what is refused."""

import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.heads import judge_slide
from medvlp.zeroshot.screening import screen_prompt_sets
from medvlp.zeroshot.tiles import smooth_overlaps, tile_probabilities
from tests.zeroshot.slide_cases import (
    axis_classifier,
    embed_words,
    features_with_cosines,
    slide_task,
)

GRID = np.asarray([[0, 0], [256, 0], [0, 256], [256, 256]])
OVERLAPPING = {"mpp": 0.5, "tile_px": 256, "overlap": 0.5}


def random_slide(seed: int, n: int = 30):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 6))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    coords = np.stack([np.arange(n) % 6, np.arange(n) // 6], axis=1) * 128
    return features.astype(np.float32), coords


def test_judge_slide__reports_the_tiles_and_the_rule() -> None:
    task = slide_task()
    features = features_with_cosines(
        [[0.6, 0.1, 0.0], [0.1, 0.6, 0.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.5]]
    )
    verdict = judge_slide(features, GRID, 256, axis_classifier(task), task)
    assert verdict.prediction == "PRCC"
    assert verdict.n_used == 4
    assert verdict.rule == "subtype-ratio: most tiles among subtypes"
    assert verdict.confidence == verdict.probabilities["PRCC"] == pytest.approx(2 / 3)
    expected = tile_probabilities(features, axis_classifier(task).weights, 10.0)
    assert verdict.tile_probabilities.dtype == np.float32
    np.testing.assert_allclose(verdict.tile_probabilities, expected, rtol=0, atol=1e-7)


def test_judge_slide__smooths_where_tiles_overlap_and_only_there() -> None:
    features, coords = random_slide(1)
    for overlap, step in ((0.0, 256), (0.5, 128)):
        task = slide_task(scale=OVERLAPPING | {"overlap": overlap})
        classifier = build_classifier(embed_words, task, 10.0)
        verdict = judge_slide(features, coords, step, classifier, task)
        plain = tile_probabilities(features, classifier.weights, 10.0)
        expected = smooth_overlaps(plain, coords, 128) if overlap else plain
        np.testing.assert_allclose(verdict.tile_probabilities, expected, rtol=0, atol=1e-6)


def test_judge_slide__counts_a_position_that_occurs_twice_once() -> None:
    features, coords = random_slide(2)
    task = slide_task(head=["subtype-ratio", "top-j", "mean"], top_j=[3])
    classifier = build_classifier(embed_words, task, 10.0)
    expected = judge_slide(features, coords, 128, classifier, task)
    twice = np.concatenate([np.arange(30), [4, 4, 9]])
    other = features[twice].copy()
    other[30:] = features[0]
    actual = judge_slide(other, coords[twice], 128, classifier, task)
    assert actual.n_used == 30
    assert actual.scores == expected.scores
    assert actual.probabilities == expected.probabilities
    assert len(actual.tile_probabilities) == 33


@pytest.mark.parametrize("head", ["subtype-ratio", "top-j", "mean", "detection-ratio"])
def test_judge_slide__does_not_depend_on_the_order_of_tiles(head: str) -> None:
    features, coords = random_slide(3)
    task = slide_task(head=head, positive="PRCC", top_j=[4], scale=OVERLAPPING)
    classifier = build_classifier(embed_words, task, 10.0)
    order = np.random.default_rng(0).permutation(30)
    expected = judge_slide(features, coords, 128, classifier, task)
    actual = judge_slide(features[order], coords[order], 128, classifier, task)
    assert actual.prediction == expected.prediction
    assert actual.confidence == pytest.approx(expected.confidence, abs=1e-12)
    np.testing.assert_allclose(
        actual.tile_probabilities, expected.tile_probabilities[order], rtol=0, atol=1e-7
    )


def test_judge_slide__screens_prompts_on_the_slide_itself() -> None:
    features, coords = random_slide(4)
    task = slide_task(prompts={"screen": 2})
    classifier = build_classifier(embed_words, task, 10.0)
    verdict = judge_slide(features, coords, 128, classifier, task)
    weights = screen_prompt_sets(features, classifier.candidates)
    assert np.abs(weights - classifier.weights).max() > 0.01
    expected = tile_probabilities(features, weights, 10.0)
    np.testing.assert_allclose(verdict.tile_probabilities, expected, rtol=0, atol=1e-6)


def test_judge_slide__works_without_coordinates_where_nothing_overlaps() -> None:
    features, coords = random_slide(5)
    task = slide_task()
    classifier = build_classifier(embed_words, task, 10.0)
    expected = judge_slide(features, coords, 256, classifier, task)
    actual = judge_slide(features, None, 256, classifier, task)
    assert (actual.prediction, actual.scores) == (expected.prediction, expected.scores)
    with pytest.raises(ValueError, match="coords are needed"):
        judge_slide(features, None, 128, classifier, slide_task(scale=OVERLAPPING))


def test_judge_slide__takes_half_precision_features() -> None:
    features, coords = random_slide(6)
    task = slide_task()
    classifier = build_classifier(embed_words, task, 10.0)
    expected = judge_slide(features, coords, 256, classifier, task)
    actual = judge_slide(features.astype(np.float16), coords, 256, classifier, task)
    assert actual.prediction == expected.prediction


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        (lambda x: x[:, :5], "MV1511", "have 5 numbers per tile, the text classifier 6"),
        (lambda x: np.where(np.arange(6) == 2, np.nan, x), "MV1512", "of 30 of 30 tiles"),
        (lambda x: x * np.where(np.arange(30) == 7, np.inf, 1)[:, None], "MV1512", "row 7"),
        (lambda x: x * 3, "MV1513", "30 of 30 tiles .* has length 3"),
        (lambda x: x * (np.arange(30) != 4)[:, None], "MV1513", "1 of 30 tiles .* length 0"),
    ],
)
def test_judge_slide__refuses_features_that_cannot_be_compared_with_text(
    change, code: str, phrase: str
) -> None:
    features, coords = random_slide(7)
    task = slide_task()
    classifier = build_classifier(embed_words, task, 10.0)
    with np.errstate(invalid="ignore"):
        changed = change(features)
    with pytest.raises(FeatureError, match=phrase) as caught:
        judge_slide(changed, coords, 256, classifier, task)
    assert caught.value.code == code


def test_judge_slide__brings_features_to_unit_length_when_asked() -> None:
    features, coords = random_slide(8)
    task = slide_task()
    classifier = build_classifier(embed_words, task, 10.0)
    expected = judge_slide(features, coords, 256, classifier, task)
    actual = judge_slide(features * 3, coords, 256, classifier, task, normalize=True)
    np.testing.assert_allclose(
        actual.tile_probabilities, expected.tile_probabilities, rtol=0, atol=1e-6
    )
    features[3] = 0
    with pytest.raises(FeatureError, match="not of unit length"):
        judge_slide(features, coords, 256, classifier, task, normalize=True)


def test_judge_slide__refuses_calls_that_do_not_fit_together() -> None:
    features, coords = random_slide(9)
    task = slide_task()
    classifier = build_classifier(embed_words, task, 10.0)
    other = slide_task(classes={name: {"names": [name]} for name in ("A", "B", "Normal")})
    ct = slide_task(
        modality="ct", head="mean", scale={"spacing_mm": [1, 1, 1], "window_hu": [0, 1]}
    )
    with pytest.raises(ValueError, match="at least one tile"):
        judge_slide(features[:0], coords[:0], 256, classifier, task)
    with pytest.raises(ValueError, match="30 features but 29 coords"):
        judge_slide(features, coords[1:], 256, classifier, task)
    with pytest.raises(ValueError, match="classifier has classes"):
        judge_slide(features, coords, 256, classifier, other)
    with pytest.raises(ValueError, match="judges modality 'ct'"):
        judge_slide(features, coords, 256, classifier, ct)
