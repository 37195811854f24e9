"""A folder of slides, scans, X-rays, rubbish and broken files: each ends as it should."""

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.embedding.radiographs import RadiographSettings
from medvlp.embedding.tiles import EmbedSettings
from medvlp.embedding.volumes import ScanSettings
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.models.image_encoder import load_image_encoder
from medvlp.models.volume.volume_encoder import VolumeEncoder
from medvlp.pipelines.discover import Discovery, discover_cases
from medvlp.pipelines.embed import embed_cases, make_embedders
from medvlp.slides.features import read_features
from medvlp.volumes.features import read_volume_features
from medvlp.volumes.mask_writing import write_label_map
from tests.pipelines.test_sniff import DIGITAL_XRAY, write_dicom
from tests.volumes.bodies import (
    WINDOWS,
    make_body,
    make_encoder,
    save_organs,
    save_scan,
    save_series,
    write_body,
)

MR = "1.2.840.10008.5.1.4.1.1.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def as_class(uid: str, modality: str) -> object:
    def edit(data: object, _: int) -> None:
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = uid
        data.Modality = modality

    return edit


@pytest.fixture(scope="module")
def tree(phantom_slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything that a shared drive holds."""
    root = tmp_path_factory.mktemp("mixed")
    (root / "slides").mkdir()
    (root / "slides" / "a.tif").symlink_to(phantom_slides / "phantom_000.tif")
    (root / "slides" / "cut.svs").write_bytes(b"II*\0")
    volume, mask = make_body()
    write_body(root / "nifti")
    save_series(root / "dicom" / "series", volume)
    write_label_map(root / "dicom" / "organs.nii.gz", mask)
    save_scan(root / "organs" / "scan.nii", volume).rename(root / "organs" / "scan.dat")
    save_organs(root / "organs" / "segmentations", mask)
    with zipfile.ZipFile(root / "sent.zip", "w") as archive:
        archive.write(save_scan(root / "x.nii", volume), "inside/x.nii")
    (root / "x.nii").unlink()
    write_body(root / "mirrored", mirrored=True)
    write_body(root / "twice")
    save_scan(root / "twice" / "ct.nii.gz", replace(volume, hu=volume.hu - np.int16(1024)))
    write_body(root / "other mask")
    shifted = replace(volume.geometry, origin_lps_mm=(0.0, 0.0, 0.0))
    write_label_map(root / "other mask" / "seg.nii.gz", replace(mask, geometry=shifted))
    save_series(root / "gap", volume, keep=[n for n in range(40) if n != 20], series="1.5")
    save_series(root / "mr", volume, edit=as_class(MR, "MR"), series="1.6", keep=range(6))
    save_series(root / "shots", volume, edit=as_class(CAPTURE, "OT"), series="1.8", keep=[0])
    write_dicom(root / "chest.dcm", DIGITAL_XRAY)
    (root / "hand.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    whole = (root / "nifti" / "ct.nii.gz").read_bytes()
    (root / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (root / "notes.txt").write_text("hello")
    (root / "table.csv").write_text("a,b\n")
    return root


def run(
    root: Path, out: Path, encoders: Sequence[tuple[str, object]]
) -> tuple[Discovery, JobReport]:
    discovery = discover_cases(root, exclude=[out])
    embedders = make_embedders(encoders, EmbedSettings(), ScanSettings(), RadiographSettings(), out)
    progress, lease = NullProgress(), LeaseSettings()
    return discovery, embed_cases(discovery, embedders, out, progress=progress, lease=lease)


def outcomes(report: JobReport) -> dict[str, str]:
    return {outcome.case_id: outcome.code or outcome.status for outcome in report.outcomes}


EXPECTED = {
    "chest.dcm": "MV1109",
    "cut.nii.gz": "MV2202",
    "dicom/series": "done",
    "gap": "MV2216",
    "hand.png": "MV1109",
    "mirrored/ct.nii.gz": "MV2245",
    "nifti/ct.nii.gz": "done",
    "organs/scan.dat": "done",
    "other mask/ct.nii.gz": "MV2240",
    "sent.zip": "MV1120",
    "slides/a.tif": "done",
    "slides/cut.svs": "MV1201",
    "twice/ct.nii.gz": "MV2237",
}


def test_embed_cases__ends_each_case_as_it_should(tree: Path, tmp_path: Path) -> None:
    encoders = [("slide", load_image_encoder("timm:test_vit")), ("ct", make_encoder())]
    discovery, report = run(tree, tmp_path, encoders)
    assert outcomes(report) == EXPECTED
    assert report.exit_code == 1
    assert {entry.name: entry.why for entry in discovery.skipped} == {
        "mr": "a series of modality MR (6 images), no CT",
        "notes.txt": "not an image of a known kind",
        f"shots/{next((tree / 'shots').iterdir()).name}": "a secondary capture, no slices of a "
        "body",
        "table.csv": "not an image of a known kind",
    }
    features = {path.name for path in (tmp_path / "features").rglob("*.h5")}
    assert len(features) == 4
    with (tmp_path / "failures.csv").open() as stream:
        failed = {row["case_id"]: row["code"] for row in csv.DictReader(stream)}
    assert failed == {name: code for name, code in EXPECTED.items() if code != "done"}
    _, again = run(tree, tmp_path, encoders)
    reused = {name: "reused" if code == "done" else code for name, code in EXPECTED.items()}
    assert outcomes(again) == reused


def test_embed_cases__gives_equal_features_whatever_the_format(tree: Path, tmp_path: Path) -> None:
    for name in ("nifti", "organs"):
        run(tree / name, tmp_path / name, [("ct", make_encoder())])
    one, other = (
        read_volume_features(next((tmp_path / name).rglob("*.h5"))) for name in ("nifti", "organs")
    )
    np.testing.assert_array_equal(one.features, other.features)
    assert one.units == other.units == ("kidney_right", "kidney_left")


def test_embed_cases__serves_a_case_with_every_model_of_its_modality(
    tree: Path, tmp_path: Path
) -> None:
    windows: VolumeEncoder = make_encoder(WINDOWS, name="windows")
    encoders = [("ct", make_encoder()), ("ct", windows)]
    _, report = run(tree / "nifti", tmp_path, encoders)
    assert outcomes(report) == {"ct.nii.gz": "done"}
    for name in ("pool", "windows"):
        assert (tmp_path / "features" / name / "ct.h5").exists()
    _, slides = run(tree / "slides", tmp_path / "none", encoders)
    assert outcomes(slides) == {"a.tif": "MV1109", "cut.svs": "MV1109"}


@pytest.mark.slow
def test_embed_cases__ends_the_real_scans_as_it_should(real_data: Path, tmp_path: Path) -> None:
    encoders = [("ct", make_encoder()), ("ct", make_encoder(WINDOWS, name="windows"))]
    _, report = run(real_data / "ct", tmp_path, encoders[:1])
    kidneys = outcomes(report)
    assert kidneys.pop("totalsegmentator/abdomen_3mm/ct.nii.gz") == "done"
    assert set(kidneys.values()) == {"MV1120", "MV2236", "MV2241", "MV2243"}
    _, report = run(real_data / "ct", tmp_path / "windows", encoders[1:])
    whole = outcomes(report)
    assert whole.pop("lidc2/lidc2_uint8.nii.gz") == "MV2236"
    assert set(whole.values()) == {"done"}
    _, report = run(real_data / "broken", tmp_path / "broken", encoders[1:])
    assert "done" not in outcomes(report).values()
    tiles = [("slide", load_image_encoder("timm:test_vit"))]
    discovery, report = run(real_data / "slides" / "real", tmp_path / "slides", tiles)
    assert outcomes(report)["CMU-1-Small-Region.svs"] == "done"
    assert read_features(next((tmp_path / "slides").rglob("CMU*.h5"))).features.size
    assert len(discovery.cases) == 12
