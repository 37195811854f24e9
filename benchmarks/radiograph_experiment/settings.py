"""What is compared, and the one setting that both arms share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from medvlp.config.strict import StrictModel, load_yaml_model

__all__ = ["ARMS", "Recipe", "load_recipe"]

FOLDER = Path(__file__).parent
ARMS = {"facets": "names, definitions and appearances", "names": "names only"}
"""Name of an arm to what the network is told of findings, in training and when it is asked."""

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class DataSettings(StrictModel):
    """The phantom patients of a seed; no patient is in two seeds.

    Attributes:
        train_patients: Patients to train on, who have seen findings only.
        test_patients: Patients to judge on, who have all findings.
        size_px: Side of a picture.
        train_prevalence: Share of training patients with each finding.
        test_prevalence: Share of test patients with each finding.
    """

    train_patients: Count
    test_patients: Count
    size_px: Count
    train_prevalence: Share
    test_prevalence: Share


class Recipe(StrictModel):
    """All that decides a cell beside its arm and seed.

    Attributes:
        data: The patients.
        steps: Steps of training.
        options: Further options of ``medvlp train``, over those of the shipped configuration.
    """

    data: DataSettings
    steps: Count
    options: dict[str, float | int | str | bool | None] = Field(default_factory=dict)


def load_recipe(path: Path = FOLDER / "recipe.yaml") -> Recipe:
    """Read the setting.

    Args:
        path: The file.
    """
    return load_yaml_model(path, Recipe)
