"""The folder of a case: read back as written, damaged ones refused."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.config.runs import PredictionRow, RunFolder
from medvlp.errors import OutputError
from medvlp.pipelines.case_folder import read_case_result, result_path, write_case_folder
from medvlp.reporting.page import CaseFigure
from medvlp.reporting.pictures import save_png
from medvlp.types import Case

CASE = Case(case_id="site/a.svs", case_key="site_a", path=Path("a.svs"), modality="slide")
ROW = PredictionRow(
    case_id="site/a.svs",
    model="m",
    task="t",
    modality="slide",
    status="diagnosed",
    prediction="A",
    confidence=0.75,
    n_units=4,
    n_used=4,
    probabilities={"A": 0.75, "B": 0.25},
    prediction_set=("A", "B"),
)


def write_result(run: RunFolder, **changes: object) -> Path:
    record = {
        "content_sha256": "s",
        "mask_sha256": "",
        "parameters_sha256": "p",
        "rows": [asdict(ROW)],
        "figures": [{"path": "heatmap.png", "title": "t", "description": "d", "is_wide": False}],
        "notes": ["why"],
        **changes,
    }
    path = result_path(run, CASE)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    return path


def test_read_case_result__returns_what_was_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_result(run)
    result = read_case_result(run, CASE)
    assert result.rows == (ROW,)
    assert result.details.notes == ("why",)
    assert result.details.figures[0].path == tmp_path / "cases" / "site_a" / "heatmap.png"


@pytest.mark.parametrize("changes", [{"rows": [{"case_id": 1}]}, {"figures": None}])
def test_read_case_result__refuses_a_damaged_file(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    run = RunFolder(tmp_path)
    write_result(run, **changes)
    with pytest.raises(OutputError, match=r"MV1111: the result of case site/a.svs is damaged"):
        read_case_result(run, CASE)


def test_read_case_result__refuses_half_a_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    path = write_result(run)
    path.write_text(path.read_text()[:40])
    with pytest.raises(OutputError, match="delete the folder cases/site_a"):
        read_case_result(run, CASE)


@dataclass(frozen=True)
class Drawn:
    """A finding with one picture."""

    grey: int
    folder: str
    row: PredictionRow = ROW
    content_sha256: str = "c"
    mask_sha256: str = ""
    notes: tuple[str, ...] = ("why",)

    def draw(self, place: Path) -> list[CaseFigure]:
        save_png(place / "p.png", np.full((4, 4, 3), self.grey, np.uint8))
        return [CaseFigure(path=place / "p.png", title=f"seen by {self.folder}", description="d")]


def test_write_case_folder__shows_equal_pictures_of_several_tasks_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    findings = [Drawn(7, "a"), Drawn(9, "b"), Drawn(7, "c")]
    write_case_folder(run, CASE, findings, parameters_sha256="p")
    details = read_case_result(run, CASE).details
    assert [figure.title for figure in details.figures] == ["seen by a; seen by c", "seen by b"]
    assert details.notes == ("why",)
    assert all(figure.path.exists() for figure in details.figures)


def test_write_case_folder__says_which_task_a_note_is_about_unless_all_share_it(
    tmp_path: Path,
) -> None:
    run = RunFolder(tmp_path)
    first = Drawn(1, "a", notes=("by the mean", "cut off below"))
    second = Drawn(2, "b", row=replace(ROW, task="u"), notes=("by pairs", "cut off below"))
    write_case_folder(run, CASE, [first, second], parameters_sha256="p")
    notes = read_case_result(run, CASE).details.notes
    assert notes == ("t: by the mean", "cut off below", "u: by pairs")
    other = replace(second, row=replace(ROW, model="n"), notes=("by pairs",))
    write_case_folder(RunFolder(tmp_path / "x"), CASE, [first, other], parameters_sha256="p")
    notes = read_case_result(RunFolder(tmp_path / "x"), CASE).details.notes
    assert notes == ("t with m: by the mean", "t with m: cut off below", "t with n: by pairs")
