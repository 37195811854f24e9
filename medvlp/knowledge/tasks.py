"""Write the prompts of a zero-shot task from terms of the graph: no hand-written words needed."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Literal

import yaml

from medvlp.config.task import parse_task
from medvlp.errors import KnowledgeError
from medvlp.knowledge.captions import TEMPLATES
from medvlp.knowledge.concept_names import NORMAL_NAMES
from medvlp.knowledge.hierarchy import leaves_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.knowledge.terms import Term

__all__ = ["NORMAL_CLASS", "Depth", "expand_terms", "task_from_terms", "task_yaml"]

logger = logging.getLogger(__name__)

NORMAL_CLASS = "Normal"
Depth = Literal["self", "children", "leaves", "all"]

_MAX_CLASSES = 1000
_MAX_CLASS_NAME = 100
_MAX_WORDS = 2000
_TOP_J = (10, 50)
_CONCEPT = re.compile(r"[A-Za-z]\w*:\S+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z _-]*[A-Za-z]")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def expand_terms(
    graph: KnowledgeGraph, ids: Sequence[str], depth: Depth | None = None
) -> tuple[str, ...]:
    """Return the terms that become classes.

    Args:
        graph: The graph.
        ids: The chosen terms.
        depth: The terms themselves, their children, the leaves below them (a term without children
            stands for itself), or all below them. By default the children of a single term that has
            some, otherwise the terms themselves.

    Returns:
        Ids in order, each once.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    own = [graph[id_].id for id_ in ids]
    if depth is None:
        depth = "children" if len(own) == 1 and graph.children(own[0]) else "self"
    if depth == "self":
        return tuple(dict.fromkeys(own))
    below: dict[str, Callable[[str], tuple[str, ...]]] = {
        "children": graph.children,
        "leaves": lambda id_: leaves_below(graph, id_),
        "all": lambda id_: tuple(sorted(graph.descendants(id_))),
    }
    walk = below[depth]
    return tuple(dict.fromkeys(name for id_ in own for name in (walk(id_) or (id_,))))


def task_from_terms(
    graph: KnowledgeGraph,
    ids: Sequence[str],
    *,
    name: str,
    normal: bool = True,
    synonyms: bool = True,
    mpp: float = 0.5,
    tile_px: int = 256,
    overlap: float = 0.0,
    threshold: float | None = None,
    logit_scale: float | None = None,
    templates: Sequence[str] = TEMPLATES,
) -> dict[str, Any]:
    """Make a slide task whose classes are terms.

    A single term is looked for (head ``detection-ratio``), several are told apart (head
    ``subtype-ratio``); without a normal class the highest tiles decide (head ``top-j``). A name
    that two classes share stays with the one whose preferred name it is, or with neither.

    Args:
        graph: The graph.
        ids: The classes.
        name: Name of the task.
        normal: Whether there is a class of normal tissue.
        synonyms: Whether exact synonyms are names too.
        mpp: Micrometres per pixel of the tiles.
        tile_px: Side of a tile in pixels.
        overlap: Share of a tile that the next one repeats.
        threshold: Probability above which a tile counts as positive, where a single term is
            looked for; 0.5 by default. Refused where several are told apart.
        logit_scale: Multiplier of the cosines; the model's own by default.
        templates: Sentences with ``{}`` where a name goes.

    Returns:
        The plain values of a ``TASK.yaml``, valid for :func:`medvlp.config.task.parse_task`.

    Raises:
        KnowledgeError: MV2001 if there is no such term, MV2012 if there are too few or too many
            classes.
        ConfigError: If a setting is out of its range.
    """
    terms = [graph[id_] for id_ in dict.fromkeys(ids)]
    _check_number(terms, normal=normal)
    names = _names(terms, synonyms=synonyms, normal=normal)
    labels = _labels(terms)
    classes: dict[str, dict[str, Any]] = {}
    for term, label in zip(terms, labels, strict=True):
        concept = {"concept": term.id} if _CONCEPT.fullmatch(term.id) else {}
        classes[label] = {**concept, "names": names[term.id]}
    values: dict[str, Any] = {
        "name": name,
        "modality": "slide",
        "scale": {"mpp": mpp, "tile_px": tile_px, "overlap": overlap},
        **_rule(labels, normal=normal, threshold=threshold),
        "logit_scale": "model" if logit_scale is None else logit_scale,
        "classes": classes,
        "templates": list(templates),
    }
    if normal:
        classes[NORMAL_CLASS] = {"names": list(NORMAL_NAMES)}
    parse_task(values, source=f"task {name}")
    return values


