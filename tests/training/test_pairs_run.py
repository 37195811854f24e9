"""A bundle is made of pairs of images only, and only of contrastive training."""

import numpy as np
import pytest

from medvlp.data.pairs import PairRecord, write_pairs
from medvlp.errors import ModelError
from medvlp.training.cli import main
from medvlp.training.pairs_run import SaveBundle
from medvlp.training.run import RunSettings


def test_save_bundle__passes_over_other_modules(tmp_path):
    run = RunSettings(folder=tmp_path, name="x", license="Apache-2.0")
    SaveBundle(run, {}).write(object())
    assert list(tmp_path.iterdir()) == []


def test_run__refuses_pairs_of_volumes_before_training(tmp_path, smoke_args):
    image = np.full((32, 32, 3), 128, dtype=np.uint8)
    records = [
        PairRecord(
            sample_id=f"slice_{index}",
            image=image,
            captions=("a kidney",),
            group_id=index,
            split="train" if index < 6 else "validation",
        )
        for index in range(12)
    ]
    write_pairs(tmp_path / "pairs", records, modality="ct", encoding="png")
    with pytest.raises(ModelError, match="of modality 'ct'") as caught:
        main([*smoke_args, f"--data.folder={tmp_path / 'pairs'}"])
    assert caught.value.code == "MV1445"
    assert not (tmp_path / "run" / "bundle").exists()
