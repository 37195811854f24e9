"""The plan of a run counts what is really built, and says what it could not look at."""

import json

import pytest

from medvlp.config.gpus import GPUS
from medvlp.config.site import SiteProfile, Speeds
from medvlp.errors import ConfigError
from medvlp.models.flops import TRAINING_PASSES
from medvlp.training.planning.parsing import parse_run
from medvlp.training.planning.plan import mean_stored_bytes, plan_run
from medvlp.training.planning.table import plan_lines
from tests.training.conftest import CONFIGS, SMOKE

PLAIN = SiteProfile()
LARGE = CONFIGS / "keep" / "stage2_8x8.yaml"


@pytest.fixture(scope="module")
def large():
    run = parse_run(["fit", "--config", str(LARGE)])
    return plan_run(run, SiteProfile(), nodes=8, gpus_per_node=8)


def test_plan__of_the_cluster_run_fits_and_is_bound_by_compute(large):
    assert (large.ranks, large.batch) == (64, 4096)
    assert sum(part.weights for part in large.parts) == 414_210_817
    terms = {term.name: term.bytes / 2**30 for term in large.memory}
    assert terms["weights"] == pytest.approx(1.54, abs=0.01)
    assert terms["AdamW moments"] == pytest.approx(3.09, abs=0.01)
    assert 17 < terms["activations"] < 19
    assert large.activations.recomputed < large.activations.kept / 8
    assert large.fits
    assert large.bound == "compute"
    # a ViT-L/16 of 224 px is 61.6 GMAC in timm's tables
    image = next(part for part in large.parts if part.name == "image tower")
    assert image.forward_flops / 2e9 == pytest.approx(61.6, rel=0.01)


def test_plan__says_what_was_not_there(large):
    notes = "\n".join(large.notes)
    for place in ("data.folder", "data.graph", "model.text_from", "data.tokenizer.file"):
        assert f"{place}" in notes
    assert "30522 pieces assumed" in notes
    assert large.stored_bytes is None


def test_plan__is_told_in_lines_and_in_json(large):
    lines = list(plan_lines(large, "keep"))
    assert lines[0] == "keep: 8 x 8 = 64 GPUs h100-sxm, batches of 4096: 64 a GPU"
    assert "bound by compute" in lines
    told = "\n".join(lines)
    for word in ("414,210,817", "activations", "of 74.51 (80 GB): fits", "35% of 989.4 TFLOP/s"):
        assert word in told
    values = json.loads(json.dumps(large.to_dict()))
    assert values["fits"] is True
    assert values["times"]["step_s"] == pytest.approx(large.times.step_s)
    assert values["samples_per_s"] == pytest.approx(4096 / large.times.step_s)


def smoke(*words: str, site: SiteProfile = PLAIN, gpus: int = 2):
    run = parse_run(["fit", "--config", str(SMOKE), *words])
    return run, plan_run(run, site, nodes=1, gpus_per_node=gpus)


def test_plan__counts_the_network_that_training_builds(striped_pairs):
    run, plan = smoke(f"--data.folder={striped_pairs}")
    run.module.trainer = type("Trainer", (), {"datamodule": run.data})()
    run.module.configure_model()
    built = run.module.network()
    pieces = run.data.tokenizer.vocab_size
    assert pieces < 200  # the settings allow for more than the captions need
    difference = (200 - pieces) * 32
    counted = {part.name: part.weights for part in plan.parts}
    for name, network in (
        ("image tower", built.image_tower),
        ("text projection", built.text_projection),
    ):
        assert counted[name] == sum(p.numel() for p in network.parameters())
    text = sum(p.numel() for p in built.text_tower.parameters())
    assert counted["text tower"] == text + difference
    total = sum(p.numel() for p in built.parameters())
    assert sum(counted.values()) == total + difference
    forward = sum(part.forward_flops or 0 for part in plan.parts)
    assert plan.load.flops == TRAINING_PASSES * forward * 2


def test_plan__measures_samples_on_disk(striped_pairs):
    _, plan = smoke(f"--data.folder={striped_pairs}")
    sizes = sum(path.stat().st_size for path in striped_pairs.glob("*.tar"))
    assert plan.stored_bytes == pytest.approx(sizes / 60)
    assert any("MB/s from disk" in line for line in plan_lines(plan, "x"))
    assert mean_stored_bytes(None) is None


def test_plan__says_where_it_does_not_fit(monkeypatch):
    tiny = type(GPUS["a40"])(**{**vars(GPUS["a40"]), "memory_gb": 0.0001})
    monkeypatch.setitem(GPUS, "a40", tiny)
    _, plan = smoke(site=SiteProfile(gpu="a40"))
    assert plan.fits is False
    assert plan.bound == "memory"
    assert any("take more GPUs" in line for line in plan_lines(plan, "x"))


def test_plan__says_where_samples_come_too_slowly():
    _, plan = smoke(site=SiteProfile(speeds=Speeds(samples_per_core=0.01)))
    assert plan.bound == "data"
    assert any("raise data.num_workers" in line for line in plan_lines(plan, "x"))


def test_plan__needs_a_gpu_that_is_known():
    with pytest.raises(ConfigError, match="gpu='tpu'"):
        smoke(site=SiteProfile(gpu="tpu"))


def test_plan__counts_a_frozen_text_encoder():
    _, with_knowledge = smoke("--model.objective=kep")
    assert any(part.name == "frozen text encoder" for part in with_knowledge.parts)
    frozen = next(p for p in with_knowledge.parts if p.name == "frozen text encoder")
    assert frozen.weights > 0
    assert frozen.trained == 0


def test_plan__divides_weights_where_the_strategy_does():
    whole, divided = (smoke(f"--trainer.strategy={name}")[1] for name in ("ddp", "fsdp2"))
    one, half = ({t.name: t.bytes for t in plan.memory} for plan in (whole, divided))
    for name in ("weights", "gradients", "AdamW moments"):
        assert half[name] == one[name] // 2
    assert half["gathered weights"] > 0
    total = sum(part.weights for part in whole.parts)
    assert whole.load.moved_bytes == 2 * 4 * total
    assert divided.load.moved_bytes == (2 + 1) * 4 * total


def test_plan__leaves_out_gradients_of_towers_that_rest_for_good():
    _, plan = smoke("--model.freeze.image_tower_epochs=all")
    image = next(part for part in plan.parts if part.name == "image tower")
    assert image.trained == 0 < image.weights
    text = next(part for part in plan.parts if part.name == "text tower")
    assert plan.load.flops == 2 * (image.forward_flops + 3 * text.forward_flops)
    _, awake = smoke()
    assert plan.activations.kept < awake.activations.kept
