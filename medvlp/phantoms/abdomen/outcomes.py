"""What follows from the findings by stated rules: malignancy and survival.

A solid mass is malignant with a probability whose log odds are::

    -1.3 + 0.8 (size_mm - 35) / 15 + 1.5 [partial necrosis] + 3.0 [extensive necrosis]
         + 1.5 [irregular] + 1.0 [avid] - 6.0 [fat]

and a complex cyst with log odds ``-2.2 + 0.6 (size_mm - 35) / 15 + 3.0 [thick septa]
+ 1.5 [irregular]``; simple cysts never are. A kidney is malignant if its mass is.

Survival is Weibull, S(t) = exp(-(t / 90 months)^1.2 exp(h)), with the log hazard of the worse
kidney::

    h = 0.6 (size_mm - 35) / 15 + 0.7 [partial necrosis] + 1.4 [extensive necrosis]
        + 0.8 [irregular] + 0.4 [half or more exophytic] - 1.0 [fat] - 0.8 [complex cyst]

with h = -1.5 for a kidney without a mass; (size_mm - 35) / 15 is cut at 3 from above. A patient
leaves the study at a time that is uniform between 12 and 96 months.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medvlp.phantoms.abdomen.findings import KidneyFindings, Mass

__all__ = ["Survival", "draw_survival", "log_hazard", "malignancy_probability"]

_SHAPE = 1.2
_SCALE_MONTHS = 90.0
_FOLLOW_UP_MONTHS = (12.0, 96.0)
_NECROSIS = {"none": 0.0, "partial": 1.0, "extensive": 2.0}


@dataclass(frozen=True, kw_only=True)
class Survival:
    """How long a patient was followed.

    Attributes:
        months: Until the event, or until the patient left the study.
        event: Whether the event happened.
    """

    months: float
    event: bool


def _size(mass: Mass) -> float:
    return min((mass.size_mm - 35.0) / 15.0, 3.0)


def malignancy_probability(mass: Mass | None) -> float:
    """Return the probability that a mass is malignant; 0 without one.

    Args:
        mass: The main lesion of a kidney.
    """
    if mass is None:
        return 0.0
    irregular = 1.5 * (mass.margin == "irregular")
    if mass.kind == "solid":
        odds = -1.3 + 0.8 * _size(mass) + 1.5 * _NECROSIS[mass.necrosis] + irregular
        odds += 1.0 * (mass.enhancement == "avid") - 6.0 * mass.has_fat
    else:
        odds = -2.2 + 0.6 * _size(mass) + 3.0 * (mass.septa == "thick") + irregular
    return float(1.0 / (1.0 + np.exp(-odds)))


def log_hazard(findings: KidneyFindings) -> float:
    """Return the log hazard that a kidney adds to its patient.

    Args:
        findings: What is found in the kidney.
    """
    mass = findings.mass
    if mass is None:
        return -1.5
    hazard = 0.6 * _size(mass) + 0.8 * (mass.margin == "irregular")
    hazard += 0.4 * (mass.exophytic >= 0.5)
    if mass.kind == "complex cyst":
        return hazard - 0.8
    return hazard + 0.7 * _NECROSIS[mass.necrosis] - 1.0 * mass.has_fat


def draw_survival(rng: np.random.Generator, hazard: float) -> Survival:
    """Draw a time and whether it is that of the event.

    Args:
        rng: Source of chance.
        hazard: Log hazard of the patient: that of the worse kidney.
    """
    share = rng.exponential() / np.exp(hazard)
    time = _SCALE_MONTHS * share ** (1.0 / _SHAPE)
    left = rng.uniform(*_FOLLOW_UP_MONTHS)
    return Survival(months=round(float(max(min(time, left), 0.1)), 1), event=bool(time <= left))
