"""Judge and embed all images of a run in parts that are kept, so that a stopped run goes on.

A part is a few hundred images. Its file holds hashes of the images, the reasons of those that are
dropped and the features of the others; it is used again as long as the images' bytes are the same.
Settings and weights are in the name of the folder.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import MedvlpError, WorkerError
from medvlp.io import content_sha256, json_sha256, publish_file
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.workers import WorkerLimits, run_in_worker, stream_in_worker
from medvlp.pipelines.pairing.decoding import MAX_BYTES, ImageFacts, survey_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings
    from medvlp.pipelines.pairing.embedders import ImageEmbedder
    from medvlp.pipelines.pairing.settings import ImageQuality

    Floats = NDArray[np.float32]

__all__ = ["IMAGES_PER_PART", "ImageSurvey", "num_parts", "read_survey", "survey_all"]

IMAGES_PER_PART = 512
_VERSION = 1
_NO_WORKER = "MV1604"
_LIMITS = WorkerLimits()


@dataclass(frozen=True, kw_only=True)
class ImageSurvey:
    """What is known of all images, in their order; N images, n good ones.

    Attributes:
        content_sha256: Hash of each file's bytes; empty where it cannot be read.
        sizes_px: (width, height), shape ``(N, 2)``, int64; zeros where an image does not decode.
        reasons: Why an image is dropped; empty where it is good.
        details: The measure behind the reason.
        features: Unit vectors, shape ``(N, D)``, float32; zeros for dropped images; D may be 0.
    """

    content_sha256: list[str]
    sizes_px: NDArray[np.int64]
    reasons: list[str]
    details: list[str]
    features: Floats


def survey_all(
    paths: Sequence[Path],
    settings: ImageQuality,
    embedder: ImageEmbedder | None,
    folder: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Survey all images, part by part; parts that are done are kept.

    Args:
        paths: The images, in an order that stays the same.
        settings: What is asked of images.
        embedder: Embeds the good ones; None where features are not needed.
        folder: Where the state of this run is kept; several processes may share it.
        progress: Told of parts.
        lease: How long a silent process keeps its part.

    Returns:
        What became of each part; see :func:`read_survey`.
    """
    parts = survey_folder(folder, settings, embedder)

    def work(item: JobItem[Sequence[Path]], note_stage: Callable[[str], None]) -> None:
        note_stage("judge and embed images")
        facts, features = _survey_part(item.payload, settings, embedder)
        note_stage("write part")
        with publish_file(parts / f"{item.key}.npz") as partial:
            _write_part(partial, facts, features)

    return run_items(
        [
            JobItem(f"images{start:09d}", f"images from {start}", paths[start:][:IMAGES_PER_PART])
            for start in range(0, len(paths), IMAGES_PER_PART)
        ],
        work,
        is_done=lambda item: _is_part_done(parts / f"{item.key}.npz", item.payload),
        state_folder=folder / "survey",
        progress=progress,
        lease=lease,
    )


