"""The X-ray at hand: read once for all tasks of one model; its feature made or reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.embedding.radiographs import (
    RadiographSettings,
    embed_radiograph,
    radiograph_parameters_sha256,
)
from medvlp.errors import FeatureError
from medvlp.io import content_sha256, publish_file
from medvlp.jobs.workers import run_in_worker
from medvlp.radiographs.features import (
    RadiographFeatures,
    read_radiograph_feature_meta,
    read_radiograph_features,
    write_radiograph_features,
)
from medvlp.radiographs.framed import FramedRadiograph, read_framed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.models.radiograph.bundle import RadiographBundle
    from medvlp.types import Case

__all__ = ["RadiographDesk"]


class RadiographDesk:
    """One model of radiographs with the last X-ray that it looked at.

    Args:
        model: The model.
        settings: How X-rays are read.
        folder: Where ``<case_key>.h5`` files are kept.
    """

    def __init__(self, model: RadiographBundle, settings: RadiographSettings, folder: Path) -> None:
        self.model = model
        self.settings = settings
        self.folder = folder
        self._case: Case | None = None
        self._framed: FramedRadiograph | None = None

    def feature_path(self, case: Case) -> Path:
        """Return where the feature of a case is kept."""
        return self.folder / f"{case.case_key}.h5"

    def has_features(self, case: Case, image_sha256: str | None = None) -> bool:
        """Tell whether the feature of a case is there, made as it would be made now.

        Args:
            case: The X-ray.
            image_sha256: Hash of the file's bytes, computed where it is not given.

        Raises:
            FeatureError: MV1302, MV1306 or MV1324 if a feature is there that was made otherwise.
        """
        path = self.feature_path(case)
        if not path.exists():
            return False
        meta = read_radiograph_feature_meta(path)
        if (meta.encoder, meta.weights_sha256) != (self.model.name, self.model.weights_sha256):
            raise FeatureError(
                "MV1302",
                f"{path.name} was made by {meta.encoder} ({meta.weights_sha256[:12]})",
                expected=f"{self.model.name} ({self.model.weights_sha256[:12]})",
                hint="choose another output folder, or delete the file",
            )
        found = image_sha256 or content_sha256(case.path, companions=False)
        if meta.image_sha256 != found:
            raise FeatureError(
                "MV1324",
                f"{path.name} holds the feature of an image with hash {meta.image_sha256[:12]}",
                expected=f"{found[:12]}, the image as it is now",
                hint="choose another output folder, or delete the file to embed it anew",
            )
        wanted = radiograph_parameters_sha256(self.model, self.settings)
        if meta.params_sha256 != wanted:
            raise FeatureError(
                "MV1306",
                f"{path.name} was made by medvlp {meta.medvlp_version} with other parameters "
                f"({meta.params_sha256[:12]})",
                expected=f"the parameters of this run ({wanted[:12]})",
                hint="choose another output folder, or delete the file",
            )
        return True

    def read(self, case: Case) -> FramedRadiograph:
        """Read an X-ray in a worker process, unless it is the one at hand.

        Raises:
            RadiographError: What is wrong with the file (MV24xx).
            WorkerError: If reading crashes or goes over its limits.
        """
        if self._framed is None or self._case != case:
            self._framed = None
            self._framed = run_in_worker(
                read_framed,
                case.path,
                self.model.preprocessing.input_px,
                self.settings.window,
                limits=self.settings.limits,
            )
            self._case = case
        return self._framed

    def load_or_embed(self, case: Case, note_stage: Callable[[str], None]) -> RadiographFeatures:
        """Return the feature of an X-ray; make and publish it where it is missing.

        Args:
            case: The X-ray.
            note_stage: Told what is being done, for the failure table.
        """
        framed = self.read(case)
        path = self.feature_path(case)
        if self.has_features(case, framed.content_sha256):
            note_stage("read features")
            return read_radiograph_features(path)
        note_stage("encode image")
        features = embed_radiograph(case, framed, self.model, self.settings)
        note_stage("write features")
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish_file(path, replace=False) as partial:
            write_radiograph_features(partial, features)
        return features

    def embed(self, case: Case, note_stage: Callable[[str], None]) -> None:
        """Make the feature of an X-ray where it is missing.

        Args:
            case: The X-ray.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open image")
        self.load_or_embed(case, note_stage)
