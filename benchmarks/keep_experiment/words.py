"""Texts of an experiment, shared by all arms: the tokenizer and the attributes of stage 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.keep_experiment.captions import all_captions
from medvlp.data.ignore import ConceptRelation
from medvlp.knowledge.attributes import AttributeSettings, attributes_of
from medvlp.knowledge.captions import CaptionAugmenter, CaptionSettings
from medvlp.text.prompts import fill_template
from medvlp.text.tokenizer import train_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.keep_experiment.captions import CaptionsFile
    from benchmarks.keep_experiment.concepts import Concepts
    from benchmarks.keep_experiment.settings import Recipe
    from medvlp.knowledge.attributes import Attribute
    from medvlp.text.tokenizer import CaptionTokenizer, TokenIds

__all__ = ["Words"]


@dataclass(frozen=True)
class Words:
    """All texts that training may use.

    Attributes:
        concepts: Sets, classes and the graph.
        captions: Templates.
        recipe: The experiment's setting.
    """

    concepts: Concepts
    captions: CaptionsFile
    recipe: Recipe

    @cached_property
    def part(self) -> tuple[str, ...]:
        """Terms that the knowledge encoder is trained on."""
        return self.concepts.part(self.recipe.knowledge.part)

    @cached_property
    def attributes(self) -> list[Attribute]:
        """Texts about those terms."""
        settings = AttributeSettings(scopes=("EXACT", "RELATED"))
        return attributes_of(self.concepts.graph, self.part, settings)

    @cached_property
    def tokenizer(self) -> CaptionTokenizer:
        """Trained on captions and attributes, the same in every arm."""
        texts = [attribute.text for attribute in self.attributes]
        for set_name, labels in self.concepts.sets.items():
            for label in labels:
                texts += all_captions(self.captions, set_name, self.concepts.texts(set_name, label))
        return train_tokenizer(texts, self.recipe.vocab_size)

    @cached_property
    def attribute_tokens(self) -> TokenIds:
        """Tokens of the attributes."""
        return self.encode([attribute.text for attribute in self.attributes])

    @cached_property
    def attribute_group(self) -> NDArray[np.int64]:
        """Place of each attribute's term in ``part``."""
        place = {concept: index for index, concept in enumerate(self.part)}
        return np.array([place[found.concept_id] for found in self.attributes], dtype=np.int64)

    @cached_property
    def attribute_is_name(self) -> NDArray[np.bool_]:
        """Whether an attribute is its term's name."""
        return np.array([found.kind == "name" for found in self.attributes])

    @cached_property
    def relation(self) -> ConceptRelation:
        """Ancestors and descendants among ``part``."""
        return ConceptRelation.from_parents(*self.concepts.graph.parent_lists(self.part))

    def augmenter(self, set_name: str) -> CaptionAugmenter:
        """Return what changes captions of a set in the arms with knowledge.

        Args:
            set_name: The set; its sentences take the place of those about H&E.
        """
        knowledge = self.recipe.knowledge
        templates = dict.fromkeys(
            fill_template(template, "{}") for template in self.captions.of_set(set_name)
        )
        settings = CaptionSettings(
            drop_probability=knowledge.drop_probability,
            hierarchy_probability=knowledge.hierarchy_probability,
            chain_probability=knowledge.chain_probability,
            exclude_synonyms=tuple(sorted(self.concepts.held_out)),
            templates=tuple(templates),
        )
        return CaptionAugmenter(self.concepts.graph, settings)

    def encode(self, texts: list[str]) -> TokenIds:
        """Turn texts into tokens.

        Args:
            texts: The texts.
        """
        return self.tokenizer.encode(texts, self.recipe.max_tokens)
