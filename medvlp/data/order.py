"""What decides the order of samples, its hash, and the state of a run within it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medvlp.data.blocks import BlockShuffle
from medvlp.data.groups import GroupBatches
from medvlp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "OrderSettings",
    "SamplerState",
    "check_groups",
    "check_state",
    "describe_order",
    "hash_order",
]

ORDER_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class OrderSettings:
    """What decides the order of samples, besides the epoch and the data."""

    seed: int
    """Seed of the run, in ``[0, 2**64)``."""
    batch_size: int
    """Samples in a global batch, over all ranks, >= 1."""
    shuffle: bool = True
    """Whether each epoch has its own random order; without it, the order of the manifest."""
    last_batch: Literal["drop", "keep"] = "drop"
    """What becomes of a last batch that is not full. A kept one is spread as evenly as possible;
    ranks may get unequal numbers of samples, even none."""
    groups: GroupBatches | None = None
    """Make batches of groups; ``batch_size`` is then groups times samples per group."""
    blocks: BlockShuffle | None = None
    """Shuffle blocks of samples that lie together; None permutes all samples of an epoch."""

    def __post_init__(self) -> None:
        """Check the ranges, and that no setting is without effect."""
        if not 0 <= self.seed < 2**64 or self.batch_size < 1:
            msg = f"seed={self.seed} must be in [0, 2**64) and batch_size={self.batch_size} >= 1"
            raise ValueError(msg)
        if self.blocks is not None and (self.groups is not None or not self.shuffle):
            msg = f"blocks are shuffled, without groups, got shuffle={self.shuffle}, {self.groups}"
            raise ValueError(msg)
        if self.groups is None:
            return
        needed = self.groups.groups_per_batch * self.groups.samples_per_group
        if self.batch_size != needed or not self.shuffle or self.last_batch == "keep":
            msg = (
                f"batches of groups are shuffled, full and of {needed} samples, got batch_size="
                f"{self.batch_size}, shuffle={self.shuffle}, last_batch={self.last_batch!r}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class SamplerState:
    """Where a run stands in its order; plain numbers and text, fit for JSON.

    Attributes:
        epoch: Epoch in progress.
        samples_consumed: Samples of this epoch that were trained on, over all ranks.
        order_hash: Hash of all that decides the order.
        order: What was hashed, to say what differs.
    """

    epoch: int
    samples_consumed: int
    order_hash: str
    order: dict[str, Any]


def describe_order(
    num_samples: int,
    settings: OrderSettings,
    *,
    group_id: Ints | None,
    is_anchor: NDArray[np.bool_] | None,
    data_hash: str,
    starts: Ints | None = None,
) -> dict[str, Any]:
    """Return all that decides the order, as plain numbers and text; the ranks are no part of it.

    Args:
        num_samples: Rows of the manifest.
        settings: Seed, sizes and rules.
        group_id: Group of each sample, shape ``(num_samples,)``, int64.
        is_anchor: Whether a sample is its group's anchor, shape ``(num_samples,)``, bool.
        data_hash: Hash of the manifest.
        starts: First sample of each block, where blocks are shuffled.
    """
    chosen = asdict(settings)
    if settings.blocks is None:
        del chosen["blocks"]  # orders without blocks keep the hash that they always had
    else:
        chosen["blocks"]["starts_hash"] = _hash_arrays(starts)
    return {
        "version": ORDER_VERSION,
        "num_samples": num_samples,
        "data_hash": data_hash,
        "groups_hash": _hash_arrays(group_id, is_anchor),
        **chosen,
    }


def hash_order(order: dict[str, Any]) -> str:
    """Return 16 hex digits of the SHA-256 of what :func:`describe_order` gave."""
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()[:16]


def check_state(state: SamplerState, order: dict[str, Any]) -> None:
    """Refuse a state of another order.

    Args:
        state: The state to go on from.
        order: What decides the order of this run.

    Raises:
        DataError: If the hashes differ (MV1752), naming what differs, or the state does not stand
            between two batches (MV1753).
    """
    if state.order_hash != hash_order(order):
        differing = [
            f"{key}: {state.order.get(key)!r} there, {order.get(key)!r} here"
            for key in sorted({*order, *state.order})
            if state.order.get(key) != order.get(key)
        ]
        raise DataError(
            "MV1752",
            f"the state has order hash {state.order_hash}, this run has {hash_order(order)}; "
            f"{'; '.join(differing) or 'the recorded order was altered'}",
            expected="the same seed, settings and data",
            hint="restore them, or begin a new run; the number of ranks may differ",
        )
    size = order["batch_size"]
    if state.epoch < 0 or state.samples_consumed < 0 or state.samples_consumed % size:
        raise DataError(
            "MV1753",
            f"the state stands at epoch {state.epoch}, sample {state.samples_consumed}",
            expected=f"a multiple of the batch size {size}",
        )


def check_groups(
    num_samples: int,
    settings: OrderSettings,
    group_id: Ints | None,
    is_anchor: NDArray[np.bool_] | None,
) -> None:
    """Refuse groups that do not belong to the samples or the settings, and data without a batch.

    Args:
        num_samples: Rows of the manifest.
        settings: Seed, sizes and rules.
        group_id: Group of each sample.
        is_anchor: Whether a sample is its group's anchor.

    Raises:
        DataError: Naming the argument (MV1751).
    """
    groups = settings.groups
    needs = {
        "group_id": (groups is not None, group_id),
        "is_anchor": (groups is not None and groups.with_anchor, is_anchor),
    }
    for name, (is_needed, array) in needs.items():
        if is_needed != (array is not None):
            raise DataError(
                "MV1751",
                f"{name} is {'missing' if is_needed else 'given but not used'}",
                expected="group_id with settings.groups, is_anchor with groups.with_anchor",
            )
        if array is not None and array.shape != (num_samples,):
            raise DataError(
                "MV1751", f"{name} has shape {array.shape}", expected=f"({num_samples},)"
            )
    wanted, have = (settings.batch_size, num_samples)
    if groups is not None and group_id is not None:
        in_order = np.sort(group_id)
        num_groups = np.count_nonzero(np.diff(in_order)) + min(num_samples, 1)
        wanted, have = groups.groups_per_batch, int(num_groups)
    elif settings.last_batch == "keep":
        wanted = 1
    if have < wanted:
        raise DataError(
            "MV1751",
            f"{have} {'groups' if groups else 'samples'} do not fill one batch",
            expected=f"{wanted} at least",
            hint="make the batch smaller, or check the filters of the manifest",
        )


def _hash_arrays(*arrays: NDArray[np.generic] | None) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array).astype("<i8").tobytes())
    return digest.hexdigest()[:16]
