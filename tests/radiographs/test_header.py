"""What a header says, however an exporter wrote it; values that mean nothing are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medvlp.errors import RadiographError
from medvlp.radiographs.header import RadiographHeader, read_radiograph_header
from medvlp.radiographs.limits import RadiographLimits
from tests.radiographs.films import IMPLICIT, lookup_item, stored_film, write_film

RULES = RadiographLimits().rules


def header(path: Path, stored: np.ndarray | None = None, **elements: object) -> RadiographHeader:
    film = stored_film() if stored is None else stored
    return read_radiograph_header(write_film(path / "a.dcm", film, **elements), RULES)


def test_header__of_a_bare_film(tmp_path: Path) -> None:
    found = header(tmp_path)
    assert found.modality == "DX"
    assert (found.slope, found.intercept) == (1.0, 0.0)
    assert found.windows == ()
    assert found.voi_table is None
    assert found.modality_table is None
    assert found.spacing_mm is None
    assert found.padding is None
    assert found.burned_in is None
    assert found.notes == ()
    assert found.place(0).name == "a.dcm"


@pytest.mark.parametrize(
    ("elements", "spacing", "at_detector"),
    [
        ({"ImagerPixelSpacing": [0.14, 0.15]}, (0.14, 0.15), True),
        ({"PixelSpacing": [0.12, 0.12]}, (0.12, 0.12), False),
        ({"PixelSpacing": [0.12, 0.12], "ImagerPixelSpacing": [0.14, 0.14]}, (0.12, 0.12), False),
        ({"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.14, 0.14]}, (0.14, 0.14), True),
        ({"NominalScannedPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), False),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), True),
        ({"PixelSpacing": [100, 100]}, None, False),
    ],
)
def test_header__prefers_the_calibrated_spacing(
    tmp_path: Path, elements: dict[str, object], spacing: object, at_detector: bool
) -> None:
    found = header(tmp_path, **elements)
    assert (found.spacing_mm, found.spacing_at_detector) == (spacing, at_detector)


@pytest.mark.parametrize(
    ("elements", "count", "note"),
    [
        ({"WindowCenter": 10, "WindowWidth": 5}, 1, ""),
        ({"WindowCenter": [10, 20], "WindowWidth": [5, 6]}, 2, ""),
        ({"WindowCenter": [10, 20], "WindowWidth": [0, 6]}, 1, "1 of 2 windows have no usable"),
        ({"WindowCenter": [10, 20], "WindowWidth": 6}, 1, "2 window centers stand beside 1"),
        ({"WindowCenter": 10}, 0, "1 window centers stand beside 0"),
        ({"WindowCenter": 10, "WindowWidth": 0.5}, 0, "1 of 1 windows have no usable width"),
        ({"WindowCenter": 10, "WindowWidth": 0.5, "VOILUTFunction": "SIGMOID"}, 1, ""),
        ({"WindowCenter": 1, "WindowWidth": 5, "VOILUTFunction": "ODD"}, 1, "read as LINEAR"),
    ],
)
def test_header__keeps_the_windows_that_are_defined(
    tmp_path: Path, elements: dict[str, object], count: int, note: str
) -> None:
    found = header(tmp_path, **elements)
    assert len(found.windows) == count
    assert (note in " ".join(found.notes)) if note else not found.notes


@pytest.mark.parametrize(
    ("signed", "vr", "value", "limit", "expected"),
    [
        (False, "US", 0, None, (0, 0)),
        (False, "US", 4000, 4095, (4000, 4095)),
        (False, "US", 4095, 4000, (4000, 4095)),
        (True, "SS", -2000, None, (-2000, -2000)),
        (True, "US", 63536, None, (-2000, -2000)),
        (False, "SS", -1, None, (65535, 65535)),
    ],
)
def test_header__reads_padding_whatever_its_sign(
    tmp_path: Path, signed: bool, vr: str, value: int, limit: int | None, expected: object
) -> None:
    def edit(data: Dataset) -> None:
        data.add_new(0x00280120, vr, value)
        if limit is not None:
            data.add_new(0x00280121, vr, limit)

    assert header(tmp_path, edit=edit, is_signed=signed).padding == expected


def test_header__reads_tables_in_implicit_files(tmp_path: Path) -> None:
    """In these, whether a description is signed must be concluded from other elements."""
    entries = np.linspace(0, 4095, 5000).astype(np.int64)
    for signed, first in ((False, 10), (True, -10)):
        found = header(
            tmp_path,
            stored_film() - 2048 * signed,
            syntax=IMPLICIT,
            is_signed=signed,
            VOILUTSequence=[lookup_item(entries, first, 12)],
        )
        assert found.voi_table is not None
        assert found.voi_table.first == first
        np.testing.assert_array_equal(found.voi_table.entries, entries)


@pytest.mark.parametrize(
    ("elements", "first"),
    [
        ({"RescaleSlope": 1, "RescaleIntercept": 0}, 64636),
        ({"RescaleSlope": 1, "RescaleIntercept": -1000}, -900),
        ({"RescaleSlope": -1, "RescaleIntercept": 0}, -900),
        ({"is_signed": True}, -900),
    ],
)
def test_header__reads_the_start_of_a_table_as_values_can_be(
    tmp_path: Path, elements: dict[str, object], first: int
) -> None:
    """64636 and -900 have the same bits; which is meant follows from the values looked up."""
    item = lookup_item(np.arange(4096), 64636, 12)
    found = header(tmp_path, VOILUTSequence=[item], **elements)
    assert found.voi_table is not None
    assert found.voi_table.first == first


def test_header__takes_the_first_table_that_is_whole(tmp_path: Path) -> None:
    entries = np.linspace(0, 65535, 4096).astype(np.int64)
    broken = lookup_item(entries, 0, 16)
    broken.LUTDescriptor = [900, 0, 16]
    found = header(tmp_path, VOILUTSequence=[broken, lookup_item(entries // 16, 0, 16)])
    assert found.voi_table is not None
    assert found.voi_table.bits == 12
    assert [note.split(" for display ")[0] for note in found.notes] == [
        "table 1 of 2",
        "table 2 of 2",
        "the table",
    ]


def test_header__refuses_values_that_mean_nothing(tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match=r"MV2411: a.dcm has a rescale slope of 0"):
        header(tmp_path, RescaleSlope=0, RescaleIntercept=5)
    broken = lookup_item(np.arange(100), 0, 16)
    broken.LUTDescriptor = [900, 0, 16]
    with pytest.raises(RadiographError, match=r"MV2411: a.dcm rescales by a table"):
        header(tmp_path, ModalityLUTSequence=[broken])


def test_header__never_lets_a_damaged_file_through(tmp_path: Path) -> None:
    """Every outcome of 300 files with three changed bytes is a header or a code of X-rays."""
    path = write_film(tmp_path / "a.dcm", stored_film(), WindowCenter=10, WindowWidth=4)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(whole)
        for at in rng.integers(0, 900, 3):
            raw[at] = rng.integers(0, 256)
        path.write_bytes(bytes(raw))
        assert outcome(path) in {"", "MV2402", "MV2403", "MV2404", "MV2411"}


def outcome(path: Path) -> str:
    """The code of the refusal, or nothing."""
    try:
        read_radiograph_header(path, RULES)
    except RadiographError as error:
        return error.code
    return ""