def num_parts(count: int) -> int:
    """Return the number of parts of so many images."""
    return -(-count // IMAGES_PER_PART)


def survey_folder(folder: Path, settings: ImageQuality, embedder: ImageEmbedder | None) -> Path:
    """Return where the parts of these settings and weights are kept."""
    described = {
        "version": _VERSION,
        "quality": settings.model_dump(mode="json"),
        "encoder": None if embedder is None else embedder.identity,
    }
    return folder / f"images-{json_sha256(described)[:16]}"


def read_survey(
    count: int, settings: ImageQuality, embedder: ImageEmbedder | None, folder: Path
) -> ImageSurvey:
    """Put the parts of a finished survey together.

    Args:
        count: Number of images.
        settings: As in :func:`survey_all`.
        embedder: As in :func:`survey_all`.
        folder: As in :func:`survey_all`.
    """
    parts = survey_folder(folder, settings, embedder)
    dim = 0 if embedder is None else embedder.dim
    found = ImageSurvey(
        content_sha256=[],
        sizes_px=np.zeros((count, 2), np.int64),
        reasons=[],
        details=[],
        features=np.zeros((count, dim), np.float32),
    )
    for start in range(0, count, IMAGES_PER_PART):
        with np.load(parts / f"images{start:09d}.npz", allow_pickle=False) as part:
            found.content_sha256.extend(part["content_sha256"].tolist())
            found.reasons.extend(part["reasons"].tolist())
            found.details.extend(part["details"].tolist())
            found.sizes_px[start:][: len(part["reasons"])] = part["sizes_px"]
            if dim:
                found.features[start:][: len(part["reasons"])] = part["features"]
    return found


def iterate_facts(
    paths: Sequence[Path], settings: ImageQuality, embedder: ImageEmbedder | None
) -> Iterator[ImageFacts]:
    """Survey images in a worker; an image that brings the worker down is dropped, not the run.

    Args:
        paths: The images.
        settings: What is asked of images.
        embedder: Says how pixels are wanted.

    Yields:
        One record per image, in order.
    """
    preprocessing = None if embedder is None else embedder.preprocessing
    done = 0
    while done < len(paths):
        try:
            rest = list(paths[done:])
            for facts in stream_in_worker(
                survey_images, rest, settings, preprocessing, limits=_LIMITS
            ):
                yield facts
                done += 1
        except WorkerError as error:
            if error.code == _NO_WORKER:
                raise
            # The image in hand may not be the culprit, because the worker is one ahead.
            yield _alone(paths[done], settings, preprocessing)
            done += 1


def _alone(path: Path, *arguments: object) -> ImageFacts:
    try:
        return run_in_worker(_survey_one, path, *arguments, limits=_LIMITS)
    except WorkerError as error:
        if error.code == _NO_WORKER:
            raise
        return ImageFacts(
            content_sha256=content_sha256(path, companions=False),
            size_px=(0, 0),
            reason="image does not decode",
            detail=f"{error.code}: {error.what}"[:200],
            rgb=None,
        )


def _survey_one(path: Path, *arguments: object) -> ImageFacts:
    (facts,) = survey_images([path], *arguments)  # type: ignore[arg-type]  # passed through
    return facts


def _survey_part(
    paths: Sequence[Path], settings: ImageQuality, embedder: ImageEmbedder | None
) -> tuple[list[ImageFacts], Floats]:
    facts: list[ImageFacts] = []
    waiting: list[tuple[int, NDArray[np.uint8]]] = []
    features = np.zeros((len(paths), 0 if embedder is None else embedder.dim), np.float32)

    def flush() -> None:
        if waiting and embedder is not None:
            places = [place for place, _ in waiting]
            features[places] = embedder.embed(np.stack([rgb for _, rgb in waiting]))
            waiting.clear()

    for place, found in enumerate(iterate_facts(paths, settings, embedder)):
        facts.append(found)
        if embedder is not None and found.rgb is not None:
            waiting.append((place, found.rgb))
            if len(waiting) == embedder.batch_size:
                flush()
    flush()
    return facts, features


def _write_part(path: Path, facts: Sequence[ImageFacts], features: Floats) -> None:
    with path.open("wb") as file:
        np.savez(
            file,
            content_sha256=np.array([item.content_sha256 for item in facts], dtype=np.str_),
            sizes_px=np.array([item.size_px for item in facts], dtype=np.int64).reshape(-1, 2),
            reasons=np.array([item.reason for item in facts], dtype=np.str_),
            details=np.array([item.detail for item in facts], dtype=np.str_),
            features=features,
        )


def _is_part_done(path: Path, images: Sequence[Path]) -> bool:
    """Tell whether a part is there and was made of the same bytes."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
            hashes: list[str] = part["content_sha256"].tolist()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False
    return hashes == [_hash_of(image) for image in images]


def _hash_of(image: Path) -> str:
    """Return what the survey of an image says of its bytes; nothing of those it does not read."""
    try:
        if image.stat().st_size > MAX_BYTES:
            return ""
        return content_sha256(image, companions=False)
    except (MedvlpError, OSError):
        return ""
