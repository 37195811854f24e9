"""The steps from surveyed images to groups with labels and splits, each counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.errors import ConfigError, DataError
from medvlp.pipelines.pairing.clusters import cluster_images
from medvlp.pipelines.pairing.content import content_margins
from medvlp.pipelines.pairing.embedders import read_feature_file
from medvlp.pipelines.pairing.grouping import CaptionedImage, group_images
from medvlp.pipelines.pairing.labels import decide_label
from medvlp.pipelines.pairing.ledger import Drop
from medvlp.pipelines.pairing.outputs import GroupedImage, GroupedPairs
from medvlp.pipelines.pairing.settings import THUMBNAIL
from medvlp.pipelines.pairing.splits import plan_splits, split_units
from medvlp.pipelines.pairing.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.pipelines.pairing.embedders import ImageEmbedder
    from medvlp.pipelines.pairing.grouping import Grouping, TextEmbedder
    from medvlp.pipelines.pairing.images import SourceImage
    from medvlp.pipelines.pairing.labels import GroupLabel, Labeller
    from medvlp.pipelines.pairing.ledger import RowLedger
    from medvlp.pipelines.pairing.settings import PairingSettings
    from medvlp.pipelines.pairing.survey import ImageSurvey

    Ints = NDArray[np.int64]


__all__ = ["PairingTools", "find_groups", "load_texts"]


@dataclass(frozen=True, kw_only=True)
class PairingTools:
    """Models and knowledge that a run needs.

    Attributes:
        embedder: Embeds images; None where features come from a file or are not needed.
        judge: Embeds the texts that say what images should show.
        ranker: Embeds captions.
        graph: The knowledge graph.
        labeller: Turns rows into votes for concepts.
    """

    embedder: ImageEmbedder | None
    judge: TextEmbedder | None
    ranker: TextEmbedder | None
    graph: KnowledgeGraph | None
    labeller: Labeller


def load_texts(name: str | None) -> TextEmbedder:
    """Load the text tower of a dual encoder.

    Raises:
        ConfigError: If there is no dual encoder of this name (MV1002).
        ModelError: If it cannot be loaded (MV14xx).
    """
    from medvlp.models.bundle import load_bundle  # noqa: PLC0415 - torch only where needed

    if name is None or name == THUMBNAIL:
        raise ConfigError(
            "MV1002",
            f"duplicates.encoder={name} cannot judge what images show",
            expected="a dual encoder where images.content is set",
        )
    return load_bundle(name).text_encoder


def find_groups(
    ledger: RowLedger,
    images: Sequence[SourceImage],
    survey: ImageSurvey,
    settings: PairingSettings,
    tools: PairingTools,
) -> tuple[GroupedPairs, dict[str, Any]]:
    """Take images through all steps.

    Args:
        ledger: The rows; those of images that are left out are dropped here.
        images: All images with a good caption.
        survey: What is known of them, in their order.
        settings: All steps.
        tools: Models and knowledge.

    Returns:
        The groups, and counts of all steps.

    Raises:
        DataError: If nothing is left (MV2140), features do not fit (MV2133), a label is unknown
            (MV2135) or splits cannot be made (MV2136, MV2137).
    """
    good = _good_images(ledger, images, survey, settings, tools)
    kept = [images[place] for place in good]
    features = _features(kept, good, survey, settings)
    scopes = [image.first.scope for image in kept]
    clusters = cluster_images(features, scopes, [i.name for i in kept], settings.duplicates)
    hashes = [survey.content_sha256[place] for place in good]
    splits = _plan_splits(ledger, kept, clusters, hashes, settings)
    grouping = group_images(
        [
            CaptionedImage(
                name=image.name,
                captions=tuple(row.caption for row in image.rows),
                scope=image.first.scope,
                group=image.first.group,
                split=split,
            )
            for image, split in zip(kept, splits, strict=True)
        ],
        clusters,
        settings.merging,
        tools.ranker,
    )
    labels = _label_groups(kept, grouping, settings, tools)
    grouped = [
        GroupedImage(
            image=image,
            group_id=int(grouping.group_of[place]),
            cluster=kept[clusters[place]].name,
            split=splits[place],
            size_px=(int(survey.sizes_px[source, 0]), int(survey.sizes_px[source, 1])),
            content_sha256=hashes[place],
        )
        for place, (source, image) in enumerate(zip(good, kept, strict=True))
        if splits[place]
    ]
    grouped = _without_refused(ledger, grouped, labels)
    pairs = _renumbered(grouped, grouping, labels, settings.output.group_prefix)
    return pairs, summarize(ledger, pairs, grouping, labels)


def _good_images(
    ledger: RowLedger,
    images: Sequence[SourceImage],
    survey: ImageSurvey,
    settings: PairingSettings,
    tools: PairingTools,
) -> list[int]:
    reasons = {
        image.name: Drop("images", reason, detail)
        for image, reason, detail in zip(images, survey.reasons, survey.details, strict=True)
        if reason
    }
    check = settings.images.content
    if check is not None and tools.judge is not None:
        margins = content_margins(survey.features, tools.judge, check).tolist()
        for image, margin in zip(images, margins, strict=True):
            if margin < check.min_margin:
                shown = Drop("images", "image shows something else", f"margin {margin:.3f}")
                reasons.setdefault(image.name, shown)
    ledger.drop_images(reasons)
    _check_something_left(ledger)
    return [place for place, image in enumerate(images) if image.name not in reasons]


def _check_something_left(ledger: RowLedger) -> None:
    if ledger.num_dropped == len(ledger.rows):
        counts = [f"{n} {why}" for found in ledger.counts().values() for why, n in found.items()]
        raise DataError(
            "MV2140",
            f"none of {len(ledger.rows)} rows is left: {', '.join(counts) or 'there were none'}",
            expected="one good image with a good caption at least",
            hint="look at the reasons; names of images are relative to the source's folder",
        )


def _features(
    kept: Sequence[SourceImage],
    good: Sequence[int],
    survey: ImageSurvey,
    settings: PairingSettings,
) -> NDArray[np.float32]:
    if settings.duplicates.features is not None:
        return read_feature_file(settings.duplicates.features, [image.name for image in kept])
    return survey.features[list(good)]


def _label_groups(
    kept: Sequence[SourceImage], grouping: Grouping, settings: PairingSettings, tools: PairingTools
) -> list[GroupLabel]:
    votes: list[list[Any]] = [[] for _ in grouping.captions]
    for group, image in zip(grouping.group_of.tolist(), kept, strict=True):
        for row in image.rows:
            votes[group].extend(tools.labeller.votes(row.caption, row.labels))
    rule = settings.labels.conflict
    return [decide_label(found, tools.graph, rule) for found in votes]


def _without_refused(
    ledger: RowLedger, grouped: Sequence[GroupedImage], labels: Sequence[GroupLabel]
) -> list[GroupedImage]:
    refused = {
        item.image.name: Drop(
            "labels", "group with several labels", ", ".join(labels[item.group_id].votes)
        )
        for item in grouped
        if labels[item.group_id].outcome == "refused"
    }
    ledger.drop_images(refused)
    _check_something_left(ledger)
    return [item for item in grouped if item.image.name not in refused]


def _plan_splits(
    ledger: RowLedger,
    kept: Sequence[SourceImage],
    clusters: Ints,
    hashes: Sequence[str],
    settings: PairingSettings,
) -> list[str]:
    """Return the split of each image; empty, and dropped, where its given split crosses."""
    names = [image.name for image in kept]
    ties = [
        [str(getattr(image.first, column)) for image in kept]
        for column in settings.splits.keep_together
    ]
    units = split_units(len(kept), [*ties, [names[place] for place in clusters], hashes])
    given = [image.first.split for image in kept]
    plan = plan_splits(names, given, units, settings.splits)
    ledger.drop_images(
        {
            names[place]: Drop("splits", "given split crosses", detail)
            for place, detail in plan.dropped.items()
        }
    )
    return ["" if place in plan.dropped else split for place, split in enumerate(plan.splits)]


def _renumbered(
    grouped: Sequence[GroupedImage],
    grouping: Grouping,
    labels: Sequence[GroupLabel],
    prefix: str,
) -> GroupedPairs:
    """Number the groups that are left from 0, and put images in the order of groups."""
    old_ids = sorted({item.group_id for item in grouped})
    new_id = {old: new for new, old in enumerate(old_ids)}
    given: dict[int, set[str]] = {old: set() for old in old_ids}
    anatomy: dict[int, set[str]] = {old: set() for old in old_ids}
    for item in grouped:
        given[item.group_id] |= {item.image.first.group} - {""}
        anatomy[item.group_id] |= {item.image.first.anatomy} - {""}
    taken: set[str] = set()
    names = []
    for new, old in enumerate(old_ids):
        name = min(given[old], default=f"{prefix}_group_{new:06d}")
        names.append(name if name not in taken else f"{name}_{new:06d}")
        taken.add(names[-1])
    ordered = sorted(grouped, key=lambda item: (item.group_id, item.image.name))
    return GroupedPairs(
        images=tuple(replace(item, group_id=new_id[item.group_id]) for item in ordered),
        names=tuple(names),
        captions=tuple(grouping.captions[old] for old in old_ids),
        labels=tuple(labels[old] for old in old_ids),
        anatomies=tuple(min(anatomy[old]) if len(anatomy[old]) == 1 else None for old in old_ids),
    )
