"""Measure the tumours of real kidney masks and set them beside the patients' clinical table.

    python -m benchmarks.kits_measures DATA [--phantoms N] [--json PATH]

DATA is the folder of real data, with ``ct/kits_nc``: three masks of KiTS19 (kidney 1, tumour 2; no
scans) and ``kits23.json``, the clinical table of 489 patients, not for commercial use. Printed per
tumour: largest diameter within an axial slice and in any direction, volume, side, polar location,
growth, points of R.E.N.A.L.; and the absolute errors against ``radiographic_size`` and
``pathologic_size``, one of each per patient. Where a mask holds several tumours the table does not
say which it means: the errors are those of the largest, and those of the others are printed too.

The table has no column of side or location, so neither can be checked against it. What can be
checked is the header that both rest on, as far as a pair of kidneys shows it: upper poles lie
nearer to the spine and further back than lower ones, and the left kidney mostly lies higher. Of
these only the last tells a mirrored mask, and not in a single patient.

Beside the real masks N phantom patients (0 for none), whose size, side, location and growth are
known: masses with a smooth margin and with an irregular one, whose outline swells past its size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import write_report
from medvlp.phantoms.abdomen.findings import SIDES
from medvlp.phantoms.abdomen.names import LABEL_NAMES
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.kidney_labels import KidneyLabels
from medvlp.volumes.masks import LabelMap, read_mask
from medvlp.volumes.tumour_measures import measure_tumours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medvlp.phantoms.abdomen.findings import Mass, Side
    from medvlp.volumes.tumour_records import Kidney, KidneyTumours, TumourMeasures

FOLDER, TABLE, ENDING = "ct/kits_nc", "kits23.json", "_segmentation.nii.gz"
SIZES = ("radiographic_size", "pathologic_size")
"""Columns of the table that state a diameter, in cm."""

DIAMETERS = ("axial_diameter_mm", "largest_diameter_mm")
PLACES = ("side", "lateral", "location", "pole", "exophytic")
"""Words that the name of a column of side or location would hold."""

PHANTOM_LABELS = KidneyLabels("kidney", "kidney_tumor", "kidney_cyst")
PHANTOM_GRID: dict[str, Any] = {
    "shape_zyx": (110, 160, 200),
    "spacing_mm": (2.0, 1.5, 1.5),
    "centre_mm": (0.0, 0.0, -10.0),
}
POLES = {"upper": "upper pole", "middle": "interpolar", "lower": "lower pole"}
GROWTHS = {
    "endophytic": "endophytic",
    "less than half exophytic": "partly exophytic",
    "half or more exophytic": "mostly exophytic",
}


def read_table(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the rows of the clinical table by their case."""
    return {row["case_id"]: row for row in json.loads(path.read_text(encoding="utf-8"))}


