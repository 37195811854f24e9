"""Floating-point operations of networks, counted from the shapes of what they compute.

A multiplication and its addition are two operations, as in the published peaks of GPUs. Counted are
matrix products, convolutions and attention; what works on single values (norms, activations) is
left out, as is usual for shares of a peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from medvlp.models.dual_encoder import DualEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "RECOMPUTED_PASSES",
    "TRAINING_PASSES",
    "DualEncoderFlops",
    "UnknownValues",
    "count_flops",
    "dual_encoder_flops",
]

TRAINING_PASSES = 3
"""Forward passes that a training step costs: the backward pass does every product twice."""
RECOMPUTED_PASSES = 4
"""The same where the backward pass computes activations anew."""


@dataclass(frozen=True)
class DualEncoderFlops:
    """Operations of one forward pass on one sample.

    Attributes:
        image: Of the image tower and its projection.
        text: Of the text tower and its projection.
    """

    image: int
    text: int

    @property
    def pair(self) -> int:
        """Of both."""
        return self.image + self.text


class UnknownValues(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch states no types
    """Lets code run on the meta device that asks a tensor for a value: the answer is no, or zero.

    A text tower asks whether a mask has no padding; the answer no means that it has some.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch states no types

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Call an operation, or answer for a tensor that has no values."""
        if func is torch.ops.aten._local_scalar_dense.default and args[0].device.type == "meta":
            return args[0].dtype.is_floating_point and 0.0
        return func(*args, **(kwargs or {}))


def count_flops(call: Callable[[], object]) -> int:
    """Count the operations of a forward computation, without gradients.

    Args:
        call: Computes something; on the meta device nothing is really computed.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), UnknownValues(), counter:
        call()
    return int(counter.get_total_flops())


def dual_encoder_flops(
    network: DualEncoder, *, input_px: int | None = None, tokens: int | None = None
) -> DualEncoderFlops:
    """Count the operations of a dual encoder on one pair; the network itself is not run.

    Args:
        network: The dual encoder, on any device; a twin on the meta device is counted.
        input_px: Side of an image in pixels; None for what its settings or its architecture say.
        tokens: Length of a text; None for the longest that the tower takes.
    """
    with torch.device("meta"):
        twin = DualEncoder(network.settings, network.vocab_size).eval()
        side = input_px or _input_px(twin)
        length = tokens or network.settings.text_tower.max_tokens
        pixels = torch.empty(1, 3, side, side)
        ids = torch.zeros(1, length, dtype=torch.long)
        mask = torch.ones(1, length, dtype=torch.bool)
    return DualEncoderFlops(
        image=count_flops(lambda: twin.project_image(pixels)),
        text=count_flops(lambda: twin.project_text(ids, mask)),
    )


def _input_px(network: DualEncoder) -> int:
    """Return the side of the images that an image tower is made for."""
    tower: Any = network.image_tower
    return network.settings.image.img_size or int(tower.pretrained_cfg["input_size"][-1])
