"""The features of scans: made with one encoder, or reused where they are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from medvlp.embedding.volumes import ScanSettings, embed_scan, scan_parameters_sha256
from medvlp.errors import FeatureError
from medvlp.io import json_sha256, publish_file
from medvlp.jobs.workers import run_in_worker
from medvlp.volumes.case_scan import case_content_sha256, read_case_volume
from medvlp.volumes.features import (
    VolumeFeatures,
    read_volume_feature_meta,
    read_volume_features,
    write_volume_features,
)
from medvlp.volumes.mask_writing import write_label_map
from medvlp.volumes.organ_finders import find_organs
from medvlp.volumes.organ_masks import GUARD_ORGANS, mask_content_sha256
from medvlp.volumes.survey import ScanSurvey, missing_mask, survey_scan
from medvlp.volumes.units import is_paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from medvlp.models.volume.volume_encoder import VolumeEncoder
    from medvlp.types import Case
    from medvlp.volumes.features import VolumeFeatureMeta

__all__ = ["ScanEmbedder"]


class ScanEmbedder:
    """Make the features of scans with one encoder, or reuse those that are there.

    Args:
        encoder: The volume encoder.
        settings: What is accepted of scans and masks, organ finder, batch size and limits.
        folder: Where ``<case_key>.h5`` files are kept.
        organ_folder: Where label maps of an organ finder are kept: ``<case_key>-<hash>.nii.gz``,
            the hash of scan, finder, organs and what is accepted of irregular slices.
        need_projected: Whether features will be compared with text.
    """

    def __init__(
        self,
        encoder: VolumeEncoder,
        settings: ScanSettings,
        folder: Path,
        *,
        organ_folder: Path | None = None,
        need_projected: bool = False,
    ) -> None:
        self.encoder = encoder
        self.settings = settings
        self.folder = folder
        self.organ_folder = organ_folder or folder.parent.parent / "organs"
        self.need_projected = need_projected

    def feature_path(self, case: Case) -> Path:
        """Return where the features of a case are kept."""
        return self.folder / f"{case.case_key}.h5"

    def has_features(self, case: Case, scan_sha256: str | None = None) -> bool:
        """Tell whether the features of a case are there, made as they would be made now.

        Args:
            case: The scan.
            scan_sha256: Hash of the scan's bytes, computed where it is not given.

        Raises:
            FeatureError: MV1302, MV1304, MV1306 or MV1321 to MV1323 if features are there that
                were made otherwise.
        """
        path = self.feature_path(case)
        if not path.exists():
            return False
        meta = read_volume_feature_meta(path)
        self._check_encoder(meta)
        found = scan_sha256 or case_content_sha256(case)
        if meta.scan_sha256 != found:
            raise FeatureError(
                "MV1321",
                f"{path.name} holds features of a scan with hash {meta.scan_sha256[:12]}",
                expected=f"{found[:12]}, the scan as it is now",
                hint="choose another output folder, or delete the file to embed it anew",
            )
        self._check_mask(case, meta)
        wanted = scan_parameters_sha256(self.encoder, self.settings)
        if meta.params_sha256 != wanted:
            raise FeatureError(
                "MV1306",
                f"{path.name} was made by medvlp {meta.medvlp_version} with other parameters "
                f"({meta.params_sha256[:12]})",
                expected=f"the parameters of this run ({wanted[:12]})",
                hint="choose another output folder, or delete the file",
            )
        return True

    def survey(self, case: Case) -> ScanSurvey:
        """Look at a scan in a worker process: geometry, values, sides of the body, boxes.

        Raises:
            VolumeError: What is wrong with the scan or its mask; MV1120 where the encoder wants an
                organ and the case has no mask.
        """
        return run_in_worker(
            survey_scan,
            case if self.settings.organ_finder is None else self.with_mask(case),
            self.encoder.preprocessing,
            self.settings.rules,
            limits=self.settings.limits,
        )

    def with_mask(self, case: Case) -> Case:
        """Return the case with the mask that its organ is found in; unchanged without an organ.

        Raises:
            VolumeError: MV1120 where there is none and no organ finder was named, MV2251 if
                that is not installed.
        """
        region = self.encoder.preprocessing.region
        if region is None or case.mask is not None:
            return case
        if self.settings.organ_finder is None:
            raise missing_mask(case, region)
        sides = (f"{region}_right", f"{region}_left") if is_paired(region) else (region,)
        organs = tuple(dict.fromkeys((*sides, *GUARD_ORGANS)))
        made_from = json_sha256(
            [
                case_content_sha256(case),
                self.settings.organ_finder,
                organs,
                self.settings.rules.irregular,
            ]
        )
        path = self.organ_folder / f"{case.case_key}-{made_from[:12]}.nii.gz"
        if not path.exists():
            self._label_organs(case, organs, path)
        return replace(case, mask=path)

    def _label_organs(self, case: Case, organs: tuple[str, ...], path: Path) -> None:
        """Let the organ finder label a scan, and keep what it found."""
        volume = run_in_worker(
            read_case_volume, case, self.settings.rules.irregular, limits=self.settings.limits
        )
        with TemporaryDirectory(prefix="medvlp-organs-") as folder:
            mask = find_organs(self.settings.organ_finder or "", volume, Path(folder), organs)
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish_file(path) as partial:
            write_label_map(partial, mask)

    def embed(self, case: Case, note_stage: Callable[[str], None]) -> None:
        """Make the features of a scan where they are missing.

        Args:
            case: The scan.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open scan")
        self.load_or_embed(case, self.survey(case), note_stage)

    def load_or_embed(
        self, case: Case, survey: ScanSurvey, note_stage: Callable[[str], None]
    ) -> VolumeFeatures:
        """Return the features of a surveyed scan; make and publish them where they are missing.

        Args:
            case: The scan.
            survey: What was found on it.
            note_stage: Told what is being done, for the failure table.
        """
        path = self.feature_path(case)
        if self.has_features(case, survey.content_sha256):
            note_stage("read features")
            return read_volume_features(path)
        note_stage("encode boxes")
        features = embed_scan(
            replace(case, mask=None),
            survey,
            self.encoder,
            self.settings,
            mask_source=self._mask_source(case),
        )
        note_stage("write features")
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish_file(path, replace=False) as partial:
            write_volume_features(partial, features)
        return features

    def _mask_source(self, case: Case) -> str:
        if self.encoder.preprocessing.region is None:
            return ""
        return "file" if case.mask is not None else self.settings.organ_finder or ""

    def _check_encoder(self, meta: VolumeFeatureMeta) -> None:
        if meta.weights_sha256 != self.encoder.weights_sha256:
            raise FeatureError(
                "MV1302",
                f"the features of {meta.case_key} were made with {meta.encoder} "
                f"(weights {meta.weights_sha256[:12]})",
                expected=f"{self.encoder.name} (weights {self.encoder.weights_sha256[:12]})",
                hint="use the model that made them, or embed the scans again with this one",
            )
        if self.need_projected and not meta.is_projected:
            raise FeatureError(
                "MV1304",
                f"the features of {meta.case_key}, made with {meta.encoder}, are not projected "
                "into the space shared with text",
                expected="projected features, which can be compared with prompts",
                hint="embed the scans again with an image-text model",
            )

    def _check_mask(self, case: Case, meta: VolumeFeatureMeta) -> None:
        source = self._mask_source(case)
        if meta.mask_source != source:
            raise FeatureError(
                "MV1322",
                f"the organs of {meta.case_key} came from {meta.mask_source or 'no mask'}",
                expected=source or "no mask",
                hint="give the same masks as before, or choose another output folder",
            )
        if source != "file" or case.mask is None:
            return
        found = mask_content_sha256(case.mask)
        if meta.mask_sha256 != found:
            raise FeatureError(
                "MV1322",
                f"the boxes of {meta.case_key} were found in a mask with hash "
                f"{meta.mask_sha256[:12]}",
                expected=f"{found[:12]}, the mask as it is now",
                hint="choose another output folder, or delete the file to embed it anew",
            )
