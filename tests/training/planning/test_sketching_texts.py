"""Trainings on texts are sketched with the networks that they build."""

import pytest
import torch

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.flops import count_flops
from medvlp.models.masked_text import MaskedBert
from medvlp.models.text_tower import KnowledgeText
from medvlp.training.planning.memory import Precision, count_activations
from medvlp.training.planning.parsing import parse_run
from medvlp.training.planning.sketches import settings_of
from medvlp.training.planning.sketching import sketch_run
from tests.training.conftest import CONFIGS

MIXED = Precision(4, torch.bfloat16)


def run_of(name: str, *words: str):
    return parse_run(["fit", "--config", str(CONFIGS / f"{name}.yaml"), *words])


def weights(networks) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def test_knowledge__is_the_text_tower():
    run = run_of("keep/phantom_stage1")
    found = sketch_run(run)
    settings = settings_of(run, "model.text", TextTowerSettings)
    pieces = run.config["data"]["tokenizer"]["vocab_size"]
    built = KnowledgeText(settings, pieces, run.config["model"]["embed_dim"])
    assert weights(found.networks) == weights([built])
    assert found.embed_dim == run.config["model"]["embed_dim"]
    groups = run.config["data"]["groups"]
    assert run.batch_size == groups["groups_per_batch"] * groups["samples_per_group"]
    assert 0 < count_activations(found, MIXED, 2).recomputed


@pytest.mark.parametrize("name", ["report_text_small", "report_text_small_simcse"])
def test_reports__are_the_text_tower_and_its_head(name):
    run = run_of(f"renalclip/{name}")
    found = sketch_run(run)
    settings = settings_of(run, "model.text", TextTowerSettings)
    pieces = run.config["data"]["tokenizer"]["vocab_size"]
    dim = run.config["model"]["embed_dim"] or settings.width
    tower = KnowledgeText(settings, pieces, dim)
    is_masked = run.config["model"]["phase"] == "mlm"
    built = MaskedBert(tower) if is_masked else tower
    assert weights(found.networks) == weights([built])
    trained = sum(p.numel() for p in built.parameters() if p.requires_grad)
    sketched = {id(p): p for n in found.networks for p in n.parameters() if p.requires_grad}
    assert sum(p.numel() for p in sketched.values()) == trained
    one, two = (count_activations(sketch_run(run), MIXED, count).kept for count in (1, 2))
    assert 1.5 * one < two < 2.5 * one


def test_reports__pass_twice_through_the_tower_to_draw_them_together():
    found = sketch_run(run_of("renalclip/report_text_small_simcse"))
    tower, projection = found.networks
    ids = torch.zeros(1, 128, dtype=torch.long, device="meta")
    once = count_flops(lambda: projection(tower(ids, ids == 0)))
    assert found.step_flops == 3 * 2 * once


def test_reports__with_a_decoder_are_not_sketched():
    assert sketch_run(run_of("renalclip/report_text_full")) is None
