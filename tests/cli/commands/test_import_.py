"""``medvlp import`` makes a bundle, says what must be known, and refuses with a code."""

import json

import numpy as np
import safetensors.torch
import torch

from medvlp.cli.main import main
from medvlp.models.bundle import load_bundle
from tests.models.conftest import filled_randomly
from tests.models.importers.chest_releases import Medklip, write_bert
from tests.models.importers.releases import write_keep
from tests.models.importers.volume_releases import renalclip_tensors


def write(folder) -> None:
    model = write_keep(folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")


def test_import__makes_a_bundle_and_tells_what_must_be_known(tmp_path, capsys):
    write(tmp_path / "keep")
    out = tmp_path / "bundle"
    words = ["import", "keep", str(tmp_path / "keep"), "--out", str(out), "--mpp", "0.5"]
    assert main([*words, "--name", "mine"]) == 0
    printed = capsys.readouterr()
    assert "model 'mine'" in printed.out
    assert "licence: MIT as tagged" in printed.out
    assert "note: " in printed.err
    assert "UNI" in printed.err
    assert load_bundle(out).image_encoder.mpp == 0.5
    assert main([*words, "--name", "mine"]) == 2
    assert "MV2112" in capsys.readouterr().err


def test_import__prints_json(tmp_path, capsys):
    write(tmp_path / "keep")
    words = ["import", "keep", str(tmp_path / "keep"), "--out", str(tmp_path / "b"), "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["name"], record["scale"]) == ("keep", None)
    assert record["num_weights"] > 1000
    assert any("No physical scale" in note for note in record["notes"])


def test_import__refuses_with_a_code(tmp_path, capsys):
    assert main(["import", "kepe", "x", "--out", str(tmp_path / "b")]) == 2
    assert "MV1003" in capsys.readouterr().err
    assert main(["import", "keep", str(tmp_path), "--out", str(tmp_path / "b")]) == 1
    assert "MV2100" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_import__makes_a_bundle_of_a_model_of_volumes_that_inspect_describes(tmp_path, capsys):
    torch.save({"model": renalclip_tensors()}, tmp_path / "released.pt")
    np.savez(tmp_path / "texts.npz", cyst=np.ones(12, np.float32))
    out = tmp_path / "bundle"
    words = ["import", "renalclip", str(tmp_path / "released.pt"), "--out", str(out)]
    assert main([*words, "--texts", str(tmp_path / "texts.npz"), "--orientation", "LAS"]) == 0
    printed = capsys.readouterr()
    assert "model 'renalclip'" in printed.out
    assert "orientation" in printed.err
    assert main(["inspect", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["modality"], facts["preprocessing"]["orientation"]) == ("ct", "LAS")
    assert set(facts["files"]) == {"model.safetensors", "texts.safetensors"}
    assert main([*words[:-1], str(tmp_path / "b"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["modality"], record["preprocessing"]["region"]) == ("ct", "kidney")


def test_import__makes_a_bundle_of_a_network_for_radiographs_that_inspect_describes(
    tmp_path, capsys
):
    write_bert(tmp_path / "bert")
    state = {f"module.{n}": t for n, t in filled_randomly(Medklip()).state_dict().items()}
    torch.save({"model": state}, tmp_path / "released.pth")
    out = tmp_path / "bundle"
    words = ["import", "medklip", str(tmp_path / "released.pth"), "--out", str(out)]
    assert main(words) == 1
    assert "MV2118" in capsys.readouterr().err
    assert main([*words, "--text-model", str(tmp_path / "bert"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["modality"], record["preprocessing"]["input_px"]) == ("radiograph", 224)
    assert main(["inspect", str(out)]) == 0
    assert "medklip" in capsys.readouterr().out
