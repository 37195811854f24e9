"""Calibration files: written and read back, and refused where they are something else."""

from pathlib import Path

import pytest

from medvlp.config.calibrations import read_confidence_calibration, read_tile_threshold
from medvlp.errors import ConfigError
from medvlp.io import write_json
from tests.config.calibration_samples import confidence_calibration, tile_threshold


def test_read_confidence_calibration__reads_what_was_written(tmp_path: Path) -> None:
    expected = confidence_calibration()
    write_json(tmp_path / "c.json", expected.model_dump(mode="json"))
    assert read_confidence_calibration(tmp_path / "c.json") == expected


def test_read_tile_threshold__reads_what_was_written(tmp_path: Path) -> None:
    expected = tile_threshold()
    write_json(tmp_path / "t.json", expected.model_dump(mode="json"))
    assert read_tile_threshold(tmp_path / "t.json") == expected


def test_read__refuses_the_other_kind(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", tile_threshold().model_dump(mode="json"))
    with pytest.raises(ConfigError, match=r"MV1520: .*a calibration of 'tile-threshold'"):
        read_confidence_calibration(tmp_path / "t.json")
    write_json(tmp_path / "c.json", confidence_calibration().model_dump(mode="json"))
    with pytest.raises(ConfigError, match=r"MV1520: .*a calibration of 'confidence'"):
        read_tile_threshold(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[1, 2", "MV1520"),
        ("[]", "MV1520"),
        ('{"temperature": 2}', "MV1520"),
        ('{"kind": "confidence"}', "MV1002"),
        ("[" * 5000, "MV1520"),
    ],
)
def test_read__refuses_what_is_no_calibration(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_confidence_calibration(tmp_path / "c.json")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("key", "value"), [("value", 0.0), ("ece_after", 1.5), ("rule", "guess"), ("value", "2")]
)
def test_confidence_calibration__refuses_values_that_no_fit_gives(key: str, value: object) -> None:
    changed = confidence_calibration().temperature.model_dump() | {key: value}
    with pytest.raises(ConfigError, match=f"temperature.{key}"):
        confidence_calibration(temperature=changed)
