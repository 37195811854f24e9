"""Findings are looked up in the book or taken as words; answers, maps and knowledge are told."""

import csv

import numpy as np
import pytest

from medvlp.embedding.radiographs import RadiographSettings
from medvlp.errors import ConfigError, ModelError
from medvlp.knowledge.facets import load_finding_book
from medvlp.pipelines.judge_radiographs import (
    FindingJudge,
    ImageJudge,
    ask_findings,
    radiograph_judge,
)
from medvlp.pipelines.radiograph_desk import RadiographDesk
from tests.pipelines.radiograph_samples import (
    case_of,
    prompt_task,
    task_of,
    write_images,
    write_model,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("radiographs")
    write_images(folder / "in")
    model = write_model(folder / "model")
    return folder, RadiographDesk(model, RadiographSettings(), folder / "features")


def quietly(stage: str) -> None:
    pass


def test_ask_findings__tells_seen_described_and_free_findings_apart(place) -> None:
    asked = ask_findings(task_of(), place[1].model)
    assert [(t.name, t.finding, t.kind) for t in asked.targets] == [
        ("effusion", "pleural effusion", "seen in training"),
        ("nodule", "lung nodule", "unseen, described"),
        ("coin", "a swallowed coin", "unseen, free text"),
    ]
    assert asked.prompts["coin"] == ("a swallowed coin", "a metal disc")
    assert asked.prompts["effusion"] == tuple(
        text for _, text in load_finding_book().find("pleural effusion").texts()
    )


def test_ask_findings__names_the_nearest_finding_of_the_book(place) -> None:
    task = task_of(classes={"a": {"finding": "pleural efusion"}})
    with pytest.raises(ConfigError, match="did you mean 'pleural effusion'") as caught:
        ask_findings(task, place[1].model)
    assert caught.value.code == "MV1140"


def test_ask_findings__takes_the_book_of_the_task(place, tmp_path) -> None:
    book = tmp_path / "book.yaml"
    book.write_text("name: own\nfindings:\n  zorb:\n    definition: a ring\n    sided: false\n")
    task = task_of(classes={"a": {"finding": "zorb"}, "effusion": {}}, book=str(book))
    asked = ask_findings(task, place[1].model)
    assert [t.kind for t in asked.targets] == ["unseen, described", "unseen, free text"]
    assert asked.prompts["a"] == ("zorb", "a ring")


def test_fingerprint__changes_with_texts_and_not_with_thresholds(place) -> None:
    model = place[1].model
    plain = ask_findings(task_of(), model).fingerprint
    assert ask_findings(task_of(), model).fingerprint == plain
    assert ask_findings(task_of(threshold=0.4), model).fingerprint == plain
    assert ask_findings(task_of(classes={"effusion": {}}), model).fingerprint != plain


def test_finding_judge__says_what_the_model_says(place) -> None:
    folder, desk = place
    judge = radiograph_judge(desk, task_of())
    assert isinstance(judge, FindingJudge)
    case = case_of(folder / "in" / "b.dcm")
    found = judge.judge(case, "", quietly)
    expected = desk.model.judge(desk.read(case).square[None], judge.questions.queries)
    assert list(found.row.probabilities.values()) == pytest.approx(expected.probabilities[0])
    assert np.array_equal(found.attention["coin"], expected.attention[0, 2])
    assert (found.row.status, found.row.n_units, found.row.n_used) == ("diagnosed", 1, 1)
    told = " ".join(found.notes)
    assert "judged by their description: nodule." in told
    assert "judged by their words alone: coin." in told


def test_draw__shows_the_findings_that_are_there_and_lists_all(place, tmp_path) -> None:
    folder, desk = place
    classes = {name: {"threshold": t} for name, t in (("edema", 0.999), ("mass", 0.001))}
    judge = radiograph_judge(desk, task_of(classes=classes))
    found = judge.judge(case_of(folder / "in" / "a.png"), "", quietly)
    figures = found.draw(tmp_path)
    assert [figure.title.split(":")[0] for figure in figures] == ["mass"]
    assert figures[0].path.exists()
    with (tmp_path / "findings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["finding"], row["is_there"]) for row in rows] == [
        ("edema", "False"),
        ("mass", "True"),
    ]
    peak = np.unravel_index(found.attention["mass"].argmax(), found.attention["mass"].shape)
    assert abs(int(rows[1]["peak_row"]) - (peak[0] + 0.5) * 96 / 4) <= 96 / 4


def test_image_judge__compares_embeddings_with_prompts(place) -> None:
    folder, desk = place
    judge = radiograph_judge(desk, prompt_task())
    assert isinstance(judge, ImageJudge)
    case = case_of(folder / "in" / "a.png")
    found = judge.judge(case, "", quietly)
    image = desk.model.embed_images(desk.read(case).square[None])[0].astype(np.float64)
    present, absent = desk.model.embed_texts(["a pleural effusion", "no finding"])
    logit = desk.model.logit_scale * (image @ present - image @ absent)
    assert found.row.probabilities["effusion"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)
    assert found.attention == {}


def test_image_judge__is_refused_where_images_and_texts_share_no_space(tmp_path) -> None:
    model = write_model(tmp_path / "kad", kind="medklip")
    desk = RadiographDesk(model, RadiographSettings(), tmp_path)
    with pytest.raises(ModelError) as caught:
        radiograph_judge(desk, prompt_task())
    assert caught.value.code == "MV1472"
