"""Options that several commands on folders of cases share, and how such a command ends."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from medvlp.embedding.radiographs import RadiographSettings
    from medvlp.embedding.tiles import EmbedSettings
    from medvlp.embedding.volumes import ScanSettings
    from medvlp.jobs.runner import JobReport
    from medvlp.jobs.workers import WorkerLimits
    from medvlp.pipelines.discover import Discovery
    from medvlp.slides.tiling import TilingConfig

__all__ = [
    "DEFAULT_COMPUTING",
    "DEFAULT_SCANS",
    "DEFAULT_TILES",
    "Computing",
    "Scans",
    "Tiles",
    "choose_device",
    "conclude",
    "discover_input",
    "embed_settings",
    "radiograph_settings",
    "scan_settings",
    "tiling_config",
]

_SHOWN_SKIPPED = 20
_SHOWN_PER_CODE = 5
"""Failures of one code that are told one by one; the table of failures has them all."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Tiles:
    """How slides are cut into tiles."""

    mpp: float = 0.5
    """Micrometres per tile pixel (0.5 is what is called 20x)."""
    tile_px: int = 256
    """Side of a tile in pixels."""
    overlap: float = 0.0
    """Share of a tile's side that the next tile repeats, from 0 to below 1."""
    min_tissue: float = 0.5
    """Least share of a tile that is tissue."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Computing:
    """Where and how fast to compute."""

    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the encoder; auto is bf16 on a GPU and fp32 on a CPU."""
    batch_size: int = 64
    """Tiles per forward pass."""
    max_failed_share: float = 0.1
    """Largest share of undecodable tiles before a slide fails."""
    memory_gib: float = 4.0
    """Memory that reading one slide or scan may take, in GiB."""
    stall_s: float = 300.0
    """Seconds without any tile or box before reading a case counts as stuck."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Scans:
    """What is accepted of CT scans and of the masks of their organs."""

    masks: Path | None = None
    """Folder of label maps that mirrors the input, or the label map of the one scan; label maps
    beside their scans are found without it."""
    mask_names: Literal["totalsegmentator", "kits"] | None = None
    """Names of the labels of masks that do not name them themselves."""
    find_organs: str | None = None
    """Tool that labels organs of scans without a mask: totalsegmentator, when it is installed."""
    irregular: Literal["refuse", "resample"] = "refuse"
    """What becomes of scans with missing, uneven or leaning slices."""
    allow_values: bool = False
    """Accept scans whose values do not look like Hounsfield units."""


DEFAULT_SCANS = Scans()
DEFAULT_TILES = Tiles()
DEFAULT_COMPUTING = Computing()


def discover_input(
    source: Path, out: Path, slide_mpp: float | None, masks: Path | None = None
) -> Discovery:
    """Find the cases of an input, tell what is skipped, and prove that the output is writable.

    All that is skipped stands in ``skipped.csv`` of the output; stderr tells the first of it.
    """
    from medvlp.io import check_output_folder, write_csv
    from medvlp.pipelines.discover import discover_cases

    discovery = discover_cases(source, exclude=[out], slide_mpp=slide_mpp, masks=masks)
    shown = discovery.skipped[:_SHOWN_SKIPPED]
    for skipped in shown:
        sys.stderr.write(f"skipped {skipped.name}: {skipped.why}\n")
    if len(discovery.skipped) > len(shown):
        more = len(discovery.skipped) - len(shown)
        sys.stderr.write(f"skipped {more} files more, listed in {out / 'skipped.csv'}\n")
    check_output_folder(out)
    write_csv(out / "skipped.csv", [asdict(item) for item in discovery.skipped], ("name", "why"))
    return discovery


def choose_device(computing: Computing) -> tuple[str, str]:
    """Return the device and the precision to compute with."""
    import torch

    device = computing.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    precision: str = computing.precision
    if precision == "auto":
        precision = "fp32" if device == "cpu" else "bf16"
    return device, precision


def tiling_config(tiles: Tiles) -> TilingConfig:
    """Return the tiling that the options ask for.

    Raises:
        UsageError: MV1002 if they cannot be met.
    """
    from medvlp.errors import UsageError
    from medvlp.slides.tiling import TilingConfig

    try:
        return TilingConfig(**asdict(tiles))
    except ValueError as error:
        raise UsageError("MV1002", str(error)) from error


def embed_settings(tiles: Tiles, computing: Computing) -> EmbedSettings:
    """Return how slides become features, from the options."""
    from medvlp.embedding.tiles import EmbedSettings

    return EmbedSettings(
        tiling=tiling_config(tiles),
        batch_size=computing.batch_size,
        max_failed_share=computing.max_failed_share,
        limits=_worker_limits(computing),
    )


def scan_settings(scans: Scans, computing: Computing) -> ScanSettings:
    """Return how scans become features, from the options."""
    from medvlp.embedding.volumes import ScanSettings
    from medvlp.volumes.survey import ScanRules

    return ScanSettings(
        rules=ScanRules(
            irregular=scans.irregular,
            mask_names=scans.mask_names,
            allow_values=scans.allow_values,
        ),
        organ_finder=scans.find_organs,
        limits=_worker_limits(computing),
    )


def radiograph_settings(computing: Computing) -> RadiographSettings:
    """Return how X-rays are read, from the options."""
    from medvlp.embedding.radiographs import RadiographSettings

    return RadiographSettings(limits=_worker_limits(computing))


def _worker_limits(computing: Computing) -> WorkerLimits:
    from medvlp.jobs.workers import WorkerLimits

    return WorkerLimits(memory_bytes=round(computing.memory_gib * 2**30), stall_s=computing.stall_s)


def conclude(report: JobReport, out: Path, *, json_output: bool) -> int:
    """Print what became of the cases; the exit code says whether all are done."""
    total, failed = len(report.outcomes), len(report.failures)
    if json_output:
        failures = [
            {"case_id": item.case_id, "stage": item.stage, "code": item.code, "reason": item.reason}
            for item in report.failures
        ]
        record = {"cases": total, "failed": failed, "out": str(out), "failures": failures}
        sys.stdout.write(json.dumps(record) + "\n")
        return report.exit_code
    told = Counter[str]()
    for item in report.failures:
        told[item.code] += 1
        if told[item.code] <= _SHOWN_PER_CODE:
            hint = f" - {item.hint}" if item.hint else ""
            sys.stderr.write(f"failed {item.case_id}: {item.code}: {item.reason}{hint}\n")
    for code, count in sorted(told.items()):
        if count > _SHOWN_PER_CODE:
            sys.stderr.write(
                f"failed for {code}: {count - _SHOWN_PER_CODE} cases more, "
                f"all in {out / 'failures.csv'}\n"
            )
    sys.stdout.write(f"{total - failed} of {total} cases done; outputs are in {out}\n")
    return report.exit_code
