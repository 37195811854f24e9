"""Time and memory of cutting a kidney's box out of a CT scan, beside MONAI's, in fresh processes.

Target, against MONAI's LoadImaged + Orientationd + Spacingd + SpatialCropd on a 512 x 512 x 400
phantom and on every real scan, medians of interleaved runs:
uncompressed NIfTI at least 10 times faster, .nii.gz at least 4, DICOM at least 3; peak memory
above the imports at most 1/8; the same grid to 1e-3 mm, and values within 1 HU.

    python -m benchmarks.ct_crop [--data FOLDER] [--itk FOLDER] [--runs 5] [--threads K]
                                 [--work FOLDER] [--json PATH] [--check]

The box is 160 x 128 x 128 mm along (z, y, x), sampled every 5, 1 and 1 mm, linearly, around the
phantom's left kidney or the middle of a real scan (cut down where it would not fit: all samples lie
at least a voxel from the scan's edges). Time runs from the call to the crop in hand, a DICOM folder
searched and sorted included; imports do not count, and the files lie in the kernel's cache. The
peak is the kernel's VmHWM, set back before the call, less the resident memory then; the pages of
a mapped file count. Before it, a tiny scan of the same format is cropped, so that nothing is
imported late. DICOM is judged by whichever of MONAI's readers is faster (pydicom's; itk's where
--itk names a folder with the package: pip install --target FOLDER itk), memory by the smaller.
"MONAI, lazy" resamples the box alone; "a few lines" is nibabel or pydicom with one call of scipy;
neither is judged. Files of the phantom are kept in --work for the next time (2 GB).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.crop_methods.measuring import (
    UnreadableScanError,
    load_crop,
    measure_in_a_fresh_process,
)
from benchmarks.crop_methods.scans import PHANTOM_SHAPE, phantom_scans, real_scans
from benchmarks.crop_methods.tasks import METHODS, MONAI_ITK, OURS, PEERS
from benchmarks.report import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.crop_methods.scans import MeasuredScan
    from benchmarks.crop_methods.tasks import Found

TIMES_FASTER = {"nifti": 10.0, "nifti-gzip": 4.0, "dicom": 3.0}
MEMORY_SHARE = 1 / 8
LARGEST_HU, LARGEST_MM = 1.0, 1e-3
_FIGURES = ("seconds", "cpu_seconds", "peak_mib")


def difference(ours: Found, other: Found) -> dict[str, float]:
    """Return the largest difference of values in HU, and of the first sample's place in mm."""
    if ours.values.shape != other.values.shape:
        return {"largest_hu": float("inf"), "largest_mm": float("inf")}
    return {
        "largest_hu": float(np.abs(ours.values - other.values).max()),
        "largest_mm": float(np.abs(ours.first_lps_mm - other.first_lps_mm).max()),
    }


def measure_once(
    scan: MeasuredScan, folder: Path, threads: int, itk: Path | None
) -> list[dict[str, Any]]:
    """Measure every method on a scan, ours first, each in a fresh process."""
    rows: list[dict[str, Any]] = []
    crop, ours = folder / "crop.npz", None
    for method in METHODS[scan.kind]:
        if method == MONAI_ITK and itk is None:
            continue
        row: dict[str, Any] = {"scan": scan.name, "method": method, "load": os.getloadavg()[0]}
        try:
            row |= measure_in_a_fresh_process(
                method, scan.task, scan.warm_up, crop, threads=threads, itk=itk
            )
            found = load_crop(crop)
        except UnreadableScanError as error:
            row["failure"] = str(error)
        else:
            ours = ours or found
            row |= difference(ours, found)
        rows.append(row)
    return rows


