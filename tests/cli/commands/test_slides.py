"""What ``tile``, ``embed`` and ``zero-shot`` print, and where."""

import pytest
import torch

from medvlp.cli.commands import slides
from medvlp.config.runs import PredictionRow
from medvlp.errors import UsageError


def test_device__is_fp32_on_a_cpu_and_bf16_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert slides._device(slides.Computing()) == ("cpu", "fp32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert slides._device(slides.Computing()) == ("cuda", "bf16")
    assert slides._device(slides.Computing(device="cpu", precision="bf16")) == ("cpu", "bf16")


def test_embed_settings__take_over_limits_and_tiles() -> None:
    found = slides._embed_settings(
        slides.Tiles(mpp=1.0, tile_px=224), slides.Computing(memory_gib=2.0, batch_size=8)
    )
    assert (found.tiling.mpp, found.tiling.tile_px, found.batch_size) == (1.0, 224, 8)
    assert found.limits.memory_bytes == 2 * 2**30


def test_tiling__refuses_an_impossible_share() -> None:
    with pytest.raises(UsageError, match="min_tissue must be in"):
        slides._tiling(slides.Tiles(min_tissue=2.0))


def test_print_predictions__shows_outcome_and_tiles(capsys: pytest.CaptureFixture[str]) -> None:
    common = {"model": "m", "task": "t", "modality": "slide"}
    slides.print_predictions(
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
    slides.print_predictions(
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


@pytest.mark.parametrize("confidence", [0.0, -1.0, 1.5, float("nan")])
def test_check_confidence__refuses_what_is_no_probability(confidence: float) -> None:
    with pytest.raises(UsageError, match="MV1002: --confidence is"):
        slides._check_confidence(confidence)
    slides._check_confidence(1.0)
