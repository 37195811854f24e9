"""``medvlp export`` writes open_clip's layout, and asks before it hands on UMLS text."""

import dataclasses
import json

from medvlp.cli.main import main
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.bundle import BundleCard, save_bundle
from medvlp.models.bundle_schema import Provenance
from medvlp.models.dual_encoder import DualEncoder
from medvlp.text.tokenizer import train_tokenizer
from medvlp.types import ImagePreprocessing

CARD = BundleCard(
    name="tiny",
    modality="slide",
    preprocessing=ImagePreprocessing(
        input_px=48, resize_px=48, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
    ),
    scale=None,
    provenance=Provenance(medvlp_version="0"),
    license="Apache-2.0",
)


def write(folder, holds_umls: bool) -> None:
    tokenizer = train_tokenizer(["normal renal tissue"], 60)
    settings = DualEncoderSettings(
        embed_dim=16,
        image=ImageTowerSettings(architecture="test_resnet"),
        text=TextTowerSettings(width=32, layers=1, heads=2, feedforward=48, max_tokens=16),
    )
    provenance = CARD.provenance.model_copy(update={"holds_umls": holds_umls})
    card = dataclasses.replace(CARD, provenance=provenance)
    save_bundle(folder, DualEncoder(settings, tokenizer.vocab_size), tokenizer, card)


def test_export__writes_the_layout_of_open_clip(tmp_path, capsys):
    write(tmp_path / "b", holds_umls=False)
    words = ["export", "open-clip", str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "out")
    assert "hf_model_name" in printed.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"} <= names


def test_export__asks_before_it_hands_on_umls_text(tmp_path, capsys):
    write(tmp_path / "b", holds_umls=True)
    words = ["export", "open-clip", str(tmp_path / "b"), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    assert "MV2111" in capsys.readouterr().err
    assert main([*words, "--allow-umls", "--json", "--text-model", "a/b"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "HTML entities" in note
