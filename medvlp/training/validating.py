"""What validation keeps of each batch, joined over all ranks at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvlp.distributed import gather_rows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SeenRows"]

_BATCH = "number of the batch"


class SeenRows:
    """Rows of the batches of a validation, of which each rank sees its share.

    A figure is then of the whole validation split, in the order in which one process would have
    seen it, and every rank computes the same: nothing is padded and nothing is counted twice.
    """

    def __init__(self) -> None:
        self._batches: list[dict[str, Tensor]] = []

    def add(self, batch_idx: int, **columns: Tensor) -> None:
        """Keep what validation needs of a batch.

        Args:
            batch_idx: Number of the batch, the same on all ranks.
            columns: Tensors with one row for each sample of this rank's share.
        """
        rows = {name: x.detach().cpu() for name, x in columns.items()}
        number = len(next(iter(rows.values())))
        self._batches.append({**rows, _BATCH: torch.full((number,), batch_idx)})

    def join(self) -> dict[str, Tensor]:
        """Return the rows that all ranks have kept, in the order of the samples, and forget them.

        Every rank calls this, also where it has seen nothing.

        Returns:
            Name -> rows of all ranks, on the processor; nothing where no rank has kept any.
        """
        batches, self._batches = self._batches, []
        own = (
            {name: torch.cat([each[name] for each in batches]) for name in batches[0]}
            if (batches)
            else None
        )
        joined = gather_rows(own)
        if not joined:
            return {}
        order = torch.argsort(joined.pop(_BATCH), stable=True)
        return {name: x[order] for name, x in joined.items()}
