"""What is kept of a judged X-ray: a table of the findings, and where the model looked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.io import write_table
from medvlp.reporting.grounding import draw_grounding
from medvlp.reporting.page import CaseFigure
from medvlp.reporting.pictures import save_png

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.config.runs import PredictionRow
    from medvlp.radiographs.framed import FramedRadiograph
    from medvlp.types import Case
    from medvlp.zeroshot.units import CaseVerdict

__all__ = [
    "FINDING_SCORES",
    "MAX_OVERLAYS",
    "FindingTarget",
    "RadiographFinding",
    "radiograph_notes",
]

FINDING_SCORES = "findings"
"""Name, without suffix, of the table of the findings in the folder of a case."""

MAX_OVERLAYS = 4
"""How many findings of an X-ray are drawn for one model and task; all are in the table."""

_GREY = 3


@dataclass(frozen=True, kw_only=True)
class FindingTarget:
    """What a class of a task asks the model for.

    Attributes:
        name: Name of the class.
        finding: Name of the finding, or the free text.
        is_known: Whether the book describes it; free text otherwise.
        is_seen: Whether the model was trained with it; None where the model does not tell.
        threshold: Answer above which it is there.
    """

    name: str
    finding: str
    is_known: bool
    is_seen: bool | None
    threshold: float

    @property
    def kind(self) -> str:
        """Say in a word or two how the model can know it."""
        if self.is_seen is None:
            return "unknown training"
        if self.is_seen:
            return "seen in training"
        return "unseen, described" if self.is_known else "unseen, free text"


@dataclass(frozen=True, kw_only=True)
class RadiographFinding:
    """What one model and task found on an X-ray.

    Attributes:
        case: The X-ray.
        row: The line of the prediction table.
        framed: The X-ray as it was read.
        verdict: The answer of the task.
        targets: What each class asked for; empty where prompts judged.
        attention: Class -> where the model looked, ``(h, w)`` over the input; empty where it does
            not tell.
        notes: Sentences about the finding, such as the rule that decided.
        folder: Name of the subfolder for pictures, empty for the case's own folder.
    """

    case: Case
    row: PredictionRow
    framed: FramedRadiograph
    verdict: CaseVerdict
    targets: tuple[FindingTarget, ...]
    attention: Mapping[str, NDArray[np.float32]]
    notes: tuple[str, ...] = ()
    folder: str = ""

    @property
    def content_sha256(self) -> str:
        """Hash of the X-ray that was judged."""
        return self.framed.content_sha256

    @property
    def mask_sha256(self) -> str:
        """Empty: X-rays have no mask."""
        return ""

    def draw(self, place: Path) -> list[CaseFigure]:
        """Write the table of the findings and the pictures, and return those for the report."""
        maps = {name: self._on_picture(values) for name, values in self.attention.items()}
        self._write_table(place / FINDING_SCORES, maps)
        if not maps:
            return [self._plain(place)]
        figures = []
        for number, name in enumerate(self._shown()):
            path = place / f"attention_{number + 1:02d}.png"
            answer = self.verdict.probabilities[name]
            title = f"{name}: {answer:.3f}"
            save_png(path, draw_grounding(self.framed.image.pixels, maps[name], title=title))
            kind = next(t.kind for t in self.targets if t.name == name)
            figures.append(
                CaseFigure(
                    path=path,
                    title=f"{title} of {self.row.task} ({kind})",
                    description=f"The radiograph beside itself with where the model looked for "
                    f"{name}",
                    is_wide=True,
                )
            )
        return figures

    def _shown(self) -> list[str]:
        """Return the findings to draw: those that are there, else the likeliest one."""
        ranked = sorted(
            self.verdict.probabilities, key=lambda name: -self.verdict.probabilities[name]
        )
        found = [name for name in ranked if name in (self.verdict.findings or ())]
        return (found or ranked[:1])[:MAX_OVERLAYS]

    def _on_picture(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.framed.frame.to_image_map(values).clip(min=0)

    def _plain(self, place: Path) -> CaseFigure:
        path = place / "radiograph.png"
        grey = (self.framed.image.pixels * 255 + 0.5).astype(np.uint8)
        save_png(path, np.repeat(grey[..., None], _GREY, axis=2))
        return CaseFigure(
            path=path,
            title="radiograph",
            description="The radiograph; this model does not tell where it looked",
        )

    def _write_table(self, path: Path, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Write one row for each class: the answer, its threshold, and the peak of the map."""
        by_name = {target.name: target for target in self.targets}
        found = self.verdict.findings
        height, width = self.framed.shape
        rows: list[dict[str, object]] = []
        for name, answer in self.verdict.probabilities.items():
            target = by_name.get(name)
            row: dict[str, object] = {
                "finding": name,
                "probability": float(answer),
                "is_there": None if found is None else name in found,
                "threshold": target.threshold if target else None,
                "asked_for": target.finding if target else name,
                "knowledge": target.kind if target else "",
                "peak_row": None,
                "peak_column": None,
            }
            if name in maps:
                peak = np.unravel_index(int(maps[name].argmax()), maps[name].shape)
                shown = maps[name].shape
                row["peak_row"] = int((peak[0] + 0.5) * height / shown[0])
                row["peak_column"] = int((peak[1] + 0.5) * width / shown[1])
            rows.append(row)
        write_table(path, rows, list(rows[0]))


def radiograph_notes(
    framed: FramedRadiograph, targets: tuple[FindingTarget, ...]
) -> tuple[str, ...]:
    """Say in sentences what a reader must know of the X-ray and of what was asked.

    Args:
        framed: The X-ray as it was read.
        targets: What each class asked for.
    """
    notes = list(framed.image.notes)
    if framed.image.burned_in:
        notes.append("The file says that text is drawn into its pixels.")
    unseen = [target for target in targets if target.is_seen is False]
    described = [target.name for target in unseen if target.is_known]
    free = [target.name for target in unseen if not target.is_known]
    if described:
        notes.append(
            "Not among the findings that the model was trained with, judged by their description: "
            f"{_few(described)}."
        )
    if free:
        notes.append(
            f"Known neither to the model nor to the book, judged by their words alone: {_few(free)}"
            "."
        )
    if targets and all(target.is_seen is None for target in targets):
        notes.append("The model does not tell which findings it was trained with.")
    return tuple(notes)


def _few(names: list[str], most: int = 12) -> str:
    more = "" if len(names) <= most else f" and {len(names) - most} more"
    return ", ".join(names[:most]) + more
