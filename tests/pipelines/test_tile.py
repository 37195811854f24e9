"""Tissue and tile coordinates of a folder of slides, and the entry point that makes them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.cli.main import main
from preprocessing.tile_slides import TileSlidesConfig
from preprocessing.tile_slides import main as tile_main
from tests.volumes.bodies import write_body


@pytest.fixture(scope="module")
def tiled(phantom_slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiled")
    assert main(["tile", str(phantom_slides), "--out", str(out), "--min-tissue", "0.3"]) == 0
    return out


def test_tile__writes_coordinates_that_other_tools_read(tiled: Path) -> None:
    with h5py.File(tiled / "tiles" / "phantom_000" / "tiles.h5") as file:
        coords = file["coords"]
        assert coords.dtype == np.int64
        assert coords.shape[1] == 2
        assert len(coords) == len(file["tissue"]) > 0
        assert coords.attrs["patch_size"] == 256
        assert coords.attrs["patch_size_level0"] == 256
        assert coords.attrs["level0_magnification"] == pytest.approx(20.0)
        assert coords.attrs["savetodir"] == "."
        assert (file["tissue"][:] >= 0.3).all()


def test_tile__writes_overlay_tissue_and_plan(tiled: Path) -> None:
    folder = tiled / "tiles" / "phantom_001"
    assert (folder / "overview.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "tissue.geojson").read_text())["features"]
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["outcome"] == "tiled"
    assert plan["mpp_xy"] == pytest.approx([0.5, 0.5])


def test_tile__reuses_what_is_unchanged(tiled: Path, phantom_slides: Path) -> None:
    before = (tiled / "tiles" / "phantom_000" / "tiles.h5").stat().st_mtime_ns
    assert main(["tile", str(phantom_slides), "--out", str(tiled), "--min-tissue", "0.3"]) == 0
    assert (tiled / "tiles" / "phantom_000" / "tiles.h5").stat().st_mtime_ns == before


def test_tile__refuses_tiles_planned_otherwise(
    tiled: Path, phantom_slides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tile", str(phantom_slides), "--out", str(tiled), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert {failure["code"] for failure in record["failures"]} == {"MV1306"}


def test_tile__refuses_an_impossible_share_of_tissue(
    phantom_slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tile", str(phantom_slides), "--out", str(tmp_path / "o"), "--min-tissue", "50"]
    assert main(words) == 2
    assert "min_tissue" in capsys.readouterr().err


def test_tile_slides__runs_twice_and_past_a_damaged_slide(
    phantom_slides: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.tif").write_bytes((phantom_slides / "phantom_000.tif").read_bytes())
    (folder / "bad.tif").write_bytes(b"II*\0 and nothing more")
    config = TileSlidesConfig(source=folder, out=tmp_path / "out")
    first, second = tile_main(config), tile_main(config)
    assert [outcome.status for outcome in first.outcomes] == ["failed", "done"]
    assert [outcome.status for outcome in second.outcomes] == ["failed", "reused"]
    assert first.exit_code == 1


def test_tile__tells_that_scans_have_no_tiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_body(tmp_path / "in", mask=None)
    assert main(["tile", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    assert (
        "MV1122: ct.nii.gz is a CT scan; tiles are cut from slides only" in capsys.readouterr().err
    )
