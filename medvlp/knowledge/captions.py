"""Captions with knowledge in them: words left out, names put into sentences, lineages spelt out.

A labelled sample gets, in equal shares by default, its caption as it is, its caption with words
missing, a sentence with its disease's whole lineage, or a sentence with its disease's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.knowledge.concept_names import (
    NORMAL,
    NORMAL_NAMES,
    UNKNOWN,
    ConceptNames,
    read_held_out,
)
from medvlp.knowledge.hierarchy import EXCLUDED_UPPER, hypernym_chain
from medvlp.knowledge.terms import Scope
from medvlp.text.prompts import fill_template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = [
    "NORMAL_NAMES",
    "TEMPLATES",
    "CaptionAugmenter",
    "CaptionSettings",
    "drop_words",
    "hierarchy_caption",
]

TEMPLATES = (
    "{}.",
    "a photomicrograph showing {}.",
    "a photomicrograph of {}.",
    "an image of {}.",
    "an image showing {}.",
    "an example of {}.",
    "{} is shown.",
    "this is {}.",
    "there is {}.",
    "a histopathological image showing {}.",
    "a histopathological image of {}.",
    "a histopathological photograph of {}.",
    "a histopathological photograph showing {}.",
    "shows {}.",
    "presence of {}.",
    "{} is present.",
    "an H&E stained image of {}.",
    "an H&E stained image showing {}.",
    "an H&E image showing {}.",
    "an H&E image of {}.",
    "{}, H&E stain.",
    "{}, H&E.",
)
"""Sentences of published pathology training and zero-shot prompting, ``{}`` where a name goes."""

Probability = Annotated[float, Field(ge=0, le=1)]


class CaptionSettings(StrictModel):
    """How a caption is changed each time it is drawn; the defaults are KEEP's.

    Attributes:
        drop_probability: How often words are left out of a caption.
        drop_share: Words drawn to be left out, as a share of all; the same may be drawn again.
        hierarchy_probability: How often a sentence about the disease takes the caption's place,
            where a disease is known.
        chain_probability: How often such a sentence holds the lineage, and not the name alone.
        use_synonyms: Whether synonyms stand for a disease as often as its name.
        scopes: Scopes of the synonyms that count.
        exclude_synonyms: Texts that never stand for a disease.
        exclude_synonyms_file: A file of further ones, one a line.
        templates: Sentences with ``{}`` where the name goes.
    """

    drop_probability: Probability = 0.5
    drop_share: Annotated[float, Field(ge=0, lt=1)] = 0.4
    hierarchy_probability: Probability = 0.5
    chain_probability: Probability = 0.5
    use_synonyms: bool = True
    scopes: tuple[Scope, ...] = ("EXACT",)
    exclude_synonyms: tuple[str, ...] = ()
    exclude_synonyms_file: Path | None = None
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = TEMPLATES

    @field_validator("templates")
    @classmethod
    def _check_templates(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1:
                raise rule_error("MV1002", f"{template!r} is no template", expected="{} once")
        return templates

    def held_out(self) -> tuple[str, ...]:
        """Return all texts to hold out.

        Raises:
            ConfigError: If the file of them cannot be read (MV1004).
        """
        path = self.exclude_synonyms_file
        return (*self.exclude_synonyms, *(read_held_out(path) if path is not None else ()))


def drop_words(
    caption: str, rng: np.random.Generator, probability: float = 0.5, share: float = 0.4
) -> str:
    """Leave words out of a caption, at times.

    Args:
        caption: The caption; words are what spaces part.
        rng: Where randomness comes from.
        probability: How often words are left out.
        share: Draws of words to leave out, as a share of all words; they are drawn with
            replacement, so that fewer go missing. One word always stays.

    Returns:
        The words that stay, a single space between them.
    """
    words = caption.split()
    if rng.random() < probability:
        places = rng.integers(len(words), size=round(share * len(words))) if words else ()
        dropped = {int(place) for place in places}
        if len(dropped) < len(words):
            words = [word for place, word in enumerate(words) if place not in dropped]
    return " ".join(words)


def hierarchy_caption(
    graph: KnowledgeGraph,
    concept: str,
    rng: np.random.Generator,
    *,
    names: ConceptNames | None = None,
    chain_probability: float = 0.5,
    templates: Sequence[str] = TEMPLATES,
    excluded: Collection[str] = EXCLUDED_UPPER,
) -> str:
    """Make a sentence about a disease: its lineage from the general to the special, or its name.

    Args:
        graph: The knowledge graph.
        concept: The disease, or ``normal`` for tissue without one.
        rng: Where randomness comes from: template, parents, and name or synonym at every level.
        names: What concepts are called; None takes names and exact synonyms of the graph.
        chain_probability: How often it is the lineage.
        templates: Sentences with ``{}``.
        excluded: Concepts too general to stand in a lineage.

    Raises:
        KnowledgeError: If the concept is unknown (MV2001) or all its texts are held out (MV2040).
    """
    names = names or ConceptNames(graph)
    template = templates[int(rng.integers(len(templates)))]
    is_chain = bool(rng.random() < chain_probability)
    if concept == NORMAL:
        texts = names.of(concept)
        return fill_template(template, " ".join(texts) if is_chain else texts[0])
    lineage: Sequence[str] = (concept,)
    if is_chain and not names.is_extra(concept):
        lineage = hypernym_chain(graph, concept, rng, excluded=frozenset(excluded)) or lineage
    return fill_template(template, " ".join(_any_of(names.of(step), rng) for step in lineage))


class CaptionAugmenter:
    """Draws what a sample's text is this time.

    Args:
        graph: The knowledge graph.
        settings: How often what happens.
        extra: Concepts beside the graph, each with its name and then its synonyms.

    Raises:
        ConfigError: If the file of held-out texts cannot be read (MV1004).
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        settings: CaptionSettings | None = None,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.settings = settings or CaptionSettings()
        self._graph = graph
        self._names = ConceptNames(
            graph,
            use_synonyms=self.settings.use_synonyms,
            scopes=self.settings.scopes,
            held_out=self.settings.held_out(),
            extra=extra,
        )

    def __call__(
        self, captions: Sequence[str], concept_ids: Sequence[str], rng: np.random.Generator
    ) -> str:
        """Return a text for a sample.

        Args:
            captions: Its captions, at least one.
            concept_ids: Its diseases; one of them is drawn. ``unknown`` counts as none.
            rng: The sample's own source of randomness.

        Raises:
            KnowledgeError: If a concept is unknown (MV2001) or all its texts are held out (MV2040).
        """
        settings = self.settings
        caption = captions[int(rng.integers(len(captions)))]
        caption = drop_words(caption, rng, settings.drop_probability, settings.drop_share)
        concept = concept_ids[int(rng.integers(len(concept_ids)))] if concept_ids else UNKNOWN
        if concept == UNKNOWN or rng.random() >= settings.hierarchy_probability:
            return caption
        return hierarchy_caption(
            self._graph,
            concept,
            rng,
            names=self._names,
            chain_probability=settings.chain_probability,
            templates=settings.templates,
        )

    def check(self, concept_ids: Iterable[str]) -> None:
        """Look up every concept that captions will be asked for.

        Raises:
            KnowledgeError: As for calling it.
        """
        for concept in concept_ids:
            if concept != UNKNOWN:
                self._names.of(concept)


def _any_of(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
