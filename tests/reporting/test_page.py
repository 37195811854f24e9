import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medvlp.config.run_selections import run_selection
from medvlp.config.selection import SelectionRecord
from medvlp.reporting.page import CaseDetails, CaseFigure, ReportSettings, write_report
from tests.reporting.report_samples import (
    calibration,
    case,
    details,
    empty,
    failure,
    model,
    prediction,
    record,
    task,
)

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}\u202e'
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would find: tags, attributes, text; and whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.stack: list[str] = []
        self.feed(html)
        self.close()
        assert not self.stack, f"not closed: {self.stack}"

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data) -> None:
        if self.stack and self.stack[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [values[name] or "" for _, values in self.tags if name in values]


def write(folder: Path, **changes) -> tuple[str, Page]:
    arguments = {
        "record": record(),
        "predictions": [prediction("a.svs"), empty("b.svs")],
        "failures": [failure("c.svs")],
        "cases": [case("a.svs", "a"), case("b.svs", "b"), case("c.svs", "c"), case("d.svs", "d")],
        "details": {"a.svs": details(folder / "cases" / "a")},
    } | changes
    html = write_report(folder, **arguments).read_text(encoding="utf-8")
    return html, Page(html)


def test_write_report__tells_the_outcome_of_every_case(tmp_path: Path) -> None:
    _, page = write(tmp_path)
    for words in (
        "CCRCC 0.812",
        "PRCC 0.188",
        "1,234 of 1,300",
        "No tissue found",
        "Failed: MV1203 open",
        "Not reached",
        "c.svs has no scale",
        "give --slide-mpp",
        "Decided by the ratio.",
        "Files of this case: cases/a/",
    ):
        assert words in page.text
    for words in ("4 cases", "1 with a prediction", "1 no tissue", "1 failed", "1 not reached"):
        number, outcome = words.split(" ", 1)
        assert f"{outcome} {number}" in page.text


def test_write_report__states_intended_use_and_provenance(tmp_path: Path) -> None:
    _, page = write(tmp_path)
    assert "Intended use: research only. Not for diagnosis or patient care." in page.text
    assert "not calibrated probabilities" in page.text
    for words in (
        *("Task: rcc", "subtype-ratio, mean", "mpp 0.5, tile_px 256", "9f2c9f2c9f2c9f2c..."),
        *("Model: tiny", "3a7b3a7b3a7b3a7b...", "Apache-2.0", "64 numbers"),
        *("1,234.5 s", "python 3.12.1", "prompt 2 of PRCC", "2026-01-02T03:04:05Z"),
    ):
        assert words in page.text


def test_write_report__shows_nodes_sets_and_calibrations(tmp_path: Path) -> None:
    row = prediction(
        "a", node_path=("kidney", "RCC"), node_confidence=0.96875, prediction_set=("CCRCC", "PRCC")
    )
    told = record(
        tasks=(
            replace(
                task(),
                prompt_rule="the best 5 of 9",
                threshold={"value": 0.25, "from": "threshold.json"},
            ),
        ),
        calibrations=(calibration(),),
    )
    _, page = write(
        tmp_path, record=told, predictions=[row], failures=[], cases=[case("a")], details={}
    )
    for words in (
        *("Reported as", "kidney > RCC", "0.969", "Cannot be excluded", "CCRCC, PRCC"),
        *("Confidence is calibrated on 40 labelled cases", "0.925 on left-out cases", "0.375"),
        *("the best 5 of 9", "0.25, from threshold.json"),
    ):
        assert words in page.text
    assert "Next class" not in page.text


def test_write_report__loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    html, page = write(tmp_path)
    (policy,) = [
        values["content"]
        for tag, values in page.tags
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy"
    ]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert page.attributes("style") == [], "the policy would ignore them"
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in page.attributes("src"))
    assert all(target.startswith("#") for target in page.attributes("href"))
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in html.replace("http-equiv", "")


