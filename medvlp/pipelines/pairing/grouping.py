"""Join images and captions to semantic groups, and choose what each group says.

Images of one cluster belong together; so do images that share a caption, and those whose captions
are near-duplicates. A group is whatever such ties join.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medvlp.pipelines.pairing.caption_quality import normalize_caption
from medvlp.pipelines.pairing.captions import caption_families, rank_captions, word_set
from medvlp.pipelines.pairing.clusters import components

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.settings import CaptionMerging

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

CaptionNode = tuple[str, str, str]
"""Split, scope and normalised text of a caption."""

__all__ = ["CaptionedImage", "Grouping", "TextEmbedder", "group_images"]


class TextEmbedder(Protocol):
    """Embeds texts as unit vectors."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return unit vectors, shape ``(n, D)``, float32.

        Args:
            texts: n texts.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionedImage:
    """One image with its good captions.

    Attributes:
        name: Unique name of the image.
        captions: Its cleaned captions, one or more; repeated ones count.
        scope: Where near-duplicates are looked for.
        group: Semantic group that is known already, or empty.
        split: Its split; no group crosses splits, so that no caption of a test speaks in training.
    """

    name: str
    captions: tuple[str, ...]
    scope: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Which image is in which group; N images, G groups, numbered by their first image's name.

    Attributes:
        group_of: Group of each image, shape ``(N,)``, int64.
        captions: Captions that each group keeps, the most representative first.
        num_dropped_captions: How many different captions groups did not keep.
        counts: Number of groups after each kind of tie.
    """

    group_of: Ints
    captions: tuple[tuple[str, ...], ...]
    num_dropped_captions: int
    counts: dict[str, int]


def group_images(
    images: Sequence[CaptionedImage],
    clusters: Ints,
    settings: CaptionMerging,
    text_embedder: TextEmbedder | None = None,
) -> Grouping:
    """Join images to groups.

    Args:
        images: N images.
        clusters: Cluster of near-duplicates of each image, shape ``(N,)``, int64; none crosses
            splits.
        settings: How captions join groups, and how many a group keeps.
        text_embedder: Ranks captions; by words where there is none.

    Returns:
        The groups; the same for the same images in any order.
    """
    captions = _CaptionNodes(images, settings)
    families = captions.families()
    ties = _Ties(len(images))
    counts = {}
    for name, edges in (
        ("near-duplicate images", enumerate(clusters.tolist())),
        ("groups of the source", _known_groups(images)),
        ("identical captions", captions.identical_pairs()),
        ("similar captions", captions.similar_pairs(families)),
    ):
        counts[name] = ties.add(edges)
    group_of = _number_by_name(ties.root, [image.name for image in images])
    kept = _choose_captions(images, group_of, captions, families, text_embedder)
    num_different = len(
        {
            (group, normalize_caption(caption))
            for group, image in zip(group_of.tolist(), images, strict=True)
            for caption in image.captions
        }
    )
    return Grouping(
        group_of=group_of,
        captions=kept,
        num_dropped_captions=num_different - sum(len(item) for item in kept),
        counts=counts,
    )


class _Ties:
    """Images that belong together so far."""

    def __init__(self, count: int) -> None:
        self.root = np.arange(count)

    def add(self, edges: Iterable[tuple[int, int]]) -> int:
        """Join the ends of edges, and return how many groups are left."""
        pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        joined = components(len(self.root), self.root[pairs[:, 0]], self.root[pairs[:, 1]])
        self.root = joined[self.root]
        return len(np.unique(self.root))


class _CaptionNodes:
    """The different captions of each scope, and the images that have them."""

    def __init__(self, images: Sequence[CaptionedImage], settings: CaptionMerging) -> None:
        self._settings = settings
        holders: dict[CaptionNode, list[int]] = defaultdict(list)
        for place, image in enumerate(images):
            for caption in image.captions:
                holders[self.node_of(image, caption)].append(place)
        self.nodes = sorted(holders)
        self._holders = [holders[node] for node in self.nodes]

    def families(self) -> Ints:
        """Return the family of near-duplicates of each node; its own where they do not count."""
        if self._settings.merge != "similar":
            return np.arange(len(self.nodes))
        scopes = [f"{split}/{scope}" for split, scope, _ in self.nodes]
        words = [word_set(text) for _, _, text in self.nodes]
        return caption_families(words, scopes, self._settings)

    def identical_pairs(self) -> list[tuple[int, int]]:
        """Return pairs of images that share a caption."""
        if self._settings.merge == "none":
            return []
        return [(item[0], other) for item in self._holders for other in item[1:]]

    def similar_pairs(self, families: Ints) -> list[tuple[int, int]]:
        """Return pairs of images whose captions are of one family."""
        return [
            (self._holders[first][0], self._holders[node][0])
            for node, first in enumerate(families.tolist())
            if first != node
        ]

    def node_of(self, image: CaptionedImage, caption: str) -> CaptionNode:
        """Return the node of an image's caption."""
        scope = "" if self._settings.across_scopes else image.scope
        return image.split, scope, normalize_caption(caption)

    @property
    def per_group(self) -> int | None:
        """Number of captions that a group keeps."""
        return self._settings.per_group