def summarise(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per scan and method: medians of the figures, the largest differences."""
    rows = []
    for scan, method in dict.fromkeys((run["scan"], run["method"]) for run in runs):
        own = [run for run in runs if (run["scan"], run["method"]) == (scan, method)]
        failures = [run["failure"] for run in own if "failure" in run]
        row: dict[str, Any] = {"scan": scan, "method": method, "runs": len(own)}
        if failures:
            row["failure"] = failures[0]
        else:
            row |= {name: statistics.median(run[name] for run in own) for name in _FIGURES}
            row |= {
                name: max(run[name] for run in own) for name in ("largest_hu", "largest_mm", "load")
            }
        rows.append(row)
    return rows


def judge(scans: Sequence[MeasuredScan], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare ours with MONAI on every scan that MONAI can read.

    Returns:
        Per scan: how many times faster by wall and by processor time, the share of memory, the
        largest differences, and what is missed.
    """
    by = {(row["scan"], row["method"]): row for row in rows if "failure" not in row}
    verdicts = []
    for scan in scans:
        ours = by.get((scan.name, OURS))
        peers = [by[scan.name, name] for name in PEERS if (scan.name, name) in by]
        if ours is None or not peers:
            continue
        verdict: dict[str, Any] = {
            "scan": scan.name,
            "target": TIMES_FASTER[scan.packing],
            "times_faster": min(peer["seconds"] for peer in peers) / ours["seconds"],
            "cpu_times": min(peer["cpu_seconds"] for peer in peers) / ours["cpu_seconds"],
            "memory_share": ours["peak_mib"] / min(peer["peak_mib"] for peer in peers),
            "largest_hu": max(peer["largest_hu"] for peer in peers),
            "largest_mm": max(peer["largest_mm"] for peer in peers),
        }
        misses = {
            "time": verdict["times_faster"] < verdict["target"],
            "memory": verdict["memory_share"] > MEMORY_SHARE,
            "values": not verdict["largest_hu"] <= LARGEST_HU,
            "grid": not verdict["largest_mm"] <= LARGEST_MM,
        }
        verdict["missed"] = [name for name, is_missed in misses.items() if is_missed]
        verdicts.append(verdict)
    return verdicts


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print one line per scan and method."""
    print(
        f"{'scan':22} {'method':16} {'median s':>9} {'cpu s':>8} {'peak MiB':>9} {'HU off':>8}"
        f" {'mm off':>8} {'load':>5}"
    )
    for row in rows:
        start = f"{row['scan']:22} {row['method']:16}"
        if "failure" in row:
            print(f"{start} cannot read it: {row['failure']}")
            continue
        times = f"{row['seconds']:9.3f} {row['cpu_seconds']:8.3f} {row['peak_mib']:9.1f}"
        print(
            f"{start} {times} {row['largest_hu']:8.4f} {row['largest_mm']:8.5f} {row['load']:5.1f}"
        )


def print_verdicts(verdicts: list[dict[str, Any]]) -> list[str]:
    """Print how ours compares on each scan, and the headline; return what is missed."""
    for each in verdicts:
        missed = f" MISSED: {', '.join(each['missed'])}" if each["missed"] else ""
        print(
            f"{each['scan']:22} {each['times_faster']:6.1f} times faster (target "
            f"{each['target']:.0f}), "
            f"{each['cpu_times']:.1f} by processor time; memory "
            f"1/{1 / each['memory_share']:.0f}{missed}"
        )
    missed_ones = [each["scan"] for each in verdicts if each["missed"]]
    times = [each["times_faster"] for each in verdicts]
    print(
        f"crops {min(times):.1f} to {max(times):.0f} times faster than MONAI's, "
        f"in at most 1/{1 / max(each['memory_share'] for each in verdicts):.0f} of its memory, "
        f"at most {max(each['largest_hu'] for each in verdicts):.3f} HU off: "
        f"{'MISSED on ' + ', '.join(missed_ones) if missed_ones else 'met'}"
    )
    return missed_ones


def run(chosen: argparse.Namespace, folder: Path) -> list[str]:
    """Measure, print, write the JSON, and return the scans on which a target is missed."""
    scans = phantom_scans(folder, tuple(chosen.shape))
    if chosen.data is not None:
        scans += real_scans(chosen.data, scans)
    runs = []
    for number in range(chosen.runs):
        for scan in scans:
            runs += measure_once(scan, folder, chosen.threads, chosen.itk)
            print(f"run {number + 1} of {chosen.runs}: {scan.name}", file=sys.stderr, flush=True)
    rows = summarise(runs)
    print_rows(rows)
    verdicts = judge(scans, rows)
    missed = print_verdicts(verdicts)
    if chosen.json is not None:
        settings = {
            "threads": chosen.threads,
            "runs": chosen.runs,
            "itk": chosen.itk is not None,
            "limits": {**TIMES_FASTER, "memory_share": MEMORY_SHARE, "hu": LARGEST_HU},
            "boxes": {
                scan.name: {
                    "shape_zyx": scan.task.shape_zyx,
                    "spacing_mm": scan.task.spacing_mm,
                    "voxels_of_the_scan": scan.num_voxels,
                }
                for scan in scans
            },
        }
        figures = {"rows": rows, "verdicts": verdicts, "missed": missed}
        write_report(chosen.json, "ct_crop", settings, figures)
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="ct_crop", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="real scans (data/ct)")
    parser.add_argument("--itk", type=Path, metavar="FOLDER", help="where the itk package lies")
    parser.add_argument("--runs", type=int, default=5)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, metavar="K")
    parser.add_argument(
        "--shape", type=int, nargs=3, default=PHANTOM_SHAPE, metavar=("Z", "Y", "X")
    )
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep the phantom's files here")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    chosen = parser.parse_args(arguments)
    if chosen.work is not None:
        missed = run(chosen, chosen.work)
    else:
        with tempfile.TemporaryDirectory() as folder:
            missed = run(chosen, Path(folder))
    return 1 if chosen.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
