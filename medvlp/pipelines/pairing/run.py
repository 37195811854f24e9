"""Rows of a source in, a folder of semantic groups out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from medvlp import __version__
from medvlp.errors import DataError
from medvlp.io import check_output_folder, content_sha256, json_sha256
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobItem, JobReport, run_items
from medvlp.knowledge.linking import Linker
from medvlp.knowledge.store import read_graph
from medvlp.pipelines.pairing.embedders import load_embedder
from medvlp.pipelines.pairing.images import drop_bad_captions, images_of
from medvlp.pipelines.pairing.labels import Labeller
from medvlp.pipelines.pairing.ledger import RowLedger
from medvlp.pipelines.pairing.outputs import SUMMARY_FILE, write_grouped_pairs
from medvlp.pipelines.pairing.settings import PairingSettings
from medvlp.pipelines.pairing.steps import PairingTools, find_groups, load_texts
from medvlp.pipelines.pairing.survey import num_parts, read_survey, survey_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.pipelines.pairing.source import SourceRow
    from medvlp.pipelines.pairing.survey import ImageSurvey

__all__ = ["group_pairs", "pairs_folder"]

_NO_EFFECT_ON_RESULT = {"device", "batch_size", "features"}


def pairs_folder(out: Path) -> Path:
    """Return the folder of pairs that a run writes."""
    return out / "pairs"


def group_pairs(
    rows: Sequence[SourceRow],
    settings: PairingSettings,
    out: Path,
    *,
    open_progress: Callable[[int], AbstractContextManager[ProgressSink]],
    lease: LeaseSettings,
) -> JobReport:
    """Group image-caption pairs and write them as a folder of pairs.

    What is done is kept: the same call goes on after a stop, and does nothing when all is there.

    Args:
        rows: The rows of a source; their order does not matter.
        settings: All steps.
        out: Output folder; the pairs are in ``pairs`` below it.
        open_progress: Opens what is told of parts of images, given their number.
        lease: How long a silent process keeps its part.

    Returns:
        What became of each part of images, and of the folder of pairs.

    Raises:
        DataError: If the source contradicts itself or nothing of it is left (MV213x, MV2140).
        ModelError: If an encoder cannot be loaded (MV14xx).
    """
    check_output_folder(out)
    state = out / ".medvlp" / "group_pairs"
    ledger = RowLedger(rows)
    drop_bad_captions(ledger, settings.captions)
    images = images_of(ledger.kept())
    tools = _load_tools(settings)
    paths = [image.first.path for image in images]
    with open_progress(num_parts(len(paths))) as progress:
        surveyed = survey_all(
            paths, settings.images, tools.embedder, state, progress=progress, lease=lease
        )
    if surveyed.failures:
        return surveyed

    def work(_: JobItem[Path], note_stage: Callable[[str], None]) -> None:
        note_stage("group")
        survey = read_survey(len(paths), settings.images, tools.embedder, state)
        pairs, summary = find_groups(ledger, images, survey, settings, tools)
        note_stage("write")
        summary |= {
            "fingerprint": _fingerprint(ledger, settings, tools, survey),
            **_made_with(tools),
        }
        write_grouped_pairs(
            pairs_folder(out),
            pairs,
            ledger,
            summary=summary,
            settings=settings.output,
            graph=tools.graph,
        )

    def is_done(item: JobItem[Path]) -> bool:
        if not (item.payload / SUMMARY_FILE).exists():
            return False
        survey = read_survey(len(paths), settings.images, tools.embedder, state)
        _check_same(item.payload, _fingerprint(ledger, settings, tools, survey))
        return True

    written = run_items(
        [JobItem("pairs", "the folder of pairs", pairs_folder(out))],
        work,
        is_done=is_done,
        state_folder=state / "write",
        progress=NullProgress(),
        lease=lease,
    )
    return JobReport(surveyed.outcomes + written.outcomes)


def _load_tools(settings: PairingSettings) -> PairingTools:
    graph = None if settings.labels.graph is None else read_graph(settings.labels.graph)
    linker = Linker(graph) if graph is not None and settings.labels.link_captions else None
    content = settings.images.content
    judge = None if content is None else load_texts(settings.duplicates.encoder)
    ranker = (
        None if settings.merging.text_model is None else load_texts(settings.merging.text_model)
    )
    return PairingTools(
        embedder=load_embedder(settings.duplicates, is_judged=content is not None),
        judge=judge,
        ranker=ranker,
        graph=graph,
        labeller=Labeller(settings.labels, graph, linker),
    )


def _fingerprint(
    ledger: RowLedger, settings: PairingSettings, tools: PairingTools, survey: ImageSurvey
) -> str:
    features = settings.duplicates.features
    plain = settings.model_dump(
        mode="json",
        include=set(PairingSettings.model_fields),
        exclude={"duplicates": _NO_EFFECT_ON_RESULT, "labels": {"graph"}},
    )
    described = {
        "version": __version__,
        "settings": plain,
        "rows": sorted(map(_row_sha256, ledger.rows)),
        "images": survey.content_sha256,
        "encoder": None if tools.embedder is None else tools.embedder.identity,
        "features": None if features is None else content_sha256(features, companions=False),
        "graph": None if tools.graph is None else tools.graph.content_sha256,
    }
    return json_sha256(described)


def _row_sha256(row: SourceRow) -> str:
    return json_sha256({**asdict(row), "number": 0, "path": ""})


def _made_with(tools: PairingTools) -> dict[str, Any]:
    return {
        "medvlp": __version__,
        "encoder": None if tools.embedder is None else tools.embedder.identity,
        "graph_sha256": None if tools.graph is None else tools.graph.content_sha256,
    }


def _check_same(folder: Path, wanted: str) -> None:
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    found = str(summary.get("fingerprint", ""))
    if found != wanted:
        raise DataError(
            "MV2139",
            f"{folder} was made from another source or with other settings ({found[:12]})",
            expected=f"source and settings of this run ({wanted[:12]})",
            hint="choose another output folder, or delete this one",
        )