def _known_groups(images: Sequence[CaptionedImage]) -> list[tuple[int, int]]:
    first: dict[tuple[str, str], int] = {}
    return [
        (first.setdefault((image.split, image.group), place), place)
        for place, image in enumerate(images)
        if image.group
    ]


def _number_by_name(root: Ints, names: Sequence[str]) -> Ints:
    first: dict[int, str] = {}
    for group, name in zip(root.tolist(), names, strict=True):
        first[group] = min(name, first.get(group, name))
    number = {group: place for place, group in enumerate(sorted(first, key=lambda g: first[g]))}
    return np.array([number[group] for group in root.tolist()], dtype=np.int64)


def _choose_captions(
    images: Sequence[CaptionedImage],
    group_of: Ints,
    nodes: _CaptionNodes,
    families: Ints,
    text_embedder: TextEmbedder | None,
) -> tuple[tuple[str, ...], ...]:
    """Return each group's captions: one of each family of near-duplicates, the best first."""
    family_of = dict(zip(nodes.nodes, families.tolist(), strict=True))
    spellings: list[dict[int, Counter[str]]] = [
        defaultdict(Counter) for _ in range(int(group_of.max(initial=-1)) + 1)
    ]
    for group, image in zip(group_of.tolist(), images, strict=True):
        for caption in image.captions:
            family = family_of[nodes.node_of(image, caption)]
            spellings[group][family][caption] += 1
    vectors = _embed_rivals(spellings, text_embedder)
    return tuple(_rank(list(item.values()), nodes.per_group, vectors) for item in spellings)


def _embed_rivals(
    spellings: Sequence[Mapping[int, Counter[str]]], text_embedder: TextEmbedder | None
) -> dict[str, Floats]:
    """Return the vectors of the captions of all groups that have more than one."""
    if text_embedder is None:
        return {}
    groups = [{text for family in item.values() for text in family} for item in spellings]
    rivals = sorted(set[str]().union(*(texts for texts in groups if len(texts) > 1)))
    return dict(zip(rivals, text_embedder.embed(rivals), strict=True)) if rivals else {}


def _rank(
    families: Sequence[Counter[str]], per_group: int | None, vectors: Mapping[str, Floats]
) -> tuple[str, ...]:
    merged: dict[str, Counter[str]] = {}
    for family in families:
        # Families of different scopes can hold the same caption.
        speaker = _order(family, vectors)[0]
        merged.setdefault(normalize_caption(speaker), Counter()).update(family)
    weight = {_order(family, vectors)[0]: family.total() for family in merged.values()}
    return tuple(_order(weight, vectors)[:per_group])


def _order(weight: Mapping[str, int], vectors: Mapping[str, Floats]) -> list[str]:
    captions = sorted(weight)
    if len(captions) == 1:
        return captions
    features = np.stack([vectors[text] for text in captions]) if vectors else None
    places = rank_captions(captions, [weight[text] for text in captions], features)
    return [captions[place] for place in places]
