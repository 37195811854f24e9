"""A folder of radiographs comes back as it was written, and nothing else is taken for one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.data.radiograph_manifest import BOOK_FILE, IMAGES_FILE, INFO_FILE, SAMPLES_FILE
from medvlp.data.radiograph_pairs import (
    RadiographRecord,
    image_layout,
    open_images,
    read_radiograph_pairs,
    write_radiograph_pairs,
)
from medvlp.errors import DataError
from tests.data.radiograph_samples import (
    BOOK,
    FINDINGS,
    SIZE,
    make_images,
    make_record,
    make_records,
    write_samples,
)


def code_of(folder: Path, *, verify_images: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        read_radiograph_pairs(folder, verify_images=verify_images)
    return caught.value.code


def test_read_radiograph_pairs__gives_back_what_was_written(tmp_path: Path) -> None:
    records = make_records()
    manifest = read_radiograph_pairs(write_samples(tmp_path, records), verify_images=True)
    rows = [row for split in manifest.splits.values() for row in split]
    rows.sort(key=lambda row: row.image)
    store = open_images(manifest)
    for row, record, image in zip(rows, records, make_images(records), strict=True):
        assert (row.sample_id, row.patient, row.split, row.view, row.report, row.labels) == (
            record.sample_id,
            record.patient,
            record.split,
            record.view,
            record.report,
            record.labels,
        )
        assert row.shape == (40, 30)
        assert row.frame(SIZE).offset == (0, 4)
        assert row.places == record.places
        np.testing.assert_array_equal(store.read(row.image, row.image_crc32), image)
    assert manifest.patients == tuple(record.patient for record in records)
    assert manifest.info.book_name == "marks"
    assert manifest.num_images == 10


def test_write_radiograph_pairs__writes_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_samples(tmp_path / name)
    for name in (INFO_FILE, SAMPLES_FILE, IMAGES_FILE, BOOK_FILE):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_write_radiograph_pairs__keeps_sixteen_bits(tmp_path: Path) -> None:
    image = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE) * 60
    describe = {"size_px": SIZE, "findings": FINDINGS, "bits": 16}
    write_radiograph_pairs(tmp_path, [make_record(0)], [image], describe)
    manifest = read_radiograph_pairs(tmp_path)
    (row,) = manifest.rows("train")
    found = open_images(manifest).read(0, row.image_crc32)
    np.testing.assert_array_equal(found, image)
    assert image_layout(SIZE, 16).dtype == np.uint16


def test_reports__that_say_the_same_have_one_number_the_turned_ones_too(tmp_path: Path) -> None:
    def record(number: int, report: str) -> RadiographRecord:
        return make_record(number, report=report, split="train", labels={}, places=())

    reports = ("Left effusion.", "Right effusion.", "left  effusion.", "Normal.", "Lingula.", "")
    records = [record(number, report) for number, report in enumerate(reports)]
    rows = read_radiograph_pairs(write_samples(tmp_path, records)).rows("train")
    assert [row.report_group for row in rows] == [0, 1, 0, 2, 3, -1]
    assert [row.turned_group for row in rows] == [1, 0, 1, 2, -1, -1]
    assert rows[0].captions == ("Left effusion.",)
    assert rows[5].captions == ()


@pytest.mark.parametrize("name", [INFO_FILE, SAMPLES_FILE, IMAGES_FILE])
def test_read_radiograph_pairs__refuses_a_folder_without_one_of_its_files(
    tmp_path: Path, name: str
) -> None:
    (write_samples(tmp_path) / name).unlink()
    assert code_of(tmp_path) == ("MV1792" if name == IMAGES_FILE else "MV1790")


def test_read_radiograph_pairs__refuses_files_of_another_folder(tmp_path: Path) -> None:
    one = write_samples(tmp_path / "one")
    two = write_samples(tmp_path / "two", make_records(7))
    for name, code in ((SAMPLES_FILE, "MV1790"), (IMAGES_FILE, "MV1792")):
        kept = (one / name).read_bytes()
        (one / name).write_bytes((two / name).read_bytes())
        assert code_of(one) == code
        (one / name).write_bytes(kept)
    (one / BOOK_FILE).write_text(BOOK.replace("wide", "broad"))
    assert code_of(one) == "MV1790"


def test_read_radiograph_pairs__sees_a_changed_picture_when_it_is_asked_to(tmp_path: Path) -> None:
    path = write_samples(tmp_path) / IMAGES_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert code_of(tmp_path, verify_images=True) == "MV1792"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"labels": {"nodule": 2}}, "MV1793"),
        ({"labels": {"nodul": 1}}, "MV1795"),
        ({"sample_id": "p00"}, "MV1793"),
        ({"patient": make_record(0).patient, "split": "test"}, "MV1726"),
    ],
)
def test_write_radiograph_pairs__writes_no_folder_of_what_it_refuses(
    tmp_path: Path, changes: dict, code: str
) -> None:
    records = [make_record(0), replace(make_record(1), **changes)]
    with pytest.raises(DataError) as caught:
        write_samples(tmp_path / "bad", records)
    assert caught.value.code == code
    assert list((tmp_path / "bad").iterdir()) == []


def test_write_radiograph_pairs__refuses_pictures_that_do_not_fit(tmp_path: Path) -> None:
    images = make_images(make_records(2))
    for given in (images[:1], [images[0], images[1].astype(np.uint16)]):
        with pytest.raises(ValueError, match="picture"):
            write_radiograph_pairs(
                tmp_path, make_records(2), given, {"size_px": SIZE, "findings": FINDINGS}
            )
        assert not (tmp_path / INFO_FILE).exists()
