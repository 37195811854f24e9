"""Bundles of networks that judge findings are written whole, with what they know of themselves."""

from dataclasses import replace

import pytest
import torch

from medvlp.config.selection import SelectionRecord
from medvlp.errors import ModelError
from medvlp.models.bundle_schema import Provenance
from medvlp.models.radiograph.bundle_schema import read_radiograph_bundle_meta
from medvlp.models.radiograph.bundle_writing import save_radiograph_bundle
from tests.models.radiograph.tiny_findings import findings_card, tiny_network, write_tiny_findings

KINDS = ["facet-queries", "medklip", "kad", "mavl", "carzero"]


@pytest.mark.parametrize("kind", KINDS)
def test_save_radiograph_bundle__says_what_the_network_is(tmp_path, film_tokenizer, kind):
    network = write_tiny_findings(tmp_path / "b", film_tokenizer, kind)
    meta = read_radiograph_bundle_meta(tmp_path / "b")
    assert meta.architecture == network.settings
    assert meta.architecture.architecture == kind
    assert (meta.modality, meta.kind) == ("radiograph", "finding-model")
    assert meta.findings_seen == ("effusion", "nodule")
    assert meta.vocab_size == film_tokenizer.vocab_size
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        "medvlp.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_save_radiograph_bundle__refuses_what_does_not_go_together(tmp_path, film_tokenizer):
    network = tiny_network(film_tokenizer.vocab_size)
    card = findings_card(network.settings)
    other = replace(card, preprocessing=replace(card.preprocessing, input_px=64))
    with pytest.raises(ModelError, match="input_px=32") as caught:
        save_radiograph_bundle(tmp_path / "b", network, film_tokenizer, other)
    assert caught.value.code == "MV1471"
    with pytest.raises(ValueError, match="as the text tower has"):
        save_radiograph_bundle(
            tmp_path / "b", tiny_network(film_tokenizer.vocab_size + 1), film_tokenizer, card
        )
    with torch.no_grad():
        network.head[0].weight[0, 0] = torch.nan
    with pytest.raises(ModelError) as caught:
        save_radiograph_bundle(tmp_path / "b", network, film_tokenizer, card)
    assert caught.value.code == "MV1405"
    assert not (tmp_path / "b").exists()


def test_save_radiograph_bundle__keeps_what_the_weights_were_chosen_on(tmp_path, film_tokenizer):
    chosen = SelectionRecord(
        chosen="checkpoint",
        rule="largest",
        metric="macro AUROC",
        mode="max",
        value=0.91,
        step=400,
        split="val",
        number=30,
        content_sha256=("0123456789abcdef",),
    )
    provenance = Provenance(medvlp_version="0.0.0", selection=chosen)
    write_tiny_findings(tmp_path / "b", film_tokenizer, provenance=provenance)
    assert read_radiograph_bundle_meta(tmp_path / "b").provenance.selection == chosen
