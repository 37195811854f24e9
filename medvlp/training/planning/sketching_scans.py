"""Sketch the networks of trainings on scans and radiographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from medvlp.config.strict import parse_model
from medvlp.errors import MedvlpError
from medvlp.models.flops import RECOMPUTED_PASSES, TRAINING_PASSES, count_flops
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.training.planning.sketches import Sketch, settings_of, vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from medvlp.data.modules_scans import ScanPairsDataModule
    from medvlp.training.planning.parsing import ParsedRun

__all__ = ["sketch_radiographs", "sketch_scan_attributes", "sketch_scans"]

_SHAPE = (32, 128, 128)
"""Voxels of a crop where crops are not at hand; weights of most networks do not depend on it."""
_INT16 = 2


def sketch_scans(run: ParsedRun) -> Sketch:
    """Sketch the network that brings crops of scans and reports together.

    Args:
        run: The run.
    """
    settings = settings_of(run, "model.encoder", VolumeModelSettings)
    shape, notes = _shape_of(run)
    pieces = None
    if settings.text is not None:
        pieces, further = vocabulary_of(run)
        notes = (*notes, *further)
    with torch.device("meta"):
        network = VolumeDualEncoder(settings, shape or _SHAPE, pieces).train()
    parts: dict[str, nn.Module] = {
        "volume tower": network.volume_tower,
        "volume projection": network.volume_projection,
        "logit scale": nn.ParameterList([network.logit_scale]),
    }
    if settings.text is not None:
        parts["text side"] = network.text_side()
    if shape is None:
        return Sketch(parts=parts, embed_dim=network.dim, notes=notes)
    tokens = int(run.config["data"].get("max_tokens") or 0) if settings.text is not None else 0
    chunk = run.config["model"].get("chunk_size")

    def forward(count: int) -> Callable[[], object]:
        kept = min(count, chunk or count)
        voxels = torch.empty(kept, 1, *shape)
        ids = torch.zeros(count, max(tokens, 1), dtype=torch.long)
        if not tokens:
            return lambda: network.project_volume(voxels)
        return lambda: (network.project_volume(voxels), network.project_text(ids, ids == 0))

    if chunk:
        notes = (*notes, f"crops are computed {chunk} at a time, and anew for the gradient")
    passes = RECOMPUTED_PASSES if chunk else TRAINING_PASSES
    return _with_work(parts, forward, shape, passes=passes).renewed(
        embed_dim=network.dim, notes=notes
    )


def sketch_scan_attributes(run: ParsedRun) -> Sketch:
    """Sketch the network that learns attributes of crops; its few linear heads are left out.

    Args:
        run: The run.
    """
    document = {"image": run.config["model"]["image"]}
    settings = parse_model(document, VolumeModelSettings, source="model").image
    shape, notes = _shape_of(run)
    with torch.device("meta"):
        tower = build_volume_tower(settings, shape or _SHAPE).train()
    parts: dict[str, nn.Module] = {"volume tower": tower}
    notes = (*notes, "the linear heads of the attributes are not counted")
    if shape is None:
        return Sketch(parts=parts, notes=notes)

    def forward(count: int) -> Callable[[], object]:
        voxels = torch.empty(count, 1, *shape)
        return lambda: tower(voxels)

    return _with_work(parts, forward, shape, passes=TRAINING_PASSES).renewed(notes=notes)


def sketch_radiographs(run: ParsedRun) -> Sketch:
    """Sketch the network that judges findings of radiographs; its parts only.

    What a step does depends on how many findings and sentences a batch holds.

    Args:
        run: The run.
    """
    settings = settings_of(run, "model.encoder", RadiographModelSettings)
    pieces, notes = vocabulary_of(run)
    with torch.device("meta"):
        network = RadiographNetwork(settings, pieces)
    parts = {name: part for name, part in network.named_children() if _has_weights(part)}
    note = "activations and operations depend on the findings of a batch, and were not counted"
    return Sketch(parts=_spelt(parts.items()), notes=(*notes, note))


def _spelt(parts: Iterable[tuple[str, nn.Module]]) -> dict[str, nn.Module]:
    return {name.replace("_", " "): part for name, part in parts}


def _has_weights(part: nn.Module) -> bool:
    return next(part.parameters(), None) is not None


def _shape_of(run: ParsedRun) -> tuple[tuple[int, int, int] | None, tuple[str, ...]]:
    """Return the voxels of a crop, and what was assumed; None where the crops are not here."""
    try:
        return network_shape(cast("ScanPairsDataModule", run.data).preprocessing), ()
    except MedvlpError:
        size = " x ".join(map(str, _SHAPE))
        note = "activations and operations cannot be counted without the crops' size in data.folder"
        return None, (note, f"weights as for crops of {size} voxels")


def _with_work(
    parts: dict[str, nn.Module],
    forward: Callable[[int], Callable[[], object]],
    shape: tuple[int, int, int],
    *,
    passes: int,
) -> Sketch:
    with torch.device("meta"):
        flops = count_flops(forward(2)) // 2  # norms over a batch refuse a single sample
    voxels = shape[0] * shape[1] * shape[2]
    return Sketch(
        parts=parts,
        forward=forward,
        step_flops=passes * flops,
        flops_parts={"volume": flops},
        batch_bytes=voxels * _INT16,
    )
