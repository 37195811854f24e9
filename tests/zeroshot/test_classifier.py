"""The text classifier: prompt ensembles, prompt files, screening candidates, refusals."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import ConfigError, ModelError
from medvlp.zeroshot.classifier import build_classifier, class_columns
from tests.oracles import tile_scores
from tests.zeroshot.slide_cases import embed_words, slide_task
from tests.zeroshot.unit_cases import mass_task, scan_task

EXACT = {"rtol": 0, "atol": 1e-12}


def prompt_embeddings(*texts: str) -> np.ndarray:
    return embed_words(list(texts))


# Two prompts along (2, 0) and (0, 5): unit vectors (1, 0) and (0, 1), mean (.5, .5), at unit length
# (sqrt(1/2), sqrt(1/2)). Averaging before normalising would lean to the longer one.
def test_class_columns__match_a_case_worked_by_hand() -> None:
    actual = class_columns([[[[2.0, 0.0], [0.0, 5.0]]], [[[3.0, 0.0]]]])
    np.testing.assert_allclose(actual, [[np.sqrt(0.5), 1], [np.sqrt(0.5), 0]], **EXACT)


def test_class_columns__match_explicit_loops_for_ragged_names() -> None:
    rng = np.random.default_rng(1)
    embeddings = [rng.normal(size=(names, 3, 5)) for names in (1, 4, 2)]
    expected = np.transpose([tile_scores.class_column(found) for found in embeddings])
    np.testing.assert_allclose(class_columns(embeddings), expected, **EXACT)


def test_class_columns__do_not_change_with_order_or_length_of_prompts() -> None:
    rng = np.random.default_rng(2)
    found = rng.normal(size=(3, 4, 5))
    changed = found[[2, 0, 1]][:, ::-1] * rng.uniform(0.1, 9, size=(3, 4, 1))
    np.testing.assert_allclose(class_columns([changed]), class_columns([found]), **EXACT)


def test_build_classifier__averages_over_all_names_and_templates() -> None:
    built = build_classifier(embed_words, slide_task(), 14.0)
    texts = ("an image of clear cell.", "clear cell.", "an image of ccRCC.", "ccRCC.")
    expected = tile_scores.class_column(prompt_embeddings(*texts).reshape(2, 2, -1))
    assert built.weights.dtype == np.float64
    assert built.rule == "mean over all names and templates"
    np.testing.assert_allclose(built.weights[:, 0], expected, **EXACT)
    np.testing.assert_allclose(np.linalg.norm(built.weights, axis=0), 1, **EXACT)
    assert built.class_names == ("CCRCC", "PRCC", "Normal")
    assert built.prompts["CCRCC"] == texts
    assert built.logit_scale == 14.0
    assert built.candidates is None


@pytest.mark.parametrize(
    ("ensemble", "texts"),
    [
        ("first-name", ["an image of clear cell.", "clear cell."]),
        ("first-prompt", ["an image of clear cell."]),
    ],
)
def test_build_classifier__uses_only_the_prompts_of_a_smaller_ensemble(ensemble, texts) -> None:
    built = build_classifier(embed_words, slide_task(prompts={"ensemble": ensemble}), 1.0)
    expected = tile_scores.class_column([prompt_embeddings(*texts)])
    np.testing.assert_allclose(built.weights[:, 0], expected, **EXACT)
    assert built.prompts["CCRCC"] == tuple(texts)


def test_build_classifier__embeds_every_distinct_prompt_once_in_one_call() -> None:
    calls: list[list[str]] = []

    def embed(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return embed_words(texts)

    build_classifier(embed, slide_task(), 1.0)
    assert len(calls) == 1
    assert sorted(calls[0]) == sorted(set(calls[0]))
    assert len(calls[0]) == 8


def test_build_classifier__takes_the_scale_of_the_task_before_the_models() -> None:
    assert build_classifier(embed_words, slide_task(logit_scale=10), 25.0).logit_scale == 10.0
    assert build_classifier(embed_words, slide_task(logit_scale=10), None).logit_scale == 10.0


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_build_classifier__refuses_a_model_without_a_scale(scale: float | None) -> None:
    with pytest.raises(ConfigError, match="task rcc: logit_scale='model'") as caught:
        build_classifier(embed_words, slide_task(), scale)
    assert caught.value.code == "MV1509"


def broken(rows: np.ndarray) -> np.ndarray:
    rows[3] = np.nan
    return rows


def zeroed(rows: np.ndarray) -> np.ndarray:
    rows[1] = 0
    return rows


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (broken, "embedding of 1 of 8 prompts is not finite or zero"),
        (zeroed, "embedding of 1 of 8 prompts is not finite or zero"),
        (lambda rows: rows[:-1], r"shape \(7, 6\) for 8 prompts"),
        (lambda rows: rows[:, :0], r"shape \(8, 0\)"),
        (lambda rows: rows[None], r"shape \(1, 8, 6\)"),
    ],
)
def test_build_classifier__refuses_unusable_embeddings(change, phrase: str) -> None:
    with pytest.raises(ModelError, match=phrase) as caught:
        build_classifier(lambda texts: change(embed_words(texts)), slide_task(), 1.0)
    assert caught.value.code == "MV1514"


def prompt_file(folder: Path, count: int) -> Path:
    sets = {
        str(i): {
            "classnames": {"Normal": f"n{i}", "CCRCC": f"c{i}", "PRCC": f"p{i}"},
            "templates": "CLASSNAME.",
        }
        for i in range(count)
    }
    path = folder / "prompts.json"
    path.write_text(json.dumps(sets), encoding="utf-8")
    return path


def test_build_classifier__adds_up_the_sets_of_a_prompt_file(tmp_path: Path) -> None:
    task = slide_task(prompts={"file": str(prompt_file(tmp_path, 3))})
    built = build_classifier(embed_words, task, 1.0)
    units = prompt_embeddings("c0.", "c1.", "c2.")
    expected = (units / np.linalg.norm(units, axis=1, keepdims=True)).sum(axis=0)
    np.testing.assert_allclose(built.weights[:, 0], expected / np.linalg.norm(expected), **EXACT)
    assert built.prompts["PRCC"] == ("p0.", "p1.", "p2.")


def test_build_classifier__refuses_a_prompt_file_of_other_classes(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text('{"classnames": {"A": "a", "B": "b"}, "templates": "{}."}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prompts\.json: its classes are \['A', 'B'\]") as caught:
        build_classifier(embed_words, slide_task(prompts={"file": str(path)}), 1.0)
    assert caught.value.code == "MV1510"


def test_build_classifier__screens_the_sets_of_a_file(tmp_path: Path) -> None:
    task = slide_task(prompts={"file": str(prompt_file(tmp_path, 4)), "screen": 2})
    built = build_classifier(embed_words, task, 1.0)
    assert built.candidates is not None
    assert built.candidates.keep == 2
    assert built.candidates.bank.shape == (12, 6)
    assert built.candidates.sets.shape == (4, 3)


def test_build_classifier__screens_every_combination_of_names_and_templates() -> None:
    built = build_classifier(embed_words, slide_task(prompts={"screen": 3}), 1.0)
    assert built.candidates is not None
    assert built.candidates.sets.shape == (4, 3)
    assert len(np.unique(built.candidates.sets, axis=0)) == 4
    first = built.candidates.bank[built.candidates.sets[0, 0]]
    expected = prompt_embeddings("an image of clear cell.")[0]
    np.testing.assert_allclose(first, expected / np.linalg.norm(expected), **EXACT)


def test_build_classifier__adds_up_the_sets_that_are_drawn(tmp_path: Path) -> None:
    path = prompt_file(tmp_path, 4)
    task = slide_task(prompts={"file": str(path), "random": 6})
    built = build_classifier(embed_words, task, 1.0)
    sets = list(json.loads(path.read_text()).values())
    expected = np.zeros(6)
    for draw in range(6):
        generator = random.Random(draw)
        found = sets[generator.randint(0, 3)]
        text = found["templates"].replace("CLASSNAME", found["classnames"]["PRCC"])
        vector = prompt_embeddings(text.replace("{}", found["classnames"]["PRCC"]))[0]
        expected += vector / np.linalg.norm(vector)
    np.testing.assert_allclose(built.weights[:, 1], expected / np.linalg.norm(expected), **EXACT)
    assert built.candidates is None
    assert built.rule == "sum of 6 draws with replacement from 4 prompt sets of prompts.json"


def test_build_classifier__embeds_only_what_is_drawn() -> None:
    seen: list[str] = []

    def embed(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return embed_words(texts)

    build_classifier(embed, slide_task(prompts={"random": 1}), 1.0)
    assert len(seen) == 3


def test_build_classifier__says_that_screening_looks_at_the_slide(tmp_path: Path) -> None:
    built = build_classifier(embed_words, slide_task(prompts={"screen": 3}), 1.0)
    assert built.rule.startswith("the 3 of 4 combinations of names and templates that part the")
    assert "transductive" in built.rule


def test_build_classifier__refuses_too_many_combinations() -> None:
    classes = {
        name: {"names": [f"{name}{i}" for i in range(30)]} for name in ("CCRCC", "PRCC", "Normal")
    }
    with pytest.raises(ConfigError, match="make 54000 prompt sets") as caught:
        build_classifier(embed_words, slide_task(classes=classes, prompts={"screen": 3}), 1.0)
    assert caught.value.code == "MV1515"


def unit_mean(*texts: str) -> np.ndarray:
    rows = prompt_embeddings(*texts)
    total = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
    return total / np.linalg.norm(total)


def test_build_classifier__holds_columns_for_and_against_each_finding() -> None:
    built = build_classifier(embed_words, scan_task(), 2.0)
    assert built.class_names == ("cyst", "stone")
    assert built.nearest is None
    assert built.pairs is not None
    against = unit_mean("there is no cyst.", "no cyst")
    np.testing.assert_allclose(built.pairs.absent.vectors[0], against, **EXACT)
    towards = unit_mean("there is a stone.", "a stone")
    np.testing.assert_allclose(built.pairs.present.vectors[1], towards, **EXACT)
    np.testing.assert_allclose(built.weights, built.pairs.present.vectors.T, **EXACT)
    assert list(built.prompts) == ["cyst", "stone", "cyst: absent", "stone: absent"]
    assert built.prompts["cyst: absent"] == ("there is no cyst.", "no cyst")


def test_build_classifier__embeds_all_texts_of_all_heads_in_one_call() -> None:
    calls: list[list[str]] = []

    def embed(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return embed_words(texts)

    build_classifier(embed, scan_task(head=["present-absent", "mean"]), 1.0)
    assert [len(set(texts)) for texts in calls] == [len(texts) for texts in calls] == [12]


def test_build_classifier__keeps_every_prompt_where_the_nearest_counts() -> None:
    built = build_classifier(embed_words, scan_task(prompt_pooling="max"), 1.0)
    assert built.pairs is not None
    assert built.pairs.present.starts.tolist() == [0, 4]
    assert built.pairs.present.vectors.shape == (6, 6)
    third = prompt_embeddings("there is a cystic lesion.")[0]
    np.testing.assert_allclose(
        built.pairs.present.vectors[2], third / np.linalg.norm(third), **EXACT
    )
    assert build_classifier(embed_words, mass_task(), 1.0).pairs is None


def test_build_classifier__tells_prompts_of_a_class_that_is_called_like_an_absence() -> None:
    spec = {"names": ["x"], "absent_names": ["y"]}
    odd = {"names": ["v"], "absent_names": ["w"]}
    task = scan_task(classes={"cyst": spec, "cyst: absent": odd}, templates=["{}"])
    built = build_classifier(embed_words, task, 1.0)
    assert built.prompts["cyst: absent"] == ("v",)
    assert built.pairs is not None
    np.testing.assert_allclose(built.pairs.absent.vectors[0], unit_mean("y"), **EXACT)


def test_fingerprint__changes_with_whatever_decides_a_verdict(tmp_path: Path) -> None:
    path = str(prompt_file(tmp_path, 4))
    tasks = [
        slide_task(),
        slide_task(templates=["{}."]),
        slide_task(logit_scale=3),
        slide_task(prompts={"file": path}),
        slide_task(prompts={"file": path, "screen": 2}),
        slide_task(prompts={"file": path, "screen": 3}),
        slide_task(prompts={"file": path, "random": 3}),
        scan_task(),
        scan_task(prompt_pooling="max"),
        scan_task(templates=["{}"]),
        scan_task(head="mean", classes={"cyst": {"names": ["a cyst"]}, "stone": {"names": ["b"]}}),
    ]
    found = [build_classifier(embed_words, task, 1.0).fingerprint for task in tasks]
    assert len(set(found)) == len(tasks)
    again = [build_classifier(embed_words, task, 1.0).fingerprint for task in tasks]
    assert again == found
