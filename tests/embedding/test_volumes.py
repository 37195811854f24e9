"""Boxes of a scan become features: equal to a plain computation, in order, with their padding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medvlp.embedding.volumes import ScanSettings, embed_scan, scan_parameters_sha256
from medvlp.errors import ModelError
from medvlp.volumes.crops import crop_volume
from medvlp.volumes.survey import ScanRules, survey_scan
from medvlp.volumes.units import crop_spec
from tests.volumes.bodies import (
    KIDNEYS,
    WINDOWS,
    make_body,
    make_encoder,
    save_scan,
    write_body,
)


def octants(hu: np.ndarray) -> list[float]:
    """Twice the mean of each octant of a windowed box, written out."""
    low, high = KIDNEYS.window_hu
    shown = (hu.clip(low, high) - low) / (high - low)
    z, y, x = (size // 2 for size in shown.shape)
    return [
        2.0 * float(shown[a : a + z, b : b + y, c : c + x].mean())
        for a in (0, z)
        for b in (0, y)
        for c in (0, x)
    ]


def test_embed_scan__equals_a_plain_computation(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    survey = survey_scan(case, KIDNEYS, ScanRules())
    found = embed_scan(case, survey, make_encoder(), ScanSettings(), mask_source="file")
    volume, _ = make_body()
    expected = [
        octants(crop_volume(volume, unit.centre_lps_mm, crop_spec(KIDNEYS)).values)
        for unit in survey.units
    ]
    np.testing.assert_allclose(found.features, expected, rtol=0, atol=1e-5)
    assert found.units == ("kidney_right", "kidney_left")
    assert (found.meta.scan_sha256, found.meta.mask_source) == (survey.content_sha256, "file")
    assert found.meta.scan_spacing_mm == (6.0, 7.0, 7.0)


def test_embed_scan__does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    case = write_body(tmp_path, mask=None)
    survey = survey_scan(case, WINDOWS, ScanRules())
    encoder = make_encoder(WINDOWS)
    one, other = (
        embed_scan(case, survey, encoder, ScanSettings(batch_size=size)) for size in (1, 7)
    )
    np.testing.assert_allclose(one.features, other.features, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(one.coords_mm, other.coords_mm)
    assert one.units == other.units
    assert one.meta.num_air + len(one.units) == len(survey.units)


def test_embed_scan__keeps_the_order_of_the_windows_whatever_the_files(tmp_path: Path) -> None:
    """A file whose planes run from left to right is gone through in another order."""
    case = write_body(tmp_path, mask=None)
    volume = make_body()[0].oriented("SPR")
    save_scan(case.path, volume)
    found_on = survey_scan(case, WINDOWS, ScanRules())
    found = embed_scan(case, found_on, make_encoder(WINDOWS), ScanSettings())
    planned = {unit.name: unit for unit in found_on.units}
    assert list(found.units) == [name for name in planned if name in found.units]
    encoder = make_encoder(WINDOWS)
    for name, row, place, share in zip(
        found.units, found.features, found.coords_mm, found.padded_share, strict=True
    ):
        unit = planned[name]
        crop = crop_volume(volume, unit.centre_lps_mm, crop_spec(WINDOWS))
        expected = encoder.embed(torch.from_numpy(crop.values[None]))[0].numpy()
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-5)
        away_mm = np.abs(place - np.array(unit.centre_lps_mm[::-1]))
        assert (away_mm <= np.array(WINDOWS.spacing_mm)).all()
        assert share == pytest.approx(crop.padded_share)


def test_embed_scan__tells_what_was_padded_and_what_was_cut(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    tall = replace(KIDNEYS, shape_zyx=(40, 12, 14))  # 320 mm, of which the scan has 240
    survey = survey_scan(case, tall, ScanRules())
    units = (replace(survey.units[0], cut_sides=("I", "S")), survey.units[1])
    found = embed_scan(case, replace(survey, units=units), make_encoder(tall), ScanSettings())
    volume, _ = make_body()
    crops = [crop_volume(volume, unit.centre_lps_mm, crop_spec(tall)) for unit in units]
    assert found.padded_share == pytest.approx([crop.padded_share for crop in crops])
    assert min(found.padded_share) > 0.2
    assert found.padded_sides == tuple("".join(crop.padded_sides) for crop in crops)
    assert found.padded_sides[0] == "IS"
    assert found.cut_sides == ("IS", "")


def test_embed_scan__gives_no_features_for_air(tmp_path: Path) -> None:
    case = write_body(tmp_path, mask=None)
    survey = survey_scan(case, WINDOWS, ScanRules())
    corner = replace(survey, units=survey.units[:1])
    found = embed_scan(case, corner, make_encoder(WINDOWS), ScanSettings())
    assert found.features.shape == (0, 8)
    assert found.meta.num_air == 1


def test_embed_scan__refuses_features_that_are_not_finite(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    survey = survey_scan(case, KIDNEYS, ScanRules())
    encoder = make_encoder()
    encoder._tower.gain.data[:] = torch.inf
    with pytest.raises(ModelError, match="MV1417: pool gave NaN or infinite features for 2 of 2"):
        embed_scan(case, survey, encoder, ScanSettings())


def test_parameters__change_with_what_decides_the_features() -> None:
    settings = ScanSettings()
    base = scan_parameters_sha256(make_encoder(), settings)
    assert scan_parameters_sha256(make_encoder(), replace(settings, batch_size=9)) == base
    assert scan_parameters_sha256(make_encoder(gain=3.0), settings) != base
    assert scan_parameters_sha256(make_encoder(WINDOWS), settings) != base
    for name, value in (("precision", "bf16"), ("is_normalized", True), ("is_projected", True)):
        encoder = make_encoder()
        setattr(encoder, name, value)
        assert scan_parameters_sha256(encoder, settings) != base
    rules = replace(settings, rules=ScanRules(irregular="resample"))
    assert scan_parameters_sha256(make_encoder(), rules) != base
