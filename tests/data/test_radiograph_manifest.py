"""The manifest of a folder of radiographs finds splits, reports and names of findings."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from medvlp.data.radiograph_manifest import RadiographPairsInfo, RadiographPairsManifest
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.errors import DataError
from tests.data.radiograph_samples import make_records, write_samples

INFO = {
    "size_px": 32,
    "findings": ("a",),
    "samples_sha256": "0" * 64,
    "images_sha256": "0" * 64,
    "images_bytes": 1,
}


@pytest.fixture
def manifest(tmp_path: Path) -> RadiographPairsManifest:
    return read_radiograph_pairs(write_samples(tmp_path, make_records(4, report="Normal.")))


def test_info__says_how_gray_levels_are_stored() -> None:
    assert RadiographPairsInfo(**INFO).dtype == np.uint8
    assert RadiographPairsInfo(**INFO, bits=16).dtype == np.uint16


@pytest.mark.parametrize(
    "changes", [{"bits": 12}, {"size_px": 4}, {"format_version": 2}, {"samples_sha256": "x"}]
)
def test_info__refuses_what_no_folder_has(changes: dict) -> None:
    with pytest.raises(ValidationError):
        RadiographPairsInfo(**INFO | changes)


def test_manifest__gives_the_rows_and_reports_of_a_split(
    manifest: RadiographPairsManifest,
) -> None:
    assert [row.sample_id for row in manifest.rows("train")] == ["p00", "p01", "p02"]
    assert manifest.reports("train") == ("Normal.",)
    with pytest.raises(DataError, match=r"MV1791.*'test'.*train"):
        manifest.rows("test")


def test_manifest__refuses_unknown_and_repeated_findings(
    manifest: RadiographPairsManifest,
) -> None:
    manifest.check_findings(("cardiomegaly", "nodule"))
    with pytest.raises(DataError, match=r"MV1795.*did you mean 'left pleural effusion'"):
        manifest.check_findings(("left pleural efusion",))
    with pytest.raises(DataError, match=r"MV1795.*twice"):
        manifest.check_findings(("nodule", "nodule"))
