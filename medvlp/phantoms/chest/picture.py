"""Take the X-ray of a phantom patient: pixels, boxes, masks, labels and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import PhantomError
from medvlp.phantoms.chest.exposure import expose
from medvlp.phantoms.chest.frame import Frame
from medvlp.phantoms.chest.frontal import diaphragm_mm, draw_build, paint_frontal
from medvlp.phantoms.chest.lateral import lateral_dome_mm, paint_lateral
from medvlp.phantoms.chest.lesions import draw_lesions, paint_lesions
from medvlp.phantoms.chest.patients import PhantomPatientXray, draw_patient, make_patient
from medvlp.phantoms.chest.report import ChestReport, write_report
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.phantoms.chest.frontal import Build
    from medvlp.phantoms.chest.patients import FindingSide

    Field = NDArray[np.float32]
    Point = tuple[float, float]

__all__ = ["ChestPhantom", "FindingBox", "View", "paint_chest", "paint_patient"]

View = Literal["PA", "AP", "LATERAL"]
_MIN_PX = 64
_MAX_ASPECT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingBox:
    """Where a finding is on one side.

    Attributes:
        finding: Its name.
        side: The patient's side, empty in a lateral view, where sides lie on each other.
        rows: First row and the row after the last.
        cols: First column and the column after the last.
        mask: Its pixels in the whole picture, ``(H, W)`` bool, all of several lesions.
    """

    finding: str
    side: Literal["left", "right", ""]
    rows: tuple[int, int]
    cols: tuple[int, int]
    mask: NDArray[np.bool_] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChestPhantom:
    """A picture and the truth about it.

    Attributes:
        patient: Whose it is.
        view: Direction of the beam.
        pixels: Values ``(H, W)``, uint16 of 12 bits, bright where dense. In frontal views the
            patient's left is on the picture's right.
        spacing_mm: Distance of rows and of columns.
        marker: Letter of the side marker.
        boxes: Where the findings are, one box for each side.
        labels: Every finding of the book -> 1 or 0.
        chest_report: The report, and what it states of each finding.
    """

    patient: PhantomPatientXray
    view: View
    pixels: NDArray[np.uint16]
    spacing_mm: tuple[float, float]
    marker: Literal["L", "R"]
    boxes: tuple[FindingBox, ...]
    labels: dict[str, int]
    chest_report: ChestReport

    @property
    def report(self) -> str:
        """The report with its headings."""
        return self.chest_report.text

    @property
    def patient_id(self) -> str:
        """Name of the patient."""
        return self.patient.patient_id


def paint_chest(
    seed: int,
    findings: Mapping[str, FindingSide] | None = None,
    size_px: tuple[int, int] = (256, 224),
    view: View = "PA",
    *,
    named: Sequence[str] = tuple(PHANTOM_FINDINGS),
) -> ChestPhantom:
    """Take the X-ray of one patient; equal arguments give equal bytes.

    Args:
        seed: Seed of the patient and of the picture.
        findings: Name of each finding -> side; None draws them.
        size_px: Rows and columns.
        view: Direction of the beam.
        named: Findings that the report may name.

    Raises:
        PhantomError: MV1905 unknown finding, MV1906 unknown side or view, MV1907 size.
    """
    patient = draw_patient(seed) if findings is None else make_patient(seed, findings)
    return paint_patient(patient, size_px=size_px, view=view, named=named)


def paint_patient(
    patient: PhantomPatientXray,
    *,
    size_px: tuple[int, int] = (256, 224),
    view: View = "PA",
    named: Sequence[str] = tuple(PHANTOM_FINDINGS),
) -> ChestPhantom:
    """Take the X-ray of a patient; views of one patient share findings and report.

    Args:
        patient: The patient.
        size_px: Rows and columns.
        view: Direction of the beam.
        named: Findings that the report may name.

    Raises:
        PhantomError: As :func:`paint_chest`.
    """
    _check_picture(size_px, view)
    streams = np.random.SeedSequence(patient.seed, spawn_key=(3,)).spawn(4)
    rng_build, rng_frame, rng_lesions, rng_exposure = map(np.random.default_rng, streams)
    build = draw_build(rng_build, is_supine=view == "AP")
    frame = _draw_frame(rng_frame, size_px, build, view)
    grid = frame.grid_mm()
    if view == "LATERAL":
        density, lung = paint_lateral(*grid, build)
        lungs = {"left": lung, "right": lung}
    else:
        chest = paint_frontal(*grid, build)
        density, lungs = chest.density, chest.lungs
    boxes: list[FindingBox] = []
    for finding, sides in patient.sides.items():
        for side in _each_side(sides):
            lesions = draw_lesions(
                rng_lesions,
                finding,
                side,
                patient.sizes_mm[finding],
                _Place(finding, side, build, view),
            )
            mask = paint_lesions(density, lesions, frame=frame, grid_mm=grid, lung=lungs[side])
            if mask.any():
                boxes.append(_box(finding, "" if view == "LATERAL" else side, mask))
    marker: Literal["L", "R"] = "L" if view == "LATERAL" or rng_frame.uniform() < 0.5 else "R"
    return ChestPhantom(
        patient=patient,
        view=view,
        pixels=expose(density, rng_exposure, marker),
        spacing_mm=(frame.spacing_mm, frame.spacing_mm),
        marker=marker,
        boxes=tuple(boxes),
        labels={name: int(name in patient.sides) for name in PHANTOM_FINDINGS},
        chest_report=write_report(patient, named=named),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Draws where the lesions of a finding lie."""

    finding: str
    side: Literal["left", "right"]
    build: Build
    view: View

    def __call__(self, rng: np.random.Generator, height_mm: float) -> tuple[Point, float]:
        """Return the middle and where a tip points: to the root of the lung.

        Args:
            rng: Source of chance.
            height_mm: Height of all lesions together.
        """
        zone, build = PHANTOM_FINDINGS[self.finding].zone, self.build
        places = _LATERAL_PLACES if self.view == "LATERAL" else _FRONTAL_PLACES
        near, far, high, low = places[zone]
        x = float(rng.uniform(near, far)) * build.width
        y = float(rng.uniform(high, low)) * build.height
        sign = 1.0 if self.view == "LATERAL" or self.side == "left" else -1.0
        if zone == "basal":
            at = np.array([sign * x], dtype=np.float32)
            dome = lateral_dome_mm if self.view == "LATERAL" else diaphragm_mm
            y = float(dome(at, build)[0]) - 0.5 * height_mm - 1.0
        root = (0.0, 100.0) if self.view == "LATERAL" else (sign * 30.0, 100.0)
        return (sign * x, y), float(np.arctan2(root[1] - y, root[0] - sign * x))


