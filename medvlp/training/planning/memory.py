"""Memory that one GPU needs in training, term by term.

Letters: B samples of the global batch, b of one rank, D length of an embedding, W ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.engine.settings import EngineSettings
from medvlp.training.planning.pretending import count_saved_bytes, pretend_on
from medvlp.training.planning.sharing import largest_unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.training.planning.sharing import Sharing
    from medvlp.training.planning.sketches import Sketch

__all__ = [
    "Activations",
    "MemoryTerm",
    "Precision",
    "count_activations",
    "dense_loss_bytes",
    "loss_terms",
    "state_terms",
]

_FP32, _HALF = 4, 2
_MOMENTS = 2
"""AdamW keeps a mean of the gradient and one of its square."""
_DENSE_BYTES = 16
"""Bytes for each logit that open_clip's dense loss takes at its peak (measured: 16 to 17.5)."""


@dataclass(frozen=True)
class MemoryTerm:
    """One part of the memory of a GPU.

    Attributes:
        name: What it is.
        bytes: How much.
        how: How it was counted.
    """

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Precision:
    """How numbers are rounded, as ``trainer.precision`` says.

    Attributes:
        weights: Bytes of a weight.
        autocast: Type of autocast; None for none.
    """

    weights: int
    autocast: torch.dtype | None

    @property
    def gathered(self) -> int:
        """Bytes of a weight that ranks gather from its parts."""
        return _HALF if self.autocast == torch.bfloat16 else self.weights

    @classmethod
    def named(cls, name: object) -> Precision:
        """Return what a value of ``trainer.precision`` means.

        Args:
            name: The value; None for Lightning's own, fp32.
        """
        text = str(name or "32-true")
        width = {"64": 8, "16": 2, "bf": 2}.get(text[:2], _FP32)
        kinds = {"bf16": torch.bfloat16, "16": torch.float16}
        kind = kinds.get(text.partition("-")[0])
        if kind is not None and not text.endswith("true"):
            return cls(_FP32, kind)
        return cls(width, None)


@dataclass(frozen=True)
class Activations:
    """What a step keeps between forward and backward pass.

    Attributes:
        kept: Bytes that depend on the samples.
        weight_copies: Bytes of weights in the type of autocast.
        recomputed: The first where every block of the towers is computed anew; None where that
            could not be told.
    """

    kept: int
    weight_copies: int
    recomputed: int | None


def state_terms(sketch: Sketch, precision: Precision, sharing: Sharing) -> list[MemoryTerm]:
    """Return the terms that do not depend on the batch.

    Args:
        sketch: The networks.
        precision: How numbers are rounded.
        sharing: How ranks share weights.
    """
    every, trained = _count(sketch, trained_only=False), _count(sketch, trained_only=True)
    width, over = precision.weights, sharing.over
    divided = f", divided by {over} ranks" if over > 1 else ""
    terms = [
        MemoryTerm("weights", every * width // over, f"{every:,} x {width} bytes{divided}"),
        MemoryTerm("gradients", trained * width // over, f"{trained:,} x {width} bytes{divided}"),
        MemoryTerm(
            "AdamW moments",
            _MOMENTS * trained * width // over,
            f"{trained:,} x {_MOMENTS} x {width} bytes{divided}",
        ),
    ]
    if sharing.has_buckets:
        how = "copies of the gradients, since gradient_as_bucket_view is false"
        terms.append(MemoryTerm("DDP buckets", trained * width, how))
    if sharing.is_divided:
        terms.append(_gathered_term(sketch, precision, sharing, every))
    return terms


def _gathered_term(
    sketch: Sketch, precision: Precision, sharing: Sharing, every: int
) -> MemoryTerm:
    """Return what is whole for a while: the part in use, the next one, and a part's gradients."""
    unit, width = largest_unit(sketch.networks), precision.gathered
    if not sharing.reshards:
        how = f"all weights x {width} bytes, and gradients of the largest part of {unit:,}"
        return MemoryTerm("gathered weights", every * width + unit * _FP32, how)
    how = f"two parts of {unit:,} x {width} bytes and gradients of one, at most"
    return MemoryTerm("gathered weights", 2 * unit * width + unit * _FP32, how)


def _count(sketch: Sketch, *, trained_only: bool) -> int:
    return sum(
        tensor.numel()
        for network in sketch.networks
        for tensor in _tensors(network)
        if tensor.requires_grad or not trained_only
    )


def _tensors(network: torch.nn.Module) -> Iterable[torch.Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def count_activations(sketch: Sketch, precision: Precision, count: int) -> Activations | None:
    """Count what a step keeps between forward and backward pass, as if on a GPU.

    The networks of the sketch pretend to lie on a GPU afterwards.

    Args:
        sketch: The networks.
        precision: How numbers are rounded.
        count: Samples b of one rank.

    Returns:
        The counts; None for a sketch that cannot be run.
    """
    if sketch.forward is None:
        return None
    with pretend_on("cuda", *sketch.networks):
        call = sketch.forward(count)

        def saved() -> tuple[int, int]:
            found = count_saved_bytes(
                call, sketch.networks, device="cuda", autocast=precision.autocast
            )
            return found.activations, found.weight_copies

        kept, copies = saved()
        recomputed = None
        if sketch.recompute is not None:
            sketch.recompute()
            recomputed = saved()[0]
    return Activations(kept, copies, recomputed)


def loss_terms(batch: int, ranks: int, dim: int) -> list[MemoryTerm]:
    """Return what the loss over pairs needs at most with the engine of :mod:`medvlp.losses`.

    Embeddings of one side are joined, have a gradient, and both are sorted by group (3 B D); those
    of this rank have copies and gradients on both sides (6 b D). Two buffers hold a tile of the
    logits, and all logits of this rank are kept where they are few.

    Args:
        batch: Samples B of the global batch.
        ranks: Number of ranks W.
        dim: Length D of an embedding.
    """
    settings = EngineSettings()
    rows = batch // ranks
    block_x, block_y = settings.block_sizes(torch.device("cuda"))
    tile = 2 * min(rows, block_x) * min(batch, block_y) * _FP32
    logits = rows * batch * _FP32
    is_kept = settings.keeps(logits)
    way = "kept" if is_kept else "computed anew tile by tile"
    return [
        MemoryTerm(
            "embeddings",
            (3 * batch + 6 * rows) * dim * _FP32,
            f"of {batch} samples and their gradients, at most",
        ),
        MemoryTerm("logits", tile + (logits if is_kept else 0), f"{rows} x {batch}, {way}"),
    ]


def dense_loss_bytes(batch: int, ranks: int) -> int:
    """Return what the logits of a dense loss need, 16 B^2 / W bytes.

    Args:
        batch: Samples B of the global batch.
        ranks: Number of ranks W.

    Source:
        Peak of open_clip 3.3.0's ClipLoss, 16.2 to 17.5 bytes for each logit (fp32, W = 1).
    """
    return _DENSE_BYTES * batch * batch // ranks
