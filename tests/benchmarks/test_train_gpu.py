"""The benchmark asks for a run as a user would: its own words last."""

import argparse
from pathlib import Path

import pytest

from benchmarks.train_gpu import TINY, command


@pytest.mark.parametrize("towers", ["tiny", "B/16"])
def test_command__is_a_run_of_medvlp_with_all_that_was_asked_for(towers):
    options = argparse.Namespace(
        device="cpu",
        precision="fp32",
        towers=towers,
        batch=4,
        steps=6,
        workers=2,
        peak_tflops=1.5,
        further=["--run.progress=false"],
    )
    words = command(options, Path("inputs"), Path("run"))
    assert words[1:5] == ["-m", "medvlp", "train", "fit"]
    own = ["--data.num_workers=2", "--run.watch.peak_tflops=1.5", "--run.folder=run"]
    assert {*own, "--trainer.max_steps=6", "--trainer.strategy=ddp"} <= set(words)
    assert not any("callbacks" in word for word in words)
    assert set(TINY) <= set(words) or towers != "tiny"
    assert words[-1] == "--run.progress=false"
