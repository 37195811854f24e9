"""A folder of cases in, a folder of feature files out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from medvlp.embedding.tiles import EmbedSettings, embed_slide, feature_parameters_sha256
from medvlp.errors import FeatureError, UsageError
from medvlp.io import case_keys, publish_file
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.workers import run_in_worker
from medvlp.models.radiograph.bundle import RadiographBundle
from medvlp.models.volume.volume_encoder import VolumeEncoder
from medvlp.pipelines.cases import items_of, missing_model, write_case_tables
from medvlp.pipelines.embed_scans import ScanEmbedder
from medvlp.pipelines.radiograph_desk import RadiographDesk
from medvlp.slides.features import (
    SlideFeatures,
    check_features_match,
    read_feature_meta,
    read_features,
    write_features,
)
from medvlp.slides.survey import SlideSurvey, slide_content_sha256, survey_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from medvlp.embedding.radiographs import RadiographSettings
    from medvlp.embedding.volumes import ScanSettings
    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings
    from medvlp.models.any_encoder import AnyEncoder
    from medvlp.models.vision import ImageEncoder
    from medvlp.pipelines.discover import Discovery
    from medvlp.types import Case, Modality

__all__ = [
    "CaseEmbedder",
    "SlideEmbedder",
    "embed_cases",
    "embed_slides",
    "make_embedders",
    "model_key",
]


class CaseEmbedder(Protocol):
    """What makes the features of cases of one modality, or reuses those that are there."""

    def has_features(self, case: Case) -> bool:
        """Tell whether the features of a case are there, made as they would be made now."""
        ...

    def embed(self, case: Case, note_stage: Callable[[str], None]) -> None:
        """Make the features of a case where they are missing."""
        ...


def model_key(name: str) -> str:
    """Return the folder name under which outputs of a model are kept."""
    return case_keys([name])[name]


class SlideEmbedder:
    """Make the features of slides with one encoder, or reuse those that are there.

    Args:
        encoder: The image encoder.
        settings: Tiling, tissue, batch size and limits.
        folder: Where ``<case_key>.h5`` files are kept.
        need_projected: Whether features will be compared with text.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        settings: EmbedSettings,
        folder: Path,
        *,
        need_projected: bool = False,
    ) -> None:
        self.encoder = encoder
        self.settings = settings
        self.folder = folder
        self.need_projected = need_projected

    def feature_path(self, case: Case) -> Path:
        """Return where the features of a case are kept."""
        return self.folder / f"{case.case_key}.h5"

    def has_features(self, case: Case, slide_sha256: str | None = None) -> bool:
        """Tell whether the features of a case are there, made as they would be made now.

        Args:
            case: The slide.
            slide_sha256: Hash of the slide's bytes, computed where it is not given.

        Raises:
            FeatureError: MV1302 to MV1306 if features are there that were made otherwise.
        """
        path = self.feature_path(case)
        if not path.exists():
            return False
        meta = read_feature_meta(path)
        check_features_match(
            meta,
            weights_sha256=self.encoder.weights_sha256,
            encoder=self.encoder.name,
            target_mpp=self.settings.tiling.mpp,
            tile_px=self.settings.tiling.tile_px,
            overlap=self.settings.tiling.overlap,
            need_projected=self.need_projected,
            slide_sha256=slide_sha256 or slide_content_sha256(case.path, case.companions),
        )
        wanted = feature_parameters_sha256(self.encoder, self.settings, case.slide_mpp)
        if meta.params_sha256 != wanted:
            raise FeatureError(
                "MV1306",
                f"{path.name} was made by medvlp {meta.medvlp_version} with other parameters "
                f"({meta.params_sha256[:12]})",
                expected=f"the parameters of this run ({wanted[:12]})",
                hint="choose another output folder, or delete the file",
            )
        return True

    def survey(self, case: Case) -> SlideSurvey:
        """Look at a slide in a worker process: scale, tissue and tile plan."""
        return run_in_worker(
            survey_slide,
            case.path,
            case.companions,
            case.slide_mpp,
            self.settings.tiling,
            self.settings.tissue,
            limits=self.settings.limits,
        )

    def load_or_embed(
        self,
        case: Case,
        survey: SlideSurvey,
        note_stage: Callable[[str], None],
    ) -> SlideFeatures:
        """Return the features of a surveyed slide; make and publish them where they are missing.

        Args:
            case: The slide.
            survey: What was found on it.
            note_stage: Told what is being done, for the failure table.
        """
        path = self.feature_path(case)
        if self.has_features(case, survey.content_sha256):
            note_stage("read features")
            return read_features(path)
        note_stage("encode tiles")
        features = embed_slide(case, survey, self.encoder, self.settings)
        note_stage("write features")
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish_file(path, replace=False) as partial:
            write_features(partial, features)
        return features

    def embed(self, case: Case, note_stage: Callable[[str], None]) -> None:
        """Make the features of a slide where they are missing.

        Args:
            case: The slide.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open slide")
        self.load_or_embed(case, self.survey(case), note_stage)


def embed_slides(
    discovery: Discovery,
    encoder: ImageEncoder,
    settings: EmbedSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Encode every slide of a discovery to ``out/features/<model>/<case_key>.h5``.

    Finished slides are reused after a comparison of slide, weights and parameters. Several
    processes may share ``out``. ``cases.csv`` and ``failures.csv`` tell what became of each case.

    Args:
        discovery: The cases.
        encoder: The image encoder.
        settings: Tiling, tissue, batch size and limits.
        out: Output folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its slide.

    Returns:
        What became of each case.
    """
    embedder = SlideEmbedder(encoder, settings, out / "features" / model_key(encoder.name))
    return embed_cases(discovery, {"slide": [embedder]}, out, progress=progress, lease=lease)