def test_write_report__links_lead_somewhere(tmp_path: Path) -> None:
    _, page = write(tmp_path)
    names = page.attributes("id")
    assert len(names) == len(set(names))
    assert {target.removeprefix("#") for target in page.attributes("href")} <= set(names)


def test_write_report__escapes_hostile_texts(tmp_path: Path) -> None:
    told = details(tmp_path / "cases" / "k", notes=(HOSTILE,))
    figure = CaseFigure(path=told.figures[0].path, title=HOSTILE, description=HOSTILE)
    html, page = write(
        tmp_path,
        record=record(
            models=(model(HOSTILE),),
            tasks=(task(HOSTILE, (HOSTILE, "Normal")),),
            versions={HOSTILE: HOSTILE},
            hashes={HOSTILE: HOSTILE},
            timings_s={HOSTILE: 1.0},
            started_at=HOSTILE,
        ),
        predictions=[
            prediction(
                HOSTILE,
                task=HOSTILE,
                model=HOSTILE,
                prediction=HOSTILE,
                probabilities={HOSTILE: 0.8, "Normal": 0.2},
                scores={HOSTILE: 1.0},
                node=HOSTILE,
                node_path=(HOSTILE, HOSTILE),
                node_confidence=0.8,
                prediction_set=(HOSTILE,),
            )
        ],
        failures=[
            failure(HOSTILE, stage=HOSTILE, code=HOSTILE, reason=HOSTILE, hint=HOSTILE),
        ],
        cases=[case(HOSTILE)],
        details={HOSTILE: CaseDetails(figures=(figure,), notes=(HOSTILE,))},
    )
    assert {tag for tag, _ in page.tags}.isdisjoint({"script"})
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]
    assert all(uri.startswith("data:image/jpeg") for uri in page.attributes("src"))
    assert "<img src=x" not in html
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in html
    assert "\\u202e" in page.text
    assert page.attributes("alt") == [HOSTILE.replace("\u202e", "\\u202e")]


def test_write_report__shows_no_local_name_behind_a_pseudonym(tmp_path: Path) -> None:
    from medvlp.config.runs import CaseRow

    secret = CaseRow(case_id="p-01", case_key="p-01", path="/home/someone/slides/Jane_Doe.svs")
    told = CaseDetails(notes=("Jane_Doe.svs was read twice",))
    html, page = write(
        tmp_path,
        predictions=[],
        failures=[failure("p-01", reason="/home/someone/slides/Jane_Doe.svs is cut")],
        cases=[secret],
        details={"p-01": told},
    )
    assert "p-01 is cut" in page.text
    assert "Jane" not in html
    assert "someone" not in html


