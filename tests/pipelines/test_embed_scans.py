"""Features of scans are made once, reused where nothing changed, and refused where it did."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.embedding.volumes import ScanSettings
from medvlp.errors import FeatureError, VolumeError
from medvlp.pipelines.embed_scans import ScanEmbedder
from medvlp.types import Case
from medvlp.volumes.features import VolumeFeatures, read_volume_features
from medvlp.volumes.mask_writing import write_label_map
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.organ_finders import ORGAN_FINDERS
from medvlp.volumes.survey import ScanRules
from tests.volumes.bodies import (
    KIDNEYS,
    make_body,
    make_encoder,
    save_scan,
    save_series,
    write_body,
)


def embedder(out: Path, **more: object) -> ScanEmbedder:
    settings = more.pop("settings", ScanSettings())
    return ScanEmbedder(make_encoder(**more), settings, out / "features" / "pool")


def embed(made: ScanEmbedder, case: Case) -> VolumeFeatures:
    made.embed(case, lambda stage: None)
    return read_volume_features(made.feature_path(case))


def test_embed__is_there_afterwards_and_is_read_again(tmp_path: Path) -> None:
    case, made = write_body(tmp_path), embedder(tmp_path)
    assert not made.has_features(case)
    embed(made, case)
    assert made.has_features(case)
    stages: list[str] = []
    made.embed(case, stages.append)
    assert stages == ["open scan", "read features"]


def test_embed__gives_equal_features_for_dicom_and_nifti(tmp_path: Path) -> None:
    volume, _ = make_body()
    case = write_body(tmp_path)
    save_scan(case.path, replace(volume, hu=volume.hu.clip(-1024, 3071)))
    slices = sorted(save_series(tmp_path / "series", volume).glob("*.dcm"))
    other = replace(case, case_key="b", path=slices[0], companions=tuple(slices[1:]))
    one, two = (embed(embedder(tmp_path), item) for item in (case, other))
    np.testing.assert_array_equal(one.features, two.features)
    np.testing.assert_allclose(one.coords_mm, two.coords_mm, rtol=0, atol=1e-6)


def test_has_features__refuses_what_was_made_otherwise(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    embed(embedder(tmp_path), case)
    with pytest.raises(FeatureError, match="MV1302"):
        embedder(tmp_path, gain=3.0).has_features(case)
    rules = ScanSettings(rules=ScanRules(irregular="resample"))
    with pytest.raises(FeatureError, match="MV1306"):
        embedder(tmp_path, settings=rules).has_features(case)
    unlike = ScanEmbedder(
        make_encoder(), ScanSettings(), tmp_path / "features" / "pool", need_projected=True
    )
    with pytest.raises(FeatureError, match="MV1304"):
        unlike.has_features(case)
    with pytest.raises(FeatureError, match="MV1322: the organs of ct came from file"):
        embedder(tmp_path).has_features(replace(case, mask=None))


def test_has_features__refuses_a_changed_scan_or_mask(tmp_path: Path) -> None:
    case, made = write_body(tmp_path), embedder(tmp_path)
    embed(made, case)
    write_label_map(case.mask, replace(make_body()[1], names={2: "kidney_right"}))
    with pytest.raises(FeatureError, match="MV1322: the boxes of ct were found in a mask"):
        made.has_features(case)
    save_scan(case.path, make_body(seed=1)[0])
    with pytest.raises(FeatureError, match="MV1321"):
        made.has_features(case)


def test_survey__asks_for_a_mask_where_an_organ_is_wanted(tmp_path: Path) -> None:
    case = write_body(tmp_path, mask=None)
    with pytest.raises(VolumeError, match=r"MV1120: the model looks at the kidney, and ct") as one:
        embedder(tmp_path).survey(case)
    for way in ("--masks FOLDER", "column 'mask'", "--find-organs totalsegmentator"):
        assert way in str(one.value)


def test_survey__tells_that_an_organ_finder_is_not_installed(tmp_path: Path) -> None:
    case = write_body(tmp_path, mask=None)
    settings = ScanSettings(organ_finder="totalsegmentator")
    with pytest.raises(VolumeError, match="MV2251: the organ finder 'totalsegmentator' is not"):
        embedder(tmp_path, settings=settings).survey(case)


def test_embed__keeps_what_an_organ_finder_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def find(scan: Path, folder: Path, organs: Sequence[str]) -> Path:
        calls.append(tuple(organs))
        mask: LabelMap = make_body()[1]
        write_label_map(folder / "answer.nii.gz", mask)
        return folder / "answer.nii.gz"

    monkeypatch.setitem(ORGAN_FINDERS._entries, "test", find)
    case = write_body(tmp_path, mask=None)
    made = embedder(tmp_path, settings=ScanSettings(organ_finder="test"))
    found = embed(made, case)
    assert (found.units, found.meta.mask_source) == (("kidney_right", "kidney_left"), "test")
    assert calls[0][:2] == ("kidney_right", "kidney_left")
    assert "liver" in calls[0]
    assert made.has_features(case)
    made.feature_path(case).unlink()
    embed(made, case)
    assert len(calls) == 1


def test_with_mask__labels_a_scan_again_for_other_organs_and_by_another_finder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def find(scan: Path, folder: Path, organs: Sequence[str]) -> Path:
        calls.append(tuple(organs))
        write_label_map(folder / "answer.nii.gz", make_body()[1])
        return folder / "answer.nii.gz"

    monkeypatch.setitem(ORGAN_FINDERS._entries, "one", find)
    monkeypatch.setitem(ORGAN_FINDERS._entries, "two", find)
    case = write_body(tmp_path, mask=None)
    spleen = replace(KIDNEYS, region="spleen")
    masks = [
        embedder(tmp_path, preprocessing=box, settings=ScanSettings(organ_finder=finder))
        .with_mask(case)
        .mask
        for finder, box in (("one", KIDNEYS), ("one", spleen), ("two", KIDNEYS), ("one", KIDNEYS))
    ]
    assert len(set(masks)) == 3
    assert masks[3] == masks[0]
    assert [organs[0] for organs in calls] == ["kidney_right", "spleen", "kidney_right"]
