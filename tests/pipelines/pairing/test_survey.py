"""Images are judged and embedded in parts that are kept, and a crash costs one image."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import WorkerError
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import LeaseSettings
from medvlp.pipelines.pairing import survey
from medvlp.pipelines.pairing.decoding import survey_images
from medvlp.pipelines.pairing.embedders import ThumbnailEmbedder
from medvlp.pipelines.pairing.settings import ImageQuality
from medvlp.pipelines.pairing.survey import num_parts, read_survey, survey_all

QUALITY = ImageQuality()


def survey_with_a_crash(paths, settings, preprocessing):
    """Kill the worker at any image whose name says so."""
    for path in paths:
        if path.name.startswith("killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        yield from survey_images([path], settings, preprocessing)


def survey_one_with_a_crash(path, *arguments):
    """The same for an image on its own."""
    return next(survey_with_a_crash([path], *arguments))


def run(paths, folder: Path, embedder=None):
    return survey_all(
        paths, QUALITY, embedder, folder, progress=NullProgress(), lease=LeaseSettings()
    )


@pytest.fixture
def pictures(save_picture) -> list[Path]:
    paths = [save_picture(f"p{i}.png", i) for i in range(5)]
    paths[3].write_bytes(b"broken")
    return paths


def test_survey_all__keeps_a_part_with_a_file_that_is_too_large_to_read(pictures, tmp_path) -> None:
    with pictures[3].open("r+b") as file:
        file.truncate(512 * 2**20 + 1)  # a hole, which takes no room
    statuses = [[o.status for o in run(pictures, tmp_path / "state").outcomes] for _ in range(2)]
    assert statuses == [["done"], ["reused"]]
    found = read_survey(5, QUALITY, None, tmp_path / "state")
    assert (found.reasons[3], found.details[3]) == (
        "image cannot be read",
        "536870913 bytes are too many",
    )


def test_survey_all__keeps_parts_until_an_image_changes(
    pictures, save_picture, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(survey, "IMAGES_PER_PART", 2)
    embedder = ThumbnailEmbedder()
    state = tmp_path / "state"
    statuses = [[o.status for o in run(pictures, state, embedder).outcomes] for _ in range(2)]
    assert statuses == [["done"] * 3, ["reused"] * 3]
    found = read_survey(5, QUALITY, embedder, state)
    assert [bool(reason) for reason in found.reasons] == [False, False, False, True, False]
    np.testing.assert_allclose(
        np.linalg.norm(found.features, axis=1), [1, 1, 1, 0, 1], rtol=0, atol=1e-5
    )
    assert found.sizes_px.tolist() == [[96, 96]] * 3 + [[0, 0], [96, 96]]

    save_picture("p3.png", 9)
    assert [o.status for o in run(pictures, state, embedder).outcomes] == [
        "reused",
        "done",
        "reused",
    ]
    again = read_survey(5, QUALITY, embedder, state)
    assert not any(again.reasons)
    assert (again.features[0] == found.features[0]).all()


def test_survey_all__replaces_a_part_that_was_cut_short(pictures, tmp_path: Path) -> None:
    run(pictures, tmp_path / "state")
    (part,) = (tmp_path / "state").rglob("images0*.npz")
    part.write_bytes(part.read_bytes()[:100])
    assert [o.status for o in run(pictures, tmp_path / "state").outcomes] == ["done"]


def test_survey_all__keeps_other_settings_apart(pictures, tmp_path: Path) -> None:
    run(pictures, tmp_path / "state")
    assert [o.status for o in run(pictures, tmp_path / "state", ThumbnailEmbedder()).outcomes] == [
        "done"
    ]


def test_survey_all__loses_only_the_image_that_kills_the_worker(
    save_picture, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(survey, "survey_images", survey_with_a_crash)
    monkeypatch.setattr(survey, "_survey_one", survey_one_with_a_crash)
    names = ["a.png", "killer1.png", "b.png", "c.png", "killer2.png"]
    paths = [save_picture(name, seed) for seed, name in enumerate(names)]
    assert run(paths, tmp_path / "state").exit_code == 0
    found = read_survey(5, QUALITY, None, tmp_path / "state")
    assert [bool(reason) for reason in found.reasons] == [False, True, False, False, True]
    assert "MV1601" in found.details[1]
    assert len(set(found.content_sha256)) == 5


def test_survey_all__blames_no_image_where_no_worker_starts(
    pictures, tmp_path, monkeypatch
) -> None:
    def refuse(*_: object, **__: object):
        raise WorkerError("MV1604", "no process")

    monkeypatch.setattr(survey, "stream_in_worker", refuse)
    (outcome,) = run(pictures, tmp_path / "state").outcomes
    assert (outcome.status, outcome.code) == ("failed", "MV1604")


def test_num_parts__rounds_up() -> None:
    assert [num_parts(n) for n in (0, 1, 512, 513)] == [0, 1, 1, 2]
