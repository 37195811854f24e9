"""A language model that sees a box as tokens: what it sees, what changes, what it writes."""

import pytest
import torch
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.decoder_text import DECODER_FAMILIES
from medvlp.models.report_generator import ReportGenerator, WritingSettings
from medvlp.text.writing_tokenizer import train_writing_tokenizer
from tests.models.report_generators import (
    LORA,
    PROMPT,
    REPORTS,
    TOKENIZER,
    boxes,
    disturb,
    generator,
    tokens,
)


def one_by_one(model: ReportGenerator, box: torch.Tensor, report: list[int]) -> torch.Tensor:
    """Return the logits of each token from a call of the whole language model of its own."""
    embed = model.decoder.network.get_input_embeddings()
    visual = model.projection(model.volume_tower(box[None]))[0].reshape(PROMPT.visual_tokens, -1)
    parts = [TOKENIZER.encode(PROMPT.before), TOKENIZER.encode(PROMPT.after)]
    before, after = (embed(torch.tensor(ids)) for ids in parts)
    rows = []
    for place in range(len(report)):
        seen = embed(torch.tensor(report[:place], dtype=torch.long))
        whole = torch.cat([before, visual, after, seen])[None]
        rows.append(model.decoder.network(inputs_embeds=whole).logits[0, -1])
    return torch.stack(rows)


@pytest.mark.parametrize("family", DECODER_FAMILIES)
@torch.no_grad()
def test_logits__are_those_of_each_token_after_prompt_and_earlier_ones_alone(family):
    model, crops, reports = generator(family), boxes(2), tokens(2)
    assert len(reports[0]) != len(reports[1])
    logits, targets = model.report_logits(crops, reports)
    assert targets.tolist() == reports[0] + reports[1]
    pairs = zip(crops, reports, strict=True)
    expected = torch.cat([one_by_one(model, box, report) for box, report in pairs])
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def loss(model, crops, reports) -> torch.Tensor:
    return functional.cross_entropy(*model.report_logits(crops, reports))


def changed(model, part: str, steps: int = 2) -> set[str]:
    model.choose_trained(part)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(free, lr=1e-2)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, boxes(), tokens()).backward()
        optimizer.step()
    return {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}


def test_training__of_the_projection_changes_nothing_else():
    model = generator()
    assert changed(model, "projection") == {"projection.weight", "projection.bias"}
    assert not model.decoder.training
    assert not model.volume_tower.training


def test_training__of_lora_changes_it_on_q_and_v_and_the_projection_only():
    model = generator()
    model.decoder.add_lora(LORA)
    names = changed(model, "lora")
    lora = {name for name in names if ".lora_" in name}
    assert names - lora == {"projection.weight", "projection.bias"}
    assert len(lora) == 2 * 2 * 2
    assert all(".q_proj." in name or ".v_proj." in name for name in lora)


def test_training__of_all_leaves_the_network_for_scans_with_its_statistics():
    names = changed(generator(), "all")
    assert not any(name.startswith("volume_tower") for name in names)
    assert any("lm_head" in name for name in names)
    assert any("embed_tokens" in name for name in names)


@torch.no_grad()
def test_visual_tokens__matter_one_by_one():
    model, crops, reports = generator(), boxes(), tokens()
    disturb([model.projection.weight, *model.decoder.parameters()])
    assert model.visual_tokens(crops).shape == (3, PROMPT.visual_tokens, 16)
    own, others = loss(model, crops, reports), loss(model, crops.roll(1, dims=0), reports)
    assert abs(own - others) > 1e-4
    for token in range(PROMPT.visual_tokens):
        again = generator()
        again.load_state_dict(model.state_dict())
        again.projection.weight[token * 16 : (token + 1) * 16] *= 2
        assert abs(loss(again, crops, reports) - own) > 1e-5


@torch.no_grad()
def test_write__is_the_likeliest_token_after_another_until_the_end():
    model, crops = generator(), boxes()
    disturb([model.projection.weight, *model.decoder.parameters()])
    plain = WritingSettings(max_tokens=10, repetition_penalty=1.0, no_repeat_tokens=0)
    written = model.write_reports(crops, plain)
    for box, text in zip(crops, written, strict=True):
        ids: list[int] = []
        while len(ids) < 10 and TOKENIZER.end_id not in ids:
            ids.append(int(one_by_one(model, box, [*ids, 0])[-1].argmax()))
        assert text == TOKENIZER.decode(ids)
    assert model.write_reports(crops, plain) == written
    assert model.write_reports(crops[1:2], plain) == written[1:2]


@torch.no_grad()
def test_write__does_not_repeat_itself_where_told_so_and_comes_to_an_end():
    model, crops = generator(), boxes(1)
    disturb([model.decoder.network.lm_head.weight])
    free = WritingSettings(max_tokens=60, repetition_penalty=1.0, no_repeat_tokens=0)
    ids = TOKENIZER.encode(model.write_reports(crops, free)[0])
    triples = [tuple(ids[i : i + 3]) for i in range(len(ids) - 2)]
    assert len(set(triples)) < len(triples)
    kept: list[list[int]] = []
    decode, model.tokenizer = model.tokenizer, TOKENIZER
    model.tokenizer = type("Spy", (), {"end_id": TOKENIZER.end_id, "decode": kept.append})()
    model.write_reports(crops, WritingSettings(max_tokens=60, repetition_penalty=1.0))
    triples = [tuple(kept[0][i : i + 3]) for i in range(len(kept[0]) - 2)]
    assert len(set(triples)) == len(triples)
    model.tokenizer = decode
    with torch.no_grad():  # the end first of all
        model.decoder.network.lm_head.weight.zero_()
        model.decoder.network.lm_head.weight[TOKENIZER.end_id] = 1e-3
    assert len(model.write_reports(crops, free)) == 1


def test_write__leaves_the_mode_and_the_weights_as_they_were():
    model = generator()
    model.choose_trained("all")
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.write_reports(boxes(1), WritingSettings(max_tokens=3, beams=2))
    assert model.training
    assert model.decoder.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


@torch.no_grad()
def test_generator__of_a_decoder_in_bf16_gives_finite_logits_and_writes():
    model = generator()
    model.decoder.network.to(torch.bfloat16)
    model.decoder.add_lora(LORA)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.report_logits(boxes(), tokens())[0].isfinite().all()
    assert len(model.write_reports(boxes(), WritingSettings(max_tokens=3))) == 3


def test_generator__is_fixed_by_its_seed_and_refuses_a_larger_vocabulary():
    before = torch.get_rng_state()
    first, again = generator(), generator()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.projection.weight, again.projection.weight)
    larger = train_writing_tokenizer([*REPORTS, "Words of another hospital entirely."], 310)
    with pytest.raises(ModelError, match=r"MV1409: the tokenizer has 3\d\d pieces"):
        ReportGenerator(first.volume_tower, first.decoder, larger, PROMPT)
