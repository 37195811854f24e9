"""The scan at hand: what several tasks of one model would otherwise read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.jobs.workers import run_in_worker
from medvlp.volumes.unit_views import UnitView, cut_unit_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.pipelines.embed_scans import ScanEmbedder
    from medvlp.types import Case
    from medvlp.volumes.survey import ScanSurvey
    from medvlp.volumes.units import ScanUnit

__all__ = ["ScanDesk"]


class ScanDesk:
    """One encoder with the last scan that it looked at; tasks are judged scan by scan.

    Args:
        embedder: Makes features, or reads those that are there.

    Attributes:
        embedder: The same.
    """

    def __init__(self, embedder: ScanEmbedder) -> None:
        self.embedder = embedder
        self._case: Case | None = None
        self._survey: ScanSurvey | None = None
        self._views: dict[str, UnitView] = {}

    def survey(self, case: Case) -> ScanSurvey:
        """Look at a scan, unless it is the one at hand.

        Raises:
            MedvlpError: As :meth:`ScanEmbedder.survey`.
        """
        if self._survey is None or self._case != case:
            self._survey = None
            self._survey = self.embedder.survey(case)
            self._case, self._views = case, {}
        return self._survey

    def views(self, case: Case, units: Sequence[ScanUnit]) -> list[UnitView]:
        """Cut sections through boxes of a scan, in a worker process, each box once.

        Args:
            case: The scan.
            units: Boxes of its survey.
        """
        self.survey(case)
        missing = [unit for unit in units if unit.name not in self._views]
        if missing:
            settings = self.embedder.settings
            cut = run_in_worker(
                cut_unit_views,
                self.embedder.with_mask(case),
                missing,
                self.embedder.encoder.preprocessing,
                settings.rules,
                limits=settings.limits,
            )
            self._views |= {view.name: view for view in cut}
        return [self._views[unit.name] for unit in units]
