"""What is compared, and the one setting that all arms share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medvlp.config.strict import StrictModel, load_yaml_model

__all__ = ["ALIGNED", "ARMS", "ATTRIBUTES", "ArmSettings", "Recipe", "load_recipe"]

FOLDER = Path(__file__).parent
TASK_FILE = FOLDER / "task.yaml"
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Sides = tuple[Count, Count, Count]


class ArmSettings(StrictModel):
    """One way of training.

    Attributes:
        title: What tables call it.
        learns: ``attributes`` for the first stage alone, ``reports`` for alignment.
        part: Which patients of the training split: ``few`` (the recipe's share) or ``all``.
        begins_with: The arm of the first stage whose network alignment begins with.
        objective: ``positives`` makes identical reports positives of each other, ``plain`` is
            InfoNCE with one positive.
        adds_steps: Whether alignment sees in addition as many kidneys as the first stage did.
    """

    title: str
    learns: Literal["attributes", "reports"]
    part: Literal["few", "all"]
    begins_with: str | None = None
    objective: Literal["positives", "plain"] = "positives"
    adds_steps: bool = False


ARMS: dict[str, ArmSettings] = {
    "attributes-few": ArmSettings(title="stage 1 alone, 20 %", learns="attributes", part="few"),
    "alone-few": ArmSettings(title="alignment alone, 20 %", learns="reports", part="few"),
    "recipe-few": ArmSettings(
        title="stage 1, then alignment, 20 %",
        learns="reports",
        part="few",
        begins_with="attributes-few",
    ),
    "longer-few": ArmSettings(
        title="alignment alone, as many steps, 20 %", learns="reports", part="few", adds_steps=True
    ),
    "plain-few": ArmSettings(
        title="stage 1, then plain InfoNCE, 20 %",
        learns="reports",
        part="few",
        begins_with="attributes-few",
        objective="plain",
    ),
    "attributes": ArmSettings(title="stage 1 alone", learns="attributes", part="all"),
    "recipe": ArmSettings(
        title="stage 1, then alignment", learns="reports", part="all", begins_with="attributes"
    ),
    "plain": ArmSettings(
        title="stage 1, then plain InfoNCE",
        learns="reports",
        part="all",
        begins_with="attributes",
        objective="plain",
    ),
}
"""Name of an arm to what it does; an arm comes after the one that it begins with."""

ATTRIBUTES = tuple(name for name, arm in ARMS.items() if arm.learns == "attributes")
ALIGNED = tuple(name for name, arm in ARMS.items() if arm.learns == "reports")


class DataSettings(StrictModel):
    """The phantom patients of a seed; no patient is in two seeds.

    Attributes:
        train_patients: Patients to train on; each has two kidneys.
        test_patients: Patients to judge on.
        shape_zyx: Voxels of a crop.
        spacing_mm: Their distances.
        margin_zyx: Voxels beyond, for random crops.
        phases: Contrast phases of each kidney; a random one in training, the first in judging.
        few_share: Share of the training patients where data are few.
    """

    train_patients: Count
    test_patients: Count
    shape_zyx: Sides
    spacing_mm: tuple[float, float, float]
    margin_zyx: tuple[int, int, int]
    phases: tuple[Literal["N", "A", "V", "D"], ...]
    few_share: Share


class StageSettings(StrictModel):
    """How one stage is trained.

    Attributes:
        steps: Steps on all patients.
        few_steps: Steps on few.
        batch_size: Kidneys in a batch.
        options: Further options of ``medvlp train``, over those of the shipped configuration.
    """

    steps: Count
    few_steps: Count
    batch_size: Count
    options: dict[str, float | int | str | bool | None] = Field(default_factory=dict)

    def steps_of(self, part: Literal["few", "all"]) -> int:
        """Return the steps for a part of the patients."""
        return self.few_steps if part == "few" else self.steps


class Recipe(StrictModel):
    """All that decides a cell beside its arm and seed.

    Attributes:
        data: The patients.
        image: Settings of the network for scans.
        attributes: The first stage.
        alignment: The second stage.
        begun_rate: Learning rate in alignment of a network that begins with the first stage; one
            without it learns as fast as the rest.
        positives: Where identical reports stand as positives: ``outside`` the logarithm,
            ``inside`` it, or ``decoupled`` from each other.
    """

    data: DataSettings
    image: dict[str, float | int | str | bool]
    attributes: StageSettings
    alignment: StageSettings
    begun_rate: Annotated[float, Field(gt=0)]
    positives: Literal["outside", "inside", "decoupled"]


def load_recipe(path: Path = FOLDER / "recipe.yaml") -> Recipe:
    """Read the setting.

    Args:
        path: The file.
    """
    return load_yaml_model(path, Recipe)
