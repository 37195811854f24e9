"""What a knowledge graph says about diseases, as texts that train a knowledge encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.knowledge.concept_names import ConceptNames
from medvlp.knowledge.hierarchy import EXCLUDED_UPPER, path_to_root
from medvlp.knowledge.terms import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["Attribute", "AttributeKind", "AttributeSettings", "attributes_of"]

AttributeKind = Literal["name", "synonym", "definition", "hypernym"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One text about one disease.

    Attributes:
        concept_id: The disease.
        kind: What the text is.
        text: The text.
    """

    concept_id: str
    kind: AttributeKind
    text: str


class AttributeSettings(StrictModel):
    """Which texts describe a disease.

    Attributes:
        kinds: Kinds of texts; the name is always among them.
        scopes: Scopes of the synonyms that count.
        exclude_synonyms: Texts that are left out, in whatever spelling.
        hypernym_prefix: What a lineage begins with.
        hypernym_with_name: Whether a lineage ends with the disease itself, or with its parent.
    """

    kinds: Annotated[tuple[AttributeKind, ...], Field(min_length=1)] = get_args(AttributeKind)
    scopes: tuple[Scope, ...] = ("EXACT",)
    exclude_synonyms: tuple[str, ...] = ()
    hypernym_prefix: str = "Hypernym relation: "
    hypernym_with_name: bool = True


def attributes_of(
    graph: KnowledgeGraph,
    ids: Iterable[str] | None = None,
    settings: AttributeSettings | None = None,
    *,
    extra: Mapping[str, Sequence[str]] | None = None,
) -> list[Attribute]:
    """List the texts about diseases, name first, each text of a disease once.

    A disease with several parents has a lineage through each of them, the shortest one.

    Args:
        graph: The knowledge graph.
        ids: Which diseases; None for all that are not obsolete.
        settings: Which texts.
        extra: Concepts beside the graph, each with its name and then its synonyms; they are listed
            after the others.

    Raises:
        KnowledgeError: If an id is unknown (MV2001), or a name is held out (MV2040).
    """
    settings = settings or AttributeSettings()
    if ids is None:
        ids = [term.id for term in graph if not term.is_obsolete]
    names = ConceptNames(
        graph, scopes=settings.scopes, held_out=settings.exclude_synonyms, extra=extra
    )
    attributes: list[Attribute] = []
    for concept in dict.fromkeys((*ids, *(extra or ()))):
        seen: set[str] = set()
        for attribute in _describe(names, concept, settings):
            key = " ".join(attribute.text.casefold().split())
            if attribute.kind == "name" or (attribute.kind in settings.kinds and key not in seen):
                attributes.append(attribute)
            seen.add(key)
    return attributes


def _describe(
    names: ConceptNames, concept: str, settings: AttributeSettings
) -> Iterator[Attribute]:
    name, *synonyms = names.of(concept)
    yield Attribute(concept, "name", name)
    for text in synonyms:
        yield Attribute(concept, "synonym", text)
    if names.is_extra(concept):
        return
    term = names.graph[concept]
    for definition in term.definitions:
        text = " ".join(definition.text.split())
        if text and not names.is_held_out(text):
            yield Attribute(concept, "definition", text)
    for parent in term.parents:
        lineage = [step for step in path_to_root(names.graph, parent) if step not in EXCLUDED_UPPER]
        texts = [names.of(step)[0] for step in lineage]
        if texts:
            texts += [name] if settings.hypernym_with_name else []
            yield Attribute(concept, "hypernym", settings.hypernym_prefix + ", ".join(texts))
