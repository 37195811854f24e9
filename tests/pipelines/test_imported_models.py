"""Models of other programs serve `embed` and `zero-shot` like our own, once imported."""

import json
from pathlib import Path

import open_clip
import safetensors.torch

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.models.bundle import load_bundle
from medvlp.slides.features import read_features
from tests.models.conftest import TINY_CLIP, filled_randomly
from tests.models.importers.releases import write_keep


def keep(folder: Path) -> str:
    model = write_keep(folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    return "keep"


def quiltnet(folder: Path) -> str:
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP}))
    state = filled_randomly(open_clip.CLIP(**TINY_CLIP)).state_dict()
    safetensors.torch.save_file(state, folder / "open_clip_model.safetensors")
    return "quiltnet"


def imported(kind: str, folder: Path, tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    assert main(["import", kind, str(folder), "--out", str(bundle)]) == 0
    return bundle


def test_keep__diagnoses_slides_after_the_import(
    phantom_slides: Path, task_file: Path, tmp_path: Path
) -> None:
    bundle = imported(keep(tmp_path / "release"), tmp_path / "release", tmp_path)
    words = ["zero-shot", str(phantom_slides / "phantom_000.tif"), "--task", str(task_file)]
    assert main([*words, "--model", str(bundle), "--out", str(tmp_path / "run")]) == 0
    (row,) = read_predictions(tmp_path / "run")
    assert (row.model, row.status) == ("keep", "diagnosed")


def test_quiltnet__embeds_slides_after_the_import(phantom_slides: Path, tmp_path: Path) -> None:
    bundle = imported(quiltnet(tmp_path / "release"), tmp_path / "release", tmp_path)
    words = ["embed", str(phantom_slides / "phantom_000.tif"), "--model", str(bundle)]
    assert main([*words, "--out", str(tmp_path / "features")]) == 0
    (written,) = (tmp_path / "features").rglob("*.h5")
    features = read_features(written)
    encoder = load_bundle(bundle).image_encoder
    assert features.features.shape[1] == encoder.dim
    assert features.meta.weights_sha256 == encoder.weights_sha256
    assert features.meta.is_projected
