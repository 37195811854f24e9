import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import kits_measures as bench
from medvlp.volumes.tumour_measures import measure_tumours
from tests.volumes.kidney_shapes import LEFT, RIGHT, ball, draw
from tests.volumes.scans import write_nifti

ROW = {"case_id": "case_1", "radiographic_size": 3.1, "pathologic_size": None}


def test_size_errors__are_absolute_and_in_mm() -> None:
    found = measure_tumours(draw([RIGHT, LEFT, ball((80, 0, 0), 36)]))
    errors = bench.size_errors(found.tumours[0], ROW)
    axial = found.tumours[0].axial_diameter_mm
    assert errors["axial_diameter_mm"] == {"radiographic_size": pytest.approx(axial - 31, abs=0.01)}
    assert bench.size_errors(found.tumours[0], {})["axial_diameter_mm"] == {}
    larger = bench.size_errors(found.tumours[0], {**ROW, "radiographic_size": 9.0})
    assert larger["axial_diameter_mm"]["radiographic_size"] == pytest.approx(90 - axial, abs=0.01)


def test_header_signs__tell_how_a_pair_of_kidneys_lies() -> None:
    found = measure_tumours(draw([RIGHT, LEFT]))
    signs = bench.header_signs(found.kidneys)
    assert signs is not None
    assert signs["left_higher_mm"] == pytest.approx(6, abs=0.5)
    assert bench.header_signs(found.kidneys[:1]) is None


def test_judge_headers__warns_where_most_left_kidneys_lie_lower(
    capsys: pytest.CaptureFixture[str],
) -> None:
    upright = {"converge": True, "lean_back": True, "left_higher_mm": 8.0}
    odd = {"converge": True, "lean_back": False, "left_higher_mm": -9.0}
    assert bench.judge_headers([upright, upright, odd]) == {
        "pairs_of_kidneys": 3,
        "head_and_back_as_stated": 2,
        "left_kidney_higher": 2,
    }
    assert "CAUTION" not in capsys.readouterr().out
    bench.judge_headers([upright, odd, odd])
    assert "CAUTION" in capsys.readouterr().out


def test_mean_errors__take_the_largest_tumour_of_each_mask() -> None:
    def errors(mm: float) -> dict[str, dict[str, float]]:
        return {name: {"radiographic_size": mm} for name in bench.DIAMETERS}

    cases: list[dict[str, Any]]
    cases = [{"errors_mm": [errors(2), errors(90)]}, {"errors_mm": [errors(4)]}, {"errors_mm": []}]
    assert bench.mean_errors(cases)["axial_diameter_mm"] == {"radiographic_size": 3.0}


def test_main__measures_masks_beside_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / bench.FOLDER
    folder.mkdir(parents=True)
    rows = [ROW, {"case_id": "case_2", "radiographic_size": 5.0, "pathologic_size": 4.2}]
    (folder / bench.TABLE).write_text(json.dumps(rows))
    mask = draw([RIGHT, LEFT, ball((-80, 0, 46), 30), ball((84, 0, 0), 16)])
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ mask.geometry.affine_lps
    write_nifti(folder / f"case_1{bench.ENDING}", mask.labels, ras)
    assert bench.main([str(tmp_path), "--phantoms", "0", "--json", str(tmp_path / "r.json")]) == 0
    shown = capsys.readouterr().out
    assert "right side, upper pole" in shown
    assert "columns of side or location in the table: none" in shown
    figures = json.loads((tmp_path / "r.json").read_text())["figures"]
    case = figures["cases"]["case_1"]
    assert case["num_tumours"] == 2
    assert case["errors_mm"][0]["axial_diameter_mm"]["radiographic_size"] < 2
    assert figures["median_difference_of_the_tables_sizes_mm"] == 8.0


def test_main__refuses_a_folder_without_the_table(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        bench.main([str(tmp_path)])


def test_phantoms__are_measured_with_their_truth() -> None:
    figures = bench.measure_phantoms(4)
    assert figures["masses"] >= 3
    assert figures["missed"] == 0
    assert figures["smooth"]["mean_axial_error_mm"] < 2.5
    assert figures["smooth"]["location_right"] == 1.0


def test_real_masks__are_measured_as_once_read_off_their_slices(real_data: Path) -> None:
    folder = real_data / bench.FOLDER
    found = {
        path.name[5:10]: bench.measure_case(path)[0]
        for path in sorted(folder.glob(f"*{bench.ENDING}"))
    }
    places = {
        case: [(tumour.side, tumour.polar_location) for tumour in each.tumours]
        for case, each in found.items()
    }
    assert places == {
        "00004": [("left", "lower pole")],
        "00041": [("left", "upper pole"), ("right", "interpolar")],
        "00108": [("left", "lower pole")],
    }
    table = bench.read_table(folder / bench.TABLE)
    first = bench.size_errors(found["00004"].tumours[0], table["case_00004"])
    assert first["axial_diameter_mm"]["radiographic_size"] < 5
    for each in found.values():
        signs = bench.header_signs(each.kidneys)
        assert signs is not None
        assert signs["converge"]
        assert signs["lean_back"]
