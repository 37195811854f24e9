"""The networks of a run on the meta device: their shapes, without values and without memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from medvlp.config.strict import StrictModel, parse_model
from medvlp.data.tokenizer_choice import TokenizerSettings, read_tokenizer
from medvlp.errors import MedvlpError
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import TRAINING_PASSES, dual_encoder_flops
from medvlp.training.module import ContrastiveModule
from medvlp.training.objectives import build_objective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from medvlp.training.planning.parsing import ParsedRun

__all__ = ["Sketch", "sketch_run"]

_SettingsT = TypeVar("_SettingsT", bound=StrictModel)
BERT_PIECES = 30522
"""Size of BERT's vocabularies, taken where the tokenizer is not at hand."""


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """The networks of a run, on the meta device.

    Attributes:
        parts: Name of a part, such as a tower, to the part; together all that is trained or used.
        forward: Makes a function that embeds a batch of so many samples, for what is kept for the
            backward pass; None where it is not known how to.
        step_flops: Operations of a training step for one sample; None likewise.
        flops_parts: Operations of one forward pass on one sample, by part.
        batch_bytes: Bytes of a sample as it comes to the GPU.
        embed_dim: Length of what ranks exchange for each sample; 0 for nothing.
        recompute: Lets the towers compute every block anew in the backward pass; None where they
            cannot.
        notes: What was assumed, and what could not be checked.
    """

    parts: Mapping[str, nn.Module]
    forward: Callable[[int], Callable[[], object]] | None = None
    step_flops: int | None = None
    flops_parts: Mapping[str, int] = field(default_factory=dict)
    batch_bytes: int = 0
    embed_dim: int = 0
    recompute: Callable[[], None] | None = None
    notes: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All parts."""
        return tuple(self.parts.values())


def sketch_run(run: ParsedRun) -> Sketch | None:
    """Build the networks of a run on the meta device.

    Args:
        run: The run.

    Returns:
        The networks; None for a recipe whose networks cannot be told from its settings alone.

    Raises:
        ModelError: If a network cannot be built (MV14xx).
    """
    if isinstance(run.module, ContrastiveModule):
        return _sketch_pairs(run)
    return None


def _settings(run: ParsedRun, place: str, model: type[_SettingsT]) -> _SettingsT:
    """Return settings of a run as the record that they were parsed into."""
    found: Any = run.config
    for step in place.split("."):
        found = found[step]
    if isinstance(found, model):
        return found
    return parse_model(found, model, source=place)


def _vocabulary(run: ParsedRun) -> tuple[int, tuple[str, ...]]:
    """Return the number of pieces of the tokenizer, and what was assumed of it."""
    settings = TokenizerSettings(**run.config["data"]["tokenizer"])
    if settings.file is None:
        note = f"vocabulary: at most {settings.vocab_size} pieces, trained on the captions"
        return settings.vocab_size, (note,)
    if not settings.file.exists():
        note = f"data.tokenizer.file is not here: {BERT_PIECES} pieces assumed, as of BERT"
        return BERT_PIECES, (note,)
    try:
        return read_tokenizer(settings.file).vocab_size, ()
    except MedvlpError as error:
        return BERT_PIECES, (f"{error}: {BERT_PIECES} pieces assumed",)


def _sketch_pairs(run: ParsedRun) -> Sketch:
    settings = _settings(run, "model.encoder", DualEncoderSettings)
    pieces, notes = _vocabulary(run)
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
    step = TRAINING_PASSES * flops.pair
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
        embed_dim=settings.embed_dim,
        recompute=lambda: _recompute_blocks(network),
        notes=(*notes, f"texts of {tokens} tokens, the longest that data.max_tokens lets through"),
    )


def _recompute_blocks(network: DualEncoder) -> None:
    """Let each block of both towers keep its input only."""
    towers: tuple[Any, Any] = (network.image_tower, network.text_tower)
    towers[0].set_grad_checkpointing(True)
    bert = towers[1].bert
    bert.config.use_cache = False  # else transformers warns that it switches it off
    enable = getattr(bert, "activation_checkpointing_enable", bert.gradient_checkpointing_enable)
    enable({"use_reentrant": False})
