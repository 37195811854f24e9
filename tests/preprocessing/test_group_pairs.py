"""The entry point parses its file, prints what became of rows, and exits honestly."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.cli.entry import run
from preprocessing.group_pairs import GroupPairsConfig, main

CONFIG = Path(__file__).parents[2] / "configs" / "preprocess" / "group_pairs.yaml"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        pixels = rng.integers(0, 255, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 80)).save(tmp_path / name)
    lines = ["image,caption", "a.png,lung cancer here", "b.png,normal colon", "c.png,not there"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv"


def test_main__groups_prints_and_exits_with_0_twice(source, tmp_path, capsys) -> None:
    words = [str(CONFIG), f"source={source}", f"out={tmp_path / 'out'}"]
    for _ in range(2):
        assert run(main, GroupPairsConfig, words) == 0
        told = capsys.readouterr().out
        assert "rows: 3 read = 2 kept + 1 dropped" in told
        assert "dropped by images: 1 image cannot be read" in told
        assert "labels: unknown 1, normal 1" in told or "labels: normal 1, unknown 1" in told
    assert (tmp_path / "out" / "pairs" / "pairs.parquet").exists()


def test_main__refuses_an_unknown_key_and_an_unusable_source(source, tmp_path, capsys) -> None:
    words = [str(CONFIG), f"source={source}", f"out={tmp_path / 'out'}"]
    assert run(main, GroupPairsConfig, [*words, "duplicates.cosin=0.9"]) == 2
    assert "did you mean 'cosine'" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text(json.dumps({"image": "c.png", "caption": "x y"}))
    assert run(main, GroupPairsConfig, [*words, f"source={tmp_path / 'empty.jsonl'}"]) == 1
    told = capsys.readouterr()
    assert "MV2140" in told.err
    assert not (tmp_path / "out" / "pairs").exists()
