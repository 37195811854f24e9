import numpy as np
import pytest

from medvlp.metrics import UndefinedMetricError
from medvlp.probing.retrieval import measure_retrieval, text_groups


def test_text_groups__are_those_of_equal_texts():
    texts = ["No  cyst.", "Cyst.", "no cyst. ", "cyst"]
    assert text_groups(texts).tolist() == [0, 1, 0, 2]


def pairs(seed=0, num=40, noise=0.8):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 15, num)
    meaning = rng.standard_normal((15, 6))
    texts = meaning[groups]
    return texts + noise * rng.standard_normal((num, 6)), texts, groups, np.arange(num).astype(str)


def test_measure_retrieval__equals_loops_over_queries():
    images, texts, groups, patients = pairs()
    found = measure_retrieval(images, texts, groups, patients, draws=20)

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    first = [groups.tolist().index(g) for g in sorted(set(groups.tolist()))]
    for k in (1, 5, 10):
        hits = []
        for image, group in zip(images, groups, strict=True):
            order = sorted(first, key=lambda i: -cosine(image, texts[i]))
            hits.append(group in groups[order[:k]])
        assert found[f"image_to_text_r{k}"].value == pytest.approx(np.mean(hits))
        back = []
        for i in first:
            order = sorted(range(len(images)), key=lambda j: -cosine(texts[i], images[j]))
            back.append(groups[i] in groups[order[:k]])
        assert found[f"text_to_image_r{k}"].value == pytest.approx(np.mean(back))
        mean = (np.mean(hits) + np.mean(back)) / 2
        figure = found[f"mean_r{k}"]
        assert figure.value == pytest.approx(mean)
        assert figure.low <= figure.value <= figure.high


def test_measure_retrieval__takes_one_report_for_two_scans_as_two_right_answers():
    # Scans 0 and 1 share a report. Scan 1 is the nearest to it, scan 0 is far: still a hit.
    texts = np.array([[1.0, 0], [1, 0], [0, 1]])
    images = np.array([[0, 1.0], [1, 0.1], [0.2, 1]])
    patients = ["a", "b", "c"]
    grouped = measure_retrieval(images, texts, [0, 0, 1], patients, ranks=[1], draws=5)
    assert grouped["text_to_image_r1"].value == pytest.approx(1 / 2)
    assert grouped["image_to_text_r1"].value == pytest.approx(2 / 3)
    # As three separate texts the copies contend with each other and ties count as misses.
    apart = measure_retrieval(images, texts, [0, 1, 2], patients, ranks=[1], draws=5)
    assert apart["image_to_text_r1"].value == pytest.approx(1 / 3)


def test_measure_retrieval__draws_patients():
    images, texts, groups, patients = pairs(1)
    one = measure_retrieval(images, texts, groups, patients, draws=200)["image_to_text_r1"]
    few = measure_retrieval(images, texts, groups, np.arange(40) // 20, draws=200)
    assert few["image_to_text_r1"].value == one.value
    assert one.high > one.low


def test_measure_retrieval__has_no_value_where_all_texts_are_one():
    with pytest.raises(UndefinedMetricError, match="nothing to retrieve"):
        measure_retrieval(np.eye(2), np.eye(2), [3, 3], ["a", "b"])
