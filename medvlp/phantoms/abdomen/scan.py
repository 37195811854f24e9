"""Make the CT scan of a phantom patient on any grid, in one contrast phase."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.errors import PhantomError
from medvlp.phantoms.abdomen.canvas import Canvas
from medvlp.phantoms.abdomen.contrast import PHASES, Phase
from medvlp.phantoms.abdomen.findings import SIDES, Attributes, Side
from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine
from medvlp.phantoms.abdomen.kidneys import paint_kidney, place_kidney
from medvlp.phantoms.abdomen.lesions import paint_cyst, paint_mass, paint_surrounding_fat
from medvlp.phantoms.abdomen.names import LABEL_NAMES
from medvlp.phantoms.abdomen.organs import paint_bowel, paint_organs, paint_vessels
from medvlp.phantoms.abdomen.patients import PhantomPatient, draw_patient
from medvlp.phantoms.abdomen.torso import paint_spine, paint_table, paint_torso

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.outcomes import Survival

__all__ = ["PhantomScan", "PhantomScanSpec", "make_phantom_scan"]

_SLAB_VOXELS = 3_000_000
_LOWEST_HU = -1024
_SMALLEST, _LARGEST = 8, 2048
_NEAREST_MM, _WIDEST_MM = 0.2, 20.0


@dataclass(frozen=True, kw_only=True)
class PhantomScanSpec:
    """What a phantom scan should be.

    Attributes:
        seed: Equal seeds and settings give equal scans.
        patient: Who is scanned; None draws ``draw_patient(seed)``.
        phase: Contrast phase: N, A, V or D.
        shape_zyx: Number of voxels along ``(z, y, x)`` of the array.
        spacing_mm: Their distances along ``(z, y, x)`` of the array.
        orientation: Sides of the body towards which x, y and z of the array grow.
        tilt_deg: Turns of the grid about x, y and z of the body.
        centre_mm: Where the middle of the grid lies, ``(x, y, z)`` in LPS from the first lumbar
            vertebra; the kidneys lie near its own default.
        noise_hu: Standard deviation of the noise.
        has_table: Whether the table is in the picture.
    """

    seed: int
    patient: PhantomPatient | None = None
    phase: Phase = "V"
    shape_zyx: tuple[int, int, int] = (96, 160, 160)
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0)
    orientation: str = "LPS"
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre_mm: tuple[float, float, float] = (0.0, -30.0, -10.0)
    noise_hu: float = 12.0
    has_table: bool = True

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            PhantomError: MV1904 for a value that makes no scan.
        """
        axes = sorted(
            "LPS"["LPSRAI".index(letter) % 3] for letter in self.orientation if letter in "LPSRAI"
        )
        checks = (
            ("seed", self.seed >= 0, "0 or more"),
            ("phase", self.phase in PHASES, f"one of {', '.join(PHASES)}"),
            (
                "shape_zyx",
                all(_SMALLEST <= size <= _LARGEST for size in self.shape_zyx),
                f"{_SMALLEST} to {_LARGEST} voxels along each axis",
            ),
            (
                "spacing_mm",
                all(_NEAREST_MM <= mm <= _WIDEST_MM for mm in self.spacing_mm),
                f"{_NEAREST_MM} to {_WIDEST_MM} mm along each axis",
            ),
            (
                "orientation",
                len(self.orientation) == 3 and axes == ["L", "P", "S"],
                "three letters, one of L and R, one of A and P, one of I and S",
            ),
            ("tilt_deg", all(abs(turn) <= 40 for turn in self.tilt_deg), "-40 to 40 degrees"),
            ("noise_hu", 0 <= self.noise_hu <= 200, "0 to 200 HU"),
        )
        for name, is_right, expected in checks:
            if not is_right:
                raise PhantomError(
                    "MV1904", f"{name}={getattr(self, name)!r} makes no scan", expected=expected
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class PhantomScan:
    """A scan and its truth.

    Attributes:
        hu: Hounsfield units, shape ``(Z, Y, X)``, int16.
        labels: Label of each voxel, shape ``(Z, Y, X)``, uint8; 0 is none.
        affine_lps: Index ``(x, y, z, 1)`` -> position in LPS in mm, shape ``(4, 4)``.
        spec: What was asked for.
        patient: Who was scanned.
        label_names: Number of a label -> its name.
    """

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    affine_lps: NDArray[np.float64]
    spec: PhantomScanSpec
    patient: PhantomPatient
    label_names: dict[int, str] = field(default_factory=lambda: dict(LABEL_NAMES))

    @property
    def attributes(self) -> dict[Side, Attributes]:
        """Side -> class of every attribute."""
        return self.patient.attributes

    @property
    def survival(self) -> Survival:
        """What became of the patient."""
        return self.patient.survival


def make_phantom_scan(spec: PhantomScanSpec) -> PhantomScan:
    """Make a scan; slab by slab, so that memory is that of the result and little more.

    Args:
        spec: What to make.
    """
    patient = spec.patient or draw_patient(spec.seed)
    affine = grid_affine(
        spec.shape_zyx, spec.spacing_mm, spec.orientation, spec.tilt_deg, spec.centre_mm
    )
    grid = ScanGrid(spec.shape_zyx, affine)
    hu = np.empty(spec.shape_zyx, dtype=np.int16)
    labels = np.empty(spec.shape_zyx, dtype=np.uint8)
    noise = np.random.default_rng(
        np.random.SeedSequence(spec.seed, spawn_key=(4, PHASES.index(spec.phase)))
    )
    planes = max(_SLAB_VOXELS // (spec.shape_zyx[1] * spec.shape_zyx[2]), 1)
    for start in range(0, spec.shape_zyx[0], planes):
        stop = min(start + planes, spec.shape_zyx[0])
        canvas = Canvas(grid.slab(start, stop), spec.phase, patient.build.dose)
        _paint(canvas, spec, patient)
        _add_noise(canvas.hu, noise, spec)
        np.rint(canvas.hu, out=canvas.hu)
        hu[start:stop] = np.maximum(canvas.hu, _LOWEST_HU, out=canvas.hu)
        labels[start:stop] = canvas.labels
    scanner = affine.copy()
    scanner[:3, 3] += patient.build.shift_mm
    return PhantomScan(hu=hu, labels=labels, affine_lps=scanner, spec=spec, patient=patient)


def _paint(canvas: Canvas, spec: PhantomScanSpec, patient: PhantomPatient) -> None:
    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(patient.seed, spawn_key=(5, stream)))

    paint_torso(canvas, patient.build)
    if spec.has_table:
        paint_table(canvas, patient.build)
    paint_bowel(canvas, rng(0))
    paint_organs(canvas, rng(1))
    for side in SIDES:
        lesions = patient.kidneys[side].lesions
        paint_surrounding_fat(canvas, place_kidney(patient, side), lesions)
    paint_vessels(canvas, rng(2))
    paint_spine(canvas, patient.build)
    for side in SIDES:
        place, findings = place_kidney(patient, side), patient.kidneys[side]
        paint_kidney(canvas, place, findings, patient.seed)
        for cyst in findings.cysts:
            paint_cyst(canvas, place, cyst)
        if findings.mass is not None:
            paint_mass(canvas, place, findings.mass)


def _add_noise(hu: NDArray[np.float32], rng: np.random.Generator, spec: PhantomScanSpec) -> None:
    """Add noise; neighbours within about 2 mm share some, as a reconstruction kernel leaves it."""
    if not spec.noise_hu:
        return
    shared = [0.25 * float(np.clip((2.2 - mm) / 1.4, 0, 1)) for mm in spec.spacing_mm[1:]]
    kernels = [np.asarray((share, 1 - 2 * share, share)) for share in shared]
    sigma = float(np.prod([np.sqrt((kernel**2).sum()) for kernel in kernels]))
    for index in range(len(hu)):
        noise = rng.standard_normal(hu.shape[1:], dtype=np.float32)
        for axis, kernel in enumerate(kernels):
            noise = ndimage.correlate1d(noise, kernel, axis=axis, mode="wrap")
        noise *= np.float32(spec.noise_hu / sigma)
        hu[index] += noise
