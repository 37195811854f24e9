"""How bright each tissue is, in Hounsfield units, before and after contrast medium."""

from __future__ import annotations

from typing import Literal

__all__ = ["PHASES", "Phase", "tissue_hu"]

Phase = Literal["N", "A", "V", "D"]
"""Non-contrast, arterial (corticomedullary), venous (nephrographic), delayed (excretory)."""

PHASES: tuple[Phase, ...] = ("N", "A", "V", "D")

_HU: dict[str, tuple[float, float, float, float]] = {
    "cortex": (34, 165, 175, 120),
    "medulla": (30, 62, 165, 125),
    "collecting system": (4, 5, 8, 420),
    "sinus fat": (-85, -82, -80, -80),
    "aorta": (42, 320, 155, 110),
    "vena cava": (38, 95, 140, 108),
    "renal vein": (38, 150, 150, 108),
    "portal vein": (40, 95, 165, 115),
    "liver": (56, 70, 112, 90),
    "spleen": (48, 125, 120, 95),
    "pancreas": (38, 105, 92, 75),
    "adrenal gland": (20, 65, 70, 55),
    "muscle": (48, 55, 62, 60),
    "bowel wall": (34, 75, 85, 72),
    "avid tumor": (36, 172, 122, 88),
    "weak tumor": (38, 56, 72, 68),
    "cyst wall": (26, 70, 88, 80),
}
"""Tissue -> HU in the order of ``PHASES``."""

_STEADY_HU = {
    "air": -1000.0,
    "lung": -840.0,
    "fat": -103.0,
    "visceral fat": -98.0,
    "skin": 15.0,
    "cortical bone": 620.0,
    "marrow": 175.0,
    "cartilage": 100.0,
    "disc": 75.0,
    "spinal canal": 20.0,
    "bile": 8.0,
    "bowel fluid": 12.0,
    "stool": 25.0,
    "bowel gas": -930.0,
    "simple cyst": 4.0,
    "complex fluid": 17.0,
    "necrosis": 16.0,
    "tumor fat": -65.0,
    "stone": 850.0,
    "table shell": 60.0,
    "table foam": -930.0,
}
"""Tissue -> HU where contrast medium changes nothing."""


def tissue_hu(tissue: str, phase: Phase, dose: float = 1.0) -> float:
    """Return how bright a tissue is.

    Args:
        tissue: A name of the tables of this module.
        phase: Contrast phase.
        dose: Strength of the patient's enhancement; 1 is usual.
    """
    if tissue in _STEADY_HU:
        return _STEADY_HU[tissue]
    values = _HU[tissue]
    return values[0] + dose * (values[PHASES.index(phase)] - values[0])
