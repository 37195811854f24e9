"""A manifest of scans becomes a folder of crops; a stop resumes, what cannot be used is told."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from medvlp.cli.entry import run
from medvlp.data.scan_manifest import CROPS_FILE
from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.data.scan_store import CropStore
from medvlp.errors import DataError, MedvlpError
from medvlp.io import read_csv, write_csv
from medvlp.jobs.outcomes import JobReport
from medvlp.phantoms.abdomen.cohort import MANIFEST_COLUMNS, write_scan_cohort
from medvlp.volumes.crops import CropSpec, crop_volume
from medvlp.volumes.masks import read_mask
from medvlp.volumes.organ_sides import find_sides
from medvlp.volumes.reader import read_volume
from preprocessing.crop_organs import CropOrgansConfig, main

ROOT = Path(__file__).parent.parent.parent
BOX = {"spacing_mm": (6.0, 4.0, 4.0), "shape_zyx": (16, 24, 24), "margin_zyx": (4, 6, 6)}
STRUCTURES = ("kidney", "kidney_tumor", "kidney_cyst")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_scan_cohort(
        folder,
        patients=3,
        seed=4,
        phases=("A", "V"),
        shape_zyx=(56, 80, 100),
        spacing_mm=(5.0, 4.5, 4.0),
    )
    return folder


def config(folder: Path, out: Path, **changes: object) -> CropOrgansConfig:
    fields = {"manifest": folder / "manifest.csv", "out": out, "labels": folder / "kidneys.csv"}
    return CropOrgansConfig(**fields | BOX | changes)


def statuses(report: JobReport) -> list[str]:
    return [outcome.code or outcome.status for outcome in report.outcomes]


def test_crop_organs__stores_what_lies_around_each_kidney(cohort: Path, tmp_path: Path) -> None:
    report = main(config(cohort, tmp_path))
    assert statuses(report) == ["done"] * 6
    assert read_csv(tmp_path / "failures.csv") == []
    manifest = read_scan_pairs(tmp_path, verify_crops=True)
    rows = [row for split in manifest.splits.values() for row in split]
    assert len(rows) == 12
    assert manifest.info.counts["patients"] == 3
    store = CropStore(tmp_path / CROPS_FILE, 12, manifest.info.stored_shape_zyx)
    spec = CropSpec(box_mm=(120.0, 120.0, 120.0), spacing_mm=BOX["spacing_mm"])
    truth = {(r["patient_id"], r["side"]): r for r in read_csv(cohort / "kidneys.csv")}
    for number, listed in enumerate(read_csv(cohort / "manifest.csv")):
        scan = read_volume(cohort / listed["path"])
        mask = read_mask(cohort / listed["mask"], like=scan.geometry)
        for place, (side, region) in enumerate(find_sides(mask, STRUCTURES).items()):
            row = next(r for r in rows if r.crop == 2 * number + place)
            known = truth[listed["patient_id"], side]
            assert (row.side, row.phase, row.split) == (side, listed["phase"], listed["split"])
            assert row.malignant == int(known["malignant"])
            assert row.months == pytest.approx(float(listed["months"]))
            crop = crop_volume(scan, region.centre_lps_mm, spec).values
            np.testing.assert_array_equal(store.read(row.crop, row.crop_crc32), np.rint(crop))


def test_crop_organs__reads_text_and_attributes_of_the_side(cohort: Path, tmp_path: Path) -> None:
    main(config(cohort, tmp_path))
    manifest = read_scan_pairs(tmp_path)
    names = list(manifest.info.attributes)
    truth = read_csv(cohort / "kidneys.csv")
    ids = [row["patient_id"] for row in read_csv(cohort / "manifest.csv")]
    agreed = 0
    for row in (row for split in manifest.splits.values() for row in split):
        known = next(
            t for t in truth if (t["patient_id"], t["side"]) == (ids[row.crop // 2], row.side)
        )
        assert ("right" if row.side == "left" else "left") not in row.report.lower()
        mass = manifest.info.attributes["mass"][row.attributes[names.index("mass")]]
        agreed += (mass == "present") == (known["stated_mass"] in {"solid", "complex cyst"})
    assert agreed == 12


def test_crop_organs__centres_on_tumours_of_tumour_sides(cohort: Path, tmp_path: Path) -> None:
    report = main(config(cohort, tmp_path, centre_on=("kidney_tumor",)))
    truth = read_csv(cohort / "kidneys.csv")
    ids = [row["patient_id"] for row in read_csv(cohort / "manifest.csv")]
    wanted = [
        sum(t["patient_id"] == patient and t["mass"] != "none" for t in truth) for patient in ids
    ]
    assert [code == "done" for code in statuses(report)] == [count > 0 for count in wanted]
    manifest = read_scan_pairs(tmp_path)
    assert sum(len(rows) for rows in manifest.splits.values()) == sum(wanted)
    assert manifest.info.structures == ("kidney_tumor",)


def test_crop_organs__goes_on_after_a_stop_with_the_same_result(
    cohort: Path, tmp_path: Path
) -> None:
    main(config(cohort, tmp_path))
    files = ("scan_pairs.json", "samples.parquet", "crops.b2nd")
    whole = [(tmp_path / name).read_bytes() for name in files]
    parts = tmp_path / ".medvlp" / "crop" / "parts"
    for part in sorted(parts.iterdir())[:4]:
        part.unlink()
    for name in files:
        (tmp_path / name).unlink()
    assert sorted(statuses(main(config(cohort, tmp_path)))) == ["done"] * 2 + ["reused"] * 4
    assert [(tmp_path / name).read_bytes() for name in files] == whole


def test_crop_organs__refuses_crops_of_other_settings_or_scans(
    cohort: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(cohort, folder)
    main(config(folder, tmp_path / "out"))
    rows = read_csv(folder / "manifest.csv")
    shutil.copy(folder / rows[1]["path"], folder / rows[0]["path"])
    assert statuses(main(config(folder, tmp_path / "out")))[:2] == ["MV1731", "reused"]
    with pytest.raises(DataError, match=r"MV1730.*other settings"):
        main(config(folder, tmp_path / "out", margin_zyx=(0, 0, 0)))


def test_crop_organs__lists_what_cannot_be_used(cohort: Path, tmp_path: Path) -> None:
    rows = read_csv(cohort / "manifest.csv")
    for row in rows:
        row["path"], row["mask"] = str(cohort / row["path"]), str(cohort / row["mask"])
    rows[0]["mask"] = rows[2]["mask"]  # another patient's: another grid, or other organs
    rows[1]["path"] = str(tmp_path / "none.nii.gz")
    rows[2]["months"] = "0"
    rows[4] |= {"report": rows[3]["report"]}
    again = tmp_path / "again.nii.gz"
    shutil.copy(rows[5]["path"], again)
    rows.append(rows[5] | {"path": str(again)})
    write_csv(tmp_path / "manifest.csv", rows, MANIFEST_COLUMNS)
    with pytest.raises(MedvlpError):  # the report of two patients takes the last good scans along
        main(config(tmp_path, tmp_path / "none", labels=None, manifest=tmp_path / "no.csv"))
    report = main(config(tmp_path, tmp_path / "out", labels=None))
    codes = statuses(report)
    assert codes[1] in {"MV1101", "MV2200"}
    assert (codes[2], codes[5], codes[6]) == ("MV1727", "done", "MV1732")
    assert codes[3] == codes[4] == "MV1728"
    listed = [row["code"] for row in read_csv(tmp_path / "out" / "failures.csv")]
    assert listed == [code for code in codes if code.startswith("MV")]
    manifest = read_scan_pairs(tmp_path / "out")
    assert manifest.info.counts["failed"] == len(listed)


def test_crop_organs__reads_series_and_notices_a_changed_slice(tmp_path: Path) -> None:
    grid = {"shape_zyx": (40, 60, 80), "spacing_mm": (7.0, 6.0, 5.0)}
    folder = tmp_path / "series"
    write_scan_cohort(folder, patients=1, seed=4, phases=("A",), file_format="dicom", **grid)
    assert statuses(main(config(folder, tmp_path / "out"))) == ["done"]
    assert statuses(main(config(folder, tmp_path / "out"))) == ["reused"]
    file = sorted((folder / "scans" / "patient_0000_A").iterdir())[0]
    file.touch()
    assert statuses(main(config(folder, tmp_path / "out"))) == ["reused"]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"MV1730.*other settings"):
        main(config(folder, tmp_path / "out"))


def test_crop_organs__without_any_crop(cohort: Path, tmp_path: Path) -> None:
    rows = [row | {"event": "7"} for row in read_csv(cohort / "manifest.csv")]
    write_csv(tmp_path / "manifest.csv", rows, MANIFEST_COLUMNS)
    with pytest.raises(DataError, match="MV1730"):
        main(config(tmp_path, tmp_path / "out", labels=None))


def test_command__is_that_of_the_configuration_file(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        str(ROOT / "configs" / "preprocess" / "kidneys.yaml"),
        f"manifest={cohort / 'manifest.csv'}",
        f"out={tmp_path}",
        *(f"{name}={list(value)}" for name, value in BOX.items()),
    ]
    assert run(main, CropOrgansConfig, words) == 0
    assert "6 of 6 items done" in capsys.readouterr().out
    info = json.loads((tmp_path / "scan_pairs.json").read_text())
    assert info["stored_shape_zyx"] == [20, 30, 30]
    assert info["counts"]["crops"] == 12


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": "chest-ct"},
        {"label_classes": {"mass": ("absent", "present")}},
        {"attributes": "kidny"},
    ],
)
def test_crop_organs__refuses_a_schema_that_does_not_fit(
    cohort: Path, tmp_path: Path, changes: dict
) -> None:
    with pytest.raises(MedvlpError) as caught:
        main(config(cohort, tmp_path, **changes))
    assert caught.value.code in {"MV1002", "MV2305", "MV1727"}
