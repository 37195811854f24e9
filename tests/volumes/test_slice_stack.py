from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_slices import SliceHeader, read_slice_headers
from medvlp.volumes.slice_stack import plane_axes, stack_slices
from tests.volumes.scans import slice_data_set


@pytest.fixture
def header(tmp_path: Path) -> SliceHeader:
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    return read_slice_headers(tmp_path / "a.dcm")[0]


def at(header: SliceHeader, *places_mm: float) -> list[SliceHeader]:
    return [replace(header, position_mm=(0.0, 0.0, z)) for z in places_mm]


def test_stack_slices__sorts_along_the_normal(header: SliceHeader) -> None:
    stack = stack_slices("s", at(header, 4, 0, 2, 6))
    assert [item.position_mm[2] for item in stack.headers] == [0, 2, 4, 6]
    assert stack.geometry.spacing_zyx_mm == pytest.approx((2, 0.8, 0.7))
    assert stack.irregularity is None


@pytest.mark.parametrize(
    ("places", "code", "words"),
    [
        ((0, 5, 10, 20), "MV2216", "1 slice is missing; first gap 10.000 mm"),
        ((0, 2, 4, 8, 10, 16), "MV2216", "3 slices are missing; first gap 4.000 mm"),
        ((0, 4.22, 5.36, 12.74), "MV2217", "from 1.140 to 7.380"),
        ((0, 5, 15), "MV2216", "1 slice is missing"),
        ((0, 3, 6.5, 9), "MV2217", "usually 3.000"),
    ],
)
def test_stack_slices__names_gaps(
    header: SliceHeader, places: tuple[float, ...], code: str, words: str
) -> None:
    fault = stack_slices("s", at(header, *places)).irregularity
    assert fault is not None
    assert fault.code == code
    assert words in fault.what


@pytest.mark.parametrize("step", [0.5, 0.625, 0.7, 1.25, 3.0, 5.0])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_stack_slices__accepts_rounded_positions(
    header: SliceHeader, step: float, digits: int
) -> None:
    places = [round(number * step, digits) for number in range(200)]
    assert stack_slices("s", at(header, *places)).irregularity is None


@pytest.mark.parametrize("step", [0.5, 0.625, 0.7, 1.25, 3.0, 5.0])
def test_stack_slices__finds_any_missing_slice(header: SliceHeader, step: float) -> None:
    for gone in range(1, 29):
        places = [round(number * step, 2) for number in range(30) if number != gone]
        fault = stack_slices("s", at(header, *places)).irregularity
        assert fault is not None
        assert fault.code == "MV2216", gone


def test_stack_slices__refuses_two_at_one_place(header: SliceHeader) -> None:
    with pytest.raises(VolumeError, match="MV2215"):
        stack_slices("s", at(header, 0, 2, 2.001, 4))


def test_stack_slices__refuses_slices_that_differ(header: SliceHeader) -> None:
    one, two = at(header, 0, 2)
    for other, words in (
        (replace(two, pixels=replace(two.pixels, rows=5)), "pixels"),
        (replace(two, pixel_spacing_mm=(0.8, 0.8)), "pixel spacing"),
        (replace(two, orientation=(0, 1, 0, 1, 0, 0)), "orientation"),
    ):
        with pytest.raises(VolumeError, match=rf"MV2220.*{words}"):
            stack_slices("s", [one, other])


def test_plane_axes__are_row_column_and_normal(header: SliceHeader) -> None:
    turned = replace(header, orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    # A sagittal slice: rows run to the back, columns to the feet; their cross product looks right.
    assert plane_axes(turned).T.tolist() == [[0, 1, 0], [0, 0, -1], [-1, 0, 0]]
