"""What ``zero-shot`` prints, and what it refuses."""

import pytest

from medvlp.cli.commands import zero_shot
from medvlp.config.runs import PredictionRow
from medvlp.errors import UsageError


def test_print_predictions__shows_outcome_and_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    common = {"model": "m", "task": "t", "modality": "slide"}
    zero_shot.print_predictions(
        [
            PredictionRow(
                case_id="[red]a",
                status="diagnosed",
                prediction="CCRCC",
                confidence=0.75,
                n_units=9,
                n_used=8,
                n_failed=1,
                **common,
            ),
            PredictionRow(case_id="b", status="no-tissue", **common),
        ]
    )
    text = capsys.readouterr().out
    assert "CCRCC" in text
    assert "0.750" in text
    assert "8/9" in text
    assert "no-tissue" in text
    assert "[red]a" in text


def test_print_predictions__shows_nodes_and_sets_where_there_are_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = {"model": "m", "task": "t", "modality": "slide", "status": "diagnosed"}
    zero_shot.print_predictions(
        [
            PredictionRow(
                case_id="a",
                prediction="A",
                confidence=0.5,
                node_path=("top", "low"),
                node_confidence=0.95,
                prediction_set=("A", "B"),
                **common,
            ),
            PredictionRow(
                case_id="b",
                prediction="B",
                confidence=0.5,
                node_path=(),
                node_confidence=1.0,
                prediction_set=("B",),
                **common,
            ),
        ]
    )
    text = capsys.readouterr().out
    for words in ("reported as", "low 0.950", "undecided", "cannot be excluded", "A, B"):
        assert words in text


@pytest.mark.parametrize(
    ("modalities", "word"),
    [(("slide", "slide"), "tiles"), (("ct",), "boxes"), (("ct", "slide"), "units")],
)
def test_print_predictions__names_what_it_counts(
    modalities: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    zero_shot.print_predictions(
        [
            PredictionRow(
                case_id=str(number), model="m", task="t", modality=modality, status="no-tissue"
            )
            for number, modality in enumerate(modalities)
        ]
    )
    assert word in capsys.readouterr().out


@pytest.mark.parametrize("confidence", [0.0, -1.0, 1.5, float("nan")])
def test_check_confidence__refuses_what_is_no_probability(confidence: float) -> None:
    with pytest.raises(UsageError, match="MV1002: --confidence is"):
        zero_shot._check_confidence(confidence)
    zero_shot._check_confidence(1.0)