def size_errors(tumour: TumourMeasures, row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the absolute error in mm of each diameter against each size that a row states."""
    return {
        diameter: {
            size: round(abs(getattr(tumour, diameter) - 10 * row[size]), 2)
            for size in SIZES
            if row.get(size) is not None
        }
        for diameter in DIAMETERS
    }


def header_signs(kidneys: Sequence[Kidney]) -> dict[str, float | bool] | None:
    """Say how a pair of kidneys lies; None where there is no pair.

    Returns:
        ``converge``: both upper poles lean to the other kidney; ``lean_back``: both lie further
        back than the lower poles; ``left_higher_mm``: how much higher the left kidney's centre is.
    """
    by_side = {kidney.side: kidney for kidney in kidneys}
    if set(by_side) != {"left", "right"}:
        return None
    left, right = by_side["left"], by_side["right"]
    return {
        "converge": left.upward_lps[0] < 0 < right.upward_lps[0],
        "lean_back": min(left.upward_lps[1], right.upward_lps[1]) > 0,
        "left_higher_mm": round(left.centre_lps_mm[2] - right.centre_lps_mm[2], 1),
    }


def measure_case(path: Path) -> tuple[KidneyTumours, float]:
    """Return what a mask holds, and the seconds that measuring took, reading included."""
    begin = time.perf_counter()
    found = measure_tumours(read_mask(path, names="kits"))
    return found, time.perf_counter() - begin


def print_case(case: str, found: KidneyTumours, row: Mapping[str, Any]) -> None:
    """Print one line per tumour, the table beside it, and how the kidneys lie."""
    stated = ", ".join(f"{size} {10 * row[size]:.0f} mm" for size in SIZES if row.get(size))
    print(f"\n{case}: {len(found.tumours)} tumour(s); the table: {stated or 'no size'}")
    for number, tumour in enumerate(found.tumours, start=1):
        errors = size_errors(tumour, row)
        share = "-" if tumour.exophytic_share is None else f"{tumour.exophytic_share:.0%}"
        points = tumour.renal
        print(
            f"  {number}: axial {tumour.axial_diameter_mm:.1f} mm, any direction "
            f"{tumour.largest_diameter_mm:.1f} mm, {tumour.volume_ml:.1f} ml; "
            f"{tumour.side or 'unknown'} side, {tumour.polar_location}, {tumour.growth} "
            f"({share} outside); R {points.radius} E {points.exophytic} L {points.polar}"
            + (f"; cut at {' '.join(tumour.cut_sides)}" if tumour.cut_sides else "")
        )
        for diameter, by_size in errors.items():
            shown = ", ".join(f"{size} {error:.1f}" for size, error in by_size.items())
            print(f"     {diameter} off by, in mm: {shown}")
    print(f"  sides by {found.evidence}; kidneys: {header_signs(found.kidneys)}")


def judge_headers(signs: Sequence[Mapping[str, float | bool]]) -> dict[str, int]:
    """Count what the kidneys' places say for and against the headers, and print it."""
    counts = {
        "pairs_of_kidneys": len(signs),
        "head_and_back_as_stated": sum(bool(s["converge"] and s["lean_back"]) for s in signs),
        "left_kidney_higher": sum(s["left_higher_mm"] > 0 for s in signs),
    }
    print(f"\nheaders: {json.dumps(counts)}")
    if counts["left_kidney_higher"] < len(signs) / 2:
        print("CAUTION: unusually many left kidneys lie lower; sides rest on the headers alone")
    return counts


def table_spread_mm(table: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the median difference of the two sizes that the table states of one tumour."""
    differences = [
        10 * abs(float(row[SIZES[0]]) - float(row[SIZES[1]]))
        for row in table.values()
        if all(row.get(size) is not None for size in SIZES)
    ]
    return statistics.median(differences) if differences else 0.0


def measure_masks(folder: Path) -> dict[str, Any]:
    """Measure every mask of the folder, print it beside the table, and return the figures."""
    table = read_table(folder / TABLE)
    columns = {column for row in table.values() for column in row}
    placing = sorted(column for column in columns if any(word in column for word in PLACES))
    cases: dict[str, dict[str, Any]] = {}
    signs = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        case = path.name.removesuffix(ENDING)
        found, seconds = measure_case(path)
        row = table.get(case, {})
        print_case(case, found, row)
        pair = header_signs(found.kidneys)
        signs += [] if pair is None else [pair]
        cases[case] = {
            "num_tumours": len(found.tumours),
            "errors_mm": [size_errors(tumour, row) for tumour in found.tumours],
            "seconds": round(seconds, 3),
        }
    means = mean_errors(list(cases.values()))
    headers = judge_headers(signs)
    print(f"\ncolumns of side or location in the table: {', '.join(placing) or 'none'}")
    print(f"mean absolute error of the largest tumour of each mask, in mm: {means}")
    spread = table_spread_mm(table)
    print(f"median difference of the table's own two sizes, {len(table)} rows: {spread:.0f} mm")
    return {
        "cases": cases,
        "headers": headers,
        "mean_errors_mm": means,
        "columns_of_side_or_location": placing,
        "median_difference_of_the_tables_sizes_mm": round(spread, 1),
    }


def mean_errors(cases: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean errors of the largest tumour of each mask."""
    largest = [case["errors_mm"][0] for case in cases if case["errors_mm"]]
    return {
        diameter: {
            size: round(statistics.fmean(errors), 2)
            for size in SIZES
            if (errors := [each[diameter][size] for each in largest if size in each[diameter]])
        }
        for diameter in DIAMETERS
    }


def judge_phantom(
    found: KidneyTumours, side: Side, mass: Mass, truth: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Compare the tumour on a side with the mass that was drawn there; None if there is none."""
    own = next((tumour for tumour in found.tumours if tumour.side == side), None)
    if own is None:
        return None
    return {
        "is_smooth": mass.margin == "smooth",
        "axial_mm": abs(own.axial_diameter_mm - mass.size_mm),
        "location": own.polar_location == POLES[truth["pole"]],
        "growth": own.growth == GROWTHS[truth["growth"]],
    }


def measure_phantoms(count: int) -> dict[str, Any]:
    """Measure the masses of phantom patients and print how far off they are."""
    rows, missed = [], 0
    for seed in range(count):
        patient = draw_patient(seed)
        masses = {side: mass for side in SIDES if (mass := patient.kidneys[side].mass)}
        if not masses:
            continue
        scan = make_phantom_scan(
            PhantomScanSpec(seed=seed, patient=patient, noise_hu=0.0, **PHANTOM_GRID)
        )
        geometry = VolumeGeometry.from_affine(scan.labels.shape, scan.affine_lps)
        found = measure_tumours(LabelMap(scan.labels, geometry, LABEL_NAMES), PHANTOM_LABELS)
        for side, mass in masses.items():
            row = judge_phantom(found, side, mass, patient.attributes[side])
            missed += row is None
            rows += [] if row is None else [row]
    figures: dict[str, Any] = {"patients": count, "masses": len(rows) + missed, "missed": missed}
    for margin, is_smooth in (("smooth", True), ("irregular", False)):
        own = [row for row in rows if row["is_smooth"] == is_smooth]
        if own:
            figures[margin] = {
                "masses": len(own),
                "mean_axial_error_mm": round(statistics.fmean(row["axial_mm"] for row in own), 2),
                "location_right": round(statistics.fmean(row["location"] for row in own), 3),
                "growth_right": round(statistics.fmean(row["growth"] for row in own), 3),
            }
    print(f"\nphantoms on a grid of 2 x 1.5 x 1.5 mm: {json.dumps(figures)}")
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--phantoms", type=int, default=60, metavar="N")
    parser.add_argument("--json", type=Path, metavar="PATH")
    options = parser.parse_args(arguments)
    folder = options.data / FOLDER
    if not (folder / TABLE).is_file():
        parser.error(f"{options.data} has no {FOLDER}/{TABLE}")
    figures = measure_masks(folder)
    if options.phantoms:
        figures["phantoms"] = measure_phantoms(options.phantoms)
    if options.json:
        settings = {"data": FOLDER, "phantoms": options.phantoms, "phantom_grid": PHANTOM_GRID}
        write_report(options.json, "kits_measures", settings, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
