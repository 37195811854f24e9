"""X-rays are read once for all tasks, and features reused only where all is as it was."""

import pytest

from medvlp.embedding.radiographs import RadiographSettings
from medvlp.errors import FeatureError, RadiographError
from medvlp.pipelines import radiograph_desk as module
from medvlp.pipelines.radiograph_desk import RadiographDesk
from medvlp.radiographs.features import read_radiograph_features
from tests.pipelines.radiograph_samples import case_of, write_images, write_model


@pytest.fixture
def desk(tmp_path) -> RadiographDesk:
    write_images(tmp_path / "in")
    return RadiographDesk(write_model(tmp_path / "m"), RadiographSettings(), tmp_path / "features")


def quietly(stage: str) -> None:
    pass


def test_read__reads_the_case_at_hand_once(desk, tmp_path, monkeypatch) -> None:
    calls = []
    plain = module.run_in_worker
    monkeypatch.setattr(
        module, "run_in_worker", lambda *a, **k: calls.append(a[1]) or plain(*a, **k)
    )
    one, two = case_of(tmp_path / "in" / "a.png"), case_of(tmp_path / "in" / "b.dcm")
    assert desk.read(one) is desk.read(one)
    desk.read(two)
    desk.read(one)
    assert [path.name for path in calls] == ["a.png", "b.dcm", "a.png"]


def test_embed__publishes_a_feature_and_reuses_it(desk, tmp_path) -> None:
    case = case_of(tmp_path / "in" / "b.dcm")
    assert not desk.has_features(case)
    stages = []
    desk.embed(case, stages.append)
    assert stages == ["open image", "encode image", "write features"]
    assert desk.has_features(case)
    desk.embed(case, stages.append)
    assert stages[-1] == "read features"
    assert read_radiograph_features(desk.feature_path(case)).meta.case_key == "b"


def test_has_features__refuses_what_was_made_otherwise(desk, tmp_path) -> None:
    case = case_of(tmp_path / "in" / "a.png")
    desk.embed(case, quietly)
    other = RadiographDesk(desk.model, RadiographSettings(window=(9.0, 9.0)), desk.folder)
    with pytest.raises(FeatureError, match="other parameters") as caught:
        other.has_features(case)
    assert caught.value.code == "MV1306"
    renamed = RadiographDesk(write_model(tmp_path / "n", name="other"), desk.settings, desk.folder)
    with pytest.raises(FeatureError, match="was made by tiny-chest") as caught:
        renamed.has_features(case)
    assert caught.value.code == "MV1302"
    case.path.write_bytes((tmp_path / "in" / "b.dcm").read_bytes())
    with pytest.raises(FeatureError, match="image as it is now") as caught:
        desk.has_features(case)
    assert caught.value.code == "MV1324"


def test_read__hands_on_what_is_wrong_with_a_file(desk, tmp_path) -> None:
    path = tmp_path / "in" / "bad.png"
    path.write_bytes((tmp_path / "in" / "a.png").read_bytes()[:500])
    with pytest.raises(RadiographError) as caught:
        desk.read(case_of(path))
    assert caught.value.code == "MV2402"
