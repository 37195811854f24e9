"""A manifest of radiographs becomes a folder; a stop resumes, what cannot be used is told."""

import csv
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.cli.entry import run
from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_pairs import open_images, read_radiograph_pairs
from medvlp.errors import DataError
from medvlp.io import read_csv, write_csv
from medvlp.jobs.outcomes import JobReport
from medvlp.phantoms.chest.book import phantom_findings_yaml
from medvlp.phantoms.chest.cohort import phantom_chest_cohort
from medvlp.phantoms.chest.dicom import write_phantom_dicom
from medvlp.phantoms.chest.files import write_phantom_png
from medvlp.phantoms.chest.picture import paint_chest
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS
from medvlp.radiographs.framing import frame_image
from medvlp.radiographs.reader import read_radiograph
from preprocessing.prepare_radiographs import PrepareRadiographsConfig, main

ROOT = Path(__file__).parent.parent.parent
SPLITS = ("train", "train", "validation", "test")
NAMED = "tibrane"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven phantoms as PNG of 8 and 16 bits and as DICOM of both polarities."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "book.yaml").write_text(phantom_findings_yaml())
    rows = []
    cohort = phantom_chest_cohort(8, 7, prevalence=0.2, rows_px=(96, 110))
    for number, phantom in enumerate(cohort):
        name = f"f{number}.{'png' if number % 2 else 'dcm'}"
        if number % 2:
            write_phantom_png(folder / name, phantom, bits=8 if number % 4 == 1 else 16)
        else:
            kind = "MONOCHROME1" if number % 4 else "MONOCHROME2"
            write_phantom_dicom(folder / name, phantom, photometric=kind)
        rows.append(
            {
                "path": name,
                "patient_id": phantom.patient_id,
                "split": SPLITS[number % 4],
                "view": phantom.view if number % 2 else "",
                "report": phantom.report,
                NAMED: phantom.labels[NAMED] if number else "",
            }
        )
    write_csv(folder / "m.csv", rows, list(rows[0]))
    return folder


def config(films: Path, out: Path, **changes: object) -> PrepareRadiographsConfig:
    fields = {
        "manifest": films / "m.csv",
        "out": out,
        "size_px": 64,
        "book": films / "book.yaml",
        "label_columns": {NAMED: NAMED},
    }
    return PrepareRadiographsConfig(**fields | changes)


def statuses(report: JobReport) -> list[str]:
    return [outcome.code or outcome.status for outcome in report.outcomes]


def change(films: Path, out: Path, **cells: str) -> Path:
    """Copy the films, and change cells of the second row."""
    shutil.copytree(films, out, dirs_exist_ok=True)
    rows = read_csv(films / "m.csv")
    rows[1] |= cells
    write_csv(out / "m.csv", rows, list(rows[0]))
    return out


def test_prepare__frames_every_picture_with_its_labels(films: Path, tmp_path: Path) -> None:
    assert statuses(main(config(films, tmp_path))) == ["done"] * 7
    assert read_csv(tmp_path / "failures.csv") == []
    manifest = read_radiograph_pairs(tmp_path, verify_images=True)
    assert manifest.info.findings == tuple(PHANTOM_FINDINGS)
    assert manifest.info.book_name
    store = open_images(manifest)
    rows = sorted((r for own in manifest.splits.values() for r in own), key=lambda r: r.image)
    for row, listed in zip(rows, read_csv(films / "m.csv"), strict=True):
        pixels = read_radiograph(films / listed["path"]).pixels
        expected, _ = frame_image(pixels, 64)
        found = store.read(row.image, row.image_crc32) / np.float32(255)
        assert np.abs(found - expected).max() <= 0.5 / 255 + 1e-6
        assert row.shape == pixels.shape
        assert row.report == listed["report"]
        if listed[NAMED]:
            assert row.labels[NAMED] == int(listed[NAMED])
    assert {row.view for row in rows} <= {"PA", "AP"}
    assert manifest.info.counts["labels_of_columns"] == 6
    assert manifest.info.counts["pictures"] == manifest.info.counts["patients"] == 7
    assert not any("chest_" in row.patient for row in rows)