def task_yaml(values: dict[str, Any], *, comment: str = "") -> str:
    """Return a task as YAML whose texts stay texts in every dialect.

    Args:
        values: What :func:`task_from_terms` gave.
        comment: Lines that stand above it.
    """

    class Dumper(yaml.SafeDumper):
        """Quotes every text that is not plain words."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        is_plain = _PLAIN.fullmatch(text) and text.casefold() not in _RESERVED
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if is_plain else '"')

    Dumper.add_representer(str, represent)
    body = yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    above = "".join(f"# {line}\n" for line in comment.splitlines())
    return above + body


def _check_number(terms: Sequence[Term], *, normal: bool) -> None:
    if len(terms) + normal < 2:
        raise KnowledgeError(
            "MV2012",
            f"the selection gives {len(terms)} classes and no normal one",
            expected="at least two classes to tell apart",
            hint="choose more terms, a --depth, or --normal",
        )
    if len(terms) > _MAX_CLASSES:
        raise KnowledgeError(
            "MV2012",
            f"the selection gives {len(terms)} classes",
            expected=f"at most {_MAX_CLASSES}",
            hint="choose a narrower term, or --depth children",
        )


def _rule(labels: Sequence[str], *, normal: bool, threshold: float | None) -> dict[str, Any]:
    given = {} if threshold is None else {"threshold": threshold}
    if not normal:
        return {"head": ["top-j"], "top_j": list(_TOP_J), **given}
    if len(labels) > 1:
        return {"head": ["subtype-ratio"], "normal": NORMAL_CLASS, **given}
    return {
        "head": ["detection-ratio"],
        "positive": labels[0],
        "normal": NORMAL_CLASS,
        "threshold": 0.5,
        **given,
    }


def _names(terms: Sequence[Term], *, synonyms: bool, normal: bool) -> dict[str, list[str]]:
    """Return the names of each class; none of them is a name of another class."""
    owners = {_fold(text): NORMAL_CLASS for text in NORMAL_NAMES} if normal else {}
    for term in terms:
        owners.setdefault(_fold(term.name), term.id)
    claims: dict[str, set[str]] = {}
    for term in terms if synonyms else ():
        for text in term.exact_names[1:]:
            claims.setdefault(_fold(text), set()).add(term.id)
    found: dict[str, list[str]] = {}
    shared: list[str] = []
    for term in terms:
        kept: dict[str, str] = {}
        for text in term.exact_names if synonyms else (term.name,):
            key, words = _fold(text), " ".join(text.split())
            rivals = {owners[key]} if key in owners else claims.get(key, set())
            if rivals - {term.id}:
                shared.append(words)
            elif words and len(words) <= _MAX_WORDS:
                kept.setdefault(key, words)
        if not kept:
            raise KnowledgeError(
                "MV2012",
                f"{term.id} ({term.name}) has no name that no other class has",
                hint=f"leave it out: add 'but not {term.id}' to the selection",
            )
        found[term.id] = list(kept.values())
    if shared:
        logger.warning("names of several classes left out: %s", ", ".join(sorted(set(shared))))
    return found


def _labels(terms: Sequence[Term]) -> list[str]:
    """Return the names of the classes: those of the terms, or their ids where these do not do."""
    taken = {_fold(NORMAL_CLASS)}
    labels: list[str] = []
    for term in terms:
        label = " ".join(term.name.split())
        if len(label) > _MAX_CLASS_NAME or _fold(label) in taken:
            label = term.id[:_MAX_CLASS_NAME]
        taken.add(_fold(label))
        labels.append(label)
    return labels


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
