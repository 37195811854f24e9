"""The two stages by ``medvlp train`` with the shipped files."""

from __future__ import annotations

import json
import math
import shutil
from typing import TYPE_CHECKING

from medvlp.training.cli import main as train
from medvlp.training.demo import shipped_config
from medvlp.training.run import BUNDLE_FOLDER, IMAGE_TOWER_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.renal_experiment.settings import ArmSettings, Recipe

__all__ = ["train_arm"]

_CONFIGS = {
    "attributes": "renalclip/attributes_small.yaml",
    "reports": "renalclip/align_small.yaml",
}
_RESULTS = {"attributes": IMAGE_TOWER_FOLDER, "reports": BUNDLE_FOLDER}


def train_arm(
    out: Path, crops: Path, recipe: Recipe, arm: ArmSettings, *, seed: int, begin: Path | None
) -> Path:
    """Train one arm, unless that was done, and return what it left.

    Args:
        out: Folder of the run.
        crops: The crops of this seed.
        recipe: The setting.
        arm: What is trained.
        seed: Seed of weights, order and augmentation.
        begin: What the first stage left, where the arm begins with one.

    Returns:
        The folder of the network for scans, or of the bundle.
    """
    result = out / _RESULTS[arm.learns]
    if result.exists():
        return result
    shutil.rmtree(out, ignore_errors=True)
    image = "model.image" if arm.learns == "attributes" else "model.encoder.image"
    stage = recipe.attributes if arm.learns == "attributes" else recipe.alignment
    steps = stage.steps_of(arm.part)
    if arm.adds_steps:
        first = recipe.attributes
        steps += math.ceil(first.steps_of(arm.part) * first.batch_size / stage.batch_size)
    options: dict[str, object] = {
        "config": shipped_config(_CONFIGS[arm.learns]),
        "seed_everything": seed,
        "run.folder": out,
        "run.wandb": "off",
        "run.progress": "false",
        "data.folder": crops,
        "data.seed": seed,
        "data.batch_size": stage.batch_size,
        "data.phases": list(recipe.data.phases),
        "data.train_share": recipe.data.few_share if arm.part == "few" else 1.0,
        "data.share_seed": seed,
        "model.seed": seed,
        "trainer.max_steps": steps,
        "trainer.max_epochs": -1,
        **{f"{image}.{name}": value for name, value in recipe.image.items()},
        **stage.options,
    }
    if begin is not None:
        options["model.image_from"] = begin
        slow = {"pattern": "volume_tower.*", "learning_rate": recipe.begun_rate}
        options["model.optimizer.rates"] = json.dumps([slow])
    if arm.learns == "reports":
        is_plain = arm.objective == "plain"
        options["model.objective"] = "clip" if is_plain else "grouped"
        positives = "{}" if is_plain else f'{{"positives": "{recipe.positives}"}}'
        options["model.objective_options"] = positives
    words = [f"--{name}={'null' if value is None else value}" for name, value in options.items()]
    if train(["fit", *words]) != 0:
        message = f"training failed in {out.name}"
        raise RuntimeError(message)
    return result