def test_prepare__reads_labels_that_reports_state(films: Path, tmp_path: Path) -> None:
    main(config(films, tmp_path, label_columns={}))
    manifest = read_radiograph_pairs(tmp_path)
    cohort = list(phantom_chest_cohort(8, 7, prevalence=0.2, rows_px=(96, 110)))
    values = {"present": 1, "absent": 0, "uncertain": -1}
    rows = sorted((r for own in manifest.splits.values() for r in own), key=lambda r: r.image)
    right = total = 0
    for row, phantom in zip(rows, cohort, strict=True):
        stated = {n: values[word] for n, word in phantom.chest_report.stated.items()}
        total += len(stated)
        right += sum(row.labels.get(name) == value for name, value in stated.items())
        assert set(row.labels) <= set(stated)
    assert right >= 0.9 * total > 5


def test_prepare__makes_the_same_folder_on_several_processes(films: Path, tmp_path: Path) -> None:
    main(config(films, tmp_path / "one"))
    report = main(config(films, tmp_path / "two", processes=2))
    assert set(statuses(report)) <= {"done", "reused"}
    one, two = (read_radiograph_pairs(tmp_path / name).info for name in ("one", "two"))
    assert one == two


def test_prepare__goes_on_after_a_stop(films: Path, tmp_path: Path) -> None:
    main(config(films, tmp_path))
    first = read_radiograph_pairs(tmp_path).info
    state = tmp_path / ".medvlp" / "radiographs" / "parts"
    lost = sorted(state.glob("*.json"))[2]
    lost.unlink()
    (tmp_path / "radiograph_pairs.json").unlink()
    assert Counter(statuses(main(config(films, tmp_path)))) == {"reused": 6, "done": 1}
    assert read_radiograph_pairs(tmp_path).info == first


def test_prepare__makes_failures_of_bad_files_and_rows_only(films: Path, tmp_path: Path) -> None:
    shutil.copytree(films, tmp_path / "in")
    rows = read_csv(films / "m.csv")
    (tmp_path / "in" / "cut.png").write_bytes((films / "f1.png").read_bytes()[:200])
    shutil.copy(films / "f3.png", tmp_path / "in" / "again.png")
    for path, cells in (
        ("cut.png", {}),
        ("none.png", {}),
        ("again.png", {}),
        ("f5.png", {"case_id": "twice", "view": "sideways"}),
    ):
        rows.append(rows[3] | {"path": path} | cells)
    write_csv(tmp_path / "in" / "m.csv", rows, [*rows[0], "case_id"])
    report = main(config(tmp_path / "in", tmp_path / "out"))
    assert statuses(report) == ["done"] * 7 + ["MV2402", "MV2400", "MV1811", "MV1797"]
    assert report.exit_code == 1
    failures = read_csv(tmp_path / "out" / "failures.csv")
    assert [row["case_id"] for row in failures] == ["cut.png", "none.png", "again.png", "twice"]
    assert read_radiograph_pairs(tmp_path / "out").info.counts["failed"] == 4


