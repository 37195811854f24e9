"""What is known of a run's networks from its settings: shapes, without values and memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from medvlp.config.strict import StrictModel, parse_model
from medvlp.data.tokenizer_choice import TokenizerSettings, read_tokenizer
from medvlp.errors import MedvlpError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from medvlp.training.planning.parsing import ParsedRun

__all__ = ["BERT_PIECES", "Sketch", "recompute_blocks", "settings_of", "vocabulary_of"]

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
        decodes_images: Whether an image is decoded for each sample, which takes most of the time
            that loading takes.
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
    decodes_images: bool = False
    embed_dim: int = 0
    recompute: Callable[[], None] | None = None
    notes: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All parts."""
        return tuple(self.parts.values())

    def renewed(self, **changes: Any) -> Sketch:  # noqa: ANN401  # as dataclasses.replace
        """Return the same with other values of some fields.

        Args:
            changes: Field to value.
        """
        return replace(self, **changes)


def settings_of(run: ParsedRun, place: str, model: type[_SettingsT]) -> _SettingsT:
    """Return settings of a run as a record.

    Args:
        run: The run.
        place: Where they stand, such as ``model.encoder``.
        model: The record.
    """
    found: Any = run.config
    for step in place.split("."):
        found = found[step]
    if isinstance(found, model):
        return found
    return parse_model(found, model, source=place)


def vocabulary_of(run: ParsedRun) -> tuple[int, tuple[str, ...]]:
    """Return the number of pieces of the tokenizer, and what was assumed of it.

    Args:
        run: The run; its data have a tokenizer.
    """
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


def recompute_blocks(tower: nn.Module) -> None:
    """Let each block of a text tower keep its input only.

    Args:
        tower: A BERT or a decoder.
    """
    network: Any = getattr(tower, "bert", None) or getattr(tower, "network", None)
    network.config.use_cache = False  # else transformers warns that it switches it off
    old: Any = getattr(network, "gradient_checkpointing_enable", None)
    enable: Any = getattr(network, "activation_checkpointing_enable", old)
    enable({"use_reentrant": False})
