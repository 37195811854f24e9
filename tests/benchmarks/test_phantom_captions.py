from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import phantom_captions
from benchmarks.phantom_captions import Sizes, run_arm, summarise

SIZES = Sizes(slides=3, regions=1, test_slides=1, steps=1)


def test_run_arm__is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_arm(tmp_path, "keep", 0, "40", SIZES)
    monkeypatch.setattr(phantom_captions, "descend", pytest.fail)
    assert run_arm(tmp_path, "keep", 0, "40", SIZES) == first
    assert first["tiles"] == 3 * 7 * 4


def record(arm: str, seed: int, level: float) -> dict[str, object]:
    hits = np.full((10, 7), level).tolist()
    return {"arm": arm, "condition": "40", "seed": seed, "hits": hits}


@pytest.mark.parametrize(("level", "met"), [(0.9, True), (0.83, False)])
def test_summarise__holds_keep_against_the_target(level: float, met: bool) -> None:
    records = [record("clip", s, 0.8) for s in (0, 1)] + [record("keep", s, level) for s in (0, 1)]
    figures = summarise(records, [0, 1], ["40"], ["clip", "keep"], num_draws=50)
    found = figures["differences_from_clip"]["keep"]["40"]
    assert found["value"] == pytest.approx(100 * (level - 0.8), abs=0.01)
    assert figures["target"]["met"] is met