def make_embedders(
    encoders: Sequence[tuple[Modality, AnyEncoder]],
    slide_settings: EmbedSettings,
    scan_settings: ScanSettings,
    radiograph_settings: RadiographSettings,
    out: Path,
) -> dict[Modality, list[CaseEmbedder]]:
    """Return what makes features with each encoder, by modality.

    Args:
        encoders: Encoders with the modality that they take.
        slide_settings: Tiling, tissue, batch size and limits for slides.
        scan_settings: What is accepted of scans, batch size and limits.
        radiograph_settings: Window and limits of X-rays.
        out: Output folder; features go to ``out/features/<model>``.

    Raises:
        UsageError: MV1002 if two models share a name.
    """
    names = [encoder.name for _, encoder in encoders]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(
            "MV1002", f"model {repeated[0]!r} is given twice", expected="models of different names"
        )
    found: dict[Modality, list[CaseEmbedder]] = {}
    for modality, encoder in encoders:
        folder = out / "features" / model_key(encoder.name)
        if isinstance(encoder, VolumeEncoder):
            scans = ScanEmbedder(encoder, scan_settings, folder, organ_folder=out / "organs")
            found.setdefault("ct", []).append(scans)
        elif isinstance(encoder, RadiographBundle):
            images = RadiographDesk(encoder, radiograph_settings, folder)
            found.setdefault("radiograph", []).append(images)
        elif modality == "slide":
            slides = SlideEmbedder(encoder, slide_settings, folder)
            found.setdefault("slide", []).append(slides)
    return found


def embed_cases(
    discovery: Discovery,
    embedders: Mapping[Modality, Sequence[CaseEmbedder]],
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Encode every case with each encoder of its modality.

    Finished cases are reused after a comparison of files, weights and parameters. Several processes
    may share ``out``. ``cases.csv`` and ``failures.csv`` tell what became of each case.

    Args:
        discovery: The cases.
        embedders: What makes features, by modality; they publish below ``out/features``.
        out: Output folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its case.

    Returns:
        What became of each case; MV1109 for one that no encoder takes.
    """

    def work(item: JobItem[Case], note_stage: Callable[[str], None]) -> None:
        case = item.payload
        serving = embedders.get(case.modality, ())
        if not serving:
            note_stage("choose model")
            raise missing_model(case)
        for embedder in serving:
            embedder.embed(case, note_stage)

    def is_done(item: JobItem[Case]) -> bool:
        serving = embedders.get(item.payload.modality, ())
        return bool(serving) and all(embedder.has_features(item.payload) for embedder in serving)

    report = run_items(
        items_of(discovery),
        work,
        is_done=is_done,
        state_folder=out / ".medvlp" / "embed",
        progress=progress,
        lease=lease,
    )
    write_case_tables(out, discovery, report)
    return report
