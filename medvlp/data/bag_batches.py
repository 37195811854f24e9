"""Bags as batches: rows drawn at random, and as many bags as a budget of rows allows.

The order is a function of (seed, epoch); bags of like length share a batch, so that little is
padded. Letters: B bags, N rows of the longest bag, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from medvlp.data.bags import BagReader
from medvlp.data.batch import TileBags
from medvlp.data.order import OrderSettings, describe_order
from medvlp.data.randomness import augmentation_seed, random_words
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.data.bags import BagRow, BagsManifest
    from medvlp.data.order import SamplerState
    from medvlp.data.sampler import Draw

    Ints = NDArray[np.int64]

__all__ = ["BagSampler", "BagsDataset", "collate_bags", "pad_bags"]

_BATCHES = 5


class BagsDataset(Dataset[tuple["BagRow", TileBags]]):
    """The bags of a split; a sample is a slide with some of its tiles.

    Args:
        manifest: The folder of bags.
        split: Which part of it.
        most_rows: Most tiles of a slide, drawn anew each time; all of a slide that has fewer.
        seed: Seed of the draws.
    """

    def __init__(self, manifest: BagsManifest, split: str, *, most_rows: int, seed: int) -> None:
        self.bags = manifest.splits.get(split, ())
        if not self.bags:
            raise DataError(
                "MV1822",
                f"{manifest.folder} has no bags in split {split!r}",
                expected=f"one of {sorted(manifest.splits)}",
            )
        self._reader = BagReader(manifest)
        self._most_rows = most_rows
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of bags."""
        return len(self.bags)

    @property
    def lengths(self) -> Ints:
        """Number of rows of each sample, shape ``(len(self),)``."""
        rows = np.array([bag.num_rows for bag in self.bags], dtype=np.int64)
        return np.minimum(rows, self._most_rows)

    def __getitem__(self, draw: Draw) -> tuple[BagRow, TileBags]:
        """Make one sample: the bag's row, and its features as a single bag.

        Args:
            draw: Which bag, in which epoch.

        Raises:
            DataError: If the features cannot be read (MV1823).
        """
        bag = self.bags[draw.index]
        rows = None
        if bag.num_rows > self._most_rows:
            seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
            keys = random_words(seed, 0, 0, bag.num_rows)
            rows = np.sort(np.argsort(keys, kind="stable")[: self._most_rows])
        features = torch.from_numpy(self._reader.features(bag, rows))
        coords = torch.from_numpy(self._reader.coords(bag, rows))
        starts = torch.tensor([0, len(features)])
        return bag, TileBags(features=features, starts=starts, coords_px0=coords)

    def sample_name(self, draw: Draw) -> str:
        """Return the name of a bag.

        Args:
            draw: Which bag.
        """
        return self.bags[draw.index].bag_id


def collate_bags(samples: Sequence[tuple[BagRow, TileBags]]) -> tuple[tuple[str, ...], TileBags]:
    """Join samples: names, and all rows one bag after the other, without padding."""
    lengths = torch.tensor([0, *(len(bag.features) for _, bag in samples)])
    bags = TileBags(
        features=torch.cat([bag.features for _, bag in samples]),
        starts=lengths.cumsum(0),
        coords_px0=torch.cat([bag.coords_px0 for _, bag in samples if bag.coords_px0 is not None]),
    )
    return tuple(row.bag_id for row, _ in samples), bags


