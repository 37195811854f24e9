"""Displayed values equal those of pydicom's own processing, for every way to state them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medvlp.radiographs.reader import read_radiograph
from tests.radiographs.films import encode, film_data_set, lookup_item, stored_film, write_film

ATOL = 1e-6
"""Both compute in float64; the reader keeps float32."""

TABLE = np.linspace(0, 1, 3500) ** 2 * 4095


def expected_pixels(path: Path) -> np.ndarray:
    """Gray levels by pydicom's functions, scaled to [0, 1] and turned over for MONOCHROME1."""
    data = pydicom.dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a table applied to floats
        values = apply_modality_lut(data.pixel_array, data)
        shown = apply_voi_lut(values, data).astype(np.float64)
    if data.get("VOILUTSequence"):
        low, high = 0.0, 2.0 ** data.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        bits = data.BitsStored
        low, high = (0, 2**bits - 1) if not data.PixelRepresentation else (-(2 ** (bits - 1)), 0)
        high = high if not data.PixelRepresentation else 2 ** (bits - 1) - 1
        if data.get("ModalityLUTSequence"):
            low, high = 0, 2 ** data.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
        if slope is not None and intercept is not None:
            low, high = (float(end * slope + intercept) for end in (low, high))
    shown = (shown - low) / (high - low)
    return 1 - shown if data.PhotometricInterpretation == "MONOCHROME1" else shown


CASES: dict[str, dict[str, object]] = {
    "window": {"WindowCenter": 2000, "WindowWidth": 3000},
    "window, exact": {"WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": "LINEAR_EXACT"},
    "window, sigmoid": {"WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": "SIGMOID"},
    "windows": {"WindowCenter": [1500, 3000], "WindowWidth": [2000, 1000]},
    "rescale": {
        "WindowCenter": 100,
        "WindowWidth": 1500,
        "RescaleSlope": 0.5,
        "RescaleIntercept": -800,
    },
    "negative slope": {
        "WindowCenter": -2000,
        "WindowWidth": 3000,
        "RescaleSlope": -1,
        "RescaleIntercept": 0,
    },
    "table": {"VOILUTSequence": [lookup_item(TABLE, 300, 12)]},
    "table and window": {
        "VOILUTSequence": [lookup_item(TABLE, 300, 12)],
        "WindowCenter": 100,
        "WindowWidth": 10,
    },
    "table after rescale": {
        "VOILUTSequence": [lookup_item(TABLE, -900, 12)],
        "RescaleSlope": 1,
        "RescaleIntercept": -1000,
    },
    "modality table": {
        "ModalityLUTSequence": [lookup_item(TABLE * 16, 200, 16, ModalityLUTType="US")],
        "WindowCenter": 30000,
        "WindowWidth": 50000,
    },
    "16 bits": {"bits": 16, "WindowCenter": 30000, "WindowWidth": 60000},
    "8 bits": {"bits": 8, "allocated": 8, "WindowCenter": 128, "WindowWidth": 200},
    "signed": {"is_signed": True, "WindowCenter": 0, "WindowWidth": 3000},
}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("name", CASES)
def test_pixels__equal_those_of_pydicom(tmp_path: Path, name: str, photometric: str) -> None:
    elements = {"bits": 12, **CASES[name]}
    stored = stored_film(int(elements["bits"]))
    stored = stored - 2048 if elements.get("is_signed") else stored
    path = write_film(tmp_path / "a.dcm", stored, photometric=photometric, **elements)
    found = read_radiograph(path)
    np.testing.assert_allclose(found.pixels, expected_pixels(path), rtol=0, atol=ATOL)
    assert found.value_range == ("voi-lut" if "VOILUTSequence" in elements else "window")
    assert found.photometric == photometric
    assert found.bits_stored == elements["bits"]


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
)
def test_pixels__are_the_same_in_every_lossless_encoding(tmp_path: Path, syntax: str) -> None:
    stored = stored_film()
    plain = read_radiograph(
        write_film(tmp_path / "a.dcm", stored, WindowCenter=2000, WindowWidth=3000)
    )
    data = film_data_set(stored, WindowCenter=2000, WindowWidth=3000)
    if syntax in {RLELossless, JPEGLSLossless, JPEG2000Lossless}:
        encode(data, syntax)
    else:
        data.file_meta.TransferSyntaxUID = syntax
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    found = read_radiograph(tmp_path / "b.dcm")
    np.testing.assert_array_equal(found.pixels, plain.pixels)
    assert found.notes == plain.notes == ()


def test_pixels__of_big_endian_files_with_a_table(tmp_path: Path) -> None:
    stored = stored_film()
    data = film_data_set(stored, syntax=ExplicitVRBigEndian)
    data.PixelData = stored.astype(">u2").tobytes()
    item = lookup_item(TABLE, 300, 12)
    item.LUTData = TABLE.astype(">u2").tobytes()
    data.VOILUTSequence = [item]
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    little = write_film(tmp_path / "b.dcm", stored, VOILUTSequence=[lookup_item(TABLE, 300, 12)])
    np.testing.assert_array_equal(
        read_radiograph(tmp_path / "a.dcm").pixels, read_radiograph(little).pixels
    )


def test_inverted__is_bright_where_dense_like_its_twin(tmp_path: Path) -> None:
    """MONOCHROME1 with the values turned over shows what MONOCHROME2 shows; so says its shape."""
    stored = stored_film(8)
    for shape in ("INVERSE", ""):
        found = read_radiograph(
            write_film(
                tmp_path / "a.dcm",
                255 - stored,
                bits=8,
                allocated=8,
                photometric="MONOCHROME1",
                PresentationLUTShape=shape,
            )
        )
        np.testing.assert_allclose(found.pixels, stored / 255, rtol=0, atol=ATOL)
        assert found.notes == ()
        assert found.value_range == "stored-range"