def write_kinds(folder: Path) -> dict[str, str]:
    """Write one file of every kind, and return what must become of each."""
    phantom = paint_chest(3, size_px=(96, 80))
    gray = (phantom.pixels >> 4).astype(np.uint8)
    colour = np.stack([gray, gray // 2, 255 - gray], axis=-1)
    pictures = {
        "colour.png": (colour, "MV2407"),
        "gray_as_rgb.png": (np.stack([gray] * 3, axis=-1), "done"),
        "tiny.png": (gray[:8, :8], "MV2408"),
        "blank.png": (np.full((96, 80), 9, np.uint8), "MV2409"),
        "sixteen_bits_without_window.png": (phantom.pixels, "done"),
        "lossy.jpg": (gray, "done"),
    }
    expected = {}
    for name, (values, outcome) in pictures.items():
        Image.fromarray(values).save(folder / name)
        expected[name] = outcome
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        write_phantom_dicom(folder / f"{kind}.dcm", phantom, photometric=kind)
        expected[f"{kind}.dcm"] = "done"
    (folder / "text.png").write_text("no picture")
    (folder / "empty.dcm").write_bytes(b"")
    return expected | {"text.png": "MV2401", "empty.dcm": "MV2402"}


def test_prepare__has_an_outcome_for_every_kind_of_file(tmp_path: Path) -> None:
    expected = write_kinds(tmp_path)
    rows = [{"path": name, "patient_id": name, "split": "train"} for name in expected]
    write_csv(tmp_path / "m.csv", rows, list(rows[0]))
    report = main(config(tmp_path, tmp_path / "out", book=None, label_columns={}))
    assert dict(zip(expected, statuses(report), strict=True)) == expected
    manifest = read_radiograph_pairs(tmp_path / "out")
    store = open_images(manifest)
    done = [name for name, outcome in expected.items() if outcome == "done"]
    images = {
        name: store.read(row.image, row.image_crc32).astype(float)
        for name, row in zip(done, manifest.rows("train"), strict=True)
    }
    for name, image in images.items():
        assert np.corrcoef(image.ravel(), images["MONOCHROME2.dcm"].ravel())[0, 1] > 0.97, name
    assert all(row.report_group == -1 for row in manifest.rows("train"))


def test_prepare__refuses_a_folder_of_other_settings_or_files(films: Path, tmp_path: Path) -> None:
    main(config(films, tmp_path / "out"))
    with pytest.raises(DataError, match="MV1798"):
        main(config(films, tmp_path / "out", size_px=48))
    other = change(films, tmp_path / "in")
    shutil.copy(films / "f3.png", other / "f1.png")
    report = main(config(other, tmp_path / "out"))
    assert statuses(report)[1] == "MV1799"


def test_prepare__refuses_patients_in_two_splits_and_unknown_findings(
    films: Path, tmp_path: Path
) -> None:
    rows = read_csv(films / "m.csv")
    shared = change(films, tmp_path / "a", patient_id=rows[2]["patient_id"])
    with pytest.raises(DataError, match="MV1726"):
        main(config(shared, tmp_path / "out"))
    with pytest.raises(DataError, match=r"MV1796.*did you mean 'tibrane'"):
        main(config(films, tmp_path / "out", label_columns={"tibran": NAMED}))


def test_command__tells_what_became_of_it(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        str(ROOT / "configs/preprocess/radiographs.yaml"),
        f"manifest={films / 'm.csv'}",
        f"out={tmp_path}",
        "size_px=32",
        "processes=1",
    ]
    assert run(main, PrepareRadiographsConfig, words) == 0
    assert "7 of 7 items done" in capsys.readouterr().out


def real_rows(data: Path) -> list[dict[str, str]]:
    """Return the rows of all chest pictures of three sets, by patient in one split."""
    rows = []
    with (data / "hannover" / "data.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows.append(("hannover", row["image"], row["patient_id"], row["projection"], "", ""))
    with (data / "covid_chestxray_nc" / "metadata.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            is_covid = str(int(row["finding"].startswith("COVID-19")))
            source = "covid_chestxray_nc"
            notes = row["clinical_notes"]
            rows.append((source, row["image"], row["patientid"], row["view"], notes, is_covid))
    lines = (data / "vqa_rad" / "qa.jsonl").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    chest = dict.fromkeys(qa["image"] for qa in asked if qa["image_organ"] == "CHEST")
    rows += [("vqa_rad", image, image, "", "", "") for image in chest]
    return [
        {
            "path": str(data / source / image),
            "case_id": f"{source}/{image}",
            "patient_id": f"{source}/{patient}",
            "split": SPLITS[hashlib.sha256(f"{source}/{patient}".encode()).digest()[0] % 4],
            "view": view,
            "report": notes,
            "covid": covid,
        }
        for source, image, patient, view, notes, covid in rows
    ]


@pytest.mark.slow
def test_prepare__brings_all_real_chest_pictures_through(real_data: Path, tmp_path: Path) -> None:
    rows = real_rows(real_data / "radiographs")
    write_csv(tmp_path / "m.csv", rows, list(rows[0]))
    settings = PrepareRadiographsConfig(
        manifest=tmp_path / "m.csv",
        out=tmp_path / "out",
        size_px=128,
        label_columns={"COVID-19": "covid"},
    )
    report = main(settings)
    assert [o.reason for o in report.failures] == []
    counts = read_radiograph_pairs(tmp_path / "out", verify_images=True).info.counts
    assert counts["pictures"] == len(rows) == 401
    assert (counts["view_PA"], counts["view_AP"], counts["view_LATERAL"]) == (128, 173, 21)
    module = RadiographDataModule(folder=tmp_path / "out", batch_size=16, text="none")
    module.setup("fit")
    assert sum(len(batch) for batch in module.train_dataloader()) > 150
