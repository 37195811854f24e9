"""Sketch the networks of a run on the meta device, by its recipe."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import TRAINING_PASSES, dual_encoder_flops
from medvlp.training.objectives import build_objective
from medvlp.training.planning.sketches import Sketch, recompute_blocks, settings_of, vocabulary_of
from medvlp.training.planning.sketching_scans import (
    sketch_radiographs,
    sketch_scan_attributes,
    sketch_scans,
)
from medvlp.training.planning.sketching_texts import sketch_knowledge, sketch_reports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from medvlp.training.planning.parsing import ParsedRun

__all__ = ["sketch_pairs", "sketch_run"]


def sketch_run(run: ParsedRun) -> Sketch | None:
    """Sketch the networks of a run.

    Args:
        run: The run.

    Returns:
        The networks; None for a recipe whose networks cannot be told from its settings alone.

    Raises:
        ModelError: If a network cannot be built (MV14xx).
    """
    recipes: dict[str, Callable[[ParsedRun], Sketch | None]] = {
        "pairs": sketch_pairs,
        "knowledge": sketch_knowledge,
        "report-text": sketch_reports,
        "scans": sketch_scans,
        "scan-attributes": sketch_scan_attributes,
        "radiographs": sketch_radiographs,
    }
    sketch = recipes.get(str(run.config["recipe"]))
    return None if sketch is None else sketch(run)


def sketch_pairs(run: ParsedRun) -> Sketch:
    """Sketch the dual encoder of a contrastive training.

    Args:
        run: The run.
    """
    settings = settings_of(run, "model.encoder", DualEncoderSettings)
    pieces, notes = vocabulary_of(run)
    with torch.device("meta"):
        network = DualEncoder(settings, pieces).train()
    side = int(run.config["data"]["inputs"]["input_px"])
    tokens = int(run.config["data"]["max_tokens"])
    parts: dict[str, nn.Module] = {
        "image tower": network.image_tower,
        "image projection": network.image_projection,
        "text tower": network.text_tower,
        "text projection": network.text_projection,
        "logit scale": nn.ParameterList([network.logit_scale]),
    }
    chosen = run.config["model"]
    with torch.device("meta"):
        objective = build_objective(chosen["objective"], chosen["objective_options"] or {})
    if isinstance(objective, nn.Module):
        parts["objective"] = objective
    flops = dual_encoder_flops(network, input_px=side, tokens=tokens)
    rests = _let_rest(run, {"image": network.image_tower, "text": network.text_tower})
    step = sum(
        (1 if name in rests else TRAINING_PASSES) * count
        for name, count in (("image", flops.image), ("text", flops.text))
    )
    if getattr(objective, "needs_knowledge", False):
        parts["frozen text encoder"] = copy.deepcopy(network.text_side()).requires_grad_(False)
        step += flops.text

    def forward(count: int) -> Callable[[], object]:
        pixels = torch.empty(count, 3, side, side)
        ids = torch.zeros(count, tokens, dtype=torch.long)
        mask = torch.ones(count, tokens, dtype=torch.bool)
        return lambda: network(pixels, ids, mask)

    return Sketch(
        parts=parts,
        forward=forward,
        step_flops=step,
        flops_parts={"image": flops.image, "text": flops.text},
        batch_bytes=3 * side * side + tokens * (8 + 1),
        decodes_images=True,
        embed_dim=settings.embed_dim,
        recompute=lambda: _recompute_both(network),
        notes=(*notes, f"texts of {tokens} tokens, the longest that data.max_tokens lets through"),
    )


def _let_rest(run: ParsedRun, towers: Mapping[str, nn.Module]) -> set[str]:
    """Take their gradients from towers that rest in all epochs, and return which do."""
    freeze = run.config["model"]["freeze"]
    rests = {name for name in towers if freeze[f"{name}_tower_epochs"] == "all"}
    for name in rests:
        towers[name].requires_grad_(False).eval()
    return rests


def _recompute_both(network: DualEncoder) -> None:
    """Let each block of both towers keep its input only."""
    image: Any = network.image_tower
    image.set_grad_checkpointing(True)
    recompute_blocks(network.text_tower)
