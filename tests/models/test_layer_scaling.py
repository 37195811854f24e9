import pytest
import torch

from medvlp.models.layer_scaling import (
    block_by_substring,
    merge_alpha,
    scale_layers,
    sum_task_vectors,
)

BASE = {f"blocks.{block}.weight": torch.zeros(2) for block in range(3)} | {"head": torch.zeros(2)}
ONES = {key: torch.ones(2) for key in BASE}
BLOCKS = {"blocks.0.weight": 0, "blocks.1.weight": 1, "blocks.2.weight": 2}


def test_scale_layers__grows_with_the_block():
    scaled = scale_layers(BASE, ONES, BLOCKS.get, 3, alpha=0.2, beta=0.6)
    factors = [scaled[key][0].item() for key in [*BLOCKS, "head"]]
    assert factors == pytest.approx([0.2, 0.5, 0.8, 0.2])


def test_scale_layers__with_beta_zero_scales_everything_alike():
    scaled = scale_layers(ONES, ONES, BLOCKS.get, 3, alpha=1.0, beta=0.0)
    assert all(torch.equal(weight, torch.full((2,), 2.0)) for weight in scaled.values())


def test_sum_task_vectors__adds_what_each_model_learned():
    tuned = [{key: torch.full((2,), value) for key in BASE} for value in (1.0, 2.5)]
    vector = sum_task_vectors(ONES, tuned)
    assert all(torch.equal(change, torch.full((2,), 1.5)) for change in vector.values())
    assert merge_alpha(vector, vector, 2) == 0.5
    halved = {key: change / 2 for key, change in vector.items()}
    assert merge_alpha(halved, vector, 2) == 1


def test_block_by_substring__repeats_the_published_mistakes():
    block_of = block_by_substring(12)
    assert block_of("blocks.3.weight") == 3
    assert block_of("visual_head.2.bias") == 2
    assert block_of("layer.11.ff.1.bias") == 1
    assert block_of("logit_scale") is None


def test_scale_layers__refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="num_blocks=1 must be >= 2"):
        scale_layers(BASE, ONES, BLOCKS.get, 1, alpha=0.5, beta=0.5)
    with pytest.raises(ValueError, match="have the same keys"):
        scale_layers(BASE, {}, BLOCKS.get, 3, alpha=0.5, beta=0.5)
    with pytest.raises(ValueError, match=r"block 2 of blocks\.2\.weight is not in \[0, 2\)"):
        scale_layers(BASE, ONES, BLOCKS.get, 2, alpha=0.5, beta=0.5)