def test_write_report__gives_equal_bytes_for_equal_runs(tmp_path: Path) -> None:
    pages = [write(tmp_path / name)[0] for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert str(tmp_path) not in pages[0]
    assert [path.name for path in (tmp_path / "one").iterdir() if path.is_file()] == ["report.html"]


def test_write_report__takes_names_that_are_not_utf_8(tmp_path: Path) -> None:
    _, page = write(
        tmp_path,
        predictions=[prediction("bad\udcff.svs")],
        failures=[],
        cases=[case("bad\udcff.svs")],
        details={},
    )
    assert "bad\\udcff.svs" in page.text


def test_write_report__names_tasks_and_models_where_there_are_several(tmp_path: Path) -> None:
    _, page = write(
        tmp_path,
        record=record(models=(model("m1"), model("m2")), tasks=(task("t1"), task("t2"))),
        predictions=[
            prediction("a.svs", model=m, task=t) for m in ("m1", "m2") for t in ("t1", "t2")
        ],
        failures=[],
        cases=[case("a.svs")],
        details={},
    )
    assert "Case Task Model Prediction" in page.text
    assert "t2 m1 CCRCC" in page.text
    assert "Predictions \N{MIDDLE DOT} t2 \N{MIDDLE DOT} m2" in page.text


def test_write_report__keeps_a_run_of_500_cases_small_and_says_so(tmp_path: Path) -> None:
    names = [f"slide_{number:03d}" for number in range(500)]
    told = details(tmp_path / "cases" / "k")
    html, page = write(
        tmp_path,
        predictions=[prediction(name) for name in names],
        failures=[],
        cases=[case(name) for name in names],
        details=dict.fromkeys(names, told),
    )
    assert len(page.attributes("src")) == 40 * 2
    assert (
        "in this page for the first 40 cases; those of 460 more are in their folders" in page.text
    )
    assert page.text.count("slide_499") == 2
    assert len(html) < 3_000_000


def test_write_report__lists_no_more_prompts_than_asked(tmp_path: Path) -> None:
    _, page = write(tmp_path, settings=ReportSettings(max_prompts=2))
    assert "prompt 1 of PRCC" in page.text
    assert "prompt 2 of PRCC" not in page.text
    assert "1 more are in run.json" in page.text
    assert "PRCC (3)" in page.text


@pytest.mark.parametrize(("cases", "is_open"), [(1, True), (5, False)])
def test_write_report__unfolds_cases_of_small_runs(tmp_path: Path, cases, is_open) -> None:
    names = [f"{number}" for number in range(cases)]
    _, page = write(
        tmp_path,
        predictions=[prediction(name) for name in names],
        failures=[],
        cases=[case(name) for name in names],
        details={},
    )
    sections = [values for tag, values in page.tags if values.get("class") == "case"]
    assert len(sections) == cases
    assert all(("open" in values) == is_open for values in sections)


def test_write_report__works_without_any_case(tmp_path: Path) -> None:
    _, page = write(tmp_path, predictions=[], failures=[], cases=[], details={})
    assert "cases 0" in page.text


def contrast(first: str, second: str) -> float:
    """Contrast of two colours: WCAG 2.2, relative luminance of sRGB."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_style__is_readable_in_light_and_dark() -> None:
    from medvlp.reporting import page

    css = Path(page.__file__).with_name("report.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{([^}]*--paper: #[0-9a-f]{6};[^}]*)\}", css)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for text in ("ink", "soft", "link", "fail"):
            assert contrast(colours[text], colours["paper"]) >= 4.5, text
            assert contrast(colours[text], colours["raised"]) >= 4.5, text
        assert contrast(colours["warn"], colours["warn-paper"]) >= 4.5
        assert contrast(colours["ink"], colours["warn-paper"]) >= 4.5


def test_write_report__says_in_a_line_of_its_own_what_was_chosen_on_the_test_set(tmp_path) -> None:
    chosen = SelectionRecord(
        chosen="threshold",
        rule="largest for each finding",
        metric="mcc",
        mode="max",
        split="test",
        number=7,
        on_test=True,
    )
    last = SelectionRecord(chosen="checkpoint", rule="last step, nothing was chosen")
    selections = (
        run_selection(last, model="tiny", task="", source="the model"),
        run_selection(chosen, model="tiny", task="rcc", source="t.json"),
    )
    text = write(tmp_path, record=record(selections=selections))[1].text
    warning = "Chosen on the test set, as a user has allowed: tiny with rcc, threshold: largest for"
    assert warning in text
    assert "tiny checkpoint: last step, nothing was chosen" in text
    plain = write(tmp_path, record=record(selections=selections[:1]))[1].text
    assert "Chosen on the test set" not in plain
    assert "Chosen on labelled cases" not in write(tmp_path, record=record())[1].text


def test_write_report__lists_the_thresholds_of_findings(tmp_path) -> None:
    fitted = task(threshold={"values": {"CCRCC": 0.25, "PRCC": 0.5}, "from": "t.json"})
    text = write(tmp_path, record=record(tasks=(fitted,)))[1].text
    assert "CCRCC 0.25, PRCC 0.5, from t.json" in text