def pad_bags(bags: TileBags) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bags as one array, for networks that want such.

    Returns:
        Features, shape ``(B, N, D)``, zero where there is no tile; and whether there is one, shape
        ``(B, N)``, bool.
    """
    parts = torch.tensor_split(bags.features, bags.starts[1:-1])
    padded = torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
    lengths = bags.starts.diff()
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


class BagSampler(GlobalOrderSampler):
    """Yields this rank's share of batches of as many bags as fit a budget.

    All bags are put in random order; within every ``bucket`` of them they are sorted by length and
    cut into batches whose bags, padded to the longest, have at most ``tokens`` rows; the batches
    are put in random order. A batch holds a multiple of ``multiple`` bags, so every bag comes once
    an epoch but for less than ``multiple`` of them, others each time.

    Args:
        lengths: Rows of each bag, shape ``(num_bags,)``, int64.
        tokens: Most rows of a global batch, over all ranks, padding included.
        multiple: What the number of bags in a batch divides by; the ranks must divide it.
        bucket: Bags that are sorted by length with each other, a multiple of ``multiple``.
        seed: Seed of the run.
        data_hash: Hash of the table of bags, so that a state is refused on other data.
        rank: This process's rank.
        num_ranks: Number of ranks.

    Raises:
        DataError: If the ranks do not divide ``multiple`` (MV1750), there are fewer bags (MV1751),
            or so many of the longest do not fit the budget (MV1824).
        ValueError: If ``multiple`` does not divide ``bucket``.
    """

    def __init__(
        self,
        lengths: Ints,
        *,
        tokens: int,
        multiple: int = 1,
        bucket: int = 256,
        seed: int,
        data_hash: str = "",
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        if bucket % multiple:
            msg = f"bucket must be a multiple of {multiple}, got {bucket}"
            raise ValueError(msg)
        settings = OrderSettings(seed=seed, batch_size=multiple)
        super().__init__(len(lengths), settings, rank=rank, num_ranks=num_ranks)
        longest = int(lengths.max())
        if tokens < longest * multiple:
            raise DataError(
                "MV1824",
                f"tokens={tokens} do not hold {multiple} bags of {longest} rows",
                expected=f"{longest * multiple} or more",
                hint="raise tokens, or take fewer rows of a bag",
            )
        self._lengths, self._tokens, self._bucket = lengths, tokens, bucket
        described = describe_order(
            len(lengths), settings, group_id=lengths, is_anchor=None, data_hash=data_hash
        )
        self._order = {**described, "tokens": tokens, "bucket": bucket}
        self._batches: tuple[int, list[Ints]] | None = None

    def num_batches(self, epoch: int) -> int:
        """Return how many global batches an epoch has."""
        return len(self._epoch_batches(epoch))

    def global_batch(self, epoch: int, number: int) -> Ints:
        """Return the bags of one global batch, over all ranks."""
        return self._epoch_batches(epoch)[number]

    def advance(self, num_batches: int = 1) -> None:
        """Note that batches were trained on; after the last of an epoch, the next one begins."""
        for _ in range(num_batches):
            self.samples_consumed += len(self.global_batch(self.epoch, self._batches_done()))
            if self._batches_done() >= self.num_batches(self.epoch):
                self.epoch += 1
                self.samples_consumed = 0

    def load_state(self, state: SamplerState) -> None:
        """Go on where another run of the same order stood, on any number of ranks.

        Raises:
            DataError: If the state belongs to another order (MV1752), or does not stand between
                two batches (MV1753).
        """
        super().load_state(state)
        ends = self._ends()
        if state.samples_consumed not in (0, *ends[:-1].tolist()):
            raise DataError(
                "MV1753",
                f"the state stands at epoch {state.epoch}, bag {state.samples_consumed}",
                expected="a place between two batches",
            )

    def _batches_done(self) -> int:
        return int(np.searchsorted(self._ends(), self.samples_consumed, side="right"))

    def _ends(self) -> Ints:
        return np.cumsum([len(batch) for batch in self._epoch_batches(self.epoch)])

    def _epoch_batches(self, epoch: int) -> list[Ints]:
        if self._batches is None or self._batches[0] != epoch:
            self._batches = (epoch, self._cut(epoch))
        return self._batches[1]

    def _cut(self, epoch: int) -> list[Ints]:
        multiple = self.settings.batch_size
        whole = len(self._lengths) // multiple * multiple
        order = self._epoch_order(epoch).part(0, whole)
        batches: list[Ints] = []
        for start in range(0, whole, self._bucket):
            window = order[start : start + self._bucket]
            window = window[np.argsort(-self._lengths[window], kind="stable")]
            first = 0
            while first < len(window):
                fitting = self._tokens // int(self._lengths[window[first]])
                last = first + fitting // multiple * multiple
                batches.append(window[first:last])
                first = last
        words = random_words(self.settings.seed, epoch, _BATCHES, len(batches))
        return [batches[k] for k in np.argsort(words, kind="stable").tolist()]
