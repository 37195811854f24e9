"""Texts about diseases for the trainer: from a graph or at hand, in batches of diseases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from medvlp.data.attributes import (
    AttributeCollator,
    AttributesDataset,
    AttributeTexts,
    hold_out,
)
from medvlp.data.groups import GroupBatches
from medvlp.data.loading import OrderedLoader
from medvlp.data.modules import TRAIN, TokenizerSettings, read_tokenizer
from medvlp.data.order import OrderSettings
from medvlp.data.pairs import read_pairs
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.errors import UsageError
from medvlp.knowledge.attributes import Attribute, AttributeSettings, attributes_of
from medvlp.knowledge.selection import select
from medvlp.knowledge.store import read_graph
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["AttributesDataModule", "GraphAttributesDataModule", "KnowledgeSource"]

_GROUPS = GroupBatches(groups_per_batch=32, samples_per_group=8, with_anchor=True)
_ATTRIBUTES = AttributeSettings()
_TOKENIZER = TokenizerSettings()
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class KnowledgeSource:
    """What a knowledge encoder is trained on.

    Attributes:
        attributes: Texts about diseases, one name of each among them.
        content_sha256: Hash of the graph they come from; empty where there is none.
        holds_umls: Whether text of the UMLS is among them.
    """

    attributes: tuple[Attribute, ...]
    content_sha256: str = ""
    holds_umls: bool = False

    @classmethod
    def of_graph(
        cls, graph: KnowledgeGraph, ids: Iterable[str] | None, settings: AttributeSettings
    ) -> KnowledgeSource:
        """Return what a graph says about diseases.

        Args:
            graph: The graph.
            ids: Which diseases; None for all that are not obsolete.
            settings: Which texts.
        """
        return cls(
            attributes=tuple(attributes_of(graph, ids, settings)),
            content_sha256=graph.content_sha256,
            holds_umls=graph.holds_umls,
        )


class AttributesDataModule(pl.LightningDataModule):
    """Loads texts about diseases.

    Args:
        source: The texts.
        groups: Diseases in a batch and texts of each; every disease's name among them where
            ``with_anchor``.
        tokenizer: The tokenizer, or how one is trained on the texts.
        max_tokens: Largest number of tokens of a text.
        validation_share: Share of the texts that are no names to hold out.
        seed: Seed of the order and of what is held out.
        num_workers: Number of loader processes; 0 loads in the main process.
    """

    def __init__(
        self,
        source: KnowledgeSource | None,
        *,
        groups: GroupBatches = _GROUPS,
        tokenizer: TokenizerSettings | CaptionTokenizer = _TOKENIZER,
        max_tokens: int = 256,
        validation_share: float = 0.0,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= validation_share < 1:
            raise UsageError(
                "MV1002",
                f"data.validation_share={validation_share} is not valid",
                expected="a number of at least 0 and below 1",
            )
        self.max_tokens = max_tokens
        self._given = source
        self._groups = groups
        self._tokenizer_settings = tokenizer
        self._validation_share = validation_share
        self._seed = seed
        self._num_workers = num_workers

    @cached_property
    def source(self) -> KnowledgeSource:
        """The texts, and where they come from; read once, when first asked for.

        Raises:
            KnowledgeError: If the graph (MV2000, MV2008) or the choice of diseases cannot be used.
        """
        return self._read_source()

    @cached_property
    def tokenizer(self) -> CaptionTokenizer:
        """The tokenizer: the one given, read from a file, or trained on the texts to train on.

        Raises:
            MedvlpError: If there is no such file (MV1410).
        """
        settings = self._tokenizer_settings
        if isinstance(settings, CaptionTokenizer):
            return settings
        if settings.file is not None:
            return read_tokenizer(settings.file)
        texts = [*(a.text for a in self.training.attributes), *self._further_texts()]
        return train_tokenizer(texts, settings.vocab_size)

    @cached_property
    def training(self) -> AttributeTexts:
        """The texts to train on."""
        return AttributeTexts(self._parts[0])

    @cached_property
    def validation(self) -> AttributeTexts:
        """The texts held out, with the names of their diseases."""
        held_out = self._parts[1]
        diseases = {a.concept_id for a in held_out}
        names = [a for a in self.source.attributes if a.kind == "name" and a.concept_id in diseases]
        return AttributeTexts([*names, *held_out])

    def setup(self, stage: str) -> None:
        """Read the texts and check that a batch can be filled.

        Args:
            stage: What the trainer is about to do.

        Raises:
            DataError: If a disease has no name (MV2044), or there are too few diseases for a batch
                (MV1751).
        """
        self._sampler()

    def train_dataloader(self) -> DataLoader[int]:
        """Return the loader of the texts to train on."""
        return self._loader(self.training, self._sampler())

    def val_dataloader(self) -> DataLoader[int] | list[DataLoader[int]]:
        """Return the loader of the texts held out; an empty list where there is none."""
        if not len(self.validation):
            return []
        rank, num_ranks = self._place()
        at_once = _TEXTS_AT_ONCE * num_ranks
        settings = OrderSettings(
            seed=self._seed, batch_size=at_once, shuffle=False, last_batch="keep"
        )
        sampler = GlobalOrderSampler(len(self.validation), settings, rank=rank, num_ranks=num_ranks)
        return self._loader(self.validation, sampler)

    @cached_property
    def _parts(self) -> tuple[list[Attribute], list[Attribute]]:
        return hold_out(self.source.attributes, self._validation_share, self._seed)

    def _read_source(self) -> KnowledgeSource:
        if self._given is None:
            raise RuntimeError("no texts were given")
        return self._given

    def _further_texts(self) -> Iterable[str]:
        """Return texts that the vocabulary is trained on beside the attributes."""
        return ()

    def _sampler(self) -> GlobalOrderSampler:
        texts = self.training
        groups = self._groups
        batch_size = groups.groups_per_batch * groups.samples_per_group
        rank, num_ranks = self._place()
        return GlobalOrderSampler(
            len(texts),
            OrderSettings(seed=self._seed, batch_size=batch_size, groups=groups),
            group_id=texts.group_id,
            is_anchor=texts.is_name if groups.with_anchor else None,
            data_hash=texts.content_hash(),
            rank=rank,
            num_ranks=num_ranks,
        )

    def _place(self) -> tuple[int, int]:
        """Return which of how many ranks this is."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def _loader(self, texts: AttributeTexts, sampler: GlobalOrderSampler) -> DataLoader[int]:
        collate = AttributeCollator(texts, self.tokenizer, self.max_tokens)
        return OrderedLoader(
            AttributesDataset(texts), sampler, collate, num_workers=self._num_workers
        )


