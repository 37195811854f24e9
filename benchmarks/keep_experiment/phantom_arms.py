"""Arms on phantom tiles: their batches, and how a trained one names a tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.keep_experiment.phantom_tiles import TISSUES
from benchmarks.keep_experiment.settings import ArmSettings, Recipe
from benchmarks.keep_experiment.stage2 import MEAN, STD
from medvlp.data.augment import AugmentSettings, augment_tile
from medvlp.data.batch import Batch, TextTokens
from medvlp.data.groups import GroupBatches
from medvlp.data.ignore import ConceptRelation
from medvlp.data.order import OrderSettings
from medvlp.data.randomness import augmentation_seed
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.models.preprocessing import normalize_pixels
from medvlp.models.text_encoder import TextEncoder
from medvlp.phantoms.classes import find_class
from medvlp.phantoms.vocabulary import PROMPT_TEMPLATES
from medvlp.text.prompts import expand_prompts
from medvlp.zeroshot.classifier import class_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.keep_experiment.phantom_tiles import PhantomTiles
    from medvlp.models.dual_encoder import DualEncoder
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["ARMS", "LABELLED", "MERGED", "CaptionBatches", "classify", "label_of_region"]

MERGED = ("clip-merged", "keep-merged")
"""Arms whose captions are drawn from those of the region that tell of what most of them tell."""
LABELLED = (*MERGED, "keep-labelled")
"""Arms that are told what most captions of a region tell of; a tie tells nothing."""
VIEWS_IN_BATCH = {"keep-two": 2}
"""Views of a region in a batch, where not all of them."""
BATCH_SIZE = 64
_AUGMENT = AugmentSettings(contrast=0.2, tint=0.1, brightness=0.05)

ARMS: dict[str, ArmSettings] = {
    "clip": ArmSettings(title="CLIP", objective="clip"),
    "clip-shuffled": ArmSettings(title="CLIP, shuffled", objective="clip"),
    "supcon": ArmSettings(title="SupCon by region", objective="supcon", options={"label": "group"}),
    "keep": ArmSettings(title="KEEP loss", objective="keep"),
    "clip-merged": ArmSettings(title="CLIP, merged captions", objective="clip"),
    "keep-two": ArmSettings(title="KEEP loss, two views", objective="keep"),
    "keep-merged": ArmSettings(title="KEEP loss, merged captions", objective="keep"),
    "keep-labelled": ArmSettings(title="KEEP loss, labelled", objective="keep", eliminates=True),
}


class CaptionBatches:
    """Batches of phantom tiles and captions, without end.

    Args:
        tiles: The tiles.
        captions: Caption of each.
        told: Tissue that each caption tells of, shape ``(N,)``.
        tokenizer: Turns captions into tokens.
        arm: Name of the arm.
        seed: Seed of order and augmentation.
    """

    def __init__(
        self,
        tiles: PhantomTiles,
        captions: Sequence[str],
        told: NDArray[np.int64],
        tokenizer: CaptionTokenizer,
        *,
        arm: str,
        seed: int,
    ) -> None:
        self._tiles, self._seed = tiles, seed
        self._tokens = tokenizer.encode(captions, Recipe().max_tokens)
        self._label = label_of_region(tiles, told)
        self._eliminates = ARMS[arm].eliminates
        none = np.zeros(0, dtype=np.int64)
        is_kept = _is_kept(tiles, told) if arm in MERGED else None
        self._pools = None if is_kept is None else _pools(tiles.region, is_kept)
        self._relation = ConceptRelation.from_pairs(len(TISSUES), none, none)
        groups = None
        if arm != "clip-shuffled":
            views = VIEWS_IN_BATCH.get(arm, int(np.bincount(tiles.region).max()))
            groups = GroupBatches(groups_per_batch=BATCH_SIZE // views, samples_per_group=views)
        self._sampler = GlobalOrderSampler(
            len(captions),
            OrderSettings(seed=seed, batch_size=BATCH_SIZE, groups=groups),
            group_id=None if groups is None else tiles.region,
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches."""
        epoch = 0
        while True:
            for number in range(self._sampler.num_batches(epoch)):
                yield self._batch(self._sampler.global_batch(epoch, number), epoch)
            epoch += 1

    def _batch(self, rows: NDArray[np.int64], epoch: int) -> Batch:
        images = []
        for row in rows.tolist():
            rng = np.random.default_rng(augmentation_seed(self._seed, epoch, row))
            images.append(augment_tile(self._tiles.images[row], _AUGMENT, rng))
        concept, related = torch.full((len(rows),), -1), None
        if self._eliminates:
            table = self._relation.table(self._label[rows])
            concept, related = torch.from_numpy(table.index), torch.from_numpy(table.related)
        texts = rows if self._pools is None else self._drawn(rows, epoch)
        width = int(self._tokens.mask[texts].sum(axis=1).max())
        return Batch(
            image=torch.from_numpy(np.stack(images)),
            text=TextTokens(
                ids=torch.from_numpy(self._tokens.ids[texts, :width]),
                mask=torch.from_numpy(self._tokens.mask[texts, :width]),
            ),
            group_id=torch.from_numpy(self._tiles.region[rows]),
            concept_id=concept,
            sample_id=tuple(str(row) for row in rows),
            weight=torch.ones(len(rows)),
            related=related,
        )

    def _drawn(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return the rows whose captions stand for those of the tiles, drawn from the region's."""
        drawn = []
        for row in rows.tolist():
            pool = (self._pools or [])[self._tiles.region[row]]
            rng = np.random.default_rng((augmentation_seed(self._seed, epoch, row), 2))
            drawn.append(pool[int(rng.integers(len(pool)))])
        return np.array(drawn, dtype=np.int64)


def _pools(region: NDArray[np.int64], is_kept: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return for every region the rows whose captions are kept."""
    count = int(region.max()) + 1
    pools: list[list[int]] = [[] for _ in range(count)]
    for row in np.flatnonzero(is_kept).tolist():
        pools[region[row]].append(row)
    return [np.array(rows, dtype=np.int64) for rows in pools]


def classify(
    model: DualEncoder, tokenizer: CaptionTokenizer, tiles: PhantomTiles
) -> NDArray[np.int64]:
    """Return the tissue of every tile by the nearest prompt ensemble, shape ``(N,)``.

    Args:
        model: The trained dual encoder.
        tokenizer: Its tokenizer.
        tiles: The tiles.
    """
    model.eval()

    def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = tokenizer.encode(list(texts), Recipe().max_tokens)
        return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)

    encoder = TextEncoder(name="trained here", tower=model.text_side(), tokenize=tokenize)
    embedded = []
    for key in TISSUES:
        prompts = expand_prompts(find_class(key).names, PROMPT_TEMPLATES)
        flat = [text for row in prompts for text in row]
        embedded.append(encoder.embed(flat).reshape(len(prompts), len(prompts[0]), -1))
    with torch.inference_mode():
        pixels = normalize_pixels(torch.from_numpy(tiles.images), MEAN, STD)
        images = torch.nn.functional.normalize(model.project_image(pixels), dim=-1).numpy()
    return np.asarray((images @ class_columns(embedded)).argmax(axis=1), dtype=np.int64)


def label_of_region(tiles: PhantomTiles, told: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every tile the tissue that most captions of its region tell of, -1 for a tie.

    Args:
        tiles: The tiles.
        told: Tissue that each caption tells of, shape ``(N,)``.
    """
    counts = _counts(tiles, told)
    is_tie = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.asarray(np.where(is_tie, -1, counts.argmax(axis=1))[tiles.region])


def _is_kept(tiles: PhantomTiles, told: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which captions tell of what no other tissue is told of more often in the region."""
    counts = _counts(tiles, told)
    return np.asarray(counts[tiles.region, told] == counts.max(axis=1)[tiles.region])


def _counts(tiles: PhantomTiles, told: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the captions of every region by tissue, shape ``(regions, tissues)``."""
    counts = np.zeros((int(tiles.region.max()) + 1, len(TISSUES)), dtype=np.int64)
    np.add.at(counts, (tiles.region, told), 1)
    return counts