_FRONTAL_PLACES = {
    "upper": (0.46, 0.53, 0.20, 0.26),
    "middle": (0.66, 0.72, 0.42, 0.50),
    "lower": (0.64, 0.70, 0.68, 0.74),
    "hilar": (0.45, 0.51, 0.40, 0.48),
    "basal": (0.64, 0.72, 0.0, 0.0),
}
"""Zone -> nearest and farthest |x| as shares of the half width, y as shares of the height."""

_LATERAL_PLACES = {
    "upper": (-0.08, 0.08, 0.20, 0.26),
    "middle": (0.28, 0.36, 0.44, 0.52),
    "lower": (0.28, 0.38, 0.68, 0.76),
    "hilar": (-0.06, 0.06, 0.40, 0.48),
    "basal": (0.10, 0.24, 0.0, 0.0),
}


def _check_picture(size_px: tuple[int, int], view: str) -> None:
    if view not in {"PA", "AP", "LATERAL"}:
        raise PhantomError("MV1906", f"view is {view!r}", expected="PA, AP or LATERAL")
    if min(size_px) < _MIN_PX or max(size_px) > _MAX_ASPECT * min(size_px):
        raise PhantomError(
            "MV1907",
            f"a picture of {size_px[0]} x {size_px[1]} pixels cannot be made",
            expected=f"at least {_MIN_PX} pixels a side, no side over {_MAX_ASPECT:g} others",
        )


def _each_side(sides: FindingSide) -> tuple[Literal["left", "right"], ...]:
    return ("left", "right") if sides == "both" else (sides,)


def _draw_frame(
    rng: np.random.Generator, size_px: tuple[int, int], build: Build, view: View
) -> Frame:
    """Draw the grid so that both lungs are in the picture."""
    share = 0.74 if view == "LATERAL" else 1.0
    wide = 2 * (share * build.width + 0.75 * build.fat_mm)
    tall = build.height + 75
    loose = float(rng.uniform(1.0, 1.1))
    spacing = round(loose * max(tall / size_px[0], wide / size_px[1]), 4)
    shift = rng.uniform(-6, 6, 2)
    return Frame(
        size_px=size_px,
        spacing_mm=spacing,
        turn_rad=float(np.deg2rad(np.clip(rng.normal(0, 2.0), -5, 5))),
        centre_mm=(float(shift[0]), tall / 2 - 28 + float(shift[1])),
    )


def _box(finding: str, side: Literal["left", "right", ""], mask: NDArray[np.bool_]) -> FindingBox:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return FindingBox(
        finding=finding,
        side=side,
        rows=(int(rows[0]), int(rows[-1]) + 1),
        cols=(int(cols[0]), int(cols[-1]) + 1),
        mask=mask,
    )
