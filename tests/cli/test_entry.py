"""Offline entry points: YAML with overrides in, an honest exit code out."""

from pathlib import Path

import pytest

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.jobs.outcomes import JobReport, Outcome
from preprocessing.tile_slides import TileSlidesConfig

ROOT = Path(__file__).parents[2]


class Inner(StrictModel):
    size: int = 1


class Config(StrictModel):
    name: str
    inner: Inner = Inner()


def report_of(*statuses: str) -> JobReport:
    return JobReport(
        tuple(
            Outcome(f"k{n}", f"c{n}", status, 0.0, code="MV1201", reason="broken")
            for n, status in enumerate(statuses)
        )
    )


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("name: a\ninner: {size: 2}\n")
    return path


def test_run__hands_over_file_and_overrides(config_file: Path) -> None:
    seen: list[Config] = []

    def main(config: Config) -> JobReport:
        seen.append(config)
        return report_of("done")

    assert run(main, Config, [str(config_file), "name=b", "inner.size=5"]) == 0
    assert seen == [Config(name="b", inner=Inner(size=5))]


def test_run__tells_of_failures(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda _: report_of("done", "failed"), Config, [str(config_file)]) == 1
    found = capsys.readouterr()
    assert "1 of 2 items done" in found.out
    assert "failed c1: MV1201: broken" in found.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nmae=b"], "nmae"),
        (["inner.size=x"], "inner.size"),
        (["justaword"], "MV1006"),
        (["name.deeper=1"], "MV1006"),
    ],
)
def test_run__refuses_a_wrong_override(
    words: list[str], message: str, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lambda _: report_of(), Config, [str(config_file), *words]) == 2
    assert message in capsys.readouterr().err


def test_run__needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda _: report_of(), Config, []) == 2
    assert "MV1006" in capsys.readouterr().err


def test_run__reads_the_shipped_tiling_config() -> None:
    seen: list[TileSlidesConfig] = []

    def main(config: TileSlidesConfig) -> JobReport:
        seen.append(config)
        return report_of()

    assert run(main, TileSlidesConfig, [str(ROOT / "configs/preprocess/tiles.yaml")]) == 0
    assert seen[0].tiling.mpp == 0.5
