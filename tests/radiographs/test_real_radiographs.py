"""Every real X-ray reads as an independent reader shows it; every other DICOM file is refused."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from medvlp.errors import RadiographError
from medvlp.radiographs.framing import frame_image
from medvlp.radiographs.reader import is_radiograph_file, read_radiograph

COUNTS = {"hannover": 168, "vqa_rad": 220, "covid_chestxray_nc": 154}
ARROWS = {"synpic43609.jpg", "synpic50962.jpg", "synpic51774.jpg"}
"""The only pictures with coloured pixels: up to 0.5 %."""

MODALITIES = {"CR", "DX", "RG", "PX", "IO", "MG"}


def films(real_data: Path, name: str) -> list[Path]:
    return sorted((real_data / "radiographs" / name).rglob("*.jpg"))


@pytest.mark.parametrize("name", COUNTS)
def test_real_radiographs__equal_what_pil_shows(real_data: Path, name: str) -> None:
    paths = films(real_data, name)
    assert len(paths) == COUNTS[name]
    for path in paths:
        found = read_radiograph(path)
        with Image.open(path) as image:
            expected = (np.asarray(image.convert("L")) / 255).astype(np.float32)
        np.testing.assert_array_equal(found.pixels, expected, err_msg=path.name)
        assert found.value_range == "full-range"
        assert found.bits_stored == 8
        assert bool(found.notes) == (path.name in ARROWS), path.name
        assert is_radiograph_file(path)


def test_real_radiographs__are_those_of_the_manifest(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(newline="") as stream:
        listed = {row["path"] for row in csv.DictReader(stream)}
    listed = {path for path in listed if path.startswith("radiographs/") and ".jpg" in path}
    held = {str(path.relative_to(real_data)) for name in COUNTS for path in films(real_data, name)}
    assert held <= listed


def test_real_radiographs__come_back_from_their_frame(real_data: Path) -> None:
    """A square of 224 shrinks these pictures by less than half: little is lost on the way."""
    for name in COUNTS:
        for path in films(real_data, name)[::40]:
            pixels = read_radiograph(path).pixels
            square, frame = frame_image(pixels, 224)
            back = frame.to_image_map(square)
            assert back.shape == pixels.shape
            inner = (slice(4, -4), slice(4, -4))
            assert np.corrcoef(back[inner].ravel(), pixels[inner].ravel())[0, 1] > 0.97, path.name


def test_real_dicom_files__are_refused_unless_they_are_radiographs(real_data: Path) -> None:
    """No file of the data is one, so far; any that comes must read."""
    refused = 0
    for path in sorted(real_data.rglob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            modality = str(header.get("Modality", ""))
        if modality in MODALITIES:
            assert is_radiograph_file(path)
            assert read_radiograph(path).pixels.std() > 0
            continue
        assert not is_radiograph_file(path)
        with pytest.raises(RadiographError) as caught:
            read_radiograph(path)
        assert caught.value.code in {"MV2401", "MV2402", "MV2404", "MV2405"}, path.name
        refused += 1
    assert refused >= 150