def test_a_contradicting_shape__is_noted_and_not_followed(tmp_path: Path) -> None:
    stored = stored_film(8)
    for photometric, shape in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        found = read_radiograph(
            write_film(
                tmp_path / "a.dcm",
                stored,
                bits=8,
                allocated=8,
                photometric=photometric,
                PresentationLUTShape=shape,
            )
        )
        expected = stored / 255 if photometric == "MONOCHROME2" else 1 - stored / 255
        np.testing.assert_allclose(found.pixels, expected, rtol=0, atol=ATOL)
        assert "contradicts" in found.notes[0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_without_a_window__percentiles_inside_the_border_are_used(
    tmp_path: Path, photometric: str
) -> None:
    stored = np.full((80, 70), 4095, np.int64)
    stored[10:58, 20:60] = stored_film(11)
    path = write_film(tmp_path / "a.dcm", stored, photometric=photometric)
    found = read_radiograph(path)
    low, high = np.percentile(stored_film(11), (0.5, 99.5))
    expected = np.clip((stored - low) / (high - low), 0, 1)
    expected = expected if photometric == "MONOCHROME2" else 1 - expected
    np.testing.assert_allclose(found.pixels, expected, rtol=0, atol=ATOL)
    assert found.value_range == "percentiles"
    assert "no window is stated; percentiles" in found.notes[0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding__is_black_and_does_not_count(tmp_path: Path, photometric: str) -> None:
    """A collimator's slanted edge: no row and no column is padding as a whole."""
    stored = stored_film(11)
    shown = np.add.outer(np.arange(48), np.arange(40)) >= 20
    stored[~shown] = 4095
    path = write_film(
        tmp_path / "a.dcm",
        stored,
        photometric=photometric,
        PixelPaddingValue=4000,
        PixelPaddingRangeLimit=4095,
    )
    found = read_radiograph(path)
    assert not found.pixels[~shown].any()
    low, high = np.percentile(stored[shown], (0.5, 99.5))
    expected = np.clip((stored - low) / (high - low), 0, 1)
    expected = expected if photometric == "MONOCHROME2" else 1 - expected
    np.testing.assert_allclose(found.pixels[shown], expected[shown], rtol=0, atol=ATOL)
    assert "10.9% of the pixels are padding, shown black" in found.notes


def test_header__reaches_the_image(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.dcm",
        stored_film(),
        WindowCenter=2000,
        WindowWidth=4000,
        ViewPosition="LL",
        ImageLaterality="L",
        BurnedInAnnotation="YES",
        ImagerPixelSpacing=[0.14, 0.15],
        PresentationIntentType="FOR PROCESSING",
        LossyImageCompression="01",
    )
    found = read_radiograph(path)
    assert (found.view, found.laterality, found.burned_in) == ("LATERAL", "L", True)
    assert found.spacing_mm == (0.14, 0.15)
    text = " ".join(found.notes)
    for phrase in ("for processing", "on the detector", "lossy compression"):
        assert phrase in text


def test_orientation__turns_the_picture_and_its_spacing(tmp_path: Path) -> None:
    """A mirrored frontal picture: the patient's right hand lies at the right edge of the file."""
    stored = stored_film(8)
    plain = write_film(tmp_path / "a.dcm", stored, bits=8, allocated=8)
    turned = write_film(
        tmp_path / "b.dcm",
        stored[:, ::-1].T,
        bits=8,
        allocated=8,
        PatientOrientation=["F", "R"],
        PixelSpacing=[0.2, 0.1],
    )
    found = read_radiograph(turned)
    np.testing.assert_array_equal(found.pixels, read_radiograph(plain).pixels)
    assert found.spacing_mm == (0.1, 0.2)
    assert found.notes == (
        "transposed and mirrored, as the stated orientation of the patient asks",
    )


def test_a_frame__is_read_where_one_is_chosen(tmp_path: Path) -> None:
    stored = np.stack([stored_film(8, seed=seed) for seed in range(3)])
    path = write_film(tmp_path / "a.dcm", stored, bits=8, allocated=8)
    for frame in range(3):
        found = read_radiograph(path, frame=frame)
        np.testing.assert_array_equal(found.pixels, (stored[frame] / 255).astype(np.float32))


def test_overlay_bits__above_the_stored_ones_are_cleared(tmp_path: Path) -> None:
    stored = stored_film(12)
    noisy = stored | (np.random.default_rng(0).integers(0, 16, stored.shape) << 12)
    for name, film in (("a.dcm", stored), ("b.dcm", noisy)):
        write_film(tmp_path / name, film, WindowCenter=2000, WindowWidth=4000)
    np.testing.assert_array_equal(
        read_radiograph(tmp_path / "a.dcm").pixels, read_radiograph(tmp_path / "b.dcm").pixels
    )


def test_notes__hold_no_text_of_the_file(tmp_path: Path) -> None:
    def edit(data: Dataset) -> None:
        data.PatientName, data.SeriesDescription = "Doe^Jane", "Doe Jane chest"
        data.ViewPosition, data.VOILUTFunction = "DOEJANE", "DOEJANE"
        data.WindowCenter, data.WindowWidth = 2000, 4000
        data.PresentationLUTShape, data.BurnedInAnnotation = "DOEJANE", "DOEJANE"

    found = read_radiograph(write_film(tmp_path / "a.dcm", stored_film(), edit=edit))
    assert "DOE" not in repr(found).upper()