class GraphAttributesDataModule(AttributesDataModule):
    """Loads what a knowledge graph says about diseases.

    Args:
        graph: The graph.
        diseases: Which diseases, such as ``descendants of cancer``; None for all.
        attributes: Which texts.
        groups: Diseases in a batch and texts of each.
        tokenizer: How the tokenizer is made.
        captions_of: Folder of pairs whose training captions the vocabulary is trained on too, so
            that it serves them in the next stage.
        max_tokens: Largest number of tokens of a text.
        validation_share: Share of the texts that are no names to hold out.
        seed: Seed of the order and of what is held out.
        num_workers: Number of loader processes; 0 loads in the main process.
    """

    def __init__(
        self,
        *,
        graph: Path,
        diseases: str | None = None,
        attributes: AttributeSettings = _ATTRIBUTES,
        groups: GroupBatches = _GROUPS,
        tokenizer: TokenizerSettings = _TOKENIZER,
        captions_of: Path | None = None,
        max_tokens: int = 256,
        validation_share: float = 0.0,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            None,
            groups=groups,
            tokenizer=tokenizer,
            max_tokens=max_tokens,
            validation_share=validation_share,
            seed=seed,
            num_workers=num_workers,
        )
        self._graph = graph
        self._diseases = diseases
        self._attributes = attributes
        self._captions_of = captions_of

    def _read_source(self) -> KnowledgeSource:
        graph = read_graph(self._graph)
        ids = None if self._diseases is None else select(graph, self._diseases)
        return KnowledgeSource.of_graph(graph, ids, self._attributes)

    def _further_texts(self) -> Iterable[str]:
        if self._captions_of is None:
            return ()
        rows = read_pairs(self._captions_of).rows(TRAIN)
        return (caption for row in rows for caption in row.captions)
